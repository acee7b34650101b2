/* Parameters of strategies that are text, and names of attachments, to and from MessagePack
 * (named.h).
 */
#include "codec/named.h"

#include <stdio.h>
#include <string.h>
#include "proto/limits.h"
#include "proto/numbers.h"
#include "proto/pack.h"

int text_decode(struct strategy *strategy, int at, struct evd_str text, struct evd_error *err)
{
    const char *name = strategy_param(strategy->kind, at)->name;
    struct strategy_value *value = &strategy->values[at];

    if (text.len >= sizeof(value->text) || !str_utf8(text) || memchr(text.data, 0, text.len))
        return error_set(err, EVD_E_BAD_VALUE, name,
                         "strategy %s: \"%s\" must be text of at most %zu bytes",
                         strategy->kind->name, name, sizeof(value->text) - 1);
    memcpy(value->text, text.data, text.len);
    value->text[text.len] = '\0';
    value->tag = VALUE_TEXT;
    return EVD_OK;
}

/* Sixteen digits, as answers have them. */
static bool digest_from(const msgpack_object *object, uint64_t *out)
{
    struct evd_str text;

    *out = 0;
    if (!text_from(object, &text) || text.len != 16)
        return false;
    for (uint32_t i = 0; i < text.len; i++) {
        const char *digits = "0123456789abcdef";
        const char *at = text.data[i] ? strchr(digits, text.data[i]) : NULL;

        if (!at)
            return false;
        *out = *out << 4 | (uint64_t)(at - digits);
    }
    return true;
}

int attached_decode(struct strategy *strategy, int at, const msgpack_object *object,
                    struct evd_error *err)
{
    const struct strategy_param *param = strategy_param(strategy->kind, at);
    const char *what = param->accepts & STRATEGY_NEIGHBOURS  ? "neighbours"
                       : param->accepts & STRATEGY_SELECTION ? "a selection"
                                                             : "folds";
    struct strategy_value *value = &strategy->values[at];
    struct evd_str text = {NULL, 0}, key;
    bool valid = text_from(object, &text), digest = false;

    if (object->type == MSGPACK_OBJECT_MAP && object->via.map.size == 2) {
        for (uint32_t i = 0; i < 2; i++) {
            const msgpack_object_kv *kv = &object->via.map.ptr[i];

            if (!text_from(&kv->key, &key))
                continue;
            if (str_is(key, "name"))
                valid = text_from(&kv->val, &text);
            else if (str_is(key, "digest"))
                digest = digest_from(&kv->val, &value->digest);
        }
        valid &= digest;
    }
    if (!valid)
        return error_set(err, EVD_E_BAD_TYPE, param->name,
                         "strategy %s: \"%s\" must be the name of %s, or {\"name\": ..., "
                         "\"digest\": sixteen hexadecimal digits}",
                         strategy->kind->name, param->name, what);
    if (text.len > EVD_MAX_NAME)
        return error_set(err, EVD_E_BAD_VALUE, param->name,
                         "strategy %s: \"%s\" must be the name of %s, and names have at most %u "
                         "bytes",
                         strategy->kind->name, param->name, what, EVD_MAX_NAME);
    if (text_decode(strategy, at, text, err) != EVD_OK)
        return err->code;
    if (digest)
        value->tag = VALUE_ATTACHED;
    return EVD_OK;
}

void attached_encode(msgpack_packer *pk, const char *key, const struct strategy_value *value)
{
    char digest[17];

    snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)value->digest);
    pack_key(pk, key);
    pack_map_begin(pk);
    pack_key_cstr(pk, "name", value->text);
    pack_key_cstr(pk, "digest", digest);
    pack_map_end(pk);
}
