/*
 * Tokens of job.position as text: "evd1:" and base64url of six little-endian 64-bit numbers. What
 * the numbers mean is for replay/position.h.
 */
#ifndef CODEC_TOKEN_H
#define CODEC_TOKEN_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/text.h"

#define TOKEN_SIZE 70u /* of the text, with its NUL */

struct token {
    uint64_t job;        /* its id in the store */
    uint64_t checksum;   /* of the dataset version */
    uint64_t generation; /* of the job */
    uint64_t epoch, step;
    uint64_t history; /* digest of the job's history up to there, and of the numbers above */
};

/* Writes TOKEN_SIZE bytes. */
void token_write(const struct token *token, char *text);
/* False if it is none. */
bool token_read(struct evd_str text, struct token *out) MUST_CHECK;

#endif
