#include "cli.h"
#include "words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- arguments ---- */

enum { OPTION_JSON = 0x1000 };

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
    struct cli *cli = state->input;

    switch (key) {
    case 's':
        cli->server = arg;
        return 0;
    case OPTION_JSON:
        cli->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option common_options[] = {
    {"server", 's', "ADDRESS", 0, "Where evendrawd listens: unix:/path or tcp:host:port", 0},
    {"json", OPTION_JSON, NULL, 0, "Print the daemon's answer as JSON", 0},
    {0},
};

const struct argp cli_common_argp = {.options = common_options, .parser = parse_common};

const struct argp_child cli_children[] = {
    {&cli_common_argp, 0, "Common options:", 1},
    {0},
};

void cli_parse_init(struct argp_state *state)
{
    struct cli **input = state->input;

    state->child_inputs[0] = *input;
}

void cli_positional(struct argp_state *state, const char *arg, const char **slots, unsigned count)
{
    if (state->arg_num >= count)
        argp_error(state, "'%s' is one argument too many", arg);
    else
        slots[state->arg_num] = arg;
}

void cli_no_job(struct argp_state *state)
{
    argp_error(state, "name the job (`evendraw job ls` lists them)");
}

void cli_no_dataset(struct argp_state *state)
{
    argp_error(state, "name the dataset (`evendraw datasets` lists them)");
}

uint64_t cli_number(struct argp_state *state, const char *option, const char *text, uint64_t min,
                    uint64_t max)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min || value > max)
        argp_error(state, "%s: '%s' is not a whole number from %llu to %llu", option, text,
                   (unsigned long long)min, (unsigned long long)max);
    return value;
}

uint64_t cli_duration(struct argp_state *state, const char *option, const char *text)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}};
    unsigned long long value;
    uint64_t unit = 0;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        unit = strcmp(end, units[i].name) == 0 ? units[i].ms : unit;
    if (strcmp(text, "0") == 0)
        return 0;
    if (text[0] < '0' || text[0] > '9' || unit == 0 || errno != 0 || value > UINT32_MAX / unit)
        argp_error(state, "%s: '%s' is not a time such as 500ms, 30s, 10m or 2h (at most 49 days)",
                   option, text);
    return value * unit;
}

/* ---- errors ---- */

int cli_failed(struct cli *cli, int code)
{
    fputs("evendraw: ", stderr);
    words_print(stderr, evd_error_message(cli->client));
    fprintf(stderr, " (%s)\n", evd_error_name(code));
    switch (code) {
    case EVD_E_CONNECT:
    case EVD_E_CLOSED:
    case EVD_E_TIMEOUT:
    case EVD_E_SHUTTING_DOWN:
        cli->status = EXIT_CONNECT;
        break;
    case EVD_E_USAGE:
        cli->status = EXIT_USAGE;
        break;
    default:
        cli->status = EXIT_REFUSED;
    }
    return cli->status;
}

int cli_error(struct cli *cli, int status, const char *format, ...)
{
    va_list ap;

    fputs("evendraw: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    cli->status = status;
    return status;
}

/* ---- the daemon ---- */

bool cli_connect(struct cli *cli)
{
    evd_client_options options = {.client_name = "evendraw", .time_limit_ms = cli->time_limit_ms};
    int code;

    if (cli->client != NULL)
        return true;
    code = evd_connect(cli->server, &options, &cli->client);
    if (code == EVD_E_BAD_VALUE) {
        cli_error(cli, EXIT_USAGE, "%s: %s", cli->server ? "--server" : "EVENDRAW_SERVER",
                  evd_error_message(cli->client));
        return false;
    }
    if (code != EVD_OK)
        cli_failed(cli, code);
    return code == EVD_OK;
}

/* For people to read. */
static void clean(json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;

    json_array_foreach(value, i, item) clean(item);
    json_object_foreach(value, key, item) clean(item);
    if (json_is_string(value)) {
        char *text = strdup(json_string_value(value));

        if (text != NULL)
            text_clean(text);
        json_string_set(value, text ? text : "");
        free(text);
    }
}

json_t *cli_call(struct cli *cli, const char *method, json_t *params)
{
    char *text = params ? json_dumps(params, JSON_COMPACT) : NULL;
    char *result = NULL;
    json_t *answer = NULL;
    int code;

    if (text == NULL) {
        cli_error(cli, EXIT_USAGE, "an argument is not UTF-8 (or there is no memory)");
    } else if (cli_connect(cli)) {
        code = evd_call(cli->client, method, text, &result);
        if (code != EVD_OK)
            cli_failed(cli, code);
        else if ((answer = json_loads(result, 0, NULL)) == NULL)
            cli_error(
                cli, EXIT_REFUSED,
                "%s: the answer cannot be read, or there is no memory: `evendraw info` shows which "
                "daemon this is",
                method);
    }
    if (!cli->json)
        clean(answer);
    json_decref(params);
    free(text);
    evd_free(result);
    return answer;
}

int cli_print_json(struct cli *cli, json_t *answer)
{
    char *text = json_dumps(answer, JSON_INDENT(2));
    int status = EXIT_OK;

    json_decref(answer);
    if (text == NULL)
        return cli_error(cli, EXIT_REFUSED, "no memory to print the answer");
    /* A long text is written at once: at the program's end nobody would know that it failed. */
    if (puts(text) < 0 && errno != EPIPE)
        status = cli_error(cli, EXIT_INPUT, "cannot write the answer: %s", strerror(errno));
    free(text);
    return status;
}
