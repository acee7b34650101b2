/* Keeps what was reported as scores, and brings it into order (scores.h). Called by feedback.c, and
 * by job.threshold and job.curve. */
#include "feedback/scores.h"

#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS 11u
#define DIGITS     (1u << DIGIT_BITS)
#define KEY_BITS   64u

uint64_t score_key(double score, uint32_t label)
{
    double positive = score + 0.0; /* of -0 it is 0 */
    uint64_t bits;

    memcpy(&bits, &positive, sizeof(bits));
    return bits << 1 | label;
}

double score_of(uint64_t key)
{
    uint64_t bits = key >> 1;
    double score;

    memcpy(&score, &bits, sizeof(score));
    return score;
}

static uint32_t block_size(uint32_t block)
{
    return block < 5 ? SCORES_FIRST_BLOCK << block : SCORES_BLOCK;
}

struct scores *scores_new(void)
{
    struct scores *scores = calloc(1, sizeof(*scores));

    if (scores)
        scores->refs = 1;
    return scores;
}

struct scores *scores_ref(struct scores *scores)
{
    scores->refs++;
    return scores;
}

struct scores *scores_release(struct scores *scores)
{
    return scores && --scores->refs == 0 ? scores : NULL;
}

void scores_free(void *what)
{
    struct scores *scores = what;

    for (uint32_t i = 0; scores && i < scores->block_count; i++)
        free(scores->blocks[i]);
    free(scores);
}

void scores_unref(struct scores *scores)
{
    scores_free(scores_release(scores));
}

/* Keys that so many blocks hold. */
static uint32_t capacity(uint32_t blocks)
{
    uint32_t keys = 0;

    for (uint32_t i = 0; i < blocks && i < 5; i++)
        keys += block_size(i);
    return blocks > 5 ? keys + (blocks - 5) * SCORES_BLOCK : keys;
}

size_t scores_memory(const struct scores *scores)
{
    return scores ? sizeof(*scores) + capacity(scores->block_count) * sizeof(uint64_t) : 0;
}

/* Blocks for so many keys. */
static uint32_t blocks_for(size_t keys)
{
    uint32_t blocks = 0;

    while (capacity(blocks) < keys)
        blocks++;
    return blocks;
}

size_t scores_needs(const struct scores *scores, size_t n)
{
    uint32_t count = scores ? scores->count : 0, blocks = scores ? scores->block_count : 0;

    if (n > SCORES_MOST - count)
        return SIZE_MAX;
    if (count + n <= capacity(blocks))
        return 0;
    return (scores ? 0 : sizeof(*scores)) +
           (capacity(blocks_for(count + n)) - capacity(blocks)) * sizeof(uint64_t);
}

bool scores_add(struct scores *scores, const double *score, const uint32_t *label, size_t n)
{
    uint32_t block = 0, begins = 0;

    if (n > SCORES_MOST - scores->count)
        return false;
    while (capacity(scores->block_count) < scores->count + n) {
        uint64_t *keys = malloc(block_size(scores->block_count) * sizeof(*keys));

        if (!keys)
            return false;
        scores->blocks[scores->block_count++] = keys;
    }
    for (size_t i = 0; i < n; i++) {
        while (scores->count >= begins + block_size(block))
            begins += block_size(block++);
        scores->blocks[block][scores->count - begins] = score_key(score[i], label[i]);
        scores->count++;
    }
    return true;
}

void scores_copy(const struct scores *scores, uint32_t count, uint64_t *keys)
{
    for (uint32_t block = 0, begins = 0; begins < count; begins += block_size(block++)) {
        uint32_t n = count - begins < block_size(block) ? count - begins : block_size(block);

        memcpy(keys + begins, scores->blocks[block], n * sizeof(*keys));
    }
}

/* From `from` to `to` by the digit at `shift`, keeping the order of equal ones; false if that moves
 * nothing, since all have the same. */
static bool sort_digit(const uint64_t *from, uint64_t *to, size_t n, uint32_t shift)
{
    size_t counts[DIGITS] = {0}, begins = 0;

    for (size_t i = 0; i < n; i++)
        counts[from[i] >> shift & (DIGITS - 1)]++;
    if (counts[from[0] >> shift & (DIGITS - 1)] == n)
        return false;
    for (uint32_t d = 0; d < DIGITS; d++) {
        size_t count = counts[d];

        counts[d] = begins;
        begins += count;
    }
    for (size_t i = 0; i < n; i++)
        to[counts[from[i] >> shift & (DIGITS - 1)]++] = from[i];
    return true;
}

bool keys_sort(uint64_t *keys, uint64_t *scratch, size_t n, const atomic_bool *cancel)
{
    uint64_t *from = keys, *to = scratch;

    for (uint32_t shift = 0; n > 1 && shift < KEY_BITS; shift += DIGIT_BITS) {
        if (cancel && atomic_load(cancel))
            return false;
        if (sort_digit(from, to, n, shift)) {
            uint64_t *sorted = to;

            to = from;
            from = sorted;
        }
    }
    if (from != keys)
        memcpy(keys, from, n * sizeof(*keys));
    return true;
}
