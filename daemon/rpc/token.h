/*
 * Tokens of job.position: a position as text, to be kept in a model's checkpoint. "evd1:" and
 * base64url of six little-endian 64-bit numbers: job id, checksum of the dataset, generation,
 * epoch, step, digest of the history up to there.
 */
#ifndef RPC_TOKEN_H
#define RPC_TOKEN_H

#include "rpc/core.h"

#define TOKEN_SIZE 70u /* with the NUL */

struct token {
    uint32_t generation;
    struct job_position at;
};

/* Writes TOKEN_SIZE bytes; false without memory. */
bool token_write(const struct job_entry *entry, const struct token *token, char *text);
/* BAD_VALUE if it is none; CONFLICT if it is of another job, dataset or history. */
int token_read(const struct job_entry *entry, struct evd_str text, struct token *out,
               struct evd_error *err);

#endif
