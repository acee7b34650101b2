/* Operations on attachments, backups and drops of jobs, for the tests of the store
 * (store_fixture.h). */
#include "store_fixture.h"

struct noted_op op_attachment(uint64_t id, const char *name, uint64_t dataset)
{
    return (struct noted_op){.op = {.kind = STORE_ATTACHMENT_CREATE,
                                    .attachment = {.id = id,
                                                   .dataset = dataset,
                                                   .name = name,
                                                   .kind = "neighbours",
                                                   .width = 2,
                                                   .scope = "class",
                                                   .metric = "cosine",
                                                   .facts = "\x80",
                                                   .facts_bytes = 1}}};
}

struct noted_op op_rows(uint64_t id, uint64_t first, const void *rows, const void *distances,
                        size_t n)
{
    return (struct noted_op){.op = {.kind = STORE_ATTACHMENT_APPEND,
                                    .rows = {.attachment = id,
                                             .first_sample = first,
                                             .n = n,
                                             .rows = rows,
                                             .rows_bytes = n * 8,
                                             .distances = distances,
                                             .distances_bytes = n * 8}}};
}

struct noted_op op_attachment_commit(uint64_t id, uint64_t samples)
{
    return (struct noted_op){
        .op = {.kind = STORE_ATTACHMENT_COMMIT,
               .attachment = {
                   .id = id, .created = 7000 + id, .samples = samples, .digest = UINT64_MAX - id}}};
}

struct noted_op op_attachment_drop(uint64_t id)
{
    return (struct noted_op){.op = {.kind = STORE_ATTACHMENT_DROP, .attachment = {.id = id}}};
}

struct noted_op op_backup(const char *path)
{
    return (struct noted_op){.op = {.kind = STORE_BACKUP, .backup = {.path = path}}};
}

struct noted_op op_job_drop(uint64_t id)
{
    return (struct noted_op){.op = {.kind = STORE_JOB_DROP, .job = {.id = id}}};
}
