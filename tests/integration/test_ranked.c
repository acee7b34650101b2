/* Ranked mode with the real daemon: slices of one global order, and a live change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

#define SAMPLES 20000u
#define CLASSES 5u
#define BATCH   120u
#define STEPS   166u /* of an epoch; what is left over is dropped */

static struct server server;
static evd_client *client;

static int start(void **state)
{
    (void)state;
    server_start(&server);
    client = server_dial(&server);
    load(client, "d", SAMPLES, CLASSES);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    evd_close(client);
    server_remove(&server);
    return 0;
}

static void create(const char *job, const char *extra)
{
    char params[256];

    snprintf(params, sizeof(params),
             "{\"name\": \"%s\", \"dataset\": \"d\", \"batch_size\": %u, \"mode\": \"ranked\"%s}",
             job, BATCH, extra);
    tell(client, "job.create", params);
}

/* One rank: a thread with a connection of its own, for so many steps from where the job is. */
struct rank {
    pthread_t thread;
    const char *job;
    int rank;
    uint32_t world, steps;
    pthread_barrier_t *half_way; /* waited at twice, in the middle; or NULL */
    /* what it saw */
    bool failed;
    uint32_t seen;
    uint64_t index[STEPS][BATCH];
    uint32_t revision[STEPS];
    uint32_t n[STEPS];
};

static int rank_step(struct rank *rank, const evd_batch *batch)
{
    if (batch->step >= STEPS || batch->n > BATCH || batch->step != rank->seen)
        return 1;
    memcpy(rank->index[batch->step], batch->index, 8 * (size_t)batch->n);
    rank->revision[batch->step] = batch->revision;
    rank->n[batch->step] = batch->n;
    rank->seen++;
    return 0;
}

static void *rank_main(void *arg)
{
    struct rank *rank = arg;
    evd_client *own = server_dial(&server);
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    const evd_batch *batch;
    evd_stream *stream;

    options.job = rank->job;
    options.rank = rank->rank;
    options.world_size = rank->world;
    options.window = 4;
    rank->failed = evd_stream_open(own, &options, &stream) != EVD_OK;
    for (uint32_t i = 0; i < rank->steps && !rank->failed; i++) {
        if (rank->half_way != NULL && i == rank->steps / 2) {
            pthread_barrier_wait(rank->half_way);
            pthread_barrier_wait(rank->half_way);
        }
        rank->failed = evd_next(stream, 30000, &batch) != EVD_OK || rank_step(rank, batch) != 0;
    }
    if (!rank->failed && rank->steps == STEPS)
        rank->failed = evd_next(stream, 30000, &batch) != EVD_EPOCH_END;
    if (rank->failed)
        fprintf(stderr, "rank %d after %u steps: %s\n", rank->rank, rank->seen,
                evd_error_message(own));
    evd_close(own);
    return NULL;
}

static struct rank *run_ranks(const char *job, uint32_t world, pthread_barrier_t *half_way,
                              void (*in_the_middle)(void *), void *arg)
{
    struct rank *ranks = calloc(world, sizeof(*ranks));

    assert_non_null(ranks);
    for (uint32_t r = 0; r < world; r++) {
        ranks[r].job = job;
        ranks[r].rank = (int)r;
        ranks[r].world = world;
        ranks[r].steps = STEPS;
        ranks[r].half_way = half_way;
        assert_int_equal(pthread_create(&ranks[r].thread, NULL, rank_main, &ranks[r]), 0);
    }
    if (half_way != NULL) {
        pthread_barrier_wait(half_way);
        in_the_middle(arg);
        pthread_barrier_wait(half_way);
    }
    for (uint32_t r = 0; r < world; r++) {
        pthread_join(ranks[r].thread, NULL);
        assert_false(ranks[r].failed);
    }
    return ranks;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The global batch of a step, sorted. */
static void gather(const struct rank *ranks, uint32_t world, uint32_t step, uint64_t out[BATCH])
{
    uint32_t n = 0;

    for (uint32_t r = 0; r < world; r++) {
        assert_int_equal(ranks[r].n[step], BATCH / world);
        memcpy(out + n, ranks[r].index[step], 8 * (size_t)ranks[r].n[step]);
        n += ranks[r].n[step];
    }
    assert_int_equal(n, BATCH);
    qsort(out, BATCH, sizeof(*out), compare);
}

/* The same job with 1, 2, 3 and 8 ranks: the same global batches, no sample twice in an epoch. */
static void test_any_world_size(void **state)
{
    static const uint32_t worlds[] = {1, 2, 3, 8};
    struct rank *first = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(worlds) / sizeof(*worlds); i++) {
        uint8_t drawn[SAMPLES] = {0};
        char job[16];
        snprintf(job, sizeof(job), "w%u", (unsigned)worlds[i]);
        create(job, ", \"seed\": 7");
        struct rank *ranks = run_ranks(job, worlds[i], NULL, NULL, NULL);
        for (uint32_t s = 0; s < STEPS; s++) {
            uint64_t here[BATCH], there[BATCH];
            gather(ranks, worlds[i], s, here);
            for (uint32_t k = 0; k < BATCH; k++)
                assert_int_equal(drawn[here[k]]++, 0);
            if (first == NULL)
                continue;
            gather(first, worlds[0], s, there);
            assert_memory_equal(here, there, sizeof(here));
        }
        if (first == NULL)
            first = ranks;
        else
            free(ranks);
    }
    free(first);
}

struct change {
    uint64_t step, revision;
};

static void change_strategy(void *arg)
{
    struct change *change = arg;
    json_t *reply = ask(client, "job.update",
                        "{\"job\": \"live\", \"strategy\": {\"kind\": \"stratified\", "
                        "\"proportions\": \"equal\"}}");

    assert_int_equal(number(reply, "epoch"), 0);
    change->step = number(reply, "step");
    change->revision = number(reply, "revision");
    json_decref(reply);
}

/* Four ranks in the middle of an epoch; the reply names the step at which every one of them
 * changes, and from there on batches are balanced. */
static void test_live_change(void **state)
{
    pthread_barrier_t half_way;
    struct change change;
    struct rank *ranks;

    (void)state;
    create("live", ", \"world_size\": 4");
    pthread_barrier_init(&half_way, NULL, 5);
    ranks = run_ranks("live", 4, &half_way, change_strategy, &change);
    pthread_barrier_destroy(&half_way);
    assert_in_range(change.step, STEPS / 2, STEPS / 2 + 8);
    assert_int_equal(change.revision, 1);
    for (uint32_t s = 0; s < STEPS; s++) {
        uint32_t of_class[CLASSES] = {0};
        uint64_t batch[BATCH];
        for (uint32_t r = 0; r < 4; r++)
            assert_int_equal(ranks[r].revision[s], s < change.step ? 0 : 1);
        gather(ranks, 4, s, batch);
        for (uint32_t k = 0; k < BATCH; k++)
            of_class[load_label(batch[k], CLASSES)]++;
        if (s >= change.step)
            for (uint32_t c = 0; c < CLASSES; c++)
                assert_int_equal(of_class[c], BATCH / CLASSES);
    }
    free(ranks);
}

static void refuse_open(const char *job, int rank, uint32_t world, int code)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    evd_stream *stream;

    options.job = job;
    options.rank = rank;
    options.world_size = world;
    assert_int_equal(evd_stream_open(client, &options, &stream), code);
    assert_true(evd_error_message(client)[0] != '\0');
}

static void test_world_size_must_divide(void **state)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    const evd_batch *batch;
    evd_stream *stream;

    (void)state;
    refused(client, "job.create",
            "{\"name\": \"odd\", \"dataset\": \"d\", \"batch_size\": 120, \"mode\": \"ranked\", "
            "\"world_size\": 7}",
            EVD_E_BAD_VALUE);
    refused(client, "job.info", "{\"job\": \"odd\"}", EVD_E_NOT_FOUND);
    create("even", "");
    refuse_open("even", 0, 7, EVD_E_BAD_VALUE);
    refuse_open("even", 4, 4, EVD_E_BAD_VALUE);
    /* Refusals leave the job as it was: any fitting world size may still come. */
    options.job = "even";
    options.rank = 0;
    options.world_size = 4;
    assert_int_equal(evd_stream_open(client, &options, &stream), EVD_OK);
    assert_int_equal(evd_next(stream, 30000, &batch), EVD_OK);
    assert_int_equal(batch->n, BATCH / 4);
    refuse_open("even", 0, 4, EVD_E_CONFLICT); /* the rank is taken */
    evd_stream_close(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_world_size),
        cmocka_unit_test(test_live_change),
        cmocka_unit_test(test_world_size_must_divide),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
