/*
 * Reading attachments back, one after the other. For load.c.
 */
#ifndef JOBS_LOAD_ATTACHMENT_H
#define JOBS_LOAD_ATTACHMENT_H

#include "dataset/attachment_builder.h"
#include "jobs/state.h"

/* The one that is being read. */
struct attachment_load {
    struct jobs *jobs;
    struct dataset *dataset; /* NULL: it is not there */
    struct store_attachment row;
    struct attachment_form form;
    char name[EVD_MAX_NAME + 1];
    struct attachment_builder *builder;
};

/* As struct store_reader has them. */
int attachment_load_begin(struct attachment_load *load, const struct store_attachment *attachment,
                          struct evd_error *err) MUST_CHECK;
int attachment_load_rows(struct attachment_load *load, const struct store_rows *rows,
                         struct evd_error *err) MUST_CHECK;
int attachment_load_end(struct attachment_load *load, struct evd_error *err) MUST_CHECK;
int attachment_load_damaged(struct attachment_load *load, const struct evd_error *why,
                            struct evd_error *err) MUST_CHECK;

#endif
