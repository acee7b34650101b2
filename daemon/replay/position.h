/*
 * Positions of a job as tokens, to be kept in a model's checkpoint. A token belongs to one job, one
 * dataset version and one history; with another of them the batches would be others, and it is
 * refused. Loop thread.
 */
#ifndef REPLAY_POSITION_H
#define REPLAY_POSITION_H

#include "codec/token.h"
#include "replay/records.h"

/* Whose token it is. */
struct position_owner {
    const char *name;
    uint64_t id;       /* of the job in the store */
    uint64_t checksum; /* of its dataset */
    const struct records *records;
};

/* A position in the history of a generation. */
struct position {
    uint32_t generation;
    struct job_position at;
};

/* Writes TOKEN_SIZE bytes; false without memory. */
bool position_write(const struct position_owner *owner, const struct position *position,
                    char *text) MUST_CHECK;
/* BAD_VALUE if the text is no token; CONFLICT if it belongs to another job, dataset or history. */
int position_read(const struct position_owner *owner, struct evd_str text, struct position *out,
                  struct evd_error *err) MUST_CHECK;

#endif
