/* What datasets, drafts, plans and reports take together, and the limit there may be. */
#include "rpc/core.h"

static uint64_t data_memory(const struct rpc *rpc)
{
    uint64_t bytes = drafts_memory(rpc) + rpc->reported;

    for (uint32_t i = 0; i < rpc->dataset_count; i++)
        bytes += dataset_memory(rpc->datasets[i].dataset);
    return bytes;
}

uint64_t memory_used(const struct rpc *rpc)
{
    return data_memory(rpc) + atomic_load(&rpc->budget.used);
}

void memory_settle(struct rpc *rpc)
{
    uint64_t data = data_memory(rpc), limit = rpc->host.limits.memory;

    atomic_store(&rpc->budget.limit, limit == 0 ? UINT64_MAX : limit > data ? limit - data : 0);
}

int memory_room(struct rpc *rpc, uint64_t more, const char *what, struct evd_error *err)
{
    uint64_t used = memory_used(rpc), limit = rpc->host.limits.memory;

    if (limit == 0 || (more <= limit && used <= limit - more))
        return EVD_OK;
    return error_set(err, EVD_E_LIMIT, "memory",
                     "%s needs %.1f MB more, and datasets and jobs take %.1f of the %.1f MB they "
                     "may have: drop some, or start evendrawd with a larger --memory-limit",
                     what, (double)more / 1e6, (double)used / 1e6, (double)limit / 1e6);
}
