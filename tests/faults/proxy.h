/*
 * A network between a worker and the daemon, which can fail: a TCP port that forwards to another
 * address. While it is cut nothing gets through and nobody is told; connections made meanwhile
 * hang.
 */
#ifndef FAULTS_PROXY_H
#define FAULTS_PROXY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define PROXY_PAIRS 8 /* connections of one worker: the present one, and those it has given up */

struct proxy {
    char address[64];   /* "tcp:127.0.0.1:port", for the worker */
    const char *target; /* "unix:/path" */
    atomic_bool cut, drop, stop;
    int listener;
    int pairs[PROXY_PAIRS][2]; /* worker's side, daemon's side; -1: free */
    pthread_t thread;
};

void proxy_start(struct proxy *proxy, const char *target);
void proxy_stop(struct proxy *proxy);
/* Nothing gets through from now on. */
void proxy_cut(struct proxy *proxy);
/* Closes what was cut, and forwards new connections again. */
void proxy_heal(struct proxy *proxy);

#endif
