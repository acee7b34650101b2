/* job.history: everything that the content of batches depends on. */
#include <stdlib.h>
#include <string.h>
#include "calls/handlers.h"
#include "calls/replies.h"
#include "calls/shown.h"
#include "jobs/entry.h"
#include "jobs/jobs.h"

#define SHOWN            1024u /* of each kind, the newest */
#define STRATEGIES_SHOWN (1u << 20)

static int by_age(const void *a, const void *b)
{
    const struct revision *x = *(const struct revision *const *)a;
    const struct revision *y = *(const struct revision *const *)b;

    if (x->generation != y->generation)
        return x->generation > y->generation ? 1 : -1;
    return (x->number > y->number) - (x->number < y->number);
}

/* The newest of all that were ever recorded and had begun, the oldest of them first. */
static bool select_revisions(const struct job_entry *entry, const struct revision **out,
                             uint32_t *count)
{
    const struct records *records = &entry->records;
    uint32_t all = records->past_count + records->revision_count, first = all;
    const struct revision **revisions = malloc((all ? all : 1) * sizeof(struct revision *));
    size_t bytes = 0;

    if (!revisions)
        return false;
    for (uint32_t i = 0; i < all; i++)
        revisions[i] = records_revision(records, i);
    qsort(revisions, all, sizeof(struct revision *), by_age);
    while (first > 0 && all - first < SHOWN) {
        bytes += revision_shown_bytes(revisions[first - 1]);
        if (bytes > STRATEGIES_SHOWN)
            break;
        first--;
    }
    *count = all - first;
    memcpy(out, revisions + first, *count * sizeof(struct revision *));
    free(revisions);
    return true;
}

static bool is_current(const struct job_entry *entry, const struct revision *revision)
{
    return revision >= entry->records.revisions &&
           revision < entry->records.revisions + entry->records.revision_count;
}

static void pack_revisions(msgpack_packer *pk, const struct job_entry *entry,
                           const struct revision *const *all, uint32_t count,
                           const struct shown *shown)
{
    pack_key_array(pk, "revisions", count);
    for (uint32_t i = 0; i < count; i++) {
        pack_map_begin(pk);
        pack_key_u64(pk, "generation", all[i]->generation);
        pack_key_u64(pk, "revision", all[i]->number);
        pack_position(pk, all[i]->at);
        pack_key_recorded(pk, all[i], shown);
        pack_key_cstr(pk, "author", all[i]->author);
        pack_key_u64(pk, "created", all[i]->created);
        pack_key_hex(pk, "digest", all[i]->digest);
        pack_key_bool(pk, "current", is_current(entry, all[i]));
        pack_key_bool(pk, "forgotten", all[i]->forgotten);
        pack_map_end(pk);
    }
}

static void pack_seeks(msgpack_packer *pk, const struct job_entry *entry)
{
    uint32_t first = entry->records.seek_count > SHOWN ? entry->records.seek_count - SHOWN : 0;

    pack_key_array(pk, "seeks", entry->records.seek_count - first);
    for (uint32_t i = first; i < entry->records.seek_count; i++) {
        const struct seek_record *seek = &entry->records.seeks[i];

        pack_map_begin(pk);
        pack_key_u64(pk, "generation", i + 1);
        pack_key_u64(pk, "parent", seek->parent);
        pack_key_cstr(pk, "mode", seek->follow ? "follow" : "replay");
        pack_position(pk, seek->at);
        pack_key_position(pk, "left", seek->left);
        pack_key_cstr(pk, "author", seek->author);
        pack_key_u64(pk, "created", seek->created);
        pack_map_end(pk);
    }
}

static void pack_worlds(msgpack_packer *pk, const struct job_entry *entry)
{
    uint32_t first = entry->records.world_count > SHOWN ? entry->records.world_count - SHOWN : 0;

    pack_key_array(pk, "worlds", entry->records.world_count - first);
    for (uint32_t i = first; i < entry->records.world_count; i++) {
        const struct world_record *world = &entry->records.worlds[i];

        pack_map_begin(pk);
        pack_key_u64(pk, "generation", world->generation);
        pack_position(pk, world->at);
        pack_key_u64(pk, "world_size", world->world_size);
        pack_key_cstr(pk, "author", world->author);
        pack_key_u64(pk, "created", world->created);
        pack_map_end(pk);
    }
}

static void answer_history(msgpack_packer *pk, const struct job_entry *entry,
                           const struct revision *const *revisions, uint32_t count,
                           const struct shown *shown)
{
    pack_key_cstr(pk, "job", entry->name);
    pack_key_u64(pk, "generation", records_generation(&entry->records));
    pack_revisions(pk, entry, revisions, count, shown);
    pack_seeks(pk, entry);
    pack_worlds(pk, entry);
}

int do_job_history(struct call *call, const struct params_job_history *p)
{
    static const struct show history = {select_revisions, answer_history};
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, &call->err);

    if (!entry)
        return call->err.code;
    if (!entry_note_world(entry))
        return error_no_memory(&call->err);
    return show(call, entry, &history);
}
