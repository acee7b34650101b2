/* `evendraw workers`: who is attached to a job, and how far. */
#include <inttypes.h>
#include "cli.h"

/* "12/3,072": steps and samples. */
static void add_pair(struct table *table, const json_t *worker, const char *steps,
                     const char *samples)
{
    char pair[2 * sizeof(text_t)];
    text_t one, two;

    snprintf(pair, sizeof(pair), "%s/%s", text_count(one, field_u64(worker, steps)),
             text_count(two, field_u64(worker, samples)));
    table_add(table, pair);
}

static void add_worker(struct table *table, const json_t *worker)
{
    const json_t *rank = json_object_get(worker, "rank");
    text_t text;

    snprintf(text, sizeof(text), "%" PRIu64 ".%" PRIu64, field_u64(worker, "session"),
             field_u64(worker, "stream"));
    table_add(table, text);
    table_add(table, field_text(worker, "client"));
    table_add(table, field_text(worker, "peer"));
    table_add(table, json_is_integer(rank) ? text_count(text, field_u64(worker, "rank")) : "-");
    table_add(table, field_text(worker, "state"));
    table_add(table, text_count(text, field_u64(worker, "window")));
    table_add(table, text_count(text, field_u64(worker, "held")));
    add_pair(table, worker, "served_steps", "served_samples");
    add_pair(table, worker, "acked_steps", "acked_samples");
    table_add(table, text_count(text, field_u64(worker, "lag")));
    table_add(table, text_ms(text, field_u64(worker, "last_heard")));
}

static void print_workers(const json_t *answer, const void *args)
{
    static const char *const titles[] = {"WORKER",       "CLIENT", "PEER",      "RANK",
                                         "STATE",        "WINDOW", "HELD",      "SERVED",
                                         "ACKNOWLEDGED", "LAG",    "LAST HEARD"};
    static const bool right[] = {false, false, false, true, false, true,
                                 true,  true,  true,  true, true};
    const json_t *workers = json_object_get(answer, "workers");
    struct table *table = table_new(titles, right, 11);
    const json_t *worker;
    text_t count, steps, batches, leases;
    size_t i;

    (void)args;
    json_array_foreach(workers, i, worker) add_worker(table, worker);
    table_print(table);
    printf("%s, %s out; since the daemon started: %s redelivered, %s expired\n",
           text_items(count, json_array_size(workers), "worker"),
           text_items(steps, field_u64(answer, "outstanding"), "step"),
           text_items(batches, field_u64(answer, "redelivered"), "batch"),
           text_items(leases, field_u64(answer, "expired"), "lease"));
}

int command_workers(struct cli *cli, int argc, char **argv)
{
    return cli_ask_job(cli, argc, argv,
                       "Show who is attached to a job: session and stream, what the client calls "
                       "itself and where it is, its rank, whether its connection is lost or its "
                       "lease has run out (stalled), its window, how many batches it holds, steps "
                       "and samples it was served and has acknowledged, how many steps it is "
                       "behind, and how long ago it was heard of.",
                       "job.workers", print_workers);
}
