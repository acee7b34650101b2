/*
 * Units of a search by several threads. The calling thread works as the others do, and between two
 * units tells the progress and looks whether the state is to be saved. Called by neighbours.c.
 */
#include <time.h>
#include <unistd.h>
#include "client/lib/knn.h"

uint64_t knn_tick_every = 100000000;
uint64_t knn_save_every = 60000000000;

uint64_t knn_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint32_t knn_threads(uint32_t asked)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (asked > 0)
        return asked;
    return processors < 1                 ? 1
           : processors > KNN_MAX_THREADS ? KNN_MAX_THREADS
                                          : (uint32_t)processors;
}

/* For as long as it takes to save the state, unless it is cancelled. */
static void pause_threads(struct knn_search *s)
{
    int goes_on = KNN_GOES_ON;

    atomic_compare_exchange_strong(&s->stop, &goes_on, KNN_PAUSED);
}

static void tick(struct knn_search *s)
{
    const evd_neighbours_options *options = s->options;
    const uint64_t now = knn_now();
    uint64_t taken = atomic_load(&s->next), done;

    if (now - s->ticked < knn_tick_every || s->total == 0)
        return;
    s->ticked = now;
    taken = taken < s->units ? taken : s->units;
    done = s->done + (taken > s->place.unit ? (taken - s->place.unit) * s->unit_cost : 0);
    /* A pause takes units back that were given up half way. */
    s->told = done > s->told ? done : s->told;
    if (options->progress)
        options->progress(options->arg, s->told < s->total ? s->told : s->total, s->total);
    /* Not again before a unit was taken, or nothing would ever be done. */
    if (options->partial && !s->aside && now - s->saved >= knn_save_every && done > s->saved_done)
        pause_threads(s);
}

bool knn_cancelled(struct knn_worker *worker)
{
    struct knn_search *s = worker->search;

    if (worker->callers)
        tick(s);
    if (s->options->cancel && __atomic_load_n(s->options->cancel, __ATOMIC_RELAXED))
        atomic_store(&s->stop, KNN_CANCELLED);
    return atomic_load(&s->stop) == KNN_CANCELLED;
}

static void *work(void *arg)
{
    struct knn_worker *worker = arg;
    struct knn_search *s = worker->search;

    while (!knn_cancelled(worker) && atomic_load(&s->stop) == KNN_GOES_ON) {
        const uint64_t unit = atomic_fetch_add(&s->next, 1);

        if (unit >= s->units)
            break;
        s->unit(worker, unit);
        if (worker->unfinished != UINT64_MAX)
            break;
    }
    return NULL;
}

/* Until no unit is left, or it is stopped. s->place.unit is then the first that was not done; of
 * those behind it some may have been, which is why only units that may be done twice are given up
 * half way. */
static void run_threads(struct knn_search *s)
{
    uint32_t started = 1;
    uint64_t at;

    atomic_store(&s->stop, KNN_GOES_ON);
    atomic_store(&s->next, s->place.unit);
    for (uint32_t i = 0; i < s->threads; i++)
        s->workers[i].unfinished = UINT64_MAX;
    /* Where no more threads can be had, the others do the work. */
    while (started < s->threads && started < s->units - s->place.unit &&
           pthread_create(&s->workers[started].thread, NULL, work, &s->workers[started]) == 0)
        started++;
    work(&s->workers[0]);
    for (uint32_t i = 1; i < started; i++)
        pthread_join(s->workers[i].thread, NULL);
    at = atomic_load(&s->next);
    at = at < s->units ? at : s->units;
    for (uint32_t i = 0; i < started; i++)
        at = s->workers[i].unfinished < at ? s->workers[i].unfinished : at;
    s->done += (at - s->place.unit) * s->unit_cost;
    s->place.unit = at;
}

int knn_end_cancelled(struct knn_search *s)
{
    if (s->options->partial && knn_state_save(s) != EVD_OK)
        return s->error.code;
    return EVD_CANCELLED;
}

int knn_run(struct knn_search *s, uint64_t units, uint64_t unit_cost,
            void (*unit)(struct knn_worker *worker, uint64_t unit))
{
    s->units = units;
    s->unit_cost = unit_cost;
    s->unit = unit;
    if (s->place.unit > units) /* as a file said */
        return knn_state_damaged(s);
    s->done += s->place.unit * unit_cost;
    while (s->place.unit < units) {
        run_threads(s);
        if (s->place.unit == units)
            break;
        if (atomic_load(&s->stop) == KNN_CANCELLED)
            return knn_end_cancelled(s);
        if (knn_state_save(s) != EVD_OK)
            return s->error.code;
    }
    s->units = 0; /* of which none is under way */
    return EVD_OK;
}

int knn_run_aside(struct knn_search *s, uint64_t units, uint64_t unit_cost,
                  void (*unit)(struct knn_worker *worker, uint64_t unit))
{
    const struct knn_place place = s->place;

    s->units = units;
    s->unit_cost = unit_cost;
    s->unit = unit;
    s->place.unit = 0;
    s->aside = true;
    run_threads(s);
    s->aside = false;
    s->place = place;
    s->units = 0;
    return atomic_load(&s->stop) == KNN_CANCELLED ? knn_end_cancelled(s) : EVD_OK;
}
