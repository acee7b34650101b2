/* What attachments that recorded strategies name cost: time to draw again, by which that waits for
 * others (line.h), and memory (records.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "replay/line.h"
#include "replay/records.h"
#include "server/works.h"

#define SAMPLES 1000000

/* Of a line of one plan that is to be built, and no step. */
static uint64_t cost(const struct dataset *dataset, struct plan_held *held)
{
    struct replay_revision revision = {.shape = {.steps = 1, .last_size = 1}};
    struct line_plan plan = {.strategy_bytes = 1, .held = held};
    struct line line = {.base = {.dataset = dataset, .batch_size = 1},
                        .revisions = &revision,
                        .plans = &plan,
                        .count = 1};

    return line_cost(&line, (struct job_position){0, 0}, (struct job_position){0, 0});
}

static void what_is_attached_is_read(void **state)
{
    struct dataset dataset = {
        .index = {.samples = SAMPLES, .labelled = SAMPLES, .classes = 2},
    };
    struct attachment near = {.samples = SAMPLES,
                              .form = {.kind = ATTACHMENT_NEIGHBOURS, .width = 64}};
    struct attachment part = {.samples = SAMPLES, .form = {.kind = ATTACHMENT_FOLDS, .width = 10}};
    struct plan_held of_part = {.attachment = &part}, both = {&near, &of_part};
    uint64_t bare = cost(&dataset, NULL);

    (void)state;
    assert_true(bare <= WORKS_SHORT_COST);
    assert_int_equal(cost(&dataset, &of_part) - bare, UINT64_C(3) * SAMPLES);
    assert_int_equal(cost(&dataset, &both) - bare, (3 + UINT64_C(6) * 64) * SAMPLES);
    assert_true(cost(&dataset, &both) > WORKS_SHORT_COST);
}

/* The list of them is part of what a job's records take, as long as the strategy is not forgotten.
 */
static void what_is_named_is_counted(void **state)
{
    struct attachment near = {.samples = 1}, part = {.samples = 1};
    struct records records = {0};
    struct revision revision = {.author = strdup("a")};
    uint64_t bytes;

    (void)state;
    assert_non_null(revision.author);
    assert_true(records_reserve(&records));
    records_add(&records, &revision, 0);
    bytes = records.bytes;
    assert_true(plan_hold(&records.revisions[0].held, &near));
    assert_true(plan_hold(&records.revisions[0].held, &part));
    records_measure(&records);
    assert_int_equal(records.bytes - bytes, 2 * sizeof(struct plan_held));
    assert_int_equal(near.uses + part.uses, 2);
    records_fini(&records);
    assert_int_equal(near.uses + part.uses, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_attached_is_read),
                                       cmocka_unit_test(what_is_named_is_counted)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
