/* Counting what was served, and what was asked for, by drawing it again. */
#include "rpc/stats.h"

#include <stdlib.h>
#include <string.h>

static const struct plan *plan_of(void *arg, uint32_t i, struct evd_error *err)
{
    struct request *request = arg;
    struct replayed *replayed = &request->replayed[i];
    const struct replay_revision *revision = &request->revisions[i];
    struct sampler_error refused;
    int code;

    if (replayed->plan)
        return replayed->plan;
    if (revision_plan(&request->base, replayed->strategy, replayed->strategy_bytes,
                      revision->revision, replayed->digest, &replayed->plan, err) != EVD_OK)
        return NULL;
    code = plan_place(replayed->plan, revision->at.epoch, revision->at.step, revision->shape,
                      &refused);
    if (code == PLAN_OK)
        return replayed->plan;
    plan_error(code, &refused, err);
    return NULL;
}

static struct replay_history history_of(struct request *request)
{
    return (struct replay_history){
        .revisions = request->revisions,
        .count = request->count,
        .plan = plan_of,
        .plan_arg = request,
        .cancel = &request->work.cancelled,
    };
}

/* Where counts go. */
struct counted {
    uint64_t *served;
    double *asked;
    struct replay_totals *totals;
};

/* Adds what a plan asks for, of so many samples that it gave in an epoch. */
static void add_asked(struct request *request, const struct plan *plan, uint64_t epoch,
                      uint64_t samples, double *asked)
{
    plan_expected(plan, epoch, request->shares);
    for (uint32_t c = 0; c < request->base.dataset->index.classes; c++)
        asked[c] += request->shares[c] * (double)samples;
}

/* Within one epoch: piece by piece, as revisions took turns. */
static int count_range(struct request *request, struct job_position from, struct job_position to,
                       struct counted counted)
{
    const struct replay_history history = history_of(request);

    for (uint32_t i = 0; i < request->count && rpc_before(from, to); i++) {
        bool last = i + 1 == request->count;
        struct job_position end = last ? to : request->revisions[i + 1].at;
        struct replay_totals part = {0};
        int code;

        if (!rpc_before(from, end))
            continue;
        if (rpc_before(to, end))
            end = to;
        code = replay_count(&history, from, end, request->base.batch_size,
                            request->base.dataset->index.classes, counted.served, &part,
                            &request->err);
        if (code != EVD_OK)
            return code;
        if (part.samples > 0)
            add_asked(request, request->replayed[i].plan, from.epoch, part.samples, counted.asked);
        counted.totals->steps += part.steps;
        counted.totals->samples += part.samples;
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
static void note_epoch(struct stats_cache *cache, uint64_t epoch, struct replay_totals more)
{
    struct epoch_count *last;

    if (more.steps == 0)
        return;
    if (cache->epoch_count == 0 || cache->epochs[cache->epoch_count - 1].epoch != epoch) {
        if (cache->epoch_count == EPOCHS_SHOWN) {
            memmove(cache->epochs, cache->epochs + 1, (EPOCHS_SHOWN - 1) * sizeof(*cache->epochs));
            cache->epoch_count--;
        }
        cache->epochs[cache->epoch_count++] = (struct epoch_count){.epoch = epoch};
    }
    last = &cache->epochs[cache->epoch_count - 1];
    last->totals.steps += more.steps;
    last->totals.samples += more.samples;
}

/* Brings the cache up to request->to, epoch by epoch. */
static int cache_advance(struct request *request)
{
    struct stats_cache *cache = request->cache;

    while (rpc_before(cache->upto, request->to)) {
        struct job_position end = epoch_end(cache->upto.epoch, request->to);
        struct replay_totals part = {0};

        if (count_range(request, cache->upto, end,
                        (struct counted){cache->served, cache->asked, &part}) != EVD_OK)
            return request->err.code;
        note_epoch(cache, cache->upto.epoch, part);
        cache->totals.steps += part.steps;
        cache->totals.samples += part.samples;
        cache->upto = end;
    }
    return EVD_OK;
}

/* ---- ranks that are ahead of the last one ---- */

struct ahead {
    struct request *request;
    uint32_t rank;
    uint32_t *label;
};

static int count_slice(void *arg, const struct replay_step *step, struct evd_error *err)
{
    struct ahead *ahead = arg;
    struct request *request = ahead->request;
    const struct plan_columns columns = {.label = ahead->label};
    const struct plan_slice slice = {
        .epoch = step->at.epoch,
        .step = step->at.step,
        .shape = step->shape,
        .rank = ahead->rank,
        .world = request->world,
    };
    void *scratch;
    uint32_t n;

    if (request->has_epoch && request->epoch != step->at.epoch)
        return EVD_OK;
    scratch = aligned_alloc(64, (plan_scratch_size(step->plan) + 63) / 64 * 64);
    if (!scratch)
        return rpc_no_memory(err);
    n = plan_draw(step->plan, &slice, &columns, scratch);
    free(scratch);
    for (uint32_t i = 0; i < n; i++)
        request->served[ahead->label[i]]++;
    add_asked(request, step->plan, step->at.epoch, n, request->asked);
    request->totals.samples += n;
    return EVD_OK;
}

static int count_ahead(struct request *request)
{
    const struct replay_history history = history_of(request);
    struct ahead ahead = {.request = request};
    int code = EVD_OK;

    ahead.label = malloc(request->base.batch_size * sizeof(ahead.label[0]));
    if (!ahead.label)
        return rpc_no_memory(&request->err);
    for (; code == EVD_OK && ahead.rank < request->world; ahead.rank++)
        code = replay_steps(&history, request->to, request->ranks[ahead.rank], count_slice, &ahead,
                            &request->err);
    free(ahead.label);
    return code;
}

void stats_run(struct rpc_work *work)
{
    struct request *request = (struct request *)work;
    const struct stats_cache *cache = request->cache;
    struct job_position from = {request->epoch, 0};

    request->err.code = EVD_OK;
    if (cache_advance(request) != EVD_OK)
        return;
    if (!request->has_epoch) {
        memcpy(request->served, cache->served,
               request->base.dataset->index.classes * sizeof(cache->served[0]));
        memcpy(request->asked, cache->asked,
               request->base.dataset->index.classes * sizeof(cache->asked[0]));
        request->totals = cache->totals;
    } else if (rpc_before(from, request->to) &&
               count_range(request, from, epoch_end(request->epoch, request->to),
                           (struct counted){request->served, request->asked, &request->totals}) !=
                   EVD_OK) {
        return;
    }
    if (request->world > 0 && count_ahead(request) != EVD_OK)
        return;
    plan_expected(request->current, request->current_epoch, request->present);
    if (request->ask.wanted)
        weights_from_shares(request->ask.kind, request->present,
                            request->base.dataset->index.classes,
                            (double)request->base.dataset->index.labelled, request->ask.beta,
                            request->weights, &request->err);
}
