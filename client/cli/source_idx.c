/*
 * IDX, the format of MNIST and its family: 00 00, a type, the number of dimensions, each dimension
 * as 32 bits, then the values; all big-endian. Labels have one dimension.
 */
#include "source_array.h"

static bool sniff(const unsigned char *head)
{
    return head[0] == 0 && head[1] == 0 && head[2] >= 8 && head[2] <= 14 && head[3] >= 1 &&
           head[3] <= 8;
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

static bool read_labels(struct source *source, label_sink *sink, void *arg)
{
    struct source_array array = {.big = true, .holds = "labels"};
    unsigned char head[8];

    if (!source_header(source, head, sizeof(head)))
        return false;
    if (head[3] != 1)
        return source_error(source,
                            "holds data of %u dimensions (images?), not labels: name the file with "
                            "labels, such as ...-labels-idx1-ubyte.gz",
                            head[3]);
    if (!read_type(head[2], &array))
        return source_error(source, "its values are not whole numbers, so they cannot be labels");
    array.count =
        (uint64_t)head[4] << 24 | (uint64_t)head[5] << 16 | (uint64_t)head[6] << 8 | head[7];
    return source_array_labels(source, &array, sink, arg);
}

const struct source_format source_idx = {
    .name = "idx",
    .title = "IDX",
    .suffixes = {".idx", "-ubyte"},
    .sniff = sniff,
    .read = read_labels,
};
