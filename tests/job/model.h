/*
 * A model of the job core: what is known of every step, every worker and the store, and what must
 * hold whenever the core hands something out. test_job_model.c and model_workers.c drive both at
 * random.
 */
#ifndef TESTS_JOB_MODEL_H
#define TESTS_JOB_MODEL_H

#include "job/job.h"
#include "job/position.h"

enum { WORKERS = 6, RANKS = 4, EPOCHS = 64, STEPS = 40, BATCH = 4, EVENTS = 3000, WAITING = 4096 };

struct held {
    struct job_position at;
    uint64_t since;
};

struct worker {
    struct job_stream *stream;
    uint32_t rank, window;
    struct held held[EVD_MAX_WINDOW * 2]; /* in the order handed out */
    uint32_t count;
    uint32_t resend; /* the last of them are to come again */
    uint64_t touched, lost_until;
    bool full, lost, stalled, exclusive;
    bool claimed;                    /* some of its leases, when it was opened */
    uint64_t served, acked, samples; /* since then */
    /* What it had when the daemon was restarted. */
    struct job_position had[EVD_MAX_WINDOW * 2];
    uint32_t had_count;
};

/* What is known of a step, for each rank (shared: rank 0). */
struct step {
    uint32_t revision; /* + 1; of the batch handed out */
    uint32_t before;   /* + 1; in the generation before */
    uint8_t handed[RANKS], acked[RANKS], durable[RANKS];
};

struct token {
    uint64_t token;
    uint32_t rank; /* RANKS: void */
    struct job_position at;
};

/* What a restart finds, or will find when the write under way is on the disk. */
struct stored {
    uint32_t rows;
    struct job_progress row[RANKS];
    uint8_t bits[RANKS][STEPS / 8 + 1];
    struct job_restored job;
};

struct model {
    uint64_t seed, random, now;
    int event;
    struct job *job;
    struct job_update update; /* what came of the event before */
    struct job_config config;
    uint32_t world; /* cursors: ranks, or 1; 0: not known */
    struct worker workers[WORKERS];
    struct step steps[EPOCHS][STEPS];
    uint64_t epoch_steps[EPOCHS]; /* 0: not begun */
    uint64_t ended[RANKS];
    uint64_t plan_steps[EVENTS]; /* of an epoch that begins under this revision */
    struct token waiting[WAITING];
    uint32_t tokens;
    bool writing, flush, failing, draining;
    bool storing; /* a revision */
    bool seeking;
    bool replaying; /* nothing has changed since a seek that replays */
    struct stored stored, written;
    struct job_position frontier;    /* the first step handed to nobody */
    struct job_position floor;       /* below it steps may say that they are redelivered */
    struct job_position start;       /* of the generation */
    struct job_position reached;     /* the first step not handed out, as far as the job knows */
    uint64_t redelivered, timed_out; /* since the last restart */
    uint32_t next_revision;
    struct job_position change_at; /* of the update or seek being stored */
    struct job_position change_mark;
    bool change_attended;
    /* What happened at all. */
    uint64_t epochs, granted, resent, expired, gone, sought, worlds, repeated, alone, excluded;
};

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("seed %llu event %d: %s", (unsigned long long)m->seed, m->event, #condition); \
    } while (0)

uint64_t random_below(struct model *m, uint64_t n);
bool model_ranked(const struct model *m);
/* Hands the job an event, now, carries the update out, and checks that the job is sound. */
int model_step(struct model *m, struct job_event *event);
/* Leases and lost workers whose time is over, for the model and the job. */
void model_tick(struct model *m);
/* Something that may happen to a worker, at random (model_workers.c). */
void model_worker_event(struct model *m, struct worker *worker);
/* The write under way is on the disk. */
void model_commit(struct model *m);
/* The i-th of the worker's leases ends. */
void model_drop(struct worker *worker, uint32_t i);
/* Leases and lost workers whose time is over. */
void model_expire(struct model *m);
/* The job was restored from m->stored: what is known of steps is what was stored. */
void model_restored(struct model *m);
/* A step before `next` was handed out. */
void model_reached(struct model *m, struct job_position next);
/* The job was restored: what it knows it has from m->stored. */
void model_reached_again(struct model *m);
/* Whatever the job keeps is what the model counted. */
void model_fresh(struct model *m);
/* Another number of ranks, all at `low`. */
void model_world(struct model *m, uint32_t world, struct job_position low);

#endif
