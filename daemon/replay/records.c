/* Keeps what is recorded of a job (records.h). Called by jobs/, which changes it, and by whoever
 * draws again. */
#include "replay/records.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "codec/strategy.h"
#include "job/position.h"
#include "replay/plan.h"

uint32_t records_generation(const struct records *records)
{
    return records->seek_count;
}

struct job_position records_begin(const struct records *records, uint32_t generation)
{
    return generation > 0 ? records->seeks[generation - 1].at : (struct job_position){0, 0};
}

struct job_position records_end(const struct records *records, uint32_t generation,
                                struct job_position reached)
{
    return generation < records->seek_count ? records->seeks[generation].left : reached;
}

/* A generation's history is its own revisions, and those of its parent up to where it was cut.
 * Notes in every seek the last number that is taken of its generation, or -1; returns that of the
 * first generation, which no seek opened. */
static int64_t note_line(const struct records *records, uint32_t generation)
{
    int64_t takes = UINT32_MAX;

    for (uint32_t i = 0; i < records->seek_count; i++)
        records->seeks[i].takes = -1;
    while (generation > 0) {
        struct seek_record *seek = &records->seeks[generation - 1];

        seek->takes = takes;
        if (seek->keep < takes)
            takes = seek->keep;
        generation = seek->parent; /* an earlier one */
    }
    return takes;
}

/* After note_line, which returned `first`. */
static bool in_line(const struct records *records, int64_t first, const struct revision *revision)
{
    if (revision->generation > records->seek_count)
        return false;
    if (revision->generation > 0)
        first = records->seeks[revision->generation - 1].takes;
    return revision->number <= first;
}

static int by_number(const void *a, const void *b)
{
    const struct revision *x = *(const struct revision *const *)a;
    const struct revision *y = *(const struct revision *const *)b;

    return (x->number > y->number) - (x->number < y->number);
}

const struct revision *records_revision(const struct records *records, uint32_t i)
{
    return i < records->past_count ? &records->past[i]
                                   : &records->revisions[i - records->past_count];
}

const struct revision **records_line(const struct records *records, uint32_t generation,
                                     uint32_t *count)
{
    uint32_t all = records->revision_count + records->past_count;
    const struct revision **line = malloc((all ? all : 1) * sizeof(struct revision *));
    int64_t first = note_line(records, generation);

    *count = 0;
    if (!line)
        return NULL;
    for (uint32_t i = 0; i < all; i++) {
        const struct revision *revision = records_revision(records, i);

        if (in_line(records, first, revision))
            line[(*count)++] = revision;
    }
    qsort(line, *count, sizeof(struct revision *), by_number);
    return line;
}

struct job_position records_since(const struct records *records, uint32_t generation)
{
    uint32_t all = records->revision_count + records->past_count;
    int64_t first = note_line(records, generation), last = -1;
    const struct revision *next = NULL;

    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < all; i++) {
            const struct revision *revision = records_revision(records, i);

            if (!in_line(records, first, revision))
                continue;
            if (pass == 0 && revision->forgotten && revision->number > last)
                last = revision->number;
            if (pass == 1 && revision->number > last && (!next || revision->number < next->number))
                next = revision;
        }
    }
    if (last < 0)
        return (struct job_position){0, 0};
    return next ? next->at : (struct job_position){UINT64_MAX, 0};
}

const struct revision *records_in_force(const struct records *records, uint32_t number)
{
    uint32_t low = 0, high = records->revision_count; /* their numbers rise */

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (records->revisions[middle].number > number)
            high = middle;
        else
            low = middle + 1;
    }
    return low > 0 ? &records->revisions[low - 1] : NULL;
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

bool records_reserve(struct records *records)
{
    uint32_t all = records->revision_count + records->past_count + 1;
    struct revision *revisions =
        grow(records->revisions, 0, all, &records->revision_cap, sizeof(*revisions));
    struct revision *past;
    struct seek_record *seeks;

    if (!revisions)
        return false;
    records->revisions = revisions;
    /* One more may send all others there. */
    past = grow(records->past, 0, all, &records->past_cap, sizeof(*past));
    if (!past)
        return false;
    records->past = past;
    seeks = grow(records->seeks, records->seek_count, 1, &records->seek_cap, sizeof(*seeks));
    if (!seeks)
        return false;
    records->seeks = seeks;
    return true;
}

void revision_fini(struct revision *revision)
{
    free(revision->author);
    free(revision->strategy);
    plan_release(&revision->held);
}

void revision_describe(struct revision *revision, const void *bytes, size_t n)
{
    struct evd_str kind = n > 0 ? strategy_kind_text(bytes, n) : (struct evd_str){"", 0};

    revision->strategy_bytes = n;
    revision->strategy_hash = n > 0 ? XXH3_64bits(bytes, n) : 0;
    if (kind.len < sizeof(revision->kind))
        str_copy(revision->kind, kind);
}

bool revision_is_away(const struct revision *revision)
{
    return !revision->strategy && revision->strategy_bytes > 0 && !revision->forgotten;
}

size_t revision_shown_bytes(const struct revision *revision)
{
    return revision->forgotten ? 0 : revision->strategy_bytes;
}

bool revision_is_by(const struct revision *revision, const void *bytes, size_t n)
{
    return revision->strategy_bytes == n && n > 0 &&
           revision->strategy_hash == XXH3_64bits(bytes, n);
}

/* ---- what is in memory ---- */

static uint64_t revision_memory(const struct revision *revision)
{
    return (revision->author ? strlen(revision->author) + 1 : 0) +
           (revision->strategy ? revision->strategy_bytes : 0) + plan_held_memory(revision->held);
}

static uint64_t sum_recorded(const struct revision *revisions, uint32_t count)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < count; i++)
        bytes += revisions[i].forgotten ? 0 : revisions[i].stored_bytes;
    return bytes;
}

void records_measure(struct records *records)
{
    uint64_t bytes =
        (uint64_t)(records->revision_cap + records->past_cap) * sizeof(struct revision) +
        records->seek_cap * sizeof(struct seek_record) +
        records->world_cap * sizeof(struct world_record);

    for (uint32_t i = 0; i < records->revision_count; i++)
        bytes += revision_memory(&records->revisions[i]);
    for (uint32_t i = 0; i < records->past_count; i++)
        bytes += revision_memory(&records->past[i]);
    for (uint32_t i = 0; i < records->seek_count; i++)
        bytes += strlen(records->seeks[i].author) + 1;
    records->bytes = bytes;
    records->recorded = sum_recorded(records->revisions, records->revision_count) +
                        sum_recorded(records->past, records->past_count);
}

static void leave(struct revision *revision)
{
    if (revision->strategy_bytes <= STRATEGY_STAYS)
        return;
    free(revision->strategy);
    revision->strategy = NULL;
}

void records_page(struct records *records, uint32_t number)
{
    for (uint32_t i = 0; i < records->past_count; i++)
        leave(&records->past[i]);
    for (uint32_t i = 0; i + 1 < records->revision_count; i++) {
        if (records->revisions[i + 1].number <= number)
            leave(&records->revisions[i]);
    }
    records_measure(records);
}

void records_bring(struct records *records, uint32_t number, void **strategy)
{
    const struct revision *found = records_in_force(records, number);
    struct revision *revision;

    if (!found || found->number != number || !revision_is_away(found))
        return;
    revision = &records->revisions[found - records->revisions];
    revision->strategy = *strategy;
    *strategy = NULL;
    records_measure(records);
}

/* ---- changes ---- */

void records_add(struct records *records, const struct revision *revision, uint32_t keep)
{
    uint32_t generation = records_generation(records);

    while (records->revision_count > 0 &&
           records->revisions[records->revision_count - 1].number > keep) {
        struct revision *last = &records->revisions[--records->revision_count];

        /* It had not begun; but in an earlier generation it may have. */
        if (last->generation == generation)
            revision_fini(last);
        else
            records->past[records->past_count++] = *last;
    }
    if (generation > 0 && records->seeks[generation - 1].keep > keep)
        records->seeks[generation - 1].keep = keep;
    assert(records->revision_count < records->revision_cap);
    records->revisions[records->revision_count++] = *revision;
    records_measure(records);
}

static int revision_order(const void *a, const void *b)
{
    const struct revision *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

void records_loaded(struct records *records)
{
    int64_t first = note_line(records, records_generation(records));
    uint32_t kept = 0;

    /* Everything is in `past` for a moment; there is room in both. */
    if (records->revision_count > 0)
        memcpy(&records->past[records->past_count], records->revisions,
               records->revision_count * sizeof(records->past[0]));
    records->past_count += records->revision_count;
    records->revision_count = 0;
    for (uint32_t i = 0; i < records->past_count; i++) {
        if (in_line(records, first, &records->past[i]))
            records->revisions[records->revision_count++] = records->past[i];
        else
            records->past[kept++] = records->past[i];
    }
    records->past_count = kept;
    qsort(records->revisions, records->revision_count, sizeof(records->revisions[0]),
          revision_order);
    records_measure(records);
}

void records_seek(struct records *records, const struct seek_record *seek,
                  const struct revision *revision)
{
    assert(records->seek_count < records->seek_cap && records->past_count < records->past_cap);
    records->seeks[records->seek_count++] = *seek;
    if (revision)
        records->past[records->past_count++] = *revision;
    records_loaded(records);
}

/* ---- worlds ---- */

static bool same_place(const struct world_record *world, uint32_t generation,
                       struct job_position at)
{
    return world->generation == generation && position_equal(world->at, at);
}

bool records_add_world(struct records *records, const struct world_record *world)
{
    struct world_record *worlds =
        grow(records->worlds, records->world_count, 1, &records->world_cap, sizeof(*worlds));

    if (!worlds)
        return false;
    records->worlds = worlds;
    records->worlds[records->world_count++] = *world;
    return true;
}

bool records_note_world(struct records *records, const struct job *job, const char *author,
                        uint64_t created)
{
    struct world_record *last =
        records->world_count ? &records->worlds[records->world_count - 1] : NULL;
    struct world_record now = {.created = created};
    struct job_state state;

    job_state(job, &state);
    if (state.config.mode != JOB_RANKED || state.config.world_size == 0)
        return true;
    now.generation = state.generation;
    now.world_size = state.config.world_size;
    now.at = state.world_at;
    memcpy(now.author, author, strlen(author) + 1);
    if (last && same_place(last, now.generation, now.at)) {
        if (last->world_size == now.world_size)
            return true;
        *last = now;
    } else if (!records_add_world(records, &now)) {
        return false;
    }
    records->world_stored = false;
    return true;
}

const struct world_record *records_unstored_world(const struct records *records)
{
    if (records->world_count == 0 || records->world_stored)
        return NULL;
    return &records->worlds[records->world_count - 1];
}

void records_world_stored(struct records *records, const struct world_record *world)
{
    const struct world_record *last = &records->worlds[records->world_count - 1];

    records->world_stored |=
        same_place(last, world->generation, world->at) && last->world_size == world->world_size;
}

uint32_t records_world(const struct records *records, uint32_t generation, struct job_position at)
{
    for (uint32_t i = records->world_count; i-- > 0;) {
        const struct world_record *world = &records->worlds[i];

        if (world->generation == generation && !position_before(at, world->at))
            return world->world_size;
    }
    return 0;
}

void records_fini(struct records *records)
{
    for (uint32_t i = 0; i < records->revision_count; i++)
        revision_fini(&records->revisions[i]);
    for (uint32_t i = 0; i < records->past_count; i++)
        revision_fini(&records->past[i]);
    for (uint32_t i = 0; i < records->seek_count; i++)
        free(records->seeks[i].author);
    free(records->revisions);
    free(records->past);
    free(records->seeks);
    free(records->worlds);
}
