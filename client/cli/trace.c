/* `evendraw trace`: when a sample was served. */
#include <inttypes.h>
#include "cli.h"

struct args {
    struct cli *cli;
    const char *words[2]; /* the job, the sample */
    uint64_t sample;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, args->words, 2);
        return 0;
    case ARGP_KEY_END:
        if (args->words[0] == NULL)
            cli_no_job(state);
        else if (args->words[1] == NULL)
            argp_error(state, "which sample? give its index, such as 0");
        else
            args->sample = cli_number(state, "SAMPLE", args->words[1], 0, INT64_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* All pages as one answer. */
static json_t *ask(const struct args *args)
{
    json_t *answer = NULL, *steps = json_array();
    bool more = true;

    while (more) {
        size_t before = json_array_size(steps);
        json_t *params = json_pack("{s:s, s:I, s:I}", "job", args->words[0], "sample",
                                   (json_int_t)args->sample, "first", (json_int_t)before);
        json_decref(answer);
        answer = cli_call(args->cli, "job.trace", params);
        json_array_extend(steps, json_object_get(answer, "steps"));
        more = json_is_true(json_object_get(answer, "more")) && json_array_size(steps) > before;
    }
    if (answer != NULL) {
        json_object_set(answer, "steps", steps);
        json_object_set_new(answer, "first", json_integer(0));
    }
    json_decref(steps);
    return answer;
}

static void print_trace(const json_t *answer, const void *args)
{
    static const char *const titles[] = {"GENERATION", "EPOCH", "STEP", "RANK", "REVISION"};
    static const bool right[] = {true, true, true, true, true};
    const json_t *steps = json_object_get(answer, "steps");
    struct table *table = table_new(titles, right, 5);
    const json_t *step, *value;
    text_t text;
    size_t i, k;

    json_array_foreach(steps, i, step)
    {
        json_array_foreach(step, k, value)
            table_add(table, json_is_integer(value) ? text_count(text, value_u64(value)) : "-");
    }
    table_print(table);
    if (json_array_size(steps) == 0)
        printf("sample %" PRIu64 " was not served yet\n", ((const struct args *)args)->sample);
}

int command_trace(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "JOB SAMPLE",
        .doc = "Show every step in which a sample was served so far, with the rank that got it (of "
               "a ranked job, the lowest of its replicas) and the revision of the strategy that "
               "drew it. The steps are drawn "
               "again for that, which takes its time in long jobs.",
        .children = cli_children};
    struct args args = {.cli = cli};

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    cli->time_limit_ms = EVD_NO_TIME_LIMIT;
    return cli_show(cli, ask(&args), print_trace, &args);
}
