/*
 * The allocator: what has been freed goes back to the kernel, so that what the daemon counts is
 * what the kernel says that it has. main.c and host.c call it.
 */
#ifndef HOST_HEAP_H
#define HOST_HEAP_H

#include <stdint.h>

struct host;

/* How the allocator is to behave; before there are threads. */
void heap_configure(void);
/* 0, or libuv's error. */
int heap_init(struct host *host);
/* The daemon begins to serve: what is resident and not counted is the process itself. From here on
 * what is freed is given back. */
void heap_start(struct host *host);
/* Bytes of the process that are in memory, as the kernel says; 0 if it does not. */
uint64_t heap_resident(void);

#endif
