/*
 * Numbers and text from MessagePack. Called by whoever decodes fields or keys: the decoder of
 * methods and of batches, those of labels, weights, reports and strategies, and the client.
 */
#include "proto/numbers.h"

#include <assert.h>
#include <string.h>

bool text_from(const msgpack_object *object, struct evd_str *out)
{
    if (object->type == MSGPACK_OBJECT_STR)
        *out = (struct evd_str){object->via.str.ptr, object->via.str.size};
    else if (object->type == MSGPACK_OBJECT_BIN)
        *out = (struct evd_str){object->via.bin.ptr, object->via.bin.size};
    else
        return false;
    return true;
}

bool number_is_float(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_FLOAT32 || object->type == MSGPACK_OBJECT_FLOAT64;
}

bool number_u64(const msgpack_object *object, uint64_t most, uint64_t *out)
{
    uint64_t number;

    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        number = object->via.u64;
    } else if (number_is_float(object) && object->via.f64 >= 0 &&
               object->via.f64 <= NUMBER_FLOAT_MOST) {
        number = (uint64_t)object->via.f64;
        if ((double)number != object->via.f64)
            return false;
    } else {
        return false;
    }
    if (number > most)
        return false;
    *out = number;
    return true;
}

bool number_f64(const msgpack_object *object, double *out)
{
    switch (object->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        *out = (double)object->via.u64;
        return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        *out = (double)object->via.i64;
        return true;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        *out = object->via.f64;
        return true;
    default:
        return false;
    }
}

int numbers_open(struct numbers *numbers, const char *form, struct evd_error *err)
{
    const msgpack_object *object = numbers->object;

    assert(numbers->width == sizeof(uint32_t) || numbers->width == sizeof(uint64_t));
    if (object->type == MSGPACK_OBJECT_ARRAY) {
        numbers->count = object->via.array.size;
        return EVD_OK;
    }
    if (object->type != MSGPACK_OBJECT_BIN)
        return error_set(err, EVD_E_BAD_TYPE, numbers->field, "%s\"%s\" must be %s",
                         numbers->prefix, numbers->field, form);
    if (object->via.bin.size % numbers->width != 0)
        return error_set(err, EVD_E_BAD_VALUE, numbers->field,
                         "%s\"%s\" is %u bytes long, which is no multiple of %zu", numbers->prefix,
                         numbers->field, object->via.bin.size, numbers->width);
    numbers->count = object->via.bin.size / numbers->width;
    return EVD_OK;
}

/* The bits of the number at i in a bin. */
static uint64_t bits_at(const struct numbers *numbers, size_t i)
{
    const uint8_t *bytes = (const uint8_t *)numbers->object->via.bin.ptr + i * numbers->width;
    uint64_t bits = 0;

    for (size_t b = numbers->width; b-- > 0;)
        bits = bits << 8 | bytes[b];
    return bits;
}

bool numbers_u64(const struct numbers *numbers, size_t i, uint64_t most, uint64_t *out)
{
    assert(i < numbers->count);
    if (numbers->object->type == MSGPACK_OBJECT_ARRAY)
        return number_u64(&numbers->object->via.array.ptr[i], most, out);
    *out = bits_at(numbers, i);
    return *out <= most;
}

bool numbers_f64(const struct numbers *numbers, size_t i, double *out)
{
    uint64_t bits;
    uint32_t narrow_bits;
    float narrow;

    assert(i < numbers->count);
    if (numbers->object->type == MSGPACK_OBJECT_ARRAY)
        return number_f64(&numbers->object->via.array.ptr[i], out);
    bits = bits_at(numbers, i);
    if (numbers->width == sizeof(bits)) {
        memcpy(out, &bits, sizeof(bits));
        return true;
    }
    narrow_bits = (uint32_t)bits;
    memcpy(&narrow, &narrow_bits, sizeof(narrow));
    *out = (double)narrow;
    return true;
}
