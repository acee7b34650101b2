/* What the faults tests have in common. */
#ifndef FAULTS_FAULTS_H
#define FAULTS_FAULTS_H

#include <sys/un.h>
#include "history.h"
#include "server.h"
#include "worker.h"

/* Numbers for tests/run, or for tests/run --long (EVD_LONG), or for a sanitizer (--short). */
struct scale {
    uint32_t normal, longer, shorter;
};
void faults_arguments(int argc, char **argv);
uint32_t faults_scale(struct scale scale);
unsigned faults_patience(void); /* seconds for workers_finish: ranks may be far apart */
bool faults_short(void); /* then perhaps under a sanitizer, whose memory is not the daemon's */

/* A dataset "d" and what makes of it `steps` steps an epoch of batches of BATCH. */
#define BATCH 32u
void faults_load(struct server *server, uint64_t steps);
/* `more` is further JSON, ", \"mode\": ...", or "". */
void faults_job(struct server *server, const char *name, const char *more);
/* Checks the history of a job against another one, of the same kind, that nobody disturbs; if its
 * strategy was changed (`more` is NULL), against itself, moved back to its beginning and replayed.
 */
void faults_check(struct server *server, const char *job, const char *more, struct board *board,
                  uint32_t world, uint64_t epochs, uint64_t steps, uint32_t lease_ms);
/* Where the server listens. */
struct sockaddr_un faults_address(const struct server *server);
double faults_seconds(void); /* on the monotonic clock */

#endif
