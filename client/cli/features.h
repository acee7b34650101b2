/*
 * Features of samples in a file: a matrix of an NPY, mapped, so that a file of any size takes no
 * memory that the system cannot take back; and probabilities, which a model gave of them. For
 * neighbours.c and select.c.
 */
#ifndef CLI_FEATURES_H
#define CLI_FEATURES_H

#include "source_array.h"

struct features {
    struct source_matrix shape;
    const void *values;
    void *map;
    size_t map_bytes;
};

/* features->shape.probabilities says which. `path` is a file, not standard input. False after a
 * message; then there is nothing to close. */
bool features_open(struct features *features, struct cli *cli, const char *path)
    __attribute__((warn_unused_result));
void features_close(struct features *features);

#endif
