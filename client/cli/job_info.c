/* What `job info` and `job history` print: a job's settings, position, revisions, ranks and seeks.
 */
#include <inttypes.h>
#include <stdlib.h>
#include "commands.h"
#include "table.h"

/* In one line: explicit weights of many classes are cut. */
static void print_strategy(const json_t *revision)
{
    const json_t *strategy = json_object_get(revision, "strategy");
    char *text = cli_json(strategy, JSON_COMPACT);

    if (text && text_width(text) > 200)
        print_padded(stdout, text, 200);
    else if (text)
        fputs(text, stdout);
    else if (json_is_true(json_object_get(revision, "forgotten")))
        fputs("forgotten", stdout);
    else
        fputs(json_is_null(strategy) ? "damaged" : "?", stdout);
    free(text);
}

/* ---- job info ---- */

static void print_revisions(const json_t *revisions)
{
    const json_t *revision;
    size_t i;

    json_array_foreach(revisions, i, revision)
    {
        printf("  revision %-3" PRIu64 " from %s, %s: ", field_u64(revision, "revision"),
               field_place(revision), text_time(field_u64(revision, "created")));
        print_strategy(revision);
        fputc('\n', stdout);
    }
}

static void print_settings(const json_t *job)
{
    uint64_t world = field_u64(job, "world_size"), replicas = field_u64(job, "replicas");
    uint64_t time_to_run = field_u64(job, "time_to_run"), ephemeral = field_u64(job, "ephemeral");
    uint64_t retained = field_u64(job, "retain_epochs");

    printf("job %s on %s\n", field_text(job, "job"), field_dataset(job));
    printf("  %s, batches of %s, last batch %s, seed %" PRIu64, field_text(job, "mode"),
           field_count(job, "batch_size"), field_text(job, "last_batch"), field_u64(job, "seed"));
    if (world > 0)
        printf(", %s", text_items(world, "rank"));
    if (replicas > 1)
        printf(", %s of each slice", text_items(replicas, "replica"));
    printf("\n  %s, time to run %s, grace %s\n", field_text(job, "guarantee"),
           time_to_run ? text_ms(time_to_run) : "without limit", text_ms(field_u64(job, "grace")));
    if (ephemeral > 0)
        printf("  ephemeral: goes when nobody has used it for %s\n", text_ms(ephemeral));
    if (retained > 0)
        printf("  strategies are retained for %s epoch%s\n", field_count(job, "retain_epochs"),
               retained == 1 ? "" : "s");
}

static void print_progress(const json_t *job)
{
    const json_t *acked = json_object_get(job, "acked");

    printf("  generation %s, epoch %s, next step %s of %s", field_count(job, "generation"),
           field_count(job, "epoch"), field_count(job, "step"), field_count(job, "steps"));
    printf("; all before epoch %s step %s is acknowledged\n", field_count(acked, "epoch"),
           field_count(acked, "step"));
}

static void print_state(const json_t *job)
{
    const char *failure = field_text(job, "failure");

    printf("  %s, %s out, ", field_items(job, "streams", "worker"),
           field_items(job, "outstanding", "step"));
    printf("%s redelivered, %s expired, %s held%s\n", field_items(job, "redelivered", "batch"),
           field_items(job, "expired", "lease"), text_bytes(field_u64(job, "memory")),
           json_is_true(json_object_get(job, "updating")) ? ", a change is being stored" : "");
    if (json_is_true(json_object_get(job, "failing")))
        puts("  NOTHING IS HANDED OUT, for progress cannot be stored: see the daemon's log");
    if (json_is_true(json_object_get(job, "history_full")))
        printf(
            "  its strategy cannot be changed: %s of strategies are recorded, and no more may be "
            "(evendrawd --limit history)\n",
            text_bytes(field_u64(job, "history")));
    if (failure[0] != '\0')
        printf("  OUT OF SERVICE: %s\n", failure);
}

void print_job(const json_t *job, const struct cli *cli)
{
    (void)cli;
    print_settings(job);
    print_progress(job);
    print_state(job);
    print_revisions(json_object_get(job, "revisions"));
}

/* ---- job history ---- */

/* What all records have: since when, from where on, by whom. */
static void print_record(const json_t *record)
{
    printf("%s, %s, by %s", field_place(record), text_time(field_u64(record, "created")),
           field_text(record, "author"));
}

/* The records of a generation, in order. */
static void print_revisions_of(const json_t *history, uint64_t generation)
{
    const json_t *record;
    size_t i;

    json_array_foreach(json_object_get(history, "revisions"), i, record)
    {
        if (field_u64(record, "generation") != generation)
            continue;
        printf("  revision %" PRIu64 " from ", field_u64(record, "revision"));
        print_record(record);
        fputs(": ", stdout);
        print_strategy(record);
        fputc('\n', stdout);
    }
}

static void print_worlds(const json_t *history, uint64_t generation)
{
    const json_t *record;
    size_t i;

    json_array_foreach(json_object_get(history, "worlds"), i, record)
    {
        if (field_u64(record, "generation") != generation)
            continue;
        printf("  %s from ", field_items(record, "world_size", "rank"));
        print_record(record);
        fputc('\n', stdout);
    }
}

static void print_seek(const json_t *seek)
{
    const json_t *left = json_object_get(seek, "left");

    printf("generation %" PRIu64 ": %s from ", field_u64(seek, "generation"),
           field_text(seek, "mode"));
    print_record(seek);
    printf("; generation %" PRIu64 " ended before %s\n", field_u64(seek, "parent"),
           field_place(left));
}

void print_history(const json_t *history, const struct cli *cli)
{
    const json_t *seek;
    size_t i;

    (void)cli;
    puts("generation 0");
    print_revisions_of(history, 0);
    print_worlds(history, 0);
    json_array_foreach(json_object_get(history, "seeks"), i, seek)
    {
        print_seek(seek);
        print_revisions_of(history, field_u64(seek, "generation"));
        print_worlds(history, field_u64(seek, "generation"));
    }
}
