/* Counting what was served, and what was asked for, by drawing it again. Called by stats.c, on a
 * pool thread. */
#include "rpc/stats.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool class_counts_init(struct class_counts *counts, uint32_t classes)
{
    *counts = (struct class_counts){.classes = classes};
    counts->served = calloc(classes, sizeof(counts->served[0]));
    counts->asked = calloc(classes, sizeof(counts->asked[0]));
    return counts->served && counts->asked;
}

void class_counts_fini(struct class_counts *counts)
{
    free(counts->served);
    free(counts->asked);
}

void class_counts_clear(struct class_counts *counts)
{
    memset(counts->served, 0, counts->classes * sizeof(counts->served[0]));
    memset(counts->asked, 0, counts->classes * sizeof(counts->asked[0]));
    counts->totals = (struct replay_totals){0};
}

static void class_counts_copy(struct class_counts *to, const struct class_counts *from)
{
    assert(to->classes == from->classes);
    memcpy(to->served, from->served, from->classes * sizeof(to->served[0]));
    memcpy(to->asked, from->asked, from->classes * sizeof(to->asked[0]));
    to->totals = from->totals;
}

/* Adds what a plan asks for, of so many samples that it gave in an epoch. */
static void add_asked(struct stats_count *count, const struct plan *plan, uint64_t epoch,
                      uint64_t samples, struct class_counts *counts)
{
    plan_expected(plan, epoch, count->shares);
    for (uint32_t c = 0; c < counts->classes; c++)
        counts->asked[c] += count->shares[c] * (double)samples;
}

/* Within one epoch: piece by piece, as revisions took turns. */
static int count_range(struct stats_count *count, struct job_position from, struct job_position to,
                       struct class_counts *counts, struct evd_error *err)
{
    struct line *line = &count->line;
    const struct replay_history history = line_history(line);

    for (uint32_t i = 0; i < line->count && rpc_before(from, to); i++) {
        bool last = i + 1 == line->count;
        struct job_position end = last ? to : line->revisions[i + 1].at;
        struct replay_totals part = {0};

        if (!rpc_before(from, end))
            continue;
        if (rpc_before(to, end))
            end = to;
        if (replay_count(&history, from, end, line->base.batch_size, counts->classes,
                         counts->served, &part, err) != EVD_OK)
            return err->code;
        if (part.samples > 0)
            add_asked(count, line->plans[i].plan, from.epoch, part.samples, counts);
        counts->totals.steps += part.steps;
        counts->totals.samples += part.samples;
        from = end;
    }
    return EVD_OK;
}

static struct job_position epoch_end(uint64_t epoch, struct job_position to)
{
    struct job_position end = {epoch + 1, 0};

    return rpc_before(end, to) ? end : to;
}

/* Adds to the totals of an epoch, the newest or a new one. */
static void note_epoch(struct stats_cache *cache, uint64_t epoch, uint64_t steps, uint64_t samples)
{
    struct epoch_totals *last;

    if (steps == 0)
        return;
    if (cache->epoch_count == 0 || cache->epochs[cache->epoch_count - 1].epoch != epoch) {
        if (cache->epoch_count == EPOCHS_SHOWN) {
            memmove(cache->epochs, cache->epochs + 1, (EPOCHS_SHOWN - 1) * sizeof(*cache->epochs));
            cache->epoch_count--;
        }
        cache->epochs[cache->epoch_count++] = (struct epoch_totals){.epoch = epoch};
    }
    last = &cache->epochs[cache->epoch_count - 1];
    last->totals.steps += steps;
    last->totals.samples += samples;
}

/* Brings the cache up to count->to, epoch by epoch. */
static int cache_advance(struct stats_count *count, struct evd_error *err)
{
    struct stats_cache *cache = count->cache;

    while (rpc_before(cache->upto, count->to)) {
        struct job_position end = epoch_end(cache->upto.epoch, count->to);
        struct replay_totals before = cache->counts.totals;

        if (count_range(count, cache->upto, end, &cache->counts, err) != EVD_OK)
            return err->code;
        note_epoch(cache, cache->upto.epoch, cache->counts.totals.steps - before.steps,
                   cache->counts.totals.samples - before.samples);
        cache->upto = end;
    }
    return EVD_OK;
}

/* ---- ranks that are ahead of the last one ---- */

struct ahead {
    struct stats_count *count;
    uint32_t rank;
    uint32_t *label;
};

static int count_slice(void *arg, const struct replay_step *step, struct evd_error *err)
{
    struct ahead *ahead = arg;
    struct stats_count *count = ahead->count;
    const struct plan_columns columns = {.label = ahead->label};
    const struct plan_slice slice = {
        .epoch = step->at.epoch,
        .step = step->at.step,
        .shape = step->shape,
        .rank = ahead->rank,
        .world = count->world,
    };
    void *scratch;
    uint32_t n;

    if (count->has_epoch && count->epoch != step->at.epoch)
        return EVD_OK;
    scratch = aligned_alloc(64, (plan_scratch_size(step->plan) + 63) / 64 * 64);
    if (!scratch)
        return rpc_no_memory(err);
    n = plan_draw(step->plan, &slice, &columns, scratch);
    free(scratch);
    for (uint32_t i = 0; i < n; i++)
        count->counts.served[ahead->label[i]]++;
    add_asked(count, step->plan, step->at.epoch, n, &count->counts);
    count->counts.totals.samples += n;
    return EVD_OK;
}

static int count_ahead(struct stats_count *count, struct evd_error *err)
{
    const struct replay_history history = line_history(&count->line);
    struct ahead ahead = {.count = count};
    int code = EVD_OK;

    ahead.label = malloc(count->line.base.batch_size * sizeof(ahead.label[0]));
    if (!ahead.label)
        return rpc_no_memory(err);
    for (; code == EVD_OK && ahead.rank < count->world; ahead.rank++)
        code =
            replay_steps(&history, count->to, count->ranks[ahead.rank], count_slice, &ahead, err);
    free(ahead.label);
    return code;
}

int stats_count(struct stats_count *count, struct evd_error *err)
{
    struct job_position from = {count->epoch, 0};

    if (cache_advance(count, err) != EVD_OK)
        return err->code;
    if (!count->has_epoch)
        class_counts_copy(&count->counts, &count->cache->counts);
    else if (rpc_before(from, count->to) &&
             count_range(count, from, epoch_end(count->epoch, count->to), &count->counts, err) !=
                 EVD_OK)
        return err->code;
    return count->world > 0 ? count_ahead(count, err) : EVD_OK;
}
