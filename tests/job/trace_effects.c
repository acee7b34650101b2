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

static void print_deliver(struct run *run, const struct job_effect *e)
{
    const struct worker *worker = e->owner;
    char slice[32] = "";

    if (run->config.mode == JOB_RANKED)
        snprintf(slice, sizeof(slice), " slice %" PRIu32 " of %" PRIu32, e->slice.rank,
                 e->slice.world);
    if (fake_plan_revision(e->plan) != e->revision)
        die("deliver", "the plan is not the revision's");
    say(run, "deliver %s %" PRIu64 ":%" PRIu64 "%s revision %" PRIu32 "%s", worker->name,
        e->slice.epoch, e->slice.step, slice, e->revision, e->redelivered ? " redelivered" : "");
}

/* What a worker hears. */
static void print_notice(struct run *run, const struct job_effect *e)
{
    struct worker *worker = e->owner;

    switch (e->kind) {
    case JOB_EPOCH_END:
        say(run, "epoch_end %s %" PRIu64 " after %" PRIu64 " steps", worker->name, e->at.epoch,
            e->at.step);
        break;
    case JOB_DRAINED:
        say(run, "drained %s %" PRIu64, worker->name, e->at.epoch);
        break;
    case JOB_REVISION:
        say(run, "revision %s %" PRIu32 " from %" PRIu64 ":%" PRIu64, worker->name, e->revision,
            e->at.epoch, e->at.step);
        break;
    case JOB_MOVED:
        say(run, "moved %s to %" PRIu64 ":%" PRIu64 " generation %" PRIu32, worker->name,
            e->at.epoch, e->at.step, e->generation);
        break;
    case JOB_GONE:
        say(run, "gone %s", worker->name);
        worker->stream = NULL;
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
            e->revision, e->at.epoch, e->at.step, e->shape.steps, e->keep_revision);
        break;
    case JOB_STORE_SEEK:
        say(run,
            "store_seek to %" PRIu64 ":%" PRIu64 " leaving %" PRIu64 ":%" PRIu64 " mark %" PRIu64
            ":%" PRIu64,
            e->at.epoch, e->at.step, e->left.epoch, e->left.step, e->mark.epoch, e->mark.step);
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
        say(run, "updated %" PRIu64 " %s revision %" PRIu32 " from %" PRIu64 ":%" PRIu64, e->token,
            error_name(e->code), e->revision, e->at.epoch, e->at.step);
        break;
    case JOB_SOUGHT:
        say(run, "sought %" PRIu64 " %s to %" PRIu64 ":%" PRIu64 " generation %" PRIu32, e->token,
            error_name(e->code), e->at.epoch, e->at.step, e->generation);
        if (e->code == EVD_OK)
            run->stored = (struct job_restored){.generation = e->generation, .start = e->at};
        break;
    case JOB_ACKED:
        say(run, "acked %" PRIu64 " %s", e->token, error_name(e->code));
        break;
    default:
        break;
    }
}

bool print_effect(void *arg, const struct job_effect *e)
{
    struct run *run = arg;

    if (e->kind == JOB_DELIVER) {
        print_deliver(run, e);
        return !((struct worker *)e->owner)->full;
    }
    print_notice(run, e);
    print_store(run, e);
    print_answer(run, e);
    return true;
}
