/*
 * What the tables of names have in common. For datasets.c and jobs.c.
 */
#ifndef JOBS_NAMES_H
#define JOBS_NAMES_H

#include <stdlib.h>
#include <string.h>
#include "proto/text.h"

/* Order of a name of ours and one from a peer, which may hold anything, NUL and far more bytes than
 * ours. */
static inline int name_compare(const char *known, struct evd_str name)
{
    size_t len = strlen(known);
    int order = memcmp(known, name.data, len < name.len ? len : name.len);

    return order ? order : (len > name.len) - (len < name.len);
}

/* Room for one more element; *cap is doubled as needed. NULL without memory, and the array is as it
 * was. */
static inline void *table_grow(void *array, uint32_t count, uint32_t *cap, size_t size)
{
    uint32_t more = *cap ? *cap * 2 : 16;
    void *grown;

    if (count < *cap)
        return array;
    grown = realloc(array, more * size);
    if (grown)
        *cap = more;
    return grown;
}

#endif
