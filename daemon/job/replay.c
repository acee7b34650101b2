/*
 * Walking a history step by step, and counting what it drew. Called for statistics, traces and
 * previews, in any thread, on a copy of the job's history.
 */
#include "job/replay.h"

#include <assert.h>
#include <stdlib.h>
#include "job/position.h"

/* The last revision that begins at or before a position, or UINT32_MAX. */
static uint32_t revision_in_force(const struct replay_history *history, struct job_position at)
{
    uint32_t low = 0, high = history->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (position_before(at, history->revisions[middle].at))
            high = middle;
        else
            low = middle + 1;
    }
    return low - 1;
}

/* A walk: the revision and epoch it is in. */
struct walk {
    const struct replay_history *history;
    uint32_t current;
    struct replay_step step;
};

static int walk_use(struct walk *walk, uint32_t i, struct evd_error *err)
{
    const struct replay_history *history = walk->history;

    assert(i < history->count);
    walk->current = i;
    walk->step.revision = history->revisions[i].revision;
    walk->step.plan = history->plan(history->plan_arg, i, err);
    return walk->step.plan ? EVD_OK : err->code;
}

/* The shape of the epoch the walk is in. A revision that began in this epoch recorded it; otherwise
 * the one in force began earlier and was in force when the epoch began. */
static struct epoch_shape walk_shape(const struct walk *walk)
{
    const struct replay_revision *revision = &walk->history->revisions[walk->current];

    if (revision->at.epoch == walk->step.at.epoch)
        return revision->shape;
    return plan_epoch(walk->step.plan, walk->step.at.epoch);
}

/* Takes the revision in force at the walk's position. Of several that begin at one step the last
 * counts, so the plans of the others are never asked for. */
static int walk_enter(struct walk *walk, struct evd_error *err)
{
    uint32_t i = revision_in_force(walk->history, walk->step.at);

    if (i == UINT32_MAX)
        return error_set(
            err, EVD_E_INTERNAL, "from", "the history does not reach back to epoch %llu step %llu",
            (unsigned long long)walk->step.at.epoch, (unsigned long long)walk->step.at.step);
    if (i == walk->current && walk->step.plan)
        return EVD_OK;
    return walk_use(walk, i, err);
}

int replay_steps(const struct replay_history *history, struct job_position from,
                 struct job_position to, replay_visit visit, void *arg, struct evd_error *err)
{
    struct walk walk = {.history = history, .step.at = from};
    struct job_position *at = &walk.step.at;

    while (position_before(*at, to)) {
        uint64_t end;
        int code = walk_enter(&walk, err);

        if (code)
            return code;
        walk.step.shape = walk_shape(&walk);
        if (walk.step.shape.steps == 0)
            return error_set(err, EVD_E_INTERNAL, "epoch", "epoch %llu has no steps",
                             (unsigned long long)at->epoch);
        end = walk.step.shape.steps;
        if (to.epoch == at->epoch && to.step < end)
            end = to.step;
        if (walk.current + 1 < history->count) {
            struct job_position next = history->revisions[walk.current + 1].at;

            if (next.epoch == at->epoch && next.step < end)
                end = next.step;
        }
        for (; at->step < end; at->step++) {
            if (history->cancel && atomic_load_explicit(history->cancel, memory_order_relaxed))
                return error_set(err, EVD_E_SHUTTING_DOWN, "", "the replay was given up");
            code = visit(arg, &walk.step, err);
            if (code)
                return code;
        }
        if (at->step >= walk.step.shape.steps)
            *at = (struct job_position){at->epoch + 1, 0};
    }
    return EVD_OK;
}

struct counting {
    uint32_t classes;
    uint64_t *served;
    struct replay_totals *totals;
    uint32_t *label;
    void *scratch;
    size_t scratch_size;
};

static bool count_scratch(struct counting *count, const struct plan *plan)
{
    size_t size = (plan_scratch_size(plan) + 63) & ~(size_t)63;

    if (size <= count->scratch_size)
        return true;
    free(count->scratch);
    count->scratch = aligned_alloc(64, size);
    count->scratch_size = count->scratch ? size : 0;
    return count->scratch != NULL;
}

static int count_step(void *arg, const struct replay_step *step, struct evd_error *err)
{
    struct counting *count = arg;
    struct plan_columns columns = {.label = count->label};
    struct plan_slice slice = {
        .epoch = step->at.epoch, .step = step->at.step, .shape = step->shape, .world = 1};
    uint32_t n;

    if (!count_scratch(count, step->plan))
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory to count what was served");
    n = plan_draw(step->plan, &slice, &columns, count->scratch);
    for (uint32_t i = 0; i < n; i++) {
        if (count->label[i] < count->classes)
            count->served[count->label[i]]++;
    }
    count->totals->steps++;
    count->totals->samples += n;
    return EVD_OK;
}

int replay_count(const struct replay_history *history, struct job_position from,
                 struct job_position to, uint32_t batch_size, uint32_t classes, uint64_t *served,
                 struct replay_totals *totals, struct evd_error *err)
{
    struct counting count = {.classes = classes, .served = served, .totals = totals};
    int code;

    count.label = malloc(batch_size * sizeof(*count.label));
    if (!count.label)
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory to count what was served");
    code = replay_steps(history, from, to, count_step, &count, err);
    free(count.scratch);
    free(count.label);
    return code;
}
