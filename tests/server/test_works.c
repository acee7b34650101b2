/* Whose heavy work gets a thread next: every case in a simulation, without threads and time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "server/services.h"
#include "server/works.h"

#define SHORT_MS   2
#define LONG_MS    4000
#define MOST       64 /* accounts */
#define MOST_ITEMS 256

static uint64_t cost(uint64_t milliseconds)
{
    return milliseconds * WORKS_PER_MS;
}

/* ---- one after the other ---- */

struct fixture {
    struct works works;
    struct works_account accounts[MOST];
    struct works_item items[MOST_ITEMS];
    unsigned count;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    works_init(&f.works);
    *state = &f;
    return 0;
}

static struct works_item *add(struct fixture *f, unsigned account, uint64_t milliseconds)
{
    struct works_item *item = &f->items[f->count++];

    item->account = &f->accounts[account];
    item->cost = cost(milliseconds);
    works_add(&f->works, item);
    return item;
}

static void what_is_long_leaves_threads(void **state)
{
    struct fixture *f = *state;
    struct works_item *first = add(f, 0, LONG_MS), *second = add(f, 1, LONG_MS);
    struct works_item *third = add(f, 2, LONG_MS), *brief;

    assert_ptr_equal(works_next(&f->works), first);
    assert_ptr_equal(works_next(&f->works), second);
    assert_null(works_next(&f->works)); /* two threads are for what is short */
    brief = add(f, 3, SHORT_MS);
    assert_ptr_equal(works_next(&f->works), brief);
    assert_int_equal(f->works.waiting_count, 1);
    works_done(&f->works, brief, SHORT_MS);
    assert_null(works_next(&f->works));
    works_done(&f->works, second, LONG_MS);
    assert_ptr_equal(works_next(&f->works), third);
}

static void what_is_short_leaves_one(void **state)
{
    struct fixture *f = *state;
    struct works_item *item;

    for (unsigned i = 0; i < WORKS_THREADS; i++)
        add(f, i, SHORT_MS);
    for (unsigned i = 0; i < WORKS_THREADS - 1; i++)
        assert_ptr_equal(works_next(&f->works), &f->items[i]);
    assert_null(works_next(&f->works));
    item = add(f, 9, LONG_MS);
    assert_ptr_equal(works_next(&f->works), item);
    assert_null(works_next(&f->works)); /* all have something to do */
}

static void short_before_long(void **state)
{
    struct fixture *f = *state;
    struct works_item *brief;

    add(f, 0, LONG_MS);
    assert_non_null(works_next(&f->works));
    add(f, 0, LONG_MS);
    brief = add(f, 0, SHORT_MS);
    assert_ptr_equal(works_next(&f->works), brief);
}

static void who_goes_does_not_pay(void **state)
{
    struct fixture *f = *state;
    struct works_item *first = add(f, 0, SHORT_MS), *second = add(f, 1, SHORT_MS);

    assert_ptr_equal(works_next(&f->works), first);
    works_remove(&f->works, second);
    assert_null(works_next(&f->works));
    assert_int_equal(f->works.waiting_count, 0);
    first->account = NULL;
    works_done(&f->works, first, 1e9);
    assert_true(f->accounts[0].had == SHORT_MS && f->accounts[1].had == 0);
}

/* Who came long ago with nothing to do has not saved anything up; who was estimated at too little
 * has to wait afterwards. */
static void wrong_estimates_are_paid_for(void **state)
{
    struct fixture *f = *state;
    struct works_item *item = add(f, 0, 1);

    assert_ptr_equal(works_next(&f->works), item);
    works_done(&f->works, item, 500);
    assert_true(f->accounts[0].had == 500);
    for (unsigned i = 0; i < WORKS_THREADS - 1; i++) {
        add(f, 5, 1);
        assert_non_null(works_next(&f->works));
    }
    add(f, 0, 1);
    item = add(f, 1, 1);
    assert_null(works_next(&f->works));
    works_done(&f->works, &f->items[1], 1);
    assert_ptr_equal(works_next(&f->works), item); /* it came later, but has had nothing */
}

/* ---- in the long run ---- */

/* Every account always wants one more, of its own length. */
struct run {
    struct fixture *f;
    const uint64_t *lengths;
    unsigned accounts;
    double now, until[MOST]; /* when the one at work of an account is back; 0: it waits */
    double served[MOST];
    unsigned turns[MOST];
};

static void start_all(struct run *run)
{
    struct works_item *item;

    while ((item = works_next(&run->f->works))) {
        unsigned account = (unsigned)(item->account - run->f->accounts);

        run->until[account] = run->now + (double)run->lengths[account];
    }
}

static void one_comes_back(struct run *run)
{
    unsigned back = MOST;

    for (unsigned i = 0; i < run->accounts; i++) {
        if (run->until[i] > 0 && (back == MOST || run->until[i] < run->until[back]))
            back = i;
    }
    assert_true(back < MOST);
    run->now = run->until[back];
    run->until[back] = 0;
    run->served[back] += (double)run->lengths[back];
    run->turns[back]++;
    works_done(&run->f->works, &run->f->items[back], (double)run->lengths[back]);
    works_add(&run->f->works, &run->f->items[back]);
}

static void run_for(struct run *run, unsigned works)
{
    for (unsigned i = 0; i < run->accounts; i++)
        add(run->f, i, run->lengths[i]);
    for (unsigned i = 0; i < works; i++) {
        start_all(run);
        one_comes_back(run);
    }
}

/* Of those in one lane each gets the same time, however long its works are. */
static void each_gets_its_share(void **state)
{
    static const uint64_t lengths[] = {100, 200, 400, 800, 800, 1600, 3200, 100};
    struct run run = {.f = *state, .lengths = lengths, .accounts = 8};
    double sum = 0;

    run_for(&run, 20000);
    for (unsigned i = 0; i < run.accounts; i++)
        sum += run.served[i];
    for (unsigned i = 0; i < run.accounts; i++)
        assert_true(run.served[i] > sum / 8 - 4 * 3200 && run.served[i] < sum / 8 + 4 * 3200);
}

/* However many have long or short works, nobody waits for ever. */
static void nobody_starves(void **state)
{
    uint64_t lengths[MOST];
    struct run run = {.f = *state, .lengths = lengths, .accounts = MOST};

    for (unsigned i = 0; i < MOST; i++)
        lengths[i] = i % 2 ? LONG_MS : SHORT_MS;
    run_for(&run, 200000);
    for (unsigned i = 2; i < MOST; i++) {
        assert_true(run.turns[i] > 0);
        assert_true(run.turns[i] + 1 >= run.turns[i % 2] && run.turns[i] <= run.turns[i % 2] + 1);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_long_leaves_threads),
        TEST(what_is_short_leaves_one),
        TEST(short_before_long),
        TEST(who_goes_does_not_pay),
        TEST(wrong_estimates_are_paid_for),
        TEST(each_gets_its_share),
        TEST(nobody_starves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
