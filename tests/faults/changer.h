/*
 * Somebody who changes the strategy of a job again and again, while workers draw from it and
 * whatever becomes of the daemon; and logs every change that was confirmed.
 */
#ifndef FAULTS_CHANGER_H
#define FAULTS_CHANGER_H

#include "worker.h"

struct changer {
    const char *address, *job, *folder; /* of the log */
    uint32_t pause_us;                  /* between two changes, at most */
    /* All make epochs of equal length; ended by NULL. NULL: some of several kinds. */
    const char *const *strategies;
    pid_t pid;
};

/* Starts the process. It ends when the workers of the board do (workers_finish). */
void changer_start(struct changer *changer, struct board *board);
/* Waits for it, after workers_finish; fails the test if anything but faults came in its way. */
void changer_finish(struct changer *changer);

#endif
