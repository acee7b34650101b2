/*
 * The command line tool `evendraw`. It uses the public library only.
 *
 *   main.c                   what stands before the command; which command it is
 *   commands.c, options.c    the table of commands; one parser for all their options
 *   cli.c                    the daemon: calls, errors, answers (this header)
 *   print.c, table.c, ...    what people read
 *   a file per noun          printers, and the commands that do more than ask
 *   source.c, source_*.c     files of labels, for load*.c
 *   features.c               files of features, for neighbours*.c
 *   attach.c, search.c       what is computed of a dataset's samples and attached to it
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <evendraw.h>
#include <jansson.h>

/* Exit codes, documented in `evendraw --help`. */
enum {
    EXIT_OK = 0,
    EXIT_REFUSED = 1, /* the daemon refused or failed; verify: there is damage */
    EXIT_USAGE = 2,   /* the command line is wrong */
    EXIT_CONNECT = 3, /* no daemon there, or the connection was lost */
    EXIT_INPUT = 4,   /* a file cannot be read or is not what it should be */
};

/* The tool, from its start to its end: it runs one command. */
struct cli {
    const struct command *command;
    const char *server; /* NULL: as evd_connect finds it */
    bool json;          /* print the answer as it is */
    bool all_classes;   /* show every class, however many there are */
    json_t *params;     /* of the command's method: what its options and arguments say */
    int time_limit_ms;  /* of a call; 0: the library's */
    evd_client *client; /* NULL until cli_connect */
    int status;         /* exit code of what failed last */
};

/* Connects unless it is connected. False: the reason was printed, and cli->status is set. */
bool cli_connect(struct cli *cli) __attribute__((warn_unused_result));
/* Calls a method; takes over the reference to params (NULL: they could not be made, for want of
 * memory or because an argument is not UTF-8). NULL: the reason was printed. */
json_t *cli_call(struct cli *cli, const char *method, json_t *params)
    __attribute__((warn_unused_result));
/* The same for an answer about classes, or points of a curve, which comes in pages: calls again and
 * again until the arrays named in `arrays` are whole. */
json_t *cli_call_pages(struct cli *cli, const char *method, json_t *params,
                       const char *const *arrays) __attribute__((warn_unused_result));
/* An answer that came as text, as cli_call returns it. NULL: it cannot be read, or no memory. */
json_t *cli_read(const struct cli *cli, const char *text) __attribute__((warn_unused_result));
/* A list of rows, which comes in pages: the array that they are in, and which fields of the last
 * row are sent as which to get the next page. */
struct cli_rows {
    const char *array;
    struct {
        const char *field, *param;
    } after[2]; /* field NULL: no more */
};
/* The same for such a list: calls until there is no more, and returns all in one answer. */
json_t *cli_call_rows(struct cli *cli, const char *method, json_t *params,
                      const struct cli_rows *rows) __attribute__((warn_unused_result));

/* Prints an answer for people. */
typedef void answer_print(const json_t *answer, const struct cli *cli);
/* As JSON or by `print`; releases the answer. NULL: the reason was printed. Returns the exit code.
 */
int cli_show(struct cli *cli, json_t *answer, answer_print *print);
/* Prints the daemon's answer as it is and releases it. */
int cli_print_json(struct cli *cli, json_t *answer);
/* As JSON text, numbers in as few digits as are exact; free() it. NULL without memory. */
char *cli_json(const json_t *value, size_t flags);

/* Prints the library's last error and returns the exit code for it, which is also cli->status. */
int cli_failed(struct cli *cli, int code);
/* Prints an error of the tool's own and returns `status`. */
int cli_error(struct cli *cli, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what JSON cannot hold. */
int cli_not_utf8(struct cli *cli);

/* ---- parameters and answers: JSON objects ---- */

/* Was this parameter given? */
bool params_have(const struct cli *cli, const char *key);
void params_set_u64(json_t *params, const char *key, uint64_t value);

/* A field of an answer; 0, 0.0 or "" if it is not there. */
uint64_t field_u64(const json_t *object, const char *key);
double field_f64(const json_t *object, const char *key);
const char *field_text(const json_t *object, const char *key);
/* Fields as texts of print.h: "1,234", "1,234 steps", "epoch 3 step 12", "fashion, version 1". */
const char *field_count(const json_t *object, const char *key);
const char *field_items(const json_t *object, const char *key, const char *noun);
const char *field_place(const json_t *object);
const char *field_dataset(const json_t *object);
/* A whole number: those of 2^63 and more are strings of digits. 0 if it is none. */
uint64_t value_u64(const json_t *value);

#endif
