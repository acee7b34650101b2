/* Keeps the newest epochs of what was reported to a job, within their bounds (feedback.h). Called
 * by job.report, which counts, and by job.confusion, job.threshold, job.curve and the adaptive
 * strategy, which look. */
#include "feedback/feedback.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is not needed any more ---- */

static void discard(const struct feedback *feedback, void *what, size_t bytes,
                    void (*dispose)(void *))
{
    if (feedback->waste.take)
        feedback->waste.take(feedback->waste.arg, what, bytes, dispose);
    else
        dispose(what);
}

void feedback_scores_unref(const struct feedback *feedback, struct scores *scores)
{
    size_t bytes = scores_memory(scores);

    scores = scores_release(scores);
    if (scores)
        discard(feedback, scores, bytes, scores_free);
}

void feedback_order_unref(const struct feedback *feedback, struct feedback_order *order)
{
    if (order && --order->refs == 0)
        discard(feedback, order, feedback_order_bytes(order->count), free);
}

void feedback_order_drop(struct feedback *feedback)
{
    feedback_order_unref(feedback, feedback->order);
    feedback->order = NULL;
}

static void epoch_free(void *what)
{
    struct feedback_epoch *row = what;

    tally_fini(&row->tally);
    confusion_fini(&row->confusion);
    scores_unref(row->scores);
    free(row);
}

void feedback_free(struct feedback *feedback)
{
    for (uint32_t i = 0; feedback && i < feedback->count; i++)
        epoch_free(feedback->epochs[i]);
    if (feedback)
        free(feedback->order);
    free(feedback);
}

struct feedback_epoch *feedback_find(const struct feedback *feedback, uint64_t epoch)
{
    for (uint32_t i = feedback->count; i-- > 0;) {
        if (feedback->epochs[i]->epoch == epoch)
            return feedback->epochs[i];
    }
    return NULL;
}

struct feedback_epoch *feedback_newest(const struct feedback *feedback)
{
    return feedback->count ? feedback->epochs[feedback->count - 1] : NULL;
}

static bool later(const struct feedback_epoch *row, struct feedback_at at)
{
    if (row->generation != at.generation)
        return row->generation > at.generation;
    return row->epoch > at.epoch;
}

/* Where an epoch is, or belongs: behind those that are not later. */
static uint32_t place_of(const struct feedback *feedback, struct feedback_at at)
{
    uint32_t place = feedback->count;

    while (place > 0 && later(feedback->epochs[place - 1], at))
        place--;
    return place;
}

static struct feedback_epoch *epoch_new(uint32_t classes, struct feedback_at at)
{
    struct feedback_epoch *row = calloc(1, sizeof(*row));

    if (!row || !confusion_init(&row->confusion, classes)) {
        free(row);
        return NULL;
    }
    row->generation = at.generation;
    row->epoch = at.epoch;
    return row;
}

static size_t epoch_memory(const struct feedback_epoch *row)
{
    return confusion_memory(&row->confusion) + tally_memory(&row->tally) +
           scores_memory(row->scores);
}

size_t feedback_memory(const struct feedback *feedback)
{
    size_t bytes = 0;

    for (uint32_t i = 0; feedback && i < feedback->count; i++)
        bytes += epoch_memory(feedback->epochs[i]);
    if (feedback && feedback->order)
        bytes += feedback_order_bytes(feedback->order->count);
    return bytes;
}

/* ---- scores, and their order ---- */

static bool has_scores(const struct confusion_batch *batch)
{
    return batch->score && batch->n > 0;
}

static void lose_scores(const struct feedback *feedback, struct feedback_epoch *row)
{
    feedback_scores_unref(feedback, row->scores);
    row->scores = NULL;
    row->lost = true;
}

/* What cannot be kept is in the bins alone, and so is then what came before. */
static void keep_scores(const struct feedback *feedback, struct feedback_epoch *row, size_t room,
                        const struct confusion_batch *batch)
{
    if (!has_scores(batch) || row->lost)
        return;
    if (scores_needs(row->scores, batch->n) <= room && !row->scores)
        row->scores = scores_new();
    if (!row->scores || scores_needs(row->scores, batch->n) > room ||
        !scores_add(row->scores, batch->score, batch->label, batch->n))
        lose_scores(feedback, row);
}

size_t feedback_score_bytes(const struct feedback *feedback, struct feedback_at at, size_t n)
{
    const struct feedback_epoch *row = feedback ? feedback_find(feedback, at.epoch) : NULL;
    bool known = row && row->generation == at.generation;
    size_t needs = scores_needs(known ? row->scores : NULL, n);

    if (known && row->lost)
        return 0;
    if (needs != SIZE_MAX && !(known && row->confusion.scored))
        needs += (size_t)2 * CONFUSION_THRESHOLDS * sizeof(uint64_t);
    return needs;
}

struct feedback_order *feedback_order_new(size_t count)
{
    struct feedback_order *order = malloc(feedback_order_bytes(count));

    if (order)
        *order = (struct feedback_order){.refs = 1, .count = count};
    return order;
}

size_t feedback_order_bytes(size_t count)
{
    return sizeof(struct feedback_order) + count * sizeof(uint64_t);
}

struct feedback_order *feedback_order_find(const struct feedback *feedback,
                                           const struct feedback_epoch *row)
{
    struct feedback_order *order = feedback->order;

    if (!order || order->all != !row)
        return NULL;
    if (!row)
        return order->reports == feedback->reports ? order : NULL;
    return order->generation == row->generation && order->epoch == row->epoch && row->scores &&
                   order->count == row->scores->count
               ? order
               : NULL;
}

void feedback_order_keep(struct feedback *feedback, struct feedback_order *order)
{
    feedback_order_drop(feedback);
    feedback->order = order;
    if (feedback_memory(feedback) > FEEDBACK_BYTES)
        feedback_order_drop(feedback);
}

/* ---- bounds ---- */

static void drop_oldest(struct feedback *feedback)
{
    struct feedback_epoch *row = feedback->epochs[0];

    feedback_scores_unref(feedback, row->scores); /* which a pool thread may read yet */
    row->scores = NULL;
    discard(feedback, row, epoch_memory(row), epoch_free);
    feedback->dropped = true;
    feedback->count--;
    memmove(feedback->epochs, feedback->epochs + 1, feedback->count * sizeof(feedback->epochs[0]));
}

/* The oldest epoch that has them loses its scores; false: none has. */
static bool drop_scores(struct feedback *feedback)
{
    for (uint32_t i = 0; i < feedback->count; i++) {
        if (feedback->epochs[i]->scores) {
            lose_scores(feedback, feedback->epochs[i]);
            return true;
        }
    }
    return false;
}

static void keep_within(struct feedback *feedback)
{
    while (feedback_memory(feedback) > FEEDBACK_BYTES) {
        if (feedback->order) {
            feedback_order_drop(feedback);
        } else if (!drop_scores(feedback)) {
            if (feedback->count == 1)
                return;
            drop_oldest(feedback);
        }
    }
}

/* ---- counting ---- */

static int count_into(const struct feedback *feedback, struct feedback_epoch *row,
                      struct feedback_at at, size_t room, const struct confusion_batch *batch,
                      bool *counted, struct evd_error *err)
{
    if (tally_reserve(&row->tally, at.slice, at.step, err) != EVD_OK)
        return err->code;
    *counted = !tally_has(&row->tally, at.slice, at.step);
    if (!*counted)
        return EVD_OK;
    if (confusion_add(&row->confusion, batch, err) != EVD_OK)
        return err->code;
    keep_scores(feedback, row, room, batch);
    tally_set(&row->tally, at.slice, at.step);
    return EVD_OK;
}

/* A report that begins an epoch. */
static int begin(struct feedback *feedback, uint32_t place, struct feedback_epoch *row,
                 struct feedback_at at, size_t room, const struct confusion_batch *batch,
                 bool *counted, struct evd_error *err)
{
    if (!row)
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory to count a report");
    if (count_into(feedback, row, at, room, batch, counted, err) != EVD_OK) {
        epoch_free(row);
        return err->code;
    }
    if (feedback->count == FEEDBACK_EPOCHS) {
        drop_oldest(feedback);
        place--;
    }
    memmove(&feedback->epochs[place + 1], &feedback->epochs[place],
            (feedback->count - place) * sizeof(feedback->epochs[0]));
    feedback->epochs[place] = row;
    feedback->count++;
    return EVD_OK;
}

int feedback_report(struct feedback *feedback, uint32_t classes, struct feedback_at at, size_t room,
                    const struct confusion_batch *batch, bool *counted, struct evd_error *err)
{
    uint32_t place = place_of(feedback, at);
    struct feedback_epoch *row = place > 0 ? feedback->epochs[place - 1] : NULL;
    bool known = row && row->generation == at.generation && row->epoch == at.epoch;

    if (!known && place == 0 && feedback->count > 0 &&
        (feedback->dropped || feedback->count == FEEDBACK_EPOCHS))
        return error_set(err, EVD_E_LIMIT, "epoch",
                         "epoch %" PRIu64 " is over too long: reports are kept from epoch %" PRIu64
                         " on",
                         at.epoch, feedback->epochs[0]->epoch);
    if ((known ? count_into(feedback, row, at, room, batch, counted, err)
               : begin(feedback, place, epoch_new(classes, at), at, room, batch, counted, err)) !=
        EVD_OK)
        return err->code;
    feedback->reports += *counted;
    keep_within(feedback);
    return EVD_OK;
}
