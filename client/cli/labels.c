/*
 * The labels of a source, each once: a hash table that keeps the order in which they were met, and
 * the numbers of the classes. Called by load_classes.c and, in the second pass, by load_send.c.
 */
#include "labels.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void labels_init(struct labels *labels)
{
    memset(labels, 0, sizeof(*labels));
}

void labels_fini(struct labels *labels)
{
    for (uint32_t i = 0; i < labels->count; i++)
        free(labels->items[i].name);
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

/* ---- order ---- */

static bool is_number(const char *name)
{
    char *end;

    errno = 0;
    strtoll(name, &end, 10);
    return errno == 0 && *end == '\0' &&
           ((*name >= '0' && *name <= '9') || (*name == '-' && name[1]));
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp((*(struct label *const *)a)->name, (*(struct label *const *)b)->name);
}

/* "1" and "01" are different names of the same value: in byte order, so that the result is one. */
static int by_value(const void *a, const void *b)
{
    long long x = strtoll((*(struct label *const *)a)->name, NULL, 10);
    long long y = strtoll((*(struct label *const *)b)->name, NULL, 10);

    return x != y ? (x > y) - (x < y) : by_bytes(a, b);
}

void label_exclude(struct label *label)
{
    label->number = LABELS_EXCLUDED;
}

bool labels_order(struct labels *labels, bool bytes, bool *numeric)
{
    uint32_t n = 0;
    struct label **order = calloc(labels->count + 1u, sizeof(struct label *));

    labels->classes = calloc(labels->count + 1u, sizeof(*labels->classes));
    if (!order || !labels->classes) {
        free(order);
        return false;
    }
    *numeric = !bytes;
    for (uint32_t i = 0; i < labels->count; i++) {
        if (labels->items[i].number == LABELS_EXCLUDED)
            continue;
        order[n++] = &labels->items[i];
        *numeric = *numeric && is_number(labels->items[i].name);
    }
    qsort(order, n, sizeof(struct label *), *numeric ? by_value : by_bytes);
    for (uint32_t i = 0; i < n; i++) {
        order[i]->number = i;
        labels->classes[i] = order[i]->name;
    }
    labels->class_count = n;
    free(order);
    return true;
}

const struct label *labels_rename(struct labels *labels, const char *const *names, uint32_t count,
                                  bool *ok)
{
    *ok = true;
    for (uint32_t i = 0; i < labels->count; i++) {
        struct label *label = &labels->items[i];
        long long value = strtoll(label->name, NULL, 10);

        if (label->number == LABELS_EXCLUDED)
            continue;
        if (!is_number(label->name) || value < 0 || value >= count)
            return label;
        label->number = (uint32_t)value;
    }
    labels->classes = calloc(count + 1u, sizeof(*labels->classes));
    if (!labels->classes)
        *ok = false;
    else
        memcpy(labels->classes, names, count * sizeof(*names));
    labels->class_count = count;
    return NULL;
}
