/*
 * job.stats. What was served is counted by replay, on a pool thread, and never while serving. A job
 * keeps the counts up to where the last count ended, so that the next one draws only what is new.
 * One count of a job at a time; requests that come meanwhile wait for it and go on from there.
 */
#include "calls/job_stats.h"

#include <stdlib.h>
#include "calls/class_weights.h"
#include "calls/handlers.h"
#include "calls/replies.h"
#include "jobs/entry.h"
#include "jobs/jobs.h"
#include "jobs/memory.h"
#include "replay/counts.h"
#include "server/task.h"

/* What a job keeps for it. */
struct job_stats {
    struct jobs *jobs;
    uint64_t memory; /* bytes of it, in jobs->counted */
    struct counts_cache *cache;
    bool busy;                /* a task has the cache on a pool thread; */
    struct task_list waiting; /* others wait for their turn */
};

struct stats {
    struct task task; /* first; of the job */
    struct page page;
    struct weights_ask ask;
    struct count count;
    struct plan *current; /* a reference: whose shares are "present", in this epoch */
    uint64_t current_epoch;
    double *present; /* shares of the classes that the present strategy asks for */
    double *weights; /* class weights that go with it, if they are wanted */
};

static void stats_fini(struct task *task)
{
    struct stats *stats = (struct stats *)task;

    count_fini(&stats->count);
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

static void pack_epochs(msgpack_packer *pk, const struct counts_cache *cache)
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

static void reply_stats(msgpack_packer *pk, const struct stats *stats)
{
    const struct count *count = &stats->count;
    const struct class_counts *counts = &count->counts;
    const struct dataset *dataset = stats->task.entry->dataset;
    const struct page *page = &stats->page;
    bool any = counts->totals.samples > 0;

    pack_key_cstr(pk, "job", stats->task.entry->name);
    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    pack_key_u64(pk, "classes", dataset->index.classes);
    pack_key_u64(pk, "first", page->first);
    if (count->has_epoch)
        pack_key_u64(pk, "epoch", count->epoch);
    pack_key_u64(pk, "steps", counts->totals.steps);
    pack_key_u64(pk, "samples", counts->totals.samples);
    pack_key_position(pk, "since", count->cache->since);
    pack_class_names(pk, dataset, page);
    pack_shares(pk, "asked", any ? counts->asked : stats->present,
                any ? (double)counts->totals.samples : 1, page);
    pack_shares(pk, "present", stats->present, 1, page);
    pack_served(pk, counts, page);
    pack_class_counts(pk, plan_index(stats->current), page);
    pack_weights(pk, &stats->ask, stats->weights, page);
    pack_epochs(pk, count->cache);
}

/* ---- counting ---- */

static void stats_run(struct task *task)
{
    struct stats *stats = (struct stats *)task;
    const struct class_index *index = plan_index(stats->current);

    if (count_run(&stats->count, &task->err) != EVD_OK || stats->count.unfinished)
        return;
    plan_expected(stats->current, stats->current_epoch, stats->present);
    if (stats->ask.wanted)
        weights_from_shares(stats->ask.kind, stats->present, index->classes,
                            (double)index->labelled, stats->ask.term, stats->weights, &task->err);
}

static int stats_send(struct task *task);

/* Those that waited have their turn, until one is under way. */
static void next_turn(struct job_stats *stats)
{
    struct task *task;

    stats->busy = false;
    while (!stats->busy && (task = TAILQ_FIRST(&stats->waiting))) {
        task_unlist(task);
        task_go(task, stats_send);
    }
}

static int check_dropped(const struct job_entry *entry, struct evd_error *err)
{
    if (entry->job)
        return EVD_OK;
    return error_set(err, EVD_E_NOT_FOUND, entry->name, "job \"%s\" was dropped", entry->name);
}

static int stats_counted(struct task *task)
{
    struct stats *stats = (struct stats *)task;
    struct job_entry *entry = task->entry;

    if (task->err.code == EVD_OK && stats->count.unfinished &&
        check_dropped(entry, &task->err) == EVD_OK &&
        task_work(task, count_cost(&stats->count), stats_run, stats_counted) == EVD_OK)
        return EVD_OK;
    entry_ref(entry);
    if (task->err.code != EVD_OK) {
        task_fail(task, &task->err);
    } else {
        reply_stats(task_answer(task), stats);
        task_done(task);
    }
    next_turn(entry->stats);
    entry_unref(entry);
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
static int stats_take(struct stats *stats, struct evd_error *err)
{
    struct job_entry *entry = stats->task.entry;
    struct plan_base base = entry_plan_base(entry);
    struct job_state state;

    job_state(entry->job, &state);
    base.cancel = &stats->task.work.cancelled;
    stats->count.cache = entry->stats->cache;
    stats->current = current_plan(entry->job, state.revision);
    stats->current_epoch = state.next.epoch;
    return count_take(&stats->count, &base, &entry->records, entry->job, err);
}

static int stats_send(struct task *task)
{
    struct stats *stats = (struct stats *)task;
    struct job_entry *entry = task->entry;
    uint32_t classes = entry->dataset->index.classes;

    if (check_dropped(entry, &task->err) != EVD_OK)
        return task->err.code;
    stats->present = calloc(classes, sizeof(stats->present[0]));
    stats->weights = calloc(classes, sizeof(stats->weights[0]));
    if (!stats->present || !stats->weights)
        return error_no_memory(&task->err);
    if (stats_take(stats, &task->err) != EVD_OK ||
        task_work(task, count_cost(&stats->count), stats_run, stats_counted) != EVD_OK)
        return task->err.code;
    entry->stats->busy = true;
    return EVD_OK;
}

/* ---- the request ---- */

void job_stats_free(struct job_stats *stats)
{
    if (!stats)
        return;
    stats->jobs->counted -= stats->memory;
    counts_cache_free(stats->cache);
    free(stats);
}

/* Of a job that was not asked before, if there is memory for them; else NULL. */
static struct job_stats *job_stats_of(struct job_entry *entry, struct evd_error *err)
{
    uint32_t classes = entry->dataset->index.classes;
    struct job_stats *stats = entry->stats;
    uint64_t memory = sizeof(*stats) + counts_cache_memory(classes);

    if (stats)
        return stats;
    if (memory_room(entry->jobs, memory, "counting what each class was served", err) != EVD_OK)
        return NULL;
    stats = calloc(1, sizeof(*stats));
    if (stats)
        stats->cache = counts_cache_new(classes);
    if (!stats || !stats->cache) {
        free(stats);
        error_no_memory(err);
        return NULL;
    }
    TAILQ_INIT(&stats->waiting);
    stats->jobs = entry->jobs;
    stats->memory = memory;
    entry->jobs->counted += memory;
    memory_update(entry->jobs);
    return entry->stats = stats;
}

static int stats_start(struct task *task)
{
    struct job_stats *stats = job_stats_of(task->entry, &task->err);

    if (!stats)
        return task->err.code;
    return stats->busy ? task_queue(task, &stats->waiting) : stats_send(task);
}

int do_job_stats(struct call *call, const struct params_job_stats *p)
{
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    struct weights_ask ask;
    struct page page = {0};
    struct stats *stats;

    if (!entry ||
        page_of(p->first, p->has_count ? p->count : EVD_MAX_PAGE, entry->dataset->index.classes,
                &page, &call->err) != EVD_OK ||
        weights_ask(p->has_weights, p->weights, (struct weights_term){p->has_beta, p->beta},
                    (struct weights_term){p->has_tau, p->tau}, &ask, &call->err) != EVD_OK)
        return call->err.code;
    stats = task_new(call, sizeof(*stats), entry, stats_fini);
    if (!stats)
        return call->err.code;
    stats->page = page;
    stats->ask = ask;
    stats->count.has_epoch = p->has_epoch;
    stats->count.epoch = p->epoch;
    return task_begin(&stats->task, stats_start(&stats->task), call);
}
