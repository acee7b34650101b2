/*
 * Strategies as the database has them: bytes in the canonical form (strategy.h), which go to
 * clients as they are, and so must be looked at before.
 */
#ifndef CODEC_RECORDED_H
#define CODEC_RECORDED_H

#include <stddef.h>
#include "proto/check.h"
#include "proto/error.h"

/* Are they such a form, if perhaps of a kind that is not known? EVD_OK, STORE or NO_MEMORY. */
int recorded_check(const void *bytes, size_t n, struct evd_error *err) MUST_CHECK;
/* What is said of those that are not; EVD_E_STORE. */
int recorded_damaged(struct evd_error *err);

#endif
