/*
 * What more than one method answers with.
 */
#ifndef CALLS_REPLIES_H
#define CALLS_REPLIES_H

#include "jobs/entry.h"

/* A packed value as it is. */
void pack_key_raw(msgpack_packer *pk, const char *key, const void *bytes, size_t n);
/* `strategy`: as it was recorded; nil if it was damaged in the database, or there is none (NULL).
 */
void pack_key_recorded(msgpack_packer *pk, const struct revision *revision);
void pack_key_hex(msgpack_packer *pk, const char *key, uint64_t value);
/* Two entries, `epoch` and `step`; and a map of them. */
void pack_position(msgpack_packer *pk, struct job_position at);
void pack_key_position(msgpack_packer *pk, const char *key, struct job_position at);
/* The entries of a dataset's or a job's info map. */
void reply_dataset(msgpack_packer *pk, const struct dataset *dataset);
void reply_job(msgpack_packer *pk, const struct job_entry *entry);
/* A whole map, of job.list. */
void reply_job_row(msgpack_packer *pk, const struct job_entry *entry);

#endif
