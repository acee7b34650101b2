/*
 * What a job keeps for job.stats.
 */
#ifndef CALLS_JOB_STATS_H
#define CALLS_JOB_STATS_H

struct job_stats;

void job_stats_free(struct job_stats *stats); /* NULL is fine */

#endif
