/* Inside the traces: a job being run, and what it does as lines of text. */
#ifndef TESTS_JOB_TRACE_RUN_H
#define TESTS_JOB_TRACE_RUN_H

#include <stdio.h>
#include "job/job.h"

#define MAX_WORKERS   16
#define MAX_REVISIONS 16

struct worker {
    char name[16];
    struct job_stream *stream;
    bool full; /* its send buffer is full after the next batch */
};

/* A trace being run. */
struct run {
    FILE *out;
    struct job *job;
    struct job_config config;
    struct worker workers[MAX_WORKERS];
    uint64_t steps[MAX_REVISIONS]; /* of an epoch under each revision */
    uint64_t now;
    bool storing; /* progress is being stored */
    bool silent;  /* and the trace does not speak of it */
    /* What the store has: with the mark of the write under way, or of the last one. */
    struct job_restored stored;
};

/* A mistake in the trace or the test: ends the program. */
__attribute__((noreturn)) void die(const char *what, const char *word);
/* An indented line of the trace. */
__attribute__((format(printf, 2, 3))) void say(struct run *run, const char *format, ...);
/* Carries an update out: writes its effects, keeps what a restart needs, and checks the job. */
void carry_out(struct run *run, struct job_update *update);

#endif
