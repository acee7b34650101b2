/* Comparing positions. */
#ifndef JOB_POSITION_H
#define JOB_POSITION_H

#include "job/job.h"

static inline bool position_before(struct job_position a, struct job_position b)
{
    return a.epoch != b.epoch ? a.epoch < b.epoch : a.step < b.step;
}

static inline bool position_equal(struct job_position a, struct job_position b)
{
    return a.epoch == b.epoch && a.step == b.step;
}

#endif
