/*
 * In front of plan_draw in the bench build of the daemon (linked with --wrap=plan_draw): says how
 * many samples there are, and draws none. What remains is the cost of delivery. The sizes come from
 * real draws, one for each plan and one for each epoch's last step, which may be short.
 */
#include "sampler/plan.h"

uint32_t __real_plan_draw(const struct plan *plan, const struct plan_slice *slice,
                          const struct plan_columns *columns, void *scratch);
uint32_t __wrap_plan_draw(const struct plan *plan, const struct plan_slice *slice,
                          const struct plan_columns *columns, void *scratch);

uint32_t __wrap_plan_draw(const struct plan *plan, const struct plan_slice *slice,
                          const struct plan_columns *columns, void *scratch)
{
    static const struct plan *known;
    static uint32_t size;

    if (slice->step + 1 == slice->shape.steps)
        return __real_plan_draw(plan, slice, columns, scratch);
    if (plan != known) {
        size = __real_plan_draw(plan, slice, columns, scratch);
        known = plan;
    }
    return size;
}
