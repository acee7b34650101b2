/*
 * job.create where there is a job of that name already: what `if_exists` says, and whether the job
 * is the one that was meant.
 */
#ifndef CALLS_JOB_JOIN_H
#define CALLS_JOB_JOIN_H

#include "codec/terms.h"
#include "jobs/entry.h"
#include "proto/methods.h"

enum if_exists {
    IF_EXISTS_REFUSE,  /* that is an error */
    IF_EXISTS_SAME,    /* it is joined if it draws what was asked for, else that is an error */
    IF_EXISTS_ATTACH,  /* it is joined as it is */
    IF_EXISTS_RESTART, /* it ends, and a new one takes its place */
};

int if_exists_decode(const struct params_job_create *p, enum if_exists *if_exists,
                     struct evd_error *err) MUST_CHECK;
/* Whether that can be done with it: EXISTS, BUSY (it is being created or dropped), CONFLICT
 * (workers are attached), or why it is out of service. */
int job_joinable(const struct job_entry *entry, enum if_exists if_exists,
                 struct evd_error *err) MUST_CHECK;
/* Whether it is what was asked for: EXISTS, with everything that differs. */
int job_compare(const struct job_entry *entry, const struct dataset *dataset,
                const struct params_job_create *p, struct evd_error *err) MUST_CHECK;
/* Answers with the job's info map; its connection uses the job from now on. */
int job_join(struct call *call, struct job_entry *entry) MUST_CHECK;
/* The same of a job that has just begun. */
void reply_created(msgpack_packer *pk, const struct job_entry *entry);

/* The terms as they were given. */
struct job_terms terms_given(const struct params_job_create *p);

#endif
