#include "model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake_plan.h"

uint64_t random_below(struct model *m, uint64_t n)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (m->random >> 11) % n;
}

bool model_ranked(const struct model *m)
{
    return m->config.mode == JOB_RANKED;
}

static bool at_most_once(const struct model *m)
{
    return m->config.guarantee == JOB_AT_MOST_ONCE;
}

void model_drop(struct worker *worker, uint32_t i)
{
    if (i >= worker->count - worker->resend)
        worker->resend--;
    worker->count--;
    memmove(&worker->held[i], &worker->held[i + 1], (worker->count - i) * sizeof(worker->held[0]));
}

void model_expire(struct model *m)
{
    uint32_t limit = m->config.time_to_run;

    for (int w = 0; w < WORKERS; w++) {
        struct worker *worker = &m->workers[w];

        while (worker->stream && limit && worker->count > 0) {
            uint64_t since = worker->held[0].since;

            if ((since > worker->touched ? since : worker->touched) + limit > m->now)
                break;
            model_drop(worker, 0);
            worker->stalled = true;
            m->expired++;
            m->timed_out++;
        }
        if (worker->stream && worker->lost && worker->lost_until <= m->now)
            worker->count = worker->resend = 0; /* and hears that it is gone */
    }
}

/* ---- what the job says ---- */

/* All steps of an epoch are done by a rank. At-most-once, some may have been passed over. */
static void expect_complete(struct model *m, uint32_t rank, uint64_t epoch)
{
    for (uint64_t s = 0; s < m->epoch_steps[epoch] && !at_most_once(m); s++)
        EXPECT(m->steps[epoch][s].acked[rank]);
}

/* A step that a worker holds comes again, since its connection is back. */
static void on_resend(struct model *m, struct worker *worker, const struct job_delivery *d)
{
    const struct held *held = &worker->held[worker->count - worker->resend--];
    uint32_t revision = m->steps[held->at.epoch][held->at.step].revision;

    EXPECT(held->at.epoch == d->slice.epoch && held->at.step == d->slice.step && d->redelivered);
    EXPECT(revision == d->revision + 1 || revision == 0);
    m->resent++;
}

/* One revision and one shape for everybody, whenever it is handed out, and the same as before. */
static void expect_content(struct model *m, const struct job_delivery *d)
{
    uint64_t epoch = d->slice.epoch;
    struct step *step = &m->steps[epoch][d->slice.step];

    EXPECT(fake_plan_revision(d->plan) == d->revision);
    EXPECT(!step->revision || step->revision == d->revision + 1);
    EXPECT(!m->replaying || !step->before || step->before == d->revision + 1);
    EXPECT(!m->epoch_steps[epoch] || m->epoch_steps[epoch] == d->slice.shape.steps);
    step->revision = d->revision + 1;
    m->epoch_steps[epoch] = d->slice.shape.steps;
}

/* Now and then its buffer is full then. */
static void fill_up(struct model *m, struct worker *worker)
{
    worker->full = random_below(m, 8) == 0;
    if (worker->full)
        job_stream_full(m->job, worker->stream);
}

static void on_deliver(struct model *m, const struct job_delivery *d)
{
    struct worker *worker = d->owner;
    uint32_t rank = worker->rank;
    struct job_position at = {d->slice.epoch, d->slice.step};
    struct step *step;

    EXPECT(at.epoch < EPOCHS && at.step < STEPS && at.step < d->slice.shape.steps);
    EXPECT(d->slice.rank == rank / m->config.replicas &&
           d->slice.world == m->world / m->config.replicas);
    EXPECT(!worker->lost && !worker->full && !m->seeking);
    worker->served++;
    m->redelivered += d->redelivered;
    if (worker->resend > 0) {
        on_resend(m, worker, d);
        return;
    }
    step = &m->steps[at.epoch][at.step];
    EXPECT(worker->count < worker->window && !worker->stalled && !m->failing && !m->draining);
    for (; m->ended[rank] < at.epoch; m->ended[rank]++)
        expect_complete(m, rank, m->ended[rank]);
    EXPECT(at.epoch == m->ended[rank] && !position_before(at, m->start));
    EXPECT(!step->acked[rank]);
    EXPECT(!step->handed[rank] || (d->redelivered && !at_most_once(m)));
    EXPECT(!d->redelivered || step->handed[rank] || position_before(at, m->floor));
    EXPECT(!m->storing || position_before(at, m->change_at));
    expect_content(m, d);
    /* After a crash, everything that was handed out must be known to have been possible. */
    EXPECT(position_before(at, m->stored.job.mark));
    step->handed[rank] = 1;
    step->acked[rank] = at_most_once(m);
    worker->held[worker->count++] = (struct held){at, m->now};
    model_reached(m, (struct job_position){at.epoch, at.step + 1});
    if (!position_before(at, m->frontier))
        m->frontier = at.step + 1 < d->slice.shape.steps
                          ? (struct job_position){at.epoch, at.step + 1}
                          : (struct job_position){at.epoch + 1, 0};
}

static void on_epoch_end(struct model *m, const struct job_epoch *e)
{
    struct worker *worker = e->owner;

    EXPECT(e->epoch < EPOCHS && e->steps == m->epoch_steps[e->epoch]);
    expect_complete(m, worker->rank, e->epoch);
    EXPECT(worker->count == 0 && !worker->lost);
    worker->window = 0;
    m->ended[worker->rank] = e->epoch + 1;
    m->epochs++;
}

static bool row_has(const struct job_progress *row, struct job_position at)
{
    uint64_t bit = at.step - row->low.step;

    return position_before(at, row->low) ||
           (at.epoch == row->low.epoch && bit < row->acked_bytes * 8 &&
            row->acked[bit / 8] >> (bit % 8) & 1);
}

static void on_acked(struct model *m, uint64_t number, int code)
{
    const struct token *token;
    uint32_t i = 0;

    while (i < m->tokens && m->waiting[i].token != number)
        i++;
    EXPECT(i < m->tokens);
    token = &m->waiting[i];
    if ((code == EVD_OK || code == EVD_E_EXISTS) && token->rank < RANKS) {
        m->stored.row[token->rank].acked = m->stored.bits[token->rank];
        EXPECT(row_has(&m->stored.row[token->rank], token->at));
        m->steps[token->at.epoch][token->at.step].durable[token->rank] = 1;
    }
    m->waiting[i] = m->waiting[--m->tokens];
}

static void on_store_progress(struct model *m)
{
    struct stored *written = &m->written;
    const struct job_progress *rows;
    struct job_state state;

    EXPECT(!m->writing && !m->seeking);
    m->writing = true;
    job_state(m->job, &state);
    written->rows = job_progress(m->job, &rows);
    EXPECT(written->rows <= RANKS);
    for (uint32_t r = 0; r < written->rows; r++) {
        EXPECT(rows[r].rank == r && rows[r].acked_bytes <= sizeof(written->bits[r]));
        written->row[r] = rows[r];
        memcpy(written->bits[r], rows[r].acked, rows[r].acked_bytes);
    }
    written->job = (struct job_restored){.generation = state.generation,
                                         .start = m->start,
                                         .mark = job_mark(m->job),
                                         .attended = job_attended(m->job),
                                         .world_at = state.world_at,
                                         .next_revision = job_next_revision(m->job)};
}

void model_commit(struct model *m)
{
    /* A write that was queued before a seek was committed before it. */
    if (m->written.job.generation == m->stored.job.generation)
        m->stored = m->written;
}

/* Everything is void, and another generation begins. */
static void on_sought(struct model *m, uint32_t generation, struct job_position to)
{
    struct stored *stored = &m->stored;

    m->sought++;
    m->start = m->floor = m->frontier = m->reached = to;
    m->failing = false;
    for (uint32_t i = 0; i < m->tokens; i++)
        m->waiting[i].rank = RANKS;
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        m->epoch_steps[epoch] = 0;
        for (uint64_t s = 0; s < STEPS; s++) {
            struct job_position at = {epoch, s};
            struct step *step = &m->steps[epoch][s];

            *step = (struct step){.before = step->revision};
            memset(step->acked, position_before(at, to), sizeof(step->acked));
        }
    }
    for (int w = 0; w < WORKERS; w++) {
        m->workers[w].count = m->workers[w].resend = m->workers[w].had_count = 0;
        m->workers[w].stalled = false;
    }
    for (uint32_t r = 0; r < RANKS; r++) {
        m->ended[r] = to.epoch;
        stored->row[r] = (struct job_progress){.rank = r, .generation = generation, .low = to};
    }
    stored->rows = m->world;
    stored->job = (struct job_restored){.generation = generation,
                                        .start = to,
                                        .mark = m->change_mark,
                                        .attended = m->change_attended,
                                        .world_at = to,
                                        .next_revision = job_next_revision(m->job)};
}

static void on_store_revision(struct model *m, struct job_position at, struct epoch_shape shape,
                              const struct plan *plan)
{
    EXPECT(!m->storing && !m->seeking && !position_before(at, m->frontier));
    EXPECT(fake_plan_epoch(plan) == at.epoch && fake_plan_step(plan) == at.step);
    EXPECT(at.step == 0 || at.epoch >= EPOCHS || !m->epoch_steps[at.epoch] ||
           m->epoch_steps[at.epoch] == shape.steps);
    m->storing = true;
    m->change_at = at;
}

static void on_gone(struct model *m, struct worker *worker)
{
    EXPECT(worker->lost);
    worker->stream = NULL;
    worker->count = worker->resend = 0;
    m->gone++;
}

static void on_drained(struct model *m, const struct job_epoch *e)
{
    const struct worker *worker = e->owner;

    EXPECT(e->epoch < EPOCHS && e->steps == m->epoch_steps[e->epoch]);
    EXPECT(worker->count < worker->window);
    for (uint32_t i = 0; i < WORKERS && m->config.mode == JOB_SHARED; i++)
        EXPECT(!m->workers[i].stream || !m->workers[i].lost || m->workers[i].count == 0);
}

static void on_effect(struct model *m, const struct job_effect *e)
{
    switch (e->kind) {
    case JOB_DELIVER:
        on_deliver(m, &e->deliver);
        fill_up(m, e->deliver.owner);
        break;
    case JOB_EPOCH_END:
        on_epoch_end(m, &e->epoch_end);
        break;
    case JOB_DRAINED:
        on_drained(m, &e->drained);
        break;
    case JOB_STORE_REVISION:
        on_store_revision(m, e->store_revision.at, e->store_revision.shape, e->store_revision.plan);
        break;
    case JOB_STORE_PROGRESS:
        on_store_progress(m);
        break;
    case JOB_STORE_SEEK:
        EXPECT(!m->storing && !m->seeking);
        m->seeking = true;
        m->change_mark = e->store_seek.mark;
        m->change_attended = e->store_seek.attended;
        break;
    case JOB_SOUGHT:
        m->seeking = false;
        if (e->sought.code == EVD_OK)
            on_sought(m, e->sought.generation, e->sought.at);
        break;
    case JOB_MOVED:
        EXPECT(!((struct worker *)e->moved.owner)->lost && position_equal(e->moved.at, m->start));
        break;
    case JOB_GONE:
        on_gone(m, e->gone.owner);
        break;
    case JOB_ACKED:
        on_acked(m, e->acked.token, e->acked.code);
        break;
    case JOB_DIRTY:
        EXPECT(!m->flush);
        m->flush = true;
        break;
    case JOB_UPDATED:
        m->storing = false;
        m->replaying &= e->updated.code != EVD_OK;
        break;
    case JOB_REVISION:
        EXPECT(((struct worker *)e->revision.owner)->stream);
        EXPECT(!((struct worker *)e->revision.owner)->lost);
        EXPECT(position_equal(e->revision.at, m->change_at));
        break;
    }
}

int model_step(struct model *m, struct job_event *event)
{
    struct evd_error err;
    int code;

    event->now = m->now;
    code = job_step(m->job, event, &m->update, &err);
    while (job_next_effect(m->job, &m->update))
        on_effect(m, &m->update.effect);
    job_check(m->job);
    return code;
}

void model_tick(struct model *m)
{
    struct job_event event = {.kind = JOB_TICK};

    model_expire(m);
    EXPECT(model_step(m, &event) == EVD_OK);
    EXPECT(job_deadline(m->job) > m->now);
}

/* ---- restarts and other worlds ---- */

static bool handed_to_any(const struct step *step)
{
    for (uint32_t r = 0; r < RANKS; r++) {
        if (step->handed[r])
            return true;
    }
    return false;
}

/* What was confirmed must be there; what was handed out may come again. */
static void restore_rank(struct model *m, uint32_t r, const struct job_progress *row)
{
    m->ended[r] = row->low.epoch;
    for (uint64_t e = 0; e < EPOCHS; e++) {
        for (uint64_t s = 0; s < STEPS; s++) {
            struct job_position at = {e, s};
            struct step *step = &m->steps[e][s];

            step->acked[r] = row_has(row, at);
            EXPECT(step->acked[r] || !step->durable[r] || at_most_once(m));
            step->acked[r] |= at_most_once(m) && position_before(at, m->floor);
        }
    }
}

void model_restored(struct model *m)
{
    struct stored *stored = &m->stored;
    bool other_world = m->world != stored->rows;

    m->floor = stored->job.mark;
    m->world = stored->rows;
    for (uint64_t e = 0; e < EPOCHS; e++) {
        for (uint64_t s = 0; s < STEPS; s++) {
            struct step *step = &m->steps[e][s];

            memset(step->handed, handed_to_any(step), sizeof(step->handed));
            for (uint32_t r = other_world ? 0 : m->world; r < RANKS; r++)
                step->durable[r] = 0;
        }
    }
    for (uint32_t r = 0; r < RANKS; r++) {
        struct job_progress nothing = {.low = m->start};

        restore_rank(m, r, r < m->world ? &stored->row[r] : &nothing);
    }
    for (int w = 0; w < WORKERS; w++) {
        struct worker *worker = &m->workers[w];

        worker->had_count = worker->stream ? worker->count : 0;
        EXPECT(worker->had_count == 0 || stored->job.attended || worker->claimed ||
               m->config.mode == JOB_RANKED || at_most_once(m) || m->config.grace == 0);
        for (uint32_t i = 0; i < worker->had_count; i++)
            worker->had[i] = worker->held[i].at;
        worker->stream = NULL;
    }
    model_reached_again(m);
    m->tokens = 0;
    m->replaying &= !m->seeking;
    m->writing = m->storing = m->seeking = m->flush = m->failing = m->draining = false;
}

void model_world(struct model *m, uint32_t world, struct job_position low)
{
    for (uint64_t e = 0; e < EPOCHS; e++) {
        for (uint64_t s = 0; s < STEPS; s++) {
            struct step *step = &m->steps[e][s];
            struct job_position at = {e, s};

            memset(step->handed, handed_to_any(step) && !position_before(at, low),
                   sizeof(step->handed));
            memset(step->acked, position_before(at, low), sizeof(step->acked));
            if (!position_before(at, low))
                memset(step->durable, 0, sizeof(step->durable));
        }
    }
    for (uint32_t i = 0; i < m->tokens; i++)
        m->waiting[i].rank = RANKS;
    for (uint32_t r = 0; r < RANKS; r++)
        m->ended[r] = low.epoch;
    if (position_before(m->floor, m->frontier))
        m->floor = m->frontier;
    m->reached = low;
    m->world = world;
    m->worlds++;
}
