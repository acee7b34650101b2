/* The healthy worker beside whom the daemon is pressed: takes one batch at a time, acknowledges it,
 * and notes how long the next one took. Fails the test if a batch is missing or comes twice. */
#ifndef PRESSURE_VICTIM_H
#define PRESSURE_VICTIM_H

#include <stdint.h>
#include <sys/un.h>

/* The jobs' steps are numbered on and on: their epoch does not end. */
#define VICTIM_STRATEGY "{\"kind\": \"weighted\", \"num_samples\": 4000000000}"

struct victim;

/* Attaches and takes the first batch. */
struct victim *victim_attach(const struct sockaddr_un *address, const char *job);
/* One batch more; the seconds from its request to its arrival. */
double victim_round(struct victim *victim);
void victim_detach(struct victim *victim);

#endif
