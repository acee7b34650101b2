/*
 * Text from a peer: a pointer into a request, not terminated.
 */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"

struct evd_str {
    const char *data; /* not terminated */
    uint32_t len;
};

/* Is `text` this? */
bool str_is(struct evd_str text, const char *literal);
/* Into len + 1 bytes, terminated. */
void str_copy(char *to, struct evd_str text);
bool str_utf8(struct evd_str text);
/* Bytes of the UTF-8 character at s (n > 0 bytes are left), or 0 if there is no valid one. */
size_t utf8_length(const char *s, size_t n);
/* Is the UTF-8 character at s a control character, of ASCII or of U+0080..U+009F? */
bool utf8_control(const char *s);
/* How many single-character edits make one of the other, for "did you mean"; only the first 32
 * bytes count. */
uint32_t str_distance(struct evd_str text, const char *known);
/* A name for a dataset, job or class: 1..EVD_MAX_NAME bytes of UTF-8 without control characters.
 * `what` is for the message ("job name"). EVD_OK, EVD_E_BAD_VALUE or EVD_E_LIMIT. */
int name_check(struct evd_str name, const char *what, struct evd_error *err) MUST_CHECK;

#endif
