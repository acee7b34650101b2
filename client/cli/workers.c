/* What `workers` prints: who is attached to a job, and how far. */
#include <inttypes.h>
#include "commands.h"
#include "table.h"

static const char *cell_worker(const json_t *worker)
{
    return text_of("%" PRIu64 ".%" PRIu64, field_u64(worker, "session"),
                   field_u64(worker, "stream"));
}

/* "12/3,072": steps and samples. */
static const char *pair(uint64_t steps, uint64_t samples)
{
    return text_of("%s/%s", text_count(steps), text_count(samples));
}

static const char *cell_served(const json_t *worker)
{
    return pair(field_u64(worker, "served_steps"), field_u64(worker, "served_samples"));
}

static const char *cell_acked(const json_t *worker)
{
    return pair(field_u64(worker, "acked_steps"), field_u64(worker, "acked_samples"));
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

    (void)cli;
    print_rows(workers, columns);
    printf("%s, %s out; since the daemon started: %s redelivered, %s expired\n",
           text_items(json_array_size(workers), "worker"),
           field_items(answer, "outstanding", "step"), field_items(answer, "redelivered", "batch"),
           field_items(answer, "expired", "lease"));
}
