/*
 * Gives memory that was freed back to the kernel (heap.h). What is large is mapped by itself and
 * goes back at once; for the rest the allocator is asked to, from a timer, where much more is
 * resident than anybody has counted. main.c and host.c call it.
 */
#include "host/heap.h"

#include <stdio.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include "host/internal.h"
#include "server/counters.h"

/* Allocations from that size on are mapped by themselves. Said once, it stays: else the allocator
 * raises it by what is freed, and keeps what is freed from then on. */
#define MAPPED_BYTES (64 << 10)
/* Threads share so many heaps: each keeps some of what was freed. */
#define HEAPS 2
/* How often it is looked, and how much more than the last time may be resident and not counted. */
#define LOOK_MS     2000u
#define SLACK_BYTES (2u << 20)

void heap_configure(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    mallopt(M_ARENA_MAX, HEAPS);
#endif
}

uint64_t heap_resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What is resident beyond what is counted. */
static uint64_t uncounted(const struct host *host)
{
    struct counters counters;
    uint64_t sum;

    server_count(host->server, &counters);
    sum = holds_sum(&counters.holds);
    return counters.resident > sum ? counters.resident - sum : 0;
}

/* Takes some 15 ms for 100 MB in small pieces, and so is not for the loop's thread. */
static void trim(uv_work_t *request)
{
    (void)request;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

static void trimmed(uv_work_t *request, int status)
{
    struct host *host = request->data;

    (void)status;
    host->heap_trimming = false;
    if (host->stage == HOST_SERVING)
        host->heap_slack = uncounted(host);
}

static void on_look(uv_timer_t *timer)
{
    struct host *host = timer->data;
    uint64_t slack;

    if (host->heap_trimming || host->stage != HOST_SERVING)
        return;
    slack = uncounted(host);
    if (slack < host->heap_slack)
        host->heap_slack = slack;
    if (slack < host->heap_slack + SLACK_BYTES)
        return;
    host->heap_trim.data = host;
    if (uv_queue_work(&host->loop, &host->heap_trim, trim, trimmed) == 0)
        host->heap_trimming = true;
}

int heap_init(struct host *host)
{
    host->heap_look.data = host;
    return uv_timer_init(&host->loop, &host->heap_look);
}

void heap_start(struct host *host)
{
    trim(NULL);
    host->heap_process = uncounted(host);
    uv_timer_start(&host->heap_look, on_look, LOOK_MS, LOOK_MS);
}
