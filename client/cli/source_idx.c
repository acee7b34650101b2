/*
 * IDX, the format of MNIST and its family: 00 00, a type, the number of dimensions, each dimension
 * as 32 bits, then the values; all big-endian. Labels have one dimension.
 */
#include "source.h"

#include <string.h>

static bool sniff(const unsigned char *head)
{
    return head[0] == 0 && head[1] == 0 && head[2] >= 8 && head[2] <= 14 && head[3] >= 1 &&
           head[3] <= 8;
}

/* Bytes of a value by type code, 0 for what cannot be a label. */
static unsigned value_size(unsigned char type)
{
    switch (type) {
    case 0x08: /* unsigned byte */
    case 0x09: /* signed byte */
        return 1;
    case 0x0b: /* short */
        return 2;
    case 0x0c: /* int */
        return 4;
    default:
        return 0;
    }
}

static int32_t value_at(const unsigned char *at, unsigned char type)
{
    switch (type) {
    case 0x08:
        return at[0];
    case 0x09:
        return (int8_t)at[0];
    case 0x0b:
        return (int16_t)(at[0] << 8 | at[1]);
    default:
        return (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
                         at[3]);
    }
}

static bool read_header(struct source *source, unsigned char *type, uint64_t *count)
{
    unsigned char head[8];

    if (!source_header(source, head, sizeof(head)))
        return false;
    if (head[3] != 1)
        return source_error(source,
                            "holds data of %u dimensions (images?), not labels: name the file with "
                            "labels, such as ...-labels-idx1-ubyte.gz",
                            head[3]);
    if (value_size(head[2]) == 0)
        return source_error(source, "its values are not whole numbers, so they cannot be labels");
    *type = head[2];
    *count = (uint64_t)head[4] << 24 | (uint64_t)head[5] << 16 | (uint64_t)head[6] << 8 | head[7];
    return true;
}

static bool read_labels(struct source *source, label_sink *sink, void *arg)
{
    unsigned char block[32768], type = 0;
    uint64_t count = 0;

    if (!read_header(source, &type, &count))
        return false;
    while (source->samples < count) {
        unsigned size = value_size(type);
        uint64_t left = count - source->samples;
        unsigned n = left < sizeof(block) / size ? (unsigned)left : (unsigned)sizeof(block) / size;

        if (!source_values(source, block, n, size, count))
            return false;
        for (unsigned i = 0; i < n; i++) {
            char text[16];
            int len =
                snprintf(text, sizeof(text), "%d", (int)value_at(block + (size_t)i * size, type));
            if (!sink(arg, text, (size_t)len))
                return false;
        }
        source->samples += n;
    }
    if (source_bytes(source, block, 1) > 0)
        return source_error(source, "is longer than its header says (%llu labels): it is damaged",
                            (unsigned long long)count);
    return true;
}

const struct source_format source_idx = {
    .name = "idx",
    .title = "IDX",
    .suffixes = {".idx", "-ubyte"},
    .sniff = sniff,
    .read = read_labels,
};
