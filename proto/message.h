/*
 * MessagePack-RPC messages: [0, id, method, params], [1, id, error, result], [2, method, params].
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <msgpack.h>
#include "proto/error.h"
#include "proto/methods.h"
#include "proto/pack.h"

enum message_type { MESSAGE_REQUEST = 0, MESSAGE_RESPONSE = 1, MESSAGE_NOTIFICATION = 2 };

struct message {
    enum message_type type;
    uint32_t id;                  /* request, response */
    struct evd_str method;        /* request, notification */
    const msgpack_object *params; /* request, notification: an array */
    const msgpack_object *error;  /* response: nil or an error array */
    const msgpack_object *result; /* response */
    msgpack_zone zone;            /* what the objects live in; internal */
    size_t zone_size;             /* of its one chunk; grows to what messages need; internal */
};

/* Decodes one object that the guard has passed whole. `bytes` must outlive the message (text and
 * bin point into it). On an error nothing needs to be freed; where an id could still be read it is
 * in msg->id and *has_id is set, so that the peer can be answered. Keep one `struct message` per
 * connection or thread and decode into it again and again: message_init once (it allocates
 * nothing), message_fini at the end; its memory is reused. Not for two threads at once. EVD_OK;
 * EVD_E_PROTOCOL for any other shape than the three above (params is an array that is empty or
 * holds one map); EVD_E_NO_MEMORY. */
void message_init(struct message *msg);
void message_fini(struct message *msg);
int message_decode(struct message *msg, const uint8_t *bytes, size_t n, bool *has_id,
                   struct evd_error *err) MUST_CHECK;
/* The id of a request or response of which perhaps only the beginning is there or could be decoded;
 * false if it cannot be read. For answering a frame that the guard refused. */
bool message_peek_id(const uint8_t *bytes, size_t n, uint32_t *id);

/* Starts a message; the caller packs what follows (params' one map, or the result). */
void message_request(msgpack_packer *pk, uint32_t id, const char *method);
void message_result(msgpack_packer *pk, uint32_t id);
void message_notification(msgpack_packer *pk, const char *method);
/* A whole error response: [1, id, [code, message, name, detail], nil]. */
void message_error(msgpack_packer *pk, uint32_t id, const struct evd_error *err);
/* The error array of a response into *err; returns its code, EVD_OK if it is nil. Forgiving: any
 * other shape becomes EVD_E_PROTOCOL. */
int message_error_decode(const msgpack_object *error, struct evd_error *err) MUST_CHECK;

#endif
