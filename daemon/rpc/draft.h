/*
 * Drafts: datasets that are being sent. draft.c keeps them and lets them die; upload_calls.c
 * answers dataset.create, .append and .commit.
 */
#ifndef RPC_DRAFT_H
#define RPC_DRAFT_H

#include "rpc/core.h"

/* A draft is in its session's list, or, once it has failed or its session is gone, in rpc->doomed
 * until the store has dropped it. The store answers in order, so when the drop is answered nothing
 * else of the draft is under way but, perhaps, its build. */
struct draft {
    struct rpc *rpc;
    struct session *session; /* NULL: doomed */
    uint32_t number;
    char name[EVD_MAX_NAME + 1];
    uint32_t version;
    uint64_t id, created;
    struct dataset_builder *builder;
    uint64_t memory; /* bytes it takes, and will take while it is committed */
    bool named;      /* class names were given; else they are numbers, made as labels come */
    bool committing; /* from dataset.commit on */
    bool building;   /* a pool thread has the builder */
    bool storing;    /* the store has the commit: it happens, whoever goes */
    bool dropping;   /* the store was asked */
    struct store_op drop;
    struct evd_error error; /* why its first write failed: all later answers say it */
    struct draft *prev, *next;
};

/* A new one, in the session's list; NULL without memory. */
struct draft *draft_new(struct session *session, struct evd_str name);
/* It failed, or its session is gone: off the list, and out of the store as soon as that can be. */
void draft_doom(struct draft *draft);
/* Out of its list and gone; nothing of it may be in the store. */
void draft_free(struct draft *draft);
/* Goes on with a draft that was doomed while it was being built. */
void draft_try_drop(struct draft *draft);
/* NULL and NOT_FOUND or CONFLICT. */
struct draft *draft_find(struct session *session, uint32_t number, struct evd_error *err);

#endif
