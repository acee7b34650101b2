/*
 * The labels of a source, each once: a hash table that keeps the order in which they were met, and
 * the numbers of the classes. Called by load_classes.c and, in the second pass, by load_send.c.
 */
#include "labels.h"

#include <assert.h>
#include <evendraw.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "number.h"

void labels_init(struct labels *labels)
{
    memset(labels, 0, sizeof(*labels));
}

void labels_fini(struct labels *labels)
{
    for (uint32_t i = 0; i < labels->count; i++) {
        free(labels->items[i].name);
        free(labels->items[i].shortest);
    }
    free(labels->items);
    free(labels->slots);
    free(labels->classes);
    labels_init(labels);
}

/* ---- looking up ---- */

static bool is_name(const struct label *label, const char *name, size_t len)
{
    return strlen(label->name) == len && memcmp(label->name, name, len) == 0;
}

/* The slot that holds the label, or the free one where it belongs. */
static uint32_t *slot_of(const struct labels *labels, const char *name, size_t len)
{
    uint32_t mask = labels->slot_count - 1;
    uint32_t at = (uint32_t)XXH3_64bits(name, len) & mask;

    while (labels->slots[at] != 0 && !is_name(&labels->items[labels->slots[at] - 1], name, len))
        at = (at + 1) & mask;
    return &labels->slots[at];
}

struct label *labels_find(struct labels *labels, const char *name, size_t len)
{
    uint32_t *slot;

    if (labels->count == 0)
        return NULL;
    if (is_name(&labels->items[labels->recent], name, len))
        return &labels->items[labels->recent];
    slot = slot_of(labels, name, len);
    if (*slot == 0)
        return NULL;
    labels->recent = *slot - 1;
    return &labels->items[labels->recent];
}

/* Room for one more label; the table stays at most half full. */
static bool grow(struct labels *labels)
{
    uint32_t capacity = labels->capacity ? labels->capacity * 2 : 64;
    struct label *items;
    uint32_t *slots;

    if (labels->count < labels->capacity)
        return true;
    items = realloc(labels->items, capacity * sizeof(*items));
    if (!items)
        return false;
    labels->items = items;
    slots = calloc((size_t)capacity * 2, sizeof(*slots));
    if (!slots)
        return false;
    free(labels->slots);
    labels->slots = slots;
    labels->slot_count = capacity * 2;
    labels->capacity = capacity;
    for (uint32_t i = 0; i < labels->count; i++)
        *slot_of(labels, items[i].name, strlen(items[i].name)) = i + 1;
    return true;
}

struct label *labels_add(struct labels *labels, const char *name, size_t len)
{
    char *copy;

    assert(!labels_find(labels, name, len));
    if (!grow(labels) || !(copy = strndup(name, len)))
        return NULL;
    *slot_of(labels, name, len) = labels->count + 1;
    labels->items[labels->count] = (struct label){.name = copy};
    return &labels->items[labels->count++];
}

/* ---- no classes ---- */

uint64_t labels_exclude(struct labels *labels, const char *name)
{
    struct number wanted, number;
    bool is_number = number_parse(name, &wanted) && !wanted.padded;
    uint64_t samples = 0;

    for (uint32_t i = 0; i < labels->count; i++) {
        struct label *label = &labels->items[i];
        bool same = is_number ? number_parse(label->name, &number) && !number.padded &&
                                    number_compare(&number, &wanted) == 0
                              : strcmp(label->name, name) == 0;

        if (label->number == LABELS_EXCLUDED || (!same && strcmp(label->name, name) != 0))
            continue;
        label->number = LABELS_EXCLUDED;
        samples += label->count;
    }
    return samples;
}

/* ---- order ---- */

struct ordered {
    struct label *label;
    struct number number; /* if all are numbers */
};

static int by_bytes(const void *a, const void *b)
{
    return strcmp(((const struct ordered *)a)->label->name,
                  ((const struct ordered *)b)->label->name);
}

/*
 * Of one value: by the names of the classes. A spelling with zeros in front is its own, and begins
 * with a zero or a sign, which stand before the digits of the others' name; only 0 is shorter. The
 * others are one class, the shortest spelling first.
 */
static int by_value(const void *a, const void *b)
{
    const struct ordered *x = a, *y = b;
    size_t m = strlen(x->label->name), n = strlen(y->label->name);
    int order = number_compare(&x->number, &y->number);

    if (order != 0)
        return order;
    if (x->number.padded != y->number.padded) {
        const struct ordered *padded = x->number.padded ? x : y;
        bool is_zero = padded->number.digits == padded->number.end;
        bool first = !is_zero || padded->label->name[0] != '0';

        return (padded == x) == first ? -1 : 1;
    }
    if (!x->number.padded && m != n)
        return m < n ? -1 : 1;
    return by_bytes(a, b);
}

/* The classes' labels; are all of them numbers? */
static uint32_t collect(struct labels *labels, struct ordered *order, bool *numeric)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < labels->count; i++) {
        struct ordered *at = &order[n];

        if (labels->items[i].number == LABELS_EXCLUDED)
            continue;
        at->label = &labels->items[i];
        *numeric = *numeric && number_parse(at->label->name, &at->number);
        n++;
    }
    return n;
}

/* What a class of numbers is called; false without memory. */
static bool shorten(struct ordered *at)
{
    char text[EVD_NAME_LIMIT + 1];

    if (at->number.padded || !number_text(&at->number, text, sizeof(text)) ||
        strcmp(text, at->label->name) == 0)
        return true;
    at->label->shortest = strdup(text);
    return at->label->shortest;
}

static bool is_same(const struct ordered *a, const struct ordered *b)
{
    return !a->number.padded && !b->number.padded && number_compare(&a->number, &b->number) == 0;
}

bool labels_order(struct labels *labels, bool bytes, bool *numeric)
{
    struct ordered *order = calloc(labels->count + 1u, sizeof(*order));
    bool ok;
    uint32_t n = 0, count = 0;

    labels->classes = calloc(labels->count + 1u, sizeof(*labels->classes));
    ok = order && labels->classes;
    *numeric = !bytes;
    if (ok) {
        n = collect(labels, order, numeric);
        qsort(order, n, sizeof(*order), *numeric ? by_value : by_bytes);
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        if (i > 0 && *numeric && is_same(&order[i - 1], &order[i])) {
            order[i].label->number = count - 1;
            continue;
        }
        ok = !*numeric || shorten(&order[i]);
        order[i].label->number = count;
        labels->classes[count++] =
            order[i].label->shortest ? order[i].label->shortest : order[i].label->name;
    }
    labels->class_count = count;
    free(order);
    return ok;
}

static bool set_classes(struct labels *labels, const char *const *names, uint32_t count)
{
    labels->classes = calloc(count + 1u, sizeof(*labels->classes));
    if (!labels->classes)
        return false;
    memcpy(labels->classes, names, count * sizeof(*names));
    labels->class_count = count;
    return true;
}

bool labels_number(struct labels *labels, char *const *names, uint32_t count)
{
    for (uint32_t c = 0; c < count; c++) {
        struct label *label = labels_find(labels, names[c], strlen(names[c]));

        if (label)
            label->number = c;
    }
    return set_classes(labels, (const char *const *)names, count);
}

/* A label's number below `count`; false if it is none. */
static bool number_below(const char *name, uint32_t count, uint32_t *value)
{
    struct number number;
    char text[16]; /* of every number that fits 32 bits */
    unsigned long long parsed;

    if (!number_parse(name, &number) || number.negative || !number_is_whole(&number) ||
        !number_text(&number, text, sizeof(text)))
        return false;
    parsed = strtoull(text, NULL, 10);
    *value = (uint32_t)parsed;
    return parsed < count;
}

const struct label *labels_rename(struct labels *labels, const char *const *names, uint32_t count,
                                  bool *ok)
{
    *ok = true;
    for (uint32_t i = 0; i < labels->count; i++) {
        struct label *label = &labels->items[i];

        if (label->number != LABELS_EXCLUDED && !number_below(label->name, count, &label->number))
            return label;
    }
    *ok = set_classes(labels, names, count);
    return NULL;
}
