/* Features for tests of evd_neighbours, and what must come out: see near.c. */
#ifndef TESTS_CLIENT_NEAR_H
#define TESTS_CLIENT_NEAR_H

#include <stdbool.h>
#include <stdint.h>
#include <evendraw_features.h>

enum kind {
    GAUSSIAN,
    SHIFTED,  /* by 1000 */
    CLUSTERS, /* at +-1000 */
    NEAR_4,   /* groups of 4 that are 1e-4 apart */
    NEAR_40,  /* of 40 */
    TWINS,    /* rows that are equal, in groups of 20 */
    WHOLE,    /* numbers from 0 to 3: many are equally near */
    OUTLIER,  /* one row at 1e4 */
    FAR_ROW,  /* one row at 1e30 */
    ZEROS,
    LARGE, /* of about 1e19: squares do not fit in a float */
    TINY,  /* floats without full precision */
    KINDS
};
extern const char *const kind_names[KINDS];

struct near {
    evd_neighbours_options options; /* of the features below */
    float *narrow;
    double *wide;
    uint32_t *labels; /* NULL until near_labels */
    uint32_t *index;
    float *distance;
};

/* n rows of d values, the same ones in both types; options has the floats. */
struct near near_new(enum kind kind, uint32_t n, uint32_t d, uint32_t k);
void near_wide(struct near *near);
/* Classes of very different size (the last has one member), and rows without a label. */
void near_labels(struct near *near, uint32_t classes);
void near_free(struct near *near);

/* The definition, pair by pair: fills index and distance. */
void near_brute(struct near *near);
/* Searches into arrays of its own; fails the test if it is not EVD_OK or a bit differs. */
evd_neighbours_result near_same(const struct near *near);
/* The same by every kernel, by 1 and 2 threads. */
void near_same_everywhere(struct near *near);

#endif
