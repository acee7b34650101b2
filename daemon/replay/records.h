/*
 * What is recorded of a job: everything that the content of its batches depends on, beside dataset,
 * seed and batch size. Revisions of its strategy; seeks, each of which opens a generation; and how
 * many ranks there were. The store holds the same, and gives it back after a restart.
 *
 *     generation 0   r0 ---- r1 ---- r2          revisions, each from a step on
 *                          |
 *     generation 1         +-- r3 ---- r4        a seek: the history is the parent's up to r1,
 *                                                then its own
 *
 * The history of a generation is called its line: here r0, r1, r3, r4. Loop thread only.
 */
#ifndef REPLAY_RECORDS_H
#define REPLAY_RECORDS_H

#include "job/job.h"

struct plan_held;

/* A revision as it is recorded. */
struct revision {
    uint32_t generation, number;
    struct job_position at;
    struct epoch_shape shape; /* of at.epoch */
    uint64_t digest, created;
    char *author;
    void *strategy; /* canonical MessagePack map; NULL: the database has it (revision_is_away) */
    size_t strategy_bytes;  /* 0: it is damaged there */
    size_t stored_bytes;    /* what it takes in the database */
    uint64_t strategy_hash; /* of those bytes */
    char kind[32];          /* of the strategy; "": not known */
    struct plan_held
        *held;      /* attachments that the strategy names (plan.h), until it is forgotten */
    bool forgotten; /* the strategy is in the database no more (retention.h) */
};

/* Strategies of so many bytes at most are always in memory: less would not save much. */
#define STRATEGY_STAYS 256u

/* A seek as it is recorded; the first opens generation 1. */
struct seek_record {
    uint32_t parent, keep; /* the history is the parent's up to revision `keep`, and its own */
    struct job_position at, left;
    bool follow;
    uint64_t created;
    char *author;
    int64_t takes; /* private: of its generation, the revisions up to this number are in line */
};

/* From a position on, so many ranks. */
struct world_record {
    uint32_t generation, world_size;
    struct job_position at;
    uint64_t created;
    char author[EVD_MAX_NAME + 1];
};

struct records {
    /* Revisions of the line as it is now, in order; and those that it has left behind. */
    struct revision *revisions, *past;
    uint32_t revision_count, revision_cap, past_count, past_cap;
    struct seek_record *seeks; /* seek i opened generation i + 1 */
    uint32_t seek_count, seek_cap;
    struct world_record *worlds; /* in order of generation and position */
    uint32_t world_count, world_cap;
    bool world_stored; /* the last of them is in the store */
    uint64_t bytes;    /* of memory that all of it takes */
    uint64_t recorded; /* bytes that all its strategies take in the database */
};

void records_fini(struct records *records);
void revision_fini(struct revision *revision);

/* Gives it the canonical bytes, or only notes what they are where `strategy` is to be NULL. */
void revision_describe(struct revision *revision, const void *bytes, size_t n);
bool revision_is_away(const struct revision *revision);
/* Bytes of the strategy that an answer with it has. */
size_t revision_shown_bytes(const struct revision *revision);
/* Is it by this strategy? */
bool revision_is_by(const struct revision *revision, const void *bytes, size_t n);

/* Leaves large strategies to the database that were in force before `number` was and are not the
 * newest of the line. */
void records_page(struct records *records, uint32_t number);
/* Counts again what it takes, after a change to revisions in it. */
void records_measure(struct records *records);
/* The strategy of a revision of the line is wanted in memory: if it is away it passes over, and
 * *strategy is NULL then. */
void records_bring(struct records *records, uint32_t number, void **strategy);

uint32_t records_generation(const struct records *records); /* the one there is now */
/* Where a generation begins, and where it was left (the last: `reached`). */
struct job_position records_begin(const struct records *records, uint32_t generation);
struct job_position records_end(const struct records *records, uint32_t generation,
                                struct job_position reached);
/* One of all that are recorded, past_count + revision_count, in no order. */
const struct revision *records_revision(const struct records *records, uint32_t i);
/* The revisions of a generation's line, in order; NULL without memory. The array is the caller's to
 * free. */
const struct revision **records_line(const struct records *records, uint32_t generation,
                                     uint32_t *count);
/* From where on every strategy of a generation's line is recorded; beyond every epoch: none is. */
struct job_position records_since(const struct records *records, uint32_t generation);
/* The recorded revision in force when the line was at `number`; NULL: none is recorded. */
const struct revision *records_in_force(const struct records *records, uint32_t number);

/* Room for one more revision and one more seek; false without memory. */
bool records_reserve(struct records *records) MUST_CHECK;
/* Records a revision (its author and strategy pass over), reserved before; those of the line that
 * are later than `keep` go. */
void records_add(struct records *records, const struct revision *revision, uint32_t keep);
/* Records a seek (its author passes over) and perhaps a revision, reserved before. */
void records_seek(struct records *records, const struct seek_record *seek,
                  const struct revision *revision);
/* After loading: sorts out which revisions the line as it is now consists of; reserved before. */
void records_loaded(struct records *records);

/* How many ranks there were at a position; 0: not known, or a shared job. */
uint32_t records_world(const struct records *records, uint32_t generation, struct job_position at);
/* Notes how many there are now, if that is not noted; false without memory. */
bool records_note_world(struct records *records, const struct job *job, const char *author,
                        uint64_t created) MUST_CHECK;
/* The last one, if the store does not have it; NULL. */
const struct world_record *records_unstored_world(const struct records *records);
/* That one is in the store now. */
void records_world_stored(struct records *records, const struct world_record *world);
bool records_add_world(struct records *records, const struct world_record *world) MUST_CHECK;

#endif
