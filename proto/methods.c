/*
 * The table of methods, and the decoder of their fields. Called by the daemon for every message
 * that comes, and by the client to know what a method is like.
 */
#include "proto/methods.h"

#include <math.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "proto/limits.h"
#include "proto/numbers.h"

#define NEED_REQUIRED true
#define NEED_OPTIONAL false

/* The rows of each method's fields, ended by an empty one, since some methods have none. */
#define FIELD_ROW(id, type, name, need)                                                            \
    {#name,                                                                                        \
     sizeof(#name) - 1,                                                                            \
     FIELD_##type,                                                                                 \
     NEED_##need,                                                                                  \
     offsetof(struct params_##id, name),                                                           \
     offsetof(struct params_##id, has_##name)},
#define FIELD_ROWS(id, ...)                                                                        \
    static const struct field_desc fields_##id[] = {EVD_FIELDS_##id(FIELD_ROW, id){.name = NULL}};
EVD_METHODS(FIELD_ROWS)

#define METHOD_ROW(id, wire, traits)                                                               \
    [METHOD_##id] = {wire, sizeof(wire) - 1, traits, fields_##id,                                  \
                     sizeof(fields_##id) / sizeof(fields_##id[0]) - 1},
const struct method_desc method_table[METHOD_COUNT] = {EVD_METHODS(METHOD_ROW)};

int method_find(const char *name, size_t len)
{
    for (int i = 0; i < METHOD_COUNT; i++) {
        const struct method_desc *method = &method_table[i];

        if (method->name_len == len && memcmp(method->name, name, len) == 0)
            return i;
    }
    return -1;
}

/* Of a peer's text, as much as a message should repeat. */
static int shown(struct evd_str text)
{
    return text.len < 64 ? (int)text.len : 64;
}

static const char *nearest_method(struct evd_str name)
{
    const char *nearest = NULL;
    uint32_t least = 4;

    for (int i = 0; i < METHOD_COUNT; i++) {
        uint32_t distance = str_distance(name, method_table[i].name);

        if (distance < least) {
            least = distance;
            nearest = method_table[i].name;
        }
    }
    return nearest;
}

int method_unknown(struct evd_str name, struct evd_error *err)
{
    const char *nearest = nearest_method(name);
    char detail[sizeof(err->detail)];

    snprintf(detail, sizeof(detail), "%.*s", shown(name), name.data);
    if (nearest)
        return error_set(err, EVD_E_UNKNOWN_METHOD, detail,
                         "there is no method \"%.*s\": did you mean \"%s\"?", shown(name),
                         name.data, nearest);
    return error_set(err, EVD_E_UNKNOWN_METHOD, detail,
                     "there is no method \"%.*s\": proto/PROTOCOL.md lists them, and server.info "
                     "tells the server's version",
                     shown(name), name.data);
}

/* "no field ...: did you mean ...? It takes a, b, c". */
static int unknown_field(const struct method_desc *method, struct evd_str name,
                         struct evd_error *err)
{
    const char *nearest = NULL;
    uint32_t least = name.len / 2 < 4 ? name.len / 2 + 1 : 4;
    char hint[80] = "", known[192] = "none", detail[sizeof(err->detail)];
    size_t len = 0;

    for (uint32_t i = 0; i < method->field_count; i++) {
        const char *field = method->fields[i].name;
        uint32_t distance = str_distance(name, field);

        if (distance < least) {
            least = distance;
            nearest = field;
        }
        if (len < sizeof(known))
            len += (size_t)snprintf(known + len, sizeof(known) - len, i ? ", %s" : "%s", field);
    }
    if (nearest)
        snprintf(hint, sizeof(hint), " did you mean \"%s\"?", nearest);
    snprintf(detail, sizeof(detail), "%.*s", shown(name), name.data);
    return error_set(err, EVD_E_UNKNOWN_FIELD, detail, "%s has no field \"%.*s\":%s it takes %s",
                     method->name, shown(name), name.data, hint, known);
}

static const char *const type_names[] = {
    [FIELD_str] = "text",     [FIELD_u32] = "an integer",        [FIELD_u64] = "an integer",
    [FIELD_f64] = "a number", [FIELD_boolean] = "true or false", [FIELD_obj] = "anything",
};

static int bad_type(const struct method_desc *method, const struct field_desc *field,
                    struct evd_error *err)
{
    return error_set(err, EVD_E_BAD_TYPE, field->name, "%s: \"%s\" must be %s", method->name,
                     field->name, type_names[field->type]);
}

static bool is_whole(const msgpack_object *value)
{
    double f = number_is_float(value) ? value->via.f64 : 0;

    if (f != f)
        return false;
    if (f <= -NUMBER_FLOAT_MOST || f >= NUMBER_FLOAT_MOST) /* there all are */
        return true;
    if (number_is_float(value))
        return f == (double)(int64_t)f;
    return value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
           value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
}

static int decode_integer(const struct method_desc *method, const struct field_desc *field,
                          const msgpack_object *value, void *to, struct evd_error *err)
{
    uint64_t most = field->type == FIELD_u32 ? UINT32_MAX : UINT64_MAX, number;

    if (!is_whole(value))
        return bad_type(method, field, err);
    if (number_is_float(value) && value->via.f64 > NUMBER_FLOAT_MOST)
        return error_set(err, EVD_E_BAD_VALUE, field->name,
                         "\"%s\" is a float beyond 2^53, which stands for several integers: write "
                         "it as an integer",
                         field->name);
    if (!number_u64(value, most, &number))
        return error_set(err, EVD_E_BAD_VALUE, field->name,
                         "\"%s\" is out of range: it goes from 0 to %" PRIu64, field->name,
                         most < EVD_MAX_SEED ? most : EVD_MAX_SEED);
    if (field->type == FIELD_u32)
        *(uint32_t *)to = (uint32_t)number;
    else
        *(uint64_t *)to = number;
    return EVD_OK;
}

static int decode_number(const struct method_desc *method, const struct field_desc *field,
                         const msgpack_object *value, double *to, struct evd_error *err)
{
    if (!number_f64(value, to))
        return bad_type(method, field, err);
    if (!isfinite(*to))
        return error_set(err, EVD_E_BAD_VALUE, field->name, "%s: \"%s\" is not a finite number",
                         method->name, field->name);
    return EVD_OK;
}

static int decode_text(const struct method_desc *method, const struct field_desc *field,
                       const msgpack_object *value, struct evd_str *to, struct evd_error *err)
{
    if (!text_from(value, to))
        return bad_type(method, field, err);
    if (!str_utf8(*to))
        return error_set(err, EVD_E_BAD_VALUE, field->name, "%s: \"%s\" is not UTF-8", method->name,
                         field->name);
    return EVD_OK;
}

static int decode_field(const struct method_desc *method, const struct field_desc *field,
                        const msgpack_object *value, union params *out, struct evd_error *err)
{
    void *to = (char *)out + field->offset;
    bool *has = (bool *)((char *)out + field->has_offset);

    if (value->type == MSGPACK_OBJECT_NIL)
        return EVD_OK; /* as if it was left out */
    if (*has)
        return error_set(err, EVD_E_BAD_VALUE, field->name, "%s: \"%s\" is given twice",
                         method->name, field->name);
    *has = true;
    switch (field->type) {
    case FIELD_str:
        return decode_text(method, field, value, to, err);
    case FIELD_u32:
    case FIELD_u64:
        return decode_integer(method, field, value, to, err);
    case FIELD_f64:
        return decode_number(method, field, value, to, err);
    case FIELD_boolean:
        if (value->type != MSGPACK_OBJECT_BOOLEAN)
            return bad_type(method, field, err);
        *(bool *)to = value->via.boolean;
        return EVD_OK;
    case FIELD_obj:
        *(const msgpack_object **)to = value;
        return EVD_OK;
    }
    return error_set(err, EVD_E_INTERNAL, field->name, "%s: \"%s\" has no decoder", method->name,
                     field->name);
}

static int decode_entry(const struct method_desc *method, const msgpack_object_kv *entry,
                        union params *out, struct evd_error *err)
{
    struct evd_str key;

    if (!text_from(&entry->key, &key))
        return error_set(err, EVD_E_BAD_TYPE, "", "%s: names of fields must be text", method->name);
    for (uint32_t i = 0; i < method->field_count; i++) {
        const struct field_desc *field = &method->fields[i];

        if (field->name_len == key.len && memcmp(field->name, key.data, key.len) == 0)
            return decode_field(method, field, &entry->val, out, err);
    }
    return unknown_field(method, key, err);
}

int method_decode(enum method method, const msgpack_object *params, union params *out,
                  struct evd_error *err)
{
    const struct method_desc *desc = &method_table[method];
    const msgpack_object *map;

    memset(out, 0, sizeof(*out));
    if (params->type != MSGPACK_OBJECT_ARRAY || params->via.array.size > 1 ||
        (params->via.array.size == 1 && params->via.array.ptr[0].type != MSGPACK_OBJECT_MAP))
        return error_set(err, EVD_E_PROTOCOL, "",
                         "%s: params must be an array that is empty or holds one map of fields",
                         desc->name);
    map = params->via.array.size == 1 ? params->via.array.ptr : NULL;
    for (uint32_t i = 0; map && i < map->via.map.size; i++) {
        int code = decode_entry(desc, &map->via.map.ptr[i], out, err);

        if (code != EVD_OK)
            return code;
    }
    for (uint32_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];

        if (field->required && !*(bool *)((char *)out + field->has_offset))
            return error_set(err, EVD_E_MISSING_FIELD, field->name,
                             "%s: the field \"%s\" (%s) is missing", desc->name, field->name,
                             type_names[field->type]);
    }
    return EVD_OK;
}
