/*
 * What the parts of the search for nearest neighbours share.
 *
 *   neighbours.c   evd_neighbours: checks, groups of rows, what is reported
 *   knn_rows.c     the caller's rows: checked, centred, packed; exact distances
 *   knn_kernel.c   products of packed rows, in the widest vectors that the processor has
 *   knn_tiles.c    first pass, in float32: for each row the few points that seem nearest
 *   knn_exact.c    second pass, in double: distances of those, and a search without doubt for each
 *                  row whose few may not be the right ones
 *   knn_lists.c    approximate: points in lists by k-means, ranking of lists by distance
 *   knn_probe.c    approximate: both passes for the points of the lists nearest to each query
 *   knn_recall.c   approximate: how many lists are enough, and what recall that has
 *   knn_memory.c   what a search needs, for all groups at once
 *   knn_run.c      units of work by several threads, progress, pauses
 *   knn_state.c    the file from which a search goes on
 *   knn_short.c    classes that are too small
 *
 * Why not BLAS: its product of matrices is as fast as this kernel at best, must be scanned once
 * more for what is near, and computes every pair twice. And OpenBLAS as Debian has it takes kernels
 * for SSE3 on processors newer than itself, which no program can tell it otherwise once it runs:
 * then it is 4.5 times slower.
 *
 * The distance of two rows is by definition the root of the sum of squared differences, in doubles,
 * summed from the first column to the last, each operation rounded once (no fused multiply-add:
 * -ffp-contract=off). It is the same on every machine. Neighbours are ordered by that sum, equal
 * ones by index. Whatever is faster than this sum only decides which pairs need not be looked at,
 * by bounds of its rounding errors; so it may differ from machine to machine, and the result does
 * not.
 *
 * Words: a search goes through groups. Each query row of a group gets the nearest of the group's
 * points. Queries and points are numbered by their place in the group, in ascending order of their
 * rows, so that the lower number is the lower index.
 *
 * Approximate: a large group's points are put into about as many lists as the root of their number,
 * and a query is compared with the points of the nearest few lists, its probes. Everything that
 * decides which those are is computed in doubles in a fixed order, without fused multiply-add
 * (`plain` kernels); what is compared there goes through the same two passes. So this result is the
 * same on every machine, too.
 */
#ifndef CLIENT_KNN_H
#define CLIENT_KNN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <evendraw_features.h>
#include "proto/error.h"

/* ---- knn_kernel.c ---- */

/* Packed rows lie in panels of KNN_PANEL rows: their first values, then their second ones, and so
 * on. A block is KNN_BLOCK rows. Both are multiples of what any kernel takes at once. */
#define KNN_PANEL  48u
#define KNN_BLOCK  384u
#define KNN_HEIGHT 8u

/*
 * Rows times columns, both packed rows of d values. value(row, column) is the product of the two,
 * less both halves: -1/2 of the squared distance, so larger is nearer. hit is called for each value
 * of at least row_least[row], column_hit for each of at least column_least[column]; both lists may
 * change meanwhile. The columns of a row come in ascending order.
 */
#define KNN_TILE(type)                                                                             \
    {                                                                                              \
        const type *rows, *columns;                                                                \
        uint32_t row_count;    /* a multiple of KNN_HEIGHT */                                      \
        uint32_t column_count; /* a multiple of KNN_PANEL */                                       \
        uint32_t d;                                                                                \
        const type *row_half, *column_half; /* of the squared length; infinite: no such row */     \
        const type *row_least, *column_least;                                                      \
        void (*hit)(void *arg, uint32_t row, uint32_t column, type value);                         \
        void (*column_hit)(void *arg, uint32_t row, uint32_t column, type value);                  \
        void *arg;                                                                                 \
    }
struct knn_tile_f32 KNN_TILE(float);
struct knn_tile_f64 KNN_TILE(double);

struct knn_path {
    const char *name;
    void (*f32)(const struct knn_tile_f32 *tile);
    void (*f64)(const struct knn_tile_f64 *tile);
    /* Each product and each sum is rounded by itself: the same values by every path. */
    void (*plain)(const struct knn_tile_f64 *tile);
};
const struct knn_path *knn_path(void);           /* the fastest, or what a test chose */
unsigned knn_paths(const struct knn_path **out); /* all of this processor; the last is fastest */
void knn_use(const struct knn_path *path);       /* tests only, before any search */

/* ---- the search ---- */

/* Candidates of a row beyond k: the more, the fewer rows have to be searched for again. */
#define KNN_SPARE 8u
/* A group of fewer points is searched in double at once. */
#define KNN_SMALL 256u
#define KNN_NONE  UINT32_MAX

#define KNN_MAX_THREADS 1024

struct knn_pack {
    float *values; /* blocks of KNN_BLOCK rows */
    float *half;
    uint32_t blocks;
};

enum knn_stage { KNN_TILES, KNN_EXACT };

struct knn_place { /* how far a search has come */
    uint64_t group, stage, unit;
};

struct knn_search;
struct knn_batch;

/* The lists of a group, and what they are made with. */
struct knn_lists {
    uint32_t most;   /* that there is room for; 0: no group is approximate */
    uint32_t count;  /* of the group; 0: it is searched exactly */
    uint32_t probes; /* lists that each query is compared with */
    double *values;  /* centroids, packed as rows are */
    double *half;
    double *sums;      /* of the members, by list */
    uint32_t *members; /* by list */
    uint32_t *list_of; /* by point */
    uint32_t *starts;  /* list l: slots from starts[l] to starts[l + 1]; multiples of KNN_PANEL */
    uint32_t *slots;   /* points, list by list in ascending order; KNN_NONE: fills up a panel */
    float *query_half; /* by query, of its packed row */
    /* Rows whose lists are looked for. */
    const uint32_t *rows;
    uint32_t row_count, *nearest;
    /* The sample by which the recall is measured. */
    uint32_t *truth;     /* the neighbours of each of its queries: points */
    uint64_t *found_at;  /* neighbours in the list of this rank */
    uint64_t *points_at; /* points in it, summed over the sample */
    bool sampling;       /* the second pass writes `truth` */
};

/* Over the groups that were searched approximately. */
struct knn_tally {
    double queries;
    double missed; /* queries times what their sample lacks of full recall */
    double spread; /* sum of queries^2 / sample */
};

struct knn_worker {
    struct knn_search *search;
    pthread_t thread;
    bool callers;        /* runs on the thread that called evd_neighbours */
    uint64_t unfinished; /* the unit that was given up half way; UINT64_MAX: none */
    struct knn_batch *batch;
};

struct knn_search {
    const evd_neighbours_options *options;
    const void *features;
    uint32_t n, d, k, kept; /* kept: candidates of a row, k + KNN_SPARE */
    bool wide;              /* the features are doubles */
    double *factor;         /* cosine: what a row is multiplied by; NULL: 1 */
    uint32_t *index;        /* n * k, the caller's */
    float *distance;
    struct evd_error error;

    /* The groups. */
    uint32_t *order;  /* rows that take part, those of a group side by side */
    uint64_t *starts; /* group g: from starts[g] to starts[g + 1] */
    uint64_t groups;
    uint32_t *points_of; /* EVD_SCOPE_OF_CLASS: the points, and */
    uint32_t *self;      /* the point that is the same row as a query, or KNN_NONE. Else NULL */
    uint32_t points_of_count;

    /* The group that is searched. */
    const uint32_t *queries, *points;
    uint32_t query_count, point_count;
    bool small;     /* no first pass, no lists */
    double *centre; /* taken off before rows are packed */
    double scale;   /* a power of two, by which packed floats are multiplied */
    struct knn_pack packed, packed_queries;
    float *least;           /* by query: the smallest value in its list */
    float *near_value;      /* by query: kept candidates, the nearest first */
    uint32_t *near_index;   /* their points; KNN_NONE: not filled yet */
    pthread_mutex_t *locks; /* one for the lists of a block of queries */
    uint32_t lock_count;
    uint32_t *doubtful; /* queries that the second pass has to search for */
    double *bound;      /* an upper bound of their k-th squared distance */
    uint32_t doubtful_count;
    uint64_t doubtful_total; /* of the groups that are done */
    struct knn_lists lists;
    struct knn_tally tally, group_tally; /* of the groups that are done; of this one */

    /* The threads. */
    struct knn_worker *workers;
    uint32_t threads;
    const struct knn_path *path;
    uint64_t units, unit_cost;
    void (*unit)(struct knn_worker *worker, uint64_t unit);
    _Atomic uint64_t next;
    atomic_int stop; /* KNN_CANCELLED, KNN_PAUSED */
    bool aside;      /* units that are not worth saving */

    uint64_t done, total, told; /* progress, in pairs of rows */
    uint64_t ticked, saved;     /* when, in ns */
    uint64_t saved_done;        /* `done` as it was saved last */

    uint64_t terms; /* digest of what is searched for */
    uint64_t features_hash;
    struct knn_place place; /* where it is, or goes on after a file was read */
    int resumed;            /* the file that is gone on from, or -1 */
    char *locked;           /* the file that keeps others away from options->partial, or NULL */
    int lock;               /* it, open */
};

/* Of the row that query or point number i is. */
static inline bool knn_is_self(const struct knn_search *s, uint32_t query, uint32_t point)
{
    return (s->self ? s->self[query] : query) == point;
}

static inline uint32_t knn_group_size(const struct knn_search *s, uint64_t group)
{
    return (uint32_t)(s->starts[group + 1] - s->starts[group]);
}

static inline uint32_t knn_group_points(const struct knn_search *s, uint64_t group)
{
    return s->points_of ? s->points_of_count : knn_group_size(s, group);
}

static inline bool knn_group_small(const struct knn_search *s, uint64_t group)
{
    return knn_group_points(s, group) < KNN_SMALL;
}

static inline size_t knn_padded(uint32_t rows, uint32_t to)
{
    return ((size_t)rows + to - 1) / to * to;
}

/* ---- knn_memory.c ---- */

/* Says what the search needs, and takes it. */
int knn_reserve(struct knn_search *s, evd_neighbours_result *result) EVD_MUST_CHECK;
void knn_release(struct knn_search *s);
/* Memory of the search, aligned for vectors; NULL leaves an error in s->error. */
void *knn_alloc(struct knn_search *s, size_t count, size_t size);

/* ---- knn_rows.c ---- */

/* Looks at each row that takes part, and fills s->factor for cosine: EVD_E_BAD_VALUE names the row
 * and column that cannot be. EVD_CANCELLED where that is so. */
int knn_check(struct knn_search *s) EVD_MUST_CHECK;
/* The squared distance of two rows (numbers of the dataset, not of a group). */
double knn_distance(const struct knn_search *s, uint32_t a, uint32_t b);
/* Fills centre and scale for the group. False if it was cancelled, as with knn_pack. */
bool knn_centre(struct knn_search *s);
bool knn_pack(const struct knn_search *s, const uint32_t *rows, uint32_t count,
              struct knn_pack *pack);
/* One panel: rows[lane], the first `count` of them, at most KNN_PANEL. half of the others is
 * infinite. Doubles are without scale. */
void knn_pack_panel(const struct knn_search *s, const uint32_t *rows, uint32_t count,
                    double *values, double *half);
void knn_pack_floats(const struct knn_search *s, const uint32_t *rows, uint32_t count,
                     float *values, float *half);
/* Adds a centred row, without scale, to d sums. */
void knn_row_add(const struct knn_search *s, uint32_t row, double *sums);

/* ---- knn_tiles.c ---- */

/* Puts a point into a query's list, if it is near enough. */
void knn_take(struct knn_search *s, uint32_t query, uint32_t point, float value);
uint64_t knn_tile_units(const struct knn_search *s);
void knn_tile_unit(struct knn_worker *worker, uint64_t unit);
/* Empties the lists, or takes what knn_state_candidates has read into them. */
void knn_lists_begin(struct knn_search *s, bool read);

/* ---- knn_exact.c ---- */

/* The nearest of something: by squared distance, then by number. */
struct knn_best {
    double *squared;
    uint32_t *point;
    uint32_t count, limit;
};
bool knn_best_take(struct knn_best *best, uint32_t point, double squared);

/* Working memory of a thread: up to a block of queries at once, against one panel of points after
 * another. */
struct knn_batch {
    struct knn_search *search;
    double *rows, *panel; /* packed */
    double row_half[KNN_BLOCK], row_least[KNN_BLOCK], panel_half[KNN_PANEL];
    double bound[KNN_BLOCK]; /* of the k-th squared distance */
    struct knn_best best[KNN_BLOCK];
    uint32_t query[KNN_BLOCK];
    uint32_t count, first_point;
    uint32_t open; /* rows that may still find something */
    double *squared;
    uint32_t *point;
    struct knn_probing *probing; /* knn_probe.c; NULL: nothing is approximate */
};

/* Working memory for every thread. */
int knn_batches_new(struct knn_search *s) EVD_MUST_CHECK;
void knn_batches_free(struct knn_search *s);
size_t knn_batch_bytes(const struct knn_search *s);
/* Writes the neighbours of each query whose candidates are certain, and lists the others. False if
 * it was cancelled. */
bool knn_refine(struct knn_search *s);
uint64_t knn_exact_units(const struct knn_search *s);
void knn_exact_unit(struct knn_worker *worker, uint64_t unit);
/* Packs rows, at most a block. */
void knn_batch_pack(struct knn_batch *batch, const uint32_t *rows, uint32_t count);
/* The doubtful queries of a unit, packed, with nothing found yet. */
void knn_batch_begin(struct knn_batch *batch, uint64_t unit);
/* Looks at the distance of a pair; true if what a row's points must be near than has changed. */
bool knn_batch_take(struct knn_batch *batch, uint32_t row, uint32_t point);
/* The smallest value of a kernel behind which there may be a distance within the row's bound. */
double knn_batch_least(const struct knn_batch *batch, uint32_t row);
/* Writes what was found for the rows of the batch. */
void knn_batch_end(struct knn_batch *batch, uint64_t unit);
/* For tiles that look for one side only: a block of what no value reaches. */
extern const double knn_never[KNN_BLOCK];

/* ---- knn_lists.c ---- */

/* A group of fewer points is not searched approximately: measuring would take as long as the
 * search. Tests change it. */
extern uint32_t knn_approximate_from;

bool knn_group_approximate(const struct knn_search *s, uint64_t group);
uint32_t knn_lists_for(const struct knn_search *s, uint32_t points);
/* The i-th of a sample of numbers below `of`, in ascending order and from all over; no more than
 * there are. */
uint32_t knn_sampled(uint32_t i, uint32_t sample, uint32_t of);
/* Pairs of rows and centroids that are looked at to make the lists. */
uint64_t knn_lists_pairs(const struct knn_search *s);
int knn_lists_make(struct knn_search *s) EVD_MUST_CHECK;
/* Packs the points list by list. False if it was cancelled. */
bool knn_lists_pack(struct knn_search *s);

/* ---- knn_probe.c ---- */

size_t knn_probing_bytes(const struct knn_search *s);
int knn_probing_new(struct knn_batch *batch) EVD_MUST_CHECK;
void knn_probing_free(struct knn_batch *batch);
/* The nearest lists of each packed row of the batch, at most half of all. */
void knn_rank(struct knn_batch *batch, uint32_t lists);
const struct knn_best *knn_ranked(const struct knn_batch *batch, uint32_t row);
uint64_t knn_probe_units(const struct knn_search *s);
/* First and second pass. */
void knn_probe_unit(struct knn_worker *worker, uint64_t unit);
void knn_probe_exact_unit(struct knn_worker *worker, uint64_t unit);

/* ---- knn_recall.c ---- */

/* Queries by which the recall of a group is measured. */
#define KNN_SAMPLE (3 * KNN_BLOCK)

uint64_t knn_recall_pairs(const struct knn_search *s);
/* Sets lists.probes, and group_tally; or lists.count to 0, if the exact search is as fast. *points:
 * that a query is compared with, on average. */
int knn_recall_measure(struct knn_search *s, uint64_t *points) EVD_MUST_CHECK;
void knn_recall_report(const struct knn_search *s, evd_neighbours_result *result);

/* ---- knn_run.c ---- */

enum { KNN_GOES_ON, KNN_PAUSED, KNN_CANCELLED };

/* Units of s->place.stage from s->place.unit on, by all threads, until none is left (EVD_OK), it is
 * cancelled (EVD_CANCELLED) or the state cannot be saved (an error). */
int knn_run(struct knn_search *s, uint64_t units, uint64_t unit_cost,
            void (*unit)(struct knn_worker *worker, uint64_t unit)) EVD_MUST_CHECK;
/* The same for units that need not be saved, whatever place it is at: all, or it is cancelled. */
int knn_run_aside(struct knn_search *s, uint64_t units, uint64_t unit_cost,
                  void (*unit)(struct knn_worker *worker, uint64_t unit)) EVD_MUST_CHECK;
/* Saves the state if it is to be kept: EVD_CANCELLED, or why it cannot be saved. */
int knn_end_cancelled(struct knn_search *s) EVD_MUST_CHECK;
/* Between units, and within those that may be given up half way and done again: whether to end. */
bool knn_cancelled(struct knn_worker *worker);
uint64_t knn_now(void);
/* As many as were asked for; for 0 one for each processor. */
uint32_t knn_threads(uint32_t asked);

/* How often progress is told and the state saved, in ns; tests change them. */
extern uint64_t knn_tick_every, knn_save_every;

/* ---- knn_state.c ---- */

/* EVD_E_CONFLICT: the file is not what this library has written. */
int knn_state_damaged(struct knn_search *s);
/* Keeps other searches away from options->partial, and reads it if there is such a file: fills the
 * results so far and s->place, and leaves s->resumed open. */
int knn_state_open(struct knn_search *s) EVD_MUST_CHECK;
/* Lets others have it, however the search has ended. */
void knn_state_close(struct knn_search *s);
/* The lists of the group that the file was in. */
int knn_state_candidates(struct knn_search *s) EVD_MUST_CHECK;
int knn_state_save(struct knn_search *s) EVD_MUST_CHECK;
void knn_state_remove(struct knn_search *s);

/* ---- knn_short.c ---- */

/* Fills short_* of the result. */
void knn_report_short(const struct knn_search *s, evd_neighbours_result *result);

#endif
