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

/* How long a worker may keep a batch, and what then. */
static void print_lease(const json_t *job)
{
    uint64_t time_to_run = field_u64(job, "time_to_run");
    text_t time, grace;

    printf("\n  %s, time to run %s, grace %s", field_text(job, "guarantee"),
           time_to_run ? text_ms(time, time_to_run) : "without limit",
           text_ms(grace, field_u64(job, "grace")));
}

static void print_job(const json_t *job, const void *args)
{
    const json_t *acked = json_object_get(job, "acked");
    uint64_t world = field_u64(job, "world_size");
    text_t one, two, three, four;

    (void)args;
    printf("job %s on %s, version %" PRIu64 "\n", field_text(job, "job"),
           field_text(job, "dataset"), field_u64(job, "version"));
    printf("  %s, batches of %s, last batch %s, seed %" PRIu64, field_text(job, "mode"),
           text_count(one, field_u64(job, "batch_size")), field_text(job, "last_batch"),
           field_u64(job, "seed"));
    if (world > 0)
        printf(", %s", text_items(one, world, "rank"));
    if (field_u64(job, "replicas") > 1)
        printf(", %s of each slice", text_items(one, field_u64(job, "replicas"), "replica"));
    print_lease(job);
    printf("\n  generation %s, epoch %s, next step %s of %s",
           text_count(four, field_u64(job, "generation")), text_count(one, field_u64(job, "epoch")),
           text_count(two, field_u64(job, "step")), text_count(three, field_u64(job, "steps")));
    printf("; all before epoch %s step %s is acknowledged\n",
           text_count(one, field_u64(acked, "epoch")), text_count(two, field_u64(acked, "step")));
    printf("  %s, %s out, %s of plans%s\n", text_items(one, field_u64(job, "streams"), "worker"),
           text_items(two, field_u64(job, "outstanding"), "step"),
           text_bytes(three, field_u64(job, "memory")),
           json_is_true(json_object_get(job, "updating")) ? ", an update is being stored" : "");
    print_revisions(json_object_get(job, "revisions"));
}

int command_job_info(struct cli *cli, int argc, char **argv)
{
    return cli_ask_job(cli, argc, argv,
                       "Show a job's settings, its position, and the strategies it had and has.",
                       "job.info", print_job);
}
