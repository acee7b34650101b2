/*
 * Which engine a database's address means. store_open asks.
 */
#include "store/engine.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct store_engine *const engines[] = {
#define ENGINE_ROW(engine) &engine,
    STORE_ENGINES(ENGINE_ROW)
#undef ENGINE_ROW
};

#define ENGINE_COUNT (sizeof(engines) / sizeof(engines[0]))

static void refuse(const char *address, size_t scheme, struct evd_error *err)
{
    char known[128] = "";
    size_t n = 0;

    for (size_t i = 0; i < ENGINE_COUNT; i++) {
        n += (size_t)snprintf(known + n, sizeof(known) - n, " %s:", engines[i]->scheme);
        assert(n < sizeof(known));
    }
    error_set(err, EVD_E_BAD_VALUE, "store",
              "there is no engine for databases at %.*s://; name a file, or an address that begins "
              "with one of:%s",
              (int)scheme, address, known);
}

const struct store_engine *engine_find(const char *address, const char **place,
                                       struct evd_error *err)
{
    size_t len = strcspn(address, ":/");

    for (size_t i = 0; i < ENGINE_COUNT; i++) {
        if (strncmp(engines[i]->scheme, address, len) == 0 && !engines[i]->scheme[len] &&
            address[len] == ':') {
            *place = address + len + 1;
            return engines[i];
        }
    }
    /* A path may have a colon in it; what looks like a URL is not meant as one. */
    if (strncmp(address + len, "://", 3) == 0) {
        refuse(address, len, err);
        return NULL;
    }
    *place = address;
    return engines[0];
}
