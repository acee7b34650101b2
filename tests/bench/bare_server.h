/*
 * The yardstick: the least a single-threaded server can do to send batches. It keeps the window and
 * reads acknowledgements as evendrawd does, but knows no jobs, draws nothing, checks nothing: every
 * frame is one template, copied, with the step filled in.
 */
#ifndef BENCH_BARE_SERVER_H
#define BENCH_BARE_SERVER_H

#include <stdint.h>

/* Serves everybody who connects to these listening sockets with batches of n indices, until it is
 * killed. Does not return; ends the process on an error. */
void bare_serve(const int listeners[2], uint32_t n) __attribute__((noreturn));

#endif
