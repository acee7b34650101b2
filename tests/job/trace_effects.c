#include "trace_run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include "fake_plan.h"

void die(const char *what, const char *word)
{
    fprintf(stderr, "trace: %s: %s\n", what, word);
    abort();
}

void say(struct run *run, const char *format, ...)
{
    va_list ap;

    fputs("    ", run->out);
    va_start(ap, format);
    vfprintf(run->out, format, ap);
    va_end(ap);
    fputc('\n', run->out);
}

static void print_deliver(struct run *run, const struct job_delivery *d)
{
    struct worker *worker = d->owner;
    char slice[32] = "";

    if (run->config.mode == JOB_RANKED)
        snprintf(slice, sizeof(slice), " slice %" PRIu32 " of %" PRIu32, d->slice.rank,
                 d->slice.world);
    if (fake_plan_revision(d->plan) != d->revision)
        die("deliver", "the plan is not the revision's");
    say(run, "deliver %s %" PRIu64 ":%" PRIu64 "%s revision %" PRIu32 "%s", worker->name,
        d->slice.epoch, d->slice.step, slice, d->revision, d->redelivered ? " redelivered" : "");
    if (worker->full)
        job_stream_full(run->job, worker->stream);
}

static const char *name_of(const void *owner)
{
    return ((const struct worker *)owner)->name;
}

/* What a worker hears. */
static void print_notice(struct run *run, const struct job_effect *e)
{
    switch (e->kind) {
    case JOB_EPOCH_END:
        say(run, "epoch_end %s %" PRIu64 " after %" PRIu64 " steps", name_of(e->epoch_end.owner),
            e->epoch_end.epoch, e->epoch_end.steps);
        break;
    case JOB_DRAINED:
        say(run, "drained %s %" PRIu64, name_of(e->drained.owner), e->drained.epoch);
        break;
    case JOB_REVISION:
        say(run, "revision %s %" PRIu32 " from %" PRIu64 ":%" PRIu64, name_of(e->revision.owner),
            e->revision.revision, e->revision.at.epoch, e->revision.at.step);
        break;
    case JOB_MOVED:
        say(run, "moved %s to %" PRIu64 ":%" PRIu64 " generation %" PRIu32, name_of(e->moved.owner),
            e->moved.at.epoch, e->moved.at.step, e->moved.generation);
        break;
    case JOB_GONE:
        say(run, "gone %s", name_of(e->gone.owner));
        ((struct worker *)e->gone.owner)->stream = NULL;
        break;
    default:
        break;
    }
}

/* What the store is asked to do. */
static void print_store(struct run *run, const struct job_effect *e)
{
    switch (e->kind) {
    case JOB_STORE_REVISION:
        say(run,
            "store_revision %" PRIu32 " from %" PRIu64 ":%" PRIu64 " of %" PRIu64 " keep %" PRIu32,
            e->store_revision.revision, e->store_revision.at.epoch, e->store_revision.at.step,
            e->store_revision.shape.steps, e->store_revision.keep_revision);
        break;
    case JOB_STORE_SEEK:
        say(run,
            "store_seek to %" PRIu64 ":%" PRIu64 " leaving %" PRIu64 ":%" PRIu64 " mark %" PRIu64
            ":%" PRIu64,
            e->store_seek.at.epoch, e->store_seek.at.step, e->store_seek.left.epoch,
            e->store_seek.left.step, e->store_seek.mark.epoch, e->store_seek.mark.step);
        break;
    case JOB_STORE_PROGRESS:
        run->storing = true;
        if (!run->silent)
            say(run, "store_progress mark %" PRIu64 ":%" PRIu64, job_mark(run->job).epoch,
                job_mark(run->job).step);
        break;
    case JOB_DIRTY:
        if (!run->silent)
            say(run, "dirty");
        break;
    default:
        break;
    }
}

/* What whoever asked for something is told. */
static void print_answer(struct run *run, const struct job_effect *e)
{
    switch (e->kind) {
    case JOB_UPDATED:
        say(run, "updated %" PRIu64 " %s revision %" PRIu32 " from %" PRIu64 ":%" PRIu64,
            e->updated.token, error_name(e->updated.code), e->updated.revision, e->updated.at.epoch,
            e->updated.at.step);
        break;
    case JOB_SOUGHT:
        say(run, "sought %" PRIu64 " %s to %" PRIu64 ":%" PRIu64 " generation %" PRIu32,
            e->sought.token, error_name(e->sought.code), e->sought.at.epoch, e->sought.at.step,
            e->sought.generation);
        if (e->sought.code == EVD_OK)
            run->stored =
                (struct job_restored){.generation = e->sought.generation, .start = e->sought.at};
        break;
    case JOB_ACKED:
        say(run, "acked %" PRIu64 " %s", e->acked.token, error_name(e->acked.code));
        break;
    default:
        break;
    }
}

void carry_out(struct run *run, struct job_update *update)
{
    const struct job_effect *effect = &update->effect;

    while (job_next_effect(run->job, update)) {
        if (effect->kind == JOB_DELIVER)
            print_deliver(run, &effect->deliver);
        print_notice(run, effect);
        print_store(run, effect);
        print_answer(run, effect);
    }
    job_check(run->job);
}
