/* One search of `evendraw neighbours` (neighbours.h). Called by neighbours.c. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include "neighbours.h"
#include "print.h"

/* ---- Ctrl-C ---- */

static volatile int stopped; /* the signal's number */

static void stop(int number)
{
    stopped = number;
}

/* A second Ctrl-C ends it at once. */
static void catch_signals(struct sigaction before[2])
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGINT, &action, &before[0]);
    sigaction(SIGTERM, &action, &before[1]);
    if (before[0].sa_handler == SIG_IGN) /* a shell's job in the background */
        sigaction(SIGINT, &before[0], NULL);
}

static void release_signals(const struct sigaction before[2])
{
    sigaction(SIGINT, &before[0], NULL);
    sigaction(SIGTERM, &before[1], NULL);
}

/* ---- the file from which it goes on ---- */

#define NAME_MOST 200 /* bytes; what is added to it has to fit in a file's name */

/* Its name says what is searched for, so that only the same search meets it. */
static uint64_t digest_terms(const struct neighbours *n, int scope)
{
    const uint64_t terms[] = {
        n->digest,       XXH3_64bits(n->labels, n->samples * sizeof(*n->labels)),
        n->search.k,     (uint64_t)n->search.metric,
        (uint64_t)scope, n->search.d};

    return XXH3_64bits(terms, sizeof(terms));
}

/* Beside the features; where that folder is read-only, in the present one; "" if that is, too, or
 * the name would be too long. */
static void place_partial(const struct neighbours *n, int scope, char *path, size_t size)
{
    const char *slash = strrchr(n->path, '/');
    const char *name = slash ? slash + 1 : n->path;
    char folder[4000] = ".";
    int len;

    if (slash)
        snprintf(folder, sizeof(folder), "%.*s", slash == n->path ? 1 : (int)(slash - n->path),
                 n->path);
    if (access(folder, W_OK) != 0)
        snprintf(folder, sizeof(folder), ".");
    len =
        snprintf(path, size, "%s/%s.%016" PRIx64 ".partial", folder, name, digest_terms(n, scope));
    if (len >= (int)size || strlen(name) > NAME_MOST || access(folder, W_OK) != 0)
        path[0] = '\0';
}

/* ---- progress ---- */

struct showing {
    struct progress progress;
    const struct neighbours *neighbours;
    const char *where;
    uint64_t first; /* done when it began: it may go on from a file */
    bool begun;
};

static void show(void *arg, uint64_t done, uint64_t total)
{
    struct showing *showing = arg;
    double seconds, share = (double)done / (double)(total ? total : 1);
    char line[512];
    int n;

    if (!showing->begun) {
        showing->begun = true;
        showing->first = done;
    }
    if (!progress_due(&showing->progress))
        return;
    seconds = progress_seconds(&showing->progress);
    n = snprintf(line, sizeof(line), "searching %s, %.1f %%, ", showing->where, share * 100);
    if (done > showing->first)
        n += snprintf(
            line + n, sizeof(line) - (size_t)n, "%s left, ",
            text_duration(seconds * (double)(total - done) / (double)(done - showing->first)));
    snprintf(line + n, sizeof(line) - (size_t)n, "Ctrl-C stops it: %s", showing->neighbours->path);
    progress_line(line);
}

/* ---- the search ---- */

static int end_stopped(const char *partial)
{
    if (*partial && access(partial, F_OK) == 0)
        fprintf(stderr,
                "evendraw: stopped: the same command goes on from where it was, which is kept in "
                "%s\n",
                partial);
    else
        fprintf(stderr, "evendraw: stopped%s: the same command begins anew\n",
                *partial ? ""
                         : ", and neither the features' folder nor the present one can be "
                           "written to");
    fflush(NULL);
    signal(stopped, SIG_DFL); /* whoever started it sees that it was stopped */
    raise(stopped);
    return EXIT_REFUSED;
}

bool neighbours_find(struct neighbours *n, int scope)
{
    struct showing showing = {.neighbours = n,
                              .where = scope == EVD_SCOPE_CLASS ? "within classes" : "among all"};
    evd_neighbours_options options = n->search;
    evd_neighbours_result result;
    struct sigaction before[2];
    char partial[4400];
    int code;

    place_partial(n, scope, partial, sizeof(partial));
    progress_begin(&showing.progress);
    options.scope = scope;
    options.progress = show;
    options.arg = &showing;
    options.cancel = &stopped;
    options.partial = *partial ? partial : NULL;
    catch_signals(before);
    code = evd_neighbours(&options, n->index, n->distance, &result);
    release_signals(before);
    progress_clear();
    if (code == EVD_CANCELLED) {
        n->cli->status = end_stopped(partial);
        return false;
    }
    if (code != EVD_OK)
        cli_error(n->cli, EXIT_INPUT, "%s: %s", n->path, result.message);
    return code == EVD_OK;
}
