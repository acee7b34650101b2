/* Jobs of kind smote under a daemon that is killed again and again, while their strategies change:
 * bases, neighbours and shares go on as if nothing had been, and no neighbours are lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "changer.h"
#include "faults.h"

#define SAMPLES  3200u
#define CLASSES  10u
#define SHARED   ", \"grace\": 4000" STRATEGY
#define RANKED   ", \"grace\": 1000, \"mode\": \"ranked\", \"world_size\": 2" STRATEGY
#define STRATEGY ", \"strategy\": {\"kind\": \"smote\", \"variant\": \"borderline-2\"}"

static struct server server;

/* As many of each class, so that all epochs are equally long. */
static const char *const strategies[] = {
    "{\"kind\": \"smote\"}",
    "{\"kind\": \"smote\", \"k\": 3, \"neighbours\": \"others\"}",
    "{\"kind\": \"smote\", \"variant\": \"borderline-1\"}",
    "{\"kind\": \"smote\", \"variant\": \"borderline-2\", \"m\": 8}",
    NULL,
};

/* Some k of each sample that are not near, but others: `by_class`, of its own class. */
static void attach(evd_client *client, const char *name, uint32_t k, uint32_t stride, bool by_class)
{
    uint32_t *rows = malloc(SAMPLES * k * sizeof(*rows));
    float *far = malloc(SAMPLES * k * sizeof(*far));
    evd_attachment *attachment;
    char params[256];

    assert_true(rows && far);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        uint32_t j = i;

        for (uint32_t at = 0; at < k; at++) {
            do
                j = (j + stride) % SAMPLES;
            while (j == i || (by_class && load_label(j, CLASSES) != load_label(i, CLASSES)));
            rows[i * k + at] = j;
            far[i * k + at] = (float)at;
        }
    }
    snprintf(params, sizeof(params),
             "{\"dataset\": \"d\", \"name\": \"%s\", \"kind\": \"neighbours\", \"k\": %u, "
             "\"scope\": \"%s\", \"metric\": \"none\"}",
             name, k, by_class ? "class" : "all");
    if (evd_attachment_begin(client, params, &attachment) != EVD_OK ||
        evd_attachment_append(attachment, rows, k * sizeof(*rows), far, SAMPLES) != EVD_OK ||
        evd_attachment_commit(attachment, NULL) != EVD_OK)
        fail_msg("%s: %s", name, evd_error_message(client));
    free(rows);
    free(far);
}

static int start(void **state)
{
    evd_client *client;

    (void)state;
    server_start(&server);
    client = server_dial(&server);
    load(client, "d", SAMPLES, CLASSES);
    attach(client, "class", 5, 1, true);
    attach(client, "others", 4, 7, true);
    attach(client, "all", 10, 3, false);
    evd_close(client);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_remove(&server);
    return 0;
}

/* Whatever strategies there are by now, the first one is on record. */
static void check_kept(void)
{
    evd_client *client = server_dial(&server);

    refused(client, "attachment.drop", "{\"dataset\": \"d\", \"name\": \"class\"}", EVD_E_CONFLICT);
    refused(client, "attachment.drop", "{\"dataset\": \"d\", \"name\": \"all\"}", EVD_E_CONFLICT);
    evd_close(client);
}

static uint64_t steps_of(const char *job)
{
    evd_client *client = server_dial(&server);
    char params[64];
    json_t *info;
    uint64_t steps;

    snprintf(params, sizeof(params), "{\"job\": \"%s\"}", job);
    info = ask(client, "job.info", params);
    steps = number(info, "steps");
    json_decref(info);
    evd_close(client);
    return steps;
}

static void test_killed(void **state)
{
    static const char *const jobs[] = {"shared", "ranked"};
    uint32_t cycles = faults_scale((struct scale){.normal = 60, .longer = 2000, .shorter = 4});
    struct worker workers[2][2];
    struct changer changers[2];
    struct board *boards[2];
    struct dice dice = {20260409};

    (void)state;
    for (int i = 0; i < 2; i++) {
        boards[i] = board_new();
        boards[i]->pairs = true;
        faults_job(&server, jobs[i], i ? RANKED : SHARED);
        for (int w = 0; w < 2; w++) {
            workers[i][w] = (struct worker){.address = server.address,
                                            .job = jobs[i],
                                            .folder = server.dir,
                                            .rank = i ? w : -1,
                                            .world = i ? 2 : 0,
                                            .window = 8,
                                            .pause_us = 2000,
                                            .confirm_every = 25};
            worker_start(&workers[i][w], boards[i]);
        }
        changers[i] = (struct changer){.address = server.address,
                                       .job = jobs[i],
                                       .folder = server.dir,
                                       .pause_us = 300000,
                                       .strategies = strategies};
        changer_start(&changers[i], boards[i]);
    }
    for (uint32_t i = 0; i < cycles; i++) {
        usleep(dice_below(&dice, i % 10 == 9 ? 1500000 : 200000));
        server_kill(&server);
        server_start(&server);
        check_kept();
    }
    for (int i = 0; i < 2; i++) {
        uint64_t epochs = workers_finish(workers[i], 2, boards[i], faults_patience());

        changer_finish(&changers[i]);
        faults_check(&server, jobs[i], NULL, boards[i], i ? 2 : 0, epochs, steps_of(jobs[i]), 0);
    }
    check_kept();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed),
    };

    faults_arguments(argc, argv);
    return cmocka_run_group_tests(tests, start, stop);
}
