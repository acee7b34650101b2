/*
 * Reading back what is stored, before the loop runs.
 */
#ifndef JOBS_LOAD_H
#define JOBS_LOAD_H

#include "jobs/state.h"

/* Reads all back from the store. */
int jobs_load(struct jobs *jobs, struct evd_error *err) MUST_CHECK;

#endif
