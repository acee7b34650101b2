/* Counting what was served, and what was asked for, by drawing it again. Called by stats.c, on a
 * pool thread. */
#include "replay/counts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "job/position.h"
#include "replay/drawing.h"

static bool class_counts_init(struct class_counts *counts, uint32_t classes)
{
    *counts = (struct class_counts){.classes = classes};
    counts->served = calloc(classes, sizeof(counts->served[0]));
    counts->asked = calloc(classes, sizeof(counts->asked[0]));
    counts->piece.shares = calloc(classes, sizeof(counts->piece.shares[0]));
    return counts->served && counts->asked && counts->piece.shares;
}

static void class_counts_fini(struct class_counts *counts)
{
    free(counts->served);
    free(counts->asked);
    free(counts->piece.shares);
}

static void class_counts_clear(struct class_counts *counts)
{
    memset(counts->served, 0, counts->classes * sizeof(counts->served[0]));
    memset(counts->asked, 0, counts->classes * sizeof(counts->asked[0]));
    counts->piece.samples = 0;
    counts->totals = (struct replay_totals){0};
}

static void class_counts_copy(struct class_counts *to, const struct class_counts *from)
{
    assert(to->classes == from->classes);
    memcpy(to->served, from->served, from->classes * sizeof(to->served[0]));
    memcpy(to->asked, from->asked, from->classes * sizeof(to->asked[0]));
    memcpy(to->piece.shares, from->piece.shares, from->classes * sizeof(to->piece.shares[0]));
    to->piece.digest = from->piece.digest;
    to->piece.epoch = from->piece.epoch;
    to->piece.samples = from->piece.samples;
    to->totals = from->totals;
}

static void end_piece(struct class_counts *counts)
{
    if (counts->piece.samples == 0)
        return;
    for (uint32_t c = 0; c < counts->classes; c++)
        counts->asked[c] += counts->piece.shares[c] * (double)counts->piece.samples;
    counts->piece.samples = 0;
}

/* Adds what a plan asks for, of so many samples that it gave in an epoch. */
static void add_asked(struct class_counts *counts, const struct plan *plan, uint64_t epoch,
                      uint64_t samples)
{
    uint64_t digest = plan_digest(plan);

    if (counts->piece.samples == 0 || counts->piece.digest != digest ||
        counts->piece.epoch != epoch) {
        end_piece(counts);
        plan_expected(plan, epoch, counts->piece.shares);
        counts->piece.digest = digest;
        counts->piece.epoch = epoch;
    }
    counts->piece.samples += samples;
}

/* Within one epoch: piece by piece, as revisions took turns. */
static int count_range(struct count *count, struct job_position from, struct job_position to,
                       struct class_counts *counts, struct evd_error *err)
{
    struct line *line = &count->line;
    const struct replay_history history = line_history(line);

    for (uint32_t i = 0; i < line->count && position_before(from, to); i++) {
        bool last = i + 1 == line->count;
        struct job_position end = last ? to : line->revisions[i + 1].at;
        struct replay_totals part = {0};

        if (!position_before(from, end))
            continue;
        if (position_before(to, end))
            end = to;
        if (replay_count(&history, from, end, line->base.batch_size, counts->classes,
                         counts->served, &part, err) != EVD_OK)
            return err->code;
        if (part.samples > 0)
            add_asked(counts, line->plans[i].plan, from.epoch, part.samples);
        counts->totals.steps += part.steps;
        counts->totals.samples += part.samples;
        from = end;
    }
    return EVD_OK;
}

static struct job_position epoch_end(uint64_t epoch, struct job_position to)
{
    struct job_position end = {epoch + 1, 0};

    return position_before(end, to) ? end : to;
}

/* Adds to the totals of an epoch, the newest or a new one. */
static void note_epoch(struct counts_cache *cache, uint64_t epoch, uint64_t steps, uint64_t samples)
{
    struct epoch_totals *last;

    if (steps == 0)
        return;
    if (cache->epoch_count == 0 || cache->epochs[cache->epoch_count - 1].epoch != epoch) {
        if (cache->epoch_count == COUNTS_EPOCHS) {
            memmove(cache->epochs, cache->epochs + 1, (COUNTS_EPOCHS - 1) * sizeof(*cache->epochs));
            cache->epoch_count--;
        }
        cache->epochs[cache->epoch_count++] = (struct epoch_totals){.epoch = epoch};
    }
    last = &cache->epochs[cache->epoch_count - 1];
    last->totals.steps += steps;
    last->totals.samples += samples;
}

/* What going on to another epoch costs, in samples. */
#define COST_OF_EPOCH 256

/* The end of the epoch, or of so many samples. */
static struct job_position piece_end(const struct count *count, uint64_t samples)
{
    struct job_position from = count->cache->upto, whole = epoch_end(from.epoch, count->to);
    struct job_position end = {from.epoch, from.step + 1 + samples / count->line.base.batch_size};

    return position_before(end, whole) ? end : whole;
}

/* Brings the cache up to count->to, epoch by epoch, or a stretch nearer to it. */
static int cache_advance(struct count *count, struct evd_error *err)
{
    struct counts_cache *cache = count->cache;
    uint64_t left = LINE_STRETCH;

    while (position_before(cache->upto, count->to) && left > 0) {
        struct job_position end = piece_end(count, left);
        struct replay_totals before = cache->counts.totals;
        uint64_t cost;

        if (count_range(count, cache->upto, end, &cache->counts, err) != EVD_OK)
            return err->code;
        note_epoch(cache, cache->upto.epoch, cache->counts.totals.steps - before.steps,
                   cache->counts.totals.samples - before.samples);
        /* Fewer steps than that: there are no more in the epoch. */
        if (end.epoch == cache->upto.epoch &&
            cache->counts.totals.steps - before.steps < end.step - cache->upto.step)
            end = epoch_end(end.epoch, count->to);
        cache->upto = end;
        cost = cache->counts.totals.samples - before.samples + COST_OF_EPOCH;
        left -= cost < left ? cost : left;
    }
    count->unfinished = position_before(cache->upto, count->to);
    return EVD_OK;
}

/* ---- slices that are ahead of the last one ---- */

struct ahead {
    struct count *count;
    uint32_t slice;
    struct drawing drawing;
};

static int count_slice(void *arg, const struct replay_step *step, struct evd_error *err)
{
    struct ahead *ahead = arg;
    struct count *count = ahead->count;
    const uint32_t *label = ahead->drawing.columns[COLUMN_label];
    uint32_t n;

    if (count->has_epoch && count->epoch != step->at.epoch)
        return EVD_OK;
    if (drawing_step(&ahead->drawing, step, ahead->slice, count->slice_count, &n, err) != EVD_OK)
        return err->code;
    for (uint32_t i = 0; i < n; i++)
        count->counts.served[label[i]]++;
    add_asked(&count->counts, step->plan, step->at.epoch, n);
    count->counts.totals.samples += n;
    return EVD_OK;
}

static int count_ahead(struct count *count, struct evd_error *err)
{
    const struct replay_history history = line_history(&count->line);
    struct ahead ahead = {.count = count};
    int code = EVD_OK;

    if (!drawing_init(&ahead.drawing, 1u << COLUMN_label, count->line.base.batch_size))
        code = error_no_memory(err);
    for (; code == EVD_OK && ahead.slice < count->slice_count; ahead.slice++)
        code =
            replay_steps(&history, count->to, count->slices[ahead.slice], count_slice, &ahead, err);
    drawing_fini(&ahead.drawing);
    return code;
}

static int count_all(struct count *count, struct evd_error *err)
{
    struct job_position from = {count->epoch, 0};

    count->line.sweeps = true; /* one revision after the other */
    if (cache_advance(count, err) != EVD_OK || count->unfinished)
        return err->code;
    if (!count->has_epoch)
        class_counts_copy(&count->counts, &count->cache->counts);
    else if (position_before(from, count->to) &&
             count_range(count, from, epoch_end(count->epoch, count->to), &count->counts, err) !=
                 EVD_OK)
        return err->code;
    count->line.sweeps = false; /* slices go through the same few again and again */
    if (count->slice_count > 0 && count_ahead(count, err) != EVD_OK)
        return err->code;
    end_piece(&count->counts);
    return EVD_OK;
}

static void cache_clear(struct counts_cache *cache)
{
    cache->upto = cache->since;
    cache->epoch_count = 0;
    class_counts_clear(&cache->counts);
}

int count_run(struct count *count, struct evd_error *err)
{
    if (count_all(count, err) == EVD_OK)
        return EVD_OK;
    cache_clear(count->cache); /* it may have counted half a range: the next count begins anew */
    return err->code;
}

/* ---- on the loop thread ---- */

struct counts_cache *counts_cache_new(uint32_t classes)
{
    struct counts_cache *cache = calloc(1, sizeof(*cache));

    if (cache && class_counts_init(&cache->counts, classes))
        return cache;
    counts_cache_free(cache);
    return NULL;
}

uint64_t counts_cache_memory(uint32_t classes)
{
    const struct class_counts *counts = NULL;

    return sizeof(struct counts_cache) +
           (uint64_t)classes * (sizeof(counts->served[0]) + sizeof(counts->asked[0]));
}

void counts_cache_free(struct counts_cache *cache)
{
    if (!cache)
        return;
    class_counts_fini(&cache->counts);
    free(cache);
}

/* How far each slice of the batches is: as far as the first of the ranks that share it. */
static int find_positions(struct count *count, const struct job *job, const struct job_state *state,
                          struct evd_error *err)
{
    uint32_t replicas = state->config.replicas, world = state->config.world_size;

    count->to = state->next;
    if (state->config.mode != JOB_RANKED || world == 0)
        return EVD_OK;
    count->slice_count = world / replicas;
    count->slices = calloc(count->slice_count, sizeof(count->slices[0]));
    if (!count->slices)
        return error_no_memory(err);
    for (uint32_t rank = 0; rank < world; rank++) {
        struct job_position *slice = &count->slices[rank / replicas], next = job_next(job, rank);

        if (position_before(*slice, next))
            *slice = next;
    }
    for (uint32_t i = 0; i < count->slice_count; i++) {
        if (position_before(count->slices[i], count->to))
            count->to = count->slices[i];
    }
    return EVD_OK;
}

int count_take(struct count *count, const struct plan_base *base, const struct records *records,
               const struct job *job, struct evd_error *err)
{
    uint32_t classes = base->dataset->index.classes;
    struct job_position from, epoch = {count->epoch, 0}, since;
    struct counts_cache *cache = count->cache;
    struct job_state state;

    job_state(job, &state);
    since = records_since(records, state.generation);
    if (!class_counts_init(&count->counts, classes))
        return error_no_memory(err);
    if (find_positions(count, job, &state, err) != EVD_OK)
        return err->code;
    /* A seek, or another number of ranks, may have put the job back to before what was counted. */
    if (cache->generation != state.generation || position_before(count->to, cache->upto) ||
        !position_equal(cache->since, since)) {
        cache->since = since;
        cache_clear(cache);
    }
    cache->generation = state.generation;
    from = count->has_epoch && position_before(epoch, cache->upto) ? epoch : cache->upto;
    return line_take(&count->line, base, records, job, state.generation, from, err);
}

uint64_t count_cost(const struct count *count)
{
    struct job_position begin = {count->epoch, 0};
    uint64_t cost = line_cost(&count->line, count->cache->upto, count->to);

    /* An epoch that was counted with others is counted again by itself. */
    if (count->has_epoch && position_before(begin, count->cache->upto))
        cost += line_cost(&count->line, begin, epoch_end(count->epoch, count->to));
    return cost;
}

void count_fini(struct count *count)
{
    line_fini(&count->line);
    class_counts_fini(&count->counts);
    free(count->slices);
}
