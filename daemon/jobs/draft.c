/* Keeps drafts, by session, and has the store forget those that come to nothing. Called by
 * calls/dataset_upload.c and calls/attachment_upload.c, and by sessions and ticks. */
#include "jobs/draft.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "jobs/datasets.h"

static void enter(struct draft *draft, enum draft_state to)
{
    static const uint8_t from[] = {
        [DRAFT_OPEN] = 0,
        [DRAFT_BUILDING] = 1u << DRAFT_OPEN,
        [DRAFT_STORING] = 1u << DRAFT_BUILDING,
        [DRAFT_ABANDONED] = 1u << DRAFT_BUILDING,
        [DRAFT_DOOMED] =
            1u << DRAFT_OPEN | 1u << DRAFT_STORING | 1u << DRAFT_ABANDONED | 1u << DRAFT_DROPPING,
        [DRAFT_DROPPING] = 1u << DRAFT_DOOMED,
    };

    assert(from[to] & 1u << draft->state);
    draft->state = to;
}

static void unlist(struct draft *draft)
{
    if (draft->session) {
        TAILQ_REMOVE(&draft->session->drafts, draft, in_list);
        draft->session->draft_count--;
    } else {
        TAILQ_REMOVE(&draft->jobs->orphans, draft, in_list);
    }
}

/* Of what was sent nothing is wanted. */
static void let_go(struct draft *draft)
{
    dataset_builder_free(draft->builder);
    attachment_builder_free(draft->rows);
    if (draft->of)
        dataset_release(draft->jobs, draft->of);
    draft->builder = NULL;
    draft->rows = NULL;
    draft->of = NULL;
}

void draft_free(struct draft *draft)
{
    unlist(draft);
    let_go(draft);
    draft_takes(draft, 0);
    free(draft);
}

void draft_takes(struct draft *draft, uint64_t bytes)
{
    draft->jobs->drafted += bytes - draft->memory;
    draft->memory = bytes;
}

void draft_count(struct draft *draft)
{
    uint64_t bytes = sizeof(*draft);

    if (draft->builder)
        bytes += dataset_builder_memory(draft->builder);
    if (draft->rows)
        bytes += attachment_builder_memory(draft->rows);
    draft_takes(draft, bytes);
}

/* ---- the end of those that come to nothing ---- */

static void try_later(const struct draft *draft)
{
    struct server *server = draft->jobs->server;

    server_wake_at(server, server_now(server) + RETRY_MS);
}

static void dropped(struct store_op *op)
{
    struct draft *draft = op->owner;

    if (op->error.code == EVD_OK || op->error.code == EVD_E_NOT_FOUND) { /* it never got there */
        draft_free(draft);
        return;
    }
    enter(draft, DRAFT_DOOMED);
    try_later(draft);
}

/* Asks the store to forget it, now or at a later tick. */
static void try_drop(struct draft *draft)
{
    struct evd_error err;

    assert(draft->state == DRAFT_DOOMED);
    draft->drop = (struct store_op){.kind = STORE_DATASET_DROP, .done = dropped, .owner = draft};
    if (draft->attachment) {
        draft->drop.kind = STORE_ATTACHMENT_DROP;
        draft->drop.attachment.id = draft->id;
    } else {
        draft->drop.dataset.id = draft->id;
    }
    if (server_submit(draft->jobs->server, &draft->drop, &err) == EVD_OK)
        enter(draft, DRAFT_DROPPING);
    else
        try_later(draft);
}

static void orphan(struct draft *draft)
{
    if (!draft->session)
        return;
    unlist(draft);
    draft->session = NULL;
    TAILQ_INSERT_TAIL(&draft->jobs->orphans, draft, in_list);
}

static void doom(struct draft *draft)
{
    enter(draft, DRAFT_DOOMED);
    let_go(draft);
    draft_count(draft);
    try_drop(draft);
}

void draft_doom(struct draft *draft)
{
    orphan(draft);
    if (draft->state == DRAFT_BUILDING)
        enter(draft, DRAFT_ABANDONED);
    else if (draft->state == DRAFT_OPEN)
        doom(draft);
}

void draft_not_stored(struct draft *draft)
{
    assert(draft->state == DRAFT_STORING);
    orphan(draft);
    doom(draft);
}

void draft_building(struct draft *draft)
{
    enter(draft, DRAFT_BUILDING);
}

bool draft_built(struct draft *draft)
{
    if (draft->state == DRAFT_ABANDONED) {
        doom(draft);
        return false;
    }
    enter(draft, DRAFT_STORING);
    return true;
}

void drafts_orphan(struct session *session)
{
    struct draft *draft;

    while ((draft = TAILQ_FIRST(&session->drafts)))
        draft_doom(draft);
}

void drafts_tick(struct jobs *jobs)
{
    struct draft *draft;

    TAILQ_FOREACH(draft, &jobs->orphans, in_list) {
        if (draft->state == DRAFT_DOOMED)
            try_drop(draft);
    }
}

void drafts_free(struct jobs *jobs)
{
    while (!TAILQ_EMPTY(&jobs->orphans))
        draft_free(TAILQ_FIRST(&jobs->orphans));
}

/* ---- finding them ---- */

static uint32_t highest_in(const struct draft_list *list, struct evd_str name)
{
    const struct draft *draft;
    uint32_t highest = 0;

    TAILQ_FOREACH(draft, list, in_list) {
        if (!draft->attachment && str_is(name, draft->name) && draft->version > highest)
            highest = draft->version;
    }
    return highest;
}

/* The highest version that is being sent. */
static uint32_t highest_draft(const struct jobs *jobs, struct evd_str name)
{
    uint32_t highest = highest_in(&jobs->orphans, name);
    const struct session *session;

    TAILQ_FOREACH(session, &jobs->server->sessions, in_list) {
        uint32_t found = highest_in(&session->drafts, name);

        if (found > highest)
            highest = found;
    }
    return highest;
}

uint32_t drafts_count(const struct jobs *jobs)
{
    const struct session *session;
    uint32_t count = 0;

    TAILQ_FOREACH(session, &jobs->server->sessions, in_list) {
        count += session->draft_count;
    }
    return count;
}

uint32_t drafts_of(const struct jobs *jobs, const struct dataset *dataset)
{
    const struct session *session;
    const struct draft *draft;
    uint32_t count = 0;

    TAILQ_FOREACH(session, &jobs->server->sessions, in_list) {
        TAILQ_FOREACH(draft, &session->drafts, in_list)
            count += draft->of == dataset;
    }
    return count;
}

static struct draft *draft_add(struct session *session, struct evd_str name)
{
    struct jobs *jobs = session->server->jobs;
    struct draft *draft = calloc(1, sizeof(*draft));

    if (!draft)
        return NULL;
    draft->jobs = jobs;
    draft->session = session;
    draft->number = ++session->last_draft;
    str_copy(draft->name, name);
    draft->id = jobs->next_id++;
    draft->created = server_wall(jobs->server);
    TAILQ_INSERT_TAIL(&session->drafts, draft, in_list);
    session->draft_count++;
    return draft;
}

struct draft *draft_new(struct session *session, struct evd_str name)
{
    struct jobs *jobs = session->server->jobs;
    uint32_t committed = datasets_highest(jobs, name), drafted = highest_draft(jobs, name);
    struct dataset_builder *builder = dataset_builder_new();
    struct draft *draft = builder ? draft_add(session, name) : NULL;

    if (!draft) {
        dataset_builder_free(builder);
        return NULL;
    }
    draft->builder = builder;
    draft->version = (committed > drafted ? committed : drafted) + 1;
    return draft;
}

struct draft *draft_new_attachment(struct session *session, struct dataset *of, struct evd_str name,
                                   struct attachment_builder *rows)
{
    struct draft *draft = draft_add(session, name);

    if (!draft) {
        attachment_builder_free(rows);
        return NULL;
    }
    draft->attachment = true;
    draft->rows = rows;
    draft->of = of;
    of->users++;
    draft_count(draft);
    return draft;
}

struct draft *draft_find(struct session *session, uint32_t number, bool attachment,
                         struct evd_error *err)
{
    const char *noun = attachment ? "attachment" : "dataset";
    struct draft *draft;

    TAILQ_FOREACH(draft, &session->drafts, in_list) {
        if (draft->number != number)
            continue;
        if (draft->attachment != attachment)
            error_set(err, EVD_E_CONFLICT, "draft",
                      "draft %u is of another kind: it is sent by %s.append and %s.commit", number,
                      attachment ? "dataset" : "attachment", attachment ? "dataset" : "attachment");
        else if (draft->state == DRAFT_OPEN)
            return draft;
        else
            error_set(err, EVD_E_CONFLICT, "draft", "draft %u is being committed", number);
        return NULL;
    }
    error_set(err, EVD_E_NOT_FOUND, "draft",
              "this connection has no draft %u: it failed, was committed, or never began; start "
              "again with %s.create",
              number, noun);
    return NULL;
}
