/*
 * Many labels in the real daemon: loaded by the command line tool from a NumPy array, kept over a
 * restart, served, in at most 12 bytes a sample. 2 * 10^6 of them, or 10^8 with EVD_LONG=1; the
 * figures are printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "server.h"

#define CLASSES          1000u
#define BATCH            256u
#define BATCHES          2000u
#define BYTES_PER_SAMPLE 12
/* What does not grow with the dataset: code, connections, chunks under way, SQLite's cache. */
#define BASE (24u << 20)

static uint64_t samples;

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* The most memory the daemon ever had resident, in bytes. */
static uint64_t peak(const struct server *server)
{
    char path[64], line[256];
    unsigned long kib = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)server->pid);
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "VmHWM: %lu kB", &kib) == 1)
            break;
    }
    fclose(file);
    return (uint64_t)kib * 1024;
}

static void report(const struct server *server, const char *what, double began)
{
    uint64_t resident = server_rss(server), most = peak(server);

    printf("%-22s %8.2f s, %7.1f MB resident (%.2f B a sample), %7.1f MB at most\n", what,
           now() - began, (double)resident / 1e6, (double)resident / (double)samples,
           (double)most / 1e6);
    assert_in_range(most, 0, samples * BYTES_PER_SAMPLE + BASE);
}

/* Labels of 16 bits, class 0 the most frequent, with no order in them. */
static void write_array(const char *path)
{
    static uint16_t block[1u << 16];
    char header[118];
    FILE *file = fopen(path, "w");
    uint64_t done = 0;

    assert_non_null(file);
    memset(header, ' ', sizeof(header));
    header[snprintf(header, sizeof(header),
                    "{'descr': '<u2', 'fortran_order': False, 'shape': (%" PRIu64 ",), }",
                    samples)] = ' ';
    header[sizeof(header) - 1] = '\n';
    fwrite("\x93NUMPY\1\0\x76\0", 10, 1, file);
    fwrite(header, sizeof(header), 1, file);
    while (done < samples) {
        size_t n = samples - done < 1u << 16 ? (size_t)(samples - done) : 1u << 16;
        for (size_t i = 0; i < n; i++) {
            uint64_t mixed = (done + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
            uint32_t a = (uint32_t)(mixed >> 40) % CLASSES, b = (uint32_t)(mixed >> 16) % CLASSES;
            block[i] = (uint16_t)(a * b / CLASSES);
        }
        assert_int_equal(fwrite(block, sizeof(block[0]), n, file), n);
        done += n;
    }
    assert_int_equal(fclose(file), 0);
}

static void load_array(struct server *server)
{
    char path[128], command[512];
    double began;

    snprintf(path, sizeof(path), "%s/labels.npy", server->dir);
    write_array(path);
    snprintf(command, sizeof(command), "%s load large %s --server %s", EVENDRAW, path,
             server->address);
    began = now();
    assert_int_equal(system(command), 0);
    report(server, "load", began);
    unlink(path);
}

/* The first batch of a stream that is opened now, which must be this step; then it and others. */
static void serve(struct server *server, const char *what, uint64_t step)
{
    evd_client *client = server_dial(server);
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    evd_stream *stream;
    const evd_batch *batch;
    double began = now();

    options.job = "train";
    options.flags = EVD_STREAM_MANUAL_ACK;
    assert_int_equal(evd_stream_open(client, &options, &stream), EVD_OK);
    assert_int_equal(evd_next(stream, 60000, &batch), EVD_OK);
    assert_int_equal(batch->n, BATCH);
    assert_int_equal(batch->step, step);
    report(server, what, began);
    evd_stream_close(stream); /* not acknowledged: it comes again */
    options.flags = 0;
    began = now();
    assert_int_equal(evd_stream_open(client, &options, &stream), EVD_OK);
    for (uint64_t i = 0; i < BATCHES; i++) {
        assert_int_equal(evd_next(stream, 60000, &batch), EVD_OK);
        assert_int_equal(batch->step, step + i);
    }
    report(server, "2,000 batches of 256", began);
    assert_int_equal(evd_ack(stream, batch->epoch, batch->step, EVD_ACK_THROUGH | EVD_ACK_CONFIRM),
                     EVD_OK);
    evd_close(client);
}

static void create_job(struct server *server)
{
    evd_client *client = server_dial(server);
    double began = now();

    tell(client, "job.create",
         /* No grace: after a crash, what the last worker may hold comes again at once. */
         "{\"name\": \"train\", \"dataset\": \"large\", \"batch_size\": 256, \"grace\": 0,"
         " \"strategy\": {\"kind\": \"weighted\", \"weight\": \"inverse\"}}");
    report(server, "job.create", began);
    evd_close(client);
}

static void check_info(struct server *server, char checksum[32])
{
    evd_client *client = server_dial(server);
    json_t *info = ask(client, "dataset.info", "{\"dataset\": \"large\"}");

    assert_int_equal(number(info, "samples"), samples);
    assert_int_equal(number(info, "labelled"), samples);
    snprintf(checksum, 32, "%s", text(info, "checksum"));
    json_decref(info);
    evd_close(client);
}

static void large(void **state)
{
    struct server server = {0};
    char loaded[32], restored[32];
    double began;

    (void)state;
    samples = getenv("EVD_LONG") ? 100000000 : 2000000;
    server_start(&server);
    load_array(&server);
    create_job(&server);
    check_info(&server, loaded);
    server_stop(&server);

    began = now();
    server_start(&server);
    report(&server, "start again", began);
    check_info(&server, restored);
    assert_string_equal(loaded, restored);
    serve(&server, "first batch", 0);
    server_kill(&server);

    began = now();
    server_start(&server);
    report(&server, "start after a kill", began);
    serve(&server, "next batch", BATCHES);
    server_remove(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(large)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
