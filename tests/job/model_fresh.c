/*
 * What the job keeps although it follows from what happened before, against what the model counted
 * on its own. test_job_model.c calls it after every event; what follows from the job's state alone,
 * job_check compares (daemon/job/check.c).
 */
#include "model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* The end of an epoch is the beginning of the next. */
static struct job_position begun(const struct model *m, struct job_position at)
{
    uint64_t steps = at.epoch < EPOCHS ? m->epoch_steps[at.epoch] : 0;

    if (steps == 0)
        steps = job_shape(m->job, at.epoch).steps;
    return steps > 0 && at.step >= steps ? (struct job_position){at.epoch + 1, 0} : at;
}

static bool same(const struct model *m, struct job_position a, struct job_position b)
{
    return position_equal(begun(m, a), begun(m, b));
}

void model_reached(struct model *m, struct job_position next)
{
    next = begun(m, next);
    if (position_before(m->reached, next))
        m->reached = next;
}

void model_reached_again(struct model *m)
{
    bool passed_over = m->config.guarantee == JOB_AT_MOST_ONCE;

    m->redelivered = m->timed_out = 0;
    m->reached = m->start;
    for (uint32_t r = 0; r < m->stored.rows; r++) {
        const struct job_progress *row = &m->stored.row[r];
        uint64_t bits = row->acked_bytes * UINT64_C(8);

        while (bits > 0 && !(m->stored.bits[r][(bits - 1) / 8] >> ((bits - 1) % 8) & 1))
            bits--;
        model_reached(m, (struct job_position){row->low.epoch, row->low.step + bits});
    }
    if (passed_over)
        model_reached(m, m->floor);
}

static void expect_stream(struct model *m, const struct worker *worker)
{
    struct job_stream_info info;

    job_stream_info(worker->stream, &info);
    EXPECT(info.lost == worker->lost && info.stalled == worker->stalled);
    EXPECT(info.held == worker->count);
    EXPECT(info.lost || info.window == worker->window);
    EXPECT(info.served_steps == worker->served);
    EXPECT(info.acked_steps == worker->acked && info.acked_samples == worker->samples);
    if (info.ended_steps > 0 && m->epoch_steps[info.low.epoch - 1] > 0)
        EXPECT(info.ended_steps == m->epoch_steps[info.low.epoch - 1]);
    for (uint32_t i = 0; i < info.held; i++)
        EXPECT(position_equal(job_stream_lease(worker->stream, i), worker->held[i].at));
}

static void expect_state(struct model *m)
{
    struct job_state state;
    uint32_t streams = 0, outstanding = 0;

    for (int w = 0; w < WORKERS; w++) {
        const struct worker *worker = &m->workers[w];

        if (!worker->stream)
            continue;
        expect_stream(m, worker);
        streams += !worker->lost;
        outstanding += worker->count;
    }
    job_state(m->job, &state);
    EXPECT(state.streams == streams && state.outstanding == outstanding);
    EXPECT(state.redelivered == m->redelivered && state.expired == m->timed_out);
    EXPECT(position_equal(state.next, m->reached));
    EXPECT(state.failing == m->failing && state.updating == (m->storing || m->seeking));
    EXPECT(job_next_revision(m->job) >= m->next_revision);
    m->next_revision = job_next_revision(m->job);
}

static void expect_row(struct model *m, uint32_t r, const struct job_progress *row)
{
    static const struct job_progress none;
    const struct job_progress *stored = r < m->stored.rows ? &m->stored.row[r] : &none;
    struct job_position low = stored == &none ? m->start : stored->low;

    /* A restart finds the mark as well, and passes over what is below. */
    if (m->config.guarantee == JOB_AT_MOST_ONCE && position_before(low, m->floor))
        return;
    EXPECT(same(m, low, row->low));
    EXPECT(stored->acked_bytes == row->acked_bytes);
    EXPECT(memcmp(m->stored.bits[r], row->acked, row->acked_bytes) == 0);
}

/* When no write is under way and none is due, a restart would find what there is now. */
static void expect_durable(struct model *m)
{
    const struct job_progress *rows;
    uint32_t count = job_progress(m->job, &rows);

    if (m->writing || m->seeking)
        return;
    EXPECT(same(m, job_mark(m->job), m->stored.job.mark));
    EXPECT(job_attended(m->job) == m->stored.job.attended);
    if (m->flush)
        return;
    EXPECT(!m->failing && count <= RANKS);
    EXPECT(m->stored.rows == count || m->stored.rows == 0);
    for (uint32_t r = 0; r < count; r++)
        expect_row(m, r, &rows[r]);
}

void model_fresh(struct model *m)
{
    expect_state(m);
    expect_durable(m);
}
