/*
 * Decodes what a dataset.append brings beside class names: labels, and weights of one column.
 * Called by calls/dataset_upload.c.
 */
#include "codec/chunk.h"

#include <stdlib.h>
#include "dataset/names.h"
#include "proto/numbers.h"

/* None if there are none. */
static int open_numbers(struct numbers *numbers, const char *form, struct evd_error *err)
{
    if (!numbers->object)
        return EVD_OK;
    return numbers_open(numbers, form, err);
}

/* Nil among labels is a sample without one. */
static int decode_labels(const struct numbers *labels, struct chunk *out, struct evd_error *err)
{
    bool array = labels->count > 0 && labels->object->type == MSGPACK_OBJECT_ARRAY;
    uint64_t most = array ? EVD_UNLABELLED - 1 : EVD_UNLABELLED;

    for (size_t i = 0; i < labels->count; i++) {
        uint64_t label = EVD_UNLABELLED;

        if (!numbers_u64(labels, i, most, &label) &&
            labels->object->via.array.ptr[i].type != MSGPACK_OBJECT_NIL)
            return error_set(err, EVD_E_BAD_TYPE, "labels",
                             "\"labels\": value %zu is neither a class number nor nil", i);
        out->labels[i] = (uint32_t)label;
    }
    return EVD_OK;
}

static int decode_weights(const struct numbers *weights, struct chunk *out, struct evd_error *err)
{
    for (size_t i = 0; i < weights->count; i++) {
        if (!numbers_f64(weights, i, &out->weights[i]))
            return error_set(err, EVD_E_BAD_TYPE, "weights", "\"weights\": value %zu is no number",
                             i);
    }
    return EVD_OK;
}

static int decode_column(const struct params_dataset_append *p, struct chunk *out,
                         struct evd_error *err)
{
    if (p->has_column != p->has_weights)
        return error_set(err, EVD_E_MISSING_FIELD, p->has_column ? "weights" : "column",
                         "dataset.append: \"column\" and \"weights\" go together");
    if (!p->has_column)
        return EVD_OK;
    if (name_check(p->column, "column", err) != EVD_OK)
        return err->code;
    str_copy(out->column, p->column);
    return EVD_OK;
}

int chunk_decode(const struct params_dataset_append *p, struct chunk *out, struct evd_error *err)
{
    struct numbers labels = {"", "labels", p->labels, sizeof(out->labels[0]), 0};
    struct numbers weights = {"", "weights", p->weights, sizeof(out->weights[0]), 0};

    *out = (struct chunk){0};
    if (open_numbers(&labels, "bin of little-endian u32, or an array of integers and nil", err) !=
            EVD_OK ||
        open_numbers(&weights, "bin of little-endian f64, or an array of numbers", err) != EVD_OK ||
        decode_column(p, out, err) != EVD_OK)
        return err->code;
    out->label_count = labels.count;
    out->weight_count = weights.count;
    out->labels = calloc(labels.count + 1, sizeof(out->labels[0]));
    out->weights = calloc(weights.count + 1, sizeof(out->weights[0]));
    if (!out->labels || !out->weights)
        return error_no_memory(err);
    if (decode_labels(&labels, out, err) != EVD_OK)
        return err->code;
    return decode_weights(&weights, out, err);
}

void chunk_fini(struct chunk *chunk)
{
    free(chunk->labels);
    free(chunk->weights);
    *chunk = (struct chunk){0};
}
