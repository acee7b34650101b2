/*
 * What `job ls`, `create`, `set`, `position`, `seek` and `rm` print. Called by main.c through the
 * table in commands.c, as all printers are.
 */
#include <inttypes.h>
#include "commands.h"
#include "table.h"

static const char *cell_step(const json_t *job)
{
    if (json_is_true(json_object_get(job, "failed")))
        return "OUT OF SERVICE, see job info";
    return text_of("%s/%s", field_count(job, "step"), field_count(job, "steps"));
}

void print_jobs(const json_t *answer, const struct cli *cli)
{
    static const struct column columns[] = {{"JOB", "job", LEFT, cell_text},
                                            {"DATASET", NULL, LEFT, field_dataset},
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
    (void)cli;
    printf("job %s on %s: %s of %s an epoch%s\n", field_text(job, "job"), field_dataset(job),
           field_items(job, "steps", "step"), field_items(job, "batch_size", "sample"),
           json_is_true(json_object_get(job, "joined")) ? "; it was there already" : "");
}

void print_revision(const json_t *answer, const struct cli *cli)
{
    (void)cli;
    printf("job %s: revision %" PRIu64 " from %s\n", field_text(answer, "job"),
           field_u64(answer, "revision"), field_place(answer));
}

void print_position(const json_t *position, const struct cli *cli)
{
    (void)cli;
    printf("%s\n", field_text(position, "token"));
}

void print_moved_job(const json_t *answer, const struct cli *cli)
{
    (void)cli;
    printf("job %s: generation %" PRIu64 " from %s, revision %" PRIu64 "\n",
           field_text(answer, "job"), field_u64(answer, "generation"), field_place(answer),
           field_u64(answer, "revision"));
}

void print_removed_job(const json_t *answer, const struct cli *cli)
{
    (void)cli;
    printf("removed job %s\n", field_text(answer, "job"));
}

void print_since(const json_t *answer, const char *done)
{
    const json_t *since = json_object_get(answer, "since");

    if (field_u64(since, "epoch") > 0 || field_u64(since, "step") > 0)
        printf("%s from %s on: strategies of before are forgotten\n", done, field_place(since));
}
