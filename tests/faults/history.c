#include "history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

uint64_t log_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- loading ---- */

static int by_time(const void *a, const void *b)
{
    const struct log_record *x = a, *y = b;

    return (x->time > y->time) - (x->time < y->time);
}

static void load_file(struct history *history, const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n;

    assert_true(fd >= 0 && fstat(fd, &info) == 0);
    n = (size_t)info.st_size / sizeof(struct log_record);
    history->records =
        realloc(history->records, (history->count + n + 1) * sizeof(*history->records));
    assert_non_null(history->records);
    assert_int_equal(read(fd, history->records + history->count, n * sizeof(*history->records)),
                     n * sizeof(*history->records));
    history->count += n;
    close(fd);
}

void history_load(struct history *history, const char *folder, const char *job)
{
    char prefix[64], path[512];
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    *history = (struct history){0};
    assert_non_null(dir);
    snprintf(prefix, sizeof(prefix), "log-%s-", job);
    while ((entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        load_file(history, path);
    }
    closedir(dir);
    assert_true(history->count > 0);
    qsort(history->records, history->count, sizeof(*history->records), by_time);
}

void history_free(struct history *history)
{
    free(history->records);
}

uint64_t history_digest(const evd_batch *batch)
{
    uint64_t digest = XXH3_64bits(batch->index, 8 * (size_t)batch->n);

    if (!batch->mix_index)
        return digest;
    digest = XXH3_64bits_withSeed(batch->mix_index, 8 * (size_t)batch->n, digest);
    return XXH3_64bits_withSeed(batch->mix_lambda, 4 * (size_t)batch->n, digest);
}

/* ---- the reference ---- */

struct reference *history_reference(evd_client *client, const char *job, bool pairs, uint32_t world,
                                    uint64_t epochs, uint64_t steps)
{
    uint32_t ranks = world ? world : 1;
    struct reference *reference = calloc(epochs * steps * ranks, sizeof(*reference));

    assert_non_null(reference);
    for (uint32_t rank = 0; rank < ranks; rank++) {
        evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
        const evd_batch *batch;
        evd_stream *stream;
        int code;

        options.job = job;
        options.window = 64;
        options.rank = world ? (int)rank : -1;
        options.world_size = world;
        options.columns = pairs ? HISTORY_PAIRS : 0;
        if (evd_stream_open(client, &options, &stream) != EVD_OK)
            fail_msg("the reference %s: %s", job, evd_error_message(client));
        for (uint64_t left = epochs * (steps + 1); left > 0; left--) {
            code = evd_next(stream, 30000, &batch);
            if (code == EVD_EPOCH_END)
                continue;
            if (code != EVD_OK)
                fail_msg("the reference %s: %s", job, evd_error_message(client));
            assert_true(batch->epoch < epochs && batch->step < steps);
            reference[(batch->epoch * steps + batch->step) * ranks + rank] =
                (struct reference){history_digest(batch), batch->revision};
        }
        evd_stream_close(stream);
    }
    return reference;
}

struct change *history_changes(evd_client *client, const char *job, uint32_t *count)
{
    char params[64];
    struct change *changes;
    json_t *answer, *revision;
    size_t i;

    snprintf(params, sizeof(params), "{\"job\": \"%s\"}", job);
    answer = ask(client, "job.history", params);
    changes = calloc(json_array_size(json_object_get(answer, "revisions")) + 1, sizeof(*changes));
    assert_non_null(changes);
    *count = 0;
    json_array_foreach(json_object_get(answer, "revisions"), i, revision)
    {
        changes[(*count)++] = (struct change){number(revision, "epoch"), number(revision, "step"),
                                              (uint32_t)number(revision, "revision")};
    }
    json_decref(answer);
    return changes;
}

/* ---- checking ---- */

/* What is known of one step (of one rank's slice of it). */
struct tally {
    uint32_t received, unexcused, unmarked, done;
    uint64_t digest, first_done, last_time;
    uint32_t last_worker, revision;
};

struct counts {
    uint64_t received, repeated, redelivered, ends, confirmed, changed;
};

static uint32_t ranks_of(const struct history_rules *rules)
{
    return rules->world ? rules->world : 1;
}

static size_t place_of(const struct history_rules *rules, const struct log_record *record)
{
    uint32_t rank = rules->world ? (uint32_t)record->rank : 0;

    assert_true(rank < ranks_of(rules) && record->step < rules->steps);
    return (record->epoch * rules->steps + record->step) * ranks_of(rules) + rank;
}

#define WHERE       "epoch %" PRIu64 " step %" PRIu64 " rank %d, worker %u"
#define WHERE_OF(r) (r)->epoch, (r)->step, (r)->rank, (r)->worker

static bool is_before(uint64_t epoch, uint64_t step, const struct change *change)
{
    return epoch != change->epoch ? epoch < change->epoch : step < change->step;
}

static uint32_t revision_at(const struct history_rules *rules, uint64_t epoch, uint64_t step)
{
    uint32_t i = rules->change_count;

    while (i > 1 && is_before(epoch, step, &rules->changes[i - 1]))
        i--;
    return rules->changes[i - 1].revision;
}

/* It is in the job's history, or a later one is, from there or earlier on. */
static void check_changed(const struct history_rules *rules, const struct log_record *record)
{
    for (uint32_t i = 0; i < rules->change_count; i++) {
        const struct change *change = &rules->changes[i];

        if (change->revision == record->revision && change->epoch == record->epoch &&
            change->step == record->step)
            return;
        if (change->revision > record->revision && !is_before(record->epoch, record->step, change))
            return;
    }
    fail_msg("revision %u, confirmed from epoch %" PRIu64 " step %" PRIu64 " on, is lost",
             record->revision, record->epoch, record->step);
}

static void check_received(const struct history_rules *rules, struct tally *tally,
                           const struct log_record *record)
{
    if (tally->received > 0 &&
        (tally->digest != record->digest || tally->revision != record->revision))
        fail_msg(WHERE ": not what it was when worker %u had it", WHERE_OF(record),
                 tally->last_worker);
    if (rules->reference[place_of(rules, record)].digest != record->digest)
        fail_msg(WHERE ": not what the reference has", WHERE_OF(record));
    if (rules->reference[place_of(rules, record)].revision != record->revision ||
        revision_at(rules, record->epoch, record->step) != record->revision)
        fail_msg(WHERE ": drawn by revision %u, not %u, as the history has it", WHERE_OF(record),
                 record->revision, revision_at(rules, record->epoch, record->step));
    tally->received++;
    tally->unmarked += !record->redelivered;
    if (rules->lease_ms > 0 && record->redelivered &&
        record->time - tally->last_time > rules->lease_ms * UINT64_C(500000))
        tally->unexcused = 0;
    tally->unexcused += !rules->excused[record->worker];
    if (tally->unmarked > 1)
        fail_msg(WHERE ": received again, and not marked as redelivered", WHERE_OF(record));
    if (tally->unexcused > 1)
        fail_msg(WHERE ": received twice, %.3f s before by worker %u%s", WHERE_OF(record),
                 (double)(record->time - tally->last_time) / 1e9, tally->last_worker,
                 record->redelivered ? " (redelivered)" : "");
    tally->digest = record->digest;
    tally->revision = record->revision;
    tally->last_time = record->time;
    tally->last_worker = record->worker;
}

static void tally_all(const struct history *history, const struct history_rules *rules,
                      struct tally *tallies, struct counts *counts)
{
    for (size_t i = 0; i < history->count; i++) {
        const struct log_record *record = &history->records[i];
        struct tally *tally;

        if (record->kind == LOG_CHANGED) {
            counts->changed++;
            check_changed(rules, record);
            continue;
        }
        assert_true(record->worker < rules->workers);
        if (record->kind == LOG_FAILED)
            fail_msg("worker %u: evd_next failed: %s", record->worker,
                     evd_error_name((int)record->n));
        counts->ends += record->kind == LOG_END;
        counts->confirmed += record->kind == LOG_CONFIRMED;
        if (record->epoch >= rules->epochs)
            continue; /* begun, and not to be finished */
        tally = &tallies[place_of(rules, record)];
        if (record->kind == LOG_RECEIVED) {
            counts->received++;
            counts->repeated += tally->received > 0;
            counts->redelivered += record->redelivered;
            check_received(rules, tally, record);
        } else if (record->kind == LOG_DONE && tally->done++ == 0) {
            tally->first_done = record->time;
        }
    }
}

/* Everything was finished; and, by whoever was told that an epoch is over, before that. */
static void check_complete(const struct history *history, const struct history_rules *rules,
                           const struct tally *tallies)
{
    size_t per_epoch = rules->steps * ranks_of(rules);
    uint64_t *finished = calloc(rules->epochs, sizeof(*finished));

    assert_non_null(finished);
    for (size_t i = 0; i < rules->epochs * per_epoch; i++) {
        if (tallies[i].done == 0)
            fail_msg("epoch %zu step %zu (rank %zu) was never finished (received %u times)",
                     i / per_epoch, i % per_epoch / ranks_of(rules), i % ranks_of(rules),
                     tallies[i].received);
        if (tallies[i].first_done > finished[i / per_epoch])
            finished[i / per_epoch] = tallies[i].first_done;
    }
    for (size_t i = 0; i < history->count && rules->world == 0; i++) {
        const struct log_record *record = &history->records[i];
        if (record->kind == LOG_END && record->epoch < rules->epochs &&
            record->time < finished[record->epoch])
            fail_msg(WHERE ": told the end of an epoch that was not finished", WHERE_OF(record));
    }
    free(finished);
}

/* One rank's life: in order, without a gap; a worker that came instead of a killed one may begin
 * earlier, since acknowledgements were lost with that, and one that slept longer than its leases
 * goes back, since those that it sent then were too late, and passes over what it still knows. */
static void check_rank(const struct history *history, const struct history_rules *rules, int rank)
{
    uint64_t next = 0, farthest = 0;
    uint32_t worker = UINT32_MAX;
    bool end_told = true;

    for (size_t i = 0; i < history->count; i++) {
        const struct log_record *record = &history->records[i];
        uint64_t at = record->epoch * rules->steps + record->step;

        if (record->rank != rank || record->epoch >= rules->epochs || record->kind == LOG_CHANGED)
            continue;
        if (record->kind == LOG_RECEIVED) {
            bool again = worker != record->worker || rules->excused[worker];

            if (again && at <= farthest) {
                next = at;
                end_told = true;
            }
            if (at != next || (at > 0 && record->step == 0 && !end_told))
                fail_msg(WHERE ": out of order, step %" PRIu64 " of epoch %" PRIu64 " was expected",
                         WHERE_OF(record), next % rules->steps, next / rules->steps);
            worker = record->worker;
            next = at + 1;
            farthest = next > farthest ? next : farthest;
            end_told = false;
        } else if (record->kind == LOG_END) {
            if (end_told || record->step != rules->steps - 1)
                fail_msg(WHERE ": told the end of an epoch in its middle, or twice",
                         WHERE_OF(record));
            end_told = true;
        }
    }
}

void history_check(const struct history *history, const struct history_rules *rules)
{
    struct tally *tallies =
        calloc(rules->epochs * rules->steps * ranks_of(rules), sizeof(*tallies));
    struct counts counts = {0};

    assert_non_null(tallies);
    tally_all(history, rules, tallies, &counts);
    check_complete(history, rules, tallies);
    for (uint32_t rank = 0; rank < rules->world; rank++)
        check_rank(history, rules, (int)rank);
    print_message("history: %" PRIu64 " epochs of %" PRIu64 " steps, %" PRIu64 " received, %" PRIu64
                  " of them again, %" PRIu64 " marked redelivered, %" PRIu64 " confirmed, %" PRIu64
                  " ends of epochs, %" PRIu64 " changes of strategy confirmed, %" PRIu32
                  " recorded\n",
                  rules->epochs, rules->steps, counts.received, counts.repeated, counts.redelivered,
                  counts.confirmed, counts.ends, counts.changed, rules->change_count - 1);
    free(tallies);
}
