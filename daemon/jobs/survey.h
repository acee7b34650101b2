/*
 * What there is, thing by thing, sound or damaged: for server.info, and for whoever checks or
 * repairs a database.
 */
#ifndef JOBS_SURVEY_H
#define JOBS_SURVEY_H

#include "jobs/state.h"

/* Tells of every dataset, by name and version, then of every job, by name. */
void jobs_survey(const struct jobs *jobs, server_tell_thing *tell, void *arg);

#endif
