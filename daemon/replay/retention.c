/* Finds strategies that may be forgotten (retention.h). */
#include "replay/retention.h"

#include <stdlib.h>
#include "job/position.h"

/* A position up to which, in generations that were left, something may have been drawn by revisions
 * of this generation: they are part of later ones only. */
static struct job_position drawn_upto(const struct records *records, uint32_t generation)
{
    struct job_position upto = {0, 0};

    for (uint32_t i = generation; i < records->seek_count; i++) {
        if (position_before(upto, records->seeks[i].left))
            upto = records->seeks[i].left;
    }
    return upto;
}

static bool is_over(const struct records *records, const struct revision *revision,
                    struct job_position from)
{
    return !position_before(from, drawn_upto(records, revision->generation));
}

uint32_t retention_find(const struct records *records, uint64_t epoch, struct revision **out,
                        uint32_t most)
{
    const struct job_position from = {epoch, 0};
    uint32_t found = 0;

    for (uint32_t i = 0; i < records->past_count && found < most; i++) {
        if (!records->past[i].forgotten && is_over(records, &records->past[i], from))
            out[found++] = &records->past[i];
    }
    /* Of the line as it is now one after the other: what is forgotten is at its beginning. */
    for (uint32_t i = 0; i + 1 < records->revision_count && found < most; i++) {
        struct revision *revision = &records->revisions[i];

        if (position_before(from, revision[1].at) || !is_over(records, revision, from))
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

void retention_note(struct records *records, uint32_t generation, uint32_t number, bool forgotten)
{
    for (uint32_t i = 0; i < records->past_count; i++) {
        if (records->past[i].generation == generation && records->past[i].number == number)
            note(&records->past[i], forgotten);
    }
    for (uint32_t i = 0; i < records->revision_count; i++) {
        if (records->revisions[i].generation == generation &&
            records->revisions[i].number == number)
            note(&records->revisions[i], forgotten);
    }
    records_measure(records);
}
