/* Which heavy work gets a thread next (works.h). Called by task.c. */
#include "server/works.h"

#include <assert.h>
#include <stddef.h>
#include "server/services.h"

void works_init(struct works *works)
{
    *works = (struct works){0};
    TAILQ_INIT(&works->waiting[WORKS_SHORT]);
    TAILQ_INIT(&works->waiting[WORKS_LONG]);
}

static double estimate(const struct works_item *item)
{
    return (double)item->cost / (double)WORKS_PER_MS;
}

void works_add(struct works *works, struct works_item *item)
{
    if (item->account->had < works->clock)
        item->account->had = works->clock;
    item->lane = item->cost <= WORKS_SHORT_COST ? WORKS_SHORT : WORKS_LONG;
    TAILQ_INSERT_TAIL(&works->waiting[item->lane], item, link);
    works->waiting_count++;
}

void works_remove(struct works *works, struct works_item *item)
{
    assert(works->waiting_count > 0);
    TAILQ_REMOVE(&works->waiting[item->lane], item, link);
    works->waiting_count--;
}

/* The first one of the account that has had the least; NULL: none waits. No connection has more
 * than two, so this looks at a few thousand at most, once for each that was at work. */
static struct works_item *least_served(const struct works *works, enum works_lane lane)
{
    struct works_item *item, *least = NULL;

    TAILQ_FOREACH(item, &works->waiting[lane], link) {
        if (!least || item->account->had < least->account->had)
            least = item;
    }
    return least;
}

static struct works_item *choose(const struct works *works)
{
    const uint32_t *working = works->working;
    struct works_item *item = NULL;

    if (working[WORKS_SHORT] + working[WORKS_LONG] >= WORKS_THREADS)
        return NULL;
    if (working[WORKS_LONG] == 0)
        item = least_served(works, WORKS_LONG);
    if (!item && working[WORKS_SHORT] < WORKS_THREADS - 1)
        item = least_served(works, WORKS_SHORT);
    if (!item && working[WORKS_LONG] < WORKS_LONG_THREADS)
        item = least_served(works, WORKS_LONG);
    return item;
}

struct works_item *works_next(struct works *works)
{
    struct works_item *item = choose(works);

    if (!item)
        return NULL;
    works_remove(works, item);
    works->working[item->lane]++;
    if (works->clock < item->account->had)
        works->clock = item->account->had;
    item->account->had += estimate(item);
    return item;
}

void works_done(struct works *works, const struct works_item *item, double milliseconds)
{
    assert(works->working[item->lane] > 0);
    works->working[item->lane]--;
    if (item->account)
        item->account->had += milliseconds - estimate(item);
}
