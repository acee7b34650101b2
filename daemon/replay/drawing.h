/*
 * Drawing single steps again, on a pool thread: the columns of a batch, as they were.
 */
#ifndef REPLAY_DRAWING_H
#define REPLAY_DRAWING_H

#include "job/replay.h"
#include "proto/batch.h"

/* Working memory for drawing. */
struct drawing {
    void *columns[COLUMN_COUNT]; /* those wanted, with room for a batch each */
    void *scratch;
    size_t scratch_size;
};

/* `columns`: a bit for each column wanted. False without memory; to be finished in any case. */
bool drawing_init(struct drawing *drawing, uint32_t columns, uint32_t batch_size) MUST_CHECK;
void drawing_fini(struct drawing *drawing); /* all zero is fine */
/* Draws a slice of a step; *n is its number of samples. EVD_OK or EVD_E_NO_MEMORY. */
int drawing_step(struct drawing *drawing, const struct replay_step *step, uint32_t slice,
                 uint32_t slices, uint32_t *n, struct evd_error *err) MUST_CHECK;

#endif
