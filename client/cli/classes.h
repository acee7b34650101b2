/* Answers about classes. */
#ifndef CLI_CLASSES_H
#define CLI_CLASSES_H

#include "table.h"

/* What an array of an answer holds for class i; NULL if it is not there. */
const json_t *class_item(const json_t *answer, const char *key, size_t i);
uint64_t class_u64(const json_t *answer, const char *key, size_t i);
const char *class_name(const json_t *answer, size_t i); /* "?" if it is not there */

/* A table of classes. The first column is their names and has no key; the second one's numbers
 * choose the classes that are shown where they are many and not `all` are wanted. */
void print_classes(const json_t *answer, const struct column *columns, bool all);

/* All of them in class order, or the largest and the smallest if there are many. */
struct shown {
    size_t *class; /* n class numbers; owned */
    size_t n, gap; /* before class[gap] others were left out; gap == n: none were */
    size_t all;
};

/* `counts`: an array with one number for each class. False without memory, after a message. */
bool shown_init(struct shown *shown, const json_t *counts, bool all)
    __attribute__((warn_unused_result));
void shown_fini(struct shown *shown);
/* "... 1,234": what stands in the gap. */
const char *shown_between(const struct shown *shown);

#endif
