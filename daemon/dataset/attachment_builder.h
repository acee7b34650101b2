/*
 * Attachments on their way in: rows arrive in pieces, in the form of the wire. Distances are
 * checked and digested, and not kept. Called by attachment.create and its kin, and when they are
 * loaded.
 */
#ifndef DATASET_ATTACHMENT_BUILDER_H
#define DATASET_ATTACHMENT_BUILDER_H

#include "dataset/attachment.h"

struct attachment_builder;

/* For a dataset of so many samples; NULL: no memory. The caller knows that the form is one. */
struct attachment_builder *attachment_builder_new(const struct attachment_form *form,
                                                  uint64_t samples) MUST_CHECK;
void attachment_builder_free(struct attachment_builder *builder);
/* What whoever makes it says of it: a MessagePack map, which the builder takes over. */
void attachment_builder_say(struct attachment_builder *builder, void *facts, size_t bytes);
const void *attachment_builder_facts(const struct attachment_builder *builder, size_t *bytes);
const struct attachment_form *attachment_builder_form(const struct attachment_builder *builder);
uint64_t attachment_builder_samples(const struct attachment_builder *builder); /* so far */
/* Bytes, of what is filled; and how many more with so many rows. */
uint64_t attachment_builder_memory(const struct attachment_builder *builder);
uint64_t attachment_builder_more(const struct attachment_builder *builder, uint64_t rows);
/* The next rows, as on the wire. All or none: an error names what is wrong, and leaves the builder
 * as it was. What rows say of labels is looked at when it is built. */
int attachment_builder_append(struct attachment_builder *builder, const void *rows, size_t bytes,
                              const void *distances, size_t distance_bytes,
                              struct evd_error *err) MUST_CHECK;
/* Compares every row with the dataset: O(rows), for a worker thread; gives up
 * (EVD_E_SHUTTING_DOWN) soon after *cancel is set (NULL: never is). The builder is used up (freed)
 * on success only. Errors name the first row that cannot be: EVD_E_BAD_VALUE. */
int attachment_build(struct attachment_builder *builder, const struct dataset *dataset,
                     const atomic_bool *cancel, struct attachment **out,
                     struct evd_error *err) MUST_CHECK;

#endif
