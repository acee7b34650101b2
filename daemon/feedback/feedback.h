/*
 * What workers reported of one job, epoch by epoch.
 *
 * The newest FEEDBACK_EPOCHS epochs are kept, or fewer: older ones go, the oldest first, while they
 * take more than FEEDBACK_BYTES together (so 12 epochs of 1,000 classes, 2 of 2,048). Before an
 * epoch goes for that, the scores that are kept beside the bins go, those of the oldest epoch
 * first. One thread.
 */
#ifndef FEEDBACK_FEEDBACK_H
#define FEEDBACK_FEEDBACK_H

#include "feedback/confusion.h"
#include "feedback/scores.h"
#include "feedback/tally.h"

#define FEEDBACK_EPOCHS 64u
#define FEEDBACK_BYTES  (UINT64_C(96) << 20)

struct feedback_epoch {
    uint32_t generation;
    uint64_t epoch;
    bool ended;         /* the owner's: whether its end was acted upon */
    struct tally tally; /* which slices of which steps are in it */
    struct confusion confusion;
    struct scores *scores; /* all that were reported; NULL: none were, or they are lost */
    bool lost;             /* scores are, of which the bins know: there was no room for them */
};

/* The scores of one epoch, or of all, in order: what was made for one request may serve the next.
 */
struct feedback_order {
    uint32_t refs;
    bool all;
    uint32_t generation; /* of one epoch, as the next */
    uint64_t epoch;
    uint64_t reports; /* of all: how many had been counted */
    size_t count;
    uint64_t keys[]; /* ascending */
};

/* Where goes what nobody needs any more: to free some MiB takes milliseconds, which the loop's
 * thread has not. `take` has `what` freed by `dispose`, at once or later, on any thread. */
struct feedback_waste {
    void (*take)(void *arg, void *what, size_t bytes, void (*dispose)(void *what));
    void *arg;
};

struct feedback {
    struct feedback_waste waste;                    /* `take` NULL: all is freed at once */
    struct feedback_epoch *epochs[FEEDBACK_EPOCHS]; /* in order of generation, then epoch */
    uint32_t count;
    bool dropped;                 /* an epoch is gone; older ones are not begun again */
    uint64_t reports;             /* changes with what is kept */
    struct feedback_order *order; /* the newest that was made; NULL: none */
};

/* When nobody reads scores or an order of it, on any thread. NULL is fine. */
void feedback_free(struct feedback *feedback);
size_t feedback_memory(const struct feedback *feedback); /* bytes; NULL: 0 */
/* The newest with that number, whatever its generation; NULL: none. */
struct feedback_epoch *feedback_find(const struct feedback *feedback, uint64_t epoch);
struct feedback_epoch *feedback_newest(const struct feedback *feedback); /* NULL: none */

struct feedback_at {
    uint32_t generation;
    uint64_t epoch, step;
    uint32_t slice;
};
/* Counts the batch, once. *counted: whether it was, or had been before. All or nothing: beside the
 * errors of confusion_add and tally_reserve, EVD_E_LIMIT for an epoch older than those kept.
 * `room`: bytes more that its scores may take; where that does not do (feedback_score_bytes), or
 * there are more than SCORES_MOST, the epoch goes on with the bins alone, and is `lost`.
 * Pointers to epochs are valid until the next call. */
int feedback_report(struct feedback *feedback, uint32_t classes, struct feedback_at at, size_t room,
                    const struct confusion_batch *batch, bool *counted, struct evd_error *err);
/* Bytes more that so many scores of the epoch would take, to be kept as they are, with the bins if
 * they are the first. */
size_t feedback_score_bytes(const struct feedback *feedback, struct feedback_at at, size_t n);

/* The order of the scores of that epoch (NULL: of all) as they are now, if it was made; NULL. It is
 * the feedback's: the caller takes a reference to keep it. */
struct feedback_order *feedback_order_find(const struct feedback *feedback,
                                           const struct feedback_epoch *row);
/* Keeps it for those that come, where it has room; takes the reference. */
void feedback_order_keep(struct feedback *feedback, struct feedback_order *order);
/* Gives up what is kept. */
void feedback_order_drop(struct feedback *feedback);
/* With one reference, and room for so many keys; NULL without memory. */
struct feedback_order *feedback_order_new(size_t count);
size_t feedback_order_bytes(size_t count);
/* Give up a reference; NULL is fine. */
void feedback_order_unref(const struct feedback *feedback, struct feedback_order *order);
void feedback_scores_unref(const struct feedback *feedback, struct scores *scores);

#endif
