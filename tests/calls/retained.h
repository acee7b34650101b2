/*
 * Which batches the job of test_fresh.c must be able to draw again, as the test itself saw them: of
 * a job that retains so many epochs, those from so many epochs on before the one that it had done.
 */
#ifndef TESTS_CALLS_RETAINED_H
#define TESTS_CALLS_RETAINED_H

#include "harness.h"

#define RETAINED_STEPS 48 /* the newest */

struct retained_step {
    uint32_t generation, rank, world; /* world 0: it is a shared job's */
    uint64_t epoch, step;
    json_t *index;
};

struct retained {
    uint32_t epochs; /* the job retains; 0: all */
    uint64_t since;  /* every epoch from here on can be drawn again */
    struct retained_step steps[RETAINED_STEPS];
    uint32_t count, compared, forgotten; /* steps that came; were drawn again; could not be */
};

/* A batch that came; world 0: of a shared job. */
void retained_note(struct retained *retained, const json_t *batch, uint32_t rank, uint32_t world);
/* Notes how far job j has come. */
void retained_follow(struct retained *retained, struct peer *peer);
/* Has job.batch draw one of the noted again: it is what it was, or it is before all that must be
 * there. */
void retained_compare(struct retained *retained, struct peer *peer, uint32_t which);
void retained_free(struct retained *retained);

#endif
