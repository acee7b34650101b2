/* One piece of a dataset, from MessagePack to numbers. Called by dataset.append. */
#include "codec/chunk.h"

#include <stdlib.h>
#include <string.h>
#include "dataset/names.h"

/* How many numbers of so many bytes there are in a bin or array; none in nil or nothing. */
static int count_of(const msgpack_object *object, size_t size, const char *field, const char *form,
                    size_t *count, struct evd_error *err)
{
    *count = 0;
    if (!object || object->type == MSGPACK_OBJECT_NIL)
        return EVD_OK;
    if (object->type == MSGPACK_OBJECT_ARRAY) {
        *count = object->via.array.size;
        return EVD_OK;
    }
    if (object->type != MSGPACK_OBJECT_BIN)
        return error_set(err, EVD_E_BAD_TYPE, field, "\"%s\" must be %s", field, form);
    if (object->via.bin.size % size != 0)
        return error_set(err, EVD_E_BAD_VALUE, field,
                         "\"%s\" is %u bytes long, which is no multiple of %zu", field,
                         object->via.bin.size, size);
    *count = object->via.bin.size / size;
    return EVD_OK;
}

/* Little-endian. */
static uint64_t bin_number(const msgpack_object *bin, size_t i, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)bin->via.bin.ptr + i * size;
    uint64_t number = 0;

    for (size_t b = size; b-- > 0;)
        number = number << 8 | bytes[b];
    return number;
}

static int decode_labels(const msgpack_object *labels, struct chunk *out, struct evd_error *err)
{
    for (size_t i = 0; i < out->label_count; i++) {
        const msgpack_object *value;

        if (labels->type == MSGPACK_OBJECT_BIN) {
            out->labels[i] = (uint32_t)bin_number(labels, i, sizeof(out->labels[0]));
            continue;
        }
        value = &labels->via.array.ptr[i];
        if (value->type == MSGPACK_OBJECT_NIL)
            out->labels[i] = EVD_UNLABELLED;
        else if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 < EVD_UNLABELLED)
            out->labels[i] = (uint32_t)value->via.u64;
        else
            return error_set(err, EVD_E_BAD_TYPE, "labels",
                             "\"labels\": value %zu is neither a class number nor nil", i);
    }
    return EVD_OK;
}

static int decode_weights(const msgpack_object *weights, struct chunk *out, struct evd_error *err)
{
    for (size_t i = 0; i < out->weight_count; i++) {
        const msgpack_object *value;

        if (weights->type == MSGPACK_OBJECT_BIN) {
            uint64_t bits = bin_number(weights, i, sizeof(bits));

            memcpy(&out->weights[i], &bits, sizeof(bits));
            continue;
        }
        value = &weights->via.array.ptr[i];
        if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
            out->weights[i] = (double)value->via.u64;
        else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
            out->weights[i] = (double)value->via.i64;
        else if (value->type == MSGPACK_OBJECT_FLOAT64 || value->type == MSGPACK_OBJECT_FLOAT32)
            out->weights[i] = value->via.f64;
        else
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
    *out = (struct chunk){0};
    if (count_of(p->labels, sizeof(out->labels[0]), "labels",
                 "bin of little-endian u32, or an array of integers and nil", &out->label_count,
                 err) != EVD_OK ||
        count_of(p->weights, sizeof(out->weights[0]), "weights",
                 "bin of little-endian f64, or an array of numbers", &out->weight_count,
                 err) != EVD_OK ||
        decode_column(p, out, err) != EVD_OK)
        return err->code;
    out->labels = calloc(out->label_count + 1, sizeof(out->labels[0]));
    out->weights = calloc(out->weight_count + 1, sizeof(out->weights[0]));
    if (!out->labels || !out->weights)
        return error_no_memory(err);
    if (decode_labels(p->labels, out, err) != EVD_OK)
        return err->code;
    return decode_weights(p->weights, out, err);
}

void chunk_fini(struct chunk *chunk)
{
    free(chunk->labels);
    free(chunk->weights);
    *chunk = (struct chunk){0};
}
