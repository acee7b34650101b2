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
/* Does it rule the text behind it, so that a line shows otherwise than it is: a bidirectional
 * embedding, override or isolate, or the end of a line or paragraph? */
bool utf8_override(const char *s);
/* Text that may hold anything, fit for a line of a log: what is no UTF-8, no visible character or a
 * backslash becomes \xHH, \u{HEX} or \\. Into `size` bytes, terminated, cut between characters. */
void text_escape(char *to, size_t size, const char *text);
/* How many single-character edits make one of the other, for "did you mean"; only the first 32
 * bytes count. */
uint32_t str_distance(struct evd_str text, const char *known);
/* A new name for a dataset, job, class, column or client: 1..EVD_MAX_NAME bytes of UTF-8 without
 * control characters and without what utf8_override says. `what` is for the message ("job name").
 * EVD_OK, EVD_E_BAD_VALUE or EVD_E_LIMIT. */
int name_check(struct evd_str name, const char *what, struct evd_error *err) MUST_CHECK;
/* A name that is stored already, perhaps by a daemon that let overrides pass. */
int name_check_stored(struct evd_str name, const char *what, struct evd_error *err) MUST_CHECK;

#endif
