/*
 * The job core: which step goes to which worker, and what is known to be done.
 *
 * Pure: an event goes in, effects come out, time is passed in. No sockets, no SQL, no loop, no
 * clock; the tests drive it line by line and print the trace. One job is used by one thread.
 *
 *   open, credit, ack, close, ready -> | job_step | -> deliver, drained, epoch_end, revision
 *   update, flush, stored           -> |          | -> store_*, updated, acked, dirty
 *
 * A step is (epoch, step). Its batch is a pure function of it, so nothing drawn is kept: a step
 * that comes back is simply handed out again, and says so (`redelivered`).
 *
 *         handed out              acknowledged
 *   new ------------> held by one -----------> done
 *                      ^     |
 *         handed out   |     v   its worker is gone
 *                      returned     (goes out before anything new, the lowest first)
 *
 * Shared mode: each step goes to one worker, whichever has room and waits longest. An epoch ends,
 * for all at once, when all its steps are done.
 *
 * Ranked mode: each rank gets its slice of every step, in order; the life of a step is that of each
 * rank's slice. A rank that comes back continues at its lowest step not done. An epoch ends for a
 * rank when its last step is done; it may go on without the others (data-parallel ranks move in
 * lockstep anyway).
 *
 * After the end of an epoch a stream's window is 0 until JOB_CREDIT. A worker that has room when
 * the last step is in other hands hears `drained`, once: it need not wait for them.
 *
 * A change of strategy begins at one step for everybody, never at one that was handed out. Until
 * it is durable nothing from there on is handed out, nor anything under a recorded revision that it
 * cancels; steps before it go on. It cancels the recorded revisions that begin after the first step
 * not handed out. An epoch's length is fixed by the strategy in force at its first step.
 */
#ifndef JOB_JOB_H
#define JOB_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/error.h"
#include "proto/limits.h"
#include "sampler/plan.h"

/* From the lowest step not acknowledged on, at most this many steps are handed out (to all workers
 * of a shared job; to each rank of a ranked one), so that progress stays small. Powers of two. */
#define JOB_SPAN      65536u
#define JOB_RANK_SPAN 1024u

/* An update may name an epoch up to this; no job gets there. */
#define JOB_MAX_EPOCH UINT32_MAX

enum job_mode { JOB_SHARED, JOB_RANKED };

struct job_position {
    uint64_t epoch, step;
};

struct job_config {
    enum job_mode mode;
    uint32_t batch_size; /* G */
    uint32_t world_size; /* ranked: W, divides G; 0: the first rank to attach says it */
};

struct job;
struct job_stream; /* one attached worker, made by JOB_OPEN, gone after JOB_CLOSE */

/* Where an update begins. */
enum job_when {
    JOB_NOW,        /* the first step not handed out to any worker */
    JOB_NEXT_EPOCH, /* the first epoch of which no step is handed out yet */
    JOB_AT,         /* a position at or after JOB_NOW's */
};

enum job_event_kind {
    JOB_OPEN,   /* owner, rank, world, window -> stream, or refused */
    JOB_CREDIT, /* stream, window: how many unacknowledged batches it takes */
    JOB_ACK,    /* stream, generation, at, through, token; refused if the stream does not hold it,
                   so also the second time */
    JOB_CLOSE,  /* stream: closed by the worker or its connection is gone */
    JOB_READY,  /* stream: its send buffer has room again */
    JOB_UPDATE, /* plan (built, not placed; passes over on success), revision, when, at, token */
    JOB_REVISION_STORED, /* code: EVD_OK or why the revision could not be stored */
    JOB_PROGRESS_STORED, /* code */
    JOB_FLUSH,           /* a timer's: store unconfirmed progress now */
};

struct job_event {
    enum job_event_kind kind;
    uint64_t now;              /* monotonic milliseconds; kept for leases */
    struct job_stream *stream; /* OPEN writes it */
    void *owner;               /* comes back in every effect for this stream */
    uint32_t rank, world;      /* ranked; world 0: not said */
    uint32_t window;
    uint32_t generation;
    uint32_t revision; /* UPDATE: what the plan was built for, job_next_revision() at that time */
    struct job_position at;
    bool through;   /* ACK: also every step this stream got earlier and still holds */
    uint64_t token; /* ACK, UPDATE: comes back in `acked`, `updated`; ACK: 0: no answer wanted */
    enum job_when when;
    struct plan *plan;
    int code;
};

enum job_effect_kind {
    JOB_DELIVER,        /* owner, plan, slice, revision, redelivered: draw and send it */
    JOB_EPOCH_END,      /* owner, at.epoch, at.step = its number of steps; its window is 0 now */
    JOB_DRAINED,        /* owner, at as in JOB_EPOCH_END: every step of the epoch is handed out */
    JOB_REVISION,       /* owner, revision, at: a new strategy from there on */
    JOB_STORE_REVISION, /* revision, keep_revision, at, shape, plan; answer: JOB_REVISION_STORED */
    JOB_STORE_PROGRESS, /* take job_progress(); answer: JOB_PROGRESS_STORED */
    JOB_UPDATED,        /* token, code, revision, at; comes before the JOB_REVISIONs */
    JOB_ACKED,          /* token, code: the acknowledgement is durable, or is not */
    JOB_DIRTY, /* there is unconfirmed progress: send JOB_FLUSH within a tenth of a second */
};

struct job_effect {
    enum job_effect_kind kind;
    void *owner;
    uint64_t token;
    int code;
    uint32_t generation, revision, keep_revision;
    struct job_position at;
    struct epoch_shape shape;
    const struct plan *plan;
    struct plan_slice slice;
    bool redelivered;
};

/* Called during job_step; may ask (job_progress, job_state, ...) but not step or free. For
 * JOB_DELIVER the return value says whether the stream takes more: after false nothing is delivered
 * to it until JOB_READY. JOB_OPEN with a window delivers before job_step returns: whoever must
 * answer the worker first opens with window 0 and sends JOB_CREDIT. */
typedef bool (*job_sink)(void *arg, const struct job_effect *effect);

/* A job at the beginning: `plan` is its revision 0, built, not placed (the reference passes over on
 * success). Refused if an epoch would have no step at all. */
int job_new(struct job **out, const struct job_config *config, struct plan *plan, job_sink sink,
            void *sink_arg, struct evd_error *err);
void job_free(struct job *job);

/* Restoring from the store, before any event: the recorded revisions after the first, in order,
 * then progress. Plans are built, not placed; references pass over on success. Steps are handed out
 * in order, so those below an acknowledged one came back (`redelivered`); what was handed out above
 * the highest acknowledged one is not known any more and counts as new. After an error the job can
 * only be freed. */
int job_restore_revision(struct job *job, uint32_t revision, struct job_position at,
                         struct plan *plan, struct evd_error *err);
struct job_progress {
    uint32_t rank; /* shared: 0 */
    uint32_t generation;
    struct job_position low; /* the lowest step not acknowledged */
    const uint8_t *acked;    /* bit i: low.step + i is acknowledged; bits beyond are 0 */
    uint32_t acked_bytes;
};
int job_restore_progress(struct job *job, uint32_t world, const struct job_progress *progress,
                         struct evd_error *err);

/* Returns EVD_OK, or refuses the event: then nothing has changed and *err says why. */
int job_step(struct job *job, struct job_event *event, struct evd_error *err);

/* ---- asking ---- */

/* Progress as it is now: rows for one store write (one, or one per rank). Valid until the next call
 * on the job. */
uint32_t job_progress(struct job *job, const struct job_progress **rows);

struct job_state {
    struct job_config config; /* world_size as it is now */
    uint32_t generation;
    uint32_t revision;        /* of the next step to hand out */
    struct job_position next; /* the first step not yet handed out to any worker */
    struct job_position low;  /* the lowest step not acknowledged by all it goes to */
    struct epoch_shape shape; /* of next.epoch */
    uint32_t streams;         /* attached workers */
    uint32_t outstanding;     /* batches handed out and not acknowledged */
    bool updating;            /* an update is being stored */
};
void job_state(const struct job *job, struct job_state *out);
/* Where a rank (shared: 0) would go on: the first step not handed out to it. */
struct job_position job_next(const struct job *job, uint32_t rank);

struct job_revision_info {
    uint32_t revision;
    struct job_position at;
    struct epoch_shape shape; /* of at.epoch: what plan_place needs to place the plan again */
    struct plan *plan;        /* NULL once every worker is past it */
};
uint32_t job_revisions(const struct job *job); /* how many are recorded */
struct job_revision_info job_revision(const struct job *job, uint32_t i); /* i-th recorded */
/* The number the next update's plan is to be built for. */
uint32_t job_next_revision(const struct job *job);
/* The shape of any epoch up to next.epoch whose plan is still held; 0 steps otherwise. */
struct epoch_shape job_shape(const struct job *job, uint64_t epoch);

/* Aborts if an invariant is broken; the tests call it after every event. */
void job_check(const struct job *job);

#endif
