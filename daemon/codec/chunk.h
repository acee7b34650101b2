/*
 * What one dataset.append carries beside class names, from MessagePack to numbers.
 */
#ifndef CODEC_CHUNK_H
#define CODEC_CHUNK_H

#include <stddef.h>
#include "proto/limits.h"
#include "proto/methods.h"

struct chunk {
    uint32_t *labels; /* owned, as are the weights */
    size_t label_count;
    double *weights;
    size_t weight_count;
    char column[EVD_MAX_NAME + 1]; /* what the weights are called; empty: there are none */
};

/* BAD_TYPE, BAD_VALUE, MISSING_FIELD or NO_MEMORY; whatever it returns, *out is to be finished. The
 * numbers themselves are for the builder to check. */
int chunk_decode(const struct params_dataset_append *p, struct chunk *out, struct evd_error *err);
void chunk_fini(struct chunk *chunk);

#endif
