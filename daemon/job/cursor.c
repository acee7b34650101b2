/*
 * Cursors: the steps of one rank, or of a shared job. Which are handed out, acknowledged, come
 * back, and which goes out next. Knows nothing of streams; deliver.c and lease.c do.
 */
#include <assert.h>
#include <string.h>
#include "job/internal.h"

static bool bit_get(const uint64_t *bits, uint64_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static void bit_set(uint64_t *bits, uint64_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static void bit_clear(uint64_t *bits, uint64_t i)
{
    bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* Where the bits of a step are. */
static uint64_t step_bit(const struct cursor *cursor, uint64_t step)
{
    return step & (cursor->span - 1);
}

bool cursor_acked(const struct cursor *cursor, uint64_t step)
{
    return bit_get(cursor->acked, step_bit(cursor, step));
}

bool cursor_returned(const struct cursor *cursor, uint64_t step)
{
    return bit_get(cursor->returned, step_bit(cursor, step));
}

struct job_position cursor_low(const struct cursor *cursor)
{
    return (struct job_position){cursor->epoch, cursor->low};
}

/* The end of an epoch is the beginning of the next. */
static struct job_position position_of(const struct cursor *cursor, uint64_t step)
{
    if (step > 0 && step == cursor->shape.steps)
        return (struct job_position){cursor->epoch + 1, 0};
    return (struct job_position){cursor->epoch, step};
}

struct job_position cursor_next(const struct cursor *cursor)
{
    return position_of(cursor, cursor->next);
}

struct job_position cursor_known(const struct cursor *cursor)
{
    return position_of(cursor, cursor->known);
}

static void note_handed_out(struct cursor *cursor, uint64_t step)
{
    if (step >= cursor->known)
        cursor->known = step + 1;
}

/* The lowest returned step; there is one. Whole words without any are passed over. */
static uint64_t lowest_returned(const struct cursor *cursor)
{
    uint64_t step = cursor->returned_from > cursor->low ? cursor->returned_from : cursor->low;

    assert(cursor->returned_count > 0);
    for (;;) {
        uint64_t i = step_bit(cursor, step);
        uint64_t word = cursor->returned[i / 64] >> (i % 64);

        if (word)
            return step + (uint64_t)__builtin_ctzll(word);
        step += 64 - i % 64;
    }
}

struct job_position cursor_first(const struct cursor *cursor)
{
    if (cursor->returned_count == 0)
        return cursor_next(cursor);
    return (struct job_position){cursor->epoch, lowest_returned(cursor)};
}

uint32_t cursor_revision(const struct cursor *cursor, const struct history *history, uint64_t step)
{
    struct job_position at = {cursor->epoch, step};
    uint32_t i = cursor->low_revision;

    assert(i < history->count);
    while (i + 1 < history->count && !position_before(at, history->items[i + 1].at))
        i++;
    return i;
}

static void hand_out_returned(struct cursor *cursor, const struct history *history,
                              struct taken_step *taken)
{
    uint64_t step = lowest_returned(cursor);

    assert(step < cursor->next && !cursor_acked(cursor, step));
    bit_clear(cursor->returned, step_bit(cursor, step));
    cursor->returned_from = step + 1;
    cursor->returned_count--;
    taken->step = step;
    taken->returned = true;
    note_handed_out(cursor, step);
    taken->revision = cursor_revision(cursor, history, step);
}

bool cursor_take(struct cursor *cursor, const struct history *history, struct job_position limit,
                 bool in_doubt, struct taken_step *taken)
{
    struct job_position at = {cursor->epoch, cursor->next};

    if (cursor->returned_count > 0 && !in_doubt) {
        hand_out_returned(cursor, history, taken);
        return true;
    }
    if (!position_before(at, limit) || cursor->next - cursor->low >= cursor->reach)
        return false;
    if (cursor->next == 0)
        cursor->shape = history_shape(history, cursor->epoch);
    if (cursor->next >= cursor->shape.steps)
        return false;
    while (cursor->next_revision + 1 < history->count &&
           !position_before(at, history->items[cursor->next_revision + 1].at))
        cursor->next_revision++;
    taken->step = cursor->next++;
    note_handed_out(cursor, taken->step);
    taken->revision = cursor->next_revision;
    taken->returned = false;
    return true;
}

bool cursor_claim(struct cursor *cursor, const struct history *history, struct job_position at,
                  struct job_position floor)
{
    uint64_t step = at.step;

    if (at.epoch != cursor->epoch || step < cursor->low)
        return false;
    if (step < cursor->next) {
        if (!cursor_returned(cursor, step))
            return false;
        assert(cursor->returned_count > 0);
        bit_clear(cursor->returned, step_bit(cursor, step));
        cursor->returned_count--;
        note_handed_out(cursor, step);
        return true;
    }
    if (cursor->next == 0)
        cursor->shape = history_shape(history, cursor->epoch);
    if (!position_before(at, floor) || step >= cursor->shape.steps ||
        step - cursor->low >= cursor->span)
        return false;
    while (cursor->next < step)
        cursor_return(cursor, cursor->next++);
    cursor->next++;
    note_handed_out(cursor, step);
    return true;
}

void cursor_doubt(struct cursor *cursor, const struct history *history, struct job_position floor)
{
    if (cursor->next == 0)
        cursor->shape = history_shape(history, cursor->epoch);
    while (position_before((struct job_position){cursor->epoch, cursor->next}, floor) &&
           cursor->next < cursor->shape.steps && cursor->next - cursor->low < cursor->span)
        cursor_return(cursor, cursor->next++);
}

void cursor_ack(struct cursor *cursor, uint64_t step)
{
    assert(step >= cursor->low && step < cursor->next);
    assert(!cursor_acked(cursor, step) && !cursor_returned(cursor, step));
    bit_set(cursor->acked, step_bit(cursor, step));
    while (cursor->low < cursor->next && cursor_acked(cursor, cursor->low)) {
        bit_clear(cursor->acked, step_bit(cursor, cursor->low));
        cursor->low++;
    }
}

void cursor_return(struct cursor *cursor, uint64_t step)
{
    assert(step >= cursor->low && step - cursor->low < cursor->span);
    assert(!cursor_acked(cursor, step) && !cursor_returned(cursor, step));
    cursor->supply++;
    bit_set(cursor->returned, step_bit(cursor, step));
    if (cursor->returned_count++ == 0 || step < cursor->returned_from)
        cursor->returned_from = step;
}

bool cursor_drained(const struct cursor *cursor)
{
    return cursor->next > 0 && cursor->next == cursor->shape.steps && cursor->returned_count == 0;
}

bool cursor_at_end(const struct cursor *cursor)
{
    return cursor->low > 0 && cursor->low == cursor->shape.steps;
}

void cursor_next_epoch(struct cursor *cursor)
{
    assert(cursor->low == cursor->shape.steps && cursor->next == cursor->low);
    assert(cursor->returned_count == 0);
    cursor->supply++;
    cursor->ended_steps = cursor->shape.steps;
    cursor->epoch++;
    cursor->low = cursor->next = cursor->known = 0;
    cursor->shape = (struct epoch_shape){0};
}

void cursor_move(struct cursor *cursor, const struct history *history, struct job_position at)
{
    size_t bytes = cursor->span / 8;

    assert(cursor->leases == 0);
    memset(cursor->acked, 0, bytes);
    memset(cursor->returned, 0, bytes);
    cursor->returned_count = 0;
    cursor->supply++;
    cursor->epoch = at.epoch;
    cursor->low = cursor->next = at.step;
    cursor->next_revision = history_certain(history, at);
    cursor->shape = at.step > 0 ? history_shape(history, at.epoch) : (struct epoch_shape){0};
    cursor->ended_steps = at.epoch > 0 ? history_shape(history, at.epoch - 1).steps : 0;
    if (cursor->low > cursor->shape.steps)
        cursor->low = cursor->next = cursor->shape.steps;
    cursor->known = cursor->next;
    if (cursor_at_end(cursor))
        cursor_next_epoch(cursor);
}

void cursor_follow(struct cursor *cursor, struct history *history)
{
    struct job_position low = cursor_low(cursor);
    uint32_t i = cursor->low_revision;

    assert(i < history->certain);
    while (i + 1 < history->certain && !position_before(low, history->items[i + 1].at))
        i++;
    if (i == cursor->low_revision)
        return;
    assert(history->items[cursor->low_revision].users > 0);
    history->items[cursor->low_revision].users--;
    history->items[i].users++;
    cursor->low_revision = i;
    history_release(history);
}

uint32_t cursor_pack(struct cursor *cursor)
{
    uint64_t n = cursor->next - cursor->low;
    uint32_t bytes = 0;

    for (uint64_t i = 0; i < n; i += 8) {
        uint8_t byte = 0;

        for (uint64_t j = i; j < i + 8 && j < n; j++)
            byte |= (uint8_t)(cursor_acked(cursor, cursor->low + j) << (j - i));
        cursor->packed[i / 8] = byte;
        if (byte)
            bytes = (uint32_t)(i / 8) + 1;
    }
    return bytes;
}
