/*
 * JSON text and MessagePack, each from the other; what differs is documented at evd_call. Called by
 * call.c, and by upload.c for its last answer.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "client/lib/client.h"
#include "proto/decimal.h"

#define HEX_KEY "$hex"

/* ---- JSON to MessagePack ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int pack_hex(msgpack_packer *pk, const json_t *text, struct evd_error *err)
{
    const char *hex = json_string_value(text);
    size_t n = hex ? json_string_length(text) : 1;

    if (n % 2 != 0)
        return error_set(err, EVD_E_USAGE, HEX_KEY, "\"" HEX_KEY "\": give pairs of hex digits");
    msgpack_pack_bin(pk, n / 2);
    for (size_t i = 0; i < n; i += 2) {
        int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);
        uint8_t byte = (uint8_t)(high << 4 | low);
        if (high < 0 || low < 0)
            return error_set(err, EVD_E_USAGE, HEX_KEY, "\"" HEX_KEY "\": '%.2s' is no hex number",
                             hex + i);
        msgpack_pack_bin_body(pk, &byte, 1);
    }
    return EVD_OK;
}

/* jansson parses nothing that is nested more than 2048 deep. */
static int pack_value(msgpack_packer *pk, const json_t *json, struct evd_error *err);

static int pack_entries(msgpack_packer *pk, const json_t *json,
                        void (*pack)(msgpack_packer *pk, const char *key, size_t len),
                        struct evd_error *err)
{
    const char *key;
    json_t *value;
    size_t len;

    json_object_keylen_foreach((json_t *)json, key, len, value)
    {
        pack(pk, key, len);
        if (pack_value(pk, value, err) != EVD_OK)
            return err->code;
    }
    return EVD_OK;
}

static int pack_object(msgpack_packer *pk, const json_t *json, struct evd_error *err)
{
    const json_t *hex = json_object_get(json, HEX_KEY);

    if (hex && json_object_size(json) == 1)
        return pack_hex(pk, hex, err);
    msgpack_pack_map(pk, json_object_size(json));
    return pack_entries(pk, json, pack_text, err);
}

static int pack_array(msgpack_packer *pk, const json_t *json, struct evd_error *err)
{
    msgpack_pack_array(pk, json_array_size(json));
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (pack_value(pk, json_array_get(json, i), err) != EVD_OK)
            return err->code;
    }
    return EVD_OK;
}

static int pack_value(msgpack_packer *pk, const json_t *json, struct evd_error *err)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return pack_object(pk, json, err);
    case JSON_ARRAY:
        return pack_array(pk, json, err);
    case JSON_STRING:
        pack_text(pk, json_string_value(json), json_string_length(json));
        break;
    case JSON_INTEGER:
        msgpack_pack_int64(pk, json_integer_value(json));
        break;
    case JSON_REAL:
        msgpack_pack_double(pk, json_real_value(json));
        break;
    case JSON_TRUE:
        msgpack_pack_true(pk);
        break;
    case JSON_FALSE:
        msgpack_pack_false(pk);
        break;
    case JSON_NULL:
        msgpack_pack_nil(pk);
        break;
    }
    return EVD_OK;
}

int json_to_msgpack(msgpack_packer *pk, const char *text, struct evd_error *err)
{
    json_error_t why;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    int code;

    if (!json)
        return error_set(err, EVD_E_USAGE, "params", "params are not JSON: line %d, column %d: %s",
                         why.line, why.column, why.text);
    if (json_is_object(json))
        code = pack_entries(pk, json, pack_key_text, err);
    else
        code = error_set(err, EVD_E_USAGE, "params",
                         "params must be a JSON object, {\"field\": value, ...}");
    json_decref(json);
    return code;
}

/* ---- MessagePack to JSON ---- */

static json_t *from_value(const msgpack_object *object);

static json_t *from_map(const msgpack_object_map *map)
{
    json_t *json = json_object();

    for (uint32_t i = 0; json && i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;
        if (key->type != MSGPACK_OBJECT_STR ||
            json_object_setn_new(json, key->via.str.ptr, key->via.str.size,
                                 from_value(&map->ptr[i].val)) < 0) {
            json_decref(json);
            json = NULL;
        }
    }
    return json;
}

static json_t *from_array(const msgpack_object_array *array)
{
    json_t *json = json_array();

    for (uint32_t i = 0; json && i < array->size; i++) {
        if (json_array_append_new(json, from_value(&array->ptr[i])) < 0) {
            json_decref(json);
            json = NULL;
        }
    }
    return json;
}

static json_t *from_bin(const msgpack_object_bin *bin)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = malloc((size_t)bin->size * 2 + 1);
    json_t *json;

    if (!hex)
        return NULL;
    for (uint32_t i = 0; i < bin->size; i++) {
        hex[2 * i] = digits[(uint8_t)bin->ptr[i] >> 4];
        hex[2 * i + 1] = digits[(uint8_t)bin->ptr[i] & 15];
    }
    json = json_pack("{s:s#}", HEX_KEY, hex, bin->size * 2);
    free(hex);
    return json;
}

static json_t *from_u64(uint64_t value)
{
    char digits[24];

    if (value <= INT64_MAX)
        return json_integer((json_int_t)value);
    snprintf(digits, sizeof(digits), "%" PRIu64, value);
    return json_string(digits);
}

/* NULL: no memory, or what JSON cannot say (text that is not UTF-8, keys that are not text). */
static json_t *from_value(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return from_u64(object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return isfinite(object->via.f64) ? json_real(object->via.f64) : json_null();
    case MSGPACK_OBJECT_STR:
        return json_stringn(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return from_bin(&object->via.bin);
    case MSGPACK_OBJECT_ARRAY:
        return from_array(&object->via.array);
    case MSGPACK_OBJECT_MAP:
        return from_map(&object->via.map);
    default:
        return NULL;
    }
}

int msgpack_to_json(const msgpack_object *object, char **text, struct evd_error *err)
{
    json_t *json = from_value(object);

    *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    if (!*text)
        return error_set(err, EVD_E_PROTOCOL, "",
                         "the answer cannot be said in JSON, or there is no memory for it");
    decimal_shorten(*text);
    return EVD_OK;
}
