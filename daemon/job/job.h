/*
 * The job core: which step goes to which worker, and which steps are done.
 *
 * Pure: no sockets, no SQL, no loop and no clock; the time comes with every event. One job is used
 * by one thread. The tests drive it line by line and print what it asks for.
 *
 *     job_step(job, &event, &update, &err);    changes the job's state
 *     while (job_next_effect(job, &update))    says what is to be done about it, one thing at a
 * time carry_out(&update.effect);
 *
 *   events                                      effects
 *   open, credit, ack, close, ready ...  -->    deliver, drained, epoch_end, moved ...
 *   update, seek, flush, tick ...        -->    store_*, updated, sought, acked ...
 *   revision_stored, progress_stored ... <--    (the answers to store_* are events again)
 *
 * A step is (epoch, step). Its batch is a pure function of the two, so nothing drawn is kept: a
 * step that comes back is simply handed out again, and marked `redelivered`.
 *
 *         handed out                        acknowledged
 *   new ------------> leased to one stream --------------> done
 *                       ^     |
 *          handed out   |     v   released, its time ran out, its worker is gone
 *                       returned     (goes out before anything new, the lowest first)
 *
 * A lease says that one stream has the step. It ends when the step is acknowledged or released,
 * when the job's time_to_run is over (a touch starts that time again for all leases of the stream),
 * or together with its stream: at once when the stream is closed, after the grace period when its
 * connection was lost. During the grace period a lost stream can be resumed; it is then given every
 * step it holds once more. When a lease of a stream ran out, the stream has stalled: it gets no new
 * step until its worker says something (ack, touch, release, credit, resume).
 *
 * All that is the guarantee at-least-once. At-most-once, a step is done as soon as it is handed
 * out; its lease only counts against the window, and no step is ever handed out twice.
 *
 * The mark is a position that is stored with the progress. No step at or after the stored mark is
 * handed out, so a new mark is stored before workers get there. After a crash, every step below the
 * stored mark may have been handed out: it is redelivered (at-least-once) or skipped
 * (at-most-once), and no update can begin below it. In a shared job it is redelivered only when the
 * grace period, counted from the first event, is over: until then, workers that survived the crash
 * can open a stream and say which steps they hold (`holding`). The store also knows whether there
 * were any workers (`attended`), so that nobody waits for workers that never were. That there are
 * some is stored before anything is handed out; that there are none any more, with the next
 * progress.
 *
 * Shared mode: each step goes to one worker, to the one that has room and has waited longest. An
 * epoch ends, for all at once, when all its steps are done.
 *
 * Ranked mode: each rank gets its slice of every step, in order, and what was said of steps is true
 * of each rank's slices. A rank that comes back goes on at its lowest step that is not done. An
 * epoch ends for a rank when its last step is done; the rank may go on without the others
 * (data-parallel ranks wait for one another anyway).
 *
 * After the end of an epoch a stream's window is 0 until JOB_CREDIT. A worker that has room when
 * all steps of the epoch are handed out hears `drained`, once: it need not wait for the others to
 * be done. Nobody hears it while a lost worker holds steps, since those may have to be handed out
 * again.
 *
 * An update changes the strategy from one step on, for everybody; never from a step that was handed
 * out. While the update is being stored, no step that it would change is handed out. It takes the
 * place of recorded revisions that begin after the first step not handed out; their steps wait as
 * well. An epoch's length is fixed by the strategy in force at its first step.
 *
 * A seek moves the job to any position under another history: a new generation. While it is being
 * stored nothing is handed out; then every lease is void.
 *
 *     change being stored:  none --JOB_UPDATE--> update --JOB_REVISION_STORED--> none
 *                           none --JOB_SEEK----> seek   --JOB_SEEK_STORED------> none
 *
 * The world size may change while no rank is attached: all ranks go on at the lowest step that any
 * of them has not done (at-most-once: at the first step that no rank was given).
 *
 * While progress cannot be stored, nothing is handed out.
 */
#ifndef JOB_JOB_H
#define JOB_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/error.h"
#include "proto/limits.h"
#include "sampler/plan.h"

/* At most this many steps, counted from the lowest one not acknowledged, are handed out (to all
 * workers of a shared job together; to each rank of a ranked one). It bounds the size of stored
 * progress. Powers of two. */
#define JOB_SPAN      EVD_OUTSTANDING
#define JOB_RANK_SPAN 1024u

/* The last epoch. A job that is through with it is at its end: nothing more is handed out. */
#define JOB_MAX_EPOCH UINT32_MAX

enum job_mode { JOB_SHARED, JOB_RANKED };

enum job_guarantee { JOB_AT_LEAST_ONCE, JOB_AT_MOST_ONCE };

struct job_position {
    uint64_t epoch, step;
};

struct job_config {
    enum job_mode mode;
    enum job_guarantee guarantee;
    uint32_t batch_size;  /* of the global batch, over all ranks */
    uint32_t world_size;  /* ranked: how many ranks; 0: the first rank to attach says it */
    uint32_t replicas;    /* ranked: how many consecutive ranks get the same slice; 0 means 1. It
                             divides world_size, and world_size / replicas divides batch_size */
    uint32_t time_to_run; /* of a lease, in ms; 0: no limit */
    uint32_t grace;       /* how long a lost connection may be resumed, in ms */
    uint32_t reach;       /* at most this many steps, counted from the lowest one not acknowledged,
                             are handed out; 0, or more than JOB_SPAN or JOB_RANK_SPAN: those */
};

struct job;
struct job_stream; /* an attached worker: made by JOB_OPEN, gone after JOB_CLOSE, or JOB_LOST, or
                      when JOB_GONE says so */

/* A strategy and the position from which it holds. */
struct job_revision_info {
    uint32_t revision; /* its number */
    struct job_position at;
    struct epoch_shape shape; /* of at.epoch: what plan_place needs to place the plan again */
    struct plan *plan;        /* NULL once every worker is past it */
};

/* ---- events: what has happened ---- */

/* Where an update begins. */
enum job_when {
    JOB_NOW,        /* at the first step not handed out to any worker */
    JOB_NEXT_EPOCH, /* with the first epoch of which no step is handed out yet */
    JOB_AT,         /* at a given position, not before the one of JOB_NOW */
};

enum job_event_kind {
    JOB_OPEN,            /* a worker attaches */
    JOB_CREDIT,          /* it says how many unacknowledged batches it takes */
    JOB_ACK,             /* it is done with one or more steps */
    JOB_TOUCH,           /* it is at work: the time to run of all its leases starts again */
    JOB_RELEASE,         /* it gives one or more steps back */
    JOB_CLOSE,           /* it leaves */
    JOB_LOST,            /* its connection is gone */
    JOB_RESUME,          /* a lost worker is back */
    JOB_READY,           /* there is room again after job_stream_full */
    JOB_UPDATE,          /* somebody wants another strategy */
    JOB_REVISION_STORED, /* answers JOB_STORE_REVISION */
    JOB_SEEK,            /* somebody wants the job at another position */
    JOB_SEEK_STORED,     /* answers JOB_STORE_SEEK */
    JOB_PROGRESS_STORED, /* answers JOB_STORE_PROGRESS */
    JOB_FLUSH,           /* answers JOB_DIRTY, a little later */
    JOB_TICK,            /* the time job_deadline() named has come */
    JOB_DRAIN,           /* the daemon stops: nothing is handed out any more */
};

/* An event; `kind` says which member of the union is valid. */
struct job_event {
    enum job_event_kind kind;
    uint64_t now; /* monotonic milliseconds */
    union {
        struct {
            void *owner;          /* comes back in every effect for this stream */
            uint32_t rank, world; /* ranked; world 0: not said. Shared: 0 */
            uint32_t window;
            bool exclusive; /* shared: nobody else may be attached (a rank has one worker anyway) */
            /* Steps the worker still has from before it or the daemon was restarted. Those that can
             * be its own are leased to it. */
            const struct job_position *holding;
            uint32_t held; /* how many there are */
        } open;
        struct {
            struct job_stream *stream;
            uint32_t window;
        } credit;
        /* Refused if the stream does not hold the step. To be told that the step is acknowledged
         * already means that this is durable. While it is not, an event with a token is not
         * refused: EVD_E_EXISTS comes in JOB_ACKED when it is. */
        struct {
            struct job_stream *stream;
            uint32_t generation; /* of the batch */
            struct job_position at;
            bool through;   /* also every step this stream got earlier and still holds */
            uint64_t token; /* comes back in JOB_ACKED; 0: no answer wanted */
        } ack;
        struct { /* as ack */
            struct job_stream *stream;
            uint32_t generation;
            struct job_position at;
            bool through;
        } release;
        struct {
            struct job_stream *stream; /* a lost one */
            void *owner;
            uint32_t window;
        } resume;
        struct {
            struct job_stream *stream;
        } touch, close, lost, ready;
        struct {
            struct plan *plan; /* built, not placed; the reference passes over on success */
            uint32_t revision; /* job_next_revision() when the plan was built */
            enum job_when when;
            struct job_position at; /* JOB_AT */
            uint64_t token;         /* comes back in JOB_UPDATED */
        } update;
        struct {
            struct job_position at;
            /* The revisions of the new generation, in order, the first at 0, 0. From the one in
             * force at `at` on they have plans, placed, whose references pass over on success;
             * those before have none. */
            const struct job_revision_info *line;
            uint32_t line_count;
            uint32_t generation; /* the job's, and */
            uint32_t revision;   /* job_next_revision(), when the line was made */
            bool force;          /* although workers hold steps */
            uint64_t token;      /* comes back in JOB_SOUGHT */
        } seek;
        struct {
            int code; /* EVD_OK, or why it could not be stored */
        } revision_stored, seek_stored, progress_stored;
    };
};

/* ---- effects: what is to be done ---- */

enum job_effect_kind {
    JOB_DELIVER,        /* draw a batch and send it */
    JOB_EPOCH_END,      /* to a worker: its epoch is over, and its window is 0 now */
    JOB_DRAINED,        /* to a worker: every step of its epoch is handed out */
    JOB_REVISION,       /* to a worker: another strategy holds from a position on */
    JOB_MOVED,          /* to a worker: what it holds is void, it goes on at a position */
    JOB_GONE,           /* a lost stream has ended, nobody can resume it */
    JOB_STORE_REVISION, /* store it, then send JOB_REVISION_STORED */
    JOB_STORE_SEEK,     /* store it, then send JOB_SEEK_STORED */
    JOB_STORE_PROGRESS, /* store what job_progress(), job_mark() and job_attended() say now, then
                           send JOB_PROGRESS_STORED */
    JOB_UPDATED,        /* what became of a JOB_UPDATE; comes before the JOB_REVISIONs */
    JOB_SOUGHT,         /* what became of a JOB_SEEK; comes before the JOB_MOVEDs */
    JOB_ACKED,          /* what became of a JOB_ACK with a token */
    JOB_DIRTY,          /* progress waits to be stored: send JOB_FLUSH within a tenth of a second */
};

/* A batch for a stream. */
struct job_delivery {
    void *owner;       /* of the stream */
    struct plan *plan; /* the job's reference, which it keeps until the next call */
    struct plan_slice slice;
    uint32_t generation, revision;
    bool redelivered;
};

/* An epoch that is over for a stream, or of which nothing is left. */
struct job_epoch {
    void *owner;
    uint32_t generation;
    uint64_t epoch, steps;
};

/* An effect; `kind` says which member of the union is valid. */
struct job_effect {
    enum job_effect_kind kind;
    union {
        struct job_delivery deliver;
        struct job_epoch epoch_end, drained;
        struct {
            void *owner;
            uint32_t revision;
            struct job_position at;
        } revision;
        struct {
            void *owner;
            uint32_t generation;
            struct job_position at;
        } moved;
        struct {
            void *owner;
        } gone;
        struct {
            uint32_t generation, revision;
            uint32_t keep_revision; /* it takes the place of recorded revisions after this one */
            struct job_position at;
            struct epoch_shape shape; /* of at.epoch */
            const struct plan *plan;
        } store_revision;
        struct {
            struct job_position at;
            struct job_position left; /* the first step not handed out in the old generation */
            struct job_position mark; /* to be stored with the seek, */
            bool attended;            /* and so is this */
        } store_seek;
        struct {
            uint64_t token;
            int code;
            uint32_t revision;
            struct job_position at;
        } updated;
        struct {
            uint64_t token;
            int code;
            uint32_t generation; /* the job's now */
            struct job_position at;
        } sought;
        /* code: EVD_OK: it is durable. EVD_E_EXISTS: the step was acknowledged before, and that is
         * durable. EVD_E_CONFLICT: a seek made it void. Else why it is not durable. */
        struct {
            uint64_t token;
            int code;
        } acked;
    };
};

/* What came of an event. */
struct job_update {
    /* JOB_OPEN: the new stream. JOB_LOST: the stream, or NULL if it has ended (there is no grace
     * period for it). NULL after other events. */
    struct job_stream *stream;
    /* JOB_OPEN: how many of the steps it said it holds are leased to it (job_stream_lease says
     * which). JOB_RELEASE: how many steps it gave back. */
    uint32_t held;
    struct job_effect effect; /* what to do now; job_next_effect fills it in */
};

/* ---- running a job ---- */

/* Whether a job can be like that; replicas must be given. */
int job_config_check(const struct job_config *config, struct evd_error *err) MUST_CHECK;

/* A job at the beginning: `plan` is its revision 0, built, not placed (the reference passes over on
 * success). Refused if an epoch would have no step at all. Its job_mark() and job_attended() are to
 * be stored with it, before any event. */
int job_new(struct job **out, const struct job_config *config, struct plan *plan,
            struct evd_error *err) MUST_CHECK;
/* Plans may still be in use elsewhere; streams end with the job. NULL is fine. */
void job_free(struct job *job);

/* Takes an event. Returns EVD_OK, or refuses it: then nothing has changed (except that a refused
 * acknowledgement or release is a sign of life), and *err says why. Either way there may be
 * effects: call job_next_effect until it returns false, before the next event. */
int job_step(struct job *job, const struct job_event *event, struct job_update *update,
             struct evd_error *err) MUST_CHECK;

/* Puts the next thing to do into update->effect; false: the event is dealt with. The functions
 * below "asking" may be called in between, and job_stream_full. At most one effect of an update
 * asks something of the store. Batches are handed out one by one: every stream that takes one gets
 * one before any gets a second. */
bool job_next_effect(struct job *job, struct job_update *update) MUST_CHECK;

/* The stream has no room for another batch: nothing is delivered to it until JOB_READY. */
void job_stream_full(struct job *job, struct job_stream *stream);

/* ---- restoring ---- */

/* From the store, before any event: a job with revision 0, by job_new, or by job_restore_past if
 * its strategy is forgotten and all that is known is the shape of epoch 0; then the other revisions
 * of the history, in order; then the generation, the progress of each rank, and the end. Plans are
 * built, not placed; references pass over on success. After an error the job can only be freed. */
int job_restore_past(struct job **out, const struct job_config *config, struct epoch_shape shape,
                     struct evd_error *err) MUST_CHECK;
/* Without a plan: its strategy is forgotten, as are those of all before it. */
int job_restore_revision(struct job *job, const struct job_revision_info *revision,
                         struct evd_error *err) MUST_CHECK;

/* Of the revisions so far, only those that are in force at `from` or later are needed: the plans of
 * the others are given back. */
void job_restore_release(struct job *job, struct job_position from);

struct job_restored {
    uint32_t generation;
    struct job_position start;    /* every rank is there or later, in this generation */
    struct job_position mark;     /* as stored last */
    bool attended;                /* as stored with the mark */
    struct job_position world_at; /* from where on there are as many ranks as now */
    uint32_t next_revision;       /* greater than the numbers of all revisions of all generations */
};
int job_restore_generation(struct job *job, const struct job_restored *restored,
                           struct evd_error *err) MUST_CHECK;

struct job_progress {
    uint32_t rank; /* shared: 0 */
    uint32_t generation;
    struct job_position low; /* the lowest step not acknowledged */
    const uint8_t *acked;    /* bit i: low.step + i is acknowledged; bits beyond are 0 */
    uint32_t acked_bytes;
};
/* `world`: how many ranks there are (shared: 1). */
int job_restore_progress(struct job *job, uint32_t world, const struct job_progress *progress,
                         struct evd_error *err) MUST_CHECK;
void job_restore_end(struct job *job);

/* ---- asking ---- */

/* Progress as it is now: rows for one store write (one, or one per rank). Valid until the next
 * event or effect. */
uint32_t job_progress(struct job *job, const struct job_progress **rows);
/* The mark to be stored with the progress. */
struct job_position job_mark(const struct job *job);
/* Likewise: whether there are workers that may hold batches after a crash. */
bool job_attended(const struct job *job);
/* When to send JOB_TICK; UINT64_MAX: not needed. Nothing may be due by then after all. O(1). */
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
/* How many ranks there are (shared: 1): job_state looks at each. */
uint32_t job_ranks(const struct job *job);
/* Where a rank (shared: 0) goes on: the first step not handed out to it. */
struct job_position job_next(const struct job *job, uint32_t rank);

struct job_stream_info {
    bool lost;               /* its connection is gone, and it may be resumed */
    bool stalled;            /* a lease ran out, and no sign of life since */
    uint32_t window, held;   /* how many steps it may have, and has */
    struct job_position low; /* the lowest step of its rank (shared: of the job) not acknowledged */
    uint64_t ended_steps;    /* how many steps the epoch before low's had; 0: not known */
    uint64_t served_steps, acked_steps, acked_samples; /* of this stream, since it was opened */
    size_t memory; /* bytes that it takes, with room for the steps of its largest window */
};
void job_stream_info(const struct job_stream *stream, struct job_stream_info *out);
/* The i-th of the steps it has, in the order they were handed out. */
struct job_position job_stream_lease(const struct job_stream *stream, uint32_t i);
/* The step that it is given first, unless another worker takes it before: after JOB_RESUME the
 * first of those that it has, else the lowest that came back, else the first never handed out. */
struct job_position job_stream_first(const struct job_stream *stream);
/* How many steps lie between its oldest lease (without one: the next step it may get) and `next`,
 * which is job_state's. */
uint64_t job_stream_lag(const struct job_stream *stream, struct job_position next);

uint32_t job_revisions(const struct job *job); /* how many are recorded */
struct job_revision_info job_revision(const struct job *job, uint32_t i); /* i-th recorded */
/* The number the next update's plan is to be built for. */
uint32_t job_next_revision(const struct job *job);
/* The shape of any epoch up to next.epoch whose plan is still held; 0 steps otherwise. */
struct epoch_shape job_shape(const struct job *job, uint64_t epoch);

/* Bytes that it takes without its plans and streams; and that so many ranks would. */
size_t job_memory(const struct job *job);
size_t job_world_memory(const struct job *job, uint32_t world_size);

/* Aborts if the job is not sound. In debug and sanitizer builds (EVD_CHECKS) it is called when an
 * update has been carried out; the tests call it in every build. */
void job_check(const struct job *job);

#endif
