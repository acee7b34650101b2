/*
 * libevendraw: folds of a dataset's samples for cross-validation, made without a daemon. It keeps
 * them as an attachment (evendraw.h) of the dataset, and a strategy names one of them, or all but
 * one. `evendraw folds` and the Python package are made of it.
 *
 * Results, text and threads are as evendraw.h says; but nothing here has a client, so that the text
 * of an error is in the result of the call.
 */
#ifndef EVENDRAW_FOLDS_H
#define EVENDRAW_FOLDS_H

#include <evendraw.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In place of a fold: the sample has no label, and is in none. */
#define EVD_NO_FOLD UINT32_C(0xFFFF)

#define EVD_FOLDS_MAX        UINT32_C(1024)
#define EVD_FOLDS_MAX_ROWS   UINT32_C(0x7FFFFFFF)
#define EVD_FOLDS_MAX_LABELS UINT32_C(65536) /* EVD_FOLDS_MULTILABEL: different ones */

/*
 * Stratified: the samples are ordered by class, the class that is met first comes first, and the
 * folds take turns. So what two folds have of a class differs by one at most, and so do their
 * sizes: fold by fold these are the counts of scikit-learn's StratifiedKFold. Which samples of a
 * class go to which fold is drawn by `seed`, every division being equally likely.
 */
#define EVD_FOLDS_STRATIFIED 0
/*
 * Stratified, and the samples of a group are all in one fold: scikit-learn's StratifiedGroupKFold
 * without shuffling, and then once more through the groups. Those with the largest standard
 * deviation of their classes' counts come first, of equal ones the one that is met first. One after
 * the other goes to the fold where classes are then most even: of what the folds have of a class
 * (as a share of it) the standard deviation, and of that the mean over all classes; where two folds
 * come to the same, to 1e-5 of it or 1e-8, to the one with fewer samples. Thereafter each, in the
 * same order, moves where classes become more even by more than that. No chance is in it.
 * (scikit-learn's order of groups whose deviations are equal is as NumPy happens to round them.)
 */
#define EVD_FOLDS_GROUPED 1
/*
 * For samples with several labels each: iterative stratification, algorithm 1 of Sechidis,
 * Tsoumakas and Vlahavas (2011), "On the stratification of multi-label data". Again and again the
 * label that the fewest of the samples have that are still to be placed, but one at least; each of
 * these samples, in ascending order, goes to the fold that lacks most of that label, of several to
 * the one that lacks most samples. Ties are drawn by `seed`. In the end those without any of the
 * labels go, one by one, to the fold with the fewest samples.
 */
#define EVD_FOLDS_MULTILABEL 2
/*
 * Every fold gets as many hard samples of each class as any other: the samples are ordered by
 * class, and in it by how probable a model finds its own class, and the folds take turns. The first
 * class that has samples begins with the most probable, the next with the least, and so on by
 * turns. For two classes these are the folds of imbalanced-learn's InstanceHardnessCV (0.14, which
 * knows only two). Of equally probable ones the lower row comes first. No chance is in it.
 */
#define EVD_FOLDS_HARDNESS 3

typedef struct evd_folds_options {
    /* n, below `classes`; EVD_NO_LABEL: in no fold. Multi-label: which class does not matter, and
     * NULL means that all take part. */
    const uint32_t *labels;
    uint64_t n;
    uint32_t classes;       /* multi-label: how many labels there are */
    uint32_t folds;         /* from 2 on */
    int method;             /* EVD_FOLDS_* */
    uint64_t seed;          /* up to 2^63 - 1 */
    const uint64_t *groups; /* grouped: n numbers, the same for samples that belong together */
    /* Multi-label: sample i has the labels set_labels[set_starts[i]] to
     * set_labels[set_starts[i + 1] - 1], ascending, each once; set_starts are n + 1. (The indptr
     * and indices of a sparse matrix in SciPy.) */
    const uint64_t *set_starts;
    const uint32_t *set_labels;
    /* Hardness: for each sample how probable a model that was not trained on it finds its own
     * class, from 0 to 1. */
    const double *probabilities;
} evd_folds_options;

#define EVD_FOLDS_OPTIONS_INIT                                                                     \
    {                                                                                              \
        NULL, 0, 0, 5, EVD_FOLDS_STRATIFIED, 0, NULL, NULL, NULL, NULL                             \
    }

typedef struct evd_folds_result {
    char message[384]; /* after an error: what is wrong and what to do. Else "" */
    uint64_t samples;  /* that are in a fold */
    uint64_t groups;   /* grouped: how many there are */
    /* Classes (multi-label: labels) that have samples, but not in every fold: measures of them are
     * missing there. That is no error. */
    uint32_t absent;
    /* Of these the one with the fewest samples, of several the lowest; EVD_NO_LABEL: none. How many
     * folds have none of it, and how many samples it has. */
    uint32_t absent_class;
    uint32_t absent_folds;
    uint64_t absent_members;
} evd_folds_result;

/*
 * Puts every sample that takes part into a fold, without a daemon: fold[i] becomes its number from
 * 0 on, or EVD_NO_FOLD; fold has room for n values. counts[c * folds + f], unless `counts` is NULL,
 * becomes how many samples of class c (with the label c) are in fold f. No fold is empty. The same
 * on every machine.
 *
 * Memory, beside the caller's arrays: 12 bytes for each class and 4 n; and for GROUPED 16 n (twice
 * that while it sorts), 8 for each class in each fold, 28 for each group and 16 for each class in
 * it; for MULTILABEL 4 for each label of a sample and for each label in each fold; for HARDNESS 16
 * for each sample of the largest class. Time: about n folds steps for STRATIFIED, three square
 * roots for each class of a group in each fold for GROUPED, the samples' labels times `folds`, and
 * the square of the labels, for MULTILABEL.
 *
 * Errors: EVD_E_USAGE (a pointer or a method that cannot be), EVD_E_LIMIT (n, classes, folds,
 * seed, a label), EVD_E_NOT_FOUND (no sample takes part), EVD_E_BAD_VALUE (every class has fewer
 * samples than there are folds; fewer samples or groups than folds; labels of a sample that are not
 * ascending; a probability that is none), EVD_E_NO_MEMORY. The text is in result->message; `result`
 * may be NULL. Then fold and counts hold nothing of use.
 */
EVD_API EVD_MUST_CHECK int evd_folds(const evd_folds_options *options, uint16_t *fold,
                                     uint64_t *counts, evd_folds_result *result);
/* What is said of folds that evd_folds made of these options when they are attached, the `terms` of
 * attachment.create: by which method and seed, and which folds they are. By it evd_attachment_find
 * knows whether they are there. JSON text, to be freed with evd_free(); NULL: no memory. */
EVD_API char *evd_folds_terms(const evd_folds_options *options, const uint16_t *fold);

#ifdef __cplusplus
}
#endif

#endif
