/*
 * Which datasets and jobs there are, in memory and in the store, and what they may take of memory.
 *
 *     datasets.h  datasets by name and version     draft.h   datasets that are being sent
 *     entry.h     one job                          drive.h   what happens to it
 *     build.h     a strategy becomes a plan        update.h  another strategy for a job
 *     seek.h      a job moves to another position  progress.h  how far its workers have come
 *     memory.h    the limit of memory              load.h    all of it, back from the store
 *     restore.h   jobs among that                  survey.h  what there is, sound or damaged
 *     uses.h      who uses what                    expiry.h  what nobody uses goes
 *
 * Called by calls/. Everything belongs to the loop thread.
 */
#ifndef JOBS_JOBS_H
#define JOBS_JOBS_H

#include "jobs/state.h"

/* NULL without memory. */
struct jobs *jobs_new(struct server *server, const struct jobs_ops *ops) MUST_CHECK;
/* No session and no stream is left. */
void jobs_free(struct jobs *jobs);
/* What is due; returns when something will be. */
uint64_t jobs_tick(struct jobs *jobs, uint64_t now);
/* Nothing more is handed out. */
void jobs_drain(struct jobs *jobs);
/* Stores all progress. */
void jobs_flush(struct jobs *jobs);
/* Working memory for draws of this plan; false without memory. */
bool jobs_prepare(struct jobs *jobs, const struct plan *plan) MUST_CHECK;

struct job_entry *jobs_find(struct jobs *jobs, struct evd_str name); /* NULL: none */
/* Where in the table the names begin that come after this one, whether it is there or not. */
uint32_t jobs_after(const struct jobs *jobs, struct evd_str name);
/* A job that serves: NULL and NOT_FOUND, CONFLICT or why it failed. */
struct job_entry *jobs_find_live(struct jobs *jobs, struct evd_str name, struct evd_error *err);
/* A new entry in the table, its name reserved; NULL without memory. */
struct job_entry *jobs_insert(struct jobs *jobs, struct evd_str name,
                              struct dataset *dataset) MUST_CHECK;
/* Out of the table; freed when nobody holds it. */
void jobs_remove(struct job_entry *entry);

#endif
