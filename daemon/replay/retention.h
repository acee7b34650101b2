/*
 * Which strategies a job may forget: of a job that retains so many epochs, those by which nothing
 * is drawn any more at the epoch from which on it retains them, or later. Everything else of their
 * revisions stays, so that what is recorded goes on to be a whole, and tokens of positions hold.
 *
 * Called by jobs/retention.c. Loop thread only.
 */
#ifndef REPLAY_RETENTION_H
#define REPLAY_RETENTION_H

#include "replay/records.h"

/* Up to `most` revisions whose strategies no step of that epoch or a later one needs and that are
 * not forgotten, oldest first; returns how many. They are valid until the records change. */
uint32_t retention_find(const struct records *records, uint64_t epoch, struct revision **out,
                        uint32_t most);
/* They are forgotten. What becomes of each is said when the store has answered. */
void retention_note(struct records *records, struct revision *const *revisions, uint32_t count);
/* The store has forgotten it, too, and what it named is released; or it could not, and it is not
 * forgotten. */
void retention_end(struct records *records, uint32_t generation, uint32_t number, bool stored);

#endif
