/*
 * The notification `batch`: written by a tight encoder of ours, since it is nearly all the traffic
 * (msgpack-c packs 4.5 ns an integer; a packed column costs a memcpy). On the wire it is plain
 * MessagePack either way.
 *
 *   [2, "batch", [{stream, job, generation, epoch, step, revision, redelivered?, index, ...}]]
 *
 * Columns are arrays of numbers ("array") or bin, little-endian ("packed").
 */
#ifndef PROTO_BATCH_H
#define PROTO_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <msgpack.h>
#include "proto/buf.h"
#include "proto/error.h"
#include "proto/text.h"

/* COLUMN(id, "wire name", C type in memory, whether its values are numbers of samples). The index
 * is always there, the others are asked for. */
#define EVD_COLUMNS(COLUMN)                                                                        \
    COLUMN(index, "index", uint64_t, true)                                                         \
    EVD_COLUMNS_ASKED(COLUMN)
#define EVD_COLUMNS_ASKED(COLUMN)                                                                  \
    COLUMN(label, "label", uint32_t, false)                                                        \
    COLUMN(probability, "probability", float, false)                                               \
    COLUMN(repeat, "repeat", uint32_t, false)                                                      \
    COLUMN(augment_seed, "augment_seed", uint64_t, false)                                          \
    COLUMN(augment_strength, "augment_strength", float, false)                                     \
    COLUMN(mix_index, "mix_index", uint64_t, true)                                                 \
    COLUMN(mix_label, "mix_label", uint32_t, false)                                                \
    COLUMN(mix_lambda, "mix_lambda", float, false)                                                 \
    COLUMN(mix_label_lambda, "mix_label_lambda", float, false)

enum column {
#define EVD_COLUMN_ENUM(id, name, type, of_samples) COLUMN_##id,
    EVD_COLUMNS(EVD_COLUMN_ENUM)
#undef EVD_COLUMN_ENUM
        COLUMN_COUNT
};

struct column_desc {
    const char *name;
    uint8_t name_len;
    uint8_t size; /* of a value in memory: 4 or 8 bytes */
    bool is_float;
    bool of_samples; /* numbers of samples: 4 bytes where the dataset has no more of them */
};
extern const struct column_desc column_table[COLUMN_COUNT];

const char *column_name(enum column column);
int column_find(const char *name, size_t len); /* or -1 */
/* "index, label": the names of columns, a bit for each, for messages. */
#define COLUMNS_LIST 256
void columns_list(char list[COLUMNS_LIST], uint32_t columns);

struct batch_head {
    uint32_t stream;
    struct evd_str job;
    uint32_t generation;
    uint64_t epoch, step;
    uint32_t revision;
    bool redelivered;
};

struct batch_format {
    bool packed;
    bool wide_index;  /* packed: numbers of samples are u64, else u32 */
    uint32_t columns; /* bit (1 << COLUMN_x) for each column present; bit 0 is always set */
};

/* Pointers to n values each, NULL for absent columns, by enum column. */
struct batch_columns {
    const void *data[COLUMN_COUNT];
    uint32_t n;
    bool narrow_index; /* numbers of samples are given as uint32_t, not uint64_t */
};

/* Appends the notification. Reserves once; on failure (memory, limit) the buffer is as before and
 * the result is EVD_E_NO_MEMORY or EVD_E_LIMIT. The columns are those of the format; at most
 * EVD_MAX_BATCH values. As array, all numbers of a column get the width of the largest of them. */
int batch_encode(struct evd_buf *buf, const struct batch_head *head,
                 const struct batch_format *format, const struct batch_columns *columns) MUST_CHECK;
/* Largest encoded size of a batch of n in that format, with the longest job name. */
size_t batch_size_bound(const struct batch_format *format, uint32_t n);

/* The other way round, for clients: one notification that the guard has passed whole. Each column
 * says itself whether it is array or bin; `format` says what was asked for (its columns must all be
 * there, others and unknown keys are passed over) and the width of a packed index. Columns are
 * converted into `out`, which is zeroed before its first use, grows as needed and is reused.
 * EVD_OK, EVD_E_PROTOCOL naming the key, or EVD_E_NO_MEMORY; then `out` holds nothing of use. */
struct batch_decoded {
    struct batch_head head; /* job points into the frame */
    uint32_t columns;       /* bits, as above */
    uint32_t n;
    void *data[COLUMN_COUNT]; /* n values each, of the type in EVD_COLUMNS; owned here */
    uint32_t cap[COLUMN_COUNT];
};
int batch_decode(const msgpack_object *params, const struct batch_format *format,
                 struct batch_decoded *out, struct evd_error *err) MUST_CHECK;
void batch_decoded_fini(struct batch_decoded *out);

#endif
