/* The daemon is stopped, or killed, and started again on the same database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "server.h"

#define BATCH 50u

static evd_stream *attach(evd_client *client, const char *job, unsigned flags)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    evd_stream *stream;

    options.job = job;
    options.flags = flags;
    options.window = 16;
    options.columns = EVD_COLUMN_LABEL;
    if (evd_stream_open(client, &options, &stream) != EVD_OK)
        fail_msg("opening a stream of %s: %s", job, evd_error_message(client));
    return stream;
}

static const evd_batch *next(evd_client *client, evd_stream *stream)
{
    const evd_batch *batch;

    if (evd_next(stream, 30000, &batch) != EVD_OK)
        fail_msg("next batch: %s", evd_error_message(client));
    return batch;
}

static void create_job(evd_client *client, const char *name)
{
    char params[256];

    snprintf(
        params, sizeof(params),
        "{\"name\": \"%s\", \"dataset\": \"d\", \"batch_size\": %u, \"seed\": 11, \"grace\": 0, "
        "\"strategy\": {\"kind\": \"weighted\", \"weight\": \"inverse\"}}",
        name, BATCH);
    tell(client, "job.create", params);
}

/* The fields of an answer that must outlive a restart, as text. */
static void assert_same(evd_client *client, const char *method, const char *params,
                        const char *const *fields, json_t *before)
{
    json_t *after = ask(client, method, params);

    for (; *fields != NULL; fields++) {
        assert_non_null(json_object_get(before, *fields));
        if (!json_equal(json_object_get(before, *fields), json_object_get(after, *fields)))
            fail_msg("%s: %s changed: %s", method, *fields, json_dumps(after, 0));
    }
    json_decref(before);
    json_decref(after);
}

static void test_restart(void **state)
{
    static const char *const dataset_fields[] = {"dataset", "version",  "samples", "labelled",
                                                 "classes", "checksum", "created", NULL};
    static const char *const job_fields[] = {
        "job",        "dataset",  "version", "batch_size", "mode",     "last_batch", "seed",
        "generation", "revision", "epoch",   "step",       "strategy", "revisions",  NULL};
    bool gently = *(bool *)*state;
    evd_client *client = server_dial(&the_daemon);
    const char *job = gently ? "stopped" : "killed";
    char params[64], update[256];
    evd_stream *stream;
    json_t *dataset, *info;

    if (gently)
        load(client, "d", 10000, 6);
    create_job(client, job);
    stream = attach(client, job, EVD_STREAM_MANUAL_ACK);
    for (uint64_t step = 0; step < 10; step++)
        assert_int_equal(next(client, stream)->step, step);
    assert_int_equal(evd_ack(stream, 0, 9, EVD_ACK_THROUGH | EVD_ACK_CONFIRM), EVD_OK);
    evd_stream_close(stream);
    snprintf(update, sizeof(update),
             "{\"job\": \"%s\", \"strategy\": {\"kind\": \"uniform\"}, \"when\": \"at\", "
             "\"epoch\": 0, \"step\": 40}",
             job);
    tell(client, "job.update", update);
    snprintf(params, sizeof(params), "{\"job\": \"%s\"}", job);
    dataset = ask(client, "dataset.info", "{\"dataset\": \"d\"}");
    info = ask(client, "job.info", params);
    evd_close(client);

    if (gently)
        server_stop(&the_daemon);
    else
        server_kill(&the_daemon);
    server_start(&the_daemon);

    client = server_dial(&the_daemon);
    assert_same(client, "dataset.info", "{\"dataset\": \"d\"}", dataset_fields, dataset);
    /* Steps that were handed out but not acknowledged are handed out again after a restart. */
    json_object_set_new(info, "step", json_integer(10));
    assert_same(client, "job.info", params, job_fields, info);
    stream = attach(client, job, 0);
    for (uint64_t step = 10; step < 60; step++) {
        const evd_batch *batch = next(client, stream);
        assert_int_equal(batch->step, step);
        assert_int_equal(batch->revision, step < 40 ? 0 : 1);
        for (uint32_t i = 0; i < batch->n; i++)
            assert_int_equal(batch->label[i], load_label(batch->index[i], 6));
    }
    evd_close(client);
}

/* What one worker leaves unacknowledged, another gets: the same samples in the same order, before a
 * restart and after it. */
static void test_redelivery_is_identical(void **state)
{
    uint64_t first[5][BATCH];
    evd_client *client = server_dial(&the_daemon);
    evd_stream *stream;

    (void)state;
    create_job(client, "again");
    stream = attach(client, "again", EVD_STREAM_MANUAL_ACK);
    for (uint32_t step = 0; step < 5; step++) {
        const evd_batch *batch = next(client, stream);
        assert_int_equal(batch->step, step);
        assert_false(batch->redelivered);
        memcpy(first[step], batch->index, sizeof(first)[step]);
    }
    evd_close(client);
    for (int round = 0; round < 3; round++) {
        if (round == 2) {
            server_kill(&the_daemon);
            server_start(&the_daemon);
        }
        client = server_dial(&the_daemon);
        stream = attach(client, "again", EVD_STREAM_MANUAL_ACK);
        for (uint32_t step = 0; step < 5; step++) {
            const evd_batch *batch = next(client, stream);
            assert_int_equal(batch->step, step);
            assert_true(batch->redelivered || round == 2);
            assert_int_equal(batch->n, BATCH);
            assert_memory_equal(batch->index, first[step], sizeof(first)[step]);
        }
        evd_close(client);
    }
}

static void test_drafts_are_not_kept(void **state)
{
    evd_client *client = server_dial(&the_daemon);
    json_t *draft;
    char params[96];

    (void)state;
    draft = ask(client, "dataset.create", "{\"name\": \"half\", \"classes\": [\"a\", \"b\"]}");
    snprintf(params, sizeof(params), "{\"draft\": %u, \"labels\": [0, 1, 1, null]}",
             (unsigned)number(draft, "draft"));
    json_decref(draft);
    tell(client, "dataset.append", params);
    refused(client, "dataset.info", "{\"dataset\": \"half\"}", EVD_E_NOT_FOUND);
    server_kill(&the_daemon);
    evd_close(client);
    server_start(&the_daemon);
    client = server_dial(&the_daemon);
    refused(client, "dataset.info", "{\"dataset\": \"half\"}", EVD_E_NOT_FOUND);
    evd_close(client);
}

int main(void)
{
    static bool gently = true, brutally = false;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_restart, &gently),
        cmocka_unit_test_prestate(test_restart, &brutally),
        cmocka_unit_test(test_redelivery_is_identical),
        cmocka_unit_test(test_drafts_are_not_kept),
    };

    return cmocka_run_group_tests(tests, daemon_setup, daemon_teardown);
}
