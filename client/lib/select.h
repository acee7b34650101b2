/*
 * What the parts of the selection of samples share.
 *
 *   select.c           evd_select: checks, classes, which method, what is reported
 *   select_targets.c   which classes are to lose samples, and how many they keep
 *   select_rows.c      searches by evd_neighbours, exact distances, ranks
 *   select_edit.c      tomek, enn, renn, allknn, ncr: by tables of neighbours
 *   select_near.c      nearmiss 1, 2, 3
 *   select_condense.c  cnn, oss
 *   select_hard.c      instance hardness
 *
 * Neighbours come from the search of knn.h, and where sums of distances or distances to what was
 * kept so far are needed, they are squared distances by its definition, in doubles. So a selection
 * is the same on every machine and with any number of threads.
 */
#ifndef CLIENT_SELECT_H
#define CLIENT_SELECT_H

#include "client/lib/knn.h"

/* Neighbours that renn and allknn ask for beyond those they vote with: so many of a row may be
 * removed before it must be searched for again. */
#define SELECT_SPARE 16u
/* No class. */
#define SELECT_NO_CLASS UINT32_MAX

/* A sample and its place in the order in which its class keeps samples. */
struct select_rank {
    double value; /* the smaller is kept first; of equal ones the lower row */
    uint32_t label, row;
};

struct select {
    /* The rows, and the threads that go through them. It comes first: units of work get a pointer
     * to it. Its error is the one that is reported. */
    struct knn_search rows;
    evd_neighbours_options ask; /* what rows.options points to, and searches begin with */
    const evd_select_options *options;
    evd_select_result *result;
    uint8_t *keep; /* the caller's, n */
    uint32_t n, classes;

    uint64_t *members; /* by class, before anything is removed */
    uint64_t *living; /* by class: those that are left while renn and allknn go on, or in the end */
    uint8_t *target;  /* by class: 1 if it may lose samples */
    uint64_t
        *wanted; /* by class, if it is a target: how many nearmiss and instance hardness keep */
    uint32_t smallest; /* the class with the fewest members; of several the lowest */

    uint32_t *labels; /* n, for searches: EVD_NO_LABEL for rows that take no part */
    uint32_t width;   /* neighbours of each row in `table` */
    uint32_t *table;  /* n * width */
    float *distance;  /* likewise */

    struct select_rank *ranks; /* of samples of targets */
    uint32_t rank_count;
    uint32_t *order;   /* samples by class, ascending */
    uint64_t *starts;  /* class c: from order[starts[c]] to order[starts[c + 1]] */
    uint32_t of_class; /* nearmiss-3: the target that is gone through */

    struct {
        char text[120];
    } called[4]; /* classes, in turn, as messages call them */
    unsigned calls;

    double *packed; /* of each thread, SELECT_LANES rows */

    uint64_t done, stage; /* progress of stages that are over, and of the one that goes on */
};

static inline bool select_is_target(const struct select *s, uint32_t row)
{
    const uint32_t label = s->options->labels[row];

    return label != EVD_NO_LABEL && s->target[label];
}

/* ---- select.c ---- */

/* Adds a sentence to result->warning as long as there is room. */
void select_warn(struct select *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 'class "dog"', or "class 3"; stays as it is until four further ones were asked for. */
const char *select_class(struct select *s, uint32_t c);
bool select_cancelled(const struct select *s);
/* Of a stage that does not go through rows: tells about ten times a second. */
void select_tell(struct select *s, uint64_t done, uint64_t total);
/* Tells that the stage is over. */
void select_stage_end(struct select *s, uint64_t total);

/* ---- select_targets.c ---- */

/* Looks at labels, fills members, smallest and result->samples. */
int select_count(struct select *s) EVD_MUST_CHECK;
/* Fills target and wanted by how many samples of each class there are. */
int select_targets(struct select *s, const uint64_t *counts) EVD_MUST_CHECK;
/* The class with the fewest and the most of those that have any; of several the lowest. */
void select_extremes(const struct select *s, const uint64_t *counts, uint32_t *fewest,
                     uint32_t *most);

/* ---- select_rows.c ---- */

/* Takes memory for a table of k neighbours of each row, or of as many as there can be. */
int select_table_new(struct select *s, uint32_t k) EVD_MUST_CHECK;
/* Fills the table, by s->labels. */
int select_search(struct select *s, int scope, uint32_t of_class) EVD_MUST_CHECK;
int select_workers_new(struct select *s) EVD_MUST_CHECK;
/* Units of work by all threads: as knn_run, from the first on. */
int select_run(struct select *s, uint64_t units, uint64_t unit_cost,
               void (*unit)(struct knn_worker *worker, uint64_t unit)) EVD_MUST_CHECK;

/* Rows whose distances are computed side by side. */
#define SELECT_LANES 8
/* Squared distances of `row` to others[0] .. others[SELECT_LANES - 1], each as of knn_distance. */
void select_distances(const struct select *s, uint32_t row, const uint32_t *others, double *out);
/* Some rows and how far they are, ascending by squared distance and then row. */
struct select_near {
    uint32_t count, rows[EVD_NEIGHBOURS_MAX_K];
    double squares[EVD_NEIGHBOURS_MAX_K];
};
/* For units of work: of `points`, those that are the k nearest (or farthest) to each of `count`
 * queries, SELECT_LANES at most, into near[0] and so on. */
void select_extremes_of(const struct knn_worker *worker, const uint32_t *queries, uint32_t count,
                        const uint32_t *points, uint64_t point_count, uint32_t k, bool farthest,
                        struct select_near *near);
/* The distance that a squared one stands for. */
double select_distance(const struct select *s, double squared);

/* Fills order and starts. */
int select_order(struct select *s) EVD_MUST_CHECK;
/* Room for a rank of every sample of a target. */
int select_ranks_new(struct select *s) EVD_MUST_CHECK;
/* By class, then value, then row. */
void select_sort(struct select *s);
/* Keeps the first `wanted` of each target, of ranks that are sorted, and nothing else of it. */
void select_keep_first(struct select *s);
/* The first rank behind those of the class of ranks[from]. */
uint32_t select_class_end(const struct select *s, uint32_t from);

/* ---- one function a method ---- */

int select_tomek(struct select *s) EVD_MUST_CHECK;
int select_enn(struct select *s) EVD_MUST_CHECK;
int select_renn(struct select *s) EVD_MUST_CHECK;
int select_allknn(struct select *s) EVD_MUST_CHECK;
int select_ncr(struct select *s) EVD_MUST_CHECK;
int select_nearmiss_1(struct select *s) EVD_MUST_CHECK;
int select_nearmiss_2(struct select *s) EVD_MUST_CHECK;
int select_nearmiss_3(struct select *s) EVD_MUST_CHECK;
int select_cnn(struct select *s) EVD_MUST_CHECK;
int select_oss(struct select *s) EVD_MUST_CHECK;
int select_hard(struct select *s) EVD_MUST_CHECK;

/* Removes, of what is kept, the samples of targets that are in a Tomek link. */
int select_links(struct select *s) EVD_MUST_CHECK;

#endif
