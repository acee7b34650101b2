/* One search of `evendraw neighbours` (neighbours.h). Called by neighbours.c. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include "neighbours.h"
#include "search.h"

/* ---- the file from which it goes on ---- */

#define NAME_MOST 200 /* bytes; what is added to it has to fit in a file's name */

/* Its name says what is searched for, so that only the same search meets it. */
static uint64_t digest_terms(const struct neighbours *n)
{
    const uint64_t terms[] = {n->digest,
                              XXH3_64bits(n->to.labels, n->to.samples * sizeof(*n->to.labels)),
                              n->search.k,
                              (uint64_t)n->search.metric,
                              (uint64_t)n->search.scope,
                              n->search.d,
                              XXH3_64bits(&n->search.recall, sizeof(n->search.recall))};

    return XXH3_64bits(terms, sizeof(terms));
}

/* Beside the features; where that folder is read-only, in the present one; "" if that is, too, or
 * the name would be too long. */
static void place_partial(const struct neighbours *n, char *path, size_t size)
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
    len = snprintf(path, size, "%s/%s.%016" PRIx64 ".partial", folder, name, digest_terms(n));
    if (len >= (int)size || strlen(name) > NAME_MOST || access(folder, W_OK) != 0)
        path[0] = '\0';
}

/* ---- the search ---- */

/* `unkept`: why the state is not. */
static int end_stopped(const char *partial, const char *unkept)
{
    if (partial && access(partial, F_OK) == 0)
        fprintf(stderr,
                "evendraw: stopped: the same command goes on from where it was, which is kept in "
                "%s\n",
                partial);
    else
        fprintf(stderr, "evendraw: stopped%s: the same command begins anew\n", unkept);
    return search_raise();
}

/* One of the same, under way, keeps its state where this one would, as when several commands of a
 * script search at once: then this one keeps none. */
static int find(const struct neighbours *n, evd_neighbours_options *options, const char **unkept,
                evd_neighbours_result *result)
{
    int code = evd_neighbours(options, n->index, n->distance, result);

    if (code != EVD_E_BUSY || !options->partial)
        return code;
    options->partial = NULL;
    *unkept = ", and another command that searches the same keeps the state of its own only";
    return evd_neighbours(options, n->index, n->distance, result);
}

bool neighbours_find(struct neighbours *n, evd_neighbours_result *result)
{
    evd_neighbours_options options = n->search;
    struct search search;
    const char *unkept = "";
    char partial[4400];
    int code;

    place_partial(n, partial, sizeof(partial));
    if (!*partial)
        unkept = ", and neither the features' folder nor the present one can be written to";
    options.progress = search_show;
    options.arg = &search;
    options.cancel = &search_stopped;
    options.partial = *partial ? partial : NULL;
    search_begin(&search,
                 options.scope == EVD_SCOPE_CLASS ? "searching within classes"
                                                  : "searching among all",
                 n->path);
    code = find(n, &options, &unkept, result);
    search_end(&search);
    if (code == EVD_CANCELLED) {
        n->cli->status = end_stopped(options.partial, unkept);
        return false;
    }
    if (code != EVD_OK)
        cli_error(n->cli, EXIT_INPUT, "%s: %s", n->path, result->message);
    return code == EVD_OK;
}
