/* The part of dataset.stats and job.stats that gives class weights for losses. */
#include "calls/class_weights.h"

#include <math.h>
#include <stdio.h>
#include "proto/pack.h"

static int unknown_kind(struct evd_str name, struct evd_error *err)
{
    char known[160] = "";
    size_t len = 0;

    for (int i = 0; i < WEIGHT_KIND_COUNT && len < sizeof(known); i++)
        len += (size_t)snprintf(known + len, sizeof(known) - len, i ? ", %s" : "%s",
                                weight_kind_name((enum weight_kind)i));
    return error_set(err, EVD_E_BAD_VALUE, "weights",
                     "there are no class weights \"%.*s\": there are %s",
                     name.len < 64 ? (int)name.len : 64, name.data, known);
}

static int not_of(const char *term, enum weight_kind kind, struct evd_error *err)
{
    return error_set(err, EVD_E_BAD_VALUE, term, "\"%s\" goes only with \"weights\": \"%s\"", term,
                     weight_kind_name(kind));
}

int weights_ask(bool has_kind, struct evd_str kind, struct weights_term beta,
                struct weights_term tau, struct weights_ask *out, struct evd_error *err)
{
    int found = has_kind ? weight_kind_find(kind) : -1;
    const uint64_t one = 1;
    double weight;

    *out = (struct weights_ask){.wanted = has_kind};
    if (has_kind && found < 0)
        return unknown_kind(kind, err);
    if (beta.given && found != WEIGHT_EFFECTIVE_NUMBER)
        return not_of("beta", WEIGHT_EFFECTIVE_NUMBER, err);
    if (tau.given && found != WEIGHT_LOGIT_ADJUSTMENT)
        return not_of("tau", WEIGHT_LOGIT_ADJUSTMENT, err);
    if (!has_kind)
        return EVD_OK;
    out->kind = (enum weight_kind)found;
    if (out->kind == WEIGHT_LOGIT_ADJUSTMENT)
        out->term = tau.given ? tau.value : WEIGHT_DEFAULT_TAU;
    else
        out->term = beta.given ? beta.value : WEIGHT_DEFAULT_BETA;
    /* Refuses a bad term before anything is counted. */
    return weights_from_counts(out->kind, &one, 1, out->term, &weight, err);
}

void pack_weights(msgpack_packer *pk, const struct weights_ask *ask, const double *values,
                  const struct page *page)
{
    if (!ask->wanted)
        return;
    pack_key_cstr(pk, "weights", weight_kind_name(ask->kind));
    if (ask->kind == WEIGHT_EFFECTIVE_NUMBER)
        pack_key_f64(pk, "beta", ask->term);
    if (ask->kind == WEIGHT_LOGIT_ADJUSTMENT)
        pack_key_f64(pk, "tau", ask->term);
    pack_key_array(pk, "weight", page->count);
    for (uint32_t i = 0; i < page->count; i++) {
        double value = values[page->first + i];

        if (isfinite(value))
            msgpack_pack_double(pk, value);
        else
            msgpack_pack_nil(pk);
    }
}
