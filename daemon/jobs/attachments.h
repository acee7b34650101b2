/*
 * Attachments of datasets, as those who ask by name find them. The table itself is the dataset's
 * (dataset/attachment.h).
 *
 * Who reads one beyond the turn of the loop in which it was found raises its `uses`, and is a user
 * of its dataset: then neither goes. What it points to does not move, and never changes.
 */
#ifndef JOBS_ATTACHMENTS_H
#define JOBS_ATTACHMENTS_H

#include "dataset/attachment.h"
#include "jobs/state.h"

/* NULL and NOT_FOUND, which says what there is instead, or STORE if it is damaged. */
struct attachment *attachments_find(struct jobs *jobs, const struct dataset *dataset,
                                    struct evd_str name, struct evd_error *err);
/* The same for a strategy that needs one of a kind; whoever finds one looks whether it is of that.
 * NOT_FOUND says which of the kind there are. */
struct attachment *attachments_find_kind(struct jobs *jobs, const struct dataset *dataset,
                                         struct evd_str name, enum attachment_kind kind,
                                         struct evd_error *err);
/* The same as the first, damaged or not: to drop it. */
struct attachment *attachments_find_any(struct jobs *jobs, const struct dataset *dataset,
                                        struct evd_str name, struct evd_error *err);
/* To the dataset's, of which none has that name (dataset_attach); false without memory. */
bool attachments_add(struct jobs *jobs, struct dataset *dataset,
                     struct attachment *attachment) MUST_CHECK;
/* Out of the dataset's, and freed. */
void attachments_remove(struct jobs *jobs, struct dataset *dataset, struct attachment *attachment);

#endif
