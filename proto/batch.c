/*
 * Encodes the notification `batch`. Called by the daemon for every batch that it hands out, so it
 * writes bytes itself, into room that it reserved once.
 */
#include "proto/batch.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>
#include "proto/limits.h"

/* The fastest way to write a number of MessagePack is one store of 8 bytes that runs over the end
 * of the number, to be overwritten by the next: so many bytes past the end are reserved. */
#define SLACK 8u
/* Everything of a batch but the job's name and the columns' contents, rounded up. */
#define HEAD_BOUND 512u

const struct column_desc column_table[COLUMN_COUNT] = {
#define COLUMN_ROW(id, name, type, of_samples)                                                     \
    [COLUMN_##id] = {name, sizeof(name) - 1, sizeof(type), (type)0.5f != 0, of_samples},
    EVD_COLUMNS(COLUMN_ROW)
#undef COLUMN_ROW
};

const char *column_name(enum column column)
{
    return column_table[column].name;
}

int column_find(const char *name, size_t len)
{
    for (int i = 0; i < COLUMN_COUNT; i++) {
        if (str_is((struct evd_str){name, (uint32_t)len}, column_table[i].name))
            return i;
    }
    return -1;
}

void columns_list(char list[COLUMNS_LIST], uint32_t columns)
{
    size_t len = 0;

    list[0] = '\0';
    for (int i = 0; i < COLUMN_COUNT && len < COLUMNS_LIST; i++) {
        if (columns >> i & 1)
            len += (size_t)snprintf(list + len, COLUMNS_LIST - len, "%s%s", len ? ", " : "",
                                    column_table[i].name);
    }
}

/* ---- encoding ---- */

static uint8_t *put_u8(uint8_t *to, unsigned value)
{
    *to = (uint8_t)value;
    return to + 1;
}

/* `width` bytes of value, big-endian. */
static uint8_t *put_be(uint8_t *to, uint64_t value, unsigned width)
{
    uint64_t be = htobe64(value << (64 - 8 * width));

    memcpy(to, &be, width);
    return to + width;
}

static uint8_t *put_uint(uint8_t *to, uint64_t value)
{
    if (value <= 0x7f)
        return put_u8(to, (unsigned)value);
    if (value <= UINT8_MAX)
        return put_be(put_u8(to, 0xcc), value, 1);
    if (value <= UINT16_MAX)
        return put_be(put_u8(to, 0xcd), value, 2);
    if (value <= UINT32_MAX)
        return put_be(put_u8(to, 0xce), value, 4);
    return put_be(put_u8(to, 0xcf), value, 8);
}

/* A key, all of whose bytes are known to the compiler; at most 31. */
#define PUT_KEY(to, key) put_key(to, key, sizeof(key) - 1)
static inline __attribute__((always_inline)) uint8_t *put_key(uint8_t *to, const char *key,
                                                              size_t len)
{
    *to = (uint8_t)(0xa0 | len);
    memcpy(to + 1, key, len);
    return to + 1 + len;
}

/* At most 255 bytes. */
static uint8_t *put_str(uint8_t *to, const char *text, size_t len)
{
    to = len < 32 ? put_u8(to, 0xa0 | (unsigned)len) : put_be(put_u8(to, 0xd9), len, 1);
    memcpy(to, text, len);
    return to + len;
}

static uint8_t *put_head(uint8_t *to, const struct batch_head *head, unsigned columns)
{
    unsigned keys = 6 + (head->redelivered ? 1 : 0) + columns;

    to = put_u8(to, 0x93);
    to = put_u8(to, 2);
    to = PUT_KEY(to, "batch");
    to = put_u8(to, 0x91);
    to = keys < 16 ? put_u8(to, 0x80 | keys) : put_be(put_u8(to, 0xde), keys, 2);
    to = put_uint(PUT_KEY(to, "stream"), head->stream);
    to = put_str(PUT_KEY(to, "job"), head->job.data, head->job.len);
    to = put_uint(PUT_KEY(to, "generation"), head->generation);
    to = put_uint(PUT_KEY(to, "epoch"), head->epoch);
    to = put_uint(PUT_KEY(to, "step"), head->step);
    to = put_uint(PUT_KEY(to, "revision"), head->revision);
    if (head->redelivered)
        to = put_u8(PUT_KEY(to, "redelivered"), 0xc3);
    return to;
}

/* The i-th number of a column whose elements have `size` bytes, a float as its bits. The functions
 * that call this are inlined with a constant size, so that it is one load. */
static inline uint64_t load(const void *data, uint32_t i, unsigned size)
{
    uint64_t wide;
    uint32_t narrow;

    if (size == sizeof(wide)) {
        memcpy(&wide, (const uint8_t *)data + (size_t)i * sizeof(wide), sizeof(wide));
        return wide;
    }
    memcpy(&narrow, (const uint8_t *)data + (size_t)i * sizeof(narrow), sizeof(narrow));
    return narrow;
}

static inline __attribute__((always_inline)) uint64_t bits_used(const void *data, uint32_t n,
                                                                unsigned size)
{
    uint64_t bits = 0;

    for (uint32_t i = 0; i < n; i++)
        bits |= load(data, i, size);
    return bits;
}

/* The numbers of a column all get the width of the largest: 1, 2, 3, 5 or 9 bytes each, the type
 * byte included. That is plain MessagePack too, and the loops below have no branch. */
static unsigned array_width(enum column column, const void *data, uint32_t n, unsigned size)
{
    uint64_t bits;

    if (column_table[column].is_float)
        return 5;
    bits = size == 8 ? bits_used(data, n, 8) : bits_used(data, n, 4);
    if (bits <= 0x7f)
        return 1;
    if (bits <= UINT8_MAX)
        return 2;
    if (bits <= UINT16_MAX)
        return 3;
    return bits <= UINT32_MAX ? 5 : 9;
}

/* Type byte and big-endian number, as one store. */
static inline __attribute__((always_inline)) void
put_numbers(uint8_t *to, const void *data, uint32_t n, unsigned size, unsigned width, uint8_t type)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t word = htobe64((uint64_t)type << 56 | load(data, i, size) << (64 - 8 * width));

        memcpy(to + (size_t)i * width, &word, sizeof(word));
    }
}

static inline __attribute__((always_inline)) void
put_sized(uint8_t *to, const void *data, uint32_t n, unsigned size, unsigned width, bool is_float)
{
    if (width == 1) {
        for (uint32_t i = 0; i < n; i++)
            to[i] = (uint8_t)load(data, i, size);
    } else if (width == 2) {
        put_numbers(to, data, n, size, 2, 0xcc);
    } else if (width == 3) {
        put_numbers(to, data, n, size, 3, 0xcd);
    } else if (width == 5) {
        put_numbers(to, data, n, size, 5, is_float ? 0xca : 0xce);
    } else {
        for (uint32_t i = 0; i < n; i++)
            put_be(put_u8(to + (size_t)i * 9, 0xcf), load(data, i, size), 8);
    }
}

static uint8_t *put_array(uint8_t *to, enum column column, const void *data, uint32_t n,
                          unsigned size, unsigned width)
{
    if (n < 16)
        to = put_u8(to, 0x90 | n);
    else if (n <= UINT16_MAX)
        to = put_be(put_u8(to, 0xdc), n, 2);
    else
        to = put_be(put_u8(to, 0xdd), n, 4);
    if (size == 8)
        put_sized(to, data, n, 8, width, false);
    else
        put_sized(to, data, n, 4, width, column_table[column].is_float);
    return to + (size_t)n * width;
}

static uint8_t *put_packed(uint8_t *to, const void *data, uint32_t n, unsigned size, unsigned width)
{
    to = put_be(put_u8(to, 0xc6), (uint64_t)n * width, 4);
    if (size == width && BYTE_ORDER == LITTLE_ENDIAN) {
        memcpy(to, data, (size_t)n * width);
    } else if (width == 8) {
        for (uint32_t i = 0; i < n; i++) {
            uint64_t value = htole64(size == 8 ? load(data, i, 8) : load(data, i, 4));
            memcpy(to + (size_t)i * 8, &value, 8);
        }
    } else {
        for (uint32_t i = 0; i < n; i++) {
            uint32_t value = htole32((uint32_t)(size == 8 ? load(data, i, 8) : load(data, i, 4)));
            memcpy(to + (size_t)i * 4, &value, 4);
        }
    }
    return to + (size_t)n * width;
}

/* Bytes of one number of a packed column. */
static unsigned packed_width(const struct batch_format *format, enum column column)
{
    if (column_table[column].of_samples)
        return format->wide_index ? 8 : 4;
    return column_table[column].size;
}

/* Bytes of one number as given. */
static unsigned given_size(const struct batch_columns *columns, enum column column)
{
    if (column_table[column].of_samples && columns->narrow_index)
        return sizeof(uint32_t);
    return column_table[column].size;
}

int batch_encode(struct evd_buf *buf, const struct batch_head *head,
                 const struct batch_format *format, const struct batch_columns *columns)
{
    size_t size = HEAD_BOUND + head->job.len + SLACK;
    unsigned width[COLUMN_COUNT], present = 0;
    uint8_t *to, *start;

    if (head->job.len > EVD_MAX_NAME)
        return EVD_E_LIMIT;
    for (uint32_t left = format->columns; left; left &= left - 1) {
        enum column c = (enum column)__builtin_ctz(left);

        width[c] = format->packed
                       ? packed_width(format, c)
                       : array_width(c, columns->data[c], columns->n, given_size(columns, c));
        size += (size_t)columns->n * width[c];
        present++;
    }
    start = buf_reserve(buf, size);
    if (!start) {
        bool limit = size > buf->limit - buf->len;

        buf_truncate(buf, buf->len);
        return limit ? EVD_E_LIMIT : EVD_E_NO_MEMORY;
    }
    to = put_head(start, head, present);
    for (uint32_t left = format->columns; left; left &= left - 1) {
        enum column c = (enum column)__builtin_ctz(left);

        to = put_str(to, column_table[c].name, column_table[c].name_len);
        to = format->packed
                 ? put_packed(to, columns->data[c], columns->n, given_size(columns, c), width[c])
                 : put_array(to, c, columns->data[c], columns->n, given_size(columns, c), width[c]);
    }
    buf->len += (size_t)(to - start);
    return EVD_OK;
}

size_t batch_size_bound(const struct batch_format *format, uint32_t n)
{
    size_t size = HEAD_BOUND + EVD_MAX_NAME + SLACK;

    for (int c = 0; c < COLUMN_COUNT; c++) {
        if (format->columns >> c & 1)
            size +=
                (size_t)n * (format->packed ? packed_width(format, c) : column_table[c].size + 1u);
    }
    return size;
}
