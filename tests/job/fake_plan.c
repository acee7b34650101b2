#include "fake_plan.h"

#include <stdio.h>
#include <stdlib.h>

struct plan {
    struct fake_plan what;
    unsigned references;
    bool placed;
    uint64_t epoch, step;
};

static unsigned live;

struct plan *fake_plan_new(struct fake_plan what)
{
    struct plan *plan = calloc(1, sizeof(*plan));

    if (!plan)
        return NULL;
    plan->what = what;
    plan->references = 1;
    live++;
    return plan;
}

unsigned fake_plans(void)
{
    return live;
}

uint64_t fake_plan_epoch(const struct plan *plan)
{
    return plan->epoch;
}

uint64_t fake_plan_step(const struct plan *plan)
{
    return plan->step;
}

uint32_t fake_plan_revision(const struct plan *plan)
{
    return plan->what.revision;
}

struct plan *plan_ref(struct plan *plan)
{
    plan->references++;
    return plan;
}

void plan_unref(struct plan *plan)
{
    if (!plan || --plan->references)
        return;
    live--;
    free(plan);
}

struct epoch_shape plan_epoch(const struct plan *plan, uint64_t epoch)
{
    (void)epoch;
    return (struct epoch_shape){.steps = plan->what.steps, .last_size = plan->what.last};
}

int plan_place(struct plan *plan, uint64_t epoch, uint64_t step, struct epoch_shape shape,
               struct sampler_error *err)
{
    if (plan->placed || step >= shape.steps)
        abort(); /* the contract: once, and within the epoch */
    if (plan->what.place != PLAN_OK) {
        snprintf(err->message, sizeof(err->message),
                 "the strategy cannot fill the remaining steps");
        snprintf(err->detail, sizeof(err->detail), "strategy");
        return plan->what.place;
    }
    plan->placed = true;
    plan->epoch = epoch;
    plan->step = step;
    return PLAN_OK;
}

size_t plan_scratch_size(const struct plan *plan)
{
    (void)plan;
    return 1;
}

uint32_t plan_slice_size(const struct plan *plan, const struct plan_slice *slice)
{
    uint32_t n = slice->step + 1 == slice->shape.steps ? plan->what.last : plan->what.batch;

    return n / slice->world;
}

uint32_t plan_draw(const struct plan *plan, const struct plan_slice *slice,
                   const struct plan_columns *columns, void *scratch)
{
    uint32_t n = slice->step + 1 == slice->shape.steps ? slice->shape.last_size : plan->what.batch;

    (void)scratch;
    if (!plan->placed || slice->epoch < plan->epoch ||
        (slice->epoch == plan->epoch && slice->step < plan->step))
        abort(); /* the contract: at or after the plan's start */
    for (uint32_t i = 0; i < n; i++)
        columns->label[i] = plan->what.revision;
    return n;
}
