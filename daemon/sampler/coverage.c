/* How many members of a class an epoch is expected to reach (coverage.h). Called by the engines for
 * plan_coverage, which job.preview shows. */
#include "sampler/coverage.h"

#include <math.h>
#include <string.h>
#include "sampler/internal.h"

/* The chance that none of `count` independent events of that chance happens. */
static double none_of(double count, double chance)
{
    return count > 0 ? exp(count * log1p(-chance)) : 1;
}

static void end_order(struct coverage *coverage)
{
    coverage->unseen *= 1 - coverage->taken / (double)coverage->size;
    coverage->filled = 0;
    coverage->taken = 0;
}

void coverage_permuted(struct coverage *coverage, uint64_t count, double chance)
{
    uint64_t room = coverage->size - coverage->filled;
    if (count >= room) {
        coverage->taken += (double)room * chance;
        count -= room;
        end_order(coverage);
        coverage->unseen *= none_of((double)(count / coverage->size), chance);
        count %= coverage->size;
    }
    coverage->filled += count;
    coverage->taken += (double)count * chance;
}

void coverage_uniform(struct coverage *coverage, uint64_t count, double chance)
{
    coverage->unseen *= none_of((double)count, chance / (double)coverage->size);
}

double coverage_end(const struct coverage *coverage)
{
    struct coverage whole = *coverage;
    end_order(&whole);
    return 1 - whole.unseen;
}

void plan_coverage(const struct plan *plan, uint64_t epoch, double *share)
{
    struct epoch_shape shape = plan_epoch(plan, epoch);
    uint64_t draws = shape.steps ? (shape.steps - 1) * plan->batch_size + shape.last_size : 0;
    memset(share, 0, plan->index->classes * sizeof(*share));
    /* What pads the last batch has come before. */
    plan->engine->coverage(plan, epoch, draws < plan->draws ? draws : plan->draws, share);
}
