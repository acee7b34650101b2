/* Which samples --long-tail keeps. Called by load_classes.c to plan, by load_send.c for each
 * sample. */
#include "longtail.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <Random123/philox.h>

struct ranked {
    uint64_t count;
    uint32_t class;
};

static int by_count(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return (x->class > y->class) - (x->class < y->class);
}

static uint64_t kept(uint64_t largest, uint64_t count, double ratio, uint32_t c, uint32_t classes)
{
    double exponent = classes > 1 ? -(double)c / (double)(classes - 1) : 0;
    double target = round((double)largest * pow(ratio, exponent));

    if (target < 1)
        return 1;
    return target > (double)count ? count : (uint64_t)target;
}

struct longtail_class *longtail_plan(const uint64_t *counts, uint32_t classes, double ratio)
{
    struct ranked *order = calloc(classes + 1u, sizeof(*order));
    struct longtail_class *plan = calloc(classes + 1u, sizeof(*plan));
    uint32_t present = 0;

    if (!order || !plan) {
        free(order);
        free(plan);
        return NULL;
    }
    for (uint32_t c = 0; c < classes; c++) {
        if (counts[c] > 0)
            order[present++] = (struct ranked){counts[c], c};
    }
    qsort(order, present, sizeof(*order), by_count);
    for (uint32_t c = 0; c < present; c++) {
        plan[order[c].class].left = order[c].count;
        plan[order[c].class].need = kept(order[0].count, order[c].count, ratio, c, present);
    }
    free(order);
    return plan;
}

bool longtail_keep(struct longtail_class *class, uint64_t seed, uint64_t sample)
{
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t counter = {{(uint32_t)sample, (uint32_t)(sample >> 32), 0, 0}};
    philox4x32_ctr_t random = philox4x32(counter, key);
    uint64_t u = (uint64_t)random.v[1] << 32 | random.v[0];
    bool keep = (uint64_t)((unsigned __int128)u * class->left >> 64) < class->need;

    assert(class->need <= class->left && class->left > 0);
    class->left--;
    class->need -= keep;
    return keep;
}
