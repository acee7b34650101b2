/*
 * The job core with events that the bytes choose: any order, any stream, steps that are held, were
 * held or never existed, a store that fails, time that runs.
 *
 * Properties: the job's own invariants (job_check) after every event; what is refused says why;
 * nothing is delivered to a stream that is lost or has no room; who wants a shared job alone has it
 * alone; a store effect is not sent twice; no plan is left behind.
 */
#include <stdbool.h>
#include <string.h>
#include "check.h"
#include "job/position.h"
#include "../job/fake_plan.h"

#define STREAMS   6u
#define REVISIONS 24u /* recorded, after which strategies are changed no more */
#define RECENT    32u

struct slot {
    struct job_stream *stream; /* NULL: free */
    bool lost, full, exclusive;
    struct job_position recent[RECENT]; /* handed out to it, the newest at given - 1 */
    uint32_t given;
};

struct run {
    const uint8_t *data;
    size_t left;
    struct job *job;
    uint64_t now;
    struct slot slots[STREAMS];
    bool ranked;
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

static void on_delivery(struct run *run, const struct job_delivery *d)
{
    struct slot *slot = d->owner;

    CHECK(!slot->lost && !slot->full);
    slot->recent[slot->given++ % RECENT] = (struct job_position){d->slice.epoch, d->slice.step};
    slot->full = byte(run) % 8 == 7;
    if (slot->full)
        job_stream_full(run->job, slot->stream);
}

static void on_effect(struct run *run, const struct job_effect *effect)
{
    switch (effect->kind) {
    case JOB_DELIVER:
        on_delivery(run, &effect->deliver);
        break;
    case JOB_GONE:
        CHECK(((struct slot *)effect->gone.owner)->lost);
        ((struct slot *)effect->gone.owner)->stream = NULL;
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
}

/* `slot`: whose event it is, if somebody's. */
static int step(struct run *run, struct job_event *event, struct slot *slot)
{
    struct job_update update;
    struct evd_error err;
    int code;

    event->now = run->now;
    code = job_step(run->job, event, &update, &err);
    if (code == EVD_OK &&
        (event->kind == JOB_OPEN || event->kind == JOB_CLOSE || event->kind == JOB_LOST))
        slot->stream = update.stream;
    while (job_next_effect(run->job, &update))
        on_effect(run, &update.effect);
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

/* Whoever wanted to be alone in a shared job is. */
static void check_alone(const struct run *run)
{
    uint32_t streams = 0, exclusive = 0;

    for (uint32_t i = 0; i < STREAMS; i++) {
        streams += run->slots[i].stream != NULL;
        exclusive += run->slots[i].stream && run->slots[i].exclusive;
    }
    CHECK(run->ranked || exclusive == 0 || streams == 1);
}

static void open_stream(struct run *run, struct slot *slot)
{
    struct job_position holding[4];
    struct job_event event = {.kind = JOB_OPEN, .open = {.owner = slot, .holding = holding}};

    event.open.rank = byte(run) % 5;
    event.open.world = byte(run) % 9;
    event.open.window = byte(run) % 6;
    event.open.held = byte(run);
    event.open.exclusive = event.open.held >= 192;
    event.open.held %= 5;
    for (uint32_t i = 0; i < event.open.held; i++)
        holding[i] = some_step(run, slot);
    slot->lost = slot->full = false;
    slot->exclusive = event.open.exclusive;
    step(run, &event, slot);
    check_alone(run);
}

/* What every event of a stream could need is read for all of them, so that the bytes of the corpus
 * mean what they did. */
static void on_stream(struct run *run, struct slot *slot, enum job_event_kind kind)
{
    struct job_stream *stream = slot->stream;
    struct job_event event = {.kind = kind};
    struct job_position at;
    struct job_state state;
    uint32_t window, generation;
    uint64_t token;
    bool through;

    if (slot->lost != (kind == JOB_RESUME) || (kind == JOB_READY && !slot->full))
        return;
    job_state(run->job, &state);
    window = byte(run) % 9;
    at = some_step(run, slot);
    through = byte(run) % 2;
    generation = state.generation + (byte(run) == 255);
    token = kind == JOB_ACK ? byte(run) % 3 : 0;
    switch (kind) {
    case JOB_CREDIT:
        event.credit.stream = stream;
        event.credit.window = window;
        break;
    case JOB_ACK:
        event.ack.stream = stream;
        event.ack.generation = generation;
        event.ack.at = at;
        event.ack.through = through;
        event.ack.token = token;
        break;
    case JOB_RELEASE:
        event.release.stream = stream;
        event.release.generation = generation;
        event.release.at = at;
        event.release.through = through;
        break;
    case JOB_RESUME:
        event.resume.stream = stream;
        event.resume.owner = slot;
        event.resume.window = window;
        slot->lost = slot->full = false;
        break;
    default: /* nothing but a stream, in each of them */
        event.touch.stream = stream;
        slot->lost = kind == JOB_LOST;
        slot->full &= kind != JOB_READY;
        break;
    }
    step(run, &event, slot);
}

static void change_strategy(struct run *run)
{
    struct job_event event = {.kind = JOB_UPDATE, .update = {.token = 1}};

    if (job_revisions(run->job) >= REVISIONS)
        return;
    event.update.revision = job_next_revision(run->job);
    event.update.when = (enum job_when)(byte(run) % 3);
    event.update.at = (struct job_position){byte(run) % 8, byte(run) % 16};
    event.update.plan = new_plan(event.update.revision);
    if (event.update.plan && step(run, &event, NULL) != EVD_OK)
        plan_unref(event.update.plan);
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
        if (!position_before(at, line[i].at))
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
    struct job_event event = {.kind = JOB_SEEK, .seek = {.token = 2, .line = line}};
    struct job_state state;

    job_state(run->job, &state);
    event.seek.generation = state.generation;
    event.seek.revision = job_next_revision(run->job);
    event.seek.force = byte(run) % 2;
    event.seek.at = (struct job_position){byte(run) % 8, byte(run) % 16};
    event.seek.line_count = state.updating ? 0 : make_line(run->job, event.seek.at, line);
    if (event.seek.line_count == 0 || step(run, &event, NULL) == EVD_OK)
        return;
    for (uint32_t i = 0; i < event.seek.line_count; i++)
        plan_unref(line[i].plan);
}

static void stored(struct run *run, enum job_event_kind kind, bool *due)
{
    int code = byte(run) % 4 ? EVD_OK : EVD_E_STORE;
    struct job_event event = {.kind = kind, .progress_stored = {code}}; /* whichever it is */

    if (!*due)
        return;
    *due = false; /* the next one may follow */
    step(run, &event, NULL);
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
    if (what < 12 && !slot->stream)
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
        step(run, &(struct job_event){.kind = what == 18 ? JOB_FLUSH : JOB_TICK}, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct run run = {.data = data, .left = n};
    struct job_config config = {.batch_size = 8};
    struct evd_error err;
    struct plan *plan = new_plan(0);

    config.mode = byte(&run) % 2 ? JOB_RANKED : JOB_SHARED;
    run.ranked = config.mode == JOB_RANKED;
    config.guarantee = byte(&run) % 4 == 3 ? JOB_AT_MOST_ONCE : JOB_AT_LEAST_ONCE;
    config.world_size = config.mode == JOB_RANKED ? byte(&run) % 3 * 2 : 0;
    config.replicas = config.mode == JOB_RANKED ? 1 + byte(&run) % 2 : 1;
    config.time_to_run = byte(&run);
    config.grace = byte(&run);
    CHECK(plan != NULL);
    if (job_new(&run.job, &config, plan, &err) != EVD_OK) {
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
