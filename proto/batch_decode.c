/*
 * Decodes the notification `batch`. Called by the client for every batch that it hands out.
 */
#include "proto/batch.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include "proto/limits.h"
#include "proto/numbers.h"

static int bad_batch(struct evd_error *err, const char *key, const char *why)
{
    return error_set(err, EVD_E_PROTOCOL, key, "the server sent a batch whose \"%s\" %s", key, why);
}

static bool read_u32(const msgpack_object *object, uint32_t *out)
{
    uint64_t value;

    if (!number_u64(object, UINT32_MAX, &value))
        return false;
    *out = (uint32_t)value;
    return true;
}

/* Room for n values; a column that is there is never NULL, even without any. */
static bool reserve(struct batch_decoded *out, enum column column, uint32_t n)
{
    uint32_t cap = n > 64 ? n : 64;
    void *data;

    if (out->data[column] && n <= out->cap[column])
        return true;
    data = realloc(out->data[column], (size_t)cap * column_table[column].size);
    if (!data)
        return false;
    out->data[column] = data;
    out->cap[column] = cap;
    return true;
}

/* Little-endian numbers of `width` bytes into elements of `size` bytes: 4 to 4, 4 to 8 or 8 to 8.
 */
static void unpack_bin(char *to, const char *from, uint32_t n, size_t width, size_t size)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t wide = 0;
        uint32_t narrow = 0;

        if (width == sizeof(wide)) {
            memcpy(&wide, from + i * width, sizeof(wide));
            wide = le64toh(wide);
        } else {
            memcpy(&narrow, from + i * width, sizeof(narrow));
            wide = narrow = le32toh(narrow);
        }
        if (size == sizeof(wide))
            memcpy(to + i * size, &wide, sizeof(wide));
        else
            memcpy(to + i * size, &narrow, sizeof(narrow));
    }
}

static bool unpack_floats(float *to, const msgpack_object *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        double number;

        if (!number_f64(&from[i], &number))
            return false;
        to[i] = (float)number;
    }
    return true;
}

static bool unpack_array(void *to, const msgpack_object *from, uint32_t n,
                         const struct column_desc *column)
{
    if (column->is_float)
        return unpack_floats(to, from, n);
    for (uint32_t i = 0; i < n; i++) {
        if (column->size == sizeof(uint64_t) ? !number_u64(&from[i], UINT64_MAX, (uint64_t *)to + i)
                                             : !read_u32(&from[i], (uint32_t *)to + i))
            return false;
    }
    return true;
}

static int decode_column(const msgpack_object *value, enum column column,
                         const struct batch_format *format, struct batch_decoded *out,
                         struct evd_error *err)
{
    const struct column_desc *desc = &column_table[column];
    size_t width = desc->of_samples && !format->wide_index ? 4 : desc->size;
    uint32_t n;

    if (value->type == MSGPACK_OBJECT_ARRAY)
        n = value->via.array.size;
    else if (value->type == MSGPACK_OBJECT_BIN && value->via.bin.size % width == 0)
        n = value->via.bin.size / (uint32_t)width;
    else
        return bad_batch(err, desc->name, "is neither an array nor bin of whole numbers");
    if (n > EVD_MAX_BATCH)
        return bad_batch(err, desc->name, "has more entries than a batch can have");
    if (out->columns != 0 && n != out->n)
        return bad_batch(err, desc->name, "has another number of entries than the column before");
    if (out->columns >> column & 1)
        return bad_batch(err, desc->name, "is there twice");
    if (!reserve(out, column, n))
        return error_set(err, EVD_E_NO_MEMORY, desc->name, "no memory for a batch of %u", n);
    if (value->type == MSGPACK_OBJECT_BIN)
        unpack_bin(out->data[column], value->via.bin.ptr, n, width, desc->size);
    else if (!unpack_array(out->data[column], value->via.array.ptr, n, desc))
        return bad_batch(err, desc->name, "holds something that does not belong there");
    out->n = n;
    out->columns |= 1u << column;
    return EVD_OK;
}

/* The keys beside the columns; those that nobody here knows are passed over, so that a newer server
 * may say more. */
enum key { KEY_STREAM, KEY_JOB, KEY_GENERATION, KEY_EPOCH, KEY_STEP, KEY_REVISION, KEY_COUNT };
static const char *const key_names[KEY_COUNT] = {"stream", "job",  "generation",
                                                 "epoch",  "step", "revision"};

static int decode_head(struct evd_str key, const msgpack_object *value, struct batch_head *head,
                       unsigned *seen, struct evd_error *err)
{
    bool ok = true;
    int k = 0;

    if (str_is(key, "redelivered")) {
        head->redelivered = value->type == MSGPACK_OBJECT_BOOLEAN && value->via.boolean;
        return EVD_OK;
    }
    while (k < KEY_COUNT && !str_is(key, key_names[k]))
        k++;
    switch (k) {
    case KEY_STREAM:
        ok = read_u32(value, &head->stream);
        break;
    case KEY_JOB:
        ok = value->type == MSGPACK_OBJECT_STR;
        if (ok)
            head->job = (struct evd_str){value->via.str.ptr, value->via.str.size};
        break;
    case KEY_GENERATION:
        ok = read_u32(value, &head->generation);
        break;
    case KEY_EPOCH:
        ok = number_u64(value, UINT64_MAX, &head->epoch);
        break;
    case KEY_STEP:
        ok = number_u64(value, UINT64_MAX, &head->step);
        break;
    case KEY_REVISION:
        ok = read_u32(value, &head->revision);
        break;
    default:
        return EVD_OK;
    }
    *seen |= 1u << k;
    return ok ? EVD_OK : bad_batch(err, key_names[k], "has the wrong type or is out of range");
}

static int check_complete(const struct batch_decoded *out, const struct batch_format *format,
                          unsigned seen, struct evd_error *err)
{
    for (int k = 0; k < KEY_COUNT; k++) {
        if (!(seen >> k & 1))
            return bad_batch(err, key_names[k], "is missing");
    }
    for (int c = 0; c < COLUMN_COUNT; c++) {
        if ((format->columns & ~out->columns) >> c & 1)
            return bad_batch(err, column_table[c].name, "is missing");
    }
    return EVD_OK;
}

int batch_decode(const msgpack_object *params, const struct batch_format *format,
                 struct batch_decoded *out, struct evd_error *err)
{
    const msgpack_object_map *map;
    unsigned seen = 0;

    if (params->type != MSGPACK_OBJECT_ARRAY || params->via.array.size != 1 ||
        params->via.array.ptr[0].type != MSGPACK_OBJECT_MAP)
        return error_set(err, EVD_E_PROTOCOL, "", "the server sent a batch that is not one map");
    map = &params->via.array.ptr[0].via.map;
    out->head = (struct batch_head){0};
    out->columns = 0;
    out->n = 0;
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key, *value = &map->ptr[i].val;
        struct evd_str name;
        int column, code;

        if (key->type != MSGPACK_OBJECT_STR)
            continue;
        name = (struct evd_str){key->via.str.ptr, key->via.str.size};
        column = column_find(name.data, name.len);
        if (column < 0)
            code = decode_head(name, value, &out->head, &seen, err);
        else if (format->columns >> column & 1)
            code = decode_column(value, column, format, out, err);
        else
            code = EVD_OK; /* not asked for */
        if (code != EVD_OK)
            return code;
    }
    return check_complete(out, format, seen, err);
}

void batch_decoded_fini(struct batch_decoded *out)
{
    for (int c = 0; c < COLUMN_COUNT; c++)
        free(out->data[c]);
    *out = (struct batch_decoded){0};
}
