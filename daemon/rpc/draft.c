#include "rpc/draft.h"

#include <stdlib.h>
#include <string.h>

static void draft_unlink(struct draft *draft)
{
    struct draft **list = draft->session ? &draft->session->drafts : &draft->rpc->doomed;

    if (draft->prev)
        draft->prev->next = draft->next;
    else
        *list = draft->next;
    if (draft->next)
        draft->next->prev = draft->prev;
    draft->prev = draft->next = NULL;
    if (draft->session)
        draft->session->draft_count--;
}

static void draft_link(struct draft *draft, struct draft **list)
{
    draft->next = *list;
    if (draft->next)
        draft->next->prev = draft;
    *list = draft;
}

void draft_free(struct draft *draft)
{
    draft_unlink(draft);
    dataset_builder_free(draft->builder);
    free(draft);
}

static void draft_dropped(struct store_op *op)
{
    struct draft *draft = op->owner;

    draft->dropping = false;
    if (op->error.code == EVD_OK)
        draft_free(draft);
    else
        rpc_wake_at(draft->rpc, rpc_now(draft->rpc) + RPC_FLUSH_MS); /* the next tick tries again */
}

/* Asks the store to forget it, now or at a later tick. */
void draft_try_drop(struct draft *draft)
{
    struct evd_error err;

    if (draft->building || draft->storing || draft->dropping)
        return;
    draft->drop = (struct store_op){
        .kind = STORE_DATASET_DROP, .dataset.id = draft->id, .done = draft_dropped, .owner = draft};
    if (rpc_submit(draft->rpc, &draft->drop, &err) == EVD_OK)
        draft->dropping = true;
    else
        rpc_wake_at(draft->rpc, rpc_now(draft->rpc) + RPC_FLUSH_MS);
}

void draft_doom(struct draft *draft)
{
    if (!draft->session) {
        draft_try_drop(draft);
        return;
    }
    draft_unlink(draft);
    draft->session = NULL;
    draft_link(draft, &draft->rpc->doomed);
    if (!draft->building) {
        dataset_builder_free(draft->builder);
        draft->builder = NULL;
        draft->memory = 0;
    }
    draft_try_drop(draft);
}

void drafts_die(struct session *session)
{
    while (session->drafts)
        draft_doom(session->drafts);
}

void drafts_retry(struct rpc *rpc)
{
    for (struct draft *draft = rpc->doomed; draft; draft = draft->next)
        draft_try_drop(draft);
}

void drafts_free(struct rpc *rpc)
{
    while (rpc->doomed)
        draft_free(rpc->doomed);
}

static uint32_t highest_in(const struct draft *list, struct evd_str name)
{
    uint32_t highest = 0;

    for (const struct draft *draft = list; draft; draft = draft->next) {
        if (str_is(name, draft->name) && draft->version > highest)
            highest = draft->version;
    }
    return highest;
}

uint32_t drafts_highest(struct rpc *rpc, struct evd_str name)
{
    uint32_t highest = highest_in(rpc->doomed, name);

    for (struct session *session = rpc->sessions; session; session = session->next) {
        uint32_t found = highest_in(session->drafts, name);

        if (found > highest)
            highest = found;
    }
    return highest;
}

uint32_t drafts_count(struct rpc *rpc)
{
    uint32_t count = 0;

    for (struct session *session = rpc->sessions; session; session = session->next)
        count += session->draft_count;
    return count;
}

struct draft *draft_new(struct session *session, struct evd_str name)
{
    struct rpc *rpc = session->rpc;
    uint32_t committed = datasets_highest(rpc, name), drafted = drafts_highest(rpc, name);
    struct draft *draft = calloc(1, sizeof(*draft));

    if (draft)
        draft->builder = dataset_builder_new();
    if (!draft || !draft->builder) {
        free(draft);
        return NULL;
    }
    draft->rpc = rpc;
    draft->session = session;
    draft->number = ++session->last_draft;
    rpc_name_copy(draft->name, name);
    draft->version = (committed > drafted ? committed : drafted) + 1;
    draft->id = rpc->next_id++;
    draft->created = rpc->host.wall(rpc->host.arg);
    draft_link(draft, &session->drafts);
    session->draft_count++;
    return draft;
}

struct draft *draft_find(struct session *session, uint32_t number, struct evd_error *err)
{
    for (struct draft *draft = session->drafts; draft; draft = draft->next) {
        if (draft->number != number)
            continue;
        if (!draft->committing)
            return draft;
        error_set(err, EVD_E_CONFLICT, "draft", "draft %u is being committed", number);
        return NULL;
    }
    error_set(err, EVD_E_NOT_FOUND, "draft",
              "this connection has no draft %u: it failed, was committed, or never began; start "
              "again with dataset.create",
              number);
    return NULL;
}
