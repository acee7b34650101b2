/* Doubles become whole numbers: shares, intervals, alias tables (tables.h). Called by the engines
 * when a plan is built. */
#define _DEFAULT_SOURCE /* madvise */
#include "sampler/tables.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "sampler/internal.h"

#define HUGE_PAGE (2u << 20)

void *table_alloc(size_t bytes)
{
    bool large = bytes >= 2 * HUGE_PAGE;
    size_t unit = large ? HUGE_PAGE : LANES_ALIGN;
    if (bytes > SIZE_MAX - unit)
        return NULL;
    void *memory = aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
    if (memory && large)
        madvise(memory, bytes, MADV_HUGEPAGE); /* fails where there are none, which is fine */
    return memory;
}

struct remainder {
    double rest;
    uint32_t item;
};

static int remainder_order(const void *a, const void *b)
{
    const struct remainder *x = a, *y = b;
    if (x->rest != y->rest)
        return x->rest > y->rest ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static double sum_of(const double *weights, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += weights[i];
    return sum;
}

bool tables_apportion(const double *weights, uint32_t n, uint64_t total, uint64_t *out)
{
    struct remainder *rest = malloc(n * sizeof(*rest));
    if (!rest)
        return false;
    double sum = sum_of(weights, n);
    uint64_t left = total;
    uint32_t items = 0;
    for (uint32_t i = 0; i < n; i++) {
        double share = (double)total * (weights[i] / sum);
        out[i] = (uint64_t)share;
        if (out[i] > left) /* rounding of doubles, at the very end */
            out[i] = left;
        left -= out[i];
        if (weights[i] > 0)
            rest[items++] = (struct remainder){share - (double)out[i], i};
    }
    qsort(rest, items, sizeof(*rest), remainder_order);
    for (uint32_t i = 0; left; i = i + 1 == items ? 0 : i + 1, left--)
        out[rest[i].item]++;
    free(rest);
    return true;
}

bool cuts_init(struct cuts *cuts, struct plan *plan, const uint64_t *cut, uint32_t classes)
{
    uint64_t total = cut[classes];
    unsigned shift = 0;
    uint64_t wanted = 8ull * classes < 1024 ? 1024 : 8ull * classes;
    while ((total >> shift) > wanted)
        shift++;
    uint64_t buckets = (total >> shift) + 2;
    uint32_t *guide = plan_alloc(plan, buckets, sizeof(*guide));
    if (!guide)
        return false;
    uint32_t c = 0;
    for (uint64_t g = 0; g < buckets; g++) {
        while (c + 1 < classes && cut[c + 1] <= g << shift)
            c++;
        guide[g] = c;
    }
    *cuts = (struct cuts){.classes = classes, .shift = shift, .cut = cut, .guide = guide};
    return true;
}

/* Vose's construction. mass[] sums to exactly `capacity` for each bucket there is. */
static void alias_fill(struct alias_bucket *bucket, uint64_t *mass, uint64_t buckets,
                       uint64_t capacity, uint64_t *stack)
{
    uint64_t small = 0, large = buckets; /* two stacks that grow towards each other */
    for (uint64_t i = 0; i < buckets; i++) {
        if (mass[i] < capacity)
            stack[small++] = i;
        else
            stack[--large] = i;
    }
    while (small && large < buckets) {
        uint64_t less = stack[--small], more = stack[large];
        bucket[less] = (struct alias_bucket){.threshold = mass[less], .other = more};
        mass[more] -= capacity - mass[less];
        if (mass[more] < capacity) {
            large++;
            stack[small++] = more;
        }
    }
    /* Since masses sum up exactly, what is left is exactly full. */
    while (large < buckets) {
        uint64_t full = stack[large++];
        bucket[full] = (struct alias_bucket){.threshold = capacity, .other = full};
    }
}

/* Masses in whole numbers that sum to 2^63, each within 2^-52 of its share. */
static void alias_masses(uint64_t *mass, const double *weights, uint64_t n)
{
    double sum = sum_of(weights, n);
    uint64_t left = 1ull << 63, largest = 0;
    for (uint64_t i = 0; i < n; i++) {
        mass[i] = (uint64_t)(0x1p63 * (weights[i] / sum));
        if (mass[i] > left)
            mass[i] = left;
        left -= mass[i];
        if (weights[i] > weights[largest])
            largest = i;
    }
    mass[largest] += left;
}

bool alias_init(struct alias *alias, struct plan *plan, const double *weights, uint64_t n)
{
    unsigned bits = n > 1 ? 64u - (unsigned)__builtin_clzll(n - 1) : 0;
    uint64_t buckets = 1ull << bits;
    struct alias_bucket *bucket = plan_alloc(plan, buckets, sizeof(*bucket));
    uint64_t *mass = plan_work_alloc(plan, buckets, sizeof(*mass));
    uint64_t *stack = plan_work_alloc(plan, buckets, sizeof(*stack));
    bool ok = bucket && mass && stack;
    if (ok) {
        alias_masses(mass, weights, n);
        for (uint64_t i = n; i < buckets; i++)
            mass[i] = 0;
        ok = !plan_cancelled(plan);
    }
    if (ok) {
        alias_fill(bucket, mass, buckets, 1ull << (63 - bits), stack);
        plan_hash(plan, bucket, buckets * sizeof(*bucket));
        *alias = (struct alias){.bits = bits, .bucket = bucket};
    }
    plan_work_free(plan, mass, buckets, sizeof(*mass));
    plan_work_free(plan, stack, buckets, sizeof(*stack));
    return ok;
}
