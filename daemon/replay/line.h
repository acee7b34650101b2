/*
 * A line: one generation's history of revisions, with all that is needed to draw its steps again on
 * a pool thread while the job goes on.
 */
#ifndef REPLAY_LINE_H
#define REPLAY_LINE_H

#include "job/replay.h"
#include "replay/plan.h"
#include "replay/records.h"

/* What a revision's plan is made of. */
struct line_plan {
    struct plan *plan; /* a reference, placed; NULL until it is built */
    uint64_t digest;
    /* A copy, only where the plan may have to be built and the job has it in memory. */
    void *strategy;
    size_t strategy_bytes;
    struct plan_held *held; /* what it names, if the plan may have to be built */
    uint32_t generation;    /* in which it was recorded */
    bool forgotten;
};

/* Samples that are drawn again at a stretch, in some tenths of a second; then others who wait for a
 * thread have their turn. */
#define LINE_STRETCH (UINT64_C(1) << 24)

struct line {
    struct plan_base base;
    struct replay_revision *revisions; /* the first at 0, 0 */
    struct line_plan *plans;
    uint32_t count;
    struct job_position since; /* every strategy from there on is recorded */
    bool sweeps;  /* a plan that is built takes the place of the one that was built before: */
    int64_t last; /* that one, or -1 */
};

/* Takes what is needed of a generation's line from `from` on: references to the plans that the job
 * still has, copies of the strategies of the others that are in memory. `base`: its dataset must
 * stay. Loop thread. EVD_E_NO_MEMORY leaves nothing. */
int line_take(struct line *line, const struct plan_base *base, const struct records *records,
              const struct job *job, uint32_t generation, struct job_position from,
              struct evd_error *err) MUST_CHECK;
void line_fini(struct line *line); /* all zero is fine */

/* About how many numbers there are to look at, some 4 ns each, to draw the steps from..to again,
 * the plans that are to be built included: for those who give out threads. */
uint64_t line_cost(const struct line *line, struct job_position from, struct job_position to);

/* The rest on any thread. */

/* The revision in force at a position. */
uint32_t line_in_force(const struct line *line, struct job_position at);
/* The strategy of revision i is in memory afterwards. */
int line_strategy(struct line *line, uint32_t i, struct evd_error *err) MUST_CHECK;
/* The placed plan of revision i, at or after `from`; NULL and *err. A replay_plan: arg is the line.
 * In a line that sweeps it is valid until another is asked for. */
const struct plan *line_plan(void *arg, uint32_t i, struct evd_error *err);
struct replay_history line_history(struct line *line);
/* The plan and shape of a step; BAD_VALUE if its epoch is not that long. */
int line_step(struct line *line, struct job_position at, struct replay_step *out,
              struct evd_error *err);

#endif
