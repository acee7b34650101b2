/* Finds strategies that may be forgotten (retention.h). */
#include "replay/retention.h"

#include <stdlib.h>
#include "job/position.h"
#include "replay/plan.h"

/* The generation from which on revisions draw nothing at `from` or later but in the line as it is
 * now. Those of an earlier one are part of a line that was left behind `from`. */
static uint32_t first_over(const struct records *records, struct job_position from)
{
    uint32_t generation = records->seek_count;

    while (generation > 0 && !position_before(from, records->seeks[generation - 1].left))
        generation--;
    return generation;
}

uint32_t retention_find(const struct records *records, uint64_t epoch, struct revision **out,
                        uint32_t most)
{
    const struct job_position from = {epoch, 0};
    uint32_t first = first_over(records, from), found = 0;

    for (uint32_t i = 0; i < records->past_count && found < most; i++) {
        if (!records->past[i].forgotten && records->past[i].generation >= first)
            out[found++] = &records->past[i];
    }
    /* Of the line as it is now one after the other: what is forgotten is at its beginning. */
    for (uint32_t i = 0; i + 1 < records->revision_count && found < most; i++) {
        struct revision *revision = &records->revisions[i];

        if (position_before(from, revision[1].at) || revision->generation < first)
            break;
        if (!revision->forgotten)
            out[found++] = revision;
    }
    return found;
}

static void note(struct revision *revision, bool forgotten)
{
    revision->forgotten = forgotten;
    free(revision->strategy);
    revision->strategy = NULL;
}

void retention_note(struct records *records, struct revision *const *revisions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        note(revisions[i], true);
    records_measure(records);
}

static void end(struct revision *revisions, uint32_t count, uint32_t generation, uint32_t number,
                bool stored)
{
    for (uint32_t i = 0; i < count; i++) {
        if (revisions[i].generation != generation || revisions[i].number != number)
            continue;
        if (stored)
            plan_release(&revisions[i].held);
        else
            note(&revisions[i], false);
    }
}

void retention_end(struct records *records, uint32_t generation, uint32_t number, bool stored)
{
    end(records->past, records->past_count, generation, number, stored);
    end(records->revisions, records->revision_count, generation, number, stored);
    records_measure(records);
}
