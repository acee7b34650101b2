/* A part of a test's dataset as a dataset of its own, for test_from.c. */
#ifndef TESTS_SAMPLER_PART_H
#define TESTS_SAMPLER_PART_H

#include "cases.h"

/* A dataset of the samples that a strategy draws from, and which they are in the whole. */
struct part {
    struct data data;
    uint64_t *whole; /* of each: its index there */
    double *weights;
};

/* A bit for each sample, none of them set; to be freed. */
uint64_t *bits_of(const struct data *data);
bool bit(const uint64_t *bits, uint64_t sample);
uint32_t label_of(const struct data *data, uint64_t sample); /* UINT32_MAX: none */
/* Of the samples whose bits are set, in their order, with their neighbours among them. */
void part_init(struct part *part, const struct data *data, const uint64_t *bits);
void part_fini(struct part *part);

#endif
