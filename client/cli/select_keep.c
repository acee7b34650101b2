/*
 * `evendraw select --keep`: rows that somebody has chosen otherwise (select.h). Called by select.c.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "print.h"
#include "select.h"

/* The file's numbers, before it is known whether they are a mask. */
struct reading {
    struct select *select;
    struct source source;
    uint64_t count; /* of numbers so far */
    bool mask;      /* each of them is 0 or 1 */
};

static bool look(void *arg, double value)
{
    struct reading *reading = arg;

    reading->count++;
    reading->mask &= value == 0 || value == 1;
    return true;
}

static bool take_row(void *arg, double value)
{
    struct reading *reading = arg;
    uint64_t samples = reading->select->to.samples;

    if (!(value >= 0 && value < (double)samples && value == floor(value)))
        return source_error(&reading->source,
                            "has %g, which is no number of a sample: they are from 0 to %" PRIu64
                            ", and a mask has a 0 or 1 for each of %s",
                            value, samples - 1, text_items(samples, "sample"));
    reading->select->keep[(uint64_t)value] = 1;
    return true;
}

static bool take_mask(void *arg, double value)
{
    struct reading *reading = arg;

    if (reading->count == reading->select->to.samples)
        return source_error(&reading->source, "was changed while it was read");
    reading->select->keep[reading->count++] = value == 1;
    return true;
}

/* Zeros and ones that are too many to be numbers of two samples, and not as many as there are: of
 * another dataset, or of another version. */
static bool is_other_mask(const struct reading *reading)
{
    return reading->mask && reading->count > 2 && reading->count != reading->select->to.samples;
}

/* Twice through the file: what it is, and what is in it. */
static bool read_rows(struct reading *reading)
{
    struct select *s = reading->select;
    bool mask;

    if (!source_read_numbers(&reading->source, look, reading))
        return false;
    if (is_other_mask(reading))
        return attached_fits(&s->to, s->keep_path, reading->count);
    mask = reading->mask && reading->count == s->to.samples;
    reading->count = 0;
    return source_read_numbers(&reading->source, mask ? take_mask : take_row, reading);
}

/* Samples without a label are never drawn, and in no selection. */
static bool only_labelled(struct select *s)
{
    uint64_t kept = 0;

    for (uint64_t i = 0; i < s->to.samples; i++) {
        s->keep[i] &= s->to.labels[i] != EVD_NO_LABEL;
        kept += s->keep[i];
    }
    if (kept == 0)
        cli_error(s->cli, EXIT_INPUT,
                  "%s: names no sample with a label: a selection needs one at least", s->keep_path);
    return kept > 0;
}

bool select_keep(struct select *s)
{
    struct reading reading = {
        .select = s,
        .source = {.cli = s->cli, .path = s->keep_path, .doing = "reading"},
        .mask = true,
    };
    bool ok;

    s->keep = calloc(s->to.samples, 1);
    if (!s->keep) {
        cli_error(s->cli, EXIT_INPUT, "no memory for a mask of %" PRIu64 " samples", s->to.samples);
        return false;
    }
    if (!source_open(&reading.source))
        return false;
    ok = read_rows(&reading) && only_labelled(s);
    source_close(&reading.source);
    return ok;
}
