/*
 * What the daemon does with bytes from anybody: guard, message, method.
 *
 * Properties: how the bytes are cut does not matter; what the guard passes msgpack-c can read,
 * ending at the same byte and within the memory announced; errors are printable; nothing crashes.
 */
#include "check.h"
#include "proto/methods.h"

static void decode_call(const struct message *msg)
{
    union params params;
    struct evd_error err;
    int method = method_find(msg->method.data, msg->method.len);

    if (method < 0) {
        CHECK(method_unknown(msg->method, &err) == EVD_E_UNKNOWN_METHOD);
        check_error(&err);
    }
    /* The fields may be another method's. */
    for (int i = 0; i < METHOD_COUNT; i++) {
        if (method_decode((enum method)i, msg->params, &params, &err) != EVD_OK)
            check_error(&err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct message msg;

    message_init(&msg);
    while (n > 0) {
        struct guard guard = check_guard(&guard_request_limits, data, n);
        struct evd_error err;
        uint32_t id;

        if (guard.status != GUARD_DONE) {
            guard_error(&guard, &err);
            check_error(&err);
            message_peek_id(data, n, &id);
            break;
        }
        if (check_decode(&msg, &guard, data) == EVD_OK && msg.type != MESSAGE_RESPONSE)
            decode_call(&msg);
        data += guard.seen;
        n -= guard.seen;
    }
    message_fini(&msg);
    return 0;
}
