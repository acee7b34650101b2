/* Frees large memory on a pool thread (scrap.h). Called by calls/. */
#include "server/scrap.h"

#include "server/task.h"

/* The kernel takes back so many bytes while a thread looks at one number (works.h). */
#define BYTES_PER_COST 32

struct scrap {
    struct task task; /* first; nobody asked for it, and it is about nothing */
    void *what;
    uint64_t bytes;
    void (*dispose)(void *what);
};

static void dispose(struct task *task)
{
    struct scrap *scrap = (struct scrap *)task;

    scrap->dispose(scrap->what);
    scrap->what = NULL;
}

static void scrap_fini(struct task *task)
{
    struct scrap *scrap = (struct scrap *)task;

    if (scrap->what) /* its turn did not come before the daemon stops */
        dispose(task);
    task->server->scrapped -= scrap->bytes;
}

static int disposed(struct task *task)
{
    task_free(task);
    return EVD_OK;
}

/* It counts as short, so that it never waits for what takes long: memory is to come back soon. */
static uint64_t cost(uint64_t bytes)
{
    uint64_t numbers = bytes / BYTES_PER_COST;

    return numbers < WORKS_SHORT_COST ? numbers : WORKS_SHORT_COST;
}

void scrap_free(struct server *server, void *what, uint64_t bytes, void (*dispose_of)(void *what))
{
    struct scrap *scrap = NULL;

    if (!what)
        return;
    if (bytes >= SCRAP_LEAST && server->scrapped + bytes <= SCRAP_MOST)
        scrap = task_new_unasked(server, sizeof(*scrap), NULL, scrap_fini);
    if (!scrap) {
        dispose_of(what);
        return;
    }
    scrap->what = what;
    scrap->bytes = bytes;
    scrap->dispose = dispose_of;
    server->scrapped += bytes;
    if (task_work(&scrap->task, cost(bytes), dispose, disposed) != EVD_OK)
        task_free(&scrap->task);
}
