/*
 * Random sequences of events against a simple model: every step of an epoch is acknowledged exactly
 * once (by each rank), a step that comes back is the same batch, a change of strategy begins at one
 * step for everybody, and what is restored after a crash contains whatever was confirmed.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake_plan.h"
#include "job/job.h"

enum { WORKERS = 6, RANKS = 4, EPOCHS = 64, STEPS = 40, EVENTS = 3000, WAITING = 4096 };

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("seed %" PRIu64 " event %d: %s", m->seed, m->event, #condition);              \
    } while (0)

struct worker {
    struct job_stream *stream;
    uint32_t rank;
    struct job_position held[EVD_MAX_WINDOW * 2];
    uint32_t count, window;
    bool full;
};

/* What is known of a step, for each rank (shared: rank 0). */
struct step {
    uint32_t revision; /* + 1; of the batch handed out */
    uint8_t handed[RANKS], acked[RANKS], durable[RANKS];
};

struct token {
    uint64_t token;
    uint32_t rank;
    struct job_position at;
};

struct model {
    uint64_t seed, random;
    int event;
    struct job *job;
    struct job_config config;
    struct worker workers[WORKERS];
    struct step steps[EPOCHS][STEPS];
    uint64_t epoch_steps[EPOCHS]; /* 0: not begun */
    uint64_t ended[RANKS];
    uint64_t plan_steps[EVENTS]; /* of an epoch that begins under this revision */
    struct token waiting[WAITING];
    uint32_t tokens;
    bool writing, storing, flush;
    /* Progress in the store, and in the write under way. */
    struct job_progress stored[RANKS], written[RANKS];
    uint8_t stored_bits[RANKS][STEPS / 8 + 1], written_bits[RANKS][STEPS / 8 + 1];
    uint32_t rows;
    struct job_position frontier; /* the first step handed to nobody */
    struct job_position update_at;
};

static uint64_t random_below(struct model *m, uint64_t n)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (m->random >> 11) % n;
}

static bool before(struct job_position a, struct job_position b)
{
    return a.epoch != b.epoch ? a.epoch < b.epoch : a.step < b.step;
}

static void on_deliver(struct model *m, const struct job_effect *e)
{
    struct worker *worker = e->owner;
    uint32_t rank = worker->rank;
    struct job_position at = {e->slice.epoch, e->slice.step};
    struct step *step;

    EXPECT(at.epoch < EPOCHS && at.step < STEPS && at.step < e->slice.shape.steps);
    step = &m->steps[at.epoch][at.step];
    EXPECT(e->slice.rank == rank && worker->count < worker->window && !worker->full);
    EXPECT(at.epoch == m->ended[rank]);
    EXPECT(!step->acked[rank]);
    EXPECT(e->redelivered == (step->handed[rank] > 0));
    EXPECT(!m->storing || before(at, m->update_at));
    /* One revision and one shape for everybody, whenever it is handed out. */
    EXPECT(fake_plan_revision(e->plan) == e->revision);
    EXPECT(!step->revision || step->revision == e->revision + 1);
    EXPECT(!m->epoch_steps[at.epoch] || m->epoch_steps[at.epoch] == e->slice.shape.steps);
    step->revision = e->revision + 1;
    m->epoch_steps[at.epoch] = e->slice.shape.steps;
    step->handed[rank] = 1;
    worker->held[worker->count++] = at;
    if (!before(at, m->frontier))
        m->frontier = at.step + 1 < e->slice.shape.steps
                          ? (struct job_position){at.epoch, at.step + 1}
                          : (struct job_position){at.epoch + 1, 0};
}

static void on_epoch_end(struct model *m, const struct job_effect *e)
{
    struct worker *worker = e->owner;

    EXPECT(e->at.epoch < EPOCHS && e->at.step == m->epoch_steps[e->at.epoch]);
    for (uint64_t s = 0; s < e->at.step; s++)
        EXPECT(m->steps[e->at.epoch][s].acked[worker->rank]);
    EXPECT(worker->count == 0);
    worker->window = 0;
    m->ended[worker->rank] = e->at.epoch + 1;
}

static void on_acked(struct model *m, const struct job_effect *e)
{
    uint32_t i = 0;

    while (i < m->tokens && m->waiting[i].token != e->token)
        i++;
    EXPECT(i < m->tokens);
    if (e->code == EVD_OK)
        m->steps[m->waiting[i].at.epoch][m->waiting[i].at.step].durable[m->waiting[i].rank] = 1;
    m->waiting[i] = m->waiting[--m->tokens];
}

static void on_store_progress(struct model *m)
{
    const struct job_progress *rows;
    uint32_t n = job_progress(m->job, &rows);

    EXPECT(!m->writing && n <= RANKS);
    m->writing = true;
    for (uint32_t r = 0; r < n; r++) {
        EXPECT(rows[r].rank == r && rows[r].acked_bytes <= sizeof(m->written_bits[r]));
        m->written[r] = rows[r];
        memcpy(m->written_bits[r], rows[r].acked, rows[r].acked_bytes);
    }
}

/* The write under way is on the disk. */
static void commit_progress(struct model *m)
{
    memcpy(m->stored_bits, m->written_bits, sizeof(m->stored_bits));
    m->rows = m->config.mode == JOB_RANKED ? RANKS : 1;
    for (uint32_t r = 0; r < m->rows; r++) {
        m->stored[r] = m->written[r];
        m->stored[r].acked = m->stored_bits[r];
    }
}

static bool sink(void *arg, const struct job_effect *e)
{
    struct model *m = arg;
    struct worker *worker = e->owner;

    switch (e->kind) {
    case JOB_DELIVER:
        on_deliver(m, e);
        worker->full = random_below(m, 8) == 0;
        return !worker->full;
    case JOB_EPOCH_END:
        on_epoch_end(m, e);
        break;
    case JOB_DRAINED:
        EXPECT(e->at.epoch < EPOCHS && e->at.step == m->epoch_steps[e->at.epoch]);
        EXPECT(worker->count < worker->window);
        break;
    case JOB_STORE_REVISION:
        EXPECT(!m->storing && !before(e->at, m->frontier));
        EXPECT(fake_plan_epoch(e->plan) == e->at.epoch && fake_plan_step(e->plan) == e->at.step);
        EXPECT(e->at.step == 0 || e->at.epoch >= EPOCHS || !m->epoch_steps[e->at.epoch] ||
               m->epoch_steps[e->at.epoch] == e->shape.steps);
        m->storing = true;
        m->update_at = e->at;
        break;
    case JOB_STORE_PROGRESS:
        on_store_progress(m);
        break;
    case JOB_ACKED:
        on_acked(m, e);
        break;
    case JOB_DIRTY:
        EXPECT(!m->flush);
        m->flush = true;
        break;
    case JOB_UPDATED:
        m->storing = false;
        break;
    case JOB_REVISION:
        EXPECT(worker->stream && e->at.epoch == m->update_at.epoch &&
               e->at.step == m->update_at.step);
        break;
    }
    return true;
}

static struct plan *plan_new(struct model *m, uint32_t revision)
{
    return fake_plan_new((struct fake_plan){
        .revision = revision, .steps = m->plan_steps[revision], .batch = 4, .last = 4});
}

static int step(struct model *m, struct job_event *event)
{
    struct evd_error err;
    int code = job_step(m->job, event, &err);

    job_check(m->job);
    return code;
}

static void do_open(struct model *m, struct worker *worker)
{
    bool ranked = m->config.mode == JOB_RANKED;
    uint32_t rank = ranked ? (uint32_t)random_below(m, RANKS) : 0;
    struct job_event event = {.kind = JOB_OPEN, .owner = worker, .rank = rank};

    for (int i = 0; ranked && i < WORKERS; i++) {
        if (m->workers[i].stream && m->workers[i].rank == rank)
            return;
    }
    event.world = ranked ? RANKS : 0;
    event.window = (uint32_t)random_below(m, 6);
    *worker = (struct worker){.rank = rank, .window = event.window};
    EXPECT(step(m, &event) == EVD_OK);
    worker->stream = event.stream;
}

static void do_close(struct model *m, struct worker *worker)
{
    struct job_event event = {.kind = JOB_CLOSE, .stream = worker->stream};

    EXPECT(step(m, &event) == EVD_OK);
    worker->stream = NULL;
}

static void do_credit(struct model *m, struct worker *worker)
{
    struct job_event event = {.kind = JOB_CREDIT, .stream = worker->stream};

    event.window = (uint32_t)random_below(m, 9);
    worker->window = event.window;
    EXPECT(step(m, &event) == EVD_OK);
}

static void do_ready(struct model *m, struct worker *worker)
{
    struct job_event event = {.kind = JOB_READY, .stream = worker->stream};

    worker->full = false;
    EXPECT(step(m, &event) == EVD_OK);
}

static void do_ack(struct model *m, struct worker *worker)
{
    struct job_event event = {.kind = JOB_ACK, .stream = worker->stream};
    uint32_t i, n;

    if (worker->count == 0)
        return;
    i = random_below(m, 4) ? 0 : (uint32_t)random_below(m, worker->count);
    event.at = worker->held[i];
    event.through = random_below(m, 3) == 0;
    n = event.through ? i + 1 : 1;
    if (random_below(m, 2) && m->tokens < WAITING) {
        event.token = (uint64_t)m->event + 1;
        m->waiting[m->tokens++] = (struct token){event.token, worker->rank, event.at};
    }
    for (uint32_t j = event.through ? 0 : i; j <= i; j++) {
        struct job_position at = worker->held[j];

        EXPECT(!m->steps[at.epoch][at.step].acked[worker->rank]++);
    }
    /* Before the event: a delivery may follow within it. */
    memmove(&worker->held[i + 1 - n], &worker->held[i + 1],
            (worker->count - i - 1) * sizeof(worker->held[0]));
    worker->count -= n;
    EXPECT(step(m, &event) == EVD_OK);
}

/* An acknowledgement of what the stream does not hold changes nothing. */
static void do_wrong_ack(struct model *m, struct worker *worker)
{
    struct job_event event = {.kind = JOB_ACK, .stream = worker->stream, .token = 1};
    struct job_state was, is;

    event.at = (struct job_position){m->ended[worker->rank], random_below(m, STEPS)};
    event.generation = (uint32_t)random_below(m, 2);
    for (uint32_t i = 0; i < worker->count && !event.generation; i++) {
        if (worker->held[i].step == event.at.step)
            return;
    }
    memset(&was, 0, sizeof(was));
    memset(&is, 0, sizeof(is));
    job_state(m->job, &was);
    EXPECT(step(m, &event) != EVD_OK);
    job_state(m->job, &is);
    EXPECT(was.outstanding == is.outstanding && was.next.step == is.next.step &&
           was.low.step == is.low.step);
}

static void do_update(struct model *m)
{
    struct job_event event = {.kind = JOB_UPDATE, .token = 7};
    uint32_t revision = job_next_revision(m->job);

    m->plan_steps[revision] = m->storing ? m->plan_steps[revision] : 1 + random_below(m, STEPS);
    event.revision = revision;
    event.when = (enum job_when)random_below(m, 3);
    event.at =
        (struct job_position){m->frontier.epoch + random_below(m, 2), random_below(m, STEPS)};
    event.plan = plan_new(m, revision);
    if (step(m, &event))
        plan_unref(event.plan);
}

static void do_stored(struct model *m, enum job_event_kind kind)
{
    struct job_event event = {.kind = kind, .code = random_below(m, 4) ? EVD_OK : EVD_E_STORE};

    if (kind == JOB_PROGRESS_STORED) {
        m->writing = false; /* another write may follow within the event */
        if (event.code == EVD_OK)
            commit_progress(m);
    }
    EXPECT(step(m, &event) == EVD_OK);
}

static void do_flush(struct model *m)
{
    struct job_event event = {.kind = JOB_FLUSH};

    m->flush = false;
    EXPECT(step(m, &event) == EVD_OK);
}

/* What the store has is restored. What was confirmed must be there; what was not is handed out
 * again, and above the last acknowledged step that counts as never handed out. */
static void restore_rank(struct model *m, uint32_t r, const struct job_progress *row)
{
    struct job_position next = job_next(m->job, r);

    m->ended[r] = row->low.epoch;
    for (uint64_t e = 0; e < EPOCHS; e++) {
        for (uint64_t s = 0; s < STEPS; s++) {
            struct job_position at = {e, s};
            struct step *known = &m->steps[e][s];
            uint64_t bit = s - row->low.step;

            known->acked[r] =
                before(at, row->low) || (e == row->low.epoch && bit < row->acked_bytes * 8 &&
                                         row->acked[bit / 8] >> (bit % 8) & 1);
            EXPECT(known->acked[r] || !known->durable[r]);
            if (!before(at, next))
                known->handed[r] = 0;
        }
    }
}

static void restore_progress(struct model *m)
{
    struct evd_error err;

    for (uint32_t r = 0; r < m->rows; r++)
        EXPECT(job_restore_progress(m->job, m->rows, &m->stored[r], &err) == EVD_OK);
    for (uint32_t r = 0; r < RANKS; r++)
        restore_rank(m, r, &m->stored[r]);
}

static void forget_frontier(struct model *m)
{
    struct job_state state;

    job_state(m->job, &state);
    m->frontier = state.next;
    for (uint64_t e = state.next.epoch; e < EPOCHS; e++) {
        for (uint64_t s = e == state.next.epoch ? state.next.step : 0; s < STEPS; s++)
            m->steps[e][s].revision = 0;
        if (e > state.next.epoch || state.next.step == 0)
            m->epoch_steps[e] = 0;
    }
}

static void do_restart(struct model *m)
{
    struct job *old = m->job;
    struct evd_error err;

    for (uint32_t i = 0; i < job_revisions(old); i++) {
        struct job_revision_info info = job_revision(old, i);
        struct plan *plan = plan_new(m, info.revision);

        if (i == 0)
            EXPECT(job_new(&m->job, &m->config, plan, sink, m, &err) == EVD_OK);
        else
            EXPECT(job_restore_revision(m->job, info.revision, info.at, plan, &err) == EVD_OK);
    }
    for (int i = 0; i < WORKERS; i++)
        m->workers[i].stream = NULL;
    if (m->writing && random_below(m, 2))
        commit_progress(m); /* the crash came between the commit and the answer */
    restore_progress(m);
    forget_frontier(m);
    job_free(old);
    m->tokens = 0;
    m->writing = m->storing = m->flush = false;
    job_check(m->job);
}

static void random_event(struct model *m)
{
    struct worker *worker = &m->workers[random_below(m, WORKERS)];
    uint64_t what = random_below(m, 100);

    if (!worker->stream)
        do_open(m, worker);
    else if (what < 60)
        do_ack(m, worker);
    else if (what < 70)
        do_credit(m, worker);
    else if (what < 78)
        do_ready(m, worker);
    else if (what < 81)
        do_close(m, worker);
    else if (what < 84)
        do_wrong_ack(m, worker);
    else if (what < 88)
        do_update(m);
    else if (what < 92 && m->storing)
        do_stored(m, JOB_REVISION_STORED);
    else if (what < 97 && m->writing)
        do_stored(m, JOB_PROGRESS_STORED);
    else if (what < 99 && m->flush)
        do_flush(m);
    else if (random_below(m, 40) == 0)
        do_restart(m);
}

static uint64_t run(uint64_t seed, enum job_mode mode)
{
    struct model *m = test_calloc(1, sizeof(*m));
    struct job_state state;
    struct evd_error err;
    uint64_t epochs;

    m->seed = seed;
    m->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    m->config = (struct job_config){.mode = mode, .batch_size = 4};
    m->plan_steps[0] = 1 + random_below(m, STEPS);
    EXPECT(job_new(&m->job, &m->config, plan_new(m, 0), sink, m, &err) == EVD_OK);
    for (m->event = 0; m->event < EVENTS && m->frontier.epoch + 3 < EPOCHS; m->event++)
        random_event(m);
    job_state(m->job, &state);
    epochs = state.low.epoch;
    job_free(m->job);
    EXPECT(fake_plans() == 0);
    test_free(m);
    return epochs;
}

static void test_shared(void **state)
{
    uint64_t epochs = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        epochs += run(seed, JOB_SHARED);
    assert_true(epochs > 300);
}

static void test_ranked(void **state)
{
    uint64_t epochs = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        epochs += run(seed, JOB_RANKED);
    assert_true(epochs > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared),
                                       cmocka_unit_test(test_ranked)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
