#include "rpc/token.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define PREFIX  "evd1:"
#define NUMBERS 6u
#define BYTES   (NUMBERS * 8u)
#define LETTERS (BYTES / 3u * 4u)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Of all revisions that the steps before a position can depend on. */
static bool history_digest(const struct job_entry *entry, const struct token *token, uint64_t *out)
{
    uint32_t count;
    const struct revision **line = records_line(entry, token->generation, &count);
    uint64_t digest = 0;

    if (!line)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct job_position at = line[i]->at;
        const uint64_t numbers[] = {line[i]->number, at.epoch, at.step, line[i]->digest};

        if (at.epoch > token->at.epoch || (at.epoch == token->at.epoch && at.step > token->at.step))
            break;
        digest = XXH3_64bits_withSeed(numbers, sizeof(numbers), digest);
    }
    free(line);
    *out = digest;
    return true;
}

static bool numbers_of(const struct job_entry *entry, const struct token *token,
                       uint64_t numbers[NUMBERS])
{
    numbers[0] = entry->id;
    numbers[1] = entry->dataset->checksum;
    numbers[2] = token->generation;
    numbers[3] = token->at.epoch;
    numbers[4] = token->at.step;
    return history_digest(entry, token, &numbers[5]);
}

bool token_write(const struct job_entry *entry, const struct token *token, char *text)
{
    uint64_t numbers[NUMBERS];
    uint8_t bytes[BYTES];
    char *to = text + strlen(PREFIX);

    if (!numbers_of(entry, token, numbers))
        return false;
    for (uint32_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(numbers[i / 8] >> (i % 8 * 8));
    memcpy(text, PREFIX, strlen(PREFIX));
    for (uint32_t i = 0; i < BYTES; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];

        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = alphabet[group >> shift & 63];
    }
    *to = '\0';
    return true;
}

static bool token_numbers(struct evd_str text, uint64_t numbers[NUMBERS])
{
    uint8_t bytes[BYTES];

    if (text.len != strlen(PREFIX) + LETTERS || memcmp(text.data, PREFIX, strlen(PREFIX)) != 0)
        return false;
    for (uint32_t i = 0; i < BYTES; i += 3) {
        uint32_t group = 0;

        for (uint32_t j = 0; j < 4; j++) {
            char letter = text.data[strlen(PREFIX) + i / 3 * 4 + j];
            const char *found = letter ? strchr(alphabet, letter) : NULL;

            if (!found)
                return false;
            group = group << 6 | (uint32_t)(found - alphabet);
        }
        bytes[i] = (uint8_t)(group >> 16);
        bytes[i + 1] = (uint8_t)(group >> 8);
        bytes[i + 2] = (uint8_t)group;
    }
    memset(numbers, 0, NUMBERS * sizeof(numbers[0]));
    for (uint32_t i = 0; i < BYTES; i++)
        numbers[i / 8] |= (uint64_t)bytes[i] << (i % 8 * 8);
    return true;
}

static int foreign(const struct job_entry *entry, const char *what, struct evd_error *err)
{
    return error_set(err, EVD_E_CONFLICT, "token",
                     "this token does not belong to job \"%s\": %s; seek to an epoch and a step if "
                     "that is meant all the same",
                     entry->name, what);
}

int token_read(const struct job_entry *entry, struct evd_str text, struct token *out,
               struct evd_error *err)
{
    uint64_t given[NUMBERS], known[NUMBERS];

    if (!token_numbers(text, given))
        return error_set(err, EVD_E_BAD_VALUE, "token",
                         "this is no token of job.position: it is cut, or something else");
    if (given[0] != entry->id)
        return foreign(entry, "it was made by another job", err);
    if (given[1] != entry->dataset->checksum)
        return foreign(entry, "it was made with another dataset version", err);
    if (given[2] > records_generation(entry))
        return foreign(entry, "it is of a generation that this job never had", err);
    *out = (struct token){(uint32_t)given[2], {given[3], given[4]}};
    if (!numbers_of(entry, out, known))
        return rpc_no_memory(err);
    if (given[5] != known[5])
        return foreign(entry, "its history is another", err);
    return EVD_OK;
}
