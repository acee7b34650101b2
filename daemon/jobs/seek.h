/*
 * Seeks: a job moved to another position, under the history that it has there.
 *
 *     seek_new -> seek_start
 *       -> the history taken, plans built on a pool thread -> JOB_SEEK -> JOB_STORE_SEEK -> stored
 *       -> JOB_SEEK_STORED -> JOB_SOUGHT -> the step `ended` of whoever asked
 *
 * A job has one change at a time: entry->change.
 */
#ifndef JOBS_SEEK_H
#define JOBS_SEEK_H

#include "jobs/entry.h"
#include "replay/line.h"

struct seek {
    struct task task; /* first; of the job */
    task_step *ended; /* answers; task->err says how it went */
    bool force;       /* although workers hold steps */
    /* What came of it. */
    uint32_t generation; /* before: the job's when it was asked for */
    struct job_position at;
    /* private */
    struct change change;
    struct line line; /* of the parent */
    struct seek_record record;
    uint32_t newest;                 /* the newest revision's number */
    struct revision follow;          /* record.follow: its strategy, as the next revision */
    struct plan *plan;               /* of `follow`, unless it is in force there already */
    struct job_revision_info *infos; /* the line of the new generation */
    uint32_t count;
    struct store_op op;
    struct store_progress *rows;           /* op's */
    struct world_record world, left_world; /* op's */
};

/* To a position in a generation's history; `follow`: by the newest strategy from there on. NULL and
 * call->err. */
struct seek *seek_new(struct call *call, struct job_entry *entry, const struct position *to,
                      bool follow, bool force, task_step *ended) MUST_CHECK;
/* A handler's last act, as task_begin; the job must be neither updated nor moved. */
int seek_start(struct seek *seek, struct call *call) MUST_CHECK;

#endif
