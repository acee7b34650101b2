/* A line that says how far a command is (progress.h). Called by source.c and neighbours.c. */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "print.h"

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

void progress_begin(struct progress *progress)
{
    progress->started = progress->shown = now();
}

bool progress_due(struct progress *progress)
{
    double t = now();

    if (!isatty(STDERR_FILENO) || t - progress->shown < 0.2)
        return false;
    progress->shown = t;
    return true;
}

double progress_seconds(const struct progress *progress)
{
    return now() - progress->started + 1e-6;
}

void progress_line(const char *line)
{
    progress_clear();
    /* Where it fills a line, the next one could not go over it. */
    print_padded(stderr, line, terminal_width(stderr) - 1);
}

void progress_clear(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}
