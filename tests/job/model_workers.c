#include "model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* ---- attaching and leaving ---- */

static bool rank_is_taken(const struct model *m, uint32_t rank)
{
    for (int i = 0; i < WORKERS; i++) {
        if (m->workers[i].stream && !m->workers[i].lost && m->workers[i].rank == rank)
            return true;
    }
    return false;
}

static bool anybody_attached(const struct model *m)
{
    for (int i = 0; i < WORKERS; i++) {
        if (m->workers[i].stream && !m->workers[i].lost)
            return true;
    }
    return false;
}

/* Whether nobody can join a shared job but one who would find nobody. */
static bool reads_alone(const struct model *m)
{
    for (int i = 0; i < WORKERS; i++) {
        if (m->workers[i].stream && !m->workers[i].lost && m->workers[i].exclusive)
            return true;
    }
    return false;
}

static void expect_alone(struct model *m, const struct worker *me)
{
    for (int i = 0; i < WORKERS; i++) {
        const struct worker *worker = &m->workers[i];

        EXPECT(worker == me || !worker->stream || !(me->exclusive || worker->exclusive));
    }
}

/* A shared job, and one of the two wants to be alone: nothing changes. */
static void do_excluded(struct model *m, struct job_event *event)
{
    EXPECT(model_step(m, event) == EVD_E_CONFLICT);
    m->excluded++;
}

/* 0 for a shared job; another number than now only while nobody is attached. */
static uint32_t choose_world(struct model *m)
{
    static const uint32_t worlds[] = {2, 4, RANKS};

    if (!model_ranked(m))
        return 0;
    if (m->world && (anybody_attached(m) || random_below(m, 4)))
        return m->world;
    return worlds[random_below(m, 3)];
}

static void credit(struct model *m, struct worker *worker, uint32_t window)
{
    struct job_event event = {.kind = JOB_CREDIT, .credit = {worker->stream, window}};

    worker->window = window;
    worker->stalled = false;
    EXPECT(model_step(m, &event) == EVD_OK);
}

/* Who else has the step now. */
static bool held_by_another(const struct model *m, const struct worker *me, struct job_position at)
{
    for (int w = 0; w < WORKERS; w++) {
        const struct worker *worker = &m->workers[w];

        for (uint32_t i = 0; worker != me && worker->stream && i < worker->count; i++) {
            if (worker->rank == me->rank && worker->held[i].at.epoch == at.epoch &&
                worker->held[i].at.step == at.step)
                return true;
        }
    }
    return false;
}

/* What it may keep of what it had, it keeps. */
static void check_granted(struct model *m, struct worker *worker)
{
    struct job_stream_info info;

    job_stream_info(worker->stream, &info);
    EXPECT(info.held == m->update.held);
    for (uint32_t i = 0; i < info.held; i++) {
        struct job_position at = job_stream_lease(worker->stream, i);

        EXPECT(!m->steps[at.epoch][at.step].acked[worker->rank]);
        EXPECT(!held_by_another(m, worker, at));
        worker->held[worker->count++] = (struct held){at, m->now};
        m->granted++;
        model_reached(m, (struct job_position){at.epoch, at.step + 1});
        worker->claimed = true;
    }
    for (uint32_t i = 0; i < worker->had_count; i++) {
        struct job_position at = worker->had[i];
        bool kept = false;

        for (uint32_t j = 0; j < worker->count; j++)
            kept |= worker->held[j].at.epoch == at.epoch && worker->held[j].at.step == at.step;
        EXPECT(kept || at.epoch != info.low.epoch ||
               m->steps[at.epoch][at.step].acked[worker->rank] || held_by_another(m, worker, at) ||
               m->config.guarantee == JOB_AT_MOST_ONCE || m->seeking);
    }
}

/* A lost worker makes room for the one that takes its rank; in a world of another size, all do. */
static void do_open(struct model *m, struct worker *worker)
{
    uint32_t world = choose_world(m);
    uint32_t rank = model_ranked(m) ? (uint32_t)random_below(m, world) : 0;
    struct job_position holding[EVD_MAX_WINDOW * 2];
    struct job_event event = {
        .kind = JOB_OPEN,
        .open = {.owner = worker, .rank = rank, .world = world, .holding = holding}};
    uint32_t had = worker->had_count;
    struct job_state state;

    if (rank_is_taken(m, rank) && model_ranked(m))
        return;
    event.open.exclusive = !model_ranked(m) && random_below(m, 8) == 0;
    if (reads_alone(m) || (event.open.exclusive && anybody_attached(m))) {
        do_excluded(m, &event);
        return;
    }
    if (had > 0 && model_ranked(m) && (worker->rank != rank || world != m->world))
        had = 0;
    memmove(holding, worker->had, had * sizeof(holding[0]));
    event.open.held = had;
    job_state(m->job, &state);
    if (model_ranked(m) && m->world && world != m->world)
        model_world(m, world, m->config.guarantee == JOB_AT_MOST_ONCE ? state.next : state.low);
    m->world = model_ranked(m) ? world : 1;
    worker->rank = rank;
    worker->window = worker->count = worker->resend = 0;
    worker->full = worker->lost = worker->stalled = false;
    worker->exclusive = event.open.exclusive;
    worker->touched = 0;
    worker->claimed = false;
    worker->served = worker->acked = worker->samples = 0;
    worker->had_count = had;
    EXPECT(model_step(m, &event) == EVD_OK);
    worker->stream = m->update.stream;
    m->alone += worker->exclusive;
    expect_alone(m, worker);
    check_granted(m, worker);
    worker->had_count = 0;
    credit(m, worker, (uint32_t)random_below(m, 6));
}

static void do_close(struct model *m, struct worker *worker)
{
    struct job_event event = {.kind = JOB_CLOSE, .close = {worker->stream}};

    worker->stream = NULL;
    worker->count = 0;
    EXPECT(model_step(m, &event) == EVD_OK);
}

static void do_lost(struct model *m, struct worker *worker)
{
    struct job_event event = {.kind = JOB_LOST, .lost = {worker->stream}};

    worker->lost = m->config.grace > 0 && m->config.guarantee == JOB_AT_LEAST_ONCE;
    worker->lost_until = m->now + m->config.grace;
    if (!worker->lost) {
        worker->stream = NULL;
        worker->count = 0;
    }
    EXPECT(model_step(m, &event) == EVD_OK);
    EXPECT(m->update.stream == worker->stream);
}

static void do_resume(struct model *m, struct worker *worker)
{
    struct job_event event = {.kind = JOB_RESUME, .resume = {worker->stream, worker, 0}};

    event.resume.window = (uint32_t)random_below(m, 6);
    worker->window = event.resume.window;
    worker->lost = worker->full = worker->stalled = false;
    worker->touched = m->now;
    worker->resend = worker->count;
    EXPECT(model_step(m, &event) == EVD_OK);
    expect_alone(m, worker);
}

static void do_ready(struct model *m, struct worker *worker)
{
    struct job_event event = {.kind = JOB_READY, .ready = {worker->stream}};

    worker->full = false;
    EXPECT(model_step(m, &event) == EVD_OK);
}

static void do_touch(struct model *m, struct worker *worker)
{
    struct job_event event = {.kind = JOB_TOUCH, .touch = {worker->stream}};

    worker->stalled = false;
    EXPECT(model_step(m, &event) == EVD_OK);
    worker->touched = m->now;
}

/* ---- acknowledging ---- */

static struct job_event ack_event(enum job_event_kind kind, const struct worker *worker,
                                  uint32_t generation, struct job_position at)
{
    struct job_event event = {.kind = kind};

    if (kind == JOB_ACK) {
        event.ack.stream = worker->stream;
        event.ack.generation = generation;
        event.ack.at = at;
    } else {
        event.release.stream = worker->stream;
        event.release.generation = generation;
        event.release.at = at;
    }
    return event;
}

/* Acknowledges or releases one batch, mostly the oldest, or all up to it. */
static void do_ack(struct model *m, struct worker *worker, enum job_event_kind kind)
{
    struct job_event event;
    bool through;
    uint32_t i, n, ranks = model_ranked(m) ? m->world : 1;

    if (worker->count == 0)
        return;
    if (worker->stalled) {
        do_touch(m, worker); /* which may deliver, and so come between */
        return;
    }
    i = random_below(m, 4) ? 0 : (uint32_t)random_below(m, worker->count);
    event = ack_event(kind, worker, m->stored.job.generation, worker->held[i].at);
    through = random_below(m, 3) == 0;
    n = through ? i + 1 : 1;
    if (kind == JOB_ACK)
        event.ack.through = through;
    else
        event.release.through = through;
    if (kind == JOB_ACK && random_below(m, 2) && m->tokens < WAITING) {
        event.ack.token = (uint64_t)m->event + 1;
        m->waiting[m->tokens++] = (struct token){event.ack.token, worker->rank, event.ack.at};
    }
    for (uint32_t j = 0; j < n; j++) {
        uint32_t k = through ? 0 : i;
        struct job_position at = worker->held[k].at;
        uint8_t *acked = &m->steps[at.epoch][at.step].acked[worker->rank];

        EXPECT(*acked == (m->config.guarantee == JOB_AT_MOST_ONCE));
        *acked |= kind == JOB_ACK;
        worker->acked += kind == JOB_ACK;
        worker->samples += kind == JOB_ACK ? BATCH * m->config.replicas / ranks : 0;
        /* Before the event: deliveries follow. */
        model_drop(worker, k);
    }
    EXPECT(model_step(m, &event) == EVD_OK);
    EXPECT(kind == JOB_ACK || m->update.held == n);
}

/* Refused, or answered when what acknowledged the step is durable. */
static void step_wrong_ack(struct model *m, struct worker *worker, struct job_event *event)
{
    uint64_t token = (uint64_t)m->event + 1;
    uint32_t i = 0;

    if (event->kind == JOB_ACK) {
        event->ack.token = token;
        m->waiting[m->tokens++] = (struct token){token, worker->rank, event->ack.at};
    }
    if (model_step(m, event) == EVD_OK) {
        struct job_position at = event->ack.at;

        /* At most once, steps that were passed over count as done. */
        EXPECT(event->kind == JOB_ACK && event->ack.generation == m->stored.job.generation);
        EXPECT(m->steps[at.epoch][at.step].acked[worker->rank] ||
               m->config.guarantee == JOB_AT_MOST_ONCE);
        m->repeated++;
        return;
    }
    if (event->kind != JOB_ACK)
        return;
    while (m->waiting[i].token != token)
        i++;
    m->waiting[i] = m->waiting[--m->tokens];
}

/* An acknowledgement of what the stream does not hold changes nothing. */
static void do_wrong_ack(struct model *m, struct worker *worker)
{
    enum job_event_kind kind = random_below(m, 2) ? JOB_ACK : JOB_RELEASE;
    struct job_position at = {m->ended[worker->rank], random_below(m, STEPS)};
    uint32_t generation = m->stored.job.generation + (uint32_t)random_below(m, 2);
    struct job_event event = ack_event(kind, worker, generation, at);
    struct job_state was, is;

    if (m->tokens == WAITING)
        return;
    if (worker->stalled)
        do_touch(m, worker);
    for (uint32_t i = 0; i < worker->count; i++) {
        if (worker->held[i].at.step == at.step)
            return;
    }
    job_state(m->job, &was);
    step_wrong_ack(m, worker, &event);
    job_state(m->job, &is);
    EXPECT(was.outstanding == is.outstanding && position_equal(was.next, is.next) &&
           position_equal(was.low, is.low));
}

void model_worker_event(struct model *m, struct worker *worker)
{
    uint64_t what = random_below(m, 100);

    if (!worker->stream)
        do_open(m, worker);
    else if (worker->lost)
        what < 50 ? do_resume(m, worker) : model_tick(m);
    else if (what < 70)
        do_ack(m, worker, JOB_ACK);
    else if (what < 80)
        credit(m, worker, (uint32_t)random_below(m, 9));
    else if (what < 88)
        do_ready(m, worker);
    else if (what < 91)
        do_wrong_ack(m, worker);
    else if (what < 93)
        do_ack(m, worker, JOB_RELEASE);
    else if (what < 95)
        do_touch(m, worker);
    else if (what < 98)
        do_lost(m, worker);
    else
        do_close(m, worker);
}
