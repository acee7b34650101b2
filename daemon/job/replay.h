/*
 * Replay: which steps there were, and what they held, from the history of revisions alone.
 *
 * A batch is a pure function of its position, so what was served is never stored or counted while
 * serving: it is drawn again when somebody asks. Everything here works on a copy of the history and
 * on references to plans, so it may run in any thread while the job goes on.
 *
 *     history -> replay_steps -> visit(step, revision, plan, shape), in order
 *             -> replay_count -> how often each class was drawn
 */
#ifndef JOB_REPLAY_H
#define JOB_REPLAY_H

#include <stdatomic.h>
#include "job/job.h"

struct replay_revision {
    uint32_t revision;
    struct job_position at;   /* its first step */
    struct epoch_shape shape; /* of at.epoch */
};

/* A placed plan (plan_place at `at` with `shape`) for revisions[i]: one that is still held, or one
 * built again. It must stay valid until the next call of the same replay, or its end. NULL: it
 * cannot be had, *err says why. Called once for each revision that the range touches, in order. */
typedef const struct plan *(*replay_plan)(void *arg, uint32_t i, struct evd_error *err);

struct replay_history {
    const struct replay_revision
        *revisions; /* as job_revision() gives them: in order, first at 0, 0 */
    uint32_t count;
    replay_plan plan;
    void *plan_arg;
    const atomic_bool *cancel; /* ends the replay, with EVD_E_SHUTTING_DOWN; NULL: never */
};

struct replay_step {
    struct job_position at;
    uint32_t revision;
    const struct plan *plan;
    struct epoch_shape shape; /* of at.epoch */
};

/* A value other than EVD_OK ends the replay, which returns it; the visitor fills *err then. */
typedef int (*replay_visit)(void *arg, const struct replay_step *step, struct evd_error *err);

/* Visits every step from `from` up to, not including, `to`. A position past an epoch's end means
 * the beginning of the next. The history must have a revision at or before `from`. Returns EVD_OK
 * or why it stopped. */
int replay_steps(const struct replay_history *history, struct job_position from,
                 struct job_position to, replay_visit visit, void *arg, struct evd_error *err);

struct replay_totals {
    uint64_t steps, samples;
};

/* Draws the global batches of the range, labels only, and adds how often each of the `classes` was
 * drawn to `served`, and the number of steps and samples to *totals. On an error both hold a part
 * of it. */
int replay_count(const struct replay_history *history, struct job_position from,
                 struct job_position to, uint32_t batch_size, uint32_t classes, uint64_t *served,
                 struct replay_totals *totals, struct evd_error *err);

#endif
