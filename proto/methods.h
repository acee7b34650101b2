/*
 * Methods of the protocol: the one list that says all about them, from which parameter structs,
 * their decoders, the dispatch table and the check of PROTOCOL.md are made.
 *
 * EVD_METHODS(M): M(id, "wire.name", traits), traits being 0 or some of enum method_trait.
 * EVD_FIELDS_<id>(F, m): F(m, type, name, need); m is passed on, need is REQUIRED or OPTIONAL, and
 * type is one of
 *
 *     str          UTF-8 text, str or bin     struct evd_str, points into the request
 *     u32 u64      integers or whole floats   uint32_t, uint64_t
 *     f64          float or integer           double, finite
 *     boolean                                 bool
 *     obj          anything, decoded later    const msgpack_object *, never nil
 *
 * Each becomes `name` and `has_name` in struct params_<id>. A field that is nil was not given.
 */
#ifndef PROTO_METHODS_H
#define PROTO_METHODS_H

#include <stdbool.h>
#include <stdint.h>
#include <msgpack.h>
#include "proto/error.h"
#include "proto/text.h"

enum method_trait {
    /* Served while the daemon waits, before it stops, for what workers have: it ends leases, or
     * only looks. */
    METHOD_ENDING = 1 << 0,
    /* Comes with every batch or piece of a dataset: not logged. */
    METHOD_QUIET = 1 << 1,
    /* Changes nothing: a client repeats it if the connection took the answer with it. */
    METHOD_ASKS = 1 << 2,
    /* The field that says what a message is about, for the log: `job`, `dataset` or `name`. */
    METHOD_OF_JOB = 1 << 3,
    METHOD_OF_DATASET = 1 << 4,
    METHOD_OF_NAME = 1 << 5,
};

#define EVD_METHODS(M)                                                                             \
    M(hello, "hello", METHOD_ENDING)                                                               \
    M(server_info, "server.info", METHOD_ENDING | METHOD_ASKS)                                     \
    M(server_backup, "server.backup", 0)                                                           \
    M(strategy_list, "strategy.list", METHOD_ASKS)                                                 \
    M(dataset_create, "dataset.create", METHOD_OF_NAME)                                            \
    M(dataset_append, "dataset.append", METHOD_QUIET)                                              \
    M(dataset_commit, "dataset.commit", 0)                                                         \
    M(dataset_list, "dataset.list", METHOD_ASKS)                                                   \
    M(dataset_info, "dataset.info", METHOD_ASKS | METHOD_OF_DATASET)                               \
    M(dataset_stats, "dataset.stats", METHOD_ASKS | METHOD_OF_DATASET)                             \
    M(dataset_labels, "dataset.labels", METHOD_ASKS | METHOD_QUIET | METHOD_OF_DATASET)            \
    M(dataset_drop, "dataset.drop", METHOD_OF_DATASET)                                             \
    M(attachment_create, "attachment.create", METHOD_OF_DATASET)                                   \
    M(attachment_append, "attachment.append", METHOD_QUIET)                                        \
    M(attachment_commit, "attachment.commit", 0)                                                   \
    M(attachment_list, "attachment.list", METHOD_ASKS | METHOD_OF_DATASET)                         \
    M(attachment_read, "attachment.read", METHOD_ASKS | METHOD_QUIET | METHOD_OF_DATASET)          \
    M(attachment_drop, "attachment.drop", METHOD_OF_DATASET)                                       \
    M(job_create, "job.create", METHOD_OF_NAME)                                                    \
    M(job_update, "job.update", METHOD_OF_JOB)                                                     \
    M(job_preview, "job.preview", METHOD_ASKS | METHOD_OF_JOB | METHOD_OF_DATASET)                 \
    M(job_list, "job.list", METHOD_ASKS)                                                           \
    M(job_info, "job.info", METHOD_ASKS | METHOD_OF_JOB)                                           \
    M(job_stats, "job.stats", METHOD_ASKS | METHOD_OF_JOB)                                         \
    M(job_report, "job.report", METHOD_QUIET | METHOD_OF_JOB)                                      \
    M(job_confusion, "job.confusion", METHOD_OF_JOB)                                               \
    M(job_threshold, "job.threshold", METHOD_ASKS | METHOD_OF_JOB)                                 \
    M(job_curve, "job.curve", METHOD_ASKS | METHOD_OF_JOB)                                         \
    M(job_workers, "job.workers", METHOD_ASKS | METHOD_OF_JOB)                                     \
    M(job_position, "job.position", METHOD_ASKS | METHOD_OF_JOB)                                   \
    M(job_seek, "job.seek", METHOD_OF_JOB)                                                         \
    M(job_history, "job.history", METHOD_ASKS | METHOD_OF_JOB)                                     \
    M(job_trace, "job.trace", METHOD_ASKS | METHOD_OF_JOB)                                         \
    M(job_batch, "job.batch", METHOD_ASKS | METHOD_OF_JOB)                                         \
    M(job_drop, "job.drop", METHOD_OF_JOB)                                                         \
    M(stream_open, "stream.open", METHOD_OF_JOB)                                                   \
    M(stream_credit, "stream.credit", METHOD_ENDING | METHOD_QUIET)                                \
    M(stream_ack, "stream.ack", METHOD_ENDING | METHOD_QUIET)                                      \
    M(stream_touch, "stream.touch", METHOD_ENDING | METHOD_QUIET)                                  \
    M(stream_release, "stream.release", METHOD_ENDING)                                             \
    M(stream_close, "stream.close", METHOD_ENDING)

/* clang-format off */
#define EVD_FIELDS_hello(F, m)                                                                     \
    F(m, u32, protocol, REQUIRED) F(m, str, client, REQUIRED) F(m, str, token, OPTIONAL)           \
    F(m, u64, resume, OPTIONAL) F(m, u64, resume_key, OPTIONAL)
#define EVD_FIELDS_server_info(F, m)
#define EVD_FIELDS_server_backup(F, m) F(m, str, path, REQUIRED)
#define EVD_FIELDS_strategy_list(F, m)

/* `classes`: array of names; `labels`: bin of little-endian u32, or array of integers and nil;
 * `weights`, of the samples, under the name `column`: bin of little-endian f64, or array. */
#define EVD_FIELDS_dataset_create(F, m)                                                            \
    F(m, str, name, REQUIRED) F(m, obj, classes, OPTIONAL) F(m, boolean, owned, OPTIONAL)
#define EVD_FIELDS_dataset_append(F, m)                                                            \
    F(m, u32, draft, REQUIRED) F(m, obj, labels, OPTIONAL) F(m, obj, classes, OPTIONAL)            \
    F(m, str, column, OPTIONAL) F(m, obj, weights, OPTIONAL)
#define EVD_FIELDS_dataset_commit(F, m) F(m, u32, draft, REQUIRED) F(m, u64, samples, OPTIONAL)
/* At most `count` rows, up to EVD_MAX_ROWS, beginning behind the last one of the page before. */
#define EVD_FIELDS_dataset_list(F, m)                                                              \
    F(m, str, after, OPTIONAL) F(m, u32, after_version, OPTIONAL) F(m, u32, count, OPTIONAL)
#define EVD_FIELDS_dataset_info(F, m) F(m, str, dataset, REQUIRED) F(m, u32, version, OPTIONAL)
/* Classes `first` .. `first + count - 1`, in label order; count at most EVD_MAX_PAGE. `weights`: a
 * kind of class weights for losses, with `beta` or `tau` where that kind has one. */
#define EVD_FIELDS_dataset_stats(F, m)                                                             \
    F(m, str, dataset, REQUIRED) F(m, u32, version, OPTIONAL) F(m, u32, first, OPTIONAL)           \
    F(m, u32, count, OPTIONAL) F(m, str, weights, OPTIONAL) F(m, f64, beta, OPTIONAL)              \
    F(m, f64, tau, OPTIONAL)
/* Samples `first` .. `first + count - 1`; count at most EVD_MAX_LABELS. */
#define EVD_FIELDS_dataset_labels(F, m)                                                            \
    F(m, str, dataset, REQUIRED) F(m, u32, version, OPTIONAL) F(m, u64, first, OPTIONAL)           \
    F(m, u32, count, OPTIONAL)
#define EVD_FIELDS_dataset_drop(F, m) F(m, str, dataset, REQUIRED) F(m, u32, version, OPTIONAL)

/* `kind`: "neighbours", with `k`, `scope` ("all" or "class") and `metric`, "selection", or "folds",
 * with `folds`; `terms`: map of text to text, numbers and booleans. `rows`: bin of little-endian u32
 * (k a sample), u8 or u16, by kind; `distances`: bin of little-endian f32. */
#define EVD_FIELDS_attachment_create(F, m)                                                         \
    F(m, str, dataset, REQUIRED) F(m, u32, version, OPTIONAL) F(m, str, name, REQUIRED)            \
    F(m, str, kind, REQUIRED) F(m, u32, k, OPTIONAL) F(m, str, scope, OPTIONAL)                    \
    F(m, str, metric, OPTIONAL) F(m, u32, folds, OPTIONAL) F(m, obj, terms, OPTIONAL)
#define EVD_FIELDS_attachment_append(F, m)                                                         \
    F(m, u32, draft, REQUIRED) F(m, obj, rows, REQUIRED) F(m, obj, distances, OPTIONAL)
#define EVD_FIELDS_attachment_commit(F, m) F(m, u32, draft, REQUIRED) F(m, u64, samples, OPTIONAL)
#define EVD_FIELDS_attachment_list(F, m) F(m, str, dataset, REQUIRED) F(m, u32, version, OPTIONAL)
/* Samples `first` .. `first + count - 1`, perhaps fewer. */
#define EVD_FIELDS_attachment_read(F, m)                                                           \
    F(m, str, dataset, REQUIRED) F(m, u32, version, OPTIONAL) F(m, str, name, REQUIRED)            \
    F(m, u64, first, OPTIONAL) F(m, u32, count, OPTIONAL) F(m, boolean, distances, OPTIONAL)
#define EVD_FIELDS_attachment_drop(F, m)                                                           \
    F(m, str, dataset, REQUIRED) F(m, u32, version, OPTIONAL) F(m, str, name, REQUIRED)

/* `strategy`: map with `kind` and that kind's parameters; `mode`: "shared" or "ranked";
 * `last_batch`: "short", "drop", "pad" or "exact"; `guarantee`: "at-least-once" or "at-most-once";
 * `time_to_run`, `grace` and `ephemeral` in milliseconds; `if_exists`: "refuse", "same", "attach" or
 * "restart". */
#define EVD_FIELDS_job_create(F, m)                                                                \
    F(m, str, name, REQUIRED) F(m, str, dataset, REQUIRED) F(m, u32, version, OPTIONAL)            \
    F(m, obj, strategy, OPTIONAL) F(m, u32, batch_size, REQUIRED) F(m, u64, seed, OPTIONAL)        \
    F(m, str, mode, OPTIONAL) F(m, u32, world_size, OPTIONAL) F(m, u32, replicas, OPTIONAL)        \
    F(m, str, last_batch, OPTIONAL) F(m, str, guarantee, OPTIONAL)                                 \
    F(m, u32, time_to_run, OPTIONAL) F(m, u32, grace, OPTIONAL) F(m, u32, ephemeral, OPTIONAL)     \
    F(m, u32, retain_epochs, OPTIONAL) F(m, str, if_exists, OPTIONAL)
/* `when`: "now", "epoch" (the next one), or "at" with `epoch` and `step`. */
#define EVD_FIELDS_job_update(F, m)                                                                \
    F(m, str, job, REQUIRED) F(m, obj, strategy, REQUIRED) F(m, str, when, OPTIONAL)               \
    F(m, u64, epoch, OPTIONAL) F(m, u64, step, OPTIONAL)
/* Of `job`, or, as for job.create, of `dataset`, `batch_size` and what goes with them. */
#define EVD_FIELDS_job_preview(F, m)                                                               \
    F(m, str, job, OPTIONAL) F(m, str, dataset, OPTIONAL) F(m, u32, version, OPTIONAL)             \
    F(m, obj, strategy, REQUIRED) F(m, u32, batch_size, OPTIONAL) F(m, u64, seed, OPTIONAL)        \
    F(m, str, mode, OPTIONAL) F(m, u32, world_size, OPTIONAL) F(m, str, last_batch, OPTIONAL)      \
    F(m, u32, first, OPTIONAL) F(m, u32, count, OPTIONAL)
/* In pages as dataset.list; so is job.workers. */
#define EVD_FIELDS_job_list(F, m) F(m, str, after, OPTIONAL) F(m, u32, count, OPTIONAL)
#define EVD_FIELDS_job_info(F, m) F(m, str, job, REQUIRED)
#define EVD_FIELDS_job_stats(F, m)                                                                 \
    F(m, str, job, REQUIRED) F(m, u64, epoch, OPTIONAL) F(m, u32, first, OPTIONAL)                 \
    F(m, u32, count, OPTIONAL) F(m, str, weights, OPTIONAL) F(m, f64, beta, OPTIONAL)              \
    F(m, f64, tau, OPTIONAL)
/* One value for each sample: `index` (bin: of `index_type`, "u32" or "u64"), `predicted` (bin: u32),
 * `score` of class 1 and `loss` (bin: f32 or f64). */
#define EVD_FIELDS_job_report(F, m)                                                                \
    F(m, str, job, REQUIRED) F(m, u32, generation, OPTIONAL) F(m, u64, epoch, REQUIRED)            \
    F(m, u64, step, REQUIRED) F(m, u32, rank, OPTIONAL) F(m, obj, index, REQUIRED)                 \
    F(m, str, index_type, OPTIONAL) F(m, obj, predicted, REQUIRED) F(m, obj, score, OPTIONAL)      \
    F(m, obj, loss, OPTIONAL)
#define EVD_FIELDS_job_confusion(F, m)                                                             \
    F(m, str, job, REQUIRED) F(m, u64, epoch, OPTIONAL) F(m, boolean, all, OPTIONAL)               \
    F(m, u32, first, OPTIONAL) F(m, u32, count, OPTIONAL)
/* `cost`: array of two arrays of two numbers, [true][predicted]; `precision` and `recall`: what is to
 * be kept. */
#define EVD_FIELDS_job_threshold(F, m)                                                             \
    F(m, str, job, REQUIRED) F(m, u64, epoch, OPTIONAL) F(m, boolean, all, OPTIONAL)               \
    F(m, str, objective, OPTIONAL) F(m, f64, beta, OPTIONAL) F(m, obj, cost, OPTIONAL)             \
    F(m, f64, precision, OPTIONAL) F(m, f64, recall, OPTIONAL)
/* `kind`: "precision-recall", "roc" or "calibration", with `bins` and `binning`, "uniform" or
 * "quantile"; at most `count` points, from point `first` on. */
#define EVD_FIELDS_job_curve(F, m)                                                                 \
    F(m, str, job, REQUIRED) F(m, u64, epoch, OPTIONAL) F(m, boolean, all, OPTIONAL)               \
    F(m, str, kind, REQUIRED) F(m, u32, bins, OPTIONAL) F(m, str, binning, OPTIONAL)               \
    F(m, u32, first, OPTIONAL) F(m, u32, count, OPTIONAL)
#define EVD_FIELDS_job_workers(F, m)                                                               \
    F(m, str, job, REQUIRED) F(m, u64, after, OPTIONAL) F(m, u32, count, OPTIONAL)
#define EVD_FIELDS_job_position(F, m) F(m, str, job, REQUIRED)
/* To a `token` of job.position, or to `epoch` and `step`; `mode`: "replay" or "follow". */
#define EVD_FIELDS_job_seek(F, m)                                                                  \
    F(m, str, job, REQUIRED) F(m, str, token, OPTIONAL) F(m, u64, epoch, OPTIONAL)                 \
    F(m, u64, step, OPTIONAL) F(m, str, mode, OPTIONAL) F(m, boolean, force, OPTIONAL)
#define EVD_FIELDS_job_history(F, m) F(m, str, job, REQUIRED)
/* `first`: so many findings are passed over. */
#define EVD_FIELDS_job_trace(F, m)                                                                 \
    F(m, str, job, REQUIRED) F(m, u64, sample, REQUIRED) F(m, u32, first, OPTIONAL)
#define EVD_FIELDS_job_batch(F, m)                                                                 \
    F(m, str, job, REQUIRED) F(m, u64, epoch, REQUIRED) F(m, u64, step, REQUIRED)                  \
    F(m, u32, rank, OPTIONAL) F(m, u32, world_size, OPTIONAL) F(m, u32, generation, OPTIONAL)      \
    F(m, obj, columns, OPTIONAL)
#define EVD_FIELDS_job_drop(F, m) F(m, str, job, REQUIRED) F(m, boolean, force, OPTIONAL)

/* `encoding`: "array" or "packed"; `columns`: array of column names beside `index`. A worker that was
 * attached before says so: `resume`: the stream's number in the session that hello resumed;
 * `holding`: array of [epoch, step] of the batches it still has, of `generation`; `epoch`: the one it
 * is in. */
#define EVD_FIELDS_stream_open(F, m)                                                               \
    F(m, str, job, REQUIRED) F(m, u32, rank, OPTIONAL) F(m, u32, world_size, OPTIONAL)             \
    F(m, u32, window, OPTIONAL) F(m, str, encoding, OPTIONAL) F(m, obj, columns, OPTIONAL)         \
    F(m, u32, resume, OPTIONAL) F(m, obj, holding, OPTIONAL) F(m, u32, generation, OPTIONAL)       \
    F(m, u64, epoch, OPTIONAL) F(m, boolean, exclusive, OPTIONAL)
#define EVD_FIELDS_stream_credit(F, m) F(m, u32, stream, REQUIRED) F(m, u32, window, REQUIRED)
/* `through`: also every step that this stream was given before it, in the order of delivery. */
#define EVD_FIELDS_stream_ack(F, m)                                                                \
    F(m, u32, stream, REQUIRED) F(m, u64, epoch, REQUIRED) F(m, u64, step, REQUIRED)               \
    F(m, u32, generation, OPTIONAL) F(m, boolean, through, OPTIONAL)
#define EVD_FIELDS_stream_touch(F, m) F(m, u32, stream, REQUIRED)
#define EVD_FIELDS_stream_release(F, m)                                                            \
    F(m, u32, stream, REQUIRED) F(m, u64, epoch, REQUIRED) F(m, u64, step, REQUIRED)               \
    F(m, u32, generation, OPTIONAL) F(m, boolean, through, OPTIONAL)
#define EVD_FIELDS_stream_close(F, m) F(m, u32, stream, REQUIRED)
/* clang-format on */

typedef struct evd_str evd_type_str;
typedef uint32_t evd_type_u32;
typedef uint64_t evd_type_u64;
typedef double evd_type_f64;
typedef bool evd_type_boolean;
typedef const msgpack_object *evd_type_obj;

#define EVD_PARAM_FIELD(id, type, name, need)                                                      \
    evd_type_##type name;                                                                          \
    bool has_##name;
#define EVD_PARAM_STRUCT(id, ...)                                                                  \
    struct params_##id {                                                                           \
        EVD_FIELDS_##id(EVD_PARAM_FIELD, id) char none_; /* C has no empty structs */              \
    };
EVD_METHODS(EVD_PARAM_STRUCT)

union params {
#define EVD_PARAM_MEMBER(id, ...) struct params_##id id;
    EVD_METHODS(EVD_PARAM_MEMBER)
#undef EVD_PARAM_MEMBER
};

enum method {
#define EVD_METHOD_ENUM(id, ...) METHOD_##id,
    EVD_METHODS(EVD_METHOD_ENUM)
#undef EVD_METHOD_ENUM
        METHOD_COUNT
};

enum field_type { FIELD_str, FIELD_u32, FIELD_u64, FIELD_f64, FIELD_boolean, FIELD_obj };

struct field_desc {
    const char *name;
    uint32_t name_len;
    enum field_type type;
    bool required;
    uint16_t offset, has_offset; /* in the params struct */
};

struct method_desc {
    const char *name;
    uint32_t name_len;
    unsigned traits; /* enum method_trait */
    const struct field_desc *fields;
    uint32_t field_count;
};

extern const struct method_desc method_table[METHOD_COUNT];

/* The method of that wire name, or -1. */
int method_find(const char *name, size_t len);
/* EVD_E_UNKNOWN_METHOD, with the nearest method there is. */
int method_unknown(struct evd_str name, struct evd_error *err);

/* Decodes `params` (an array that is empty or holds one map) into *out, which is zeroed first.
 * EVD_OK, or an error naming the field: unknown (with the known ones, the nearest first), missing,
 * twice, of the wrong type or out of range; text that is not UTF-8 is EVD_E_BAD_VALUE. */
int method_decode(enum method method, const msgpack_object *params, union params *out,
                  struct evd_error *err) MUST_CHECK;

#endif
