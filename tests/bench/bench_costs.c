/*
 * Time from stream.open to the first index, and memory per sample and per job.
 *
 *   bench_costs EVENDRAWD JSON_FILE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

#define CLASSES 100u
#define OPENS   201 /* for each dataset and strategy */
#define RETURNS 9
#define AWAY_MS 200
#define JOBS    200
#define TARGET  1000.0 /* microseconds to the first index */

static const uint64_t sizes[] = {100000, 1000000, 10000000};

static const struct {
    const char *name, *json;
} strategies[] = {
    {"uniform", "{\"kind\": \"uniform\"}"},
    {"weighted inverse", "{\"kind\": \"weighted\", \"weight\": \"inverse\"}"},
    {"stratified equal", "{\"kind\": \"stratified\", \"proportions\": \"equal\"}"},
    {"undersampled", "{\"kind\": \"undersampled\"}"},
};
#define STRATEGIES (sizeof(strategies) / sizeof(*strategies))

static double microseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void create_job(evd_client *client, const char *name, uint64_t samples, const char *strategy)
{
    char params[256];

    snprintf(params, sizeof(params),
             "{\"name\": \"%s\", \"dataset\": \"d%llu\", \"batch_size\": 256, \"strategy\": %s}",
             name, (unsigned long long)samples, strategy);
    tell(client, "job.create", params);
}

static double first_index(evd_client *client, const char *job)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    double begin = microseconds(), took;
    const evd_batch *batch;
    evd_stream *stream;

    options.job = job;
    if (evd_stream_open(client, &options, &stream) != EVD_OK ||
        evd_next(stream, 10000, &batch) != EVD_OK || batch->n == 0) {
        fprintf(stderr, "%s: %s\n", job, evd_error_message(client));
        exit(1);
    }
    took = microseconds() - begin;
    evd_stream_close(stream);
    return took;
}

static void measure_opening(evd_client *client, uint64_t samples, json_t *rows)
{
    double took[OPENS];
    char job[64];

    for (size_t s = 0; s < STRATEGIES; s++) {
        snprintf(job, sizeof(job), "open %s %llu", strategies[s].name, (unsigned long long)samples);
        create_job(client, job, samples, strategies[s].json);
        for (int i = 0; i < OPENS; i++)
            took[i] = first_index(client, job);
        qsort(took, OPENS, sizeof(*took), compare);
        double typical = took[OPENS / 2], high = took[OPENS * 95 / 100];
        printf("%10llu  %-17s %10.0f %10.0f   target %.0f: %s", (unsigned long long)samples,
               strategies[s].name, typical, high, TARGET, typical < TARGET ? "met" : "short by ");
        if (typical >= TARGET)
            printf("%.0f us", typical - TARGET);
        printf("\n");
        json_array_append_new(rows, json_pack("{s:I s:s s:f s:f}", "samples", (json_int_t)samples,
                                              "strategy", strategies[s].name, "median_us", typical,
                                              "p95_us", high));
    }
}

/* The first after everybody has left for a while waits until the database knows that somebody is
 * there again. */
static void measure_return(evd_client *client, json_t *rows)
{
    double took[RETURNS];
    char job[64];

    snprintf(job, sizeof(job), "open %s %llu", strategies[0].name, (unsigned long long)sizes[0]);
    for (int i = 0; i < RETURNS; i++) {
        usleep(AWAY_MS * 1000);
        took[i] = first_index(client, job);
    }
    qsort(took, RETURNS, sizeof(*took), compare);
    printf("%10llu  %-17s %10.0f %10s   the first after %d ms without a worker: with a commit\n",
           (unsigned long long)sizes[0], strategies[0].name, took[RETURNS / 2], "", AWAY_MS);
    json_array_append_new(rows, json_pack("{s:I s:s s:f}", "samples", (json_int_t)sizes[0],
                                          "strategy", strategies[0].name, "after_pause_median_us",
                                          took[RETURNS / 2]));
}

struct memory {
    double accounted, resident;
};

static struct memory memory(evd_client *client, const struct server *server)
{
    json_t *info = ask(client, "server.info", NULL);
    struct memory m = {(double)number(info, "memory"), (double)server_rss(server)};

    json_decref(info);
    return m;
}

static void measure_jobs(evd_client *client, const struct server *server, uint64_t samples,
                         json_t *rows)
{
    char name[64];

    for (size_t s = 0; s < STRATEGIES; s++) {
        struct memory before = memory(client, server);
        for (int i = 0; i < JOBS; i++) {
            snprintf(name, sizeof(name), "%s %llu %d", strategies[s].name,
                     (unsigned long long)samples, i);
            create_job(client, name, samples, strategies[s].json);
        }
        struct memory after = memory(client, server);
        double plan = (after.accounted - before.accounted) / JOBS;
        double resident = (after.resident - before.resident) / JOBS;
        printf("%10llu  %-17s %14.0f %14.0f\n", (unsigned long long)samples, strategies[s].name,
               plan, resident);
        json_array_append_new(rows, json_pack("{s:I s:s s:f s:f}", "samples", (json_int_t)samples,
                                              "strategy", strategies[s].name, "plan_bytes", plan,
                                              "resident_bytes", resident));
    }
}

int main(int argc, char **argv)
{
    struct server server = {0};
    json_t *first = json_array(), *per_sample = json_array(), *per_job = json_array(), *all;
    evd_client *client;

    if (argc != 3) {
        fprintf(stderr, "usage: bench_costs EVENDRAWD JSON_FILE\n");
        return 2;
    }
    server.program = argv[1];
    server_start(&server);
    client = server_dial(&server);
    printf("\nMemory at rest, bytes a sample (%u classes)\n", CLASSES);
    printf("%10s  %14s %14s\n", "samples", "datasets", "resident");
    for (size_t i = 0; i < 3; i++) {
        struct memory before = memory(client, &server), after;
        char name[32];
        snprintf(name, sizeof(name), "d%llu", (unsigned long long)sizes[i]);
        load(client, name, sizes[i], CLASSES);
        after = memory(client, &server);
        double accounted = (after.accounted - before.accounted) / (double)sizes[i];
        double resident = (after.resident - before.resident) / (double)sizes[i];
        printf("%10llu  %14.2f %14.2f\n", (unsigned long long)sizes[i], accounted, resident);
        json_array_append_new(per_sample,
                              json_pack("{s:I s:f s:f}", "samples", (json_int_t)sizes[i],
                                        "dataset_bytes", accounted, "resident_bytes", resident));
    }
    printf("\nFrom stream.open to the first index, microseconds: %d openings, batches of 256\n",
           OPENS);
    printf("%10s  %-17s %10s %10s\n", "samples", "strategy", "median", "95 %");
    for (size_t i = 0; i < 3; i++)
        measure_opening(client, sizes[i], first);
    measure_return(client, first);
    printf("\nMemory per job, bytes (%d jobs each)\n", JOBS);
    printf("%10s  %-17s %14s %14s\n", "samples", "strategy", "plan", "resident");
    measure_jobs(client, &server, sizes[0], per_job);
    measure_jobs(client, &server, sizes[2], per_job);
    evd_close(client);
    server_remove(&server);
    all = json_pack("{s:o s:o s:o}", "first_index", first, "memory_per_sample", per_sample,
                    "memory_per_job", per_job);
    if (json_dump_file(all, argv[2], JSON_INDENT(2)) != 0) {
        perror(argv[2]);
        return 1;
    }
    json_decref(all);
    return 0;
}
