/* `evendraw job ls` and `evendraw job rm`. */
#include "cli.h"

#include <inttypes.h>

/* ---- job ls ---- */

struct list_args {
    struct cli *cli;
};

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_list(const json_t *list)
{
    static const char *const titles[] = {"JOB",   "DATASET", "STRATEGY", "MODE",
                                         "BATCH", "EPOCH",   "STEP",     "WORKERS"};
    static const bool right[] = {false, false, false, false, true, true, true, true};
    struct table *table = table_new(titles, right, 8);
    const json_t *job;
    char text[300];
    size_t i;

    json_array_foreach(list, i, job)
    {
        text_t step, steps;

        table_add(table, field_text(job, "job"));
        snprintf(text, sizeof(text), "%s, version %" PRIu64, field_text(job, "dataset"),
                 field_u64(job, "version"));
        table_add(table, text);
        table_add(table, field_text(job, "kind"));
        table_add(table, field_text(job, "mode"));
        table_add(table, text_count(step, field_u64(job, "batch_size")));
        table_add(table, text_count(step, field_u64(job, "epoch")));
        snprintf(text, sizeof(text), "%s/%s", text_count(step, field_u64(job, "step")),
                 text_count(steps, field_u64(job, "steps")));
        table_add(table, text);
        table_add(table, text_count(step, field_u64(job, "streams")));
    }
    table_print(table);
    if (json_array_size(list) == 0)
        fputs("no jobs yet: `evendraw job create NAME --dataset D --batch-size G` starts one\n",
              stderr);
}

int command_job_ls(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {.parser = parse_list,
                                     .doc = "List the jobs, and where they are.",
                                     .children = cli_children};
    struct list_args args = {.cli = cli};
    json_t *answer;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    answer = cli_call(cli, "job.list", NULL);
    if (answer == NULL)
        return cli->status;
    if (cli->json)
        return cli_print_json(cli, answer);
    print_list(json_object_get(answer, "jobs"));
    json_decref(answer);
    return EXIT_OK;
}

/* ---- job rm ---- */

struct rm_args {
    struct cli *cli;
    const char *name;
    bool force;
};

static error_t parse_rm(int key, char *arg, struct argp_state *state)
{
    struct rm_args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case 'f':
        args->force = true;
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->name, 1);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name the job");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int command_job_rm(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"force", 'f', NULL, 0, "Even while workers are attached", 0}, {0}};
    static const struct argp argp = {.options = options,
                                     .parser = parse_rm,
                                     .args_doc = "NAME",
                                     .doc = "Remove a job and its history.",
                                     .children = cli_children};
    struct rm_args args = {.cli = cli};
    json_t *answer;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    answer =
        cli_call(cli, "job.drop", json_pack("{s:s, s:b}", "job", args.name, "force", args.force));
    if (answer == NULL)
        return cli->status;
    if (cli->json)
        return cli_print_json(cli, answer);
    printf("removed job %s\n", args.name);
    json_decref(answer);
    return EXIT_OK;
}
