/* Looks at strategies as the database has them (recorded.h). Called when jobs are loaded, and where
 * recorded strategies are decoded. */
#include "codec/recorded.h"

#include <msgpack.h>
#include "proto/guard.h"
#include "proto/numbers.h"

int recorded_damaged(struct evd_error *err)
{
    return error_set(err, EVD_E_STORE, "strategy",
                     "a recorded strategy is damaged in the database: restore it from a backup, or "
                     "drop the job");
}

static bool is_text(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_STR &&
           str_utf8((struct evd_str){object->via.str.ptr, object->via.str.size});
}

/* What is attached to the dataset, by name and digest. */
static bool is_attached(const msgpack_object *value)
{
    return value->type == MSGPACK_OBJECT_MAP && value->via.map.size == 2 &&
           is_text(&value->via.map.ptr[0].val) && is_text(&value->via.map.ptr[1].val);
}

/* A parameter's value: one of what strategy_encode writes. In a map are numbers of classes; in
 * `pairs` and `from` there may be words, too, and what is attached. */
static bool is_recorded_value(const msgpack_object *value, bool words)
{
    double number;

    if (value->type == MSGPACK_OBJECT_BOOLEAN || value->type == MSGPACK_OBJECT_BIN)
        return true;
    if (value->type != MSGPACK_OBJECT_MAP)
        return is_text(value) || number_f64(value, &number);
    for (uint32_t i = 0; i < value->via.map.size; i++) {
        const msgpack_object_kv *kv = &value->via.map.ptr[i];

        if (!is_text(&kv->key) || !((words && (is_text(&kv->val) || is_attached(&kv->val))) ||
                                    number_f64(&kv->val, &number)))
            return false;
    }
    return true;
}

static bool is_recorded(const msgpack_object *object)
{
    if (object->type != MSGPACK_OBJECT_MAP)
        return false;
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object_kv *kv = &object->via.map.ptr[i];

        struct evd_str key = {kv->key.via.str.ptr, kv->key.via.str.size};

        if (!is_text(&kv->key) ||
            !is_recorded_value(&kv->val, str_is(key, "pairs") || str_is(key, "from") ||
                                             is_attached(&kv->val)))
            return false;
    }
    return true;
}

int recorded_check(const void *bytes, size_t n, struct evd_error *err)
{
    const struct guard_limits limits = {(uint32_t)n, EVD_MAX_REPLY_NODES};
    msgpack_unpack_return result = MSGPACK_UNPACK_PARSE_ERROR;
    msgpack_unpacked unpacked;
    struct guard guard;
    bool whole;

    msgpack_unpacked_init(&unpacked);
    guard_init(&guard, &limits);
    if (n > 0 && n <= UINT32_MAX && guard_feed(&guard, bytes, n) == n && guard.status == GUARD_DONE)
        result = msgpack_unpack_next(&unpacked, bytes, n, NULL);
    whole = result == MSGPACK_UNPACK_SUCCESS && is_recorded(&unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
    if (result == MSGPACK_UNPACK_NOMEM_ERROR)
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory to read a recorded strategy");
    return whole ? EVD_OK : recorded_damaged(err);
}
