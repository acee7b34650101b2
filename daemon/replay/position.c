/* Tokens of positions, made and checked (position.h). Called by job.position and job.seek. */
#include "replay/position.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>
#include "job/position.h"

/* Of all revisions that the steps before a position can depend on. */
static bool history_digest(const struct records *records, const struct position *position,
                           uint64_t *out)
{
    uint32_t count;
    const struct revision **line = records_line(records, position->generation, &count);
    uint64_t digest = 0;

    if (!line)
        return false;
    for (uint32_t i = 0; i < count && !position_before(position->at, line[i]->at); i++) {
        struct job_position at = line[i]->at;
        const uint64_t numbers[] = {line[i]->number, at.epoch, at.step, line[i]->digest};

        digest = XXH3_64bits_withSeed(numbers, sizeof(numbers), digest);
    }
    free(line);
    *out = digest;
    return true;
}

/* Of everything else in a token, begun with the digest of its history: no number of it can be
 * another without this being another too. */
static uint64_t seal(const struct token *token, uint64_t digest)
{
    const uint64_t numbers[] = {token->job, token->checksum, token->generation, token->epoch,
                                token->step};

    return XXH3_64bits_withSeed(numbers, sizeof(numbers), digest);
}

bool position_write(const struct position_owner *owner, const struct position *position, char *text)
{
    struct token token = {
        .job = owner->id,
        .checksum = owner->checksum,
        .generation = position->generation,
        .epoch = position->at.epoch,
        .step = position->at.step,
    };

    uint64_t digest;

    if (!history_digest(owner->records, position, &digest))
        return false;
    token.history = seal(&token, digest);
    token_write(&token, text);
    return true;
}

static int refuse(const struct position_owner *owner, const char *why, struct evd_error *err)
{
    return error_set(err, EVD_E_CONFLICT, "token",
                     "this token does not belong to job \"%s\": %s; seek to an epoch and a step if "
                     "that is meant all the same",
                     owner->name, why);
}

int position_read(const struct position_owner *owner, struct evd_str text, struct position *out,
                  struct evd_error *err)
{
    struct token token;
    uint64_t digest;

    if (!token_read(text, &token))
        return error_set(err, EVD_E_BAD_VALUE, "token",
                         "this is no token of job.position: it is cut, or something else");
    if (token.job != owner->id)
        return refuse(owner, "it was made by another job", err);
    if (token.checksum != owner->checksum)
        return refuse(owner, "it was made with another dataset version", err);
    if (token.generation > records_generation(owner->records))
        return refuse(owner, "it is of a generation that this job never had", err);
    if (token.epoch > JOB_MAX_EPOCH)
        return error_set(err, EVD_E_BAD_VALUE, "token",
                         "this is no token of job.position: it names epoch %" PRIu64
                         ", and the last is %" PRIu32,
                         token.epoch, JOB_MAX_EPOCH);
    *out = (struct position){(uint32_t)token.generation, {token.epoch, token.step}};
    if (!history_digest(owner->records, out, &digest))
        return error_no_memory(err);
    /* Tokens in checkpoints of 0.1 have the digest itself. */
    if (token.history != seal(&token, digest) && token.history != digest)
        return refuse(owner, "its history is another, or a part of it was changed", err);
    return EVD_OK;
}
