/* What is recorded of a job beside its revisions: generations and worlds. */
#include "rpc/core.h"

#include <stdlib.h>
#include <string.h>

uint32_t records_generation(const struct job_entry *entry)
{
    return entry->seek_count;
}

struct job_position records_begin(const struct job_entry *entry, uint32_t generation)
{
    return generation > 0 ? entry->seeks[generation - 1].at : (struct job_position){0, 0};
}

struct job_position records_end(const struct job_entry *entry, uint32_t generation,
                                struct job_position reached)
{
    return generation < entry->seek_count ? entry->seeks[generation].left : reached;
}

/* A generation's history is its own revisions, and those of its parent up to where it was cut.
 * Notes in every seek the last number that is taken of its generation, or -1; returns that of the
 * first generation, which no seek opened. */
static int64_t note_line(const struct job_entry *entry, uint32_t generation)
{
    int64_t takes = UINT32_MAX;

    for (uint32_t i = 0; i < entry->seek_count; i++)
        entry->seeks[i].takes = -1;
    while (generation > 0) {
        struct seek_record *seek = &entry->seeks[generation - 1];

        seek->takes = takes;
        if (seek->keep < takes)
            takes = seek->keep;
        generation = seek->parent; /* an earlier one */
    }
    return takes;
}

/* After note_line, which returned `first`. */
static bool in_line(const struct job_entry *entry, int64_t first, const struct revision *revision)
{
    if (revision->generation > entry->seek_count)
        return false;
    if (revision->generation > 0)
        first = entry->seeks[revision->generation - 1].takes;
    return revision->number <= first;
}

static int by_number(const void *a, const void *b)
{
    const struct revision *x = *(const struct revision *const *)a;
    const struct revision *y = *(const struct revision *const *)b;

    return (x->number > y->number) - (x->number < y->number);
}

const struct revision **records_line(const struct job_entry *entry, uint32_t generation,
                                     uint32_t *count)
{
    uint32_t all = entry->revision_count + entry->past_count;
    const struct revision **line = malloc((all ? all : 1) * sizeof(struct revision *));
    int64_t first = note_line(entry, generation);

    *count = 0;
    if (!line)
        return NULL;
    for (uint32_t i = 0; i < all; i++) {
        const struct revision *revision =
            i < entry->past_count ? &entry->past[i] : &entry->revisions[i - entry->past_count];

        if (in_line(entry, first, revision))
            line[(*count)++] = revision;
    }
    qsort(line, *count, sizeof(struct revision *), by_number);
    return line;
}

/* Room for `more` elements; *cap grows as needed. NULL without memory. */
static void *grow(void *array, uint32_t count, uint32_t more, uint32_t *cap, size_t size)
{
    uint32_t wanted = *cap ? *cap : 8;
    void *grown;

    while (wanted < count + more)
        wanted *= 2;
    if (array && wanted == *cap)
        return array;
    grown = realloc(array, wanted * size);
    if (grown)
        *cap = wanted;
    return grown;
}

bool records_reserve(struct job_entry *entry)
{
    uint32_t all = entry->revision_count + entry->past_count + 1;
    struct revision *revisions =
        grow(entry->revisions, 0, all, &entry->revision_cap, sizeof(*revisions));
    struct revision *past;
    struct seek_record *seeks;

    if (!revisions)
        return false;
    entry->revisions = revisions;
    past = grow(entry->past, 0, all, &entry->past_cap, sizeof(*past));
    if (!past)
        return false;
    entry->past = past;
    seeks = grow(entry->seeks, entry->seek_count, 1, &entry->seek_cap, sizeof(*seeks));
    if (!seeks)
        return false;
    entry->seeks = seeks;
    return true;
}

static int revision_order(const void *a, const void *b)
{
    const struct revision *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

void records_settle(struct job_entry *entry)
{
    int64_t first = note_line(entry, records_generation(entry));
    uint32_t kept = 0;

    /* Everything is in `past` for a moment; there is room in both. */
    if (entry->revision_count > 0)
        memcpy(&entry->past[entry->past_count], entry->revisions,
               entry->revision_count * sizeof(entry->past[0]));
    entry->past_count += entry->revision_count;
    entry->revision_count = 0;
    for (uint32_t i = 0; i < entry->past_count; i++) {
        if (in_line(entry, first, &entry->past[i]))
            entry->revisions[entry->revision_count++] = entry->past[i];
        else
            entry->past[kept++] = entry->past[i];
    }
    entry->past_count = kept;
    qsort(entry->revisions, entry->revision_count, sizeof(entry->revisions[0]), revision_order);
}

void records_seek(struct job_entry *entry, const struct seek_record *seek,
                  const struct revision *revision)
{
    entry->seeks[entry->seek_count++] = *seek;
    if (revision)
        entry->past[entry->past_count++] = *revision;
    records_settle(entry);
}

/* ---- worlds ---- */

static bool same_place(const struct world_record *world, uint32_t generation,
                       struct job_position at)
{
    return world->generation == generation && world->at.epoch == at.epoch &&
           world->at.step == at.step;
}

bool records_add_world(struct job_entry *entry, const struct world_record *world)
{
    struct world_record *worlds =
        grow(entry->worlds, entry->world_count, 1, &entry->world_cap, sizeof(*worlds));

    if (!worlds)
        return false;
    entry->worlds = worlds;
    entry->worlds[entry->world_count++] = *world;
    return true;
}

bool records_note_world(struct job_entry *entry)
{
    struct world_record now = {.created = entry->rpc->host.wall(entry->rpc->host.arg)};
    struct world_record *last = entry->world_count ? &entry->worlds[entry->world_count - 1] : NULL;
    struct job_state state;

    job_state(entry->job, &state);
    if (state.config.mode != JOB_RANKED || state.config.world_size == 0)
        return true;
    now.generation = state.generation;
    now.world_size = state.config.world_size;
    now.at = state.world_at;
    memcpy(now.author, entry->world_author, sizeof(now.author));
    if (last && same_place(last, now.generation, now.at)) {
        if (last->world_size == now.world_size)
            return true;
        *last = now;
    } else if (!records_add_world(entry, &now)) {
        return false;
    }
    entry->world_stored = false;
    return true;
}

void records_world_stored(struct job_entry *entry, const struct world_record *world)
{
    const struct world_record *last = &entry->worlds[entry->world_count - 1];

    entry->world_stored |=
        same_place(last, world->generation, world->at) && last->world_size == world->world_size;
}

uint32_t records_world(const struct job_entry *entry, uint32_t generation, struct job_position at)
{
    for (uint32_t i = entry->world_count; i-- > 0;) {
        const struct world_record *world = &entry->worlds[i];

        if (world->generation == generation &&
            (world->at.epoch < at.epoch ||
             (world->at.epoch == at.epoch && world->at.step <= at.step)))
            return world->world_size;
    }
    return 0;
}

void records_fini(struct job_entry *entry)
{
    for (uint32_t i = 0; i < entry->revision_count; i++)
        revision_fini(&entry->revisions[i]);
    for (uint32_t i = 0; i < entry->past_count; i++)
        revision_fini(&entry->past[i]);
    for (uint32_t i = 0; i < entry->seek_count; i++)
        free(entry->seeks[i].author);
    free(entry->revisions);
    free(entry->past);
    free(entry->seeks);
    free(entry->worlds);
}
