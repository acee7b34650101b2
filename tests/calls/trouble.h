/*
 * A store behind the protocol server that can be busy, slow, or without room. For test_trouble.c,
 * test_damage.c and test_uses_trouble.c, which are linked with --wrap=store_submit.
 */
#ifndef TESTS_CALLS_TROUBLE_H
#define TESTS_CALLS_TROUBLE_H

#include "harness.h"

#include "sqlite_fault.h"

extern bool busy;               /* the store takes nothing */
extern bool slow;               /* it sits on what comes, which is */
extern struct store_op *caught; /* this */

/* The store gets what it sat on; or it says that it has no room for it. */
void trouble_pass_on(struct harness *h);
void trouble_refuse(struct harness *h);

/* The databases of this program are on disks that can be full. */
void trouble_setup(void);
void use_vfs(const char *name);
/* A hundred samples of two classes, and a job "j" with ten steps. */
void trouble_load(struct peer *peer);
/* How many there are in the answer's array. */
size_t trouble_count(struct peer *peer, const char *method, const char *key);
/* With the server down, and the system's own VFS: the other one has no shared memory. */
void trouble_query(struct harness *h, const char *sql);
/* The job serves, and has so many steps. */
void trouble_job_has(struct peer *peer, const char *job, int steps);

#endif
