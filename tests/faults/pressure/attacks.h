/* What peers do to a daemon that others have to work with. Each attack is a process of its own,
 * which goes on until it is killed. */
#ifndef PRESSURE_ATTACKS_H
#define PRESSURE_ATTACKS_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>
#include "faults.h"

/* What the attacker has done, in memory that it shares with the test. */
struct tally {
    atomic_ulong messages;    /* sent whole; of floods: connections made */
    atomic_ulong connections; /* that are there, or were if each is closed at once */
    atomic_ulong updates;     /* job.update that were answered meanwhile, */
    atomic_ulong update_us;   /* and the longest of them */
};

struct attack {
    const char *name;
    struct scale peers;
    void (*run)(const struct attack *attack, const struct server *server, struct tally *tally,
                uint32_t peers);
    uint64_t peer_bytes; /* what each of its peers may make the daemon hold */
};

extern const struct attack attacks[];
extern const uint32_t attack_count;

/* The datasets and jobs that attacks need. */
void attacks_prepare(const struct server *server);
pid_t attack_begin(const struct attack *attack, const struct server *server, struct tally *tally);
void attack_end(pid_t pid);

#endif
