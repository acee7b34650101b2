/*
 * Inside the job core. Both modes are one mechanism: a cursor walks the steps of the epochs, hands
 * each out once, and knows which are acknowledged and which came back. A shared job has one cursor
 * with any number of streams; a ranked job has a cursor for each rank, with at most one stream that
 * is not lost.
 *
 *     job.c       making a job; events in; asking
 *     effect.c    effects out
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
 *     replay.c    beside all that: which steps there were, from the history alone
 */
#ifndef JOB_INTERNAL_H
#define JOB_INTERNAL_H

#include <sys/queue.h>
#include "job/job.h"
#include "job/position.h"

/* ---- history.c ---- */

/* One revision of the strategy. */
struct history_item {
    uint32_t number;
    uint32_t users; /* cursors whose lowest unacknowledged step is drawn by it */
    struct job_position at;
    struct epoch_shape shape; /* of at.epoch */
    struct plan *plan;        /* our reference; NULL once released */
};

/* The revisions in the order of their numbers and positions. The strategy of a step is the last one
 * that begins at or before it. Plans are held from items[held] on; before it every cursor is past
 * them. While an update is being stored, only the first `certain` revisions stay whatever becomes
 * of it; otherwise all do. */
struct history {
    struct history_item *items;
    uint32_t count, capacity, held, certain;
};

int history_place(const struct history_item *item, struct evd_error *err) MUST_CHECK;
bool history_reserve(struct history *history) MUST_CHECK;               /* room for one more */
void history_append(struct history *history, struct history_item item); /* reserved before */
void history_cut(struct history *history, uint32_t count);              /* to the first `count` */
/* Which revision is in force at a position: its index. */
uint32_t history_in_force(const struct history *history, struct job_position at);
/* The same among the first `certain`. */
uint32_t history_certain(const struct history *history, struct job_position at);
/* The shape of an epoch; 0 steps if it has none or the plan that says it is released. */
struct epoch_shape history_shape(const struct history *history, uint64_t epoch);
void history_release(struct history *history); /* the plans that every cursor is past */
void history_disown(struct history *history);  /* leaves the references to the caller */
void history_fini(struct history *history);

/* ---- cursor.c ---- */

TAILQ_HEAD(stream_list, job_stream);

struct cursor {
    uint32_t rank;
    uint32_t span;  /* how many steps the bitmaps have room for, a power of two */
    uint32_t reach; /* steps from low on that may be out, at most span */
    uint64_t epoch;
    struct epoch_shape shape; /* of epoch; steps is 0 until its first step is handed out */
    uint64_t ended_steps;     /* how many the epoch before had; 0: not known */
    uint64_t low;             /* the lowest step not acknowledged */
    uint64_t next;            /* the first step never handed out */
    uint64_t known;           /* as next, without steps that after a crash may or may not have been
                                 handed out */
    uint32_t low_revision;    /* the revision in force at low: its index in the history */
    uint32_t next_revision;   /* in force at next, or one before that */
    uint32_t returned_count;  /* how many bits of `returned` are set */
    uint32_t leases;          /* held by its streams */
    uint32_t supply;          /* another number whenever there may be steps to hand out again */
    uint64_t returned_from;   /* no returned step is below it */
    uint64_t *acked;          /* acknowledged steps, as bits: a step's is at step mod span */
    uint64_t *returned;       /* likewise: handed out, not acknowledged, held by nobody */
    uint8_t *packed;          /* room for job_progress */
    struct stream_list streams;
    /* The streams that take a batch now: first those that are to be sent again what they hold, then
     * those that take a new step, the one that has waited longest first. */
    struct stream_list queue;
};

struct taken_step {
    uint64_t step;
    uint32_t revision; /* index in the history */
    bool returned;     /* it came back */
};

/* Takes the step to hand out next: the lowest that came back (unless those are in doubt), else the
 * next new one before `limit`. False: there is none. */
bool cursor_take(struct cursor *cursor, const struct history *history, struct job_position limit,
                 bool in_doubt, struct taken_step *taken) MUST_CHECK;
/* What may have been handed out before a crash, everything below `floor`, counts as come back. */
void cursor_doubt(struct cursor *cursor, const struct history *history, struct job_position floor);
/* Takes this very step for a worker that says it has it. False: it cannot have it, since it is
 * done, or another has it, or it is not below `floor`. Unknown steps before it count as come back.
 */
bool cursor_claim(struct cursor *cursor, const struct history *history, struct job_position at,
                  struct job_position floor) MUST_CHECK;
void cursor_ack(struct cursor *cursor, uint64_t step);
void cursor_return(struct cursor *cursor, uint64_t step);
bool cursor_acked(const struct cursor *cursor, uint64_t step);
bool cursor_returned(const struct cursor *cursor, uint64_t step);
/* Every step of the epoch is handed out, and none came back. */
bool cursor_drained(const struct cursor *cursor);
bool cursor_at_end(const struct cursor *cursor); /* all steps of its epoch are acknowledged */
void cursor_next_epoch(struct cursor *cursor);
/* Puts it there, with everything before done and nothing after it handed out. */
void cursor_move(struct cursor *cursor, const struct history *history, struct job_position at);
struct job_position cursor_low(const struct cursor *cursor);
struct job_position cursor_next(const struct cursor *cursor);
struct job_position cursor_known(const struct cursor *cursor);
/* The lowest step that came back; if none did, as cursor_next. */
struct job_position cursor_first(const struct cursor *cursor);
/* The revision in force at a step from low on. */
uint32_t cursor_revision(const struct cursor *cursor, const struct history *history, uint64_t step);
/* Call it after low moved or a revision was added: finds low_revision again, and releases the plans
 * that are not needed any more. */
void cursor_follow(struct cursor *cursor, struct history *history);
/* Writes the acknowledged steps from low on as bits into packed; returns the bytes used. */
uint32_t cursor_pack(struct cursor *cursor);

/* ---- lease.c, stream.c, deliver.c ---- */

struct lease {
    uint64_t step;
    uint64_t since; /* when it was handed out */
};

/* What a stream takes when it is its turn in the cursor's queue. It follows from the rest of the
 * stream (stream_turn):
 *
 *     TURN_NONE <--> TURN_RESEND    a worker came back, and there is room to send what it holds
 *     TURN_NONE <--> TURN_STEP      there is room in its window
 *     TURN_RESEND -> TURN_STEP      everything is sent again
 */
enum stream_turn {
    TURN_NONE,   /* it is not in the queue */
    TURN_RESEND, /* a step that it holds, once more */
    TURN_STEP,   /* another step */
};

struct job_stream {
    struct cursor *cursor;
    void *owner;
    uint32_t window;
    enum stream_turn turn;
    bool full;        /* its send buffer; until JOB_READY */
    bool stalled;     /* a lease ran out, and no sign of life since */
    bool lost;        /* its connection is gone; the stream ends at lost_until */
    bool exclusive;   /* it is alone in its cursor: asked for, or a rank's */
    uint32_t drained; /* the cursor's supply when the worker heard that nothing is left */
    uint64_t lost_until;
    uint64_t touched; /* the time to run of older leases counts from here */
    /* Its leases, in the order they were handed out: a ring. capacity is a power of two, at least
     * every window the stream ever had. The last `resend` are to be sent again to a worker that
     * came back. */
    struct lease *leases;
    uint32_t head, count, capacity, resend;
    uint64_t served_steps, acked_steps, acked_samples;
    TAILQ_ENTRY(job_stream) in_streams;
    TAILQ_ENTRY(job_stream) in_queue;
};

uint64_t lease_step(const struct job_stream *stream, uint32_t i); /* the oldest first */
/* Room for so many leases, so that handing out never allocates. */
bool lease_reserve(struct job_stream *stream, uint32_t window) MUST_CHECK;
void lease_add(struct job *job, struct job_stream *stream, uint64_t step);
/* All of them end: the steps come back, or are lost (at-most-once). */
void lease_drop_all(struct job *job, struct job_stream *stream);
/* Ends those whose time is over. */
void lease_expire(struct job *job, struct job_stream *stream);
/* When the oldest ends; UINT64_MAX: never. */
uint64_t lease_deadline(const struct job *job, const struct job_stream *stream);
int lease_ack(struct job *job, const struct job_event *event, struct evd_error *err) MUST_CHECK;
void lease_touch(struct job *job, struct job_stream *stream);
int lease_release(struct job *job, const struct job_event *event, struct job_update *update,
                  struct evd_error *err) MUST_CHECK;

int stream_open(struct job *job, const struct job_event *event, struct job_update *update,
                struct evd_error *err) MUST_CHECK;
int stream_credit(struct job *job, const struct job_event *event, struct evd_error *err) MUST_CHECK;
int stream_resume(struct job *job, const struct job_event *event, struct evd_error *err) MUST_CHECK;
void stream_ready(struct job *job, struct job_stream *stream);
void stream_close(struct job *job, struct job_stream *stream);
/* False if it has ended: there is no grace period for it. */
bool stream_lost(struct job *job, struct job_stream *stream) MUST_CHECK;
void stream_gone(struct job *job, struct job_stream *stream); /* a lost one ends */
void stream_free(struct job *job, struct job_stream *stream);
void stream_tick(struct job *job);
/* The streams of a job, one after another: the one after `stream`, the first after NULL; NULL at
 * the end. */
struct job_stream *stream_next(const struct job *job, const struct job_stream *stream);

/* Which turn a stream should have, as its state now is. */
enum stream_turn stream_turn(const struct job *job, const struct job_stream *stream);
/* Gives it that turn: puts it into its cursor's queue, or takes it out. */
void stream_queue(struct job *job, struct job_stream *stream);
/* Its worker has said something. */
void stream_awake(struct job *job, struct job_stream *stream);
/* The next batch of a cursor as an effect; false: nobody can be given one. */
bool deliver_next(struct job *job, struct cursor *cursor, struct job_effect *effect) MUST_CHECK;
/* After the last: who would take a step and finds none left hears so; the mark is kept ahead. */
void deliver_end(struct job *job, struct cursor *cursor);
/* If everything of its epoch is done: every worker of the cursor hears it and stops there. */
void stream_end_epoch(struct job *job, struct cursor *cursor);

/* ---- update.c, seek.c ---- */

/* Which change of the job is being stored. The transitions are in job.h. */
enum job_change { CHANGE_NONE, CHANGE_UPDATE, CHANGE_SEEK };

struct pending_update {
    uint64_t token;
    struct history_item revision;
};

struct pending_seek {
    uint64_t token;
    struct job_position at;
    struct job_position mark; /* stored with it, */
    bool attended;            /* and so is this */
    struct history history;   /* of the new generation */
};

/* The first step that must not be handed out now. */
struct job_position update_limit(const struct job *job);
int update_begin(struct job *job, const struct job_event *event, struct evd_error *err) MUST_CHECK;
int update_stored(struct job *job, int code, struct evd_error *err) MUST_CHECK;
int seek_begin(struct job *job, const struct job_event *event, struct evd_error *err) MUST_CHECK;
int seek_stored(struct job *job, int code, struct evd_error *err) MUST_CHECK;

/* ---- progress.c ---- */

/* Somebody who waits for a write, and what is answered when it is durable. */
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
    struct waiters written; /* for the write under way */
    bool writing;           /* a write is under way: JOB_PROGRESS_STORED is due */
    bool dirty;             /* something changed since the last write began */
    bool announced;         /* JOB_DIRTY was sent: JOB_FLUSH is due */
    bool failing;           /* the last write failed */
    struct job_progress *rows;
    struct job_position mark, marking; /* the mark: the durable one, that of the write under way */
    bool attended, attending;          /* likewise: whether there may be workers with leases */
    uint64_t stride;                   /* how many steps ahead the next mark is put */
    /* When the mark was last looked at, and the first step not handed out then. */
    struct job_position marked_at;
    uint64_t marked;
};

void progress_init(struct job *job);
bool progress_reserve(struct job *job) MUST_CHECK; /* room for one more waiter */
/* Something is to be stored; `token` (reserved before; 0: nobody waits) is answered with `code`
 * when it is. To be followed by progress_commit when all that follows from the event has been done.
 */
void progress_note(struct job *job, uint64_t token, int code);
void progress_commit(struct job *job); /* begins a write if somebody waits for one */
/* Whether all there is to be stored is. */
bool progress_durable(const struct job *job);
void progress_changed(struct job *job); /* something is to be stored before long */
void progress_flush(struct job *job);
void progress_drain(struct job *job);
int progress_stored(struct job *job, int code, struct evd_error *err) MUST_CHECK;
/* Writing goes on after a seek. `moved`: what waited for the generation left behind is void. */
void progress_resume(struct job *job, bool moved);
/* Somebody is there who holds something, and nobody was: to be stored at once. */
void progress_attendance(struct job *job);
/* Has the mark moved before this cursor gets there. */
void progress_keep_ahead(struct job *job, const struct cursor *cursor);
#define JOB_STRIDE_MOST (1u << 18)
/* A mark for a job that goes on from there: at most so many steps ahead. */
struct job_position progress_mark_after(const struct job *job, struct job_position at);
void progress_fini(struct progress *progress);

/* ---- world.c ---- */

/* Says how many ranks there are (shared: 1) and makes their cursors, at the job's start. */
int world_set(struct job *job, uint32_t size, struct evd_error *err) MUST_CHECK;
/* Another number of ranks, while none is attached: all go on at the lowest step not done. */
int world_change(struct job *job, uint32_t size, struct evd_error *err) MUST_CHECK;
int world_check(const struct job_config *config, uint32_t size, struct evd_error *err) MUST_CHECK;

/* ---- effect.c ---- */

/* Effects of the event at hand, in order, until job_next_effect has given them out. There is always
 * room for one effect of each stream and each waiter, and for EFFECTS_BESIDES more. */
struct effects {
    struct job_effect *items;
    uint32_t next, count, capacity;
};

#define EFFECTS_BESIDES 4u /* an answer, a write, dirty; and one to spare */

/* Room for what so many streams and waiters cause. */
bool effects_reserve(struct job *job, uint32_t streams, uint32_t waiters) MUST_CHECK;
void job_emit(struct job *job, struct job_effect effect);
/* Once the effects so far are given out, batches are: of this cursor, or of all. */
void job_pump(struct job *job, const struct cursor *cursor);
void job_pump_all(struct job *job);
bool job_idle(const struct job *job); /* nothing is left of the event before */

/* ---- job.c ---- */

/* After a restart of a shared job, workers that survived may hold steps below the mark.
 *
 *     DOUBT_NONE --restored--> DOUBT_WAITS --first event--> DOUBT_RUNS --tick--> DOUBT_NONE
 *     any --a seek is stored--> DOUBT_NONE
 */
enum job_doubt {
    DOUBT_NONE,  /* what came back is handed out */
    DOUBT_WAITS, /* it is not: they may still say what they hold */
    DOUBT_RUNS,  /* likewise, until doubt_until */
};

struct job {
    struct job_config config;
    uint32_t generation;
    uint32_t next_revision; /* the number the next revision gets */
    uint64_t now;
    uint64_t deadline; /* no lease and no grace period ends before */
    bool draining;     /* nothing is handed out any more */
    enum job_doubt doubt;
    uint64_t doubt_until;
    struct job_position start; /* of the generation */
    struct job_position floor; /* steps below it may have been handed out without our knowledge */
    struct job_position world_at; /* from where on there are as many ranks as now */
    struct history history;
    enum job_change change;
    struct pending_update update; /* CHANGE_UPDATE */
    struct pending_seek seek;     /* CHANGE_SEEK */
    struct progress progress;
    struct cursor *cursors; /* none until the world size is known */
    uint32_t cursor_count;
    void *cursor_memory; /* their bitmaps */
    uint32_t streams;    /* of all cursors, */
    uint32_t lost;       /* of which so many are lost */
    uint32_t outstanding;
    uint64_t redelivered, expired; /* as in job_state */
    struct effects effects;
    uint32_t pump_next, pump_end; /* cursors that are still to hand out in this update */
    bool commit_due;              /* after that, progress_commit */
};

void job_change_to(struct job *job, enum job_change change);
void job_doubt_to(struct job *job, enum job_doubt doubt);
/* Whether new steps may be handed out now. */
bool job_serves(const struct job *job);
/* Whether a restart must give workers time to say what they hold. */
bool job_may_doubt(const struct job *job);
/* The first step not handed out to any worker, as far as is known; and the first that certainly is
 * not. */
struct job_position job_reached(const struct job *job);
struct job_position job_frontier(const struct job *job);
void job_wake_at(struct job *job, uint64_t deadline);

#endif
