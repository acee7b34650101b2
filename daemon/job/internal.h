/*
 * Inside the job core. Both modes are one mechanism: a cursor walks the steps of the epochs, hands
 * out each once, and knows which are acknowledged and which came back. A shared job has one cursor
 * with any number of streams; a ranked job has a cursor for each rank, with at most one stream.
 *
 *     job.c       events in, effects out, asking
 *     stream.c    open, credit, ack, close; handing out
 *     cursor.c    the steps of one cursor
 *     update.c    a change of strategy
 *     history.c   revisions and their plans
 *     progress.c  what is durable, and who waits for it
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
/* The shape of an epoch; 0 steps if it has none or the plan that says it is released. */
struct epoch_shape history_shape(const struct history *history, uint64_t epoch);
void history_release(struct history *history); /* plans before the first one used */
void history_disown(struct history *history);  /* leaves the references to the caller */
void history_fini(struct history *history);

/* ---- cursor.c ---- */

TAILQ_HEAD(stream_list, job_stream);

struct cursor {
    uint32_t rank, world; /* shared: 0 of 1 */
    uint32_t span;
    uint64_t epoch;
    struct epoch_shape shape; /* of epoch; steps is 0 until its first step is handed out */
    uint64_t low, next;       /* lowest step not acknowledged, first step never handed out */
    uint32_t low_revision;    /* in force at low: index in the history */
    uint32_t next_revision;   /* at or before the one in force at next */
    uint32_t returned_count;
    uint64_t returned_from; /* no returned step is below it */
    uint64_t *acked;        /* span bits each, of step at step % span */
    uint64_t *returned;     /* handed out, not acknowledged, held by nobody */
    uint8_t *packed;        /* room for job_progress */
    struct stream_list streams;
    struct stream_list hungry; /* those that take a step now, the one that waits longest first */
};

struct taken_step {
    uint64_t step;
    uint32_t revision; /* index in the history */
    bool redelivered;
};

/* Takes the step to hand out next: the lowest that came back, else the next new one before `limit`.
 */
bool cursor_take(struct cursor *cursor, const struct history *history, struct job_position limit,
                 struct taken_step *taken);
void cursor_ack(struct cursor *cursor, uint64_t step);
void cursor_return(struct cursor *cursor, uint64_t step);
bool cursor_acked(const struct cursor *cursor, uint64_t step);
bool cursor_returned(const struct cursor *cursor, uint64_t step);
/* Every step of the epoch is handed out, and not all of them are done. */
bool cursor_drained(const struct cursor *cursor);
bool cursor_at_end(const struct cursor *cursor); /* all steps of its epoch are acknowledged */
void cursor_next_epoch(struct cursor *cursor);
struct job_position cursor_low(const struct cursor *cursor);
struct job_position cursor_next(const struct cursor *cursor);
/* After low moved or a revision was added: which revision low is in; releases those not needed. */
void cursor_settle(struct cursor *cursor, struct history *history);
/* Writes the acknowledged steps from low on as bits into packed; returns the bytes used. */
uint32_t cursor_pack(struct cursor *cursor);

/* ---- stream.c ---- */

struct job_stream {
    struct cursor *cursor;
    void *owner;
    uint32_t window;
    bool blocked; /* its send buffer is full */
    bool hungry;  /* it is in cursor->hungry */
    bool drained; /* it heard that nothing is left of this epoch */
    /* The steps it holds, in the order they were handed out: a ring. capacity is a power of two, at
     * least every window the stream ever had. */
    uint64_t *held;
    uint32_t head, count, capacity;
    TAILQ_ENTRY(job_stream) in_streams;
    TAILQ_ENTRY(job_stream) in_hungry;
};

uint64_t stream_held(const struct job_stream *stream, uint32_t i);
int stream_open(struct job *job, struct job_event *event, struct evd_error *err);
int stream_credit(struct job *job, const struct job_event *event, struct evd_error *err);
int stream_ready(struct job *job, const struct job_event *event);
int stream_ack(struct job *job, const struct job_event *event, struct evd_error *err);
int stream_close(struct job *job, struct job_event *event);
void stream_pump(struct job *job, struct cursor *cursor); /* hands out what can be handed out */
void stream_free(struct job *job, struct job_stream *stream);

/* ---- update.c ---- */

struct update {
    bool active;
    uint64_t token;
    struct revision revision;
};

struct job_position
update_limit(const struct job *job); /* the first step not to be handed out now */
int update_begin(struct job *job, const struct job_event *event, struct evd_error *err);
int update_stored(struct job *job, int code, struct evd_error *err);

/* ---- progress.c ---- */

struct tokens {
    uint64_t *items;
    uint32_t count, capacity;
};

struct progress {
    struct tokens waiting; /* for the next write */
    struct tokens written; /* in the write under way */
    bool writing;          /* a JOB_STORE_PROGRESS is not answered yet */
    bool dirty;            /* something changed since the last JOB_STORE_PROGRESS */
    bool announced;        /* JOB_DIRTY was sent, JOB_FLUSH is to come */
    struct job_progress *rows;
};

bool progress_reserve(struct progress *progress); /* room for one more token */
void progress_acked(struct job *job, uint64_t token);
void progress_flush(struct job *job);
int progress_stored(struct job *job, int code, struct evd_error *err);
void progress_fini(struct progress *progress);

/* ---- job.c ---- */

struct job {
    struct job_config config;
    uint32_t generation;
    struct history history;
    struct update update;
    struct progress progress;
    struct cursor *cursors; /* none until the world size is known */
    uint32_t cursor_count;
    void *cursor_memory;
    uint32_t streams, outstanding;
    job_sink sink;
    void *sink_arg;
};

/* Says how many ranks there are (shared: 1) and makes their cursors, at the very beginning. */
int job_set_world(struct job *job, uint32_t world, struct evd_error *err);
bool job_emit(struct job *job, struct job_effect *effect);
/* The first step not handed out to any worker. */
struct job_position job_frontier(const struct job *job);

#endif
