/*
 * Answers that show strategies as they were recorded. Old ones are in the database only
 * (records_page): those are read on a pool thread, and then the answer is made.
 */
#ifndef CALLS_SHOWN_H
#define CALLS_SHOWN_H

#include "jobs/entry.h"

#define SHOWN_MOST 1025u /* revisions in one answer */

struct shown;

/* An answer that shows them. */
struct show {
    /* The revisions whose strategies it shows, SHOWN_MOST at most; false without memory. */
    bool (*select)(const struct job_entry *entry, const struct revision **out, uint32_t *count);
    /* Packs it; `shown` has what the job does not. */
    void (*answer)(msgpack_packer *pk, const struct job_entry *entry,
                   const struct revision *const *revisions, uint32_t count,
                   const struct shown *shown);
};

/* Answers now or when all is read. A handler's last act. */
int show(struct call *call, struct job_entry *entry, const struct show *how) MUST_CHECK;
/* NULL: it is not among them. */
const void *shown_strategy(const struct shown *shown, const struct revision *revision);

#endif
