#include <stdlib.h>
#include "cli.h"

/* With more classes than MANY only the HEAD largest and HEAD smallest are shown. */
#define MANY 40u
#define HEAD ((size_t)12)

struct counted {
    uint64_t count;
    size_t class;
};

static int by_count(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return (x->class > y->class) - (x->class < y->class);
}

/* The largest classes, then the smallest. */
static bool choose(struct shown *shown, const json_t *counts)
{
    struct counted *order = calloc(shown->all, sizeof(*order));

    if (order == NULL)
        return false;
    for (size_t i = 0; i < shown->all; i++)
        order[i] = (struct counted){value_u64(json_array_get(counts, i)), i};
    qsort(order, shown->all, sizeof(*order), by_count);
    for (size_t i = 0; i < HEAD; i++) {
        shown->class[i] = order[i].class;
        shown->class[HEAD + i] = order[shown->all - HEAD + i].class;
    }
    free(order);
    return true;
}

bool shown_init(struct shown *shown, const json_t *counts, bool all)
{
    bool ok = true;

    shown->all = json_array_size(counts);
    shown->n = all || shown->all <= MANY ? shown->all : 2 * HEAD;
    shown->gap = shown->n < shown->all ? HEAD : shown->n;
    shown->class = calloc(shown->n + 1, sizeof(*shown->class));
    if (shown->class == NULL)
        ok = false;
    else if (shown->n < shown->all)
        ok = choose(shown, counts);
    else
        for (size_t i = 0; i < shown->n; i++)
            shown->class[i] = i;
    if (!ok) {
        fputs("evendraw: no memory to print the classes\n", stderr);
        shown->n = shown->gap = 0;
    }
    return ok;
}

void shown_fini(struct shown *shown)
{
    free(shown->class);
}

const char *shown_between(const struct shown *shown, text_t out)
{
    text_t count;

    snprintf(out, sizeof(text_t), "... %.30s", text_count(count, shown->all - shown->n));
    return out;
}

void shown_note(const struct shown *shown)
{
    text_t count;

    if (shown->n < shown->all)
        printf("%s classes are left out; --all shows them\n",
               text_count(count, shown->all - shown->n));
}
