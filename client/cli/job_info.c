/* `evendraw job info`: a job's settings, position and revisions. */
#include "cli.h"

#include <inttypes.h>

static void print_revisions(const json_t *revisions)
{
    const json_t *revision;
    size_t i;

    json_array_foreach(revisions, i, revision)
    {
        text_t time;

        printf("  revision %-3" PRIu64 " from epoch %" PRIu64 " step %" PRIu64 ", %s: ",
               field_u64(revision, "revision"), field_u64(revision, "epoch"),
               field_u64(revision, "step"), text_time(time, field_u64(revision, "created")));
        print_strategy(json_object_get(revision, "strategy"));
        fputc('\n', stdout);
    }
}

static void print_settings(const json_t *job)
{
    uint64_t world = field_u64(job, "world_size"), replicas = field_u64(job, "replicas");
    uint64_t time_to_run = field_u64(job, "time_to_run");
    text_t one, two;

    printf("job %s on %s, version %" PRIu64 "\n", field_text(job, "job"),
           field_text(job, "dataset"), field_u64(job, "version"));
    printf("  %s, batches of %s, last batch %s, seed %" PRIu64, field_text(job, "mode"),
           text_count(one, field_u64(job, "batch_size")), field_text(job, "last_batch"),
           field_u64(job, "seed"));
    if (world > 0)
        printf(", %s", text_items(one, world, "rank"));
    if (replicas > 1)
        printf(", %s of each slice", text_items(one, replicas, "replica"));
    printf("\n  %s, time to run %s, grace %s\n", field_text(job, "guarantee"),
           time_to_run ? text_ms(one, time_to_run) : "without limit",
           text_ms(two, field_u64(job, "grace")));
}

static void print_position(const json_t *job)
{
    const json_t *acked = json_object_get(job, "acked");
    text_t generation, epoch, step, steps;

    printf("  generation %s, epoch %s, next step %s of %s",
           text_count(generation, field_u64(job, "generation")),
           text_count(epoch, field_u64(job, "epoch")), text_count(step, field_u64(job, "step")),
           text_count(steps, field_u64(job, "steps")));
    printf("; all before epoch %s step %s is acknowledged\n",
           text_count(epoch, field_u64(acked, "epoch")),
           text_count(step, field_u64(acked, "step")));
}

static void print_state(const json_t *job)
{
    const char *failure = field_text(job, "failure");
    text_t one, two, three;

    printf("  %s, %s out, ", text_items(one, field_u64(job, "streams"), "worker"),
           text_items(two, field_u64(job, "outstanding"), "step"));
    printf("%s redelivered, %s expired, %s of plans%s\n",
           text_items(one, field_u64(job, "redelivered"), "batch"),
           text_items(two, field_u64(job, "expired"), "lease"),
           text_bytes(three, field_u64(job, "memory")),
           json_is_true(json_object_get(job, "updating")) ? ", a change is being stored" : "");
    if (json_is_true(json_object_get(job, "failing")))
        puts("  NOTHING IS HANDED OUT, for progress cannot be stored: see the daemon's log");
    if (failure[0] != '\0')
        printf("  OUT OF SERVICE: %s\n", failure);
}

static void print_job(const json_t *job, const void *args)
{
    (void)args;
    print_settings(job);
    print_position(job);
    print_state(job);
    print_revisions(json_object_get(job, "revisions"));
}

int command_job_info(struct cli *cli, int argc, char **argv)
{
    return cli_ask_job(cli, argc, argv,
                       "Show a job's settings, its position, and the strategies it had and has.",
                       "job.info", print_job);
}
