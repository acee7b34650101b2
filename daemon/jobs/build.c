/* A strategy on its way to a plan (build.h). Called by job.create, job.update and job.preview. */
#include "jobs/build.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "codec/strategy.h"
#include "jobs/attachments.h"
#include "jobs/jobs.h"
#include "jobs/memory.h"

uint64_t build_cost(const struct build *build)
{
    return plan_cost(&build->input);
}

void build_run(struct task *task)
{
    struct build *build = (struct build *)task;
    struct sampler_error refused;
    int code = plan_build(&build->plan, &build->input, &refused);

    if (code != PLAN_OK)
        plan_error(code, &refused, &task->err);
}

/* The author, and the strategy as it will be recorded. */
static int record_prepare(struct build *build, const char *author, struct evd_error *err)
{
    struct revision *record = &build->record;
    struct evd_buf encoded;

    buf_init(&encoded, EVD_MAX_REPLY_FRAME);
    strategy_encode(&build->strategy, build->task.entry->dataset, &encoded);
    record->author = strdup(author);
    if (encoded.failed || !record->author) {
        buf_fini(&encoded);
        return error_no_memory(err);
    }
    record->strategy = encoded.data;
    revision_describe(record, encoded.data, encoded.len);
    return memory_room(build->task.entry->jobs, encoded.len + sizeof(*record), "this strategy",
                       err);
}

/* Does the strategy give every sample that it draws from once in each epoch? */
static bool gives_each_once(const struct strategy *strategy)
{
    for (int i = 0; i < STRATEGY_VALUES; i++) {
        if (strategy->values[i].tag != VALUE_UNSET && (i < FROM_SELECTION || i > FROM_ONLY))
            return false;
    }
    return strcmp(strategy->kind->name, "uniform") == 0;
}

/* Every sample once in each epoch: only one strategy does that, and only from its beginning. */
static int exact_check(const struct job_entry *entry, const struct strategy *strategy,
                       uint32_t revision, struct evd_error *err)
{
    if (entry->last_batch != LAST_EXACT)
        return EVD_OK;
    if (!gives_each_once(strategy))
        return error_set(
            err, EVD_E_STRATEGY, "last_batch",
            "\"last_batch\": \"exact\" goes only with the strategy \"uniform\" without "
            "parameters but \"from\", which gives every sample once");
    if (revision > 0)
        return error_set(err, EVD_E_STRATEGY, "last_batch",
                         "an exact job gives every sample once in each epoch: its strategy cannot "
                         "be changed");
    return EVD_OK;
}

/* What an attachment that a parameter names has to be. */
static enum attachment_kind kind_of(const struct strategy_param *param)
{
    if (param->accepts & STRATEGY_NEIGHBOURS)
        return ATTACHMENT_NEIGHBOURS;
    return param->accepts & STRATEGY_SELECTION ? ATTACHMENT_SELECTION : ATTACHMENT_FOLDS;
}

/* The attachment that a parameter names, of the version that the job draws from. */
static int find_attached(struct jobs *jobs, const struct dataset *dataset,
                         struct strategy *strategy, int param, struct attachment **out,
                         struct evd_error *err)
{
    struct strategy_value *value = &strategy->values[param];
    const struct strategy_param *of = strategy_param(strategy->kind, param);
    const char *text = strategy_text(strategy, param);
    struct evd_str name = {text, (uint32_t)strlen(text)};
    struct attachment *found = attachments_find_kind(jobs, dataset, name, kind_of(of), err);

    if (!found)
        return err->code;
    if (found->form.kind != kind_of(of))
        return error_set(err, EVD_E_STRATEGY, found->name,
                         "attachment \"%s\" is of the kind \"%s\", and \"%s\" of strategy %s must "
                         "be of the kind \"%s\": attachment.list shows which are",
                         found->name, attachment_kind_word(found->form.kind), of->name,
                         strategy->kind->name, attachment_kind_word(kind_of(of)));
    if (value->tag == VALUE_ATTACHED && value->digest != found->digest)
        return error_set(err, EVD_E_STRATEGY, found->name,
                         "attachment \"%s\" is another than this strategy was made with (its "
                         "digest differs): leave the digest out to take it as it is",
                         found->name);
    value->tag = VALUE_ATTACHED;
    memcpy(value->text, found->name, strlen(found->name) + 1);
    value->digest = found->digest;
    *out = found;
    return EVD_OK;
}

int build_attached(struct jobs *jobs, const struct dataset *dataset, struct strategy *strategy,
                   struct attachment *attached[STRATEGY_MAX_ATTACHED], struct evd_error *err)
{
    int n = 0;

    for (int i = strategy_next_attached(strategy, -1); i >= 0;
         i = strategy_next_attached(strategy, i)) {
        assert(n < STRATEGY_MAX_ATTACHED);
        if (find_attached(jobs, dataset, strategy, i, &attached[n++], err) != EVD_OK)
            return err->code;
    }
    while (n < STRATEGY_MAX_ATTACHED)
        attached[n++] = NULL;
    return EVD_OK;
}

/* What will be recorded names them, so they are in use as long as that is there. */
static int take_attached(struct build *build, struct evd_error *err)
{
    const struct job_entry *entry = build->task.entry;
    struct attachment *attached[STRATEGY_MAX_ATTACHED] = {NULL};

    if (build_attached(entry->jobs, entry->dataset, &build->strategy, attached, err) != EVD_OK)
        return err->code;
    for (int i = strategy_next_attached(&build->strategy, -1), n = 0; i >= 0;
         i = strategy_next_attached(&build->strategy, i), n++) {
        plan_input_attach(&build->input, i, attached[n]);
        if (!plan_hold(&build->record.held, attached[n]))
            return error_no_memory(err);
    }
    return EVD_OK;
}

void *build_new(struct call *call, size_t size, struct job_entry *entry,
                const msgpack_object *strategy, uint32_t revision, const char *author,
                void (*fini)(struct task *))
{
    struct evd_error *err = &call->err;
    struct build *build = task_new(call, size, entry, fini);

    assert(size >= sizeof(*build));
    if (!build)
        return NULL;
    build->input = (struct plan_input){
        .index = &entry->dataset->index,
        .strategy = &build->strategy,
        .seed = entry->seed,
        .revision = revision,
        .batch_size = entry->config.batch_size,
        .last_batch = entry->last_batch,
        .cancel = &build->task.work.cancelled,
        .budget = &entry->jobs->budget,
    };
    if (strategy_decode(strategy, entry->dataset, &build->strategy, err) != EVD_OK ||
        exact_check(entry, &build->strategy, revision, err) != EVD_OK ||
        take_attached(build, err) != EVD_OK || record_prepare(build, author, err) != EVD_OK) {
        task_free(&build->task);
        return NULL;
    }
    build->input.weights = strategy_column(&build->strategy, entry->dataset);
    return build;
}

int build_check(struct build *build)
{
    struct job_entry *entry = build->task.entry;
    struct evd_error *err = &build->task.err;

    if (err->code != EVD_OK)
        return err->code;
    if (!jobs_prepare(entry->jobs, build->plan) || !records_reserve(&entry->records))
        return error_no_memory(err);
    if (plan_epoch(build->plan, 0).steps == 0)
        return error_set(err, EVD_E_STRATEGY, "batch_size",
                         "with this strategy an epoch has not one whole batch of %u: take a "
                         "smaller batch_size or another strategy",
                         entry->config.batch_size);
    return entry_check_columns(entry, entry_columns_read(entry), build->plan, err);
}

void build_fini(struct task *task)
{
    struct build *build = (struct build *)task;

    strategy_fini(&build->strategy);
    plan_unref(build->plan);
    revision_fini(&build->record);
}

struct store_revision store_revision_of(const struct job_entry *entry,
                                        const struct revision *record, uint32_t keep)
{
    return (struct store_revision){
        .job = entry->id,
        .generation = record->generation,
        .revision = record->number,
        .keep_revision = keep,
        .epoch = record->at.epoch,
        .step = record->at.step,
        .shape_steps = record->shape.steps,
        .shape_last = record->shape.last_size,
        .strategy = record->strategy,
        .strategy_bytes = record->strategy_bytes,
        .digest = record->digest,
        .created = record->created,
        .author = record->author,
    };
}
