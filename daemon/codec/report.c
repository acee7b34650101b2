/* What workers report, from MessagePack to numbers. Called by job.report. */
#include "codec/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Little-endian. */
static uint64_t bin_number(const msgpack_object *bin, size_t i, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)bin->via.bin.ptr + i * size;
    uint64_t number = 0;

    for (size_t b = size; b-- > 0;)
        number = number << 8 | bytes[b];
    return number;
}

static bool is_column(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_ARRAY || object->type == MSGPACK_OBJECT_BIN;
}

/* How many numbers there are, of `size` bytes each in a bin; or EVD_E_BAD_VALUE. */
static int count_of(const msgpack_object *object, size_t size, const char *field, size_t *count,
                    struct evd_error *err)
{
    if (!is_column(object))
        return error_set(err, EVD_E_BAD_TYPE, field,
                         "job.report: \"%s\" must be an array or bin, little-endian", field);
    if (object->type == MSGPACK_OBJECT_ARRAY) {
        *count = object->via.array.size;
        return EVD_OK;
    }
    if (object->via.bin.size % size != 0)
        return error_set(err, EVD_E_BAD_VALUE, field,
                         "job.report: \"%s\" is %u bytes long, which is no multiple of %zu", field,
                         object->via.bin.size, size);
    *count = object->via.bin.size / size;
    return EVD_OK;
}

/* The i-th number, which must be an integer up to `most`. */
static bool integer_at(const msgpack_object *column, size_t i, size_t size, uint64_t most,
                       uint64_t *out)
{
    if (column->type == MSGPACK_OBJECT_BIN) {
        *out = bin_number(column, i, size);
        return true;
    }
    *out = column->via.array.ptr[i].via.u64;
    return column->via.array.ptr[i].type == MSGPACK_OBJECT_POSITIVE_INTEGER && *out <= most;
}

static bool number_at(const msgpack_object *column, size_t i, size_t size, double *out)
{
    const msgpack_object *value;
    uint64_t bits;
    float narrow;

    if (column->type == MSGPACK_OBJECT_BIN) {
        bits = bin_number(column, i, size);
        if (size == sizeof(*out)) {
            memcpy(out, &bits, sizeof(*out));
            return true;
        }
        memcpy(&narrow, &(uint32_t){(uint32_t)bits}, sizeof(narrow));
        *out = (double)narrow;
        return true;
    }
    value = &column->via.array.ptr[i];
    switch (value->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        *out = (double)value->via.u64;
        return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        *out = (double)value->via.i64;
        return true;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        *out = value->via.f64;
        return true;
    default:
        return false;
    }
}

static int not_equal(const char *field, size_t count, size_t n, struct evd_error *err)
{
    return error_set(err, EVD_E_BAD_VALUE, field,
                     "job.report: \"%s\" has %zu values, but \"predicted\" has %zu: give one for "
                     "each sample",
                     field, count, n);
}

static int not_a_number(const char *field, size_t i, struct evd_error *err)
{
    return error_set(err, EVD_E_BAD_TYPE, field, "job.report: \"%s\": value %zu is no %s", field, i,
                     strcmp(field, "loss") == 0 || strcmp(field, "score") == 0 ? "number"
                                                                               : "class or index");
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

static int decode_predicted(const msgpack_object *column, struct report_samples *out,
                            struct evd_error *err)
{
    out->predicted = calloc(out->batch.n + 1, sizeof(out->predicted[0]));
    if (!out->predicted)
        return error_no_memory(err);
    for (size_t i = 0; i < out->batch.n; i++) {
        uint64_t number;

        if (!integer_at(column, i, sizeof(uint32_t), UINT32_MAX, &number))
            return not_a_number("predicted", i, err);
        out->predicted[i] = (uint32_t)number;
    }
    out->batch.predicted = out->predicted;
    return EVD_OK;
}

static int decode_index(const msgpack_object *column, size_t width, const struct dataset *dataset,
                        struct report_samples *out, struct evd_error *err)
{
    size_t count = 0;

    if (count_of(column, width, "index", &count, err) != EVD_OK)
        return err->code;
    if (count != out->batch.n)
        return not_equal("index", count, out->batch.n, err);
    out->label = calloc(count + 1, sizeof(out->label[0]));
    if (!out->label)
        return error_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        uint64_t index;

        if (!integer_at(column, i, width, UINT64_MAX, &index))
            return not_a_number("index", i, err);
        if (index >= dataset->index.samples)
            return error_set(err, EVD_E_BAD_VALUE, "index",
                             "job.report: \"index\": value %zu is %" PRIu64 ", but dataset \"%s\" "
                             "has %" PRIu64 " samples, counted from 0",
                             i, index, dataset->name, dataset->index.samples);
        out->label[i] = dataset_label(dataset, index);
        if (out->label[i] == EVD_UNLABELLED)
            return error_set(err, EVD_E_BAD_VALUE, "index",
                             "job.report: \"index\": value %zu is sample %" PRIu64
                             ", which has no label: report labelled samples only",
                             i, index);
    }
    out->batch.label = out->label;
    return EVD_OK;
}

/* Loss or score: f32 or f64, which in a bin its length tells. */
static int decode_numbers(const msgpack_object *column, const char *field, size_t n, double **out,
                          struct evd_error *err)
{
    size_t count = 0, width = sizeof(double);

    if (!column || column->type == MSGPACK_OBJECT_NIL)
        return EVD_OK;
    if (column->type == MSGPACK_OBJECT_BIN && column->via.bin.size == n * sizeof(float))
        width = sizeof(float);
    if (count_of(column, width, field, &count, err) != EVD_OK)
        return err->code;
    if (count != n)
        return not_equal(field, count, n, err);
    *out = calloc(n + 1, sizeof(double));
    if (!*out)
        return error_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        if (!number_at(column, i, width, &(*out)[i]))
            return not_a_number(field, i, err);
    }
    return EVD_OK;
}

int report_decode(const struct params_job_report *p, const struct dataset *dataset,
                  uint32_t batch_size, struct report_samples *out, struct evd_error *err)
{
    size_t width = 0;

    *out = (struct report_samples){0};
    if (index_width(p, dataset, &width, err) != EVD_OK ||
        count_of(p->predicted, sizeof(uint32_t), "predicted", &out->batch.n, err) != EVD_OK)
        return err->code;
    if (out->batch.n > batch_size)
        return error_set(err, EVD_E_LIMIT, "predicted",
                         "job.report: a report of %zu samples, but a step of job \"%.*s\" has %u "
                         "at most: report each step by itself",
                         out->batch.n, (int)p->job.len, p->job.data, batch_size);
    if (decode_predicted(p->predicted, out, err) != EVD_OK ||
        decode_index(p->index, width, dataset, out, err) != EVD_OK ||
        decode_numbers(p->loss, "loss", out->batch.n, &out->loss, err) != EVD_OK ||
        decode_numbers(p->score, "score", out->batch.n, &out->score, err) != EVD_OK)
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
