/*
 * What workers report (job.report), from MessagePack to numbers. Called by calls/report.c.
 */
#ifndef CODEC_REPORT_H
#define CODEC_REPORT_H

#include "dataset/dataset.h"
#include "feedback/confusion.h"
#include "proto/methods.h"

/* The samples of one report, all owned. */
struct report_samples {
    struct confusion_batch batch;
    uint32_t *label, *predicted; /* the batch's */
    double *loss, *score;        /* the batch's; NULL: not given */
};

/* Decodes them and looks up the labels of the job's dataset. BAD_TYPE, BAD_VALUE, LIMIT (more than
 * the job's batch) or NO_MEMORY; whatever it returns, *out is to be finished. */
int report_decode(const struct params_job_report *p, const struct dataset *dataset,
                  uint32_t batch_size, struct report_samples *out,
                  struct evd_error *err) MUST_CHECK;
void report_fini(struct report_samples *samples);

#endif
