/*
 * What may take long in the library (evd_neighbours, evd_select), while somebody waits at the
 * terminal: how far it is, and Ctrl-C. For neighbours_find.c and select.c.
 */
#ifndef CLI_SEARCH_H
#define CLI_SEARCH_H

#include <signal.h>
#include <evendraw_features.h>
#include "progress.h"

struct search {
    struct progress progress;
    const char *doing; /* "searching among all" */
    const char *path;  /* of the features */
    uint64_t first;    /* done when it began: it may go on from a file */
    bool begun;
    struct sigaction before[2];
};

/* SIGINT or SIGTERM, once it came; else 0. What options.cancel points to. */
extern volatile int search_stopped;
/* What options.progress is; `arg` is the struct search. */
evd_progress search_show;

/* From here on Ctrl-C only sets search_stopped; a second one ends the tool at once. */
void search_begin(struct search *search, const char *doing, const char *path);
void search_end(struct search *search);
/* Ends the tool as the signal would have, so that whoever started it sees that it was stopped. */
int search_raise(void);

#endif
