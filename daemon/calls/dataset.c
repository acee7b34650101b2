/* dataset.list, dataset.info, dataset.stats, dataset.labels and dataset.drop. */
#include <endian.h>
#include <stdlib.h>
#include "calls/class_weights.h"
#include "calls/handlers.h"
#include "calls/page.h"
#include "calls/replies.h"
#include "jobs/datasets.h"
#include "jobs/entry.h"
#include "server/task.h"

/* A page of rows: those are counted before the first is packed. */
struct dataset_rows {
    const struct dataset *dataset[EVD_MAX_ROWS];
    uint32_t count;
    bool more;
};

/* Up to `count` versions from `at` on in the table. */
static void rows_take(struct dataset_rows *rows, const struct jobs *jobs, uint32_t at,
                      uint32_t count)
{
    rows->count = 0;
    for (; at < jobs->dataset_count; at++) {
        if (jobs->datasets[at].dropping)
            continue;
        if (rows->count == count)
            break;
        rows->dataset[rows->count++] = jobs->datasets[at].dataset;
    }
    rows->more = at < jobs->dataset_count;
}

int do_dataset_list(struct call *call, const struct params_dataset_list *p)
{
    const struct jobs *jobs = call->server->jobs;
    struct dataset_rows rows;
    msgpack_packer *pk;
    uint32_t count, at = 0;

    if (p->has_after_version && !p->has_after)
        return error_set(
            &call->err, EVD_E_MISSING_FIELD, "after",
            "dataset.list: \"after_version\" goes with \"after\", the name of the last "
            "row of the page before");
    if (rows_of(p->has_count, p->count, &count, &call->err) != EVD_OK)
        return call->err.code;
    if (p->has_after)
        at = datasets_after(jobs, p->after, p->has_after_version ? p->after_version : UINT32_MAX);
    rows_take(&rows, jobs, at, count);
    pk = answer_begin(&call->ticket);
    pack_key_array(pk, "datasets", rows.count);
    for (uint32_t i = 0; i < rows.count; i++) {
        pack_map_begin(pk);
        reply_dataset(pk, rows.dataset[i]);
        pack_map_end(pk);
    }
    pack_key_bool(pk, "more", rows.more);
    return answer_end(&call->ticket);
}

int do_dataset_info(struct call *call, const struct params_dataset_info *p)
{
    struct dataset *dataset =
        datasets_find_any(call->server->jobs, p->dataset, p->version, &call->err);

    if (!dataset)
        return call->err.code;
    reply_dataset(answer_begin(&call->ticket), dataset);
    return answer_end(&call->ticket);
}

static void pack_extreme(msgpack_packer *pk, const char *key, const struct dataset *dataset,
                         uint32_t c, uint64_t count)
{
    pack_key_map(pk, key);
    pack_key_cstr(pk, "class", dataset_class_name(dataset, c));
    pack_key_u64(pk, "count", count);
    pack_map_end(pk);
}

/* NULL without an error: none are wanted. */
static double *weights_of(const struct dataset *dataset, const struct weights_ask *ask,
                          struct evd_error *err)
{
    uint32_t classes = dataset->index.classes;
    uint64_t *counts;
    double *weights;

    err->code = EVD_OK;
    if (!ask->wanted)
        return NULL;
    counts = malloc(classes * sizeof(counts[0]));
    weights = malloc(classes * sizeof(weights[0]));
    if (!counts || !weights) {
        error_no_memory(err);
    } else {
        for (uint32_t c = 0; c < classes; c++)
            counts[c] = dataset_class_count(dataset, c);
        weights_from_counts(ask->kind, counts, classes, ask->term, weights, err);
    }
    free(counts);
    if (err->code == EVD_OK)
        return weights;
    free(weights);
    return NULL;
}

int do_dataset_stats(struct call *call, const struct params_dataset_stats *p)
{
    struct dataset *dataset = datasets_find(call->server->jobs, p->dataset, p->version, &call->err);
    const struct dataset_summary *sum;
    struct weights_ask ask;
    struct page page = {0};
    double *weights;
    msgpack_packer *pk;

    if (!dataset ||
        page_of(p->first, p->has_count ? p->count : EVD_MAX_PAGE, dataset->index.classes, &page,
                &call->err) != EVD_OK ||
        weights_ask(p->has_weights, p->weights, (struct weights_term){p->has_beta, p->beta},
                    (struct weights_term){p->has_tau, p->tau}, &ask, &call->err) != EVD_OK)
        return call->err.code;
    weights = weights_of(dataset, &ask, &call->err);
    if (call->err.code != EVD_OK)
        return call->err.code;
    sum = &dataset->summary;
    pk = answer_begin(&call->ticket);
    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    pack_key_u64(pk, "samples", sum->samples);
    pack_key_u64(pk, "labelled", sum->labelled);
    pack_key_u64(pk, "unlabelled", sum->samples - sum->labelled);
    pack_key_u64(pk, "classes", sum->classes);
    pack_key_u64(pk, "empty_classes", sum->empty_classes);
    pack_key_f64(pk, "imbalance_ratio", sum->imbalance_ratio);
    pack_key_f64(pk, "entropy", sum->entropy);
    pack_key_f64(pk, "balance", sum->balance);
    pack_extreme(pk, "largest", dataset, sum->largest, sum->largest_count);
    pack_extreme(pk, "smallest", dataset, sum->smallest, sum->smallest_count);
    pack_key_u64(pk, "first", page.first);
    pack_class_names(pk, dataset, &page);
    pack_class_counts(pk, &dataset->index, &page);
    pack_key_array(pk, "share", page.count);
    for (uint32_t i = 0; i < page.count; i++)
        msgpack_pack_double(pk, (double)dataset_class_count(dataset, page.first + i) /
                                    (double)sum->labelled);
    pack_weights(pk, &ask, weights, &page);
    free(weights);
    return answer_end(&call->ticket);
}

/* ---- dataset.labels ---- */

/* Little-endian, one behind the other. */
static void pack_labels(msgpack_packer *pk, const struct dataset *dataset, uint64_t first,
                        uint32_t count)
{
    uint32_t block[1024];

    pack_key(pk, "labels");
    msgpack_pack_bin(pk, (size_t)count * sizeof(block[0]));
    for (uint32_t done = 0, n; done < count; done += n) {
        for (n = 0; n < sizeof(block) / sizeof(block[0]) && done + n < count; n++)
            block[n] = htole32(dataset_label(dataset, first + done + n));
        msgpack_pack_bin_body(pk, block, n * sizeof(block[0]));
    }
}

int do_dataset_labels(struct call *call, const struct params_dataset_labels *p)
{
    struct dataset *dataset = datasets_find(call->server->jobs, p->dataset, p->version, &call->err);
    struct span span;
    msgpack_packer *pk;

    if (!dataset || span_of(p->first, p->has_count ? p->count : EVD_MAX_LABELS,
                            dataset->index.samples, &span, &call->err) != EVD_OK)
        return call->err.code;
    pk = answer_begin(&call->ticket);
    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    pack_key_u64(pk, "samples", dataset->index.samples);
    pack_key_u64(pk, "first", span.first);
    pack_labels(pk, dataset, span.first, span.count);
    return answer_end(&call->ticket);
}

/* ---- dataset.drop ---- */

struct dataset_drop {
    struct task task; /* first */
    struct store_op op;
    struct dataset *dataset; /* NULL once it is gone */
};

static void drop_fini(struct task *task)
{
    struct dataset_drop *drop = (struct dataset_drop *)task;

    if (drop->dataset)
        datasets_not_dropped(task->server->jobs, drop->dataset);
}

static int dropped(struct task *task)
{
    struct dataset_drop *drop = (struct dataset_drop *)task;
    struct dataset *dataset = drop->dataset;
    msgpack_packer *pk;

    if (task->err.code != EVD_OK)
        return task->err.code;
    pk = task_answer(task);
    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    drop->dataset = NULL;
    datasets_remove(task->server->jobs, datasets_entry(task->server->jobs, dataset));
    return task_done(task);
}

int do_dataset_drop(struct call *call, const struct params_dataset_drop *p)
{
    struct dataset *dataset =
        datasets_find_any(call->server->jobs, p->dataset, p->version, &call->err);
    struct dataset_drop *drop;

    if (!dataset)
        return call->err.code;
    if (dataset->users > 0)
        return error_set(&call->err, EVD_E_CONFLICT, dataset->name,
                         "dataset \"%s\" version %u is in use (jobs, previews under way, "
                         "attachments that are being sent, and connections that will make a job of "
                         "it: %u): drop those jobs and close those connections first",
                         dataset->name, dataset->version, dataset->users);
    drop = task_new(call, sizeof(*drop), NULL, drop_fini);
    if (!drop)
        return call->err.code;
    drop->dataset = dataset;
    datasets_entry(call->server->jobs, dataset)->dropping = true;
    drop->op.kind = STORE_DATASET_DROP;
    drop->op.dataset.id = dataset->id;
    return task_begin(&drop->task, task_store(&drop->task, &drop->op, dropped), call);
}
