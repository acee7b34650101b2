/*
 * Works: heavy tasks on their way to a thread of the host's pool.
 *
 * A task says how much it has to look at. From that follows its lane:
 *
 *     short   is done in about 10 ms. Finds a thread however much is long, since that never has
 * more than WORKS_LONG_THREADS of the WORKS_THREADS. long    everything else. One thread is its
 * own, however much is short.
 *
 * In a lane the turn goes to the account that has had the least, in the manner of start-time fair
 * queueing (Goyal, Vin and Cheng 1996): an account is charged what a task of its own is estimated
 * at when that starts, and what it really took when it is back; who had nothing to do begins at
 * what the one that was served last has had. So no connection gets ahead by asking for more, and an
 * estimate that is wrong is paid for afterwards. An account is a connection; what the daemon does
 * by itself (the moves of adaptive strategies, one of each job at a time) has one together.
 *
 * It knows no tasks, threads or time: test_works tries every order. Called by task.c.
 */
#ifndef SERVER_WORKS_H
#define SERVER_WORKS_H

#include <stdint.h>
#include <sys/queue.h>

/* Of the WORKS_THREADS (services.h). */
#define WORKS_LONG_THREADS 2u

/* What works cost: numbers to look at (labels, classes, weights, indices to draw), each of which
 * takes about 4 ns. */
#define WORKS_PER_MS     (UINT64_C(1) << 18)
#define WORKS_SHORT_COST (10 * WORKS_PER_MS)

struct works_account {
    double had; /* milliseconds */
};

enum works_lane { WORKS_SHORT, WORKS_LONG };

struct works_item {
    struct works_account *account; /* who pays; outlives the item, or is set to NULL: nobody */
    uint64_t cost;
    enum works_lane lane; /* from that */
    TAILQ_ENTRY(works_item) link;
};
TAILQ_HEAD(works_list, works_item);

struct works {
    struct works_list waiting[2];       /* by lane */
    uint32_t waiting_count, working[2]; /* by lane, again */
    double clock;                       /* what the account that was served last had had then */
};

void works_init(struct works *works);
/* The item, of an account and a cost, waits for a thread. */
void works_add(struct works *works, struct works_item *item);
/* Takes one out that waits. */
void works_remove(struct works *works, struct works_item *item);
/* The one whose turn it is, if there is a thread for it: it does not wait any more, and is to be
 * given to the pool at once. NULL: none. */
struct works_item *works_next(struct works *works);
/* It is back from the pool, and took so long. */
void works_done(struct works *works, const struct works_item *item, double milliseconds);

#endif
