/*
 * Text from a peer: a pointer into a request, not terminated.
 */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/error.h"

struct evd_str {
    const char *data; /* not terminated */
    uint32_t len;
};

/* Is `text` this? */
bool str_is(struct evd_str text, const char *literal);
bool str_utf8(struct evd_str text);
/* A name for a dataset, job or class: 1..EVD_MAX_NAME bytes of UTF-8 without control characters.
 * `what` is for the message ("job name"). EVD_OK, EVD_E_BAD_VALUE or EVD_E_LIMIT. */
int name_check(struct evd_str name, const char *what, struct evd_error *err);

#endif
