/*
 * The history of a job: its revisions, the plans of those that are still needed, and what epochs
 * look like under them. Used by all that hands out steps or changes what they hold.
 */
#include <assert.h>
#include <stdlib.h>
#include "job/internal.h"

bool history_reserve(struct history *history)
{
    uint32_t capacity = history->capacity ? history->capacity * 2 : 4;
    struct history_item *items;

    if (history->count < history->capacity)
        return true;
    items = realloc(history->items, capacity * sizeof(*items));
    if (!items)
        return false;
    history->items = items;
    history->capacity = capacity;
    return true;
}

int history_place(const struct history_item *item, struct evd_error *err)
{
    struct sampler_error refused;
    int code = plan_place(item->plan, item->at.epoch, item->at.step, item->shape, &refused);

    if (code == PLAN_NO_MEMORY)
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for the strategy");
    if (code != PLAN_OK)
        return error_set(err, EVD_E_STRATEGY, refused.detail, "%s", refused.message);
    return EVD_OK;
}

void history_append(struct history *history, struct history_item item)
{
    assert(history->count < history->capacity);
    assert(history->count == 0 || history->items[history->count - 1].number < item.number);
    assert(history->count == 0 || !position_before(item.at, history->items[history->count - 1].at));
    history->items[history->count++] = item;
    history->certain = history->count;
}

void history_cut(struct history *history, uint32_t count)
{
    while (history->count > count)
        plan_unref(history->items[--history->count].plan);
}

uint32_t history_in_force(const struct history *history, struct job_position at)
{
    uint32_t low = 1, high = history->count; /* items[0] begins at 0, 0 */

    assert(history->count > 0);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (position_before(at, history->items[middle].at))
            high = middle;
        else
            low = middle + 1;
    }
    return low - 1;
}

uint32_t history_certain(const struct history *history, struct job_position at)
{
    uint32_t i = history_in_force(history, at);

    assert(history->certain > 0 && history->certain <= history->count);
    return i < history->certain ? i : history->certain - 1;
}

struct epoch_shape history_shape(const struct history *history, uint64_t epoch)
{
    struct job_position end = {epoch, UINT64_MAX};
    const struct history_item *last = &history->items[history_in_force(history, end)];

    /* A revision that begins within the epoch recorded its shape; otherwise the one in force was so
     * already when the epoch began, and says it. */
    if (last->at.epoch == epoch)
        return last->shape;
    return last->plan ? plan_epoch(last->plan, epoch) : (struct epoch_shape){0};
}

void history_release(struct history *history)
{
    while (history->held + 1 < history->count && history->items[history->held].users == 0) {
        assert(history->items[history->held].plan);
        plan_unref(history->items[history->held].plan);
        history->items[history->held++].plan = NULL;
    }
}

void history_disown(struct history *history)
{
    for (uint32_t i = 0; i < history->count; i++)
        history->items[i].plan = NULL;
}

void history_fini(struct history *history)
{
    history_cut(history, 0);
    free(history->items);
}
