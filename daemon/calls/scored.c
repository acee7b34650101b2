/* Which reports a request means, and their scores in order (scored.h). Called by job.confusion,
 * job.threshold and job.curve. */
#include "calls/scored.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "jobs/memory.h"
#include "proto/pack.h"

/* ---- which epochs ---- */

static int not_known(const struct job_entry *entry, uint64_t epoch, struct evd_error *err)
{
    const struct feedback *feedback = entry->feedback;

    return error_set(err, EVD_E_NOT_FOUND, "epoch",
                     "nothing is known of epoch %" PRIu64 " of job \"%s\": the newest reported is "
                     "%" PRIu64 ", and reports are kept from epoch %" PRIu64 " on",
                     epoch, entry->name, feedback_newest(feedback)->epoch,
                     feedback->epochs[0]->epoch);
}

int epochs_find(const struct job_entry *entry, const struct epochs_ask *ask,
                const struct feedback_epoch **row, struct evd_error *err)
{
    *row = NULL;
    if (ask->all && ask->has_epoch)
        return error_set(err, EVD_E_BAD_VALUE, "epoch", "%s: give \"epoch\" or \"all\", not both",
                         ask->method);
    if (!entry->feedback || entry->feedback->count == 0)
        return error_set(err, EVD_E_NOT_FOUND, entry->name,
                         "nothing was reported to job \"%s\" since the daemon started: workers "
                         "report by job.report",
                         entry->name);
    if (ask->all)
        return EVD_OK;
    *row = ask->has_epoch ? feedback_find(entry->feedback, ask->epoch)
                          : feedback_newest(entry->feedback);
    return *row ? EVD_OK : not_known(entry, ask->epoch, err);
}

/* ---- what there is of them ---- */

static int check_classes(const struct job_entry *entry, struct evd_error *err)
{
    uint32_t classes = entry->dataset->index.classes;

    if (classes == 2)
        return EVD_OK;
    return error_set(err, EVD_E_BAD_VALUE, "job",
                     "job \"%s\" has %u classes, and one score with a threshold is for two: for "
                     "several, evendraw.thresholds of the Python package finds one for each class, "
                     "and class weights of the kind \"logit-adjustment\" shift the logits",
                     entry->name, classes);
}

static void add_bins(struct scored *scored, const struct feedback_epoch *row)
{
    for (uint32_t i = 0; row->confusion.scored && i < 2 * CONFUSION_THRESHOLDS; i++)
        scored->bins[i] += row->confusion.scored[i];
}

/* Its scores, to be read by the pool thread. */
static void add_part(struct scored *scored, struct feedback_epoch *row)
{
    add_bins(scored, row);
    scored->exact = scored->exact && !row->lost;
    if (!row->scores)
        return;
    scored->part[scored->parts].scores = scores_ref(row->scores);
    scored->part[scored->parts++].count = row->scores->count;
}

static int check_samples(const struct scored *scored, bool both, struct evd_error *err)
{
    const struct job_entry *entry = scored->task.entry;
    const struct curve *curve = &scored->curve;
    const char *missing = dataset_class_name(entry->dataset, curve->positives == 0);

    if (curve->negatives + curve->positives == 0)
        return error_set(err, EVD_E_NOT_FOUND, entry->name,
                         "no scores are among what was reported to job \"%s\": give job.report "
                         "\"score\", the probability of class \"%s\" for each sample",
                         entry->name, dataset_class_name(entry->dataset, 1));
    if (!both || (curve->negatives > 0 && curve->positives > 0))
        return EVD_OK;
    return error_set(err, EVD_E_NOT_FOUND, entry->name,
                     "no sample of class \"%s\" was reported to job \"%s\" with a score, and a "
                     "threshold parts two classes: report samples of both, or ask for epochs that "
                     "have them",
                     missing, entry->name);
}

/* Room for the order, and for making it. */
static int reserve(struct scored *scored, struct evd_error *err)
{
    struct jobs *jobs = scored->task.entry->jobs;
    uint64_t bytes;
    size_t count = 0;

    for (uint32_t i = 0; i < scored->parts; i++)
        count += scored->part[i].count;
    bytes = feedback_order_bytes(count) + (count + 1) * sizeof(uint64_t);
    if (memory_room(jobs, bytes, "bringing the scores into order", err) != EVD_OK)
        return err->code;
    scored->order = feedback_order_new(count);
    scored->scratch = malloc((count + 1) * sizeof(uint64_t));
    if (!scored->order || !scored->scratch)
        return error_no_memory(err);
    scored->order->all = scored->all;
    scored->order->generation = scored->generation;
    scored->order->epoch = scored->epoch;
    scored->order->reports = scored->reports;
    scored->reserved = bytes;
    jobs->reported += bytes;
    return EVD_OK;
}

/* Only one order is kept, and that goes before another is made. */
static void drop_order(const struct job_entry *entry)
{
    entry->jobs->reported -= feedback_memory(entry->feedback);
    feedback_order_drop(entry->feedback);
    entry->jobs->reported += feedback_memory(entry->feedback);
}

int scored_take(struct scored *scored, const struct epochs_ask *ask, bool both)
{
    struct evd_error *err = &scored->task.err;
    const struct job_entry *entry = scored->task.entry;
    struct feedback *feedback = entry->feedback;
    const struct feedback_epoch *row;

    if (check_classes(entry, err) != EVD_OK || epochs_find(entry, ask, &row, err) != EVD_OK)
        return err->code;
    scored->all = !row;
    scored->exact = true;
    scored->generation = row ? row->generation : 0;
    scored->epoch = row ? row->epoch : 0;
    scored->reports = feedback->reports;
    for (uint32_t i = 0; i < feedback->count; i++) {
        if (!row || row == feedback->epochs[i])
            add_part(scored, feedback->epochs[i]);
    }
    scored->curve.bins = scored->bins;
    curve_init(&scored->curve);
    if (check_samples(scored, both, err) != EVD_OK || !scored->exact)
        return err->code;
    scored->order = feedback_order_find(feedback, row);
    scored->ordered = scored->order;
    if (!scored->order) {
        drop_order(entry);
        return reserve(scored, err);
    }
    scored->order->refs++;
    return EVD_OK;
}

uint64_t scored_cost(const struct scored *scored)
{
    if (!scored->order)
        return 2 * CONFUSION_THRESHOLDS;
    return scored->order->count * (scored->ordered ? 2 : 10);
}

int scored_order(struct scored *scored)
{
    struct feedback_order *order = scored->order;
    uint64_t *to = order ? order->keys : NULL;
    bool sorted;

    if (!order)
        return EVD_OK;
    for (uint32_t i = 0; !scored->ordered && i < scored->parts; i++) {
        scores_copy(scored->part[i].scores, scored->part[i].count, to);
        to += scored->part[i].count;
    }
    sorted = scored->ordered ||
             keys_sort(order->keys, scored->scratch, order->count, &scored->task.work.cancelled);
    free(scored->scratch); /* here, since the loop's thread has not the time */
    scored->scratch = NULL;
    if (!sorted)
        return error_given_up(&scored->task.err);
    scored->curve.keys = order->keys;
    scored->curve.count = order->count;
    curve_init(&scored->curve);
    return EVD_OK;
}

void scored_keep(struct scored *scored)
{
    struct job_entry *entry = scored->task.entry;

    if (!scored->order || scored->ordered)
        return;
    entry->jobs->reported -= feedback_memory(entry->feedback);
    scored->order->refs++;
    feedback_order_keep(entry->feedback, scored->order);
    entry->jobs->reported += feedback_memory(entry->feedback);
}

void scored_fini(struct task *task)
{
    struct scored *scored = (struct scored *)task;

    task->entry->jobs->reported -= scored->reserved;
    for (uint32_t i = 0; i < scored->parts; i++)
        feedback_scores_unref(task->entry->feedback, scored->part[i].scores);
    feedback_order_unref(task->entry->feedback, scored->order);
    free(scored->scratch); /* where it never came to a pool thread, and was not touched */
}

void pack_scored(msgpack_packer *pk, const struct scored *scored)
{
    const struct job_entry *entry = scored->task.entry;

    pack_key_cstr(pk, "job", entry->name);
    pack_key_cstr(pk, "dataset", entry->dataset->name);
    pack_key_u64(pk, "version", entry->dataset->version);
    if (!scored->all) {
        pack_key_u64(pk, "generation", scored->generation);
        pack_key_u64(pk, "epoch", scored->epoch);
    }
    pack_key_array(pk, "class", 2);
    pack_cstr(pk, dataset_class_name(entry->dataset, 0));
    pack_cstr(pk, dataset_class_name(entry->dataset, 1));
    pack_key_bool(pk, "exact", scored->exact);
    pack_key_u64(pk, "samples", scored->curve.negatives + scored->curve.positives);
    pack_key_u64(pk, "positives", scored->curve.positives);
}
