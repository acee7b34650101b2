/* One job's entry: its life, and what can be asked of it (entry.h). */
#include "jobs/entry.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "codec/recorded.h"
#include "codec/strategy.h"
#include "jobs/datasets.h"

struct job_entry *entry_new(struct jobs *jobs, struct evd_str name, struct dataset *dataset)
{
    struct job_entry *entry = calloc(1, sizeof(*entry));

    if (!entry)
        return NULL;
    entry->jobs = jobs;
    entry->refs = 1;
    entry->flush_at = UINT64_MAX;
    entry->expires_at = UINT64_MAX;
    TAILQ_INIT(&entry->acks);
    TAILQ_INIT(&entry->uses);
    str_copy(entry->name, name);
    entry->name_len = name.len;
    entry->dataset = dataset;
    entry->config.reach = (uint32_t)jobs->server->host.limits.outstanding;
    if (dataset)
        dataset->users++;
    return entry;
}

void entry_enter(struct job_entry *entry, enum job_status to)
{
    static const uint8_t from[] = {
        [JOB_STATUS_CREATING] = 0,
        [JOB_STATUS_LIVE] = 1u << JOB_STATUS_CREATING | 1u << JOB_STATUS_DROPPING,
        [JOB_STATUS_FAILED] = 1u << JOB_STATUS_CREATING | 1u << JOB_STATUS_DROPPING,
        [JOB_STATUS_DROPPING] = 1u << JOB_STATUS_LIVE | 1u << JOB_STATUS_FAILED,
        /* From any of them, when the daemon ends. */
        [JOB_STATUS_DROPPED] = 1u << JOB_STATUS_CREATING | 1u << JOB_STATUS_LIVE |
                               1u << JOB_STATUS_FAILED | 1u << JOB_STATUS_DROPPING,
    };

    assert(from[to] & 1u << entry->status);
    entry->status = to;
}

void entry_expire_in(struct job_entry *entry, uint64_t ms)
{
    struct server *server = entry->jobs->server;

    entry->expires_at = server_now(server) + ms;
    server_wake_at(server, entry->expires_at);
}

void entry_ref(struct job_entry *entry)
{
    entry->refs++;
}

void entry_unref(struct job_entry *entry)
{
    assert(entry->refs > 0);
    if (--entry->refs > 0)
        return;
    assert(entry->stream_count == 0 && TAILQ_EMPTY(&entry->acks));
    assert(TAILQ_EMPTY(&entry->uses));
    entry->jobs->ops->entry_free(entry);
    records_fini(&entry->records);
    free(entry->streams);
    if (entry->dataset)
        dataset_release(entry->jobs, entry->dataset);
    free(entry);
}

/* Any thread. What the database has now may be other than what was checked when it was loaded. */
static int read_recorded(const void *arg, uint32_t generation, uint32_t number, void **strategy,
                         size_t *bytes, struct evd_error *err)
{
    const struct job_entry *entry = arg;
    const struct store_place place = {entry->id, generation, number};
    struct store *store = entry->jobs->server->store;

    if (!store)
        return error_given_up(err);
    if (store_read_strategy(store, &place, strategy, bytes, err) != EVD_OK)
        return err->code;
    if (recorded_check(*strategy, *bytes, err) == EVD_OK)
        return EVD_OK;
    free(*strategy);
    *strategy = NULL;
    return err->code;
}

struct strategy_source entry_strategies(const struct job_entry *entry)
{
    return (struct strategy_source){read_recorded, entry};
}

void entry_page(struct job_entry *entry)
{
    struct job_state state;

    job_state(entry->job, &state);
    records_page(&entry->records, state.revision);
}

int entry_bring(struct job_entry *entry, struct evd_error *err)
{
    struct strategy_source source = entry_strategies(entry);
    struct job_state state;

    job_state(entry->job, &state);
    for (uint32_t i = entry->records.revision_count; i-- > 0;) {
        const struct revision *record = &entry->records.revisions[i];
        void *strategy = NULL;
        size_t bytes;

        if (revision_is_away(record)) {
            if (source.read(source.arg, record->generation, record->number, &strategy, &bytes,
                            err) != EVD_OK)
                return err->code;
            records_bring(&entry->records, record->number, &strategy);
        }
        if (record->number <= state.revision)
            break;
    }
    return EVD_OK;
}

static bool history_fits(const struct job_entry *entry, uint64_t more)
{
    uint64_t most = entry->jobs->server->host.limits.history, used = entry->records.recorded;

    return used <= most && more <= most - used;
}

int entry_check_history(const struct job_entry *entry, uint64_t more, struct evd_error *err)
{
    uint64_t most = entry->jobs->server->host.limits.history;

    if (history_fits(entry, more))
        return EVD_OK;
    return error_set(err, EVD_E_LIMIT, "history",
                     "job \"%s\": the strategies recorded of it take %.1f of the %.1f MB they may, "
                     "and this one %.2f: it goes on as it is. Go on with a new job, or start "
                     "evendrawd with a larger --limit history=BYTES",
                     entry->name, (double)entry->records.recorded / 1e6, (double)most / 1e6,
                     (double)more / 1e6);
}

bool entry_history_full(const struct job_entry *entry)
{
    const struct records *records = &entry->records;

    return records->revision_count > 0 &&
           !history_fits(entry, records->revisions[records->revision_count - 1].strategy_bytes);
}

bool entry_hold_recorded(const struct job_entry *entry, const void *bytes, size_t n,
                         struct plan_held **held)
{
    struct strategy strategy;
    struct evd_error why;
    bool done = true;

    if (!entry->dataset || entry->dataset->damage || !strategy_names_attached(bytes, n))
        return true;
    if (strategy_decode_bytes(bytes, n, entry->dataset, &strategy, &why) != EVD_OK)
        return why.code != EVD_E_NO_MEMORY; /* whoever draws by it will say what is wrong */
    for (int i = strategy_next_attached(&strategy, -1); i >= 0;
         i = strategy_next_attached(&strategy, i)) {
        const struct strategy_value *value = &strategy.values[i];
        struct evd_str name = {value->text, (uint32_t)strlen(value->text)};
        struct attachment *attachment = dataset_attachment(entry->dataset, name);

        if (value->tag == VALUE_ATTACHED && attachment && plan_means(value, attachment))
            done &= plan_hold(held, attachment);
    }
    strategy_fini(&strategy);
    return done;
}

struct plan_base entry_plan_base(const struct job_entry *entry)
{
    return (struct plan_base){
        .dataset = entry->dataset,
        .seed = entry->seed,
        .batch_size = entry->config.batch_size,
        .last_batch = entry->last_batch,
        .budget = &entry->jobs->budget,
        .recorded = entry_strategies(entry),
    };
}

struct position_owner entry_position_owner(const struct job_entry *entry)
{
    return (struct position_owner){entry->name, entry->id, entry->dataset->checksum,
                                   &entry->records};
}

bool entry_note_world(struct job_entry *entry)
{
    return records_note_world(&entry->records, entry->job, entry->world_author,
                              server_wall(entry->jobs->server));
}

int entry_check_columns(const struct job_entry *entry, uint32_t columns, const struct plan *plan,
                        struct evd_error *err)
{
    uint32_t known = plan_columns_known(plan), missing = columns & ~known;
    char list[COLUMNS_LIST];

    if (!missing)
        return EVD_OK;
    columns_list(list, known);
    return error_set(err, EVD_E_STRATEGY, "columns",
                     "job \"%s\": this strategy cannot answer the column \"%s\" that a worker "
                     "reads; it has %s",
                     entry->name, column_name((enum column)__builtin_ctz(missing)), list);
}

uint32_t entry_columns_read(const struct job_entry *entry)
{
    uint32_t columns = 0;

    for (int i = 0; i < COLUMN_COUNT; i++)
        columns |= entry->readers[i] > 0 ? 1u << i : 0;
    return columns;
}

uint64_t entry_memory(const struct job_entry *entry)
{
    uint64_t bytes = entry->records.bytes;

    if (!entry->job)
        return bytes;
    for (uint32_t i = job_revisions(entry->job); i-- > 0;) {
        const struct plan *plan = job_revision(entry->job, i).plan;

        if (!plan)
            break;
        bytes += plan_memory(plan);
    }
    return bytes;
}
