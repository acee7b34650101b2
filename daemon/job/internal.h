/*
 * Inside the job core. Both modes are one mechanism: a cursor walks the steps of the epochs, hands
 * out each once, and knows which are acknowledged and which came back. A shared job has one cursor
 * with any number of streams; a ranked job has a cursor for each rank, with at most one stream.
 *
 *     job.c       events in, effects out, asking
 *     world.c     how many ranks there are
 *     stream.c    open, credit, close, lost, resume
 *     lease.c     what a stream holds: ack, touch, release, running out
 *     deliver.c   handing out; the end of an epoch
 *     cursor.c    the steps of one cursor
 *     update.c    a change of strategy
 *     seek.c      another position and history
 *     history.c   revisions and their plans
 *     progress.c  what is durable, who waits for it, the mark
 *     restore.c   from the store
 *     check.c     invariants
 */
#ifndef JOB_INTERNAL_H
#define JOB_INTERNAL_H

#include <sys/queue.h>
#include "job/job.h"
#include "job/position.h"

/* ---- history.c ---- */

struct revision {
    uint32_t number;
    uint32_t users; /* cursors whose lowest unacknowledged step is drawn by it */
    struct job_position at;
    struct epoch_shape shape; /* of at.epoch */
    struct plan *plan;        /* NULL once released; a reference of ours */
};

/* In the order of numbers and of positions. The strategy of a step is the last one that begins at
 * or before it. Plans are held from items[held] on. While an update is being stored, the first
 * `certain` stay whatever becomes of it; without one, all. */
struct history {
    struct revision *items;
    uint32_t count, capacity, held, certain;
};

int revision_place(const struct revision *revision, struct evd_error *err); /* its plan */
bool history_reserve(struct history *history);                              /* room for one more */
void history_append(struct history *history, struct revision revision);     /* reserved before */
void history_cut(struct history *history, uint32_t count); /* to the first `count` */
uint32_t history_in_force(const struct history *history, struct job_position at);
uint32_t history_certain(const struct history *history, struct job_position at); /* of those */
/* The shape of an epoch; 0 steps if it has none or the plan that says it is released. */
struct epoch_shape history_shape(const struct history *history, uint64_t epoch);
void history_release(struct history *history); /* plans before the first one used */
void history_disown(struct history *history);  /* leaves the references to the caller */
void history_fini(struct history *history);

/* ---- cursor.c ---- */

TAILQ_HEAD(stream_list, job_stream);

struct cursor {
    uint32_t rank;
    uint32_t span;  /* a power of two */
    uint32_t reach; /* steps from low on that may be out, at most span */
    uint64_t epoch;
    struct epoch_shape shape; /* of epoch; steps is 0 until its first step is handed out */
    uint64_t ended_steps;     /* of the epoch before; 0: not known */
    uint64_t low, next;       /* lowest step not acknowledged, first step never handed out */
    uint64_t known;           /* as next, without what was only in doubt after a crash */
    uint32_t low_revision;    /* in force at low: index in the history */
    uint32_t next_revision;   /* at or before the one in force at next */
    uint32_t returned_count;
    uint32_t leases;        /* held by its streams */
    uint32_t supply;        /* changes whenever there are steps again where there were none */
    uint64_t returned_from; /* no returned step is below it */
    uint64_t *acked;        /* span bits each, of step at step mod span */
    uint64_t *returned;     /* handed out, not acknowledged, held by nobody */
    uint8_t *packed;        /* room for job_progress */
    struct stream_list streams;
    struct stream_list hungry; /* those that take a step now, the one that waits longest first */
};

struct taken_step {
    uint64_t step;
    uint32_t revision; /* index in the history */
    bool returned;     /* it came back */
};

/* Takes the step to hand out next: the lowest that came back (unless those are in doubt), else the
 * next new one before `limit`. */
bool cursor_take(struct cursor *cursor, const struct history *history, struct job_position limit,
                 bool in_doubt, struct taken_step *taken);
/* Everything below floor came back. */
void cursor_doubt(struct cursor *cursor, const struct history *history, struct job_position floor);
/* Takes this very step for a worker that says it has it: if it came back, or is not known to be
 * handed out and is before `floor`; what it skips came back then. */
bool cursor_claim(struct cursor *cursor, const struct history *history, struct job_position at,
                  struct job_position floor);
void cursor_ack(struct cursor *cursor, uint64_t step);
void cursor_return(struct cursor *cursor, uint64_t step);
bool cursor_acked(const struct cursor *cursor, uint64_t step);
bool cursor_returned(const struct cursor *cursor, uint64_t step);
/* Every step of the epoch is handed out, and not all of them are done. */
bool cursor_drained(const struct cursor *cursor);
bool cursor_at_end(const struct cursor *cursor); /* all steps of its epoch are acknowledged */
void cursor_next_epoch(struct cursor *cursor);
/* Puts it there, with everything before done and nothing after it handed out. */
void cursor_move(struct cursor *cursor, const struct history *history, struct job_position at);
struct job_position cursor_low(const struct cursor *cursor);
struct job_position cursor_next(const struct cursor *cursor);
struct job_position cursor_known(const struct cursor *cursor);
/* The revision in force at a step from low on. */
uint32_t cursor_revision(const struct cursor *cursor, const struct history *history, uint64_t step);
/* After low moved or a revision was added: which revision low is in; releases those not needed. */
void cursor_settle(struct cursor *cursor, struct history *history);
/* Writes the acknowledged steps from low on as bits into packed; returns the bytes used. */
uint32_t cursor_pack(struct cursor *cursor);

/* ---- lease.c, stream.c, deliver.c ---- */

struct lease {
    uint64_t step;
    uint64_t since; /* when it was handed out */
};

struct job_stream {
    struct cursor *cursor;
    void *owner;
    uint32_t window;
    bool blocked;     /* its send buffer is full */
    bool hungry;      /* it is in cursor->hungry */
    bool stalled;     /* a lease ran out, and no sign of life since */
    bool lost;        /* its connection is gone; it ends at lost_until */
    uint32_t drained; /* the cursor's supply when it heard that nothing is left of the epoch */
    uint64_t lost_until;
    uint64_t touched; /* leases older than that run from then on */
    /* Its leases, in the order they were handed out: a ring. capacity is a power of two, at least
     * every window the stream ever had. The last `resend` are to be sent again to a worker that
     * came back. */
    struct lease *leases;
    uint32_t head, count, capacity, resend;
    uint64_t served_steps, acked_steps, acked_samples;
    TAILQ_ENTRY(job_stream) in_streams;
    TAILQ_ENTRY(job_stream) in_hungry;
};

uint64_t lease_step(const struct job_stream *stream, uint32_t i); /* the oldest first */
/* Room for so many leases, so that handing out never allocates. */
bool lease_reserve(struct job_stream *stream, uint32_t window);
void lease_add(struct job *job, struct job_stream *stream, uint64_t step);
/* All of them end: what they hold comes back, or is lost (at-most-once). */
void lease_drop_all(struct job *job, struct job_stream *stream);
/* Ends those whose time is over. */
void lease_expire(struct job *job, struct job_stream *stream);
/* When the oldest ends; UINT64_MAX: never. */
uint64_t lease_deadline(const struct job *job, const struct job_stream *stream);
int lease_ack(struct job *job, const struct job_event *event, struct evd_error *err);
int lease_touch(struct job *job, const struct job_event *event);
int lease_release(struct job *job, struct job_event *event, struct evd_error *err);

int stream_open(struct job *job, struct job_event *event, struct evd_error *err);
int stream_credit(struct job *job, const struct job_event *event, struct evd_error *err);
int stream_ready(struct job *job, const struct job_event *event);
int stream_close(struct job *job, struct job_event *event);
int stream_lost(struct job *job, struct job_event *event);
int stream_resume(struct job *job, const struct job_event *event, struct evd_error *err);
void stream_gone(struct job *job, struct job_stream *stream); /* a lost one ends */
void stream_free(struct job *job, struct job_stream *stream);
void stream_tick(struct job *job);

/* Puts the stream among those that take a step, or takes it out, as its state now says. */
void stream_settle(struct job_stream *stream);
/* After a sign of life (a new window is one too). */
void stream_awake(struct job *job, struct job_stream *stream);
void stream_pump(struct job *job, struct cursor *cursor); /* hands out what can be handed out */
void stream_pump_all(struct job *job);
void stream_resend(struct job *job, struct job_stream *stream);
/* If everything of its epoch is done: every worker of the cursor hears it and stops there. */
void stream_end_epoch(struct job *job, struct cursor *cursor);

/* ---- update.c, seek.c ---- */

struct update {
    bool active;
    uint64_t token;
    struct revision revision;
};

struct seek {
    bool active;
    uint64_t token;
    struct job_position at, mark;
    bool attended;
    struct history history;
};

struct job_position
update_limit(const struct job *job); /* the first step not to be handed out now */
int update_begin(struct job *job, const struct job_event *event, struct evd_error *err);
int update_stored(struct job *job, int code, struct evd_error *err);

int seek_begin(struct job *job, const struct job_event *event, struct evd_error *err);
int seek_stored(struct job *job, int code, struct evd_error *err);

/* ---- progress.c ---- */

/* Who waits for a write, and what is answered when it is durable. */
struct waiter {
    uint64_t token;
    int code;
};

struct waiters {
    struct waiter *items;
    uint32_t count, capacity;
};

struct progress {
    struct waiters waiting; /* for the next write */
    struct waiters written; /* in the write under way */
    bool writing;           /* a JOB_STORE_PROGRESS is not answered yet */
    bool dirty;             /* something changed since the last JOB_STORE_PROGRESS */
    bool announced;         /* JOB_DIRTY was sent, JOB_FLUSH is to come */
    bool failing;           /* the last write failed */
    struct job_progress *rows;
    /* The mark: durable, and in the write under way; how far ahead the next one is put. */
    struct job_position mark, marking;
    /* Likewise: there may be workers with leases (shared, at-least-once, with grace). */
    bool attended, attending;
    uint64_t stride;
    struct job_position marked_at; /* the first step not handed out when it was put, */
    uint64_t marked;               /* and the time */
};

void progress_init(struct job *job);
bool progress_reserve(struct progress *progress); /* room for one more waiter */
/* Something is to be stored; `token` (reserved before; 0: nobody's) is answered with `code` when it
 * is. Then, when everything that follows from it has been done, settle. */
void progress_note(struct job *job, uint64_t token, int code);
/* Whether all there is to be stored is. */
bool progress_durable(const struct job *job);
void progress_settle(struct job *job);
void progress_changed(struct job *job); /* to be stored before long */
void progress_flush(struct job *job);
void progress_drain(struct job *job);
int progress_stored(struct job *job, int code, struct evd_error *err);
/* Writing goes on after a seek; what waited for the generation left behind is void. */
void progress_resume(struct job *job, bool moved);
/* Somebody is there who holds something, and nobody was: to be stored at once. */
void progress_attendance(struct job *job);
/* Has the mark moved before this cursor gets there. */
void progress_keep_ahead(struct job *job, const struct cursor *cursor);
/* A mark for a job that goes on from there. */
struct job_position progress_mark_after(const struct job *job, struct job_position at);
void progress_fini(struct progress *progress);

/* ---- world.c ---- */

/* Says how many ranks there are (shared: 1) and makes their cursors, at the job's start. */
int job_set_world(struct job *job, uint32_t world, struct evd_error *err);
/* Another number of ranks, while none is attached: all go on at the lowest step not done. */
int job_change_world(struct job *job, uint32_t world, struct evd_error *err);
int job_check_world(const struct job_config *config, uint32_t world, struct evd_error *err);

/* ---- job.c ---- */

struct job {
    struct job_config config;
    uint32_t generation;
    uint32_t next_revision;
    uint64_t now;
    uint64_t deadline; /* no lease and no grace ends before */
    bool draining;
    bool in_doubt;        /* shared, restored: until doubt_until, workers may say what they hold */
    uint64_t doubt_until; /* 0: not yet begun */
    struct job_position start; /* of the generation */
    struct job_position
        floor; /* below it, steps may have been handed out that we know nothing of */
    struct job_position world_at;
    struct history history;
    struct update update;
    struct seek seek;
    struct progress progress;
    struct cursor *cursors; /* none until the world size is known */
    uint32_t cursor_count;
    void *cursor_memory;
    uint32_t streams, lost; /* of which so many are lost */
    uint32_t outstanding;
    uint64_t redelivered, expired;
    job_sink sink;
    void *sink_arg;
};

bool job_emit(struct job *job, struct job_effect *effect);
/* Whether anything may be handed out now. */
bool job_serves(const struct job *job);
/* Whether a restart must give workers time to say what they hold. */
bool job_may_doubt(const struct job *job);
/* The first step not handed out to any worker, as far as is known; and the first that certainly is
 * not. */
struct job_position job_reached(const struct job *job);
struct job_position job_frontier(const struct job *job);
void job_wake_at(struct job *job, uint64_t deadline);

#endif
