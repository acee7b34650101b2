/*
 * The adaptive strategy: reports of one job move the class weights of others. A move is an update
 * like any other, by the author "adaptive", with its weights in the recorded strategy: replay needs
 * no reports.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "feedback/adapt.h"
#include "job/position.h"
#include "rpc/build.h"
#include "rpc/report.h"
#include "codec/strategy.h"

/* What an adaptive strategy says, as of one revision. */
struct adaptive {
    uint32_t revision;
    char feedback[sizeof(((struct strategy_value *)NULL)->text)]; /* empty: the job itself */
    bool by_loss;
    uint64_t every; /* steps; 0: epochs */
    struct adapt_rule rule;
};

static const struct strategy_value *value_of(const struct strategy *strategy, const char *name)
{
    return &strategy->values[strategy_param_find(strategy->kind, name, strlen(name))];
}

static double number_of(const struct strategy *strategy, const char *name)
{
    const struct strategy_value *value = value_of(strategy, name);

    if (value->tag == VALUE_UNSET)
        return strtod(strategy->kind->params[value - strategy->values].default_value, NULL);
    return value->number;
}

/* The newest revision of the job's line, as it is recorded; NULL: not recorded yet. */
static const struct revision *newest_revision(const struct job_entry *entry)
{
    uint32_t number = job_revision(entry->job, job_revisions(entry->job) - 1).revision;

    for (uint32_t i = entry->records.revision_count; i-- > 0;) {
        if (entry->records.revisions[i].number == number)
            return &entry->records.revisions[i];
    }
    return NULL;
}

static void read_rule(struct adaptive *adaptive, const struct strategy *strategy)
{
    memcpy(adaptive->feedback, value_of(strategy, "feedback")->text, sizeof(adaptive->feedback));
    adaptive->by_loss = strcmp(value_of(strategy, "measure")->text, "loss") == 0;
    adaptive->every = (uint64_t)number_of(strategy, "every");
    adaptive->rule = (struct adapt_rule){
        .smoothing = number_of(strategy, "smoothing"),
        .max_ratio = number_of(strategy, "max_ratio"),
    };
}

/* Kept for the revision, since every report asks; NULL if the job has no adaptive strategy. */
static const struct adaptive *adaptive_of(struct job_entry *entry)
{
    const struct revision *revision = newest_revision(entry);
    struct adaptive *adaptive = entry->adaptive;
    struct strategy strategy;
    struct evd_error err;

    if (!revision ||
        !str_is(strategy_kind_text(revision->strategy, revision->strategy_bytes), "adaptive"))
        return NULL;
    if (!adaptive || adaptive->revision != revision->number) {
        if (strategy_decode_bytes(revision->strategy, revision->strategy_bytes, entry->dataset,
                                  &strategy, &err) != EVD_OK)
            return NULL;
        if (!adaptive)
            adaptive = entry->adaptive = calloc(1, sizeof(*adaptive));
        if (adaptive) {
            adaptive->revision = revision->number;
            read_rule(adaptive, &strategy);
        }
        strategy_fini(&strategy);
    }
    return adaptive;
}

/* ---- a move ---- */

static double greatest_loss(const struct confusion *counts)
{
    double greatest = 0;

    for (uint32_t c = 0; c < counts->classes; c++)
        greatest = fmax(greatest, confusion_class_loss(counts, c)); /* ignores NAN */
    return greatest;
}

/* By class of `to`, from the counts of a job on `from`: classes are the same by name. */
static void needs(const struct adaptive *adaptive, const struct confusion *counts,
                  const struct dataset *from, const struct dataset *to, double *out)
{
    double greatest = adaptive->by_loss ? greatest_loss(counts) : 0;

    for (uint32_t c = 0; c < to->index.classes; c++) {
        const char *name = dataset_class_name(to, c);
        int64_t at = dataset_class_find(from, (struct evd_str){name, (uint32_t)strlen(name)});

        out[c] = NAN;
        if (at < 0 || counts->support[at] == 0)
            continue;
        if (!adaptive->by_loss)
            out[c] = 1 - confusion_class(counts, (uint32_t)at).recall;
        else if (greatest > 0)
            out[c] = confusion_class_loss(counts, (uint32_t)at) / greatest;
    }
}

/* The strategy's next weights, in it; false if there is no reason to move, or no memory. */
static bool next_weights(const struct adaptive *adaptive, const struct confusion *counts,
                         const struct dataset *from, const struct dataset *to,
                         struct strategy *strategy)
{
    struct strategy_value *value = (struct strategy_value *)value_of(strategy, "weights");
    double *need = malloc(to->index.classes * sizeof(*need));
    bool worth;

    if (!need || (value->tag == VALUE_UNSET &&
                  !strategy_class_map(strategy, (int)(value - strategy->values)))) {
        free(need);
        return false;
    }
    needs(adaptive, counts, from, to, need);
    for (uint32_t c = 0; c < to->index.classes; c++) {
        if (isnan(value->by_class[c]))
            value->by_class[c] = 1;
        if (dataset_class_count(to, c) == 0)
            need[c] = NAN;
    }
    worth = adapt_weights(&adaptive->rule, need, to->index.classes, value->by_class);
    for (uint32_t c = 0; c < to->index.classes; c++) {
        if (dataset_class_count(to, c) == 0)
            value->by_class[c] = NAN; /* not named: nothing can be drawn of it */
    }
    free(need);
    return worth;
}

/* Sends the update on its way, as if the reporter had asked for it in a notification. */
static void submit(const struct call *call, struct report *report, struct job_entry *entry,
                   const msgpack_object *strategy, struct moment moment)
{
    struct call move = {.rpc = call->rpc, .session = call->session, .ticket = call->ticket};

    move.ticket.request = false;
    if (update_start(&move, entry, strategy, moment, report) != EVD_OK)
        answer_error(&move.ticket, &move.err);
}

static void move(struct call *call, struct report *report, struct job_entry *entry,
                 const struct adaptive *adaptive, const struct confusion *counts)
{
    const struct revision *revision = newest_revision(entry);
    struct moment moment = {.when = adaptive->every ? JOB_NOW : JOB_NEXT_EPOCH};
    msgpack_unpacked unpacked;
    struct strategy strategy;
    struct evd_buf encoded;
    struct evd_error err;

    if (strategy_decode_bytes(revision->strategy, revision->strategy_bytes, entry->dataset,
                              &strategy, &err) != EVD_OK)
        return;
    buf_init(&encoded, EVD_MAX_REPLY_FRAME);
    msgpack_unpacked_init(&unpacked);
    if (next_weights(adaptive, counts, report->task.entry->dataset, entry->dataset, &strategy)) {
        strategy_encode(&strategy, entry->dataset, &encoded);
        if (!encoded.failed && msgpack_unpack_next(&unpacked, (const char *)encoded.data,
                                                   encoded.len, NULL) == MSGPACK_UNPACK_SUCCESS)
            submit(call, report, entry, &unpacked.data, moment);
    }
    msgpack_unpacked_destroy(&unpacked);
    buf_fini(&encoded);
    strategy_fini(&strategy);
}

/* ---- when ---- */

/* Revisions that are still to come are a history being replayed, or a move that has not begun. */
static bool at_its_newest(const struct job_entry *entry)
{
    struct job_state state;

    job_state(entry->job, &state);
    return !position_before(state.next, job_revision(entry->job, job_revisions(entry->job) - 1).at);
}

/* The epoch that this report ended, if any: its own, or the one before it, of which the rest never
 * came. */
static struct feedback_epoch *ended(const struct feedback *feedback, struct feedback_epoch *row,
                                    uint64_t units)
{
    struct feedback_epoch *before = NULL;

    if (units > 0 && row->tally.count >= units)
        return row;
    for (uint32_t i = 1; row->tally.count == 1 && i < feedback->count; i++) {
        if (feedback->epochs[i] == row)
            before = feedback->epochs[i - 1];
    }
    return before && !before->ended ? before : NULL;
}

static bool follows(const struct adaptive *adaptive, const struct job_entry *entry,
                    const struct job_entry *reported)
{
    if (!adaptive->feedback[0])
        return entry == reported;
    return strcmp(adaptive->feedback, reported->name) == 0;
}

void adaptive_follow(struct call *call, struct report *report, struct feedback_epoch *row,
                     uint64_t units, uint32_t slices)
{
    struct rpc *rpc = call->rpc;
    struct feedback_epoch *over = ended(report->task.entry->feedback, row, units);

    if (over)
        over->ended = true;
    for (uint32_t i = 0; i < rpc->job_count; i++) {
        struct job_entry *entry = rpc->jobs[i];
        const struct adaptive *adaptive;
        bool due;

        if (entry->status != JOB_STATUS_LIVE || entry->update || entry->seek)
            continue;
        adaptive = adaptive_of(entry);
        if (!adaptive || !follows(adaptive, entry, report->task.entry))
            continue;
        due = adaptive->every && row->tally.count % (adaptive->every * slices) == 0;
        if ((over || due) && at_its_newest(entry))
            move(call, report, entry, adaptive, over ? &over->confusion : &row->confusion);
    }
}

void adaptive_free(struct adaptive *adaptive)
{
    free(adaptive);
}
