/*
 * What more than one method answers with.
 */
#ifndef CALLS_REPLIES_H
#define CALLS_REPLIES_H

#include "dataset/attachment.h"
#include "jobs/entry.h"

struct shown;

/* A packed value as it is. */
void pack_key_raw(msgpack_packer *pk, const char *key, const void *bytes, size_t n);
/* `strategy`: as it was recorded, and if it is not in memory, from `shown` (shown.h; NULL:
 * nothing); nil if it was damaged in the database, or there is none (NULL). */
void pack_key_recorded(msgpack_packer *pk, const struct revision *revision,
                       const struct shown *shown);
void pack_key_hex(msgpack_packer *pk, const char *key, uint64_t value);
/* Two entries, `epoch` and `step`; and a map of them. */
void pack_position(msgpack_packer *pk, struct job_position at);
void pack_key_position(msgpack_packer *pk, const char *key, struct job_position at);
/* The entries of a dataset's, an attachment's or a job's info map. */
void reply_dataset(msgpack_packer *pk, const struct dataset *dataset);
void reply_attachment(msgpack_packer *pk, const struct dataset *dataset,
                      const struct attachment *attachment);
void reply_job(msgpack_packer *pk, const struct job_entry *entry, const struct shown *shown);
/* The revisions whose strategies that shows: a select of shown.h. */
bool reply_job_shows(const struct job_entry *entry, const struct revision **out, uint32_t *count);
/* A whole map, of job.list. */
void reply_job_row(msgpack_packer *pk, const struct job_entry *entry);

#endif
