/*
 * An array of numbers of one type, as the formats IDX and NPY hold it behind their headers. Called
 * by source_idx.c and source_npy.c.
 */
#include "source_array.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include "print.h"

#define ROW_LIMIT 65536u /* bytes a sample may have */

/* The bits of the value, in the host's order. */
static uint64_t bits_at(const unsigned char *at, const struct source_array *array)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < array->size; i++)
        bits |= (uint64_t)at[array->big ? array->size - 1 - i : i] << 8 * i;
    return bits;
}

static int64_t sign_extended(uint64_t bits, unsigned size)
{
    unsigned unused = 64 - 8 * size;

    return (int64_t)(bits << unused) >> unused;
}

/* IEEE 754's number of 16 bits. */
static double half_of(uint64_t bits)
{
    unsigned exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value =
        ldexp(exponent ? 1024 + fraction : fraction, (exponent ? (int)exponent : 1) - 25);

    if (exponent == 31)
        value = fraction ? (double)NAN : (double)INFINITY;
    return bits >> 15 & 1 ? -value : value;
}

static double number_of(uint64_t bits, const struct source_array *array)
{
    uint32_t bits32 = (uint32_t)bits;
    double wide;
    float narrow;

    if (array->kind == 'i')
        return (double)sign_extended(bits, array->size);
    if (array->kind != 'f')
        return (double)bits;
    if (array->size == 2)
        return half_of(bits);
    memcpy(&wide, &bits, sizeof(wide));
    memcpy(&narrow, &bits32, sizeof(narrow));
    return array->size == 8 ? wide : (double)narrow;
}

/* In decimal, at the end of `text`; where it begins. */
static const char *decimal(char text[24], uint64_t bits, const struct source_array *array,
                           size_t *len)
{
    int64_t value = sign_extended(bits, array->size);
    bool negative = array->kind == 'i' && value < 0;
    uint64_t rest = negative ? -(uint64_t)value : bits;
    char *at = text + 24;

    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (negative)
        *--at = '-';
    *len = (size_t)(text + 24 - at);
    return at;
}

/* Where the values go, as texts or as numbers. */
struct array_sink {
    label_sink *label; /* NULL: to `number` */
    number_sink *number;
    void *arg;
};

/* A whole number, or NaN, which is no label. */
static bool pass_float(struct source *source, const struct array_sink *sink, double value)
{
    char text[400]; /* of the largest double */
    int n;

    if (isnan(value))
        return sink->label(sink->arg, "", 0);
    if (value != floor(value) || isinf(value))
        return source_error(source,
                            "sample %llu is %g, which is no class: make classes of numbers with "
                            "numpy.digitize(array, edges), of probabilities with array > 0.5 or "
                            "array.argmax(axis=1)",
                            (unsigned long long)source->samples, value);
    n = snprintf(text, sizeof(text), "%.0f", value == 0 ? 0.0 : value);
    return sink->label(sink->arg, text, (size_t)n);
}

/* A character as UTF-8; how many bytes that takes. What is none becomes bytes that are refused. */
static size_t utf8(uint32_t c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 63));
        to[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    to[0] = (char)(c < 0x200000 ? 0xf0 | c >> 18 : 0xff);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* Characters of one byte ('S') or four ('U'); NULs fill what a text leaves. */
static bool pass_text(const struct array_sink *sink, const unsigned char *at,
                      const struct source_array *array)
{
    struct source_array one = {.size = array->kind == 'U' ? 4 : 1, .big = array->big};
    char text[ROW_LIMIT];
    size_t len = 0, last = 0;

    for (unsigned i = 0; i < array->size / one.size; i++) {
        uint64_t c = bits_at(at + (size_t)i * one.size, &one);

        if (array->kind == 'U')
            len += utf8((uint32_t)c, text + len);
        else
            text[len++] = (char)c;
        last = c ? len : last;
    }
    return sink->label(sink->arg, text, last);
}

static bool pass_value(struct source *source, const struct array_sink *sink,
                       const unsigned char *at, const struct source_array *array)
{
    char text[24];
    const char *label;
    uint64_t bits;
    size_t len;

    assert(sink->label || (array->kind != 'U' && array->kind != 'S'));
    if (array->kind == 'U' || array->kind == 'S')
        return pass_text(sink, at, array);
    bits = bits_at(at, array);
    if (!sink->label)
        return sink->number(sink->arg, number_of(bits, array));
    if (array->kind == 'f')
        return pass_float(source, sink, number_of(bits, array));
    label = decimal(text, bits, array, &len);
    return sink->label(sink->arg, label, len);
}

/* What is read of a sample. */
static bool pass_row(struct source *source, const struct array_sink *sink, const unsigned char *at,
                     const struct source_array *array)
{
    if (!array->every)
        return pass_value(source, sink, at + (size_t)array->column * array->size, array);
    for (uint64_t i = 0; i < array->row; i++) {
        if (!pass_value(source, sink, at + i * array->size, array))
            return false;
    }
    return true;
}

/* The next n samples. */
static bool read_block(struct source *source, void *values, unsigned n, unsigned bytes,
                       const struct source_array *array)
{
    int got = source_bytes(source, values, n * bytes);

    if (got == (int)(n * bytes))
        return true;
    return got >= 0 &&
           source_error(source,
                        "ends too early, with %s of the %s values that its header promises: the "
                        "file is cut off",
                        text_count(source->samples + (unsigned)got / bytes),
                        text_count(array->count));
}

static bool read_values(struct source *source, const struct source_array *array,
                        const struct array_sink *sink)
{
    unsigned char block[ROW_LIMIT];
    unsigned bytes;
    int more;

    if (array->size == 0 || array->size > ROW_LIMIT || array->row > ROW_LIMIT / array->size)
        return source_error(source, "has samples of over %u bytes, or of none: are these labels?",
                            ROW_LIMIT);
    bytes = (array->row ? (unsigned)array->row : 1) * array->size;
    assert(array->column < (array->row ? array->row : 1));
    while (source->samples < array->count) {
        uint64_t left = array->count - source->samples;
        unsigned room = ROW_LIMIT / bytes, n = left < room ? (unsigned)left : room;
        const unsigned char *at = block;

        if (!read_block(source, block, n, bytes, array))
            return false;
        for (; n > 0; n--, at += bytes) {
            if (!pass_row(source, sink, at, array))
                return false;
            source->samples++;
        }
    }
    more = source_bytes(source, block, 1);
    if (more > 0)
        source_error(source, "is longer than its header says (%llu %s): it is damaged",
                     (unsigned long long)array->count, array->holds);
    return more == 0;
}

bool source_array_labels(struct source *source, const struct source_array *array, label_sink *sink,
                         void *arg)
{
    return read_values(source, array, &(struct array_sink){.label = sink, .arg = arg});
}

bool source_array_numbers(struct source *source, const struct source_array *array,
                          number_sink *sink, void *arg)
{
    return read_values(source, array, &(struct array_sink){.number = sink, .arg = arg});
}

bool source_array_column(struct source *source, struct source_array *array, const char *many)
{
    uint64_t row = array->row ? array->row : 1;
    uint32_t columns = row < UINT32_MAX ? (uint32_t)row : UINT32_MAX;

    if (!source->column && row != 1)
        return source_error(source, "has %llu values a sample, where one is needed: %s",
                            (unsigned long long)row, many);
    if (source->column && !source_place(source->column, columns, &array->column))
        return source_error(source,
                            "has no column '%s': its columns have numbers, 1 to %u, or -1 to -%u "
                            "from the end",
                            source->column, columns, columns);
    if (source->column && !source->noted)
        source_tell(source, "column", json_integer((json_int_t)array->column + 1));
    return true;
}
