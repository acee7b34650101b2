/* `evendraw job history`: everything that the content of a job's batches depends on. */
#include <inttypes.h>
#include "cli.h"

/* What all records have: since when, from where on, by whom. */
static void print_record(const json_t *record)
{
    text_t time;

    printf("epoch %" PRIu64 " step %" PRIu64 ", %s, by %s", field_u64(record, "epoch"),
           field_u64(record, "step"), text_time(time, field_u64(record, "created")),
           field_text(record, "author"));
}

/* The records of a generation, in order. */
static void print_revisions(const json_t *history, uint64_t generation)
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
        print_strategy(json_object_get(record, "strategy"));
        fputc('\n', stdout);
    }
}

static void print_worlds(const json_t *history, uint64_t generation)
{
    const json_t *record;
    text_t ranks;
    size_t i;

    json_array_foreach(json_object_get(history, "worlds"), i, record)
    {
        if (field_u64(record, "generation") != generation)
            continue;
        printf("  %s from ", text_items(ranks, field_u64(record, "world_size"), "rank"));
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
    printf("; generation %" PRIu64 " ended before epoch %" PRIu64 " step %" PRIu64 "\n",
           field_u64(seek, "parent"), field_u64(left, "epoch"), field_u64(left, "step"));
}

static void print_history(const json_t *history, const void *args)
{
    const json_t *seek;
    size_t i;

    (void)args;
    puts("generation 0");
    print_revisions(history, 0);
    print_worlds(history, 0);
    json_array_foreach(json_object_get(history, "seeks"), i, seek)
    {
        print_seek(seek);
        print_revisions(history, field_u64(seek, "generation"));
        print_worlds(history, field_u64(seek, "generation"));
    }
}

int command_job_history(struct cli *cli, int argc, char **argv)
{
    return cli_ask_job(cli, argc, argv,
                       "Show a job's history: the revisions of its strategy, the numbers of its "
                       "ranks and its seeks, each with the step from which it holds, when it was "
                       "made and by whom. With the dataset and the seed it says what every batch "
                       "held.",
                       "job.history", print_history);
}
