/*
 * What the methods do: one thin file for each noun. A decoded request is answered, or becomes a
 * task (server/task.h) whose steps end in an answer. Called by the server, through one table.
 *
 *     server.c  backup.c                          hello, server.*, strategy.list
 *     dataset.c  dataset_upload.c                 dataset.*
 *     job.c  job_list.c  job_preview.c  job_seek.c  job_history.c
 *     job_stats.c  job_trace.c  job_workers.c     job.*
 *     report.c  adaptive.c                        job.report, job.confusion
 *     stream_open.c  stream_lease.c               stream.*
 *     stream_send.c                               what streams are sent
 */
#ifndef CALLS_CALLS_H
#define CALLS_CALLS_H

#include "server/server.h"

/* For server_new. */
extern const struct server_ops calls_ops;

#endif
