/*
 * What `job ls`, `create`, `set`, `position`, `seek` and `rm` print. Called by main.c through the
 * table in commands.c, as all printers are.
 */
#include <inttypes.h>
#include "commands.h"
#include "table.h"

static const char *cell_dataset(char *out, const json_t *job)
{
    snprintf(out, CELL_SIZE, "%s, version %" PRIu64, field_text(job, "dataset"),
             field_u64(job, "version"));
    return out;
}

static const char *cell_step(char *out, const json_t *job)
{
    text_t step, steps;

    if (json_is_true(json_object_get(job, "failed")))
        return "OUT OF SERVICE, see job info";
    snprintf(out, CELL_SIZE, "%s/%s", text_count(step, field_u64(job, "step")),
             text_count(steps, field_u64(job, "steps")));
    return out;
}

void print_jobs(const json_t *answer, const struct cli *cli)
{
    static const struct column columns[] = {{"JOB", "job", LEFT, cell_text},
                                            {"DATASET", NULL, LEFT, cell_dataset},
                                            {"STRATEGY", "kind", LEFT, cell_text},
                                            {"MODE", "mode", LEFT, cell_text},
                                            {"BATCH", "batch_size", RIGHT, cell_count},
                                            {"EPOCH", "epoch", RIGHT, cell_count},
                                            {"STEP", NULL, RIGHT, cell_step},
                                            {"WORKERS", "streams", RIGHT, cell_count},
                                            {0}};
    const json_t *list = json_object_get(answer, "jobs");

    (void)cli;
    print_rows(list, columns);
    if (json_array_size(list) == 0)
        fputs("no jobs yet: `evendraw job create NAME --dataset D --batch-size G` starts one\n",
              stderr);
}

void print_created_job(const json_t *job, const struct cli *cli)
{
    text_t steps, samples;

    (void)cli;
    printf("job %s on %s, version %u: %s of %s an epoch\n", field_text(job, "job"),
           field_text(job, "dataset"), (unsigned)field_u64(job, "version"),
           text_items(steps, field_u64(job, "steps"), "step"),
           text_items(samples, field_u64(job, "batch_size"), "sample"));
}

void print_revision(const json_t *answer, const struct cli *cli)
{
    (void)cli;
    printf("job %s: revision %" PRIu64 " from epoch %" PRIu64 " step %" PRIu64 "\n",
           field_text(answer, "job"), field_u64(answer, "revision"), field_u64(answer, "epoch"),
           field_u64(answer, "step"));
}

void print_position(const json_t *position, const struct cli *cli)
{
    (void)cli;
    printf("%s\n", field_text(position, "token"));
}

void print_moved_job(const json_t *answer, const struct cli *cli)
{
    (void)cli;
    printf("job %s: generation %" PRIu64 " from epoch %" PRIu64 " step %" PRIu64
           ", revision %" PRIu64 "\n",
           field_text(answer, "job"), field_u64(answer, "generation"), field_u64(answer, "epoch"),
           field_u64(answer, "step"), field_u64(answer, "revision"));
}

void print_removed_job(const json_t *answer, const struct cli *cli)
{
    (void)cli;
    printf("removed job %s\n", field_text(answer, "job"));
}
