/*
 * An SQLite VFS for tests: the system's, except that chosen writes or syncs fail.
 * Set by the test's thread while the writer thread runs: everything is atomic.
 */
#ifndef TESTS_SQLITE_FAULT_H
#define TESTS_SQLITE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#define FAULT_VFS "evd-fault"

enum fault_calls { FAULT_WRITE = 1, FAULT_SYNC = 2 };

void fault_register(void);
/* While set, writes wait, as on a disk that does not answer. */
void fault_stall(bool stall);
int fault_stalled(void); /* how many wait */
/* Whether files open for reading only. */
void fault_write_protect(bool protect);
/* The nth call (from 1) of these kinds from now on fails with that code; `lasting`: and all after.
 */
void fault_set(unsigned calls, int nth, int code, bool lasting);
/* Back to normal. Returns how many calls failed. */
int fault_clear(void);

/* Runs SQL on a closed database; the first column of the first row, or 0. */
int64_t sqlite_query(const char *path, const char *sql);

extern const int fault_full, fault_io_write, fault_io_fsync, fault_readonly,
    fault_corrupt; /* codes */

#endif
