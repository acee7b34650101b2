/*
 * Large memory that nobody needs any more, on its way to a pool thread that frees it: the kernel
 * takes some 10 ms to take back 64 MiB of small pieces, which the loop's thread has not. Called
 * where what was reported of a job goes.
 */
#ifndef SERVER_SCRAP_H
#define SERVER_SCRAP_H

#include <stdint.h>

struct server;

/* What is smaller is freed at once, */
#define SCRAP_LEAST (UINT64_C(1) << 20)
/* and so is what comes while so many bytes wait to be freed. */
#define SCRAP_MOST (UINT64_C(256) << 20)

/* Has `dispose` free `what` of about so many bytes, on a pool thread if that can be. NULL is fine.
 * Until then the bytes are in server->scrapped. */
void scrap_free(struct server *server, void *what, uint64_t bytes, void (*dispose)(void *what));

#endif
