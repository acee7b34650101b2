/*
 * The table of commands, which main.c runs by, options.c parses by, words.c speaks by and
 * completion.c lists.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "options.h"

/* A command that does more than ask once and print. argv[0] is the command as it was called; it
 * begins with options_parse. Returns an exit code. */
typedef int command_run(struct cli *cli, int argc, char **argv);

struct command {
    const char *noun, *verb; /* verb NULL: the noun is the whole command */
    const char *help;        /* what `evendraw --help` says of it */
    const char *doc;         /* what its own --help says; behind \v what comes after the options */
    const struct cli_option *options[4]; /* lists of rows; NULL behind the last */
    options_check *check;                /* NULL: no options depend on others */
    /* The methods whose errors are told in this command's name; it calls the first. */
    const char *methods[4];
    const char *const *pages; /* arrays of an answer about classes, which comes in pages; or NULL */
    const struct cli_rows *rows; /* a list of rows, which comes in pages; or NULL */
    bool patient;                /* it waits for the answer as long as that takes */
    answer_print *print;
    command_run *run; /* NULL: call the method and print the answer */
};

extern const struct command commands[];
extern const size_t command_count;

/* Row i over all lists of a command; NULL: there are no more. */
const struct cli_option *command_option(const struct command *command, size_t i);
/* "job create" */
#define COMMAND_NAME 32
const char *command_name(const struct command *command, char out[COMMAND_NAME]);
/* Calls a command's method with its parameters. NULL: the reason was printed. */
json_t *command_ask(struct cli *cli) __attribute__((warn_unused_result));

/* From where on an answer draws again, if what was drawn before that is forgotten. */
void print_since(const json_t *answer, const char *done);

/* What the rows name. Each stands in the file of its noun. */
answer_print print_attachments, print_copy, print_created_job, print_dataset_stats, print_datasets,
    print_detached, print_history, print_job, print_job_stats, print_jobs, print_moved_job,
    print_position, print_preview, print_removed_dataset, print_removed_job, print_revision,
    print_workers;
options_check check_confusion, check_job_create, check_job_seek, check_job_set, check_load,
    check_neighbours, check_preview, check_replay, check_select, check_threshold, check_weights;
command_run run_confusion, run_info, run_load, run_neighbours, run_pull, run_repair, run_replay,
    run_select, run_strategies, run_threshold, run_trace, run_verify, run_weights;
option_parse parse_all_classes, parse_beta, parse_copy_path, parse_strategy,
    parse_strategy_parameter, parse_tau;
/* What a command that is about a job says without one. */
#define JOB_IS_MISSING "name the job (`evendraw job ls` lists them)"

extern const struct cli_option batch_options[], confusion_options[], load_options[],
    neighbours_options[], pull_options[], repair_options[], replay_options[], select_options[],
    strategies_options[], threshold_options[], verify_options[];

#endif
