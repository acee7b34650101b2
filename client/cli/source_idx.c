/*
 * IDX, the format of MNIST and its family: 00 00, a type, the number of dimensions, each dimension
 * as 32 bits, then the values; all big-endian. Labels have one dimension, or two, of which --column
 * chooses a column, as in QMNIST.
 */
#include "source_array.h"

static bool sniff(const unsigned char *head, size_t len)
{
    return len >= 4 && head[0] == 0 && head[1] == 0 && head[2] >= 8 && head[2] <= 14 &&
           head[3] >= 1 && head[3] <= 8;
}

/* What the type code says of the values; false for those that are not whole numbers. */
static bool read_type(unsigned char type, struct source_array *array)
{
    static const struct {
        unsigned char type;
        char kind;
        unsigned size;
    } types[] = {{0x08, 'u', 1}, {0x09, 'i', 1}, {0x0b, 'i', 2}, {0x0c, 'i', 4}};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].type != type)
            continue;
        array->kind = types[i].kind;
        array->size = types[i].size;
        return true;
    }
    return false;
}

static uint32_t big32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool read_labels(struct source *source, label_sink *sink, void *arg)
{
    struct source_array array = {.big = true, .holds = "labels"};
    unsigned char head[12];

    if (!source_header(source, head, 8))
        return false;
    if (head[3] > 2)
        return source_error(source,
                            "holds data of %u dimensions (images?), not labels: name the file with "
                            "labels, such as ...-labels-idx1-ubyte.gz",
                            head[3]);
    if (!read_type(head[2], &array))
        return source_error(source, "its values are not whole numbers, so they cannot be labels");
    array.count = big32(head + 4);
    if (head[3] == 2) {
        if (!source_header(source, head + 8, 4))
            return false;
        array.row = big32(head + 8);
        if (array.row == 0)
            return source_error(source, "has samples without a value");
    }
    return source_array_column(source, &array,
                               "say with --column which is the label, 1 being the first (QMNIST's "
                               "class is 1)") &&
           source_array_labels(source, &array, sink, arg);
}

const struct source_format source_idx = {
    .name = "idx",
    .title = "IDX",
    .suffixes = {".idx", "-ubyte"},
    .sniff = sniff,
    .read = read_labels,
    .columns = true,
};
