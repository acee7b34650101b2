/* Arrays of numbers in files, for the formats that hold one. */
#ifndef CLI_SOURCE_ARRAY_H
#define CLI_SOURCE_ARRAY_H

#include "source.h"

struct source_array {
    char kind;         /* 'i', 'u', 'b' or 'f', as NumPy calls them */
    unsigned size;     /* bytes of a value: 1, 2, 4 or 8 */
    bool big;          /* big-endian */
    uint64_t count;    /* as the header promises */
    const char *holds; /* what messages call the values */
};

/* A pass over all that follows the header. */
bool source_array_labels(struct source *source, const struct source_array *array, label_sink *sink,
                         void *arg) __attribute__((warn_unused_result));
bool source_array_numbers(struct source *source, const struct source_array *array,
                          number_sink *sink, void *arg) __attribute__((warn_unused_result));

#endif
