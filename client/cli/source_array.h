/* Arrays of numbers in files, for the formats that hold one, and for features.c. */
#ifndef CLI_SOURCE_ARRAY_H
#define CLI_SOURCE_ARRAY_H

#include "source.h"

struct source_array {
    char kind;         /* 'i', 'u', 'b', 'f', and of texts 'U' or 'S', as NumPy calls them */
    unsigned size;     /* bytes of a value: 1, 2, 4 or 8; of texts any number */
    bool big;          /* big-endian */
    uint64_t count;    /* samples, as the header promises */
    uint64_t row;      /* values a sample has; 0: one */
    uint32_t column;   /* which of them is read */
    const char *holds; /* what messages call the values */
};

/* A pass over all that follows the header. */
bool source_array_labels(struct source *source, const struct source_array *array, label_sink *sink,
                         void *arg) __attribute__((warn_unused_result));
bool source_array_numbers(struct source *source, const struct source_array *array,
                          number_sink *sink, void *arg) __attribute__((warn_unused_result));

/* Which of the values a sample has is the label: the only one, or --column's. `many` says what to
 * do without it. False after a message. */
bool source_array_column(struct source *source, struct source_array *array, const char *many)
    __attribute__((warn_unused_result));

/* A file with a row of floating point numbers for each sample. */
struct source_matrix {
    bool probabilities; /* they are that, and not features: a single one each may have no row */
    uint64_t n, d;
    unsigned size;   /* bytes of a number, in the machine's order: 4 or 8 */
    uint64_t offset; /* of the first in the file */
};

/* Reads the header of an NPY; false after a message: it is another kind of array. */
bool source_npy_matrix(struct source *source, struct source_matrix *matrix)
    __attribute__((warn_unused_result));

#endif
