/*
 * Answers about classes: one array for each property, with a value for each class. Which classes
 * are shown, and tables of them. Called by the printers of stats, weights, preview, job stats,
 * confusion.
 */
#include "classes.h"

#include <stdlib.h>
#include "commands.h"

const json_t *class_item(const json_t *answer, const char *key, size_t i)
{
    return json_array_get(json_object_get(answer, key), i);
}

uint64_t class_u64(const json_t *answer, const char *key, size_t i)
{
    return value_u64(class_item(answer, key, i));
}

const char *class_name(const json_t *answer, size_t i)
{
    const char *name = json_string_value(class_item(answer, "class", i));

    return name ? name : "?";
}

/* ---- which classes ---- */

void parse_all_classes(const struct given *given)
{
    given->cli->all_classes = true;
}

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

    if (!order)
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
    if (!shown->class)
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

const char *shown_between(const struct shown *shown)
{
    return text_of("... %s", text_count(shown->all - shown->n));
}

static void note_left_out(const struct shown *shown)
{
    if (shown->n < shown->all)
        printf("%s classes are left out; --all shows them\n", text_count(shown->all - shown->n));
}

void print_classes(const json_t *answer, const struct column *columns, bool all)
{
    struct table *table = table_new(columns);
    struct shown shown;

    if (!shown_init(&shown, json_object_get(answer, columns[1].key), all))
        shown.n = 0;
    for (size_t row = 0; row < shown.n; row++) {
        size_t c = shown.class[row];

        if (row == shown.gap)
            table_gap(table, shown_between(&shown));
        table_add(table, class_name(answer, c));
        for (const struct column *column = columns + 1; column->title; column++)
            table_add(table, column->cell(class_item(answer, column->key, c)));
    }
    table_print(table);
    note_left_out(&shown);
    shown_fini(&shown);
}
