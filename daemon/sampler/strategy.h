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
#define STRATEGY_MAX_TABLES 2 /* parameters of a kind that name neighbours */
/* Names of attachments in a strategy: those, and one from which it draws. */
#define STRATEGY_MAX_ATTACHED (STRATEGY_MAX_TABLES + 1)

/* What every kind takes beside its own parameters, numbered behind them: the parameters of maps
 * within the strategy's, whose names have a dot ("pairs.how" is `how` of the map `pairs`), and
 * `from`, which is a name or a map. */
enum strategy_common_param {
    FROM_SELECTION = STRATEGY_MAX_PARAMS,
    FROM_FOLDS,
    FROM_WITHOUT,
    FROM_ONLY,
    PAIRS_HOW,
    PAIRS_ALPHA,
    PAIRS_KAPPA,
    PAIRS_TAU,
    STRATEGY_VALUES
};

/* What a parameter accepts: a set of these bits. */
enum strategy_accepts {
    STRATEGY_NUMBER = 1,    /* a float or integer */
    STRATEGY_TEXT = 2,      /* one of a few words */
    STRATEGY_BOOLEAN = 4,   /* false or true: number 0 or 1 */
    STRATEGY_CLASS_MAP = 8, /* class name -> number */
    STRATEGY_COLUMN = 16,   /* the name of a dataset's column of weights: a text */
    /* The name of what is attached to a dataset: a text. */
    STRATEGY_NEIGHBOURS = 32,
    STRATEGY_SELECTION = 64,
    STRATEGY_FOLDS = 128,
};
#define STRATEGY_ATTACHED (STRATEGY_NEIGHBOURS | STRATEGY_SELECTION | STRATEGY_FOLDS)

struct strategy_param {
    const char *name;
    unsigned accepts;          /* enum strategy_accepts */
    const char *default_value; /* as a user would type it; NULL: required; "": not set */
    const char *help;          /* one line */
};

enum strategy_tag {
    VALUE_UNSET = 0,
    VALUE_NUMBER,
    VALUE_TEXT,
    VALUE_BOOLEAN,
    VALUE_CLASS_MAP,
    VALUE_ATTACHED, /* name and digest */
};

struct strategy_value {
    enum strategy_tag tag;
    double number;    /* NUMBER, BOOLEAN */
    uint64_t digest;  /* ATTACHED: of what has that name */
    char text[136];   /* TEXT, ATTACHED, terminated; names have up to 128 bytes */
    double *by_class; /* CLASS_MAP: one per class of the dataset, NaN where not named; owned */
};

struct strategy_kind;

struct strategy {
    const struct strategy_kind *kind;
    struct strategy_value values[STRATEGY_VALUES]; /* in the order of kind->params, then common */
    uint32_t classes;                              /* length of every by_class */
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
    /* Whether it needs the neighbours that a parameter names; NULL: it has no such parameter. */
    bool (*needs)(const struct strategy *strategy, int param);
};

/* All kinds, ended by NULL. */
extern const struct strategy_kind *const strategy_kinds[];
/* The first is FROM_SELECTION; ends with a NULL name. Where the default is NULL, whoever gives the
 * map has to give it. */
extern const struct strategy_param strategy_common[];

const struct strategy_kind *strategy_find(const char *name, size_t len); /* or NULL */
/* The number of a parameter of the kind, or of a common one by its name with a dot; or -1. */
int strategy_param_find(const struct strategy_kind *kind, const char *name, size_t len);
/* A parameter by its number. */
const struct strategy_param *strategy_param(const struct strategy_kind *kind, int param);
/* Nothing set: every parameter has its default. */
void strategy_init(struct strategy *strategy, const struct strategy_kind *kind, uint32_t classes);
void strategy_fini(struct strategy *strategy);
/* Whether a parameter has a value of its own, and not its default. */
bool strategy_given(const struct strategy *s, int param);
/* Of a parameter that takes text or the name of an attachment: what it is given as, or its default.
 */
const char *strategy_text(const struct strategy *s, int param);
/* The next parameter after `param` (from -1 on) that names an attachment which the strategy needs;
 * -1: there are no more. */
int strategy_next_attached(const struct strategy *s, int param);
/* Of a parameter that takes STRATEGY_NEIGHBOURS: how many of the kind's do before it. */
int strategy_table(const struct strategy_kind *kind, int param);
/* Does it draw from a part of the dataset? */
bool strategy_has_from(const struct strategy *s);
/* values[param].by_class filled with NaN, ready to be set; false without memory. */
bool strategy_class_map(struct strategy *strategy, int param);

#endif
