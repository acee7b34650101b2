/*
 * In which steps a sample was served: all of a job's history drawn again, one generation after the
 * other, so that the loop thread prepares one at a time.
 *
 *     trace_init, then while trace_take (loop thread): trace_run (pool thread), until it is not
 *     unfinished
 */
#ifndef REPLAY_TRACE_H
#define REPLAY_TRACE_H

#include "replay/drawing.h"
#include "replay/line.h"

struct finding {
    uint32_t generation;
    uint32_t rank; /* ranked jobs: the first that got it */
    uint32_t revision;
    uint32_t count; /* how often it was drawn there */
    struct job_position at;
};

struct trace {
    uint64_t sample;
    uint32_t first; /* so many findings are passed over */
    uint32_t passed;
    struct finding findings[EVD_MAX_PAGE];
    uint32_t found;
    bool more;                 /* there was no room for all */
    struct job_position since; /* before that, some was not searched: it is forgotten */
    bool unfinished;           /* trace_run is to be called again */
    /* private */
    uint32_t generation, last;   /* the one that is searched, or is next; and the last */
    struct job_position reached; /* in the last */
    struct line line;
    struct job_position from, to;
    uint64_t left;               /* samples, of a stretch */
    struct world_record *worlds; /* a copy */
    uint32_t world_count;
    uint32_t replicas;
    bool ranked;
    struct drawing drawing;
};

/* `sample` and `first` are set, the rest is zero. EVD_E_NO_MEMORY; to be finished in any case. */
int trace_init(struct trace *trace, const struct records *records, const struct job *job,
               struct evd_error *err) MUST_CHECK;
void trace_fini(struct trace *trace);
/* Takes what is needed of the next generation in which anything was handed out. *any is false if
 * there is none, or no room for more findings. */
int trace_take(struct trace *trace, const struct plan_base *base, const struct records *records,
               const struct job *job, bool *any, struct evd_error *err) MUST_CHECK;
/* What searching it costs, as line_cost counts it. */
uint64_t trace_cost(const struct trace *trace);
/* Searches it, for a while: see `unfinished`. Any thread. */
int trace_run(struct trace *trace, struct evd_error *err) MUST_CHECK;

#endif
