/*
 * The command line tool `evendraw`: one file per command, a table of them in main.c, and here what
 * they share. It uses the public library only.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <evendraw.h>
#include <jansson.h>

/* Exit codes, documented in `evendraw --help`. */
enum {
    EXIT_OK = 0,
    EXIT_REFUSED = 1, /* the daemon refused or failed */
    EXIT_USAGE = 2,   /* the command line is wrong */
    EXIT_CONNECT = 3, /* no daemon there, or the connection was lost */
    EXIT_INPUT = 4,   /* a file cannot be read or is not what it should be */
};

struct cli {
    const char *server; /* NULL: as evd_connect finds it */
    bool json;
    int time_limit_ms;  /* of a call; 0: the library's */
    evd_client *client; /* NULL until cli_connect */
    int status;         /* exit code of what failed last */
};

/* A command parses its own arguments; argv[0] is the command as it was called. Returns an exit
 * code. */
typedef int command_run(struct cli *cli, int argc, char **argv);
command_run command_load, command_datasets, command_dataset_rm, command_stats, command_info,
    command_job_create, command_job_set, command_job_ls, command_job_info, command_job_rm,
    command_job_stats, command_pull, command_backup, command_preview, command_weights,
    command_strategies, command_confusion, command_job_position, command_job_seek,
    command_job_history, command_trace, command_replay, command_workers;

/* ---- cli.c: arguments, the daemon, errors ---- */

/* --server and --json; the last child of every command's argp. A command's input struct begins with
 * `struct cli *cli`, and its parser hands it on at ARGP_KEY_INIT by cli_parse_init. */
extern const struct argp cli_common_argp;
extern const struct argp_child cli_children[];
void cli_parse_init(struct argp_state *state);
/* Stores a positional argument; one too many is a usage error. */
void cli_positional(struct argp_state *state, const char *arg, const char **slots, unsigned count);
/* Usage errors: the name of a job or dataset is missing. */
void cli_no_job(struct argp_state *state);
void cli_no_dataset(struct argp_state *state);
/* The whole of `text` as a number from min to max, or a usage error that names the option. */
uint64_t cli_number(struct argp_state *state, const char *option, const char *text, uint64_t min,
                    uint64_t max);

/* A time such as 30s, 500ms, 10m, 2h or 0, in milliseconds of at most 2^32 - 1, likewise. */
uint64_t cli_duration(struct argp_state *state, const char *option, const char *text);

/* Connects unless it is connected. False: the reason was printed, and cli->status is set. */
bool cli_connect(struct cli *cli);
/* Calls a method; takes over the reference to params (NULL: they could not be made, for want of
 * memory or because an argument is not UTF-8). NULL: the reason was printed. */
json_t *cli_call(struct cli *cli, const char *method, json_t *params);
/* Prints the library's last error and returns the exit code for it, which is also cli->status. */
int cli_failed(struct cli *cli, int code);
/* Prints an error of the tool's own and returns `status`. */
int cli_error(struct cli *cli, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Prints the daemon's answer as it is and releases it. */
int cli_print_json(struct cli *cli, json_t *answer);

/* ---- ask.c: a question, and its answer printed ---- */

/* Adds a whole number to the parameters of a call. */
void params_u64(json_t *params, const char *key, uint64_t value);

/* Prints an answer for people; `args` is the command's input struct. */
typedef void answer_print(const json_t *answer, const void *args);
/* As JSON or by `print`; releases the answer. NULL: the reason was printed. Returns the exit code.
 */
int cli_show(struct cli *cli, json_t *answer, answer_print *print, const void *args);

struct cli_args {
    struct cli *cli;
    const char *name; /* of what the command is about */
};
/* Whole commands that only ask: without arguments, or with the name of a job. */
int cli_ask(struct cli *cli, int argc, char **argv, const char *doc, const char *method,
            answer_print *print);
int cli_ask_job(struct cli *cli, int argc, char **argv, const char *doc, const char *method,
                answer_print *print);

/* ---- print.c: what people read ---- */

/* A field of an answer; 0, 0.0 or "" if it is not there. */
uint64_t field_u64(const json_t *object, const char *key);
double field_f64(const json_t *object, const char *key);
const char *field_text(const json_t *object, const char *key);
/* A whole number: those of 2^63 and more are strings of digits. 0 if it is none. */
uint64_t value_u64(const json_t *value);
/* What an array of an answer holds for class i; NULL if it is not there. */
const json_t *class_item(const json_t *answer, const char *key, size_t i);
uint64_t class_u64(const json_t *answer, const char *key, size_t i);
const char *class_name(const json_t *answer, size_t i); /* "?" if it is not there */

/* 1234567 as "1,234,567"; bytes as "1.2 MB"; seconds as "3 h 12 min". In a buffer of the caller. */
typedef char text_t[40];
const char *text_count(text_t out, uint64_t n);
/* "1 job", "2,000 jobs", "3 classes"; a noun has at most ten letters. */
const char *text_items(text_t out, uint64_t n, const char *noun);
const char *text_bytes(text_t out, uint64_t bytes);
const char *text_duration(text_t out, double seconds);
/* Milliseconds: "1.5 s", "10 min 0 s". */
const char *text_ms(text_t out, uint64_t ms);
const char *text_time(text_t out, uint64_t seconds_since_1970);

/* A share (0..1) in percent with that many decimals, or as many more as two digits of it take:
 * "12.3 %", "0.0042 %", "<0.000001 %". */
const char *text_share(text_t out, double share, int decimals);
/* A real number in six digits; "-" for what is none. */
const char *text_number(text_t out, const json_t *value);

/* Control characters become '?': what a daemon or a file says must not steer the terminal. */
void text_clean(char *text);
/* Columns a text takes on the terminal. */
int text_width(const char *text);
/* Writes a text in exactly `width` columns, cut with "..." or padded on the right. */
void print_padded(FILE *out, const char *text, int width);
/* Columns of the terminal behind `out`, or 80. */
int terminal_width(FILE *out);

/* Writes a text in lines of the terminal's width, the second and further ones indented; the first
 * begins at column `at`. */
void print_wrapped(const char *text, int at, int indent);

/* A table whose columns are as wide as they need to be; numbers stand on the right. */
struct table;
struct table *table_new(const char *const *titles, const bool *right, unsigned columns);
void table_add(struct table *table, const char *text);
/* A row with nothing but its first cell. */
void table_gap(struct table *table, const char *text);
void table_print(struct table *table); /* and frees it */

/* A bar of `share` (0..1) of `width` columns: eighths of blocks on a UTF-8 terminal, or else '#'.
 */
void print_bar(double share, int width);

/* ---- classes.c: which classes a table shows ---- */

/* All of them in class order, or the largest and the smallest if there are many. */
struct shown {
    size_t *class; /* n class numbers; owned */
    size_t n, gap; /* before class[gap] others were left out; gap == n: none were */
    size_t all;
};

/* `counts`: an array with one number for each class. False without memory, after a message. */
bool shown_init(struct shown *shown, const json_t *counts, bool all);
void shown_fini(struct shown *shown);
/* "... 1,234": what stands in the gap. */
const char *shown_between(const struct shown *shown, text_t out);
/* Says how many were left out, if any. */
void shown_note(const struct shown *shown);

/* ---- strategy.c: --strategy and --set, and how a strategy is shown ---- */

/* These two may come in any order; *strategy begins as NULL. `text` is a kind ("stratified") or a
 * JSON object, `assignment` is "name=value": a value that is JSON is taken as such, anything else
 * as text. */
void strategy_choose(struct argp_state *state, json_t **strategy, const char *text);
void strategy_set(struct argp_state *state, json_t **strategy, const char *assignment);
/* At the end of the arguments: --set without --strategy is a usage error. */
void strategy_check(struct argp_state *state, const json_t *strategy);
/* A strategy in one line: explicit weights of many classes are cut. */
void print_strategy(const json_t *strategy);

/* ---- terms.c: what a new job, or a preview of one, is to be ---- */

struct terms {
    json_t *strategy; /* NULL: the daemon's default */
    const char *last_batch;
    uint64_t version, batch_size, seed, world_size; /* 0: not said */
    bool has_seed, ranked;
};

/* Instead of cli_children and cli_parse_init: the common options and those of the terms. */
extern const struct argp_child terms_children[];
void terms_parse_init(struct argp_state *state, struct terms *terms);
/* Anything was said beside the strategy. */
bool terms_of_new_job(const struct terms *terms);
/* At the end of the arguments: usage errors. */
void terms_check(struct argp_state *state, const struct terms *terms);
/* Adds them to the parameters of a call; takes over the strategy. */
void terms_add(json_t *params, const struct terms *terms);

/* ---- pages.c: per-class answers that come in pages ---- */

/* Calls `method` again and again until the per-class arrays named in `arrays` are whole. */
json_t *pages_call(struct cli *cli, const char *method, json_t *params, const char *const *arrays);

#endif
