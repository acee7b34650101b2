/*
 * Draws without replacement by weight, after Efraimidis and Spirakis: every sample gets an arrival
 * time, exponential with its weight as rate, and samples come as they arrive. Which is t-th is only
 * known once all are sorted, so the orders of some epochs are made in advance.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "sampler/internal.h"
#include "sampler/members.h"

struct ordered_tables {
    uint32_t orders;
    const uint32_t *place; /* orders x draws: places among all members */
    const double *shares;  /* orders x C */
    struct cuts classes;   /* of [0, N) */
    bool fresh; /* weights are of classes: who of a class comes is drawn anew each epoch */
};

static void ordered_resolve(const struct plan *plan, const struct draw_step *at,
                            struct draw_block *block)
{
    const struct ordered_tables *tables = plan->tables;
    const uint64_t *start = plan->index->start;
    for (uint32_t k = 0; k < block->n; k++) {
        /* After taking over in mid-epoch the draws may go on into the next orders. */
        uint64_t pass = divide(block->draw[k], plan->draws, &block->draw[k]);
        uint64_t order = (at->epoch + pass) % tables->orders;
        block->first[k] = order * plan->draws + block->draw[k];
        block->second[k] = pass;
        __builtin_prefetch(&tables->place[block->first[k]]);
    }
    for (uint32_t k = 0; k < block->n; k++) {
        uint32_t place = tables->place[block->first[k]];
        uint32_t c = cuts_find(&tables->classes, place);
        block->class[k] = c;
        block->member[k] = place;
        if (tables->fresh)
            block->member[k] += block->second[k] * class_size(plan->index, c) - start[c];
        member_prefetch(plan, place);
    }
    if (tables->fresh)
        members_permuted(plan, at->epoch_key, block);
}

static const double *ordered_shares(const struct plan *plan, uint64_t epoch, bool head)
{
    (void)head;
    const struct ordered_tables *tables = plan->tables;
    return tables->shares + epoch % tables->orders * plan->index->classes;
}

/* Exact: the order is known, and nobody is in it twice. */
static void ordered_coverage(const struct plan *plan, uint64_t epoch, uint64_t draws, double *out)
{
    const struct ordered_tables *tables = plan->tables;
    const uint32_t *place = tables->place + epoch % tables->orders * plan->draws;
    for (uint64_t t = 0; t < draws; t++)
        out[cuts_find(&tables->classes, place[t])]++;
    for (uint32_t c = 0; c < plan->index->classes; c++) {
        if (out[c] > 0)
            out[c] /= (double)class_size(plan->index, c);
    }
}

static const struct engine engine = {
    .name = "ordered",
    .resolve = ordered_resolve,
    .shares = ordered_shares,
    .coverage = ordered_coverage,
};

/* Samples between two looks at whether the plan is still wanted. */
#define CANCEL_BLOCK 65536u

/* Of a smaller one every arrival might be infinite, and all of them at once. */
#define LEAST_WEIGHT 1e-300

struct arrival {
    double time;
    uint32_t place;
};

/* By time; of equals, as they stood. Times are positive, so their bits are in the same order. */
static void sort_arrivals(const struct plan *plan, struct arrival *arrivals, struct arrival *spare,
                          uint64_t n)
{
    enum { BITS = 11, DIGIT = 1 << BITS };
    for (unsigned shift = 0; shift < 64 && !plan_cancelled(plan); shift += BITS) {
        uint64_t at[DIGIT] = {0}, sum = 0, bits;
        for (uint64_t i = 0; i < n; i++) {
            memcpy(&bits, &arrivals[i].time, sizeof(bits));
            at[bits >> shift & (DIGIT - 1)]++;
        }
        for (uint32_t d = 0; d < DIGIT; d++) {
            uint64_t count = at[d];
            at[d] = sum;
            sum += count;
        }
        for (uint64_t i = 0; i < n; i++) {
            memcpy(&bits, &arrivals[i].time, sizeof(bits));
            spare[at[bits >> shift & (DIGIT - 1)]++] = arrivals[i];
        }
        struct arrival *swap = arrivals;
        arrivals = spare;
        spare = swap;
    }
}

static double weight_of(const struct class_index *index, const struct ordered_spec *spec,
                        uint32_t c, uint64_t place)
{
    return spec->class_weights ? spec->class_weights[c]
                               : spec->sample_weights[index_sample(index, place)];
}

/* What it leaves is of no use once the plan is cancelled, and nobody looks at it then. */
static void make_order(const struct plan *plan, const struct ordered_spec *spec, uint32_t order,
                       struct arrival *arrivals, uint32_t *places, double *shares)
{
    const struct class_index *index = plan->index;
    uint64_t key = key_derive(plan->seed, KEY_REVISION, 0, plan->revision), n = 0;
    for (uint32_t c = 0; c < index->classes; c++) {
        for (uint64_t place = index->start[c]; place < index->start[c + 1]; place++) {
            double weight = weight_of(index, spec, c, place);
            if (place % CANCEL_BLOCK == 0 && plan_cancelled(plan))
                return;
            /* Between 0 and 1, never one of them: the logarithm is finite and not 0. */
            double u = ((double)(key_derive(key, KEY_ARRIVAL, place, order) >> 12) + 0.5) * 0x1p-52;
            if (weight > 0)
                arrivals[n++] = (struct arrival){-log(u) / weight, (uint32_t)place};
        }
    }
    sort_arrivals(plan, arrivals, arrivals + n,
                  n); /* an even number of passes: back where it was */
    if (plan_cancelled(plan))
        return;
    const struct ordered_tables *tables = plan->tables;
    for (uint64_t t = 0; t < spec->draws; t++) {
        places[t] = arrivals[t].place;
        shares[cuts_find(&tables->classes, places[t])] += 1.0 / (double)spec->draws;
    }
}

int ordered_engine(struct plan *plan, const struct ordered_spec *spec, struct sampler_error *err)
{
    const struct class_index *index = plan->index;
    if (index->labelled > UINT32_MAX)
        return plan_refuse(err, "replacement",
                           "drawing without replacement by weight is limited to "
                           "2^32 samples, the dataset has %llu",
                           (unsigned long long)index->labelled);
    uint64_t drawable = 0;
    for (uint32_t c = 0; c < index->classes; c++) {
        for (uint64_t place = index->start[c]; place < index->start[c + 1]; place++) {
            double weight = weight_of(index, spec, c, place);
            if (weight > 0 && weight < LEAST_WEIGHT)
                return plan_refuse(err, "replacement",
                                   "a weight is %g: drawing without replacement needs weights of 0 "
                                   "or at least %g, so make all of them larger, or less extreme",
                                   weight, LEAST_WEIGHT);
            drawable += weight > 0;
        }
    }
    uint64_t draws = spec->draws ? spec->draws : drawable;
    if (draws > drawable)
        return plan_refuse(err, "num_samples",
                           "%llu draws without replacement need as many samples "
                           "of weight above 0, there are %llu",
                           (unsigned long long)draws, (unsigned long long)drawable);
    struct ordered_spec full = *spec;
    full.draws = draws;
    struct ordered_tables *tables = plan_alloc(plan, 1, sizeof(*tables));
    uint32_t *places = plan_alloc(plan, draws * spec->orders, sizeof(*places));
    double *shares = plan_alloc(plan, (size_t)index->classes * spec->orders, sizeof(*shares));
    struct arrival *arrivals = plan_work_alloc(plan, 2 * drawable, sizeof(*arrivals));
    if (!tables || !places || !shares || !arrivals ||
        !cuts_init(&tables->classes, plan, index->start, index->classes)) {
        plan_work_free(plan, arrivals, 2 * drawable, sizeof(*arrivals));
        return PLAN_NO_MEMORY;
    }
    plan->engine = &engine;
    plan->tables = tables;
    plan->draws = draws;
    plan->columns &= ~(1u << PLAN_PROBABILITY); /* has no closed form */
    tables->orders = spec->orders;
    tables->place = places;
    tables->shares = shares;
    tables->fresh = spec->class_weights != NULL;
    for (uint32_t i = 0; i < spec->orders && !plan_cancelled(plan); i++)
        make_order(plan, &full, i, arrivals, places + i * draws,
                   shares + (size_t)i * index->classes);
    plan_work_free(plan, arrivals, 2 * drawable, sizeof(*arrivals));
    if (plan_cancelled(plan))
        return PLAN_CANCELLED;
    plan_hash(plan, places, draws * spec->orders * sizeof(*places));
    return PLAN_OK;
}
