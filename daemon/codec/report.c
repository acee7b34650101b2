/*
 * Decodes the samples of a job.report and looks up their labels. Called by calls/report.c.
 */
#include "codec/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include "proto/numbers.h"

/* One of a report's fields, to be opened. */
static struct numbers field_of(const char *field, const msgpack_object *object, size_t width)
{
    return (struct numbers){"job.report: ", field, object, width, 0};
}

static int open_field(struct numbers *numbers, struct evd_error *err)
{
    return numbers_open(numbers, "an array or bin, little-endian", err);
}

static int not_equal(const struct numbers *numbers, size_t n, struct evd_error *err)
{
    return error_set(err, EVD_E_BAD_VALUE, numbers->field,
                     "job.report: \"%s\" has %zu values, but \"predicted\" has %zu: give one for "
                     "each sample",
                     numbers->field, numbers->count, n);
}

/* `what` it should be. */
static int bad_number(const struct numbers *numbers, size_t i, const char *what,
                      struct evd_error *err)
{
    return error_set(err, EVD_E_BAD_TYPE, numbers->field, "job.report: \"%s\": value %zu is no %s",
                     numbers->field, i, what);
}

/* Bytes of an index in a bin: as index_type says, or else as streams have them. */
static int index_width(const struct params_job_report *p, const struct dataset *dataset,
                       size_t *width, struct evd_error *err)
{
    bool wide = dataset->index.samples > UINT64_C(1) << 32;

    if (p->has_index_type && !str_is(p->index_type, "u32") && !str_is(p->index_type, "u64"))
        return error_set(err, EVD_E_BAD_VALUE, "index_type",
                         "job.report: \"index_type\" must be \"u32\" or \"u64\"");
    if (p->has_index_type)
        wide = str_is(p->index_type, "u64");
    *width = wide ? sizeof(uint64_t) : sizeof(uint32_t);
    return EVD_OK;
}

static int decode_predicted(const struct numbers *predicted, struct report_samples *out,
                            struct evd_error *err)
{
    out->predicted = calloc(predicted->count + 1, sizeof(out->predicted[0]));
    if (!out->predicted)
        return error_no_memory(err);
    for (size_t i = 0; i < predicted->count; i++) {
        uint64_t number;

        if (!numbers_u64(predicted, i, UINT32_MAX, &number))
            return bad_number(predicted, i, "class or index", err);
        out->predicted[i] = (uint32_t)number;
    }
    out->batch.predicted = out->predicted;
    return EVD_OK;
}

/* The label of the i-th reported sample. */
static int look_up(const struct numbers *index, size_t i, const struct dataset *dataset,
                   uint32_t *label, struct evd_error *err)
{
    uint64_t sample;

    if (!numbers_u64(index, i, UINT64_MAX, &sample))
        return bad_number(index, i, "class or index", err);
    if (sample >= dataset->index.samples)
        return error_set(err, EVD_E_BAD_VALUE, "index",
                         "job.report: \"index\": value %zu is %" PRIu64 ", but dataset \"%s\" "
                         "has %" PRIu64 " samples, counted from 0",
                         i, sample, dataset->name, dataset->index.samples);
    *label = dataset_label(dataset, sample);
    if (*label == EVD_UNLABELLED)
        return error_set(err, EVD_E_BAD_VALUE, "index",
                         "job.report: \"index\": value %zu is sample %" PRIu64
                         ", which has no label: report labelled samples only",
                         i, sample);
    return EVD_OK;
}

static int decode_index(struct numbers *index, const struct dataset *dataset,
                        struct report_samples *out, struct evd_error *err)
{
    if (open_field(index, err) != EVD_OK)
        return err->code;
    if (index->count != out->batch.n)
        return not_equal(index, out->batch.n, err);
    out->label = calloc(index->count + 1, sizeof(out->label[0]));
    if (!out->label)
        return error_no_memory(err);
    for (size_t i = 0; i < index->count; i++) {
        if (look_up(index, i, dataset, &out->label[i], err) != EVD_OK)
            return err->code;
    }
    out->batch.label = out->label;
    return EVD_OK;
}

/* Loss or score, which may be missing: f32 or f64, which in a bin its length tells. */
static int decode_values(struct numbers *values, size_t n, double **out, struct evd_error *err)
{
    const msgpack_object *object = values->object;

    if (!object)
        return EVD_OK;
    if (object->type == MSGPACK_OBJECT_BIN && object->via.bin.size == n * sizeof(float))
        values->width = sizeof(float);
    if (open_field(values, err) != EVD_OK)
        return err->code;
    if (values->count != n)
        return not_equal(values, n, err);
    *out = calloc(n + 1, sizeof(double));
    if (!*out)
        return error_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        if (!numbers_f64(values, i, &(*out)[i]))
            return bad_number(values, i, "number", err);
    }
    return EVD_OK;
}

int report_decode(const struct params_job_report *p, const struct dataset *dataset,
                  uint32_t batch_size, struct report_samples *out, struct evd_error *err)
{
    struct numbers predicted = field_of("predicted", p->predicted, sizeof(uint32_t));
    struct numbers index = field_of("index", p->index, sizeof(uint32_t));
    struct numbers loss = field_of("loss", p->loss, sizeof(double));
    struct numbers score = field_of("score", p->score, sizeof(double));

    *out = (struct report_samples){0};
    if (index_width(p, dataset, &index.width, err) != EVD_OK ||
        open_field(&predicted, err) != EVD_OK)
        return err->code;
    out->batch.n = predicted.count;
    if (out->batch.n > batch_size)
        return error_set(err, EVD_E_LIMIT, "predicted",
                         "job.report: a report of %zu samples, but a step of job \"%.*s\" has %u "
                         "at most: report each step by itself",
                         out->batch.n, (int)p->job.len, p->job.data, batch_size);
    if (decode_predicted(&predicted, out, err) != EVD_OK ||
        decode_index(&index, dataset, out, err) != EVD_OK ||
        decode_values(&loss, out->batch.n, &out->loss, err) != EVD_OK ||
        decode_values(&score, out->batch.n, &out->score, err) != EVD_OK)
        return err->code;
    out->batch.loss = out->loss;
    out->batch.score = out->score;
    return EVD_OK;
}

void report_fini(struct report_samples *samples)
{
    free(samples->label);
    free(samples->predicted);
    free(samples->loss);
    free(samples->score);
    *samples = (struct report_samples){0};
}
