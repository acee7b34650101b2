/*
 * The adaptive strategy: reports of one job move the class weights of others. A move is an update
 * like any other, by the author "adaptive", with its weights in the recorded strategy: replay needs
 * no reports. Called by job.report.
 */
#include "calls/adaptive.h"

#include <stdlib.h>
#include "codec/strategy.h"
#include "feedback/policy.h"
#include "job/position.h"
#include "jobs/update.h"

#define AUTHOR "adaptive" /* of the revisions that follow a report */

/* The policy of a job's newest strategy. */
struct adaptive {
    uint32_t revision; /* of which it was read */
    struct policy policy;
    bool told; /* that its weights stay, since no more of them may be recorded */
};

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
            policy_read(&adaptive->policy, &strategy);
        }
        strategy_fini(&strategy);
    }
    return adaptive;
}

/* ---- a move ---- */

/* A change that follows a report, which is answered when all such have ended. */
struct move {
    struct update update; /* first */
    struct report *report;
};

static void move_fini(struct task *task)
{
    struct move *move = (struct move *)task;

    update_fini(task);
    if (move->report)
        report_release(move->report);
}

static int moved(struct task *task)
{
    if (task->err.code != EVD_OK)
        return task->err.code;
    task_free(task); /* nobody asked for it in so many words */
    return EVD_OK;
}

/* Sends the update on its way, as if the reporter had asked for it in a notification. */
static void submit(const struct call *report_call, struct report *report, struct job_entry *entry,
                   const msgpack_object *strategy, struct moment moment)
{
    struct call call = *report_call;
    struct move *move;

    call.ticket.request = false;
    move = update_new(&call, sizeof(*move), entry, strategy, moment, AUTHOR, moved, move_fini);
    if (!move) {
        answer_error(&call.ticket, &call.err);
        return;
    }
    move->report = report;
    report_hold(report);
    /* It is the job's own affair: it goes on without the reporter. */
    move->update.build.task.payer = NULL;
    if (update_start(&move->update, &call) != EVD_OK)
        answer_error(&call.ticket, &call.err);
}

static void move(struct call *call, struct report *report, struct job_entry *entry,
                 const struct adaptive *adaptive, const struct confusion *counts)
{
    const struct revision *revision = newest_revision(entry);
    const struct plan *newest = job_revision(entry->job, job_revisions(entry->job) - 1).plan;
    struct moment moment = {.when = adaptive->policy.every ? JOB_NOW : JOB_NEXT_EPOCH};
    msgpack_unpacked unpacked;
    struct strategy strategy;
    struct evd_buf encoded;
    struct evd_error err;

    if (strategy_decode_bytes(revision->strategy, revision->strategy_bytes, entry->dataset,
                              &strategy, &err) != EVD_OK)
        return;
    buf_init(&encoded, EVD_MAX_REPLY_FRAME);
    msgpack_unpacked_init(&unpacked);
    if (policy_next(&adaptive->policy, counts, report->task.entry->dataset, entry->dataset,
                    plan_index(newest), &strategy)) {
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
    if (!adaptive->policy.feedback[0])
        return entry == reported;
    return strcmp(adaptive->policy.feedback, reported->name) == 0;
}

/* Where its history is full, it goes on drawing by the weights that it has. */
static bool may_move(struct job_entry *entry)
{
    struct adaptive *adaptive = entry->adaptive;
    struct evd_error err;

    if (entry_check_history(entry, newest_revision(entry)->strategy_bytes, &err) == EVD_OK)
        return true;
    if (!adaptive->told)
        server_warn(entry->jobs->server, "adaptive weights stay: %s", err.message);
    adaptive->told = true;
    return false;
}

void adaptive_follow(struct call *call, struct report *report, struct feedback_epoch *row,
                     uint64_t units, uint32_t slices)
{
    struct jobs *jobs = call->server->jobs;
    struct feedback_epoch *over = ended(report->task.entry->feedback, row, units);

    if (over)
        over->ended = true;
    for (uint32_t i = 0; i < jobs->job_count; i++) {
        struct job_entry *entry = jobs->jobs[i];
        const struct adaptive *adaptive;
        bool due;

        if (entry->status != JOB_STATUS_LIVE || entry->change)
            continue;
        adaptive = adaptive_of(entry);
        if (!adaptive || !follows(adaptive, entry, report->task.entry))
            continue;
        due = adaptive->policy.every && row->tally.count % (adaptive->policy.every * slices) == 0;
        if ((over || due) && at_its_newest(entry) && may_move(entry))
            move(call, report, entry, adaptive, over ? &over->confusion : &row->confusion);
    }
}

void adaptive_free(struct adaptive *adaptive)
{
    free(adaptive);
}
