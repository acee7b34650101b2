/* Takes what is needed to draw a line again, and draws from it (line.h). Called by all that draws
 * again. */
#include "replay/line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "job/position.h"

/* The plan that the job core still has of a revision. */
static struct plan *held_plan(const struct job *job, uint32_t number)
{
    for (uint32_t i = job_revisions(job); i-- > 0;) {
        struct job_revision_info info = job_revision(job, i);

        if (info.revision == number)
            return info.plan;
        if (!info.plan)
            break;
    }
    return NULL;
}

static bool hold_plan(struct line_plan *plan, const struct job *job, const struct revision *record)
{
    struct plan *held = held_plan(job, record->number);

    plan->digest = record->digest;
    plan->generation = record->generation;
    plan->strategy_bytes = record->strategy_bytes;
    plan->forgotten = record->forgotten;
    if (record->forgotten)
        return true;
    if (held) {
        plan->plan = plan_ref(held);
        return true;
    }
    if (!plan_hold_same(record->held, &plan->held))
        return false;
    if (!record->strategy)
        return true;
    plan->strategy = malloc(record->strategy_bytes ? record->strategy_bytes : 1);
    if (!plan->strategy) {
        plan_release(&plan->held);
        return false;
    }
    memcpy(plan->strategy, record->strategy, record->strategy_bytes);
    return true;
}

int line_take(struct line *line, const struct plan_base *base, const struct records *records,
              const struct job *job, uint32_t generation, struct job_position from,
              struct evd_error *err)
{
    uint32_t count;
    const struct revision **revisions = records_line(records, generation, &count);

    *line = (struct line){.base = *base, .last = -1};
    line->revisions = calloc(count + 1, sizeof(line->revisions[0]));
    line->plans = calloc(count + 1, sizeof(line->plans[0]));
    if (!revisions || !line->revisions || !line->plans)
        goto err_no_memory;
    for (uint32_t i = 0; i < count; i++) {
        const struct revision *revision = revisions[i];
        bool over = i + 1 < count && !position_before(from, revisions[i + 1]->at);

        line->revisions[i] =
            (struct replay_revision){revision->number, revision->at, revision->shape};
        if (!over && !hold_plan(&line->plans[i], job, revision))
            goto err_no_memory;
        if (revision->forgotten) /* as records_since */
            line->since =
                i + 1 < count ? revisions[i + 1]->at : (struct job_position){UINT64_MAX, 0};
        line->count++;
    }
    free(revisions);
    return EVD_OK;

err_no_memory:
    free(revisions);
    line_fini(line);
    return error_no_memory(err);
}

void line_fini(struct line *line)
{
    for (uint32_t i = 0; line->plans && i < line->count; i++) {
        plan_unref(line->plans[i].plan);
        free(line->plans[i].strategy);
        plan_release(&line->plans[i].held);
    }
    free(line->revisions);
    free(line->plans);
    *line = (struct line){0};
}

/* What a sample costs to draw; and to build a plan from what is recorded, a class and a sample,
 * which few plans have tables of, but who can tell before it is read? */
#define COST_OF_DRAW   4
#define COST_OF_CLASS  16
#define COST_OF_MEMBER 1
/* A number in a row of neighbours, and whether a sample is in a part. */
#define COST_OF_NEIGHBOUR 6
#define COST_OF_PART      3

/* What of the attachments that its strategy names is read to build a plan. */
static double cost_of_held(const struct plan_held *held)
{
    double cost = 0;

    for (; held; held = held->next) {
        const struct attachment *attachment = held->attachment;
        uint32_t of_sample = attachment->form.kind == ATTACHMENT_NEIGHBOURS
                                 ? attachment->form.width * COST_OF_NEIGHBOUR
                                 : COST_OF_PART;

        cost += (double)attachment->samples * of_sample;
    }
    return cost;
}

/* Steps from one position to a later one, with epochs of so many. */
static double steps_between(struct job_position from, struct job_position to, uint64_t steps)
{
    if (!position_before(from, to))
        return 0;
    return (double)(to.epoch - from.epoch) * (double)steps + (double)to.step - (double)from.step;
}

uint64_t line_cost(const struct line *line, struct job_position from, struct job_position to)
{
    const struct class_index *index = &line->base.dataset->index;
    double cost = 0;

    for (uint32_t i = 0; i < line->count; i++) {
        const struct replay_revision *revision = &line->revisions[i];
        struct job_position begin = position_before(from, revision->at) ? revision->at : from;
        struct job_position end = to;

        if (i + 1 < line->count && position_before(line->revisions[i + 1].at, to))
            end = line->revisions[i + 1].at;
        cost +=
            steps_between(begin, end, revision->shape.steps) * line->base.batch_size * COST_OF_DRAW;
        if (!line->plans[i].plan && !line->plans[i].forgotten && line->plans[i].strategy_bytes > 0)
            cost += (double)index->classes * COST_OF_CLASS +
                    (double)index->labelled * COST_OF_MEMBER + cost_of_held(line->plans[i].held);
    }
    return cost < 1e18 ? (uint64_t)cost : UINT64_C(1000000000000000000);
}

uint32_t line_in_force(const struct line *line, struct job_position at)
{
    uint32_t i = line->count - 1;

    while (i > 0 && position_before(at, line->revisions[i].at))
        i--;
    return i;
}

static int error_forgotten(const struct line *line, uint32_t revision, struct evd_error *err)
{
    if (line->since.epoch > JOB_MAX_EPOCH)
        return error_set(err, EVD_E_NOT_FOUND, "epoch",
                         "revision %" PRIu32 " is forgotten, by \"retain_epochs\": nothing of this "
                         "generation can be drawn again",
                         revision);
    return error_set(err, EVD_E_NOT_FOUND, "epoch",
                     "revision %" PRIu32 " is forgotten, by \"retain_epochs\": what can be drawn "
                     "again begins with epoch %" PRIu64 " step %" PRIu64,
                     revision, line->since.epoch, line->since.step);
}

int line_strategy(struct line *line, uint32_t i, struct evd_error *err)
{
    struct line_plan *plan = &line->plans[i];

    if (plan->forgotten)
        return error_forgotten(line, line->revisions[i].revision, err);
    if (plan->strategy || plan->strategy_bytes == 0)
        return EVD_OK;
    return line->base.recorded.read(line->base.recorded.arg, plan->generation,
                                    line->revisions[i].revision, &plan->strategy,
                                    &plan->strategy_bytes, err);
}

/* Of a line that sweeps, one plan and one large strategy are in memory at a time. */
static void sweep(struct line *line)
{
    struct line_plan *plan = line->last >= 0 ? &line->plans[line->last] : NULL;

    if (!line->sweeps || !plan)
        return;
    plan_unref(plan->plan);
    plan->plan = NULL;
    if (plan->strategy_bytes > STRATEGY_STAYS) {
        free(plan->strategy);
        plan->strategy = NULL;
    }
}

const struct plan *line_plan(void *arg, uint32_t i, struct evd_error *err)
{
    struct line *line = arg;
    struct line_plan *plan = &line->plans[i];
    const struct replay_revision *revision = &line->revisions[i];
    struct plan_base base = line->base;
    struct sampler_error refused;
    int code;

    if (plan->plan)
        return plan->plan;
    base.held = plan->held;
    sweep(line);
    line->last = -1;
    if (line_strategy(line, i, err) != EVD_OK ||
        revision_plan(&base, plan->strategy, plan->strategy_bytes, revision->revision, plan->digest,
                      &plan->plan, err) != EVD_OK)
        return NULL;
    line->last = i;
    code = plan_place(plan->plan, revision->at.epoch, revision->at.step, revision->shape, &refused);
    if (code == PLAN_OK)
        return plan->plan;
    plan_unref(plan->plan);
    plan->plan = NULL;
    plan_error(code, &refused, err);
    return NULL;
}

struct replay_history line_history(struct line *line)
{
    return (struct replay_history){
        .revisions = line->revisions,
        .count = line->count,
        .plan = line_plan,
        .plan_arg = line,
        .cancel = line->base.cancel,
    };
}

int line_step(struct line *line, struct job_position at, struct replay_step *out,
              struct evd_error *err)
{
    uint32_t i = line_in_force(line, at);
    const struct replay_revision *revision = &line->revisions[i];

    *out = (struct replay_step){.at = at, .revision = revision->revision};
    out->plan = line_plan(line, i, err);
    if (!out->plan)
        return err->code;
    /* A revision that began within the epoch recorded its shape; an earlier one decided it. */
    out->shape = revision->at.epoch == at.epoch ? revision->shape : plan_epoch(out->plan, at.epoch);
    if (at.step < out->shape.steps)
        return EVD_OK;
    return error_set(err, EVD_E_BAD_VALUE, "step",
                     "epoch %" PRIu64 " has %" PRIu64 " steps: there is no step %" PRIu64, at.epoch,
                     out->shape.steps, at.step);
}
