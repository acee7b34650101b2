/*
 * An array of numbers of one type, as the formats IDX and NPY hold it behind their headers. Called
 * by source_idx.c and source_npy.c.
 */
#include "source_array.h"

#include <assert.h>
#include <string.h>
#include "print.h"

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

static double number_of(uint64_t bits, const struct source_array *array)
{
    uint32_t bits32 = (uint32_t)bits;
    double wide;
    float narrow;

    if (array->kind == 'i')
        return (double)sign_extended(bits, array->size);
    if (array->kind != 'f')
        return (double)bits;
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

static bool pass_value(const struct array_sink *sink, uint64_t bits,
                       const struct source_array *array)
{
    char text[24];
    const char *label;
    size_t len;

    if (!sink->label)
        return sink->number(sink->arg, number_of(bits, array));
    label = decimal(text, bits, array, &len);
    return sink->label(sink->arg, label, len);
}

/* The next n values. */
static bool read_block(struct source *source, void *values, unsigned n,
                       const struct source_array *array)
{
    int got = source_bytes(source, values, n * array->size);

    if (got == (int)(n * array->size))
        return true;
    return got >= 0 &&
           source_error(source,
                        "ends too early, with %s of the %s values that its header promises: the "
                        "file is cut off",
                        text_count(source->samples + (unsigned)got / array->size),
                        text_count(array->count));
}

static bool read_values(struct source *source, const struct source_array *array,
                        const struct array_sink *sink)
{
    unsigned char block[32768];

    assert(array->size >= 1 && array->size <= 8);
    while (source->samples < array->count) {
        uint64_t left = array->count - source->samples;
        unsigned room = (unsigned)sizeof(block) / array->size;
        unsigned n = left < room ? (unsigned)left : room;

        if (!read_block(source, block, n, array))
            return false;
        for (unsigned i = 0; i < n; i++) {
            if (!pass_value(sink, bits_at(block + (size_t)i * array->size, array), array))
                return false;
            source->samples++;
        }
    }
    if (source_bytes(source, block, 1) > 0)
        return source_error(source, "is longer than its header says (%llu %s): it is damaged",
                            (unsigned long long)array->count, array->holds);
    return true;
}

bool source_array_labels(struct source *source, const struct source_array *array, label_sink *sink,
                         void *arg)
{
    assert(array->kind != 'f');
    return read_values(source, array, &(struct array_sink){.label = sink, .arg = arg});
}

bool source_array_numbers(struct source *source, const struct source_array *array,
                          number_sink *sink, void *arg)
{
    return read_values(source, array, &(struct array_sink){.number = sink, .arg = arg});
}
