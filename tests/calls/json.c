#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *json_vof(const char *format, va_list ap)
{
    json_error_t err;
    char *text_ = NULL;
    json_t *value;

    assert_true(vasprintf(&text_, format, ap) >= 0);
    for (char *c = text_; *c; c++) {
        if (*c == '\'')
            *c = '"';
    }
    value = json_loads(text_, JSON_DECODE_ANY, &err);
    if (!value)
        fail_msg("%s in %s", err.text, text_);
    free(text_);
    return value;
}

json_t *json_of(const char *format, ...)
{
    va_list ap;
    json_t *value;

    va_start(ap, format);
    value = json_vof(format, ap);
    va_end(ap);
    return value;
}

static void pack_hex(msgpack_packer *pk, const char *hex)
{
    size_t n = strlen(hex) / 2;
    uint8_t *bytes = malloc(n + 1);
    unsigned byte;

    for (size_t i = 0; i < n; i++) {
        const char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'}; /* sscanf would measure all */

        assert_int_equal(sscanf(digits, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    msgpack_pack_bin(pk, n);
    msgpack_pack_bin_body(pk, bytes, n);
    free(bytes);
}

void pack_json(msgpack_packer *pk, const json_t *value)
{
    const json_t *special;
    const char *key;
    json_t *item;
    size_t i;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        if ((special = json_object_get(value, "$bin"))) {
            pack_hex(pk, json_string_value(special));
            return;
        }
        if ((special = json_object_get(value, "$f64"))) {
            msgpack_pack_double(pk, strtod(json_string_value(special), NULL));
            return;
        }
        msgpack_pack_map(pk, json_object_size(value));
        json_object_foreach((json_t *)value, key, item)
        {
            pack_cstr(pk, key);
            pack_json(pk, item);
        }
        return;
    case JSON_ARRAY:
        msgpack_pack_array(pk, json_array_size(value));
        json_array_foreach(value, i, item) pack_json(pk, item);
        return;
    case JSON_STRING:
        pack_text(pk, json_string_value(value), json_string_length(value));
        return;
    case JSON_INTEGER:
        msgpack_pack_int64(pk, json_integer_value(value));
        return;
    case JSON_REAL:
        msgpack_pack_double(pk, json_real_value(value));
        return;
    case JSON_TRUE:
        msgpack_pack_true(pk);
        return;
    case JSON_FALSE:
        msgpack_pack_false(pk);
        return;
    case JSON_NULL:
        msgpack_pack_nil(pk);
        return;
    }
}

static json_t *from_bin(const msgpack_object_bin *bin)
{
    char *hex = malloc(2 * (size_t)bin->size + 1);
    json_t *value;

    assert_non_null(hex);
    hex[0] = '\0';
    for (uint32_t i = 0; i < bin->size; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", (uint8_t)bin->ptr[i]);
    value = json_pack("{s:s}", "$bin", hex);
    assert_non_null(value);
    free(hex);
    return value;
}

json_t *json_from(const msgpack_object *object)
{
    json_t *value;
    char key[EVD_MAX_NAME + 1];

    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return json_real(object->via.f64);
    case MSGPACK_OBJECT_STR:
        assert_non_null(value = json_stringn(object->via.str.ptr, object->via.str.size));
        return value;
    case MSGPACK_OBJECT_ARRAY:
        value = json_array();
        for (uint32_t i = 0; i < object->via.array.size; i++)
            json_array_append_new(value, json_from(&object->via.array.ptr[i]));
        return value;
    case MSGPACK_OBJECT_MAP:
        value = json_object();
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            const msgpack_object_kv *kv = &object->via.map.ptr[i];

            assert_int_equal(kv->key.type, MSGPACK_OBJECT_STR);
            snprintf(key, sizeof(key), "%.*s", (int)kv->key.via.str.size, kv->key.via.str.ptr);
            json_object_set_new(value, key, json_from(&kv->val));
        }
        return value;
    default:
        return from_bin(&object->via.bin);
    }
}

const char *bin(const json_t *map, const char *key)
{
    return text(json_object_get(map, key), "$bin");
}

int64_t integer(const json_t *map, const char *key)
{
    const json_t *value = json_object_get(map, key);

    if (!json_is_integer(value))
        fail_msg("no integer \"%s\"", key);
    return json_integer_value(value);
}

const char *text(const json_t *map, const char *key)
{
    const json_t *value = json_object_get(map, key);

    if (!json_is_string(value))
        fail_msg("no text \"%s\"", key);
    return json_string_value(value);
}

double real(const json_t *map, const char *key)
{
    const json_t *value = json_object_get(map, key);

    if (!json_is_number(value))
        fail_msg("no number \"%s\"", key);
    return json_number_value(value);
}
