/* Keeps the newest epochs of what was reported to a job, within their bounds (feedback.h). Called
 * by job.report, which counts, and by job.confusion and the adaptive strategy, which look. */
#include "feedback/feedback.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void epoch_free(struct feedback_epoch *row)
{
    tally_fini(&row->tally);
    confusion_fini(&row->confusion);
    free(row);
}

void feedback_free(struct feedback *feedback)
{
    for (uint32_t i = 0; feedback && i < feedback->count; i++)
        epoch_free(feedback->epochs[i]);
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

size_t feedback_memory(const struct feedback *feedback)
{
    size_t bytes = 0;

    for (uint32_t i = 0; feedback && i < feedback->count; i++)
        bytes += confusion_memory(&feedback->epochs[i]->confusion) +
                 tally_memory(&feedback->epochs[i]->tally);
    return bytes;
}

static void drop_oldest(struct feedback *feedback)
{
    epoch_free(feedback->epochs[0]);
    feedback->dropped = true;
    feedback->count--;
    memmove(feedback->epochs, feedback->epochs + 1, feedback->count * sizeof(feedback->epochs[0]));
}

static int count_into(struct feedback_epoch *row, struct feedback_at at,
                      const struct confusion_batch *batch, bool *counted, struct evd_error *err)
{
    if (tally_reserve(&row->tally, at.slice, at.step, err) != EVD_OK)
        return err->code;
    *counted = !tally_has(&row->tally, at.slice, at.step);
    if (!*counted)
        return EVD_OK;
    if (confusion_add(&row->confusion, batch, err) != EVD_OK)
        return err->code;
    tally_set(&row->tally, at.slice, at.step);
    return EVD_OK;
}

/* A report that begins an epoch. */
static int begin(struct feedback *feedback, uint32_t place, uint32_t classes, struct feedback_at at,
                 const struct confusion_batch *batch, bool *counted, struct evd_error *err)
{
    struct feedback_epoch *row = epoch_new(classes, at);

    if (!row)
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory to count a report");
    if (count_into(row, at, batch, counted, err) != EVD_OK) {
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

int feedback_report(struct feedback *feedback, uint32_t classes, struct feedback_at at,
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
    if ((known ? count_into(row, at, batch, counted, err)
               : begin(feedback, place, classes, at, batch, counted, err)) != EVD_OK)
        return err->code;
    while (feedback->count > 1 && feedback_memory(feedback) > FEEDBACK_BYTES)
        drop_oldest(feedback);
    return EVD_OK;
}
