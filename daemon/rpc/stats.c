/*
 * job.stats. What was served is counted by replay, on a pool thread, and never while serving. A job
 * keeps the counts up to where the last count ended, so that the next one draws only what is new.
 * One count of a job at a time; requests that come meanwhile wait for it and go on from there.
 */
#include "rpc/stats.h"

#include <stdlib.h>
#include "rpc/replies.h"

struct stats {
    struct task task; /* first; of the job */
    struct page page;
    struct weights_ask ask;
    struct stats_count count;
    struct plan *current; /* a reference: whose shares are "present", in this epoch */
    uint64_t current_epoch;
    double *present; /* shares of the classes that the present strategy asks for */
    double *weights; /* class weights that go with it, if they are wanted */
};

static void stats_fini(struct task *task)
{
    struct stats *stats = (struct stats *)task;

    line_fini(&stats->count.line);
    class_counts_fini(&stats->count.counts);
    free(stats->count.ranks);
    free(stats->count.shares);
    plan_unref(stats->current);
    free(stats->present);
    free(stats->weights);
}

/* ---- the answer ---- */

/* Each divided by `by`. */
static void pack_shares(msgpack_packer *pk, const char *key, const double *values, double by,
                        const struct page *page)
{
    pack_key_array(pk, key, page->count);
    for (uint32_t i = 0; i < page->count; i++)
        msgpack_pack_double(pk, values[page->first + i] / by);
}

static void pack_served(msgpack_packer *pk, const struct class_counts *counts,
                        const struct page *page)
{
    uint64_t samples = counts->totals.samples;

    pack_key_array(pk, "served", page->count);
    for (uint32_t i = 0; i < page->count; i++)
        msgpack_pack_uint64(pk, counts->served[page->first + i]);
    pack_key_array(pk, "share", page->count);
    for (uint32_t i = 0; i < page->count; i++)
        msgpack_pack_double(pk, samples ? (double)counts->served[page->first + i] / (double)samples
                                        : 0.0);
}

static void pack_epochs(msgpack_packer *pk, const struct stats_cache *cache)
{
    pack_key_array(pk, "epochs", cache->epoch_count);
    for (uint32_t i = 0; i < cache->epoch_count; i++) {
        msgpack_pack_map(pk, 3);
        pack_key_u64(pk, "epoch", cache->epochs[i].epoch);
        pack_key_u64(pk, "steps", cache->epochs[i].totals.steps);
        pack_key_u64(pk, "samples", cache->epochs[i].totals.samples);
    }
}

static void reply_stats(msgpack_packer *pk, const struct stats *stats)
{
    const struct stats_count *count = &stats->count;
    const struct class_counts *counts = &count->counts;
    const struct dataset *dataset = stats->task.entry->dataset;
    const struct page *page = &stats->page;
    bool any = counts->totals.samples > 0;

    msgpack_pack_map(pk, (count->has_epoch ? 15 : 14) + weights_entries(&stats->ask));
    pack_key_cstr(pk, "job", stats->task.entry->name);
    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    pack_key_u64(pk, "classes", dataset->index.classes);
    pack_key_u64(pk, "first", page->first);
    if (count->has_epoch)
        pack_key_u64(pk, "epoch", count->epoch);
    pack_key_u64(pk, "steps", counts->totals.steps);
    pack_key_u64(pk, "samples", counts->totals.samples);
    pack_class_names(pk, dataset, page);
    pack_shares(pk, "asked", any ? counts->asked : stats->present,
                any ? (double)counts->totals.samples : 1, page);
    pack_shares(pk, "present", stats->present, 1, page);
    pack_served(pk, counts, page);
    pack_class_counts(pk, dataset, page);
    pack_weights(pk, &stats->ask, stats->weights, page);
    pack_epochs(pk, count->cache);
}

/* ---- counting ---- */

static void stats_run(struct task *task)
{
    struct stats *stats = (struct stats *)task;
    const struct dataset *dataset = stats->count.line.base.dataset;

    if (stats_count(&stats->count, &task->err) != EVD_OK)
        return;
    plan_expected(stats->current, stats->current_epoch, stats->present);
    if (stats->ask.wanted)
        weights_from_shares(stats->ask.kind, stats->present, dataset->index.classes,
                            (double)dataset->index.labelled, stats->ask.beta, stats->weights,
                            &task->err);
}

static int stats_send(struct task *task);

/* Those that waited have their turn, until one is under way. */
static void next_turn(struct stats_cache *cache)
{
    struct task *task;

    cache->busy = false;
    while (!cache->busy && (task = TAILQ_FIRST(&cache->waiting))) {
        task_unlist(task);
        task_go(task, stats_send);
    }
}

static int stats_counted(struct task *task)
{
    struct stats *stats = (struct stats *)task;
    struct job_entry *entry = task->entry;
    struct stats_cache *cache = stats->count.cache;

    entry_ref(entry);
    if (task->err.code != EVD_OK) {
        /* The counts may hold half a range: the next count begins anew. */
        cache->upto = (struct job_position){0, 0};
        cache->epoch_count = 0;
        class_counts_clear(&cache->counts);
        task_fail(task, &task->err);
    } else {
        reply_stats(task_answer(task), stats);
        task_done(task);
    }
    next_turn(cache);
    entry_unref(entry);
    return EVD_OK;
}

/* How far everybody is: before count->to, every step was handed out to all it goes to. */
static int take_positions(struct stats_count *count, const struct job *job,
                          const struct job_state *state, struct evd_error *err)
{
    count->to = state->next;
    if (state->config.mode != JOB_RANKED || state->config.world_size == 0)
        return EVD_OK;
    count->world = state->config.world_size;
    count->ranks = calloc(count->world, sizeof(count->ranks[0]));
    if (!count->ranks)
        return rpc_no_memory(err);
    for (uint32_t rank = 0; rank < count->world; rank++) {
        count->ranks[rank] = job_next(job, rank);
        if (rpc_before(count->ranks[rank], count->to))
            count->to = count->ranks[rank];
    }
    return EVD_OK;
}

/* The plan that the next step is drawn by. */
static struct plan *current_plan(const struct job *job, uint32_t revision)
{
    for (uint32_t i = job_revisions(job); i-- > 0;) {
        struct job_revision_info info = job_revision(job, i);

        if (info.revision <= revision && info.plan)
            return plan_ref(info.plan);
    }
    return NULL;
}

/* What the pool thread needs of the job as it is now. */
static int take_job(struct stats *stats, struct evd_error *err)
{
    struct job_entry *entry = stats->task.entry;
    struct stats_count *count = &stats->count;
    struct job_position from = entry->stats->upto, epoch = {count->epoch, 0};
    struct job_state state;

    job_state(entry->job, &state);
    stats->current = current_plan(entry->job, state.revision);
    stats->current_epoch = state.next.epoch;
    count->cache = entry->stats;
    if (take_positions(count, entry->job, &state, err) != EVD_OK)
        return err->code;
    if (count->has_epoch && rpc_before(epoch, from))
        from = epoch;
    if (line_take(&count->line, entry, state.generation, from, err) != EVD_OK)
        return err->code;
    count->line.base.cancel = &stats->task.work.cancelled;
    return EVD_OK;
}

static int stats_send(struct task *task)
{
    struct stats *stats = (struct stats *)task;
    uint32_t classes = task->entry->dataset->index.classes;

    if (!task->entry->job)
        return error_set(&task->err, EVD_E_NOT_FOUND, task->entry->name, "job \"%s\" was dropped",
                         task->entry->name);
    stats->present = calloc(classes, sizeof(stats->present[0]));
    stats->weights = calloc(classes, sizeof(stats->weights[0]));
    stats->count.shares = calloc(classes, sizeof(stats->count.shares[0]));
    if (!class_counts_init(&stats->count.counts, classes) || !stats->present || !stats->weights ||
        !stats->count.shares)
        return rpc_no_memory(&task->err);
    if (take_job(stats, &task->err) != EVD_OK ||
        task_work(task, stats_run, stats_counted) != EVD_OK)
        return task->err.code;
    task->entry->stats->busy = true;
    return EVD_OK;
}

/* ---- the request ---- */

void stats_cache_free(struct stats_cache *cache)
{
    if (!cache)
        return;
    class_counts_fini(&cache->counts);
    free(cache);
}

static struct stats_cache *cache_of(struct job_entry *entry)
{
    struct stats_cache *cache = entry->stats;

    if (cache)
        return cache;
    cache = calloc(1, sizeof(*cache));
    if (!cache)
        return NULL;
    if (!class_counts_init(&cache->counts, entry->dataset->index.classes)) {
        stats_cache_free(cache);
        return NULL;
    }
    TAILQ_INIT(&cache->waiting);
    return entry->stats = cache;
}

static int stats_start(struct task *task)
{
    struct stats_cache *cache = cache_of(task->entry);

    if (!cache)
        return rpc_no_memory(&task->err);
    return cache->busy ? task_queue(task, &cache->waiting) : stats_send(task);
}

int do_job_stats(struct call *call, const struct params_job_stats *p)
{
    struct job_entry *entry = entry_find_live(call->rpc, p->job, &call->err);
    struct weights_ask ask;
    struct page page = {0};
    struct stats *stats;

    if (!entry ||
        page_of(p->has_first, p->first, p->has_count, p->count, entry->dataset->index.classes,
                &page, &call->err) != EVD_OK ||
        weights_ask(p->has_weights, p->weights, p->has_beta, p->beta, &ask, &call->err) != EVD_OK)
        return call->err.code;
    stats = task_new(call, sizeof(*stats), entry, stats_fini);
    if (!stats)
        return call->err.code;
    stats->page = page;
    stats->ask = ask;
    stats->count.has_epoch = p->has_epoch;
    stats->count.epoch = p->epoch;
    return task_begin(&stats->task, stats_start, call);
}
