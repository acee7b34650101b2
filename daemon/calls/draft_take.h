/*
 * What a draft takes of one request: class names, labels and weights, counted before they are
 * taken.
 */
#ifndef CALLS_DRAFT_TAKE_H
#define CALLS_DRAFT_TAKE_H

#include "codec/chunk.h"
#include "jobs/draft.h"
#include "proto/message.h"

/* `classes`: the field of that name, or NULL. `chunk`: the rest of a dataset.append, or NULL. What
 * does not fit into memory is refused before any of it is taken; after another error a part of it
 * may have been, and the draft is of no use. */
int draft_take(struct draft *draft, const msgpack_object *classes, const struct chunk *chunk,
               struct evd_error *err) MUST_CHECK;

#endif
