/*
 * The handlers: do_NOUN_VERB for each method of proto/methods.h, in the file of its noun. Called by
 * calls.c only.
 */
#ifndef CALLS_HANDLERS_H
#define CALLS_HANDLERS_H

#include "server/session.h"

/* Answers, or makes a task, and returns EVD_OK; or returns what it put into call->err, which is
 * then the answer. */
#define HANDLER(id, ...) int do_##id(struct call *call, const struct params_##id *p) MUST_CHECK;
EVD_METHODS(HANDLER)
#undef HANDLER

#endif
