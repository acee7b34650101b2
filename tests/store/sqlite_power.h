/*
 * An SQLite VFS for tests: files in memory, on a disk that loses its power. What was written since
 * a file's last sync may then be there, or not, or in part: each sector by itself, in any order,
 * some with rubbish in them. The same for names of files since the folder's last sync.
 * One thread at a time.
 */
#ifndef TESTS_SQLITE_POWER_H
#define TESTS_SQLITE_POWER_H

#include <stdbool.h>
#include <stdint.h>

#define POWER_VFS "evd-power"

void power_register(void);
/* An empty disk. Nothing may be open. */
void power_reset(void);
/* The power goes within the nth write, sync, truncation or deletion (from 1) from now on; 0: not.
 * Then everything fails until power_on. */
void power_cut_at(unsigned nth);
bool power_is_off(void);

enum power_loss {
    POWER_KEEP,    /* everything arrived in time; a killed process leaves the same */
    POWER_DROP,    /* nothing did */
    POWER_ORDER,   /* what was written first did */
    POWER_WRITES,  /* some writes did */
    POWER_TORN,    /* some sectors of them did */
    POWER_RUBBISH, /* and some have rubbish in them */
    POWER_LOSSES
};
/* What the disk holds after a cut; nothing may be open. Sectors are of 512 or 4096 bytes. */
void power_on(enum power_loss loss, uint64_t seed);

/* A reproducible random number below n. */
uint64_t power_random(uint64_t *state, uint64_t n);

#endif
