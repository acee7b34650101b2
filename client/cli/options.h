/*
 * Options and arguments of commands as rows, and the one parser over them. Rows stand in the table
 * of commands.c, or, where they fill a struct of the command's own, beside that struct.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <argp.h>
#include "cli.h"

/* An option or argument as it was met on the command line. */
struct given {
    const struct cli_option *option;
    char *text; /* its value; NULL: it has none */
    struct cli *cli;
    void *fields;             /* the struct that options_parse fills */
    struct argp_state *state; /* for argp_error, which prints a usage error and ends the tool */
};

/* Takes the value, as a parameter or in a field. */
typedef void option_parse(const struct given *given);

/* A row. It has a `param`, a `field`, or a `parse` that knows where its value goes. */
struct cli_option {
    const char *name; /* "batch-size"; NULL: an argument, the first of these rows being the first */
    int letter;       /* 'b' for -b; 0: none */
    const char *value; /* what the help calls its value; NULL: a flag */
    const char *help;
    option_parse *parse; /* NULL: the row ends the list */
    const char *param;   /* the parameter of the command's method that it says */
    size_t field, size;  /* FIELD(...): where it goes if it is no parameter */
    uint64_t min, max;   /* of option_number */
    const char *as;      /* of option_flag: the parameter is this text, instead of true */
    const char *missing; /* the usage error without it; NULL: it may be left out */
    const char *words;   /* for completion: words, or what to ask for, such as "@jobs" */
};

/* The beginning of an argument's row. */
#define ARGUMENT(called)    NULL, 0, called, NULL
#define NUMBER(least, most) option_number, .min = least, .max = most
#define FIELD(type, member) .field = offsetof(type, member), .size = sizeof(((type *)0)->member)

/* Kinds of values. In fields: bool, const char *, uint64_t; a duration (30s, 500ms, 10m, 2h, 0) is
 * a parameter, in milliseconds. */
option_parse option_flag, option_text, option_number, option_duration;

/* For parsers of a command's own: the whole of `text` as a number, or a usage error. */
uint64_t given_number(const struct given *given, const char *text, uint64_t min, uint64_t max);
void *given_field(const struct given *given);
/* Makes it the parameter; takes over the value. NULL, of a text that is not UTF-8: an error once
 * all is parsed. */
void given_param(const struct given *given, json_t *value);

/* Usage errors that concern several options; may also fill in what depends on others. */
typedef void options_check(struct argp_state *state, struct cli *cli, const void *fields);

/* Parses all of a command's line by its rows; argv[0] is the command. `fields` is the struct that
 * the rows' fields are of. Ends the tool after --help or an error. */
void options_parse(struct cli *cli, int argc, char **argv, void *fields);

/* --server and --json, for every command and before it. Their input is the struct cli. */
extern const struct argp_option common_options[];
extern const struct argp_child common_children[];

#endif
