/*
 * Strategies: what a user asks for, before it is compiled to a plan.
 *
 * Every kind of strategy is one row of strategy_kinds: its name, its parameters with defaults and
 * meaning, an example, and the function that compiles it. Nothing outside the row's own file knows
 * the kind; decoders, listings and shell completion walk the table.
 */
#ifndef SAMPLER_STRATEGY_H
#define SAMPLER_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STRATEGY_MAX_PARAMS 12

/* What a parameter accepts: a set of these bits. */
enum strategy_accepts {
    STRATEGY_NUMBER = 1,    /* a float or integer */
    STRATEGY_TEXT = 2,      /* one of a few words */
    STRATEGY_BOOLEAN = 4,   /* false or true: number 0 or 1 */
    STRATEGY_CLASS_MAP = 8, /* class name -> number */
    STRATEGY_COLUMN = 16,   /* the name of a dataset's column of weights: a text */
};

struct strategy_param {
    const char *name;
    unsigned accepts;          /* enum strategy_accepts */
    const char *default_value; /* as a user would type it; NULL: required; "": not set */
    const char *help;          /* one line */
};

enum strategy_tag { VALUE_UNSET = 0, VALUE_NUMBER, VALUE_TEXT, VALUE_BOOLEAN, VALUE_CLASS_MAP };

struct strategy_value {
    enum strategy_tag tag;
    double number;    /* NUMBER, BOOLEAN */
    char text[136];   /* TEXT, terminated; names have up to 128 bytes */
    double *by_class; /* CLASS_MAP: one per class of the dataset, NaN where not named; owned */
};

struct strategy_kind;

struct strategy {
    const struct strategy_kind *kind;
    struct strategy_value values[STRATEGY_MAX_PARAMS]; /* in the order of kind->params */
    uint32_t classes;                                  /* length of every by_class */
};

struct plan;
struct plan_input;
struct sampler_error;

struct strategy_kind {
    const char *name;
    const char *meaning; /* one line */
    const char *example; /* JSON, as `evendraw job create --strategy` takes it */
    struct strategy_param params[STRATEGY_MAX_PARAMS]; /* ends with a NULL name */
    int (*compile)(struct plan *plan, const struct plan_input *in, struct sampler_error *err);
    /* About how many numbers it looks at; NULL: a few for each class. */
    uint64_t (*cost)(const struct plan_input *in);
};

/* All kinds, ended by NULL. */
extern const struct strategy_kind *const strategy_kinds[];

const struct strategy_kind *strategy_find(const char *name, size_t len); /* or NULL */
/* The position of a parameter in kind->params, or -1. */
int strategy_param_find(const struct strategy_kind *kind, const char *name, size_t len);
/* Nothing set: every parameter has its default. */
void strategy_init(struct strategy *strategy, const struct strategy_kind *kind, uint32_t classes);
void strategy_fini(struct strategy *strategy);
/* values[param].by_class filled with NaN, ready to be set; false without memory. */
bool strategy_class_map(struct strategy *strategy, int param);

#endif
