/*
 * job.stats. What was served is counted by replay, on a pool thread, and never while serving. A job
 * keeps the counts up to where the last replay ended, so that the next one draws only what is new.
 * One replay of a job at a time; requests that come meanwhile wait for it and go on from there.
 */
#include "rpc/stats.h"

#include <stdlib.h>
#include <string.h>
#include "rpc/replies.h"

void stats_cache_free(struct stats_cache *cache)
{
    if (!cache)
        return;
    free(cache->served);
    free(cache->asked);
    free(cache);
}

static void request_free(struct request *request)
{
    for (uint32_t i = 0; request->replayed && i < request->count; i++) {
        plan_unref(request->replayed[i].plan);
        free(request->replayed[i].strategy);
    }
    free(request->revisions);
    free(request->replayed);
    plan_unref(request->current);
    free(request->present);
    free(request->asked);
    free(request->shares);
    free(request->weights);
    free(request->served);
    free(request->ranks);
    entry_unref(request->entry);
    free(request);
}

static void pack_u64s(msgpack_packer *pk, const char *key, const uint64_t *values,
                      const struct page *page)
{
    pack_key_array(pk, key, page->count);
    for (uint32_t i = 0; i < page->count; i++)
        msgpack_pack_uint64(pk, values[page->first + i]);
}

/* Each divided by `by`. */
static void pack_f64s(msgpack_packer *pk, const char *key, const double *values, double by,
                      const struct page *page)
{
    pack_key_array(pk, key, page->count);
    for (uint32_t i = 0; i < page->count; i++)
        msgpack_pack_double(pk, values[page->first + i] / by);
}

static void pack_epochs(msgpack_packer *pk, const struct stats_cache *cache)
{
    pack_key_array(pk, "epochs", cache->epoch_count);
    for (uint32_t i = 0; i < cache->epoch_count; i++) {
        pack_map_begin(pk);
        pack_key_u64(pk, "epoch", cache->epochs[i].epoch);
        pack_key_u64(pk, "steps", cache->epochs[i].totals.steps);
        pack_key_u64(pk, "samples", cache->epochs[i].totals.samples);
        pack_map_end(pk);
    }
}

static void reply_stats(msgpack_packer *pk, const struct request *request)
{
    const struct stats_cache *cache = request->cache;
    const struct dataset *dataset = request->entry->dataset;
    const struct page *page = &request->page;
    const uint64_t *served = request->served;
    struct replay_totals totals = request->totals;

    pack_key_cstr(pk, "job", request->entry->name);
    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    pack_key_u64(pk, "classes", dataset->index.classes);
    pack_key_u64(pk, "first", page->first);
    if (request->has_epoch)
        pack_key_u64(pk, "epoch", request->epoch);
    pack_key_u64(pk, "steps", totals.steps);
    pack_key_u64(pk, "samples", totals.samples);
    pack_class_names(pk, dataset, page);
    pack_f64s(pk, "asked", totals.samples ? request->asked : request->present,
              totals.samples ? (double)totals.samples : 1, page);
    pack_f64s(pk, "present", request->present, 1, page);
    pack_u64s(pk, "served", served, page);
    pack_key_array(pk, "share", page->count);
    for (uint32_t i = 0; i < page->count; i++)
        msgpack_pack_double(
            pk, totals.samples ? (double)served[page->first + i] / (double)totals.samples : 0.0);
    pack_class_counts(pk, dataset, page);
    pack_weights(pk, &request->ask, request->weights, page);
    pack_epochs(pk, cache);
}

void stats_forget(struct job_entry *entry, struct session *session)
{
    struct request **at = entry->stats ? &entry->stats->waiting : NULL;

    while (at && *at) {
        struct request *request = *at;

        if (request->ticket.session != session) {
            at = &request->next;
            continue;
        }
        *at = request->next;
        session->waiting--;
        session_unref(session);
        request_free(request);
    }
}

static int request_send(struct request *request, struct evd_error *err);

/* Starts those that waited, until one is under way. */
static void next_request(struct job_entry *entry)
{
    struct stats_cache *cache = entry->stats;

    cache->busy = false;
    while (cache->waiting && !cache->busy) {
        struct request *request = cache->waiting;
        struct evd_error err;

        cache->waiting = request->next;
        request->ticket.session->waiting--;
        if (request_send(request, &err) != EVD_OK) {
            ticket_error(&request->ticket, &err);
            request_free(request);
        }
    }
}

static void stats_done(struct rpc_work *work)
{
    struct request *request = (struct request *)work;
    struct job_entry *entry = request->entry;

    if (request->err.code != EVD_OK) {
        /* The counts may hold half a range: the next request counts from the beginning. */
        request->cache->upto = (struct job_position){0, 0};
        request->cache->totals = (struct replay_totals){0};
        request->cache->epoch_count = 0;
        memset(request->cache->served, 0,
               entry->dataset->index.classes * sizeof(request->cache->served[0]));
        memset(request->cache->asked, 0,
               entry->dataset->index.classes * sizeof(request->cache->asked[0]));
        ticket_error(&request->ticket, &request->err);
    } else {
        reply_stats(answer_begin(&request->ticket), request);
        ticket_end(&request->ticket);
    }
    entry_ref(entry);
    request_free(request);
    next_request(entry);
    entry_unref(entry);
}

/* References to the plans that are held; copies of the strategies of those to be built again. */
static int take_history(struct request *request, struct evd_error *err)
{
    struct job_entry *entry = request->entry;
    struct job_position from = request->cache->upto;

    if (request->has_epoch && request->epoch < from.epoch)
        from = (struct job_position){request->epoch, 0};
    request->count = job_revisions(entry->job);
    request->revisions = calloc(request->count, sizeof(request->revisions[0]));
    request->replayed = calloc(request->count, sizeof(request->replayed[0]));
    if (!request->revisions || !request->replayed)
        return rpc_no_memory(err);
    for (uint32_t i = 0; i < request->count; i++) {
        struct job_revision_info info = job_revision(entry->job, i);
        const struct revision *record = &entry->revisions[i];
        struct replayed *replayed = &request->replayed[i];
        bool over = i + 1 < request->count && !rpc_before(from, job_revision(entry->job, i + 1).at);

        request->revisions[i] = (struct replay_revision){info.revision, info.at, info.shape};
        replayed->digest = record->digest;
        if (info.plan) {
            replayed->plan = plan_ref(info.plan);
        } else if (!over) {
            replayed->strategy = malloc(record->strategy_bytes);
            if (!replayed->strategy)
                return rpc_no_memory(err);
            memcpy(replayed->strategy, record->strategy, record->strategy_bytes);
            replayed->strategy_bytes = record->strategy_bytes;
        }
    }
    return EVD_OK;
}

/* How far everybody is: before request->to, every step was handed out to all it goes to. */
static int take_positions(struct request *request, const struct job_state *state,
                          struct evd_error *err)
{
    request->to = state->next;
    if (state->config.mode != JOB_RANKED || state->config.world_size == 0)
        return EVD_OK;
    request->world = state->config.world_size;
    request->ranks = calloc(request->world, sizeof(request->ranks[0]));
    if (!request->ranks)
        return rpc_no_memory(err);
    for (uint32_t rank = 0; rank < request->world; rank++) {
        request->ranks[rank] = job_next(request->entry->job, rank);
        if (rpc_before(request->ranks[rank], request->to))
            request->to = request->ranks[rank];
    }
    return EVD_OK;
}

/* What the pool thread needs of the job as it is now. */
static int request_prepare(struct request *request, struct evd_error *err)
{
    struct job_entry *entry = request->entry;
    uint32_t classes = entry->dataset->index.classes;
    struct job_state state;

    if (!entry->job)
        return error_set(err, EVD_E_NOT_FOUND, entry->name, "job \"%s\" was dropped", entry->name);
    job_state(entry->job, &state);
    request->base = plan_base_of(entry);
    request->base.cancel = &request->work.cancelled;
    request->cache = entry->stats;
    request->current_epoch = state.next.epoch;
    request->present = calloc(classes, sizeof(request->present[0]));
    request->asked = calloc(classes, sizeof(request->asked[0]));
    request->shares = calloc(classes, sizeof(request->shares[0]));
    request->served = calloc(classes, sizeof(request->served[0]));
    request->weights = calloc(classes, sizeof(request->weights[0]));
    if (!request->present || !request->asked || !request->shares || !request->served ||
        !request->weights)
        return rpc_no_memory(err);
    if (take_positions(request, &state, err) != EVD_OK)
        return err->code;
    for (uint32_t i = job_revisions(entry->job); i-- > 0 && !request->current;) {
        struct job_revision_info info = job_revision(entry->job, i);

        if (info.revision <= state.revision && info.plan)
            request->current = plan_ref(info.plan);
    }
    return take_history(request, err);
}

static int request_send(struct request *request, struct evd_error *err)
{
    if (request_prepare(request, err) != EVD_OK ||
        work_send(request->entry->rpc, request->ticket.session, &request->work, err) != EVD_OK)
        return err->code;
    request->cache->busy = true;
    return EVD_OK;
}

static struct stats_cache *cache_of(struct job_entry *entry)
{
    struct stats_cache *cache = entry->stats;

    if (cache)
        return cache;
    cache = calloc(1, sizeof(*cache));
    if (!cache)
        return NULL;
    cache->served = calloc(entry->dataset->index.classes, sizeof(cache->served[0]));
    cache->asked = calloc(entry->dataset->index.classes, sizeof(cache->asked[0]));
    if (!cache->served || !cache->asked) {
        stats_cache_free(cache);
        return NULL;
    }
    return entry->stats = cache;
}

static void request_wait(struct request *request)
{
    struct request **last = &request->entry->stats->waiting;

    while (*last)
        last = &(*last)->next;
    *last = request;
    request->ticket.session->waiting++;
}

int do_job_stats(struct call *call, const struct params_job_stats *p)
{
    struct job_entry *entry = entry_find_live(call->rpc, p->job, &call->err);
    struct request *request;
    int code = EVD_OK;
    struct weights_ask ask;
    struct page page = {0};

    if (!entry ||
        page_of(p->has_first, p->first, p->has_count, p->count, entry->dataset->index.classes,
                &page, &call->err) != EVD_OK ||
        weights_ask(p->has_weights, p->weights, p->has_beta, p->beta, &ask, &call->err) != EVD_OK)
        return call->err.code;
    request = calloc(1, sizeof(*request));
    if (!request || !cache_of(entry)) {
        free(request);
        return rpc_no_memory(&call->err);
    }
    request->work.run = stats_run;
    request->work.done = stats_done;
    request->entry = entry;
    request->page = page;
    request->ask = ask;
    request->has_epoch = p->has_epoch;
    request->epoch = p->epoch;
    entry_ref(entry);
    request->ticket = ticket_keep(call);
    if (!entry->stats->busy)
        code = request_send(request, &call->err);
    else if ((code = work_check(call->rpc, call->session, &call->err)) == EVD_OK)
        request_wait(request);
    if (code != EVD_OK) {
        session_unref(call->session);
        request_free(request);
    }
    return code;
}
