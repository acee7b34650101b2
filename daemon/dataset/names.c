/* Class names in one text, found by hash (names.h). Called by the builder and by whoever asks a
 * dataset for a class. */
#include "dataset/names.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define FIRST_HASH 64u

/* The slot that holds the name, or the empty one where it belongs. */
static uint32_t find_slot(const struct names *names, struct evd_str name)
{
    uint32_t mask = names->hash_size - 1;
    uint32_t slot = (uint32_t)XXH3_64bits(name.data, name.len) & mask;

    while (names->hash[slot] != 0 && !str_is(name, names->text + names->at[names->hash[slot] - 1]))
        slot = (slot + 1) & mask;
    return slot;
}

static int grow_hash(struct names *names)
{
    uint32_t old_size = names->hash_size;
    uint32_t *old = names->hash;
    uint32_t size = old_size ? old_size * 2 : FIRST_HASH;
    uint32_t *hash = calloc(size, sizeof(*hash));

    if (!hash)
        return EVD_E_NO_MEMORY;
    names->hash = hash;
    names->hash_size = size;
    for (uint32_t i = 0; i < names->count; i++) {
        const char *text = names->text + names->at[i];
        hash[find_slot(names, (struct evd_str){text, (uint32_t)strlen(text)})] = i + 1;
    }
    free(old);
    return EVD_OK;
}

static int grow_text(struct names *names, size_t need)
{
    size_t cap = names->text_cap + names->text_cap / 2 + 256;
    char *text;

    if (cap < need)
        cap = need;
    text = realloc(names->text, cap);
    if (!text)
        return EVD_E_NO_MEMORY;
    names->text = text;
    names->text_cap = cap;
    return EVD_OK;
}

static int grow_at(struct names *names)
{
    uint32_t cap = names->at_cap + names->at_cap / 2 + 16;
    uint64_t *at = realloc(names->at, cap * sizeof(*at));

    if (!at)
        return EVD_E_NO_MEMORY;
    names->at = at;
    names->at_cap = cap;
    return EVD_OK;
}

int names_add(struct names *names, struct evd_str name)
{
    size_t need = names->text_len + name.len + 1;
    uint32_t slot;

    if (names->count >= names->hash_size / 2 && grow_hash(names) != EVD_OK)
        return EVD_E_NO_MEMORY;
    slot = find_slot(names, name);
    if (names->hash[slot] != 0)
        return EVD_E_EXISTS;
    if (need > names->text_cap && grow_text(names, need) != EVD_OK)
        return EVD_E_NO_MEMORY;
    if (names->count == names->at_cap && grow_at(names) != EVD_OK)
        return EVD_E_NO_MEMORY;
    memcpy(names->text + names->text_len, name.data, name.len);
    names->text[need - 1] = '\0';
    names->at[names->count++] = names->text_len;
    names->text_len = need;
    names->hash[slot] = names->count;
    return EVD_OK;
}

int64_t names_find(const struct names *names, struct evd_str name)
{
    if (names->hash_size == 0)
        return -1;
    return (int64_t)names->hash[find_slot(names, name)] - 1;
}

size_t names_memory(const struct names *names)
{
    return names->text_len + names->count * sizeof(*names->at) +
           names->hash_size * sizeof(*names->hash);
}

size_t names_more(const struct names *names, uint32_t count, size_t text)
{
    uint64_t size = names->hash_size ? names->hash_size : FIRST_HASH;

    while (count > 0 && names->count + count > size / 2)
        size *= 2;
    if (count == 0)
        return 0;
    return text + count * sizeof(*names->at) + (size - names->hash_size) * sizeof(*names->hash);
}

void names_fini(struct names *names)
{
    free(names->text);
    free(names->at);
    free(names->hash);
    *names = (struct names){0};
}
