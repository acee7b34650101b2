/*
 * How far a command is, on one line of the terminal that is written over again and again; where
 * standard error is none, nothing is shown. For source.c and search.c.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>

struct progress {
    double started, shown; /* seconds */
};

void progress_begin(struct progress *progress);
/* Is it time for another line? Five a second. */
bool progress_due(struct progress *progress);
/* Since the beginning; never 0. */
double progress_seconds(const struct progress *progress);
void progress_line(const char *line);
/* What follows begins on an empty line. */
void progress_clear(void);

#endif
