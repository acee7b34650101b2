/*
 * What the daemon says: the keys of each method's answer, of each notification and of the maps in
 * them, as methods.h has the fields of requests. PROTOCOL.md is compared with these rows, and where
 * EVD_CHECKS is defined every map that the daemon packs is, too.
 *
 * EVD_ANSWER_<id>(K), EVD_NOTE_<id>(K) and EVD_PART_<id>(K): K(type, name), type being one of
 *
 *     str u32 u64 f64 boolean array
 *     dict          a map whose keys are not ours: a strategy
 *     column        array or bin                 bin
 *     map(part)     a map of these keys          maps(part)   an array of such
 *     nullable(t)   a t or nil                   maybe(t)     a t, or the key is not there
 */
#ifndef PROTO_ANSWERS_H
#define PROTO_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/methods.h"
#include "proto/text.h"

/* clang-format off */

/* ---- maps within answers; those within others come first ---- */

#define EVD_PARTS(P)                                                                               \
    P(hello_limits) P(limits) P(store) P(holds) P(works) P(parameter) P(kind) P(dataset)           \
    P(attachment) P(extreme) P(position)                                                           \
    P(revision) P(job_row) P(epoch) P(reported) P(scores) P(best) P(thresholds)                    \
    P(objective) P(worker) P(past_revision) P(seek) P(world) P(damage)

#define EVD_PART_hello_limits(K)                                                                   \
    K(u64, depth) K(u64, nodes) K(u64, reply_frame) K(u64, name) K(u64, classes) K(u64, batch)     \
    K(u64, world_size) K(u64, page) K(u64, rows) K(u64, frame) K(u64, window) K(u64, streams)
#define EVD_PART_limits(K)                                                                         \
    EVD_PART_hello_limits(K) K(u64, jobs) K(u64, datasets) K(u64, drafts) K(u64, works)            \
    K(u64, labels) K(u64, attachments) K(u64, send_limit) K(u64, connections) K(u64, outstanding) K(u64, send_buffer) K(u64, buffers) \
    K(u64, connections_each) K(u64, hello_time) K(u64, frame_time) K(u64, history) K(u64, memory)
#define EVD_PART_store(K)                                                                          \
    K(u64, commits) K(u64, operations) K(u64, queued_bytes) K(u64, file_bytes)                     \
    K(boolean, failing) K(nullable(str), failure)
#define EVD_PART_works(K) K(u32, waiting) K(u32, working)
/* Bytes of the daemon's memory, by what they are for: struct holds has one of each. */
#define EVD_PART_holds(K)                                                                          \
    K(u64, process) K(u64, datasets) K(u64, attachments) K(u64, drafts) K(u64, jobs)               \
    K(u64, strategies) K(u64, reports) K(u64, uses) K(u64, sessions) K(u64, buffers) K(u64, queue) K(u64, database)
#define EVD_PART_parameter(K)                                                                      \
    K(str, name) K(array, accepts) K(maybe(str), default) K(boolean, required) K(str, help)
#define EVD_PART_kind(K) K(str, kind) K(str, meaning) K(str, example) K(maps(parameter), parameters)
#define EVD_PART_dataset(K)                                                                        \
    K(str, dataset) K(u32, version) K(u64, samples) K(u64, labelled) K(u32, classes)               \
    K(str, checksum) K(u64, created) K(u64, memory) K(u32, jobs) K(boolean, owned) K(array, columns)    \
    K(maybe(str), damage)
#define EVD_PART_attachment(K)                                                                     \
    K(str, dataset) K(u32, version) K(str, name) K(str, kind) K(maybe(u32), k)                     \
    K(maybe(str), scope) K(maybe(str), metric) K(maybe(u32), folds) K(dict, terms) K(str, digest)  \
    K(u64, samples) K(maybe(u64), kept) K(maybe(u64), lacking) K(u64, created) K(u64, memory)      \
    K(u32, uses) K(maybe(str), damage)
#define EVD_PART_extreme(K) K(str, class) K(u64, count)
#define EVD_PART_position(K) K(u64, epoch) K(u64, step)
#define EVD_PART_revision(K)                                                                       \
    K(u32, revision) K(u64, epoch) K(u64, step) K(nullable(dict), strategy) K(str, author)          \
    K(u64, created) K(str, digest) K(boolean, forgotten)
#define EVD_PART_job_row(K)                                                                        \
    K(str, job) K(str, dataset) K(u32, version) K(nullable(str), kind) K(str, mode)                \
    K(u32, batch_size) K(u32, world_size) K(u64, epoch) K(u64, step) K(u64, steps)                 \
    K(u32, streams) K(u32, ephemeral) K(boolean, failed)
#define EVD_PART_epoch(K) K(u64, epoch) K(u64, steps) K(u64, samples)
#define EVD_PART_reported(K) K(u32, generation) K(u64, epoch) K(u64, reports) K(u64, samples)
#define EVD_PART_scores(K) K(f64, precision) K(f64, recall) K(f64, f1)
#define EVD_PART_best(K) K(f64, threshold) EVD_PART_scores(K)
#define EVD_PART_thresholds(K)                                                                     \
    K(array, threshold) K(array, true_positive) K(array, false_positive) K(map(best), best)
#define EVD_PART_objective(K)                                                                      \
    K(str, objective) K(maybe(f64), beta) K(maybe(f64), least) K(maybe(array), cost)               \
    K(nullable(f64), threshold) K(nullable(f64), value) K(nullable(f64), precision)                \
    K(nullable(f64), recall) K(nullable(f64), f1) K(nullable(f64), balanced_accuracy)              \
    K(nullable(u64), true_positive) K(nullable(u64), false_positive)                               \
    K(nullable(u64), true_negative) K(nullable(u64), false_negative)
#define EVD_PART_worker(K)                                                                         \
    K(u64, worker) K(u32, stream) K(u64, session) K(str, client) K(str, peer) K(str, state)                       \
    K(nullable(u32), rank) K(u32, window) K(u32, held) K(u64, served_steps)                        \
    K(u64, served_samples) K(u64, acked_steps) K(u64, acked_samples) K(u64, lag)                   \
    K(u64, last_heard) K(u64, epoch)
#define EVD_PART_past_revision(K) K(u32, generation) EVD_PART_revision(K) K(boolean, current)
#define EVD_PART_seek(K)                                                                           \
    K(u32, generation) K(u32, parent) K(str, mode) K(u64, epoch) K(u64, step)                      \
    K(map(position), left) K(str, author) K(u64, created)
#define EVD_PART_world(K)                                                                          \
    K(u32, generation) K(u64, epoch) K(u64, step) K(u32, world_size) K(str, author)                \
    K(u64, created)

#define EVD_PART_damage(K)                                                                         \
    K(maybe(str), dataset) K(maybe(u32), version) K(maybe(str), attachment) K(maybe(str), job)     \
    K(str, damage)

/* What sums up all classes of a confusion matrix in one number each: struct confusion_summary, what
 * job.confusion answers and what `evendraw confusion` prints have one for each row. */
#define EVD_METRICS(K) K(f64, accuracy) K(f64, balanced_accuracy)

/* ---- answers, by method ---- */

#define EVD_ANSWER_hello(K)                                                                        \
    K(u32, protocol) K(str, server) K(u64, session) K(u64, resume_key) K(boolean, resumed)         \
    K(map(hello_limits), limits)
#define EVD_ANSWER_server_info(K)                                                                  \
    K(str, server) K(u32, protocol) K(f64, uptime) K(u32, connections) K(u32, streams)             \
    K(u32, datasets) K(u32, jobs) K(u64, memory) K(u64, resident) K(map(holds), holds)             \
    K(u64, shed) K(u32, damaged) K(maps(damage), damage) K(map(store), store)                      \
    K(map(works), works) K(map(limits), limits)
#define EVD_ANSWER_server_backup(K) K(str, path) K(u64, bytes)
#define EVD_ANSWER_strategy_list(K) K(maps(kind), strategies) K(maps(parameter), common)
#define EVD_ANSWER_dataset_create(K) K(u32, draft) K(str, name) K(u32, version)
#define EVD_ANSWER_dataset_append(K) K(u64, samples) K(u32, classes)
#define EVD_ANSWER_dataset_commit(K) EVD_PART_dataset(K)
#define EVD_ANSWER_dataset_list(K) K(maps(dataset), datasets) K(boolean, more)
#define EVD_ANSWER_dataset_info(K) EVD_PART_dataset(K)
#define EVD_ANSWER_dataset_stats(K)                                                                \
    K(str, dataset) K(u32, version) K(u64, samples) K(u64, labelled) K(u64, unlabelled)            \
    K(u32, classes) K(u32, empty_classes) K(f64, imbalance_ratio) K(f64, entropy) K(f64, balance)  \
    K(map(extreme), largest) K(map(extreme), smallest) K(u32, first) K(array, class)               \
    K(array, count) K(array, share) K(maybe(str), weights) K(maybe(f64), beta)                     \
    K(maybe(f64), tau) K(maybe(array), weight)
#define EVD_ANSWER_dataset_labels(K)                                                               \
    K(str, dataset) K(u32, version) K(u64, samples) K(u64, first) K(bin, labels)
#define EVD_ANSWER_dataset_drop(K) K(str, dataset) K(u32, version)
#define EVD_ANSWER_attachment_create(K)                                                            \
    K(u32, draft) K(str, dataset) K(u32, version) K(str, name) K(u64, samples) K(u32, row)
#define EVD_ANSWER_attachment_append(K) K(u64, samples)
#define EVD_ANSWER_attachment_commit(K) EVD_PART_attachment(K)
#define EVD_ANSWER_attachment_list(K)                                                              \
    K(str, dataset) K(u32, version) K(maps(attachment), attachments)
#define EVD_ANSWER_attachment_read(K)                                                              \
    K(str, dataset) K(u32, version) K(str, name) K(str, digest) K(u64, samples) K(u32, row)        \
    K(u64, first) K(u32, count) K(bin, rows) K(maybe(bin), distances)
#define EVD_ANSWER_attachment_drop(K) K(str, dataset) K(u32, version) K(str, name)
#define EVD_ANSWER_job_create(K) EVD_ANSWER_job_info(K)
#define EVD_ANSWER_job_update(K)                                                                   \
    K(str, job) K(u32, revision) K(u64, epoch) K(u64, step) K(array, cancelled)
#define EVD_ANSWER_job_preview(K)                                                                  \
    K(str, dataset) K(u32, version) K(dict, strategy) K(u32, batch_size) K(u64, epoch)             \
    K(u64, steps) K(u64, samples) K(u64, memory) K(f64, build_ms) K(array, columns)                \
    K(u32, classes) K(u32, first) K(array, class) K(array, count) K(array, drawn)                  \
    K(array, repeats) K(array, coverage) K(array, per_batch)
#define EVD_ANSWER_job_list(K) K(maps(job_row), jobs) K(boolean, more)
#define EVD_ANSWER_job_info(K)                                                                     \
    K(str, job) K(str, dataset) K(u32, version) K(u32, batch_size) K(str, mode)                    \
    K(u32, world_size) K(u32, replicas) K(str, last_batch) K(str, guarantee) K(u32, time_to_run)   \
    K(u32, grace) K(u32, ephemeral) K(u32, retain_epochs) K(u64, seed) K(u64, created)             \
    K(u32, generation) K(u32, revision) K(nullable(dict), strategy) K(u64, epoch) K(u64, step) K(u64, steps)          \
    K(map(position), acked) K(u32, streams) K(u32, outstanding) K(u64, redelivered)                \
    K(u64, expired) K(boolean, updating) K(boolean, failing) K(u64, memory)                        \
    K(u64, history) K(boolean, history_full)                                                       \
    K(maps(revision), revisions) K(maybe(str), failure) K(maybe(boolean), joined)
#define EVD_ANSWER_job_stats(K)                                                                    \
    K(str, job) K(str, dataset) K(u32, version) K(u32, classes) K(u32, first)                      \
    K(maybe(u64), epoch) K(u64, steps) K(u64, samples) K(map(position), since)                     \
    K(array, class) K(array, asked) K(array, present) K(array, served) K(array, share) K(array, count) K(maybe(str), weights)      \
    K(maybe(f64), beta) K(maybe(f64), tau) K(maybe(array), weight) K(maps(epoch), epochs)
#define EVD_ANSWER_job_report(K)                                                                   \
    K(str, job) K(u32, generation) K(u64, epoch) K(u64, step) K(u32, rank) K(boolean, counted)
#define EVD_ANSWER_job_confusion(K)                                                                \
    K(str, job) K(str, dataset) K(u32, version) K(u32, classes) K(u32, first)                      \
    K(maybe(u32), generation) K(maybe(u64), epoch) K(maps(reported), epochs) K(u64, samples)       \
    EVD_METRICS(K) K(map(scores), macro) K(map(scores), weighted)                                  \
    K(nullable(f64), mean_loss) K(array, class) K(array, support) K(array, predicted)              \
    K(array, precision) K(array, recall) K(array, f1) K(maybe(array), loss)                        \
    K(maybe(array), matrix) K(maybe(map(thresholds)), thresholds)
/* Whose scores they are: what job.threshold and job.curve both say. */
#define EVD_ANSWER_SCORED(K)                                                                       \
    K(str, job) K(str, dataset) K(u32, version) K(maybe(u32), generation) K(maybe(u64), epoch)     \
    K(array, class) K(boolean, exact) K(u64, samples) K(u64, positives)
#define EVD_ANSWER_job_threshold(K) EVD_ANSWER_SCORED(K) K(maps(objective), objectives)
#define EVD_ANSWER_job_curve(K)                                                                    \
    EVD_ANSWER_SCORED(K) K(str, kind) K(u64, points) K(u32, first) K(maybe(f64), area)             \
    K(maybe(f64), brier) K(maybe(f64), calibration_error) K(maybe(array), threshold)               \
    K(maybe(array), recall) K(maybe(array), precision) K(maybe(array), false_positive_rate)        \
    K(maybe(array), true_positive_rate) K(maybe(array), predicted) K(maybe(array), observed)       \
    K(maybe(array), count)
#define EVD_ANSWER_job_workers(K)                                                                  \
    K(str, job) K(u32, outstanding) K(u64, redelivered) K(u64, expired) K(maps(worker), workers) \
    K(boolean, more)
#define EVD_ANSWER_job_position(K)                                                                 \
    K(str, job) K(str, dataset) K(u32, version) K(u32, generation) K(u64, epoch) K(u64, step)      \
    K(str, token)
#define EVD_ANSWER_job_seek(K)                                                                     \
    K(str, job) K(u32, generation) K(u64, epoch) K(u64, step) K(u32, revision)
#define EVD_ANSWER_job_history(K)                                                                  \
    K(str, job) K(u32, generation) K(maps(past_revision), revisions) K(maps(seek), seeks)          \
    K(maps(world), worlds)
#define EVD_ANSWER_job_trace(K)                                                                    \
    K(str, job) K(u64, sample) K(u32, first) K(boolean, more) K(map(position), since)       \
    K(array, steps)
#define EVD_ANSWER_job_batch(K)                                                                    \
    K(str, job) K(u32, generation) K(u64, epoch) K(u64, step) K(u64, steps) K(u32, revision)       \
    K(maybe(u32), rank) K(maybe(u32), world_size) K(array, index) K(maybe(array), label)           \
    K(maybe(array), probability) K(maybe(array), repeat) K(maybe(array), augment_seed)             \
    K(maybe(array), augment_strength) K(maybe(array), mix_index) K(maybe(array), mix_label)        \
    K(maybe(array), mix_lambda) K(maybe(array), mix_label_lambda)
#define EVD_ANSWER_job_drop(K) K(str, job)
#define EVD_ANSWER_stream_open(K)                                                                  \
    K(u32, stream) K(str, job) K(str, mode) K(str, dataset) K(u32, version) K(u64, samples)        \
    K(u32, classes) K(u32, batch_size) K(u32, world_size) K(u32, rank) K(u32, window)              \
    K(u32, generation) K(u64, epoch) K(u64, step) K(u64, steps) K(map(position), first)            \
    K(u32, revision) K(str, index_type) K(u64, seed) K(str, encoding) K(boolean, resumed)          \
    K(array, held) K(array, columns)
#define EVD_ANSWER_stream_credit(K) K(u32, stream) K(u32, window)
#define EVD_ANSWER_stream_ack(K) K(u32, stream) K(u64, epoch) K(u64, step)
#define EVD_ANSWER_stream_touch(K) K(u32, stream) K(u32, held)
#define EVD_ANSWER_stream_release(K) K(u32, stream) K(u32, released)
#define EVD_ANSWER_stream_close(K) K(u32, stream)

/* ---- notifications; their ids are their names ---- */

#define EVD_NOTES(N) N(batch) N(epoch_end) N(drained) N(revision) N(seek) N(closed) N(error)

/* All but `error` are for a stream. */
#define EVD_NOTE_HEAD(K) K(u32, stream) K(str, job)
#define EVD_NOTE_batch(K)                                                                          \
    EVD_NOTE_HEAD(K) K(u32, generation) K(u64, epoch) K(u64, step) K(u32, revision)                \
    K(maybe(boolean), redelivered) K(column, index) K(maybe(column), label)                        \
    K(maybe(column), probability) K(maybe(column), repeat) K(maybe(column), augment_seed)          \
    K(maybe(column), augment_strength) K(maybe(column), mix_index) K(maybe(column), mix_label)     \
    K(maybe(column), mix_lambda) K(maybe(column), mix_label_lambda)
#define EVD_NOTE_epoch_end(K) EVD_NOTE_HEAD(K) K(u32, generation) K(u64, epoch) K(u64, steps)
#define EVD_NOTE_drained(K) EVD_NOTE_epoch_end(K)
#define EVD_NOTE_revision(K) EVD_NOTE_HEAD(K) K(u32, revision) K(u64, epoch) K(u64, step)
#define EVD_NOTE_seek(K) EVD_NOTE_HEAD(K) K(u32, generation) K(u64, epoch) K(u64, step)
#define EVD_NOTE_ERROR(K) K(u32, code) K(str, message) K(str, name) K(str, detail)
#define EVD_NOTE_closed(K) EVD_NOTE_HEAD(K) EVD_NOTE_ERROR(K)
#define EVD_NOTE_error(K) EVD_NOTE_ERROR(K) K(str, method)

/* clang-format on */

enum note {
#define EVD_NOTE_ENUM(id) NOTE_##id,
    EVD_NOTES(EVD_NOTE_ENUM)
#undef EVD_NOTE_ENUM
        NOTE_COUNT
};

enum key_type {
    KEY_str,
    KEY_u32,
    KEY_u64,
    KEY_f64,
    KEY_boolean,
    KEY_array,
    KEY_dict,
    KEY_column,
    KEY_bin,
    KEY_map,
    KEY_maps
};

struct key_desc {
    const char *name;
    enum key_type type;
    bool nullable, maybe;
    const struct shape *part; /* of a map, or of maps */
};

/* What keys a map has. */
struct shape {
    const char *name; /* of the method, notification or part */
    const struct key_desc *keys;
    uint32_t count; /* at most 64 */
};

extern const struct shape answer_table[METHOD_COUNT]; /* by enum method */
extern const struct shape note_table[NOTE_COUNT];     /* by enum note */

/* enum note, or -1 */
int note_find(struct evd_str name);
/* Of an answer to the method, or of the notification, of that name; NULL. */
const struct shape *shape_find(const char *wire);
/* Which of the shape's keys it is, or -1. */
int shape_key(const struct shape *shape, struct evd_str key);

#endif
