/* What more than one method answers with (replies.h). Called by dataset.*, attachment.*,
 * job.create, job.info and job.list. */
#include "calls/replies.h"

#include <inttypes.h>
#include <stdio.h>
#include "calls/shown.h"
#include "codec/terms.h"

/* job.info shows the newest revisions: at most so many, and strategies of so many bytes in all. */
#define REVISIONS_SHOWN  64u
#define STRATEGIES_SHOWN (1u << 20)

void pack_key_hex(msgpack_packer *pk, const char *key, uint64_t value)
{
    char hex[17];

    snprintf(hex, sizeof(hex), "%016" PRIx64, value);
    pack_key_cstr(pk, key, hex);
}

void pack_key_raw(msgpack_packer *pk, const char *key, const void *bytes, size_t n)
{
    pack_key(pk, key);
    pk->callback(pk->data, bytes, n);
}

void pack_key_recorded(msgpack_packer *pk, const struct revision *revision,
                       const struct shown *shown)
{
    const void *strategy = NULL;

    if (revision && revision_shown_bytes(revision) > 0)
        strategy = revision->strategy ? revision->strategy : shown_strategy(shown, revision);
    if (strategy)
        pack_key_raw(pk, "strategy", strategy, revision->strategy_bytes);
    else
        pack_key_nil(pk, "strategy");
}

void pack_position(msgpack_packer *pk, struct job_position at)
{
    pack_key_u64(pk, "epoch", at.epoch);
    pack_key_u64(pk, "step", at.step);
}

void pack_key_position(msgpack_packer *pk, const char *key, struct job_position at)
{
    pack_key_map(pk, key);
    pack_position(pk, at);
    pack_map_end(pk);
}

void reply_dataset(msgpack_packer *pk, const struct dataset *dataset)
{
    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    pack_key_u64(pk, "samples", dataset->index.samples);
    pack_key_u64(pk, "labelled", dataset->index.labelled);
    pack_key_u64(pk, "classes", dataset->index.classes);
    pack_key_hex(pk, "checksum", dataset->checksum);
    pack_key_u64(pk, "created", dataset->created);
    pack_key_u64(pk, "memory", dataset_memory(dataset));
    pack_key_u64(pk, "jobs", dataset->users);
    pack_key_bool(pk, "owned", dataset->owned);
    pack_key_array(pk, "columns", dataset->column_count);
    for (uint32_t i = 0; i < dataset->column_count; i++)
        pack_cstr(pk, dataset->columns[i].name);
    if (dataset->damage)
        pack_key_cstr(pk, "damage", dataset->damage);
}

void reply_attachment(msgpack_packer *pk, const struct dataset *dataset,
                      const struct attachment *attachment)
{
    const struct attachment_form *form = &attachment->form;
    bool known = form->width > 0; /* else damage has taken it */

    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    pack_key_cstr(pk, "name", attachment->name);
    pack_key_cstr(pk, "kind", known ? attachment_kind_word(form->kind) : "");
    if (known && form->kind == ATTACHMENT_NEIGHBOURS) {
        pack_key_u64(pk, "k", form->width);
        pack_key_cstr(pk, "scope", attachment_scope_word(form));
        pack_key_cstr(pk, "metric", form->metric);
        pack_key_u64(pk, "lacking", attachment->lacking);
    }
    if (known && form->kind == ATTACHMENT_FOLDS)
        pack_key_u64(pk, "folds", form->width);
    if (known && form->kind == ATTACHMENT_SELECTION)
        pack_key_u64(pk, "kept", attachment->kept);
    pack_key_raw(pk, "terms", attachment->facts, attachment->facts_bytes);
    pack_key_hex(pk, "digest", attachment->digest);
    pack_key_u64(pk, "samples", attachment->samples);
    pack_key_u64(pk, "created", attachment->created);
    pack_key_u64(pk, "memory", attachment_memory(attachment));
    pack_key_u64(pk, "uses", attachment->uses);
    if (attachment->damage)
        pack_key_cstr(pk, "damage", attachment->damage);
}

static void pack_revision(msgpack_packer *pk, const struct revision *revision,
                          const struct shown *shown)
{
    pack_map_begin(pk);
    pack_key_u64(pk, "revision", revision->number);
    pack_position(pk, revision->at);
    pack_key_recorded(pk, revision, shown);
    pack_key_cstr(pk, "author", revision->author);
    pack_key_u64(pk, "created", revision->created);
    pack_key_hex(pk, "digest", revision->digest);
    pack_key_bool(pk, "forgotten", revision->forgotten);
    pack_map_end(pk);
}

/* The first of the line's revisions that is shown. */
static uint32_t first_shown(const struct job_entry *entry)
{
    uint32_t first = entry->records.revision_count;
    size_t bytes = 0;

    while (first > 0 && entry->records.revision_count - first < REVISIONS_SHOWN) {
        bytes += revision_shown_bytes(&entry->records.revisions[first - 1]);
        if (bytes > STRATEGIES_SHOWN)
            break;
        first--;
    }
    return first;
}

static void pack_revisions(msgpack_packer *pk, const struct job_entry *entry,
                           const struct shown *shown)
{
    uint32_t first = first_shown(entry);

    pack_key_array(pk, "revisions", entry->records.revision_count - first);
    for (uint32_t i = first; i < entry->records.revision_count; i++)
        pack_revision(pk, &entry->records.revisions[i], shown);
}

/* A job that is out of service has only what is recorded of it. */
static struct job_state state_of(const struct job_entry *entry)
{
    struct job_state state = {.config = entry->config};

    if (entry->job)
        job_state(entry->job, &state);
    else if (entry->records.revision_count > 0)
        state.revision = entry->records.revisions[entry->records.revision_count - 1].number;
    return state;
}

bool reply_job_shows(const struct job_entry *entry, const struct revision **out, uint32_t *count)
{
    const struct revision *in_force = records_in_force(&entry->records, state_of(entry).revision);

    *count = 0;
    for (uint32_t i = first_shown(entry); i < entry->records.revision_count; i++)
        out[(*count)++] = &entry->records.revisions[i];
    if (in_force)
        out[(*count)++] = in_force;
    return true;
}

void reply_job(msgpack_packer *pk, const struct job_entry *entry, const struct shown *shown)
{
    struct job_state state = state_of(entry);

    pack_key_cstr(pk, "job", entry->name);
    pack_key_cstr(pk, "dataset", entry->dataset ? entry->dataset->name : "");
    pack_key_u64(pk, "version", entry->dataset ? entry->dataset->version : 0);
    pack_key_u64(pk, "batch_size", entry->config.batch_size);
    pack_key_cstr(pk, "mode", mode_word(entry->config.mode));
    pack_key_u64(pk, "world_size", state.config.world_size);
    pack_key_u64(pk, "replicas", entry->config.replicas);
    pack_key_cstr(pk, "last_batch", last_batch_word(entry->last_batch));
    pack_key_cstr(pk, "guarantee", guarantee_word(entry->config.guarantee));
    pack_key_u64(pk, "time_to_run", entry->config.time_to_run);
    pack_key_u64(pk, "grace", entry->config.grace);
    pack_key_u64(pk, "ephemeral", entry->ephemeral);
    pack_key_u64(pk, "retain_epochs", entry->retain_epochs);
    pack_key_u64(pk, "seed", entry->seed);
    pack_key_u64(pk, "created", entry->created);
    pack_key_u64(pk, "generation", state.generation);
    pack_key_u64(pk, "revision", state.revision);
    pack_key_recorded(pk, records_in_force(&entry->records, state.revision), shown);
    pack_position(pk, state.next);
    pack_key_u64(pk, "steps", state.shape.steps);
    pack_key_position(pk, "acked", state.low);
    pack_key_u64(pk, "streams", state.streams);
    pack_key_u64(pk, "outstanding", state.outstanding);
    pack_key_u64(pk, "redelivered", state.redelivered);
    pack_key_u64(pk, "expired", state.expired);
    pack_key_bool(pk, "updating", entry->change != NULL);
    pack_key_bool(pk, "failing", state.failing);
    pack_key_u64(pk, "memory", entry_memory(entry));
    pack_key_u64(pk, "history", entry->records.recorded);
    pack_key_bool(pk, "history_full", entry_history_full(entry));
    pack_revisions(pk, entry, shown);
    if (entry->status == JOB_STATUS_FAILED)
        pack_key_cstr(pk, "failure", entry->failure.message);
}

static void pack_key_kind(msgpack_packer *pk, const struct job_entry *entry, uint32_t number)
{
    const struct revision *revision = records_in_force(&entry->records, number);

    pack_key(pk, "kind");
    if (revision && revision->kind[0])
        pack_cstr(pk, revision->kind);
    else
        msgpack_pack_nil(pk);
}

void reply_job_row(msgpack_packer *pk, const struct job_entry *entry)
{
    struct job_state state = state_of(entry);

    pack_map_begin(pk);
    pack_key_cstr(pk, "job", entry->name);
    pack_key_cstr(pk, "dataset", entry->dataset ? entry->dataset->name : "");
    pack_key_u64(pk, "version", entry->dataset ? entry->dataset->version : 0);
    pack_key_kind(pk, entry, state.revision);
    pack_key_cstr(pk, "mode", mode_word(entry->config.mode));
    pack_key_u64(pk, "batch_size", entry->config.batch_size);
    pack_key_u64(pk, "world_size", state.config.world_size);
    pack_position(pk, state.next);
    pack_key_u64(pk, "steps", state.shape.steps);
    pack_key_u64(pk, "streams", state.streams);
    pack_key_u64(pk, "ephemeral", entry->ephemeral);
    pack_key_bool(pk, "failed", entry->status == JOB_STATUS_FAILED);
    pack_map_end(pk);
}
