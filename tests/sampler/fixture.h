/* What the sampler's tests share: small datasets, strategies by name, plans, drawing a step. */
#ifndef TESTS_SAMPLER_FIXTURE_H
#define TESTS_SAMPLER_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "sampler/plan.h"

#define TABLE_WIDTH 10u

struct data {
    struct class_index index;
    uint64_t *start, *first;
    uint32_t *member32, *label; /* label of each sample, UINT32_MAX: none */
    /* TABLE_WIDTH neighbours of each sample, of its class and of any: not near, but others. */
    uint32_t *of_class, *of_all;
};

/* Classes of these sizes, their samples in mixed order, every 7th sample without a label. */
void data_init(struct data *data, const uint64_t *counts, uint32_t classes);
/* The same sizes, already grouped by class: no table of members. */
void data_init_grouped(struct data *data, const uint64_t *counts, uint32_t classes);
void data_fini(struct data *data);

void strategy_make(struct strategy *s, const char *kind, uint32_t classes);
void strategy_set(struct strategy *s, const char *param, double number);
void strategy_say(struct strategy *s, const char *param, const char *text);
void strategy_map(struct strategy *s, const char *param, const double *by_class);

/* What plans are built from, without weights. */
struct plan_input input_of(const struct data *data, const struct strategy *s, uint32_t batch_size);
/* Fails the test with the message if the plan is refused. */
struct plan *plan_make(const struct data *data, const struct strategy *s, uint32_t batch_size,
                       enum last_batch last, uint64_t seed, const double *weights);

struct drawn {
    uint32_t n;
    uint64_t *index;
    uint32_t *label, *repeat;
    float *probability;
    uint64_t *seed;
    float *strength;
    uint64_t *mix_index;
    uint32_t *mix_label;
    float *mix_lambda, *mix_label_lambda;
};
void drawn_init(struct drawn *drawn, uint32_t batch_size);
void drawn_fini(struct drawn *drawn);
/* All columns that the plan knows. */
void draw_slice(const struct plan *plan, uint64_t epoch, uint64_t step, struct epoch_shape shape,
                uint32_t rank, uint32_t world, struct drawn *out);
void draw_step(const struct plan *plan, uint64_t epoch, uint64_t step, struct drawn *out);

/* A generator for the tests' own choices (SplitMix64). */
uint64_t test_random(uint64_t *state);

/* The probability that chi-square with `freedom` degrees is at least x (Wilson and Hilferty). */
double chi_square_tail(double x, double freedom);

#endif
