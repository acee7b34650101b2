/* The job core's part in job.seek: JOB_STORE_SEEK (returns why the store refused it at once) and
 * JOB_SOUGHT. */
#ifndef RPC_SEEK_H
#define RPC_SEEK_H

#include "rpc/core.h"

int seek_store(struct job_entry *entry, const struct job_effect *effect);
void seek_answer(struct job_entry *entry, const struct job_effect *effect);

#endif
