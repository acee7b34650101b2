/*
 * Strategies on the wire: a map with `kind` and that kind's parameters <-> struct strategy.
 *
 * Walks the table of kinds; knows none of them. Explicit numbers by class come as a map from class
 * names, or in class order as an array or as bin of little-endian f64.
 */
#ifndef CODEC_STRATEGY_H
#define CODEC_STRATEGY_H

#include <msgpack.h>
#include "dataset/dataset.h"
#include "proto/buf.h"
#include "sampler/strategy.h"

/* NULL is {kind: "uniform"}. On an error there is nothing to fini. Errors: EVD_E_STRATEGY
 * for an unknown kind, UNKNOWN_FIELD, MISSING_FIELD, BAD_TYPE, BAD_VALUE, NOT_FOUND for a class or
 * a column. */
int strategy_decode(const msgpack_object *object, const struct dataset *dataset,
                    struct strategy *out, struct evd_error *err);
/* The same from stored bytes. */
int strategy_decode_bytes(const void *bytes, size_t n, const struct dataset *dataset,
                          struct strategy *out, struct evd_error *err);
/* The weights of samples that a parameter names, or NULL: none does. They are the dataset's. */
const double *strategy_column(const struct strategy *strategy, const struct dataset *dataset);
/* The canonical form: `from`, parameters in the table's order, `pairs`; only those that were given.
 */
void strategy_encode(const struct strategy *strategy, const struct dataset *dataset,
                     struct evd_buf *out);
/* The kind that a canonical form begins with, within its bytes; empty if it is none. */
struct evd_str strategy_kind_text(const void *bytes, size_t n);
/* May a canonical form name attachments? False only if it does not. */
bool strategy_names_attached(const void *bytes, size_t n);

#endif
