/*
 * libevendraw: what it computes from the features of a dataset's samples, without a daemon:
 * neighbours, and which samples to leave out. The daemon knows no features; it keeps what is
 * computed here as an attachment (evendraw.h) of the dataset. `evendraw neighbours`, `select` and
 * the Python package are made of it.
 *
 * Results, text and threads are as evendraw.h says; but nothing here has a client, so that the text
 * of an error is in the result of the call.
 */
#ifndef EVENDRAW_FEATURES_H
#define EVENDRAW_FEATURES_H

#include <evendraw.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Neighbours ---- */

/* In a table of neighbours: there is none. Its distance is infinite. */
#define EVD_NO_NEIGHBOUR UINT32_C(0xFFFFFFFF)

#define EVD_NEIGHBOURS_MAX_ROWS  UINT32_C(0x7FFFFFFF)
#define EVD_NEIGHBOURS_MAX_D     UINT32_C(65536) /* columns */
#define EVD_NEIGHBOURS_MAX_K     UINT32_C(256)
#define EVD_NEIGHBOURS_MAX_VALUE 1e35 /* of a feature, either sign: distances fit in a float */

#define EVD_FEATURES_F32 0
#define EVD_FEATURES_F64 1

#define EVD_METRIC_EUCLIDEAN 0 /* root of the sum of squared differences */
#define EVD_METRIC_COSINE    1 /* 1 - cosine of the angle between the rows */

#define EVD_SCOPE_ALL   0 /* among all samples that have a label */
#define EVD_SCOPE_CLASS 1 /* among those of the sample's own class */
#define EVD_SCOPE_OF_CLASS                                                                         \
    2 /* among those of the class `of_class`, for every sample with a label */

/* What evd_neighbours and evd_select return when they were cancelled. */
#define EVD_CANCELLED (-2)

/* Told of `done` of `total` pairs of samples. Both only grow; `total` does where part of the search
 * must be done once more in double. */
typedef void evd_progress(void *arg, uint64_t done, uint64_t total);

typedef struct evd_neighbours_options {
    const void *features;   /* n rows of d numbers, one row behind the other, aligned as numbers */
    const uint32_t *labels; /* n class numbers below 2^20; EVD_NO_LABEL: takes no part, whatever its
                             * features are. NULL: all of one class */
    uint64_t n;
    uint32_t d;
    uint32_t k;        /* neighbours of each sample */
    int type;          /* EVD_FEATURES_* */
    int metric;        /* EVD_METRIC_* */
    int scope;         /* EVD_SCOPE_* */
    uint32_t of_class; /* EVD_SCOPE_OF_CLASS */
    uint32_t threads;  /* 0: one for each processor; at most 1,024. No more than have work */
    /* Called with `arg` about ten times a second, by the thread that called evd_neighbours and by
     * no other. NULL: nobody wants to know. */
    evd_progress *progress;
    void *arg;
    /* Set to another value than 0 by any thread (with an atomic store), a signal handler or
     * `progress`: the search ends when the blocks under way are done (some milliseconds; up to a
     * second with 65,536 columns) and the state is saved. NULL: never. */
    const volatile int *cancel;
    /* A file in which the search keeps how far it has come, about once a minute and when it is
     * cancelled: the same search goes on from there. Removed in the end. Beside it are NAME.new and
     * NAME.lock meanwhile. NULL: none. */
    const char *partial;
    /* 0: exact. Else approximate, with at least this recall (the share of the neighbours of an
     * exact search that are found), up to 1; 0.95 is a good choice. */
    double recall;
} evd_neighbours_options;

#define EVD_NEIGHBOURS_OPTIONS_INIT                                                                \
    {                                                                                              \
        NULL, NULL, 0, 0, 5, EVD_FEATURES_F32, EVD_METRIC_EUCLIDEAN, EVD_SCOPE_ALL, 0, 0, NULL,    \
            NULL, NULL, NULL, 0                                                                    \
    }

typedef struct evd_neighbours_result {
    char message[384]; /* after an error: what is wrong and what to do. Else "" */
    uint64_t memory;   /* bytes that the search needs beside the caller's arrays */
    uint64_t features; /* XXH3-64 of the features' bytes */
    uint64_t samples;  /* that take part */
    uint64_t doubtful; /* of these, how many were searched once more in double */
    /* Classes with members, but fewer than k + 1, so that not every place is filled. That is no
     * error here; it is one for oversampling by neighbours. */
    uint32_t short_classes;
    uint32_t short_class;   /* the smallest of them, of several the lowest; EVD_NO_LABEL: none, or
                             * all samples together */
    uint32_t short_members; /* its members */
    uint32_t resumed;       /* 1: it went on from `partial` */
    uint64_t approximate; /* samples that were compared with a part of the others; 0: it is exact */
    /* Share of the exact neighbours that are here, as measured on some of the samples, and the ends
     * of its interval at 95 %. Of an exact search 1. */
    double recall, recall_low, recall_high;
} evd_neighbours_result;

/*
 * The k nearest neighbours of every sample, without a daemon. index and distance have room for
 * n * k values: row i is the neighbours of sample i, the nearest first; among equally near ones the
 * lower index comes first. A sample is no neighbour of its own. Rows of samples that take no part,
 * and places for which there are too few samples, hold EVD_NO_NEIGHBOUR and infinity.
 *
 * Exact, and the same on every machine and with any number of threads: what is compared are squared
 * distances in doubles, summed from the first column to the last, each operation rounded by itself.
 * (For the cosine those of rows multiplied by 1 / their length, itself summed so: 1 - cosine is
 * half of that.) What is faster only finds out which pairs cannot matter.
 *
 * Approximate, if `recall` is not 0: samples are put into about as many lists as the root of their
 * number, by k-means, and each is compared with those in the lists nearest to it, exactly: what is
 * here are the nearest of these, with their distances, in the same order, and no place is empty
 * that the exact search fills. How many lists that are is found out by searching for a sample of
 * 1,152 exactly: the fewest for which the whole interval of the recall is above `recall`. All
 * samples are searched for exactly where that is as fast: fewer than 20,000 in a group (a class
 * with EVD_SCOPE_CLASS), or features without clusters, of which most lists would have to be looked
 * at; the result says so. It, too, is the same on every machine and with any number of threads.
 *
 * Memory, beside the arrays of the caller, is about 4 n d + n (8 k + 88) bytes with EVD_SCOPE_ALL
 * (4 d for the largest class with EVD_SCOPE_CLASS, up to 8 n d with EVD_SCOPE_OF_CLASS), and
 * 3,500 d + 4,700 k + 25,000 for each thread; the cosine takes 8 n more. An approximate
 * search takes 12 n + 210 d sqrt(n) more, and 3,100 d + 2,700 sqrt(n) for each thread. 0.7 GB for
 * 10^6 x 128 with k = 5. Features may be a mapped file; they are read in order but for the
 * distances of candidates.
 *
 * Errors: EVD_E_USAGE (a pointer or an option that cannot be), EVD_E_LIMIT (n, d, k, threads, a
 * label), EVD_E_BAD_VALUE (a feature that is no number or too large, named by row and column, both
 * counted from 0; a row without direction for the cosine), EVD_E_NOT_FOUND (no sample has a label,
 * or none is of the class), EVD_E_NO_MEMORY, EVD_E_STORE (`partial` cannot be read or written),
 * EVD_E_CONFLICT (`partial` is of another search, or damaged: remove it to begin anew; or the
 * features were changed meanwhile), EVD_E_BUSY (a search that is under way keeps its state in
 * `partial`). The text is in result->message; `result` may be NULL. After EVD_CANCELLED and errors
 * the two arrays hold nothing of use.
 *
 * Threads: it uses nothing that is shared, so several may run at once (with one `partial` each).
 * Nothing of `options` is kept. Threads are its own and gone when it returns.
 */
EVD_API EVD_MUST_CHECK int evd_neighbours(const evd_neighbours_options *options, uint32_t *index,
                                          float *distance, evd_neighbours_result *result);
/*
 * Has every class k + 1 members, or none, as oversampling by neighbours needs it? (With
 * EVD_SCOPE_ALL: all samples together.) EVD_E_BAD_VALUE if not, with samples and short_* of *result
 * as evd_neighbours has them, to which that is no error. Looks at labels, n, k, scope and of_class.
 * Else EVD_E_USAGE, EVD_E_LIMIT or EVD_E_NO_MEMORY, as there.
 */
EVD_API EVD_MUST_CHECK int evd_neighbours_check(const evd_neighbours_options *options,
                                                evd_neighbours_result *result);
/* The `terms` with which a table that comes of these options is attached (evd_attachment_begin): as
 * JSON text, to be freed with evd_free(); NULL without memory. `result`: of the search, by which
 * they say of which features it is, whether it is exact, and else its recall; NULL, before it: what
 * evd_attachment_find has to look for, for which all features are read. */
EVD_API char *evd_neighbours_terms(const evd_neighbours_options *options,
                                   const evd_neighbours_result *result);
/* Of features, type, n and d alone what `features` of the result will be: who kept it with a table
 * sees that it is of the same features without searching. */
EVD_API uint64_t evd_features_digest(const evd_neighbours_options *options);

/* ---- Selections ---- */

/* Which samples of some classes to leave out. `smallest` below is the class with the fewest
 * samples, of several the lowest; A(i, k) are the k nearest neighbours of sample i among all that
 * have a label. Each says what it is compared with in imbalanced-learn 0.10, whose sets it gives.
 */

/* Tomek links: samples i, j of different classes with A(i, 1) = j and A(j, 1) = i. (Tomek 1976,
 * "Two modifications of CNN") TomekLinks. */
#define EVD_SELECT_TOMEK 0
/* Edited nearest neighbours: samples that A(i, k) vote against. (Wilson 1972) */
#define EVD_SELECT_ENN 1
/* ENN again on what it leaves, until it removes nothing, a class is gone, a class other than the
 * smallest has fewer samples than that had, or after max_iterations. What the last round removed is
 * removed. (Tomek 1976, "An experiment with the edited nearest-neighbor rule")
 * RepeatedEditedNearestNeighbours. */
#define EVD_SELECT_RENN 2
/* ENN with 1 neighbour, on what is left with 2, and so on to k, with the ends of RENN. (Tomek 1976,
 * the same) AllKNN. */
#define EVD_SELECT_ALLKNN 3
/* Neighbourhood cleaning rule: what ENN with EVD_VOTE_MODE removes, and of the neighbours of each
 * sample of the smallest class that they vote against, those of targets with more than `threshold`
 * of all samples. (Laurikkala 2001) NeighbourhoodCleaningRule: its kind_sel="all" takes a sample
 * for voted against if a neighbour's label is the number 0. Here it is so if a neighbour is of
 * another class than the smallest, as is meant; with two classes of which 0 is the larger one, this
 * is the same. (The paper, and imbalanced-learn since 0.11, compare a class with `threshold` of the
 * smallest one, not of all.) */
#define EVD_SELECT_NCR 4
/* NearMiss: as many samples of each target as the smallest class has, or as target_counts says.
 * (Mani and Zhang 2003) NearMiss, version=1: those with the smallest sum of distances to the k
 * nearest of the smallest class. */
#define EVD_SELECT_NEARMISS_1 5
/* version=2: to the k farthest of the smallest class. */
#define EVD_SELECT_NEARMISS_2 6
/* version=3: of the samples that are among the `candidates` nearest in their class of any sample of
 * the smallest one, those with the largest sum of distances to the k nearest of the smallest. */
#define EVD_SELECT_NEARMISS_3 7
/* Condensed nearest neighbours. Of each target some samples to begin with are kept, see `first`.
 * Then its samples in ascending order: one whose nearest neighbour among the smallest class and
 * what is kept of the target is of the smallest class is kept, too. (Hart 1968, one pass)
 * CondensedNearestNeighbour: that skips, besides, samples whose place in their class happens to be
 * the row of a sample that is kept; here none is skipped. */
#define EVD_SELECT_CNN 8
/* One-sided selection: of each target the samples to begin with, and those whose nearest neighbour
 * among the smallest class and these is of the smallest class; then without Tomek links. (Kubat and
 * Matwin 1997) OneSidedSelection. */
#define EVD_SELECT_OSS 9
/* Instance hardness: of each target the samples whose probability is at least the percentile by
 * which as many are kept as the smallest class has, or as target_counts says; more if there are
 * equal ones. (Smith, Martinez and Giraud-Carrier 2014) InstanceHardnessThreshold, which gets the
 * probabilities by 5-fold cross-validation of a random forest. */
#define EVD_SELECT_INSTANCE_HARDNESS 10

/* Which classes may lose samples, the targets: sampling_strategy of imbalanced-learn. RENN and
 * ALLKNN look again which they are before each round. */
#define EVD_TARGETS_NOT_MINORITY 0 /* all but the smallest: its "auto" */
#define EVD_TARGETS_NOT_MAJORITY 1 /* all but that with the most samples, of several the lowest */
#define EVD_TARGETS_MAJORITY     2 /* that alone */
#define EVD_TARGETS_ALL          3
#define EVD_TARGETS_LIST         4 /* those of target_list */

#define EVD_VOTE_ALL  0 /* one neighbour of another class is against a sample */
#define EVD_VOTE_MODE 1 /* if most neighbours are of another class; on a tie the lowest wins */

typedef struct evd_select_options {
    const void *features;   /* as for evd_neighbours; instance hardness needs none */
    const uint32_t *labels; /* n, below `classes`; EVD_NO_LABEL: takes no part, is not kept */
    uint64_t n;
    uint32_t d;
    uint32_t classes;
    int type;   /* EVD_FEATURES_* */
    int metric; /* EVD_METRIC_* */
    int method; /* EVD_SELECT_* */
    int targets;
    const uint32_t *target_list;   /* EVD_TARGETS_LIST: classes that have samples */
    const uint64_t *target_counts; /* nearmiss, instance hardness: how many samples each keeps */
    uint32_t target_count;         /* classes in target_list */
    uint32_t k;                    /* neighbours, of enn, renn, allknn, ncr and nearmiss */
    int vote;                      /* enn, renn, allknn, ncr: EVD_VOTE_* */
    uint32_t max_iterations;       /* renn */
    int allow_minority;  /* allknn: 1: goes on whatever becomes smaller than the smallest */
    uint32_t candidates; /* nearmiss-3 */
    double threshold;    /* ncr, between 0 and 1 */
    /* cnn and oss: the rows of targets that are kept to begin with, one at least of each. NULL:
     * `seeds` of each are drawn by `seed`. */
    const uint32_t *first;
    uint64_t first_count;
    uint64_t seed;
    uint32_t seeds;
    uint32_t threads; /* as for evd_neighbours */
    /* Instance hardness: for each sample how probable a model that was not trained on it finds its
     * own class, from 0 to 1. */
    const double *probabilities;
    const char *const *class_names; /* what messages call them. NULL: their numbers */
    /* As for evd_neighbours. `total` grows where another search turns out to be needed. */
    evd_progress *progress;
    void *arg;
    const volatile int *cancel;
} evd_select_options;

/* imbalanced-learn's defaults. */
#define EVD_SELECT_OPTIONS_INIT                                                                    \
    {                                                                                              \
        NULL, NULL, 0, 0, 0, EVD_FEATURES_F32, EVD_METRIC_EUCLIDEAN, EVD_SELECT_TOMEK,             \
            EVD_TARGETS_NOT_MINORITY, NULL, NULL, 0, 3, EVD_VOTE_ALL, 100, 0, 3, 0.5, NULL, 0, 0,  \
            1, 0, NULL, NULL, NULL, NULL, NULL                                                     \
    }

typedef struct evd_select_result {
    char message[384]; /* after an error: what is wrong and what to do. Else "" */
    /* What worked, but may not be what was meant: a class of which nothing is kept, fewer
     * candidates than wanted, no end within max_iterations. Else "" */
    char warning[384];
    uint64_t samples;    /* that have a label */
    uint64_t kept;       /* of these */
    uint32_t smallest;   /* the class that others are compared with; EVD_NO_LABEL: none */
    uint32_t iterations; /* rounds of enn, renn and allknn */
    uint32_t searches;   /* for tables of neighbours */
} evd_select_result;

/*
 * Selects samples, without a daemon: keep[i] becomes 1 if sample i is kept, else 0, and counts[c]
 * how many of class c are; keep has room for n values, counts for `classes`, or is NULL.
 *
 * Distances and neighbours are those of evd_neighbours, and so is the order of equally near ones:
 * the lower index comes first, and no sample is a neighbour of its own. So a selection is the same
 * on every machine and with any number of threads. imbalanced-learn leaves open which of equally
 * near ones come first, and with equal rows may take a sample for its own neighbour: where a set
 * has neither, its sets are the same as these, but for what is said above. Where two classes are
 * smallest, its NearMiss, CNN, OSS, NCR, RENN and AllKNN compare with the one that comes first in
 * the labels, though another one is the one that loses nothing; here it is one class, the lowest.
 *
 * RENN and ALLKNN look neighbours up in a table of k + 16 for each sample. As soon as a sample has
 * fewer than k of these left, all are searched for again, among what is left.
 *
 * Memory, beside the caller's arrays and what evd_neighbours needs for k neighbours (RENN and
 * ALLKNN: k + 16; TOMEK, CNN and OSS: 1): 8 n bytes for each of these neighbours, up to 48 n, 40
 * for each class, and 64 d for each thread. Time, beside its searches: NEARMISS_2 compares each
 * sample of a target with each of the smallest class, NEARMISS_3 the other way round, with all
 * threads; CNN and OSS, by one thread, each sample that is kept with those that were not told apart
 * before it.
 *
 * Errors: those of evd_neighbours, and EVD_E_BAD_VALUE: one class only, too few samples for k, too
 * few of the smallest class or of a target (it is named), more wanted than there are, CNN or OSS
 * with the smallest class for a target, `first` that is not as above, a probability that is none;
 * EVD_E_NOT_FOUND: a class of target_list has no samples; EVD_E_USAGE: counts that the method does
 * not take. EVD_CANCELLED when it was cancelled. After both, keep and counts hold nothing of use.
 */
EVD_API EVD_MUST_CHECK int evd_select(const evd_select_options *options, uint8_t *keep,
                                      uint64_t *counts, evd_select_result *result);

/* How constants are called where people name them: the i-th word of "method" ("tomek", "enn", ...),
 * "targets" ("not minority", ...), "vote" or "metric", which are EVD_SELECT_*, EVD_TARGETS_* but
 * for the list, EVD_VOTE_*, EVD_METRIC_*. NULL: there is no such. Static storage. */
EVD_API const char *evd_select_word(const char *member, int i);
/* Does the method look at this member of evd_select_options ("features", "k", "seeds", ...), of
 * those that say how? 1 or 0. */
EVD_API int evd_select_takes(int method, const char *member);
/* As evd_neighbours_terms, for a selection that comes of these options. */
EVD_API char *evd_select_terms(const evd_select_options *options);

#ifdef __cplusplus
}
#endif

#endif
