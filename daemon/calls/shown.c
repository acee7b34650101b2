/* Reads the strategies that an answer shows (shown.h). Called by job.info, job.history, and
 * job.create by a name that is taken. */
#include "calls/shown.h"

#include <stdlib.h>

struct shown_text {
    uint32_t generation, number;
    void *strategy;
    size_t bytes;
};

struct shown {
    struct task task; /* first; of the job */
    const struct show *how;
    struct shown_text *texts; /* in the order in which they are asked for */
    uint32_t count;
    struct strategy_source source;
};

static void texts_free(struct shown *shown)
{
    for (uint32_t i = 0; i < shown->count; i++)
        free(shown->texts[i].strategy);
    free(shown->texts);
    shown->texts = NULL;
    shown->count = 0;
}

static void shown_fini(struct task *task)
{
    texts_free((struct shown *)task);
}

static struct shown_text *text_of(const struct shown *shown, const struct revision *revision)
{
    for (uint32_t i = 0; shown && i < shown->count; i++) {
        struct shown_text *text = &shown->texts[i];

        if (text->generation == revision->generation && text->number == revision->number)
            return text;
    }
    return NULL;
}

const void *shown_strategy(const struct shown *shown, const struct revision *revision)
{
    const struct shown_text *text = text_of(shown, revision);

    return text && text->bytes == revision->strategy_bytes ? text->strategy : NULL;
}

/* Whether one of them is neither in memory nor read. */
static bool any_missing(const struct shown *shown, const struct revision *const *revisions,
                        uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (revision_is_away(revisions[i]) && !text_of(shown, revisions[i]))
            return true;
    }
    return false;
}

static void shown_run(struct task *task)
{
    struct shown *shown = (struct shown *)task;

    for (uint32_t i = 0; i < shown->count; i++) {
        struct shown_text *text = &shown->texts[i];

        if (atomic_load(&task->work.cancelled)) {
            error_given_up(&task->err);
            return;
        }
        /* What went meanwhile is not asked for again, or shown as what is not there. */
        if (shown->source.read(shown->source.arg, text->generation, text->number, &text->strategy,
                               &text->bytes, &task->err) == EVD_E_NOT_FOUND)
            task->err.code = EVD_OK;
        if (task->err.code != EVD_OK)
            return;
    }
}

static int shown_read(struct task *task);

static int shown_send(struct shown *shown, const struct revision *const *revisions, uint32_t count)
{
    uint64_t bytes = 0;

    texts_free(shown);
    shown->texts = calloc(count, sizeof(shown->texts[0]));
    if (!shown->texts)
        return error_no_memory(&shown->task.err);
    for (uint32_t i = 0; i < count; i++) {
        if (!revision_is_away(revisions[i]) || text_of(shown, revisions[i]))
            continue;
        shown->texts[shown->count++] = (struct shown_text){.generation = revisions[i]->generation,
                                                           .number = revisions[i]->number};
        bytes += revisions[i]->strategy_bytes;
    }
    return task_work(&shown->task, bytes, shown_run, shown_read);
}

/* The job has gone on meanwhile, and may have left more of them to the database. */
static int shown_read(struct task *task)
{
    struct shown *shown = (struct shown *)task;
    const struct revision *revisions[SHOWN_MOST];
    struct job_entry *entry = task->entry;
    uint32_t count;

    if (entry->status == JOB_STATUS_DROPPED)
        return error_set(&task->err, EVD_E_NOT_FOUND, entry->name, "job \"%s\" was dropped",
                         entry->name);
    if (task->err.code != EVD_OK)
        return task->err.code;
    if (!shown->how->select(entry, revisions, &count))
        return error_no_memory(&task->err);
    if (any_missing(shown, revisions, count))
        return shown_send(shown, revisions, count);
    shown->how->answer(task_answer(task), entry, revisions, count, shown);
    return task_done(task);
}

int show(struct call *call, struct job_entry *entry, const struct show *how)
{
    const struct revision *revisions[SHOWN_MOST];
    struct shown *shown;
    uint32_t count;

    if (!how->select(entry, revisions, &count))
        return error_no_memory(&call->err);
    if (!any_missing(NULL, revisions, count)) {
        how->answer(answer_begin(&call->ticket), entry, revisions, count, NULL);
        return answer_end(&call->ticket);
    }
    shown = task_new(call, sizeof(*shown), entry, shown_fini);
    if (!shown)
        return call->err.code;
    shown->how = how;
    shown->source = entry_strategies(entry);
    return task_begin(&shown->task, shown_send(shown, revisions, count), call);
}
