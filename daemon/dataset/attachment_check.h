/*
 * What rows of an attachment must be like. Internal to the dataset layer.
 */
#ifndef DATASET_ATTACHMENT_CHECK_H
#define DATASET_ATTACHMENT_CHECK_H

#include "dataset/attachment.h"

/* Rows and distances as they come, the first being that of sample `first`: whole rows, distances of
 * all neighbours, finite and ascending; 0 or 1 in a selection. */
int attachment_check_piece(const struct attachment_form *form, uint64_t first, const void *rows,
                           size_t bytes, const void *distances, size_t distance_bytes,
                           struct evd_error *err) MUST_CHECK;
/* All rows against the labels; counts `kept` and `lacking`. */
int attachment_check(struct attachment *attachment, const struct dataset *dataset,
                     const atomic_bool *cancel, struct evd_error *err) MUST_CHECK;

#endif
