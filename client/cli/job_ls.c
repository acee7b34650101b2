/* `evendraw job ls` and `evendraw job rm`. */
#include "cli.h"

#include <inttypes.h>

/* ---- job ls ---- */

static void print_list(const json_t *answer, const void *args)
{
    const json_t *list = json_object_get(answer, "jobs");
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
        if (json_is_true(json_object_get(job, "failed")))
            snprintf(text, sizeof(text), "OUT OF SERVICE, see job info");
        else
            snprintf(text, sizeof(text), "%s/%s", text_count(step, field_u64(job, "step")),
                     text_count(steps, field_u64(job, "steps")));
        table_add(table, text);
        table_add(table, text_count(step, field_u64(job, "streams")));
    }
    (void)args;
    table_print(table);
    if (json_array_size(list) == 0)
        fputs("no jobs yet: `evendraw job create NAME --dataset D --batch-size G` starts one\n",
              stderr);
}

int command_job_ls(struct cli *cli, int argc, char **argv)
{
    return cli_ask(cli, argc, argv, "List the jobs, and where they are.", "job.list", print_list);
}

/* ---- job rm ---- */

struct args {
    struct cli *cli;
    const char *name;
    bool force;
};

static error_t parse_rm(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

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
        cli_no_job(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_removed(const json_t *answer, const void *args)
{
    (void)args;
    printf("removed job %s\n", field_text(answer, "job"));
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
    struct args args = {.cli = cli};
    json_t *params;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    params = json_pack("{s:s, s:b}", "job", args.name, "force", args.force);
    return cli_show(cli, cli_call(cli, "job.drop", params), print_removed, &args);
}
