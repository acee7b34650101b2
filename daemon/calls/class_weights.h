/*
 * Class weights for losses, as dataset.stats and job.stats give them.
 */
#ifndef CALLS_CLASS_WEIGHTS_H
#define CALLS_CLASS_WEIGHTS_H

#include "calls/page.h"
#include "dataset/weights.h"

struct weights_ask {
    bool wanted;
    enum weight_kind kind;
    double term; /* beta or tau, of kinds that have one */
};
/* A field that may be given, as methods decode it. */
struct weights_term {
    bool given;
    double value;
};
/* From optional `weights`, `beta` and `tau`; BAD_VALUE. */
int weights_ask(bool has_kind, struct evd_str kind, struct weights_term beta,
                struct weights_term tau, struct weights_ask *out, struct evd_error *err);
/* `values`: one for each class of the dataset. Minus infinity is sent as nil. */
void pack_weights(msgpack_packer *pk, const struct weights_ask *ask, const double *values,
                  const struct page *page);

#endif
