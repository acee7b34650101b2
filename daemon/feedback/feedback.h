/*
 * What workers reported of one job, epoch by epoch.
 *
 * The newest FEEDBACK_EPOCHS epochs are kept, or fewer: older ones go, the oldest first, while they
 * take more than FEEDBACK_BYTES together (so 12 epochs of 1,000 classes, 2 of 2,048). One thread.
 */
#ifndef FEEDBACK_FEEDBACK_H
#define FEEDBACK_FEEDBACK_H

#include "feedback/confusion.h"
#include "feedback/tally.h"

#define FEEDBACK_EPOCHS 64u
#define FEEDBACK_BYTES  ((size_t)96 << 20)

struct feedback_epoch {
    uint32_t generation;
    uint64_t epoch;
    bool ended;         /* the owner's: whether its end was acted upon */
    struct tally tally; /* which slices of which steps are in it */
    struct confusion confusion;
};

struct feedback {
    struct feedback_epoch *epochs[FEEDBACK_EPOCHS]; /* in order of generation, then epoch */
    uint32_t count;
    bool dropped; /* an epoch is gone; older ones are not begun again */
};

void feedback_free(struct feedback *feedback);           /* NULL is fine */
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
 * Pointers to epochs are valid until the next call. */
int feedback_report(struct feedback *feedback, uint32_t classes, struct feedback_at at,
                    const struct confusion_batch *batch, bool *counted, struct evd_error *err);

#endif
