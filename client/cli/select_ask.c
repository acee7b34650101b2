/* What `evendraw select` asks the library for (select.h). Called by select.c. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "classes.h"
#include "print.h"
#include "select.h"

static bool no_memory(struct select *s)
{
    cli_error(s->cli, EXIT_INPUT, "no memory to select from %" PRIu64 " samples", s->to.samples);
    return false;
}

/* ---- classes ---- */

static bool name_classes(struct select *s)
{
    s->names = calloc((size_t)s->to.classes + 1, sizeof(*s->names));
    if (!s->names)
        return no_memory(s);
    for (uint32_t c = 0; c < s->to.classes; c++)
        s->names[c] = class_name(s->classes, c);
    s->options.class_names = s->names;
    return true;
}

/* The class of that name, the first `len` bytes; or NULL. */
static const char *const *find_class(const struct select *s, const char *name, size_t len)
{
    for (uint32_t c = 0; c < s->to.classes; c++) {
        if (strncmp(s->names[c], name, len) == 0 && s->names[c][len] == '\0')
            return (const char *const *)&s->names[c];
    }
    return NULL;
}

struct target {
    uint32_t class;
    uint64_t count; /* NOT_GIVEN: it finds that itself */
};

static bool read_count(const char *text, uint64_t *count)
{
    char *end;

    *count = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *count < INT64_MAX;
}

/* "dog" or "dog=50"; of a class called "dog=50" that. */
static bool read_target(struct select *s, const char *text, struct target *target)
{
    const char *equals = strrchr(text, '=');
    const char *const *found = find_class(s, text, strlen(text));

    target->count = NOT_GIVEN;
    if (!found && equals) {
        found = find_class(s, text, (size_t)(equals - text));
        if (found && !read_count(equals + 1, &target->count)) {
            cli_error(s->cli, EXIT_USAGE, "--target: '%s' is not CLASS or CLASS=N", text);
            return false;
        }
    }
    if (!found) {
        cli_error(s->cli, EXIT_INPUT,
                  "--target: there is no class '%s' (`evendraw stats %s` lists them)", text,
                  field_text(s->cli->params, "dataset"));
        return false;
    }
    target->class = (uint32_t)((const char **)found - s->names);
    return true;
}

static int by_class(const void *a, const void *b)
{
    const struct target *x = a, *y = b;

    return (x->class > y->class) - (x->class < y->class);
}

/* Into the arrays that the library reads, in class order: the same list in another order is the
 * same selection. */
static bool list_targets(struct select *s, struct target *targets, size_t n)
{
    size_t counted = 0;

    s->target_list = calloc(n, sizeof(*s->target_list));
    s->target_counts = calloc(n, sizeof(*s->target_counts));
    if (!s->target_list || !s->target_counts)
        return no_memory(s);
    for (size_t i = 0; i < n; i++) {
        if (!read_target(s, json_string_value(json_array_get(s->listed, i)), &targets[i]))
            return false;
    }
    qsort(targets, n, sizeof(*targets), by_class);
    for (size_t i = 0; i < n; i++) {
        s->target_list[i] = targets[i].class;
        s->target_counts[i] = targets[i].count;
        counted += targets[i].count != NOT_GIVEN;
    }
    if (counted > 0 && counted < n) {
        cli_error(s->cli, EXIT_USAGE, "--target: give CLASS=N for each class, or for none");
        return false;
    }
    if (counted > 0 && !evd_select_takes(s->options.method, "target_counts")) {
        cli_error(s->cli, EXIT_USAGE,
                  "--target: %s finds itself how many samples each class keeps: leave out =N",
                  s->method);
        return false;
    }
    s->options.targets = EVD_TARGETS_LIST;
    s->options.target_list = s->target_list;
    s->options.target_count = (uint32_t)n;
    s->options.target_counts = counted > 0 ? s->target_counts : NULL;
    return true;
}

static bool read_targets(struct select *s)
{
    size_t n = json_array_size(s->listed);
    struct target *targets;
    bool ok;

    if (n == 0) {
        s->options.targets = select_word("targets", s->targets ? s->targets : "not-minority");
        return true;
    }
    targets = calloc(n, sizeof(*targets));
    ok = targets ? list_targets(s, targets, n) : no_memory(s);
    free(targets);
    return ok;
}

/* ---- probabilities ---- */

/* That of the sample's own class: the only one, or one of a row. */
static double own(const struct features *file, uint64_t row, uint32_t label)
{
    uint64_t at = row * file->shape.d + (file->shape.d > 1 ? label : 0);

    return file->shape.size == sizeof(float) ? (double)((const float *)file->values)[at]
                                             : ((const double *)file->values)[at];
}

static bool take_probabilities(struct select *s, const struct features *file)
{
    if (file->shape.d > 1 && file->shape.d != s->to.classes) {
        cli_error(s->cli, EXIT_INPUT,
                  "%s: has %" PRIu64
                  " columns, and there are %s: give one for each class, in their "
                  "order, or that of the sample's own class alone",
                  s->probabilities_path, file->shape.d, text_items(s->to.classes, "class"));
        return false;
    }
    s->probabilities = calloc(s->to.samples, sizeof(*s->probabilities));
    if (!s->probabilities)
        return no_memory(s);
    for (uint64_t row = 0; row < s->to.samples; row++) {
        uint32_t label = s->to.labels[row];

        if (label != EVD_NO_LABEL && label < s->to.classes)
            s->probabilities[row] = own(file, row, label);
    }
    s->options.probabilities = s->probabilities;
    return true;
}

/* ---- all of it ---- */

static void set(uint32_t *member, uint64_t given)
{
    if (given != NOT_GIVEN)
        *member = (uint32_t)given;
}

static void set_members(struct select *s)
{
    evd_select_options *o = &s->options;

    set(&o->k, s->k);
    set(&o->max_iterations, s->max_iterations);
    set(&o->candidates, s->candidates);
    set(&o->seeds, s->seeds);
    o->seed = s->seed == NOT_GIVEN ? 0 : s->seed;
    o->threads = (uint32_t)s->threads;
    o->allow_minority = s->allow_minority;
    if (s->threshold > 0)
        o->threshold = s->threshold;
    if (s->metric)
        o->metric = select_word("metric", s->metric);
    if (s->vote)
        o->vote = select_word("vote", s->vote);
}

bool select_ask(struct select *s)
{
    evd_select_options *o = &s->options;

    *o = (evd_select_options)EVD_SELECT_OPTIONS_INIT;
    o->method = select_word("method", s->method);
    o->n = s->to.samples;
    o->labels = s->to.labels;
    o->classes = s->to.classes;
    set_members(s);
    s->classes = attached_classes(&s->to);
    if (!s->classes || !name_classes(s) || !read_targets(s))
        return false;
    if (!evd_select_takes(o->method, "features"))
        return take_probabilities(s, &s->features);
    o->features = s->features.values;
    o->d = (uint32_t)s->features.shape.d;
    o->type = s->features.shape.size == sizeof(double) ? EVD_FEATURES_F64 : EVD_FEATURES_F32;
    return true;
}

void select_ask_fini(struct select *s)
{
    json_decref(s->classes);
    json_decref(s->listed);
    free(s->names);
    free(s->target_list);
    free(s->target_counts);
    free(s->probabilities);
}
