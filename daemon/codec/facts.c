/* Facts of attachments (facts.h). Called by attachment.create, and when they are loaded. */
#include "codec/facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/buf.h"
#include "proto/guard.h"
#include "proto/limits.h"
#include "proto/numbers.h"
#include "proto/pack.h"

/* Entries of the map. */
#define FACTS_MOST 64u

static int refuse(struct evd_error *err)
{
    return error_set(err, EVD_E_BAD_TYPE, "terms",
                     "\"terms\" must be a map of text to text, finite numbers, true or false");
}

static bool encode_value(msgpack_packer *pk, const msgpack_object *value)
{
    struct evd_str text;

    switch (value->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        if (value->via.boolean)
            msgpack_pack_true(pk);
        else
            msgpack_pack_false(pk);
        return true;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        msgpack_pack_uint64(pk, value->via.u64);
        return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        msgpack_pack_int64(pk, value->via.i64);
        return true;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        msgpack_pack_double(pk, value->via.f64);
        return isfinite(value->via.f64);
    default:
        if (!text_from(value, &text) || !str_utf8(text))
            return false;
        pack_text(pk, text.data, text.len);
        return true;
    }
}

static bool encode_key(msgpack_packer *pk, const msgpack_object_map *map, uint32_t i)
{
    struct evd_str key, other;

    if (!text_from(&map->ptr[i].key, &key) || key.len == 0 || !str_utf8(key))
        return false;
    for (uint32_t j = 0; j < i; j++) {
        if (text_from(&map->ptr[j].key, &other) && other.len == key.len &&
            memcmp(other.data, key.data, key.len) == 0)
            return false;
    }
    pack_text(pk, key.data, key.len);
    return true;
}

static int encode(struct evd_buf *buf, const msgpack_object *terms, struct evd_error *err)
{
    static const msgpack_object_map nothing = {0};
    const msgpack_object_map *map = terms ? &terms->via.map : &nothing;
    msgpack_packer pk;

    if (terms && terms->type != MSGPACK_OBJECT_MAP)
        return refuse(err);
    if (map->size > FACTS_MOST)
        return error_set(err, EVD_E_LIMIT, "terms", "\"terms\" has %u entries: at most %u are kept",
                         map->size, FACTS_MOST);
    buf_packer(buf, &pk);
    msgpack_pack_map(&pk, map->size);
    for (uint32_t i = 0; i < map->size; i++) {
        if (!encode_key(&pk, map, i) || !encode_value(&pk, &map->ptr[i].val))
            return refuse(err);
    }
    if (!buf->failed)
        return EVD_OK;
    return error_set(err, EVD_E_LIMIT, "terms",
                     "\"terms\" is longer than the %u bytes that are kept", EVD_MAX_TERMS);
}

int facts_encode(const msgpack_object *terms, void **bytes, size_t *n, struct evd_error *err)
{
    struct evd_buf buf;
    int code;

    buf_init(&buf, EVD_MAX_TERMS);
    code = encode(&buf, terms, err);
    if (code == EVD_OK) {
        *n = buf.len;
        *bytes = malloc(buf.len);
        if (*bytes)
            memcpy(*bytes, buf.data, buf.len);
        else
            code = error_no_memory(err);
    }
    buf_fini(&buf);
    return code;
}

static int check_object(const void *bytes, size_t n, const msgpack_object *terms,
                        struct evd_error *err)
{
    void *again;
    size_t again_bytes;
    int code = facts_encode(terms, &again, &again_bytes, err);

    if (code != EVD_OK)
        return code;
    if (again_bytes != n || memcmp(again, bytes, n) != 0)
        code = EVD_E_STORE;
    free(again);
    return code;
}

int facts_check(const void *bytes, size_t n, struct evd_error *err)
{
    const struct guard_limits limits = {EVD_MAX_TERMS, EVD_MAX_TERMS};
    msgpack_unpacked unpacked;
    struct guard guard;
    int code = EVD_E_STORE;

    msgpack_unpacked_init(&unpacked);
    guard_init(&guard, &limits);
    if (n > 0 && n <= EVD_MAX_TERMS && guard_feed(&guard, bytes, n) == n &&
        guard.status == GUARD_DONE) {
        switch (msgpack_unpack_next(&unpacked, bytes, n, NULL)) {
        case MSGPACK_UNPACK_SUCCESS:
            code = check_object(bytes, n, &unpacked.data, err);
            break;
        case MSGPACK_UNPACK_NOMEM_ERROR:
            code = EVD_E_NO_MEMORY;
            break;
        default:
            break;
        }
    }
    msgpack_unpacked_destroy(&unpacked);
    if (code == EVD_OK)
        return EVD_OK;
    if (code == EVD_E_NO_MEMORY)
        return error_no_memory(err);
    return error_set(err, EVD_E_STORE, "terms", "what is said of it is damaged");
}
