/* Plans from recorded strategies (plan.h). Called by whoever loads jobs or draws again. */
#include "replay/plan.h"

#include "codec/strategy.h"

int plan_error(int code, const struct sampler_error *refused, struct evd_error *err)
{
    if (code == PLAN_NO_MEMORY)
        return error_no_memory(err);
    if (code == PLAN_CANCELLED)
        return error_given_up(err);
    return error_set(err, code == PLAN_LIMIT ? EVD_E_LIMIT : EVD_E_STRATEGY, refused->detail, "%s",
                     refused->message);
}

int revision_build(const struct plan_base *base, const void *strategy, size_t strategy_bytes,
                   uint32_t number, struct plan **out, struct evd_error *err)
{
    struct sampler_error refused;
    struct strategy decoded;
    struct plan_input input = {
        .index = &base->dataset->index,
        .strategy = &decoded,
        .seed = base->seed,
        .revision = number,
        .batch_size = base->batch_size,
        .last_batch = base->last_batch,
        .budget = base->budget,
        .cancel = base->cancel,
    };
    int code;

    if (strategy_decode_bytes(strategy, strategy_bytes, base->dataset, &decoded, err) != EVD_OK)
        return err->code;
    input.weights = strategy_column(&decoded, base->dataset);
    code = plan_build(out, &input, &refused);
    strategy_fini(&decoded);
    return code == PLAN_OK ? EVD_OK : plan_error(code, &refused, err);
}

int revision_plan(const struct plan_base *base, const void *strategy, size_t strategy_bytes,
                  uint32_t number, uint64_t digest, struct plan **out, struct evd_error *err)
{
    if (revision_build(base, strategy, strategy_bytes, number, out, err) != EVD_OK)
        return err->code;
    if (plan_digest(*out) == digest)
        return EVD_OK;
    plan_unref(*out);
    *out = NULL;
    return error_set(err, EVD_E_STORE, "digest",
                     "revision %u would not draw what it drew before (the digest of its plan is "
                     "another, perhaps after a change of version): drop the job and create it anew",
                     number);
}
