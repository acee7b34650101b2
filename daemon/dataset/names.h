/*
 * A growing list of unique names, found by name or number. Part of builder and dataset.
 */
#ifndef DATASET_NAMES_H
#define DATASET_NAMES_H

#include <stddef.h>
#include <stdint.h>
#include "proto/text.h"

struct names {
    char *text; /* one after the other, each ended by NUL */
    size_t text_len, text_cap;
    uint64_t *at; /* where each begins in text */
    uint32_t count, at_cap;
    uint32_t *hash; /* open addressing: number + 1, or 0; at most half full */
    uint32_t hash_size;
};

/* EVD_OK, EVD_E_EXISTS or EVD_E_NO_MEMORY; the list is unchanged unless EVD_OK. */
int names_add(struct names *names, struct evd_str name);
int64_t names_find(const struct names *names, struct evd_str name); /* its number, or -1 */
size_t names_memory(const struct names *names); /* bytes that are filled, not those reserved */
/* How many more that will be with `count` further names of `text` bytes, their ends included. */
size_t names_more(const struct names *names, uint32_t count, size_t text);
void names_fini(struct names *names);

#endif
