/*
 * A job, with all that the job core does not know about it: its name, dataset, records, and what
 * waits for it.
 *
 *     CREATING --stored, loaded--> LIVE ----+--job.drop--> DROPPING --stored--> DROPPED
 *        |  |                               |                |
 *        |  +--cannot be restored--> FAILED +<--not stored---+   (as it was before)
 *        +--it came to nothing--> DROPPED
 */
#ifndef JOBS_ENTRY_H
#define JOBS_ENTRY_H

#include "jobs/state.h"
#include "replay/plan.h"
#include "replay/position.h"
#include "replay/records.h"
#include "server/task.h"

enum job_status {
    JOB_STATUS_CREATING, /* the name is taken, nothing else */
    JOB_STATUS_LIVE,
    JOB_STATUS_DROPPING, /* until the store has answered */
    JOB_STATUS_DROPPED,  /* out of the table; pending work may still hold it */
    JOB_STATUS_FAILED,   /* could not be restored: see failure */
};

/* What an update and a seek have in common: a job has one of them at a time. */
struct change {
    /* Sends to the store what the job core wants stored for it (JOB_STORE_REVISION,
     * JOB_STORE_SEEK); returns why the store refused it at once. */
    int (*store)(struct change *change, const struct job_effect *effect);
    /* The job core has done with it (JOB_UPDATED, JOB_SOUGHT). */
    void (*ended)(struct change *change, const struct job_effect *effect);
    const struct plan *plan; /* an update's, once that is the loop thread's to look at; NULL */
};

struct job_entry {
    struct jobs *jobs;
    enum job_status status;
    uint32_t refs;
    uint64_t id; /* in the store */
    char name[EVD_MAX_NAME + 1];
    uint32_t name_len;
    struct dataset *dataset; /* holds one of its users; NULL in a failed entry without one */
    struct job_config config;
    enum last_batch last_batch;
    uint64_t seed, created;
    struct job *job; /* while LIVE or DROPPING */
    struct records records;
    char world_author[EVD_MAX_NAME + 1]; /* who attached last */
    struct evd_error failure;            /* FAILED */
    struct change *change;               /* the one update or seek in progress */
    struct task_list acks;               /* acknowledgements to be confirmed, parked */
    uint64_t flush_at;                   /* when JOB_FLUSH is due; UINT64_MAX: not */
    struct job_position loaded_mark;     /* as it was in the store, until the job is restored */
    bool loaded_attended;
    struct loaded_progress *loaded_progress; /* the first row of it, until then; NULL */
    uint32_t retain_epochs;                  /* strategies of so many epochs are kept; 0: of all */
    bool forgetting;                         /* the store is asked to forget some */
    uint64_t stored_epoch;                   /* the lowest in which a restart would find a rank */
    uint64_t settled_epoch; /* when it was that one, there was nothing left to forget; 0: unknown */
    uint32_t ephemeral;     /* ms that it outlives its last user; 0: it stays */
    struct use_list uses;   /* connections that use it, if it is ephemeral */
    uint64_t expires_at;    /* when it goes unless somebody uses it; UINT64_MAX: it does not */
    /* Of calls/: */
    struct stream **streams; /* its workers, in the order in which they were attached */
    uint32_t stream_count, stream_cap;
    uint32_t readers[COLUMN_COUNT]; /* how many of them read each column */
    struct job_stats *stats;        /* NULL: nobody has asked */
    struct feedback *feedback;      /* what was reported; NULL: nothing yet */
    struct adaptive *adaptive;      /* the strategy's rule, once it was needed */
};

/* A new entry outside the table, for the caller to entry_unref; NULL without memory. */
struct job_entry *entry_new(struct jobs *jobs, struct evd_str name,
                            struct dataset *dataset) MUST_CHECK;
/* The only way to change its status. */
void entry_enter(struct job_entry *entry, enum job_status status);
/* An ephemeral one goes after that time, unless somebody uses it before. */
void entry_expire_in(struct job_entry *entry, uint64_t ms);
void entry_ref(struct job_entry *entry);
void entry_unref(struct job_entry *entry);

/* What a recorded strategy names, as far as it is there; false without memory. */
bool entry_hold_recorded(const struct job_entry *entry, const void *strategy, size_t bytes,
                         struct plan_held **held) MUST_CHECK;
/* What all its plans have in common, and whose its tokens are. */
struct plan_base entry_plan_base(const struct job_entry *entry);
/* Where its strategies are that are not in memory; while the entry is held. */
struct strategy_source entry_strategies(const struct job_entry *entry);
/* EVD_E_LIMIT if a strategy of so many bytes more may not be recorded of it. */
int entry_check_history(const struct job_entry *entry, uint64_t more,
                        struct evd_error *err) MUST_CHECK;
/* Its newest strategy could not be recorded once more. */
bool entry_history_full(const struct job_entry *entry);
/* Leaves to the database what the job does not need to go on. */
void entry_page(struct job_entry *entry);
/* Reads what it needs, and does not have, from the database. Blocking: when it is loaded. */
int entry_bring(struct job_entry *entry, struct evd_error *err) MUST_CHECK;
struct position_owner entry_position_owner(const struct job_entry *entry);
/* Notes how many ranks there are now, if that is not noted; false without memory. */
bool entry_note_world(struct job_entry *entry) MUST_CHECK;
/* EVD_E_STRATEGY if the plan cannot answer these columns. */
int entry_check_columns(const struct job_entry *entry, uint32_t columns, const struct plan *plan,
                        struct evd_error *err) MUST_CHECK;
/* Those that its workers read. */
uint32_t entry_columns_read(const struct job_entry *entry);
uint64_t entry_memory(const struct job_entry *entry); /* bytes of plans and records */

#endif
