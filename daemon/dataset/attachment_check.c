/* Checks rows of attachments, piece by piece as they come, and whole against the labels. Called by
 * attachment_builder.c. */
#include "dataset/attachment_check.h"

#include <endian.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Samples between two looks at whether anybody still waits. */
#define SLICE UINT64_C(4096)

static int __attribute__((format(printf, 3, 4)))
bad_row(struct evd_error *err, uint64_t sample, const char *format, ...)
{
    char what[160];
    va_list ap;

    va_start(ap, format);
    vsnprintf(what, sizeof(what), format, ap);
    va_end(ap);
    return error_set(err, EVD_E_BAD_VALUE, "rows", "sample %" PRIu64 ": %s", sample, what);
}

/* ---- pieces ---- */

static uint32_t number_at(const void *numbers, uint64_t i)
{
    uint32_t number;

    memcpy(&number, (const char *)numbers + i * sizeof(number), sizeof(number));
    return le32toh(number);
}

/* The width's places of one sample. */
static int check_distances(uint64_t sample, const char *row, const char *distances, uint32_t width,
                           struct evd_error *err)
{
    float before = 0;

    for (uint32_t j = 0; j < width; j++) {
        uint32_t bits = number_at(distances, j);
        float distance;

        memcpy(&distance, &bits, sizeof(distance));
        if (number_at(row, j) == EVD_NO_PLACE) {
            if (!isinf(distance) || distance < 0)
                return bad_row(err, sample,
                               "place %u has no neighbour, so its distance must be infinite", j);
        } else if (!isfinite(distance) || distance < 0) {
            return bad_row(err, sample,
                           "distance %u is %g: finite and not negative ones are needed", j,
                           (double)distance);
        } else if (distance < before) {
            return bad_row(err, sample,
                           "distance %u is smaller than the one before: the nearest comes first",
                           j);
        }
        before = distance;
    }
    return EVD_OK;
}

static int check_neighbours(const struct attachment_form *form, uint64_t first, const void *rows,
                            size_t bytes, const void *distances, size_t distance_bytes,
                            struct evd_error *err)
{
    size_t row = attachment_row_bytes(form);
    int code = EVD_OK;

    if (bytes != distance_bytes)
        return error_set(err, EVD_E_BAD_VALUE, "distances",
                         "there are %zu bytes of neighbours and %zu of distances: send one f32 for "
                         "each neighbour",
                         bytes, distance_bytes);
    for (size_t i = 0; code == EVD_OK && i < bytes / row; i++)
        code = check_distances(first + i, (const char *)rows + i * row,
                               (const char *)distances + i * row, form->width, err);
    return code;
}

int attachment_check_piece(const struct attachment_form *form, uint64_t first, const void *rows,
                           size_t bytes, const void *distances, size_t distance_bytes,
                           struct evd_error *err)
{
    uint32_t row = attachment_row_bytes(form);

    if (bytes % row != 0)
        return error_set(err, EVD_E_BAD_VALUE, "rows",
                         "%zu bytes are no whole number of rows of %u bytes each", bytes, row);
    if (form->kind == ATTACHMENT_NEIGHBOURS)
        return check_neighbours(form, first, rows, bytes, distances, distance_bytes, err);
    if (distance_bytes > 0)
        return error_set(err, EVD_E_BAD_VALUE, "distances", "only neighbours have distances");
    for (size_t i = 0; form->kind == ATTACHMENT_SELECTION && i < bytes; i++) {
        uint8_t kept = ((const uint8_t *)rows)[i];

        if (kept > 1)
            return bad_row(err, first + i, "%u is neither 1, which keeps it, nor 0", kept);
    }
    return EVD_OK;
}

/* ---- all of it ---- */

struct check {
    struct attachment *attachment;
    const struct dataset *dataset;
    struct evd_error *err;
    uint64_t *members; /* of folds: how many samples each has */
};

/* The j-th place of the sample's row, which is taken. */
static int check_neighbour(const struct check *c, uint64_t sample, uint32_t label,
                           const uint32_t *row, uint32_t j)
{
    const struct dataset *dataset = c->dataset;
    uint32_t other = row[j], its;

    if (other >= dataset->index.samples)
        return bad_row(c->err, sample,
                       "neighbour %" PRIu32 " is not one of the %" PRIu64 " samples", other,
                       dataset->index.samples);
    if (other == sample)
        return bad_row(c->err, sample, "it is not a neighbour of its own: leave it out");
    its = dataset_label(dataset, other);
    if (its == EVD_UNLABELLED)
        return bad_row(c->err, sample,
                       "neighbour %" PRIu32 " has no label: only labelled samples take part",
                       other);
    if (c->attachment->form.by_class && its != label)
        return bad_row(c->err, sample,
                       "neighbour %" PRIu32 " is of another class, and the scope is \"class\"",
                       other);
    for (uint32_t before = 0; before < j; before++) {
        if (row[before] == other)
            return bad_row(c->err, sample, "neighbour %" PRIu32 " is there twice", other);
    }
    return EVD_OK;
}

static int check_row(const struct check *c, uint64_t sample, uint32_t label)
{
    struct attachment *attachment = c->attachment;
    uint32_t width = attachment->form.width, n = 0;
    const uint32_t *row = attachment->neighbours + sample * width;
    int code = EVD_OK;

    for (; code == EVD_OK && n < width && row[n] != EVD_NO_PLACE; n++)
        code = check_neighbour(c, sample, label, row, n);
    if (code != EVD_OK)
        return code;
    for (uint32_t j = n; j < width; j++) {
        if (row[j] != EVD_NO_PLACE)
            return bad_row(c->err, sample,
                           "place %u has no neighbour, and %u has one: those without come last", n,
                           j);
    }
    if (label == EVD_UNLABELLED)
        return n == 0 ? EVD_OK
                      : bad_row(c->err, sample, "it has no label, so it has no neighbours either");
    attachment->kept += n > 0;
    attachment->lacking += n < width;
    return EVD_OK;
}

static int check_kept(const struct check *c, uint64_t sample, uint32_t label)
{
    if (!attachment_keeps(c->attachment, sample))
        return EVD_OK;
    if (label == EVD_UNLABELLED)
        return bad_row(c->err, sample, "it has no label, and cannot be kept");
    c->attachment->kept++;
    return EVD_OK;
}

static int check_fold(const struct check *c, uint64_t sample, uint32_t label)
{
    uint32_t fold = attachment_fold(c->attachment, sample);

    if (label == EVD_UNLABELLED)
        return fold == EVD_NO_FOLD
                   ? EVD_OK
                   : bad_row(c->err, sample, "it has no label, and is in no fold: send %u",
                             EVD_NO_FOLD);
    if (fold >= c->attachment->form.width)
        return bad_row(c->err, sample, "there is no fold %u: there are %u, counted from 0", fold,
                       c->attachment->form.width);
    c->members[fold]++;
    c->attachment->kept++;
    return EVD_OK;
}

static int check_slice(const struct check *c, uint64_t from, uint64_t to)
{
    int (*const checks[])(const struct check *, uint64_t, uint32_t) = {
        [ATTACHMENT_NEIGHBOURS] = check_row,
        [ATTACHMENT_SELECTION] = check_kept,
        [ATTACHMENT_FOLDS] = check_fold,
    };
    int code = EVD_OK;

    for (uint64_t i = from; code == EVD_OK && i < to; i++)
        code = checks[c->attachment->form.kind](c, i, dataset_label(c->dataset, i));
    return code;
}

/* What no sample alone says. */
static int check_sums(const struct check *c)
{
    const struct attachment *attachment = c->attachment;

    if (attachment->form.kind == ATTACHMENT_SELECTION && attachment->kept == 0)
        return error_set(c->err, EVD_E_BAD_VALUE, "rows",
                         "it keeps no sample: nothing could be drawn from it");
    for (uint32_t fold = 0; c->members && fold < attachment->form.width; fold++) {
        if (c->members[fold] == 0)
            return error_set(c->err, EVD_E_BAD_VALUE, "rows",
                             "fold %u has no sample: make fewer folds", fold);
    }
    return EVD_OK;
}

int attachment_check(struct attachment *attachment, const struct dataset *dataset,
                     const atomic_bool *cancel, struct evd_error *err)
{
    struct check check = {.attachment = attachment, .dataset = dataset, .err = err};
    uint64_t samples = attachment->samples;
    int code = EVD_OK;

    attachment->kept = attachment->lacking = 0;
    if (attachment->form.kind == ATTACHMENT_FOLDS) {
        check.members = calloc(attachment->form.width, sizeof(*check.members));
        if (!check.members)
            return error_set(err, EVD_E_NO_MEMORY, "rows", "no memory to look at these folds");
    }
    for (uint64_t i = 0; code == EVD_OK && i < samples; i += SLICE) {
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            code = error_set(err, EVD_E_SHUTTING_DOWN, "rows",
                             "given up: nobody waits for this attachment any more");
        else
            code = check_slice(&check, i, samples - i < SLICE ? samples : i + SLICE);
    }
    if (code == EVD_OK)
        code = check_sums(&check);
    free(check.members);
    return code;
}
