/*
 * The job core with events that the bytes choose: any order, any stream, steps that are held, were
 * held or never existed, a store that fails, time that runs.
 *
 * Properties: the job's own invariants (job_check) after every event; what is refused says why;
 * nothing is delivered to a stream that is lost or has no room; a store effect is not sent twice;
 * no plan is left behind.
 */
#include <stdbool.h>
#include <string.h>
#include "check.h"
#include "job/job.h"
#include "../job/fake_plan.h"

#define STREAMS   6u
#define REVISIONS 24u /* recorded, after which strategies are changed no more */
#define RECENT    32u

struct slot {
    struct job_stream *stream; /* NULL: free */
    bool lost, full;
    struct job_position recent[RECENT]; /* handed out to it, the newest at given - 1 */
    uint32_t given;
};

struct run {
    const uint8_t *data;
    size_t left;
    struct job *job;
    uint64_t now;
    struct slot slots[STREAMS];
    bool writing, storing, seeking; /* an answer of the store is due */
};

static uint32_t byte(struct run *run)
{
    if (run->left == 0)
        return 0;
    run->left--;
    return *run->data++;
}

static uint64_t steps_of(uint32_t revision)
{
    return 1 + revision * 7 % 13;
}

static struct plan *new_plan(uint32_t revision)
{
    return fake_plan_new((struct fake_plan){
        .revision = revision, .steps = steps_of(revision), .batch = 8, .last = 8});
}

static bool sink(void *arg, const struct job_effect *effect)
{
    struct run *run = arg;
    struct slot *slot = effect->owner;

    switch (effect->kind) {
    case JOB_DELIVER:
        CHECK(!slot->lost && !slot->full);
        slot->recent[slot->given++ % RECENT] =
            (struct job_position){effect->slice.epoch, effect->slice.step};
        slot->full = byte(run) % 8 == 7;
        return !slot->full;
    case JOB_GONE:
        CHECK(slot->lost);
        slot->stream = NULL;
        break;
    case JOB_STORE_PROGRESS:
        CHECK(!run->writing);
        run->writing = true;
        break;
    case JOB_STORE_REVISION:
        CHECK(!run->storing);
        run->storing = true;
        break;
    case JOB_STORE_SEEK:
        CHECK(!run->seeking);
        run->seeking = true;
        break;
    default:
        break;
    }
    return true;
}

static int step(struct run *run, struct job_event *event)
{
    struct evd_error err;
    int code;

    event->now = run->now;
    code = job_step(run->job, event, &err);
    job_check(run->job);
    if (code != EVD_OK) {
        CHECK(code == err.code);
        check_error(&err);
    }
    return code;
}

/* Something the stream was given, or anything else. */
static struct job_position some_step(struct run *run, const struct slot *slot)
{
    uint32_t which = byte(run);

    if (slot->given > 0 && which < 224)
        return slot->recent[(slot->given - 1 - which % slot->given % RECENT) % RECENT];
    return (struct job_position){byte(run) % 4, byte(run)};
}

static void open_stream(struct run *run, struct slot *slot)
{
    struct job_position holding[4];
    struct job_event event = {.kind = JOB_OPEN, .owner = slot, .holding = holding};

    event.rank = byte(run) % 5;
    event.world = byte(run) % 9;
    event.window = byte(run) % 6;
    event.held = byte(run) % 5;
    for (uint32_t i = 0; i < event.held; i++)
        holding[i] = some_step(run, slot);
    slot->lost = slot->full = false;
    if (step(run, &event) == EVD_OK)
        slot->stream = event.stream;
}

static void on_stream(struct run *run, struct slot *slot, enum job_event_kind kind)
{
    struct job_event event = {.kind = kind, .stream = slot->stream, .owner = slot};
    struct job_state state;

    if (slot->lost != (kind == JOB_RESUME) || (kind == JOB_READY && !slot->full))
        return;
    job_state(run->job, &state);
    event.window = byte(run) % 9;
    event.at = some_step(run, slot);
    event.through = byte(run) % 2;
    event.generation = state.generation + (byte(run) == 255);
    event.token = kind == JOB_ACK ? byte(run) % 3 : 0;
    if (kind == JOB_READY || kind == JOB_RESUME)
        slot->full = false;
    if (kind == JOB_LOST || kind == JOB_RESUME)
        slot->lost = kind == JOB_LOST;
    if (step(run, &event) == EVD_OK && (kind == JOB_CLOSE || kind == JOB_LOST))
        slot->stream = event.stream;
}

static void change_strategy(struct run *run)
{
    struct job_event event = {.kind = JOB_UPDATE, .token = 1};

    if (job_revisions(run->job) >= REVISIONS)
        return;
    event.revision = job_next_revision(run->job);
    event.when = (enum job_when)(byte(run) % 3);
    event.at = (struct job_position){byte(run) % 8, byte(run) % 16};
    event.plan = new_plan(event.revision);
    if (event.plan != NULL && step(run, &event) != EVD_OK)
        plan_unref(event.plan);
}

/* The job's history again, with plans for what is to come. Returns its length; 0 if there is no
 * such step in it. */
static uint32_t make_line(const struct job *job, struct job_position at,
                          struct job_revision_info *line)
{
    uint32_t n = job_revisions(job), first = 0;
    struct sampler_error refused;
    uint64_t steps;

    for (uint32_t i = 0; i < n; i++) {
        line[i] = job_revision(job, i);
        line[i].plan = NULL;
        if (line[i].at.epoch < at.epoch ||
            (line[i].at.epoch == at.epoch && line[i].at.step <= at.step))
            first = i;
    }
    steps =
        line[first].at.epoch == at.epoch ? line[first].shape.steps : steps_of(line[first].revision);
    if (at.step >= steps)
        return 0;
    for (uint32_t i = first; i < n; i++) {
        line[i].plan = new_plan(line[i].revision);
        CHECK(line[i].plan != NULL);
        plan_place(line[i].plan, line[i].at.epoch, line[i].at.step, line[i].shape, &refused);
    }
    return n;
}

static void seek(struct run *run)
{
    struct job_revision_info line[REVISIONS + 1];
    struct job_event event = {.kind = JOB_SEEK, .token = 2, .line = line};
    struct job_state state;

    job_state(run->job, &state);
    event.generation = state.generation;
    event.revision = job_next_revision(run->job);
    event.force = byte(run) % 2;
    event.at = (struct job_position){byte(run) % 8, byte(run) % 16};
    event.line_count = state.updating ? 0 : make_line(run->job, event.at, line);
    if (event.line_count == 0 || step(run, &event) == EVD_OK)
        return;
    for (uint32_t i = 0; i < event.line_count; i++)
        plan_unref(line[i].plan);
}

static void stored(struct run *run, enum job_event_kind kind, bool *due)
{
    struct job_event event = {.kind = kind, .code = byte(run) % 4 ? EVD_OK : EVD_E_STORE};

    if (!*due)
        return;
    *due = false; /* the next one may follow within the event */
    step(run, &event);
}

static void one_event(struct run *run)
{
    static const enum job_event_kind of_stream[] = {JOB_ACK,    JOB_ACK,    JOB_ACK,   JOB_ACK,
                                                    JOB_CREDIT, JOB_CREDIT, JOB_TOUCH, JOB_CLOSE,
                                                    JOB_LOST,   JOB_RESUME, JOB_READY, JOB_RELEASE};
    uint32_t what = byte(run), number = what / 16 % STREAMS;
    struct slot *slot = &run->slots[number];

    what %= 20;
    run->now += what;
    if (what < 12 && slot->stream == NULL)
        open_stream(run, slot);
    else if (what < 12)
        on_stream(run, slot, of_stream[what]);
    else if (what == 12)
        change_strategy(run);
    else if (what == 13)
        seek(run);
    else if (what == 14)
        stored(run, JOB_REVISION_STORED, &run->storing);
    else if (what == 15)
        stored(run, JOB_SEEK_STORED, &run->seeking);
    else if (what <= 17)
        stored(run, JOB_PROGRESS_STORED, &run->writing);
    else
        step(run, &(struct job_event){.kind = what == 18 ? JOB_FLUSH : JOB_TICK});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct run run = {.data = data, .left = n};
    struct job_config config = {.batch_size = 8};
    struct evd_error err;
    struct plan *plan = new_plan(0);

    config.mode = byte(&run) % 2 ? JOB_RANKED : JOB_SHARED;
    config.guarantee = byte(&run) % 4 == 3 ? JOB_AT_MOST_ONCE : JOB_AT_LEAST_ONCE;
    config.world_size = config.mode == JOB_RANKED ? byte(&run) % 3 * 2 : 0;
    config.replicas = config.mode == JOB_RANKED ? 1 + byte(&run) % 2 : 1;
    config.time_to_run = byte(&run);
    config.grace = byte(&run);
    CHECK(plan != NULL);
    if (job_new(&run.job, &config, plan, sink, &run, &err) != EVD_OK) {
        check_error(&err);
        plan_unref(plan);
        return 0;
    }
    while (run.left > 0)
        one_event(&run);
    job_free(run.job);
    CHECK(fake_plans() == 0);
    return 0;
}
