/* What `workers` prints: who is attached to a job, and how far. */
#include <inttypes.h>
#include "commands.h"
#include "table.h"

static const char *cell_worker(char *out, const json_t *worker)
{
    snprintf(out, CELL_SIZE, "%" PRIu64 ".%" PRIu64, field_u64(worker, "session"),
             field_u64(worker, "stream"));
    return out;
}

/* "12/3,072": steps and samples. */
static const char *pair(char *out, uint64_t steps, uint64_t samples)
{
    text_t one, two;

    snprintf(out, CELL_SIZE, "%s/%s", text_count(one, steps), text_count(two, samples));
    return out;
}

static const char *cell_served(char *out, const json_t *worker)
{
    return pair(out, field_u64(worker, "served_steps"), field_u64(worker, "served_samples"));
}

static const char *cell_acked(char *out, const json_t *worker)
{
    return pair(out, field_u64(worker, "acked_steps"), field_u64(worker, "acked_samples"));
}

void print_workers(const json_t *answer, const struct cli *cli)
{
    static const struct column columns[] = {{"WORKER", NULL, LEFT, cell_worker},
                                            {"CLIENT", "client", LEFT, cell_text},
                                            {"PEER", "peer", LEFT, cell_text},
                                            {"RANK", "rank", RIGHT, cell_maybe},
                                            {"STATE", "state", LEFT, cell_text},
                                            {"WINDOW", "window", RIGHT, cell_count},
                                            {"HELD", "held", RIGHT, cell_count},
                                            {"SERVED", NULL, RIGHT, cell_served},
                                            {"ACKNOWLEDGED", NULL, RIGHT, cell_acked},
                                            {"LAG", "lag", RIGHT, cell_count},
                                            {"LAST HEARD", "last_heard", RIGHT, cell_ms},
                                            {0}};
    const json_t *workers = json_object_get(answer, "workers");
    text_t count, steps, batches, leases;

    (void)cli;
    print_rows(workers, columns);
    printf("%s, %s out; since the daemon started: %s redelivered, %s expired\n",
           text_items(count, json_array_size(workers), "worker"),
           text_items(steps, field_u64(answer, "outstanding"), "step"),
           text_items(batches, field_u64(answer, "redelivered"), "batch"),
           text_items(leases, field_u64(answer, "expired"), "lease"));
}
