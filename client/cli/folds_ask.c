/* What `evendraw folds` asks the library for (folds.h). Called by folds.c. */
#include <inttypes.h>
#include <stdlib.h>
#include "folds.h"
#include "labels.h"
#include "print.h"
#include "source.h"

static bool no_memory(struct folding *f)
{
    cli_error(f->cli, EXIT_INPUT, "no memory for folds of %" PRIu64 " samples", f->to.samples);
    return false;
}

/* A pass over a file with something of each sample. */
struct reading {
    struct folding *f;
    struct source source;
    struct labels names; /* of groups */
    uint64_t count;      /* samples so far; of a matrix numbers */
    uint64_t room;       /* of set_labels */
    uint64_t used;
};

/* ---- groups ---- */

/* A group's number is its place among those that were met. */
static bool take_group(void *arg, const char *text, size_t len)
{
    struct reading *reading = arg;
    struct folding *f = reading->f;
    uint64_t sample = reading->count++;
    struct label *group;

    if (sample >= f->to.samples)
        return true; /* counted, and then refused */
    if (!text || len == 0)
        return f->to.labels[sample] == EVD_NO_LABEL ||
               source_error(&reading->source,
                            "sample %" PRIu64 " has a label and no group: give it one", sample);
    group = labels_find(&reading->names, text, len);
    if (!group)
        group = labels_add(&reading->names, text, len);
    if (!group)
        return no_memory(f);
    f->groups[sample] = (uint64_t)(group - reading->names.items);
    return true;
}

static bool read_groups(struct folding *f)
{
    struct reading reading = {.f = f, .source = f->groups_of};
    bool ok;

    reading.source.cli = f->cli;
    reading.source.doing = "reading";
    f->groups = calloc(f->to.samples, sizeof(*f->groups));
    if (!f->groups)
        return no_memory(f);
    if (!source_open(&reading.source))
        return false;
    labels_init(&reading.names);
    ok = source_read(&reading.source, take_group, &reading) &&
         attached_fits(&f->to, f->groups_of.path, reading.count);
    labels_fini(&reading.names);
    source_close(&reading.source);
    f->options.method = EVD_FOLDS_GROUPED;
    f->options.groups = f->groups;
    return ok;
}

/* ---- several labels ---- */

static bool add_label(struct reading *reading, uint32_t label)
{
    struct folding *f = reading->f;

    if (reading->used == reading->room) {
        uint64_t room = reading->room ? reading->room * 2 : 4096;
        uint32_t *larger = realloc(f->set_labels, room * sizeof(*larger));

        if (!larger)
            return no_memory(f);
        f->set_labels = larger;
        reading->room = room;
    }
    f->set_labels[reading->used++] = label;
    return true;
}

static bool take_cell(void *arg, double value)
{
    struct reading *reading = arg;
    uint64_t sample = reading->count / reading->source.row;
    uint64_t label = reading->count++ % reading->source.row;

    if (sample >= reading->f->to.samples)
        return true; /* counted, and then refused */
    if (value != 0 && value != 1)
        return source_error(&reading->source,
                            "sample %" PRIu64 " has %g for label %" PRIu64
                            ": labels are 1 for what it has, and 0",
                            sample, value, label);
    if (label == 0)
        reading->f->set_starts[sample] = reading->used;
    return value == 0 || add_label(reading, (uint32_t)label);
}

static bool read_matrix(struct reading *reading)
{
    struct folding *f = reading->f;
    struct source *source = &reading->source;

    if (!source_read_numbers(source, take_cell, reading))
        return false;
    if (!attached_fits(&f->to, f->labels_path, reading->count / (source->row ? source->row : 1)))
        return false;
    f->set_starts[f->to.samples] = reading->used;
    f->options.method = EVD_FOLDS_MULTILABEL;
    f->options.classes = source->row < UINT32_MAX ? (uint32_t)source->row : UINT32_MAX;
    f->options.set_starts = f->set_starts;
    f->options.set_labels = f->set_labels;
    return true;
}

static bool read_sets(struct folding *f)
{
    struct reading reading = {.f = f,
                              .source = {.cli = f->cli,
                                         .path = f->labels_path,
                                         .format = source_format_named("npy"),
                                         .every = true,
                                         .doing = "reading"}};
    bool ok;

    f->set_starts = calloc(f->to.samples + 1, sizeof(*f->set_starts));
    f->set_labels = calloc(1, sizeof(*f->set_labels));
    if (!f->set_starts || !f->set_labels)
        return no_memory(f);
    if (!source_open(&reading.source))
        return false;
    ok = read_matrix(&reading);
    source_close(&reading.source);
    return ok;
}

/* ---- probabilities ---- */

static bool read_probabilities(struct folding *f)
{
    struct features file = {.shape = {.probabilities = true}};

    if (!features_open(&file, f->cli, f->probabilities_path))
        return false;
    if (attached_fits(&f->to, f->probabilities_path, file.shape.n))
        f->probabilities = attached_own(&f->to, &file, f->probabilities_path);
    features_close(&file);
    f->options.method = EVD_FOLDS_HARDNESS;
    f->options.probabilities = f->probabilities;
    return f->probabilities != NULL;
}

/* ---- all of it ---- */

bool folds_ask(struct folding *f)
{
    f->options = (evd_folds_options)EVD_FOLDS_OPTIONS_INIT;
    f->options.n = f->to.samples;
    f->options.labels = f->to.labels;
    f->options.classes = f->to.classes;
    f->options.folds = (uint32_t)f->k;
    f->options.seed = f->seed;
    if (f->groups_of.path)
        return read_groups(f);
    if (f->labels_path)
        return read_sets(f);
    return !f->probabilities_path || read_probabilities(f);
}

void folds_ask_fini(struct folding *f)
{
    free(f->groups);
    free(f->set_starts);
    free(f->set_labels);
    free(f->probabilities);
}
