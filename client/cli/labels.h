/*
 * The classes of a source: collected in a first pass, put in order, numbered.
 */
#ifndef CLI_LABELS_H
#define CLI_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LABELS_EXCLUDED UINT32_MAX /* instead of a class's number */

struct label {
    char *name;      /* as the source spells it */
    char *shortest;  /* of a number: what its class is called; NULL: `name` */
    uint64_t count;  /* samples met in the first pass */
    uint32_t number; /* of the class, once they are in order */
};

struct labels {
    struct label *items; /* in the order they were met */
    uint32_t count, capacity;
    uint32_t *slots; /* open addressing: index in items + 1, or 0 */
    uint32_t slot_count;
    uint32_t recent;      /* the label looked up last: files often hold runs */
    const char **classes; /* names by class number; set by labels_order or labels_rename */
    uint32_t class_count;
};

void labels_init(struct labels *labels);
void labels_fini(struct labels *labels);
/* NULL if it is not there. */
struct label *labels_find(struct labels *labels, const char *name, size_t len);
/* Adds a label that is not there yet; NULL without memory. */
struct label *labels_add(struct labels *labels, const char *name, size_t len)
    __attribute__((warn_unused_result));
/* Every spelling of this label is no class: what numbers the classes leaves it out. How many
 * samples have it. */
uint64_t labels_exclude(struct labels *labels, const char *name);
/*
 * Numbers the classes. If all are numbers, and `bytes` is not set: by value (*numeric); those of
 * one value are one class, named in the shortest form (+1 and 1.0: 1), except that a spelling with
 * zeros in front (007) is a class of its own. Otherwise every text is a class, in byte order. False
 * without memory.
 */
bool labels_order(struct labels *labels, bool bytes, bool *numeric)
    __attribute__((warn_unused_result));
/* Numbers the classes by `names`, which hold every label. False without memory. */
bool labels_number(struct labels *labels, char *const *names, uint32_t count)
    __attribute__((warn_unused_result));
/* Numbers the classes by `names`: label c is called names[c]. The label that is no number below
 * `count`, or NULL; *ok is false without memory. `names` must outlive the labels. */
const struct label *labels_rename(struct labels *labels, const char *const *names, uint32_t count,
                                  bool *ok);

#endif
