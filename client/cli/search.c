/* What may take long (search.h). Called by neighbours_find.c and select.c. */
#include "search.h"

#include <stdio.h>
#include <stdlib.h>
#include "cli.h"
#include "print.h"

/* ---- Ctrl-C ---- */

volatile int search_stopped;

static void stop(int number)
{
    search_stopped = number;
}

static void catch_signals(struct sigaction before[2])
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGINT, &action, &before[0]);
    sigaction(SIGTERM, &action, &before[1]);
    if (before[0].sa_handler == SIG_IGN) /* a shell's job in the background */
        sigaction(SIGINT, &before[0], NULL);
}

int search_raise(void)
{
    fflush(NULL);
    signal(search_stopped, SIG_DFL);
    raise(search_stopped);
    return EXIT_REFUSED;
}

/* ---- progress ---- */

void search_show(void *arg, uint64_t done, uint64_t total)
{
    struct search *search = arg;
    double seconds, share = (double)done / (double)(total ? total : 1);
    char line[512];
    int n;

    if (!search->begun) {
        search->begun = true;
        search->first = done;
    }
    if (!progress_due(&search->progress))
        return;
    seconds = progress_seconds(&search->progress);
    n = snprintf(line, sizeof(line), "%s, %.1f %%, ", search->doing, share * 100);
    if (done > search->first)
        n += snprintf(
            line + n, sizeof(line) - (size_t)n, "%s left, ",
            text_duration(seconds * (double)(total - done) / (double)(done - search->first)));
    snprintf(line + n, sizeof(line) - (size_t)n, "Ctrl-C stops it: %s", search->path);
    progress_line(line);
}

void search_begin(struct search *search, const char *doing, const char *path)
{
    *search = (struct search){.doing = doing, .path = path};
    progress_begin(&search->progress);
    catch_signals(search->before);
}

void search_end(struct search *search)
{
    sigaction(SIGINT, &search->before[0], NULL);
    sigaction(SIGTERM, &search->before[1], NULL);
    progress_clear();
}
