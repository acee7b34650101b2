/*
 * How many samples of a class each fold gets, and which (folds.h). Called by folds_stratified.c and
 * folds_labels.c, and by client/cli/split.c.
 */
#include <assert.h>
#include <Random123/philox.h>
#include "client/lib/folds.h"

void folds_share(uint32_t folds, uint64_t before, uint64_t n, uint64_t *need)
{
    for (uint32_t f = 0; f < folds; f++) {
        const uint64_t first = (f + folds - before % folds) % folds;
        need[f] = n > first ? (n - first - 1) / folds + 1 : 0;
    }
}

uint64_t folds_random(uint64_t seed, uint64_t number, uint32_t purpose)
{
    const philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    const philox4x32_ctr_t counter = {{(uint32_t)number, (uint32_t)(number >> 32), purpose, 0}};
    const philox4x32_ctr_t random = philox4x32(counter, key);

    return (uint64_t)random.v[1] << 32 | random.v[0];
}

int folds_pick(uint64_t *need, uint32_t parts, uint64_t seed, uint64_t sample)
{
    const uint64_t u = folds_random(seed, sample, 1);
    uint64_t place = (uint64_t)((unsigned __int128)u * need[0] >> 64);

    assert(need[0] > 0);
    need[0]--;
    for (uint32_t p = 0; p < parts; p++) {
        if (place < need[1 + p]) {
            need[1 + p]--;
            return (int)p;
        }
        place -= need[1 + p];
    }
    return -1;
}
