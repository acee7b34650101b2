/* job.create by a name that is taken (job_join.h). Called by job.c. */
#include "calls/job_join.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "calls/job_drop.h"
#include "calls/replies.h"
#include "calls/shown.h"
#include "codec/strategy.h"
#include "jobs/build.h"
#include "jobs/uses.h"

int if_exists_decode(const struct params_job_create *p, enum if_exists *if_exists,
                     struct evd_error *err)
{
    static const char *const words[] = {[IF_EXISTS_REFUSE] = "refuse",
                                        [IF_EXISTS_SAME] = "same",
                                        [IF_EXISTS_ATTACH] = "attach",
                                        [IF_EXISTS_RESTART] = "restart"};

    *if_exists = IF_EXISTS_REFUSE;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!p->has_if_exists || str_is(p->if_exists, words[i])) {
            *if_exists = (enum if_exists)i;
            return EVD_OK;
        }
    }
    return error_set(err, EVD_E_BAD_VALUE, "if_exists",
                     "job.create: \"if_exists\" must be \"refuse\", \"same\", \"attach\" or "
                     "\"restart\"");
}

int job_joinable(const struct job_entry *entry, enum if_exists if_exists, struct evd_error *err)
{
    if (if_exists == IF_EXISTS_REFUSE)
        return error_set(err, EVD_E_EXISTS, entry->name,
                         "there is a job \"%s\" already: take another name, or ask to attach to "
                         "it as it is, or to restart it",
                         entry->name);
    if (entry->status == JOB_STATUS_CREATING || entry->status == JOB_STATUS_DROPPING)
        return error_set(err, EVD_E_BUSY, entry->name, "job \"%s\" is being %s: ask again",
                         entry->name, entry->status == JOB_STATUS_CREATING ? "created" : "dropped");
    if (if_exists == IF_EXISTS_RESTART)
        return job_droppable(entry, err);
    if (entry->status == JOB_STATUS_FAILED)
        return error_set(err, entry->failure.code, entry->name, "job \"%s\" is out of service: %s",
                         entry->name, entry->failure.message);
    return EVD_OK;
}

/* ---- is it the same? ---- */

/* Fits a message with the longest name and a sentence around it. */
struct differences {
    char text[150];
    const char *first; /* the field that was met first; NULL: there is none */
    bool more;         /* than the text has room for, which says so */
};

static void __attribute__((format(printf, 3, 4)))
differ(struct differences *found, const char *field, const char *format, ...)
{
    static const char more[] = ", ...";
    size_t len = strlen(found->text), room = sizeof(found->text) - sizeof(more) - len;
    char item[128];
    va_list ap;

    if (found->more)
        return;
    va_start(ap, format);
    vsnprintf(item, sizeof(item), format, ap);
    va_end(ap);
    found->more = strlen(item) + 2 > room;
    if (found->more)
        snprintf(found->text + len, sizeof(found->text) - len, "%s", more);
    else
        snprintf(found->text + len, room, "%s%s", found->first ? ", " : "", item);
    if (!found->first)
        found->first = field;
}

static void compare_number(struct differences *found, const char *field, uint64_t there,
                           uint64_t asked)
{
    if (there != asked)
        differ(found, field, "%s is %" PRIu64 " and not %" PRIu64, field, there, asked);
}

static void compare_word(struct differences *found, const char *field, const char *there,
                         const char *asked)
{
    if (strcmp(there, asked) != 0)
        differ(found, field, "%s is %s and not %s", field, there, asked);
}

/*
 * By checksum alone: two datasets that differ by mistake have the same one once in 2^64. Somebody
 * could make one on purpose, as XXH3 is no defence against that, but would gain nothing by it: who
 * may load a dataset and create a job may as well move, change or drop every job. That is unlike
 * dataset_upload.c, where one dataset's content stands in for another's: there it is compared.
 */
static void compare_dataset(struct differences *found, const struct dataset *there,
                            const struct dataset *asked)
{
    if (there == asked || there->checksum == asked->checksum)
        return;
    if (there->index.samples != asked->index.samples)
        differ(found, "dataset", "its dataset has %" PRIu64 " samples and not %" PRIu64,
               there->index.samples, asked->index.samples);
    else if (there->index.labelled != asked->index.labelled)
        differ(found, "dataset",
               "its dataset has %" PRIu64 " samples with a label and not %" PRIu64,
               there->index.labelled, asked->index.labelled);
    else
        differ(found, "dataset", "its dataset has other labels, class names or weights");
}

static bool is_among(const struct evd_buf *asked, const struct revision *revisions, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (revision_is_by(&revisions[i], asked->data, asked->len))
            return true;
    }
    return false;
}

/* A job whose strategy was changed since, or that was moved, is still the one that began with it.
 */
static bool had_strategy(const struct job_entry *entry, const struct evd_buf *asked)
{
    const struct records *records = &entry->records;

    return is_among(asked, records->revisions, records->revision_count) ||
           is_among(asked, records->past, records->past_count);
}

static int compare_strategy(struct differences *found, const struct job_entry *entry,
                            const struct dataset *dataset, const msgpack_object *asked,
                            struct evd_error *err)
{
    struct attachment *attached[STRATEGY_MAX_ATTACHED];
    struct strategy strategy;
    struct evd_buf encoded;
    int code = strategy_decode(asked, dataset, &strategy, err);

    if (code != EVD_OK)
        return code;
    code = build_attached(entry->jobs, entry->dataset, &strategy, attached, err);
    if (code != EVD_OK) {
        strategy_fini(&strategy);
        return code;
    }
    buf_init(&encoded, EVD_MAX_REPLY_FRAME);
    strategy_encode(&strategy, dataset, &encoded);
    if (encoded.failed)
        code = error_no_memory(err);
    else if (!had_strategy(entry, &encoded))
        differ(found, "strategy", "it has never drawn by that strategy");
    strategy_fini(&strategy);
    buf_fini(&encoded);
    return code;
}

struct job_terms terms_given(const struct params_job_create *p)
{
    return (struct job_terms){
        .mode = p->mode,
        .last_batch = p->last_batch,
        .guarantee = p->guarantee,
        .batch_size = p->batch_size,
        .world_size = p->world_size,
        .replicas = p->replicas,
        .has_time_to_run = p->has_time_to_run,
        .time_to_run = p->time_to_run,
        .has_grace = p->has_grace,
        .grace = p->grace,
        .ephemeral = p->ephemeral,
        .seed = p->seed,
    };
}

/* What was given, but for the number of ranks, which may change. */
static int compare_terms(struct differences *found, const struct job_entry *entry,
                         const struct params_job_create *p, struct evd_error *err)
{
    struct job_terms terms = terms_given(p);
    struct job_config asked = {0};
    enum last_batch last;
    const struct job_config *there = &entry->config;

    if (terms_decode(&terms, &asked, &last, err) != EVD_OK)
        return err->code;
    compare_number(found, "batch_size", there->batch_size, asked.batch_size);
    if (p->has_seed)
        compare_number(found, "seed", entry->seed, p->seed);
    if (p->has_mode)
        compare_word(found, "mode", mode_word(there->mode), mode_word(asked.mode));
    if (p->has_last_batch)
        compare_word(found, "last_batch", last_batch_word(entry->last_batch),
                     last_batch_word(last));
    if (p->has_guarantee)
        compare_word(found, "guarantee", guarantee_word(there->guarantee),
                     guarantee_word(asked.guarantee));
    if (p->has_replicas)
        compare_number(found, "replicas", there->replicas, asked.replicas);
    if (p->has_time_to_run)
        compare_number(found, "time_to_run", there->time_to_run, asked.time_to_run);
    if (p->has_grace)
        compare_number(found, "grace", there->grace, asked.grace);
    if (p->has_retain_epochs)
        compare_number(found, "retain_epochs", entry->retain_epochs, p->retain_epochs);
    if (p->has_ephemeral)
        compare_number(found, "ephemeral", entry->ephemeral, p->ephemeral);
    return EVD_OK;
}

int job_compare(const struct job_entry *entry, const struct dataset *dataset,
                const struct params_job_create *p, struct evd_error *err)
{
    struct differences found = {"", NULL, false};

    compare_dataset(&found, entry->dataset, dataset);
    if (compare_terms(&found, entry, p, err) != EVD_OK ||
        (p->has_strategy && compare_strategy(&found, entry, dataset, p->strategy, err) != EVD_OK))
        return err->code;
    if (!found.first)
        return EVD_OK;
    return error_set(err, EVD_E_EXISTS, found.first,
                     "there is another job \"%s\" already: %s. Take another name, or ask to attach "
                     "to it as it is, or to restart it",
                     entry->name, found.text);
}

/* ---- joining ---- */

void reply_created(msgpack_packer *pk, const struct job_entry *entry)
{
    reply_job(pk, entry, NULL);
    pack_key_bool(pk, "joined", false);
}

static void answer_joined(msgpack_packer *pk, const struct job_entry *entry,
                          const struct revision *const *revisions, uint32_t count,
                          const struct shown *shown)
{
    (void)revisions;
    (void)count;
    reply_job(pk, entry, shown);
    pack_key_bool(pk, "joined", true);
}

int job_join(struct call *call, struct job_entry *entry)
{
    static const struct show how = {reply_job_shows, answer_joined};

    if (use_job(call->session, entry, &call->err) != EVD_OK)
        return call->err.code;
    use_dataset_end(call->session, entry->dataset);
    return show(call, entry, &how);
}
