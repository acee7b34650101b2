/* What drawing again costs, by which it waits for others (line.h): plans that are built from
 * neighbours, or from a part, read those. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replay/line.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_attached_is_read)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
