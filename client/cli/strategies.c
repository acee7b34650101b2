/* `evendraw strategies`: what can be given to --strategy and --set. */
#include <stdlib.h>
#include <string.h>
#include "commands.h"
#include "print.h"

struct args {
    const char *kind; /* NULL: all */
};

const struct cli_option strategies_options[] = {
    {ARGUMENT("KIND"), option_text, FIELD(struct args, kind), .words = "@strategies"},
    {0},
};

/* "alpha=0.5", "weights (required)". */
static void name_parameter(char *out, size_t size, const json_t *parameter)
{
    const char *standard = json_string_value(json_object_get(parameter, "default"));
    bool required = json_is_true(json_object_get(parameter, "required"));

    snprintf(out, size, "%s%s%s%s", field_text(parameter, "name"), standard ? "=" : "",
             standard ? standard : "", required ? " (required)" : "");
}

/* The longest of them, or `widest`. */
static int widest_parameter(const json_t *parameters, int widest)
{
    const json_t *parameter;
    size_t i;

    json_array_foreach(parameters, i, parameter)
    {
        char name[128];
        name_parameter(name, sizeof(name), parameter);
        widest = text_width(name) > widest ? text_width(name) : widest;
    }
    return widest;
}

/* As it is written on a command line: an object becomes --strategy KIND --set NAME=VALUE. */
static void print_example(const char *example)
{
    json_t *strategy = json_loads(example, 0, NULL), *value;
    const char *key;

    printf("    Example: --strategy %s", field_text(strategy, "kind"));
    json_object_foreach(strategy, key, value)
    {
        const char *text = json_string_value(value);
        char *json = text ? NULL : cli_json(value, JSON_COMPACT | JSON_ENCODE_ANY);
        const char *shown = text ? text : json ? json : "";
        const char *quote = strpbrk(shown, " {}[]\"*?$") ? "'" : "";

        if (strcmp(key, "kind") != 0)
            printf(" --set %s%s=%s%s", quote, key, shown, quote);
        free(json);
    }
    fputc('\n', stdout);
    json_decref(strategy);
}

static void print_parameter(const json_t *parameter, int width)
{
    char name[128];

    name_parameter(name, sizeof(name), parameter);
    fputs("      ", stdout);
    print_padded(stdout, name, width);
    fputs("  ", stdout);
    print_wrapped(field_text(parameter, "help"), width + 8, width + 8);
}

static void print_kind(const json_t *strategy, int width)
{
    const json_t *parameter;
    size_t i;

    printf("%s\n    ", field_text(strategy, "kind"));
    print_wrapped(field_text(strategy, "meaning"), 4, 4);
    json_array_foreach(json_object_get(strategy, "parameters"), i, parameter)
    {
        print_parameter(parameter, width);
    }
    print_example(field_text(strategy, "example"));
}

/* What every kind takes beside its own parameters. */
static void print_common(const json_t *common, int width)
{
    const json_t *parameter;
    size_t i;

    if (json_array_size(common) > 0)
        fputs("\nany of them, beside its own (required: with others of its map)\n", stdout);
    json_array_foreach(common, i, parameter)
    {
        print_parameter(parameter, width);
    }
}

static void print_all(const json_t *strategies, const json_t *common)
{
    const json_t *strategy;
    int width = widest_parameter(common, 0);
    size_t i;

    json_array_foreach(strategies, i, strategy)
    {
        width = widest_parameter(json_object_get(strategy, "parameters"), width);
    }
    json_array_foreach(strategies, i, strategy)
    {
        if (i > 0)
            fputc('\n', stdout);
        print_kind(strategy, width);
    }
    print_common(common, width);
}

static int unknown(struct cli *cli, const json_t *strategies, const char *kind)
{
    const json_t *strategy;
    size_t i;

    fprintf(stderr, "evendraw: no strategy '%s'; there are", kind);
    json_array_foreach(strategies, i, strategy)
        fprintf(stderr, "%s %s", i ? "," : "", field_text(strategy, "kind"));
    fputc('\n', stderr);
    cli->status = EXIT_USAGE;
    return EXIT_USAGE;
}

/* Leaves only the kind that was asked for. */
static void filter(json_t *strategies, const char *kind)
{
    for (size_t i = json_array_size(strategies); kind && i-- > 0;) {
        if (strcmp(field_text(json_array_get(strategies, i), "kind"), kind) != 0)
            json_array_remove(strategies, i);
    }
}

int run_strategies(struct cli *cli, int argc, char **argv)
{
    struct args args = {0};
    json_t *answer, *strategies, *all;
    int status = EXIT_OK;

    options_parse(cli, argc, argv, &args);
    answer = cli_call(cli, cli->command->methods[0], json_object());
    if (!answer)
        return cli->status;
    strategies = json_object_get(answer, "strategies");
    all = json_copy(strategies);
    filter(strategies, args.kind);
    if (json_array_size(strategies) == 0)
        status = unknown(cli, all, args.kind ? args.kind : "");
    else if (cli->json)
        status = cli_print_json(cli, json_incref(answer));
    else
        print_all(strategies, json_object_get(answer, "common"));
    json_decref(all);
    json_decref(answer);
    return status;
}
