/*
 * The parser behind every command: argp, over the rows of the command's table. Called by main.c for
 * the commands that only ask, and by run functions that fill a struct of their own.
 */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "commands.h"

#define OPTIONS_MOST 32u

/* ---- kinds of values ---- */

void *given_field(const struct given *given)
{
    return (char *)given->fields + given->option->field;
}

void given_param(const struct given *given, json_t *value)
{
    assert(given->option->param);
    json_object_set_new(given->cli->params, given->option->param, value ? value : json_null());
}

void option_flag(const struct given *given)
{
    const struct cli_option *option = given->option;

    if (option->param) {
        given_param(given, option->as ? json_string(option->as) : json_true());
    } else {
        assert(option->size == sizeof(bool));
        *(bool *)given_field(given) = true;
    }
}

void option_text(const struct given *given)
{
    if (given->option->param) {
        given_param(given, json_string(given->text));
    } else {
        assert(given->option->size == sizeof(given->text));
        *(const char **)given_field(given) = given->text;
    }
}

/* For messages: "--epoch", or "SAMPLE" of an argument. */
static const char *dashes(const struct cli_option *option)
{
    return option->name ? "--" : "";
}

static const char *called(const struct cli_option *option)
{
    return option->name ? option->name : option->value;
}

uint64_t given_number(const struct given *given, const char *text, uint64_t min, uint64_t max)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min || value > max)
        argp_error(given->state, "%s%s: '%s' is not a whole number from %llu to %llu",
                   dashes(given->option), called(given->option), text, (unsigned long long)min,
                   (unsigned long long)max);
    return value;
}

void option_number(const struct given *given)
{
    const struct cli_option *option = given->option;
    uint64_t value = given_number(given, given->text, option->min, option->max);

    if (option->param) {
        assert(option->max <= INT64_MAX); /* as JSON has it */
        given_param(given, json_integer((json_int_t)value));
    } else {
        assert(option->size == sizeof(value));
        *(uint64_t *)given_field(given) = value;
    }
}

void option_duration(const struct given *given)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}};
    const char *text = given->text;
    unsigned long long value;
    uint64_t unit = 0;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        unit = strcmp(end, units[i].name) == 0 ? units[i].ms : unit;
    if (strcmp(text, "0") == 0)
        unit = 1;
    if (text[0] < '0' || text[0] > '9' || unit == 0 || errno != 0 || value > UINT32_MAX / unit)
        argp_error(given->state,
                   "%s%s: '%s' is not a time such as 500ms, 30s, 10m or 2h (at most 49 days)",
                   dashes(given->option), called(given->option), text);
    given_param(given, json_integer((json_int_t)(value * unit)));
}

/* ---- the options of every command ---- */

enum { KEY_JSON = 0x1000 };

const struct argp_option common_options[] = {
    {"server", 's', "ADDRESS", 0, "Where evendrawd listens: unix:/path or tcp:host:port", 0},
    {"json", KEY_JSON, NULL, 0, "Print the daemon's answer as JSON", 0},
    {0},
};

static error_t parse_common(int key, char *text, struct argp_state *state)
{
    struct cli *cli = state->input;

    switch (key) {
    case 's':
        cli->server = text;
        return 0;
    case KEY_JSON:
        cli->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp common_argp = {.options = common_options, .parser = parse_common};

const struct argp_child common_children[] = {
    {&common_argp, 0, "Common options:", 1},
    {0},
};

/* ---- a command's line ---- */

struct parsing {
    struct cli *cli;
    void *fields;
    uint32_t met; /* bit i: row i was given */
};

/* What argp knows row i by. */
static int key_of(const struct cli_option *option, size_t i)
{
    return option->letter ? option->letter : 0x100 + (int)i;
}

static void finish(struct argp_state *state)
{
    const struct parsing *parsing = state->input;
    const struct command *command = parsing->cli->command;
    const struct cli_option *option;

    for (size_t i = 0; (option = command_option(command, i)); i++) {
        if (option->missing && !(parsing->met >> i & 1))
            argp_error(state, "%s", option->missing);
    }
    if (command->check)
        command->check(state, parsing->cli, parsing->fields);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    const struct cli_option *option;
    unsigned place = 0;

    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = parsing->cli;
        return 0;
    }
    if (key == ARGP_KEY_END) {
        finish(state);
        return 0;
    }
    for (size_t i = 0; (option = command_option(parsing->cli->command, i)); i++) {
        struct given given = {option, text, parsing->cli, parsing->fields, state};

        if (option->name ? key != key_of(option, i)
                         : key != ARGP_KEY_ARG || place++ != state->arg_num)
            continue;
        parsing->met |= UINT32_C(1) << i;
        option->parse(&given);
        return 0;
    }
    if (key == ARGP_KEY_ARG)
        argp_error(state, "'%s' is one argument too many", text);
    return ARGP_ERR_UNKNOWN;
}

/* Parameters that JSON cannot hold became null. */
static void require_utf8(struct cli *cli)
{
    const char *key;
    json_t *value;

    json_object_foreach(cli->params, key, value)
    {
        if (json_is_null(value))
            exit(cli_not_utf8(cli));
    }
}

void options_parse(struct cli *cli, int argc, char **argv, void *fields)
{
    struct argp_option options[OPTIONS_MOST + 1] = {0};
    char arguments[64] = "";
    struct argp argp = {.options = options,
                        .parser = parse,
                        .args_doc = arguments,
                        .doc = cli->command->doc,
                        .children = common_children};
    struct parsing parsing = {.cli = cli, .fields = fields};
    const struct cli_option *option;
    size_t named = 0, len = 0;

    for (size_t i = 0; (option = command_option(cli->command, i)); i++) {
        assert(i < OPTIONS_MOST);
        if (option->name)
            options[named++] = (struct argp_option){
                option->name, key_of(option, i), option->value, 0, option->help, 0};
        else
            len += (size_t)snprintf(arguments + len, sizeof(arguments) - len,
                                    option->missing ? "%s%s" : "%s[%s]", len > 0 ? " " : "",
                                    option->value);
    }
    if (named == 0)
        argp.options = NULL;
    if (len == 0)
        argp.args_doc = NULL;
    argp_parse(&argp, argc, argv, 0, NULL, &parsing);
    require_utf8(cli);
}
