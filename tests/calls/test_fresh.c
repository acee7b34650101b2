/*
 * No answer depends on what was asked before. Random lives of one job (batches, changes of the
 * strategy, seeks, workers that are lost, restarts), seeded by EVD_SEED. After some of the events
 * job.stats is asked of the job with the counts that it keeps, and of the job without them; around
 * each restart job.info, job.history, job.position and job.trace are asked of the daemon that lived
 * through it all, and of the one that has just read the database. Both must say the same. Half of
 * the jobs retain the strategies of their last epochs only; what must be there is drawn again by
 * job.batch, and is what the workers had (retained.c). What workers report is counted here as well
 * (reported.c), and compared with job.confusion and with the moves of an adaptive strategy.
 * EVD_LONG=1 makes 10^6 events.
 */
#include "harness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "calls/job_stats.h"
#include "jobs/entry.h"
#include "jobs/jobs.h"
#include "reported.h"
#include "retained.h"
#include "server/server.h"

#define SAMPLES 60
#define BATCH   6
#define STEPS   (SAMPLES / BATCH)

/* Histories grow, and each question goes through them. */
#define EVENTS_OF_A_LIFE 200

struct life {
    struct harness *there;
    struct peer *peer;
    uint64_t random;
    bool ranked;
    uint32_t world;                  /* a ranked job's, else 0 */
    uint32_t acked, updated, sought; /* that succeeded */
    uint32_t labels[SAMPLES + REPORTED_CLASSES];
    int64_t streams[REPORTED_RANKS]; /* a ranked job's, by rank */
    struct reported reported;
    struct retained retained;
    uint32_t counted, moved;
    char params[512];
};

static struct harness h;

static uint32_t below(struct life *life, uint32_t n)
{
    life->random = life->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(life->random >> 33) % n;
}

/* ---- the job ---- */

/* A shared job's worker, or the ranks of a world of one or two. */
static void attach(struct life *life)
{
    life->world = life->ranked ? 1 + below(life, 2) : 0;
    life->peer = peer_new(life->there);
    if (!life->ranked) {
        peer_do(life->peer, "stream.open", "[{'job': 'j', 'window': 1}]");
        return;
    }
    for (uint32_t rank = 0; rank < life->world; rank++) {
        json_t *answer = peer_call(life->peer, "stream.open",
                                   "[{'job': 'j', 'window': 2, 'rank': %u, 'world_size': %u}]",
                                   rank, life->world);

        life->streams[rank] = integer(answer, "stream");
        json_decref(answer);
    }
}

static void begin(struct life *life)
{
    struct peer *peer = peer_new(life->there);
    json_t *draft =
        peer_call(peer, "dataset.create", "[{'name': 'd', 'classes': ['a', 'b', 'c']}]");
    int64_t number = integer(draft, "draft");
    json_t *labels = json_array();
    char *chunk;

    for (uint32_t i = 0; i < SAMPLES + REPORTED_CLASSES; i++) {
        life->labels[i] = i < SAMPLES ? below(life, 8) / 3 : i - SAMPLES;
        json_array_append_new(labels, json_integer(life->labels[i]));
    }
    chunk = json_dumps(labels, 0);
    peer_do(peer, "dataset.append", "[{'draft': %d, 'labels': %s}]", (int)number, chunk);
    peer_do(peer, "dataset.commit", "[{'draft': %d}]", (int)number);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': %d, 'seed': %u, 'grace': 0, "
            "'mode': '%s', 'retain_epochs': %u, 'strategy': {'kind': 'weighted', 'weight': "
            "'inverse'}}]",
            BATCH, below(life, 1000), life->ranked ? "ranked" : "shared", life->retained.epochs);
    peer_close(peer);
    free(chunk);
    json_decref(labels);
    json_decref(draft);
    attach(life);
}

/* ---- events ---- */

/* The newest revision of the job. */
static json_t *newest(struct life *life)
{
    json_t *info = peer_call(life->peer, "job.info", "[{'job': 'j'}]");
    json_t *revisions = json_object_get(info, "revisions");
    json_t *last = json_incref(json_array_get(revisions, json_array_size(revisions) - 1));

    json_decref(info);
    return last;
}

/* What a model made of the samples of a batch, right more often than not; now and then with losses.
 */
static json_t *predict(struct life *life, const json_t *batch, struct reported_sample *samples)
{
    const json_t *index = json_object_get(batch, "index");
    json_t *predicted = json_array(), *loss = json_array();
    bool losses = below(life, 2);

    for (size_t i = 0; i < json_array_size(index); i++) {
        uint32_t label = life->labels[json_integer_value(json_array_get(index, i))];

        samples[i] = (struct reported_sample){.label = label, .predicted = label, .loss = -1};
        if (below(life, 3) == 0)
            samples[i].predicted = below(life, REPORTED_CLASSES);
        if (losses)
            samples[i].loss = below(life, 16) / 4.0;
        json_array_append_new(predicted, json_integer(samples[i].predicted));
        json_array_append_new(loss, json_real(samples[i].loss));
    }
    if (losses)
        return json_pack("{s: O, s: o, s: o}", "index", index, "predicted", predicted, "loss",
                         loss);
    json_decref(loss);
    return json_pack("{s: O, s: o}", "index", index, "predicted", predicted);
}

static struct reported_at place_of(const struct life *life, const json_t *batch)
{
    struct reported_at at = {.generation = (uint32_t)integer(batch, "generation"),
                             .epoch = (uint64_t)integer(batch, "epoch"),
                             .step = (uint64_t)integer(batch, "step")};

    at.rank = life->ranked && integer(batch, "stream") == life->streams[1];
    return at;
}

/* Reports a batch, sometimes twice. Of before a seek it is refused. */
static void report(struct life *life, const json_t *batch)
{
    struct reported_at at = place_of(life, batch);
    struct reported_sample samples[BATCH];
    json_t *fields = predict(life, batch, samples), *was = newest(life), *is, *answer;
    char *dump = json_dumps(fields, 0);

    snprintf(life->params, sizeof(life->params),
             "[{'job': 'j', 'generation': %u, 'epoch': %" PRIu64 ", 'step': %" PRIu64
             ", 'rank': %u, %s]",
             at.generation, at.epoch, at.step, at.rank, dump + 1);
    if (at.generation != life->sought) {
        peer_refused(life->peer, EVD_E_CONFLICT, "job.report", "%s", life->params);
    } else {
        bool counted = reported_add(&life->reported, at, samples,
                                    json_array_size(json_object_get(fields, "index")));

        answer = peer_call(life->peer, "job.report", "%s", life->params);
        assert_int_equal(json_is_true(json_object_get(answer, "counted")), counted);
        json_decref(answer);
        life->counted += counted;
        is = newest(life);
        if (integer(is, "revision") != integer(was, "revision")) {
            assert_true(counted);
            reported_moved(&life->reported, at, was, is);
            life->moved++;
        }
        json_decref(is);
    }
    json_decref(was);
    json_decref(fields);
    free(dump);
}

/* Takes what has come; acknowledges the batches, as one worker would. */
static void work(struct life *life)
{
    json_t *note;

    while ((note = peer_next(life->peer))) {
        const char *method = json_string_value(json_array_get(note, 0));
        json_t *params = json_array_get(note, 1);

        if (json_is_array(params))
            params = json_array_get(params, 0);
        if (strcmp(method, "batch") == 0) {
            uint32_t id, reports = below(life, 8) / 3;

            retained_note(&life->retained, params, place_of(life, params).rank, life->world);

            while (reports-- > 0)
                report(life, params);
            id = peer_send(life->peer, "stream.ack",
                           "[{'stream': %" PRId64 ", 'epoch': %" PRId64 ", 'step': %" PRId64
                           ", 'generation': %" PRId64 "}]",
                           integer(params, "stream"), integer(params, "epoch"),
                           integer(params, "step"), integer(params, "generation"));

            harness_quiet(life->there);
            life->acked += peer_succeeded(life->peer, id); /* it may be of before a seek */
            json_decref(note);
            return;
        }
        json_decref(note);
    }
}

static void update(struct life *life)
{
    uint32_t chosen = below(life, 10);
    static const char *const strategies[] = {"{'kind': 'uniform'}",
                                             "{'kind': 'weighted', 'weight': 'inverse'}",
                                             "{'kind': 'weighted', 'weight': 'sqrt-inverse'}",
                                             "{'kind': 'stratified'}",
                                             "{'kind': 'progressive', 'epochs': 2}",
                                             REPORTED_ADAPTIVE};
    uint32_t id =
        peer_send(life->peer, "job.update", "[{'job': 'j', 'strategy': %s, 'when': '%s'}]",
                  strategies[chosen < 5 ? chosen : 5], below(life, 2) ? "now" : "epoch");

    harness_quiet(life->there);
    life->updated += peer_succeeded(life->peer, id);
}

/* A job that forgets goes on, since it has nothing to forget at its beginning. */
static void seek(struct life *life)
{
    uint64_t epoch = below(life, 4);
    json_t *answer;
    uint32_t id;

    retained_follow(&life->retained, life->peer);
    if (life->retained.epochs > 0)
        epoch += life->retained.since > 0 ? life->retained.since - 1 : 0;
    id = peer_send(life->peer, "job.seek",
                   "[{'job': 'j', 'epoch': %" PRIu64 ", 'step': %u, 'mode': '%s', 'force': true}]",
                   epoch, below(life, STEPS), below(life, 2) ? "follow" : "replay");
    answer = peer_answer(life->peer, id);
    if (json_is_null(json_array_get(answer, 1)))
        life->sought++;
    else if (json_integer_value(json_array_get(json_array_get(answer, 1), 0)) == EVD_E_NOT_FOUND)
        assert_true(epoch < life->retained.since);
    json_decref(answer);
}

/* What info, history, position and the trace of a sample say. */
static json_t *where(struct life *life)
{
    json_t *history = peer_call(life->peer, "job.history", "[{'job': 'j'}]");
    json_t *position = peer_call(life->peer, "job.position", "[{'job': 'j'}]");
    json_t *trace = peer_call(life->peer, "job.trace", "[{'job': 'j', 'sample': 1}]");
    json_t *info = peer_call(life->peer, "job.info", "[{'job': 'j'}]");

    return json_pack("[o, o, o, o]", history, position, trace, info);
}

/* What is out comes back in a restart, and is handed out by what is in force there. */
static void forget_what_is_out(json_t *before, json_t *after)
{
    static const char *const of_life[] = {"streams", "redelivered", "memory"};
    static const char *const of_steps[] = {"outstanding", "epoch",    "step",
                                           "steps",       "revision", "strategy"};
    json_t *was = json_array_get(before, 3), *is = json_array_get(after, 3);
    bool out = integer(was, "outstanding") > 0;

    for (size_t i = 0; i < sizeof(of_life) / sizeof(of_life[0]); i++) {
        json_object_del(was, of_life[i]);
        json_object_del(is, of_life[i]);
    }
    if (out) {
        json_array_set_new(before, 2, json_null());
        json_array_set_new(after, 2, json_null());
    }
    for (size_t i = 0; out && i < sizeof(of_steps) / sizeof(of_steps[0]); i++) {
        json_object_del(was, of_steps[i]);
        json_object_del(is, of_steps[i]);
    }
}

static void assert_same(json_t *before, json_t *after)
{
    char *was = json_dumps(before, JSON_SORT_KEYS), *is = json_dumps(after, JSON_SORT_KEYS);

    assert_string_equal(was, is);
    free(was);
    free(is);
    json_decref(before);
    json_decref(after);
}

static void restart(struct life *life)
{
    json_t *before, *after;

    harness_pass(life->there, 200); /* progress is stored, and what follows from that */
    harness_quiet(life->there);
    harness_quiet(life->there);
    before = where(life);
    reported_compare(&life->reported, life->peer, below(life, 4));
    harness_restart(life->there);
    life->reported.count = 0; /* moves stay, counts do not */
    life->peer = peer_new(life->there);
    after = where(life);
    forget_what_is_out(before, after);
    assert_same(before, after);
    retained_compare(&life->retained, life->peer, below(life, RETAINED_STEPS));
    reported_compare(&life->reported, life->peer, below(life, 4));
    peer_close(life->peer);
    attach(life);
}

static void lose(struct life *life)
{
    peer_close(life->peer);
    harness_pump(life->there);
    attach(life);
}

/* ---- questions ---- */

/* The answer, or why there is none. */
static char *stats(struct life *life, int epoch)
{
    uint32_t id = epoch < 0
                      ? peer_send(life->peer, "job.stats", "[{'job': 'j'}]")
                      : peer_send(life->peer, "job.stats", "[{'job': 'j', 'epoch': %d}]", epoch);
    json_t *answer = peer_answer(life->peer, id);
    json_t *code = json_array_get(json_array_get(answer, 1), 0);
    char *dump;

    if (json_integer_value(code) == EVD_E_NOT_FOUND)
        assert_true(epoch >= 0 && (uint64_t)epoch < life->retained.since);
    else
        assert_null(code);
    json_array_set_new(answer, 0, json_null());
    dump = json_dumps(answer, JSON_SORT_KEYS);
    json_decref(answer);
    return dump;
}

static void compare_stats(struct life *life)
{
    struct job_entry *entry = jobs_find(life->there->server->jobs, (struct evd_str){"j", 1});
    int epoch = (int)below(life, 6) - 2;
    char *kept, *fresh;
    struct job_stats *counts;

    retained_follow(&life->retained, life->peer);
    kept = stats(life, epoch);
    counts = entry->stats;
    entry->stats = NULL;
    fresh = stats(life, epoch);
    job_stats_free(entry->stats);
    entry->stats = counts;
    assert_string_equal(kept, fresh);
    free(kept);
    free(fresh);
}

static void event(struct life *life)
{
    switch (below(life, 32)) {
    case 0:
    case 1:
        update(life);
        break;
    case 2:
        seek(life);
        break;
    case 3:
        lose(life);
        break;
    case 4:
        if (below(life, 4) == 0)
            restart(life);
        break;
    case 5:
    case 6:
    case 7:
        compare_stats(life);
        retained_compare(&life->retained, life->peer, below(life, RETAINED_STEPS));
        reported_compare(&life->reported, life->peer, below(life, 4));
        break;
    default:
        work(life);
    }
}

static void test_lives(void **state)
{
    const char *given = getenv("EVD_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 1;
    uint32_t acked = 0, updated = 0, sought = 0, counted = 0, moved = 0;
    uint32_t compared = 0, forgotten = 0;
    uint32_t events = getenv("EVD_LONG") ? 1000000 : 4000;

    (void)state;
    for (uint32_t i = 0; i < events / EVENTS_OF_A_LIFE; i++) {
        struct life life = {
            .there = &h, .random = seed + i, .ranked = i % 2, .retained = {.epochs = i / 2 % 4}};

        harness_start(&h);
        begin(&life);
        for (int n = 0; n < EVENTS_OF_A_LIFE; n++)
            event(&life);
        acked += life.acked;
        updated += life.updated;
        sought += life.sought;
        counted += life.counted;
        moved += life.moved;
        compared += life.retained.compared;
        forgotten += life.retained.forgotten;
        retained_free(&life.retained);
        harness_stop(&h);
    }
    /* The lives were not idle ones. */
    assert_in_range(acked, events / 4, events);
    assert_in_range(updated, events / 64, events);
    assert_in_range(sought, events / 128, events);
    assert_in_range(counted, events / 8, events);
    assert_in_range(moved, events / 400, events);
    assert_in_range(compared, events / 32, events);
    assert_in_range(forgotten, events / 1000, events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lives)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
