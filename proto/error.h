/*
 * An error on its way to whoever caused it: a code of evendraw_errors.h, a sentence that says what
 * is wrong and what to do next, and a machine-readable detail (a field's or object's name).
 */
#ifndef PROTO_ERROR_H
#define PROTO_ERROR_H

#include "proto/check.h"
#include "proto/evendraw_errors.h"

struct evd_error {
    int code; /* EVD_OK or EVD_E_* */
    char message[384];
    char detail[136]; /* the field, class, job, ... it is about; may be empty */
};

/* Fills *err and returns code, so that `return error_set(err, EVD_E_LIMIT, "x", ...)` reads well.
 * Over-long text is cut at a UTF-8 boundary; bytes of a peer in detail or message are made
 * printable. */
int error_set(struct evd_error *err, int code, const char *detail, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#ifdef __clang_analyzer__
/* What the analyser cannot see from other files: it returns its code. */
#define error_set(err, code, ...) (error_set((err), (code), __VA_ARGS__), (code))
#endif

/* EVD_E_NO_MEMORY, as the daemon says it to whoever asked for something. Returns the code. */
int error_no_memory(struct evd_error *err);
/* EVD_E_SHUTTING_DOWN: what the daemon says to whoever asked for heavy work that was given up. */
int error_given_up(struct evd_error *err);

/* "bad_value" for EVD_E_BAD_VALUE; "unknown" for what is not in the list. Static storage. */
const char *error_name(int code);

#endif
