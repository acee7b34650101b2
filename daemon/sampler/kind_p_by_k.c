/* p-by-k: exactly P classes in a batch and K samples of each, for metric learning. */
#include "sampler/internal.h"
#include "sampler/kinds.h"

enum { P, K, NUM_SAMPLES };

static uint32_t classes_present(const struct class_index *index)
{
    uint32_t present = 0;
    for (uint32_t c = 0; c < index->classes; c++)
        present += class_size(index, c) > 0;
    return present;
}

/* P and K where one or both may be left to follow from the batch size. */
static int read_shape(const struct plan_input *in, uint64_t *p, uint64_t *k,
                      struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    uint32_t size = in->batch_size;
    if (strategy_whole(s, P, 1, UINT32_MAX, 0, p, err) != PLAN_OK ||
        strategy_whole(s, K, 1, UINT32_MAX, 0, k, err) != PLAN_OK)
        return PLAN_REFUSED;
    if (*p && !strategy_given(s, K))
        *k = size / *p;
    if (*p == 0)
        *p = size / *k;
    if (*p == 0 || *k == 0 || *p * *k != size)
        return plan_refuse(err, "p",
                           "p = %llu classes with k = %llu samples are not a batch of %u: "
                           "choose p times k equal to the batch size",
                           (unsigned long long)*p, (unsigned long long)*k, size);
    uint32_t present = classes_present(in->index);
    if (*p > present)
        return plan_refuse(err, "p",
                           "a batch of p = %llu classes needs as many with samples, there "
                           "are %u: take a smaller p or a larger k",
                           (unsigned long long)*p, present);
    return PLAN_OK;
}

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    uint64_t p, k, draws;
    if (read_shape(in, &p, &k, err) != PLAN_OK ||
        strategy_whole(in->strategy, NUM_SAMPLES, 1, PLAN_MAX_DRAWS, in->index->labelled, &draws,
                       err) != PLAN_OK)
        return PLAN_REFUSED;
    const struct cycle_spec spec = {
        .classes = (uint32_t)p, .samples = (uint32_t)k, .draws = draws, .whole_steps = true};
    return cycle_engine(plan, &spec);
}

const struct strategy_kind kind_p_by_k = {
    .name = "p-by-k",
    .meaning = "exactly p classes in every batch and k samples of each, for metric learning",
    .example = "{\"kind\": \"p-by-k\", \"p\": 8, \"k\": 4}",
    .params =
        {
            {"p", STRATEGY_NUMBER, "", "classes in a batch; the batch size divided by k"},
            {"k", STRATEGY_NUMBER, "4",
             "samples of each; the batch size divided by p where only p is given"},
            {"num_samples", STRATEGY_NUMBER, "",
             "draws in an epoch, full batches only; as many as labelled samples"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
};
