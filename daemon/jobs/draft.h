/*
 * Drafts: datasets and attachments that are being sent. draft.c keeps them and lets them die;
 * calls/dataset_upload.c answers dataset.create, .append and .commit, calls/attachment_upload.c
 * those of attachments.
 *
 *              commit            built           stored
 *     OPEN ---------------> BUILDING ---> STORING -----> gone, what was sent is there
 *      |                       |             |
 *      | a write failed, or    |             | not stored
 *      | its session is gone   v             |
 *      |                   ABANDONED         |
 *      |                       | built       |
 *      |                       v             v
 *      +-------------------> DOOMED <--------+
 *                            |    ^
 *              the store is  v    | it could not: the next tick asks again
 *              asked to   DROPPING --> gone
 *              forget it
 *
 * A STORING draft happens, whoever goes. The store answers in order, so when a drop is answered
 * nothing else of the draft is under way.
 */
#ifndef JOBS_DRAFT_H
#define JOBS_DRAFT_H

#include "dataset/attachment_builder.h"
#include "jobs/state.h"

enum draft_state {
    DRAFT_OPEN,      /* takes pieces */
    DRAFT_BUILDING,  /* a pool thread has the builder */
    DRAFT_STORING,   /* built: the store has it, or gets it at once */
    DRAFT_ABANDONED, /* nobody wants it any more, but the thread still has the builder */
    DRAFT_DOOMED,    /* is to be dropped from the store */
    DRAFT_DROPPING,  /* the store was asked to */
};

struct draft {
    struct jobs *jobs;
    struct session *session; /* whose it is; NULL: nobody's any more, and in jobs->orphans */
    enum draft_state state;
    uint32_t number; /* in its session */
    char name[EVD_MAX_NAME + 1];
    uint64_t id; /* in the store */
    uint64_t created;
    /* Until built, or dropped, one of: */
    struct dataset_builder *builder;
    struct attachment_builder *rows;
    struct dataset *of; /* what an attachment is of, and one of its users; NULL: no attachment, or
                           nobody wants it any more */
    bool attachment;    /* else a dataset, and this is for it: */
    uint32_t version;
    uint64_t memory;            /* bytes it takes, and will take while it is committed */
    bool named;                 /* class names were given; else the classes are numbers */
    bool owned;                 /* the dataset is to go with its last job */
    struct store_op drop;       /* DROPPING */
    struct evd_error error;     /* why its first write failed: all later answers say it */
    TAILQ_ENTRY(draft) in_list; /* the session's, or jobs->orphans */
};

/* A new one, in the session's list; NULL without memory. */
struct draft *draft_new(struct session *session, struct evd_str name) MUST_CHECK;
/* The same of an attachment; takes the builder over, also where it fails. */
struct draft *draft_new_attachment(struct session *session, struct dataset *of, struct evd_str name,
                                   struct attachment_builder *rows) MUST_CHECK;
/* Its builder has more, or less: notes how much memory it takes. */
void draft_count(struct draft *draft);
/* The same where it is known to be so many bytes. */
void draft_takes(struct draft *draft, uint64_t bytes);
/* Out of its list and gone; nothing of it may be in the store. */
void draft_free(struct draft *draft);
/* An OPEN one of the session, of a dataset or of an attachment; NULL and NOT_FOUND or CONFLICT. */
struct draft *draft_find(struct session *session, uint32_t number, bool attachment,
                         struct evd_error *err);

/* ---- all of them ---- */

/* The session is gone. */
void drafts_orphan(struct session *session);
/* Asks the store again to drop what it could not be asked to drop. */
void drafts_tick(struct jobs *jobs);
void drafts_free(struct jobs *jobs);
uint32_t drafts_count(const struct jobs *jobs); /* of the sessions with a connection */
/* Those of attachments of that dataset. */
uint32_t drafts_of(const struct jobs *jobs, const struct dataset *dataset);

/* ---- one ---- */

void draft_building(struct draft *draft);
/* The pool thread is done with its builder; false if nobody wants it any more. */
bool draft_built(struct draft *draft);
/* A piece of it failed, or its session is gone: it is no more, and the store forgets it as soon as
 * that can be. While it is STORING the answer to the commit decides. */
void draft_doom(struct draft *draft);
/* It was STORING, and nothing came of it. */
void draft_not_stored(struct draft *draft);

#endif
