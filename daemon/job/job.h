/*
 * The job core: which step goes to which worker, and what is known to be done.
 *
 * Pure: an event goes in, effects come out, time is passed in. No sockets, no SQL, no loop, no
 * clock; the tests drive it line by line and print the trace. One job is used by one thread.
 *
 *   open, credit, ack, close, ready ...  -> | job_step | -> deliver, drained, epoch_end, moved ...
 *   update, seek, stored, flush, tick ... -> |          | -> store_*, updated, sought, acked ...
 *
 * A step is (epoch, step). Its batch is a pure function of it, so nothing drawn is kept: a step
 * that comes back is simply handed out again, and says so (`redelivered`).
 *
 *         handed out                        acknowledged
 *   new ------------> leased to one stream --------------> done
 *                       ^     |
 *          handed out   |     v   released, its time ran out, its worker is gone
 *                       returned     (goes out before anything new, the lowest first)
 *
 * A lease ends by acknowledgement or release, when the job's time to run is over (a touch begins it
 * anew for every lease of the stream), or with its stream: at once when that is closed, after the
 * grace period when its connection was lost. Until then a lost stream can be resumed, and is given
 * every step it holds once more. A stream whose lease ran out gets nothing until its worker gives a
 * sign of life.
 *
 * That is at-least-once. At-most-once, a step is done when it is handed out; what happens to its
 * lease only bounds the window, and nothing is ever handed out twice.
 *
 * The mark: a position, stored with the progress, that no hand-out reaches; a new one is stored in
 * good time. After a crash everything below the last stored one may have been handed out: it is
 * redelivered (at-least-once) or passed over (at-most-once), and no update begins below it. In a
 * shared job it is redelivered only after the grace period, counted from the first event:
 * workers that are still there open anew and say what they hold (`holding`). Whether there can be
 * any is stored as well (`attended`), so that nothing waits for nobody: at once when there is
 * somebody, with other progress when there is nobody any more.
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
 * the last step is in other hands hears `drained`, once: it need not wait for them. While one of
 * those is lost nobody hears it, since its steps may come back.
 *
 * A change of strategy begins at one step for everybody, never at one that was handed out. Until
 * it is durable nothing from there on is handed out, nor anything under a recorded revision that it
 * cancels; steps before it go on. It cancels the recorded revisions that begin after the first step
 * not handed out. An epoch's length is fixed by the strategy in force at its first step.
 *
 * A seek moves the job to any position under another history: a new generation. While it is being
 * stored nothing is handed out; then everything that is out is void.
 *
 * Another world size may be given while no rank is attached: everybody continues at the lowest step
 * that any rank has not done (at-most-once: at the first that no rank was handed).
 *
 * When progress cannot be stored, nothing is handed out until it can.
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

enum job_guarantee { JOB_AT_LEAST_ONCE, JOB_AT_MOST_ONCE };

struct job_position {
    uint64_t epoch, step;
};

struct job_config {
    enum job_mode mode;
    enum job_guarantee guarantee;
    uint32_t batch_size;  /* G */
    uint32_t world_size;  /* ranked: W; 0: the first rank to attach says it */
    uint32_t replicas;    /* ranked: so many consecutive ranks share a slice; 0 is 1. It divides W,
                             and W / replicas divides G */
    uint32_t time_to_run; /* of a lease, in ms; 0: no limit */
    uint32_t grace;       /* of a lost connection, in ms */
    uint32_t reach;       /* from the lowest step not acknowledged on, at most so many are handed
                             out; 0: JOB_SPAN or JOB_RANK_SPAN, which is the most in any case */
};

struct job;
struct job_stream; /* one attached worker, made by JOB_OPEN, gone after JOB_CLOSE or JOB_GONE */

/* Where an update begins. */
enum job_when {
    JOB_NOW,        /* the first step not handed out to any worker */
    JOB_NEXT_EPOCH, /* the first epoch of which no step is handed out yet */
    JOB_AT,         /* a position at or after JOB_NOW's */
};

enum job_event_kind {
    JOB_OPEN,    /* owner, rank, world, window, holding -> stream, held; or refused */
    JOB_CREDIT,  /* stream, window: how many unacknowledged batches it takes */
    JOB_ACK,     /* stream, generation, at, through, token; refused if the stream does not hold it,
                    so also the second time: with a token not before the first is durable */
    JOB_TOUCH,   /* stream: the time to run of all its leases begins anew */
    JOB_RELEASE, /* stream, generation, at, through -> held: how many it gave back; refused as ACK
                  */
    JOB_CLOSE,   /* stream: closed by the worker */
    JOB_LOST,    /* stream: its connection is gone -> stream, or NULL if there is no grace */
    JOB_RESUME,  /* stream (lost), owner, window: its worker is back */
    JOB_READY,   /* stream: its send buffer has room again */
    JOB_UPDATE,  /* plan (built, not placed; passes over on success), revision, when, at, token */
    JOB_REVISION_STORED, /* code: EVD_OK or why the revision could not be stored */
    JOB_SEEK,            /* at, line, line_count (plans pass over on success), force, token;
                            generation, revision: the job's and job_next_revision() when the line
                            was made */
    JOB_SEEK_STORED,     /* code */
    JOB_PROGRESS_STORED, /* code */
    JOB_FLUSH,           /* a timer's: store unconfirmed progress now */
    JOB_TICK,            /* the time job_deadline() named has come */
    JOB_DRAIN,           /* the daemon stops: nothing is handed out any more */
};

struct job_revision_info {
    uint32_t revision;
    struct job_position at;
    struct epoch_shape shape; /* of at.epoch: what plan_place needs to place the plan again */
    struct plan *plan;        /* NULL once every worker is past it */
};

struct job_event {
    enum job_event_kind kind;
    uint64_t now;              /* monotonic milliseconds */
    struct job_stream *stream; /* OPEN writes it */
    void *owner;               /* comes back in every effect for this stream */
    uint32_t rank, world;      /* ranked; world 0: not said */
    uint32_t window;
    uint32_t generation;
    uint32_t revision; /* UPDATE: what the plan was built for, job_next_revision() at that time */
    struct job_position at;
    bool through;   /* ACK, RELEASE: also every step this stream got earlier and still holds */
    bool force;     /* SEEK: although workers hold steps */
    uint64_t token; /* ACK, UPDATE, SEEK: comes back in `acked`, `updated`, `sought`; ACK: 0: no
                       answer wanted */
    enum job_when when;
    struct plan *plan;
    /* OPEN: steps the worker still has from before the daemon or it was restarted. Those that may
     * be its own are leased to it, and moved to the front of the array. */
    struct job_position *holding;
    uint32_t held; /* OPEN: how many there are, and how many were leased; RELEASE */
    /* SEEK: the revisions of the new generation, in order, the first at 0, 0. Those from the one in
     * force at `at` on have plans, placed; the others none. */
    const struct job_revision_info *line;
    uint32_t line_count;
    int code;
};

enum job_effect_kind {
    JOB_DELIVER,        /* owner, plan, slice, revision, redelivered: draw and send it */
    JOB_EPOCH_END,      /* owner, at.epoch, at.step = its number of steps; its window is 0 now */
    JOB_DRAINED,        /* owner, at as in JOB_EPOCH_END: every step of the epoch is handed out */
    JOB_REVISION,       /* owner, revision, at: a new strategy from there on */
    JOB_MOVED,          /* owner, generation, at: what it holds is void, it goes on there */
    JOB_GONE,           /* owner: the lost stream has ended, nobody can resume it */
    JOB_STORE_REVISION, /* revision, keep_revision, at, shape, plan; answer: JOB_REVISION_STORED */
    JOB_STORE_SEEK, /* generation (the one left), at, left, mark, attended; answer: JOB_SEEK_STORED
                     */
    JOB_STORE_PROGRESS, /* take job_progress(), job_mark(), job_attended(); answer:
                           JOB_PROGRESS_STORED */
    JOB_UPDATED,        /* token, code, revision, at; comes before the JOB_REVISIONs */
    JOB_SOUGHT,         /* token, code, generation, at; comes before the JOB_MOVEDs */
    JOB_ACKED, /* token, code: the acknowledgement is durable; EVD_E_EXISTS: that of this step was
                  another, and is durable; EVD_E_CONFLICT: a seek made it void; else it is not */
    JOB_DIRTY, /* there is unconfirmed progress: send JOB_FLUSH within a tenth of a second */
};

struct job_effect {
    enum job_effect_kind kind;
    void *owner;
    uint64_t token;
    int code;
    uint32_t generation, revision, keep_revision;
    struct job_position at;
    struct job_position left; /* STORE_SEEK: the first step not handed out in the old generation */
    struct job_position mark; /* STORE_SEEK */
    bool attended;            /* STORE_SEEK */
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

/* Whether a job can be like that; replicas must be given. */
int job_config_check(const struct job_config *config, struct evd_error *err);
/* A job at the beginning: `plan` is its revision 0, built, not placed (the reference passes over on
 * success). Refused if an epoch would have no step at all. Its job_mark() and job_attended() are to
 * be stored with it, before any event. */
int job_new(struct job **out, const struct job_config *config, struct plan *plan, job_sink sink,
            void *sink_arg, struct evd_error *err);
void job_free(struct job *job);

/* Restoring from the store, before any event: the recorded revisions of its line after the first,
 * in order; then the generation, progress, and the end. Plans are built, not placed; references
 * pass over on success. Steps are handed out in order, so those below an acknowledged one came
 * back. After an error the job can only be freed. */
int job_restore_revision(struct job *job, uint32_t revision, struct job_position at,
                         struct plan *plan, struct evd_error *err);
struct job_restored {
    uint32_t generation;
    struct job_position start;    /* where the generation began */
    struct job_position mark;     /* as stored last */
    bool attended;                /* as stored with the mark */
    struct job_position world_at; /* from where on there are as many ranks as now */
    uint32_t next_revision;       /* greater than the numbers of all revisions of all generations */
};
int job_restore_generation(struct job *job, const struct job_restored *restored,
                           struct evd_error *err);
struct job_progress {
    uint32_t rank; /* shared: 0 */
    uint32_t generation;
    struct job_position low; /* the lowest step not acknowledged */
    const uint8_t *acked;    /* bit i: low.step + i is acknowledged; bits beyond are 0 */
    uint32_t acked_bytes;
};
int job_restore_progress(struct job *job, uint32_t world, const struct job_progress *progress,
                         struct evd_error *err);
void job_restore_end(struct job *job);

/* Returns EVD_OK, or refuses the event: then nothing has changed (but a refused acknowledgement or
 * release is a sign of life), and *err says why. */
int job_step(struct job *job, struct job_event *event, struct evd_error *err);

/* ---- asking ---- */

/* Progress as it is now: rows for one store write (one, or one per rank). Valid until the next call
 * on the job. */
uint32_t job_progress(struct job *job, const struct job_progress **rows);
/* What is to be stored with it: nothing is handed out from there on before the next write. */
struct job_position job_mark(const struct job *job);
/* Likewise: nobody can hold a batch if this is false. */
bool job_attended(const struct job *job);
/* When to send JOB_TICK at the latest; UINT64_MAX: not needed. It may be early. O(1). */
uint64_t job_deadline(const struct job *job);

struct job_state {
    struct job_config config; /* world_size as it is now */
    uint32_t generation;
    uint32_t revision;        /* of the next step to hand out */
    struct job_position next; /* the first step not handed out to any worker, as far as is known */
    struct job_position low;  /* the lowest step not acknowledged by all it goes to */
    struct epoch_shape shape; /* of next.epoch */
    uint32_t streams;         /* attached workers, without those whose connection is lost */
    uint32_t outstanding;     /* batches handed out and not acknowledged */
    bool updating;            /* an update or a seek is being stored */
    bool failing;             /* progress cannot be stored: nothing is handed out */
    struct job_position world_at; /* ranked: from where on world_size holds */
    uint64_t redelivered;         /* batches marked so, since the job was loaded */
    uint64_t expired;             /* leases whose time ran out, likewise */
};
void job_state(const struct job *job, struct job_state *out);
/* Where a rank (shared: 0) would go on: the first step not handed out to it. */
struct job_position job_next(const struct job *job, uint32_t rank);

struct job_stream_info {
    bool lost, stalled;    /* its connection is lost; a lease ran out, and no sign of life since */
    uint32_t window, held; /* leases it has */
    struct job_position low; /* the lowest step of its cursor that is not acknowledged */
    uint64_t ended_steps;    /* of the epoch before low's; 0: not known */
    uint64_t served_steps, acked_steps, acked_samples; /* of this stream, since it was opened */
};
void job_stream_info(const struct job_stream *stream, struct job_stream_info *out);
/* Steps from its oldest lease (none: the next it may get) to `next`, which is job_state's. */
uint64_t job_stream_lag(const struct job_stream *stream, struct job_position next);

uint32_t job_revisions(const struct job *job); /* how many are recorded */
struct job_revision_info job_revision(const struct job *job, uint32_t i); /* i-th recorded */
/* The number the next update's plan is to be built for. */
uint32_t job_next_revision(const struct job *job);
/* The shape of any epoch up to next.epoch whose plan is still held; 0 steps otherwise. */
struct epoch_shape job_shape(const struct job *job, uint64_t epoch);

/* Aborts if an invariant is broken; the tests call it after every event. */
void job_check(const struct job *job);

#endif
