/*
 * The scores that were reported of an epoch of two classes, each as it came with the true class of
 * its sample, and the same in order.
 *
 * A score is a double: what came as a float is one, so nothing is lost (but the sign of a zero).
 * With its class it is one number, a key: the bits of the score, which of numbers from 0 to 1 are
 * in the order of their values, and the class below them. Keys never move and are never changed, so
 * that a pool thread may read those that were there when it began while further ones come.
 * References are counted by the loop's thread alone.
 */
#ifndef FEEDBACK_SCORES_H
#define FEEDBACK_SCORES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Scores of one epoch that are kept; with one more, the epoch has its bins alone (confusion.h). */
#define SCORES_MOST (1u << 22)
/* Keys of a block; the first ones are smaller, so that a short epoch takes little. */
#define SCORES_BLOCK       8192u
#define SCORES_FIRST_BLOCK 256u
#define SCORES_BLOCKS      (SCORES_MOST / SCORES_BLOCK + 5)

struct scores {
    uint32_t refs;
    uint32_t count; /* of the keys */
    /* private */
    uint32_t block_count;
    uint64_t *blocks[SCORES_BLOCKS];
};

uint64_t score_key(double score, uint32_t label); /* of 0 to 1, and class 0 or 1 */
double score_of(uint64_t key);
static inline uint32_t score_label(uint64_t key)
{
    return (uint32_t)(key & 1);
}

struct scores *scores_new(void); /* with one reference; NULL without memory */
struct scores *scores_ref(struct scores *scores);
void scores_unref(struct scores *scores); /* NULL is fine */
/* Gives up a reference: what is left for whoever had the last one to free, on any thread. NULL: it
 * was not the last, or there was none. */
struct scores *scores_release(struct scores *scores);
void scores_free(void *scores);                    /* NULL is fine */
size_t scores_memory(const struct scores *scores); /* bytes; NULL: 0 */
/* Bytes that n more would take; SIZE_MAX: that would be more than SCORES_MOST. NULL: of none yet.
 */
size_t scores_needs(const struct scores *scores, size_t n);
/* All or, without memory or beyond SCORES_MOST, none: false. */
bool scores_add(struct scores *scores, const double *score, const uint32_t *label, size_t n);
/* Writes the first `count` keys. */
void scores_copy(const struct scores *scores, uint32_t count, uint64_t *keys);

/* Ascending. `scratch` has room for as many; false: cancelled, and then what is where is open. */
bool keys_sort(uint64_t *keys, uint64_t *scratch, size_t n, const atomic_bool *cancel);

#endif
