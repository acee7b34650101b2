/*
 * Decodes MessagePack-RPC messages and begins them. Called by the daemon's dispatcher and by the
 * client for every frame.
 */
#include "proto/message.h"

#include <stdio.h>
#include "proto/numbers.h"

/* The zone starts small, since most connections only ever send small requests, and grows to what a
 * message needed, so that the next one of that size finds its memory there. */
#define ZONE_FIRST 4096u
#define ZONE_MOST  (256u << 10)

void message_init(struct message *msg)
{
    *msg = (struct message){.zone_size = ZONE_FIRST};
}

void message_fini(struct message *msg)
{
    if (msg->zone.chunk_list.head)
        msgpack_zone_destroy(&msg->zone);
    message_init(msg);
}

/* An empty zone of zone_size bytes; false without memory. */
static bool zone_ready(struct message *msg)
{
    if (msg->zone.chunk_list.head) {
        if (msg->zone.chunk_size == msg->zone_size) {
            msgpack_zone_clear(&msg->zone);
            return true;
        }
        msgpack_zone_destroy(&msg->zone);
    }
    if (msgpack_zone_init(&msg->zone, msg->zone_size))
        return true;
    msg->zone.chunk_list.head = NULL;
    return false;
}

static msgpack_unpack_return unpack(struct message *msg, const uint8_t *bytes, size_t n,
                                    msgpack_object *root)
{
    msgpack_zone_chunk *first = msg->zone.chunk_list.head;
    msgpack_unpack_return result;
    size_t offset = 0;

    result = msgpack_unpack((const char *)bytes, n, &offset, &msg->zone, root);
    if (msg->zone.chunk_list.head != first && msg->zone_size < ZONE_MOST)
        msg->zone_size *= 2; /* it did not fit in one chunk */
    return result;
}

static int bad_shape(struct evd_error *err)
{
    return error_set(err, EVD_E_PROTOCOL, "",
                     "a message must be [0, id, method, params], [1, id, error, result] or "
                     "[2, method, params]");
}

/* [..., method, params], the end of a request and of a notification. */
static int decode_call(struct message *msg, const msgpack_object *method,
                       const msgpack_object *params, struct evd_error *err)
{
    if (!text_from(method, &msg->method))
        return error_set(err, EVD_E_PROTOCOL, "method", "the method's name must be text");
    if (params->type != MSGPACK_OBJECT_ARRAY || params->via.array.size > 1 ||
        (params->via.array.size == 1 && params->via.array.ptr[0].type != MSGPACK_OBJECT_MAP))
        return error_set(err, EVD_E_PROTOCOL, "params",
                         "params must be an array that is empty or holds one map of named fields");
    msg->params = params;
    return EVD_OK;
}

static int decode_root(struct message *msg, const msgpack_object *root, bool *has_id,
                       struct evd_error *err)
{
    const msgpack_object *part = root->via.array.ptr;
    uint64_t type, id;
    uint32_t parts;

    if (root->type != MSGPACK_OBJECT_ARRAY || root->via.array.size < 3 ||
        !number_u64(&part[0], MESSAGE_NOTIFICATION, &type))
        return bad_shape(err);
    parts = root->via.array.size;
    msg->type = (enum message_type)type;
    if (msg->type == MESSAGE_NOTIFICATION)
        return parts == 3 ? decode_call(msg, &part[1], &part[2], err) : bad_shape(err);
    if (!number_u64(&part[1], UINT32_MAX, &id))
        return error_set(err, EVD_E_PROTOCOL, "id",
                         "a message's id must be an integer from 0 to 4294967295");
    msg->id = (uint32_t)id;
    *has_id = true;
    if (parts != 4)
        return bad_shape(err);
    if (msg->type == MESSAGE_REQUEST)
        return decode_call(msg, &part[2], &part[3], err);
    msg->error = &part[2];
    msg->result = &part[3];
    return EVD_OK;
}

bool message_peek_id(const uint8_t *bytes, size_t n, uint32_t *id)
{
    uint32_t value = 0;
    size_t width;

    /* An array of four, 0 or 1, and the type byte of an unsigned integer. */
    if (n < 3 || bytes[0] != 0x94 || bytes[1] > MESSAGE_RESPONSE)
        return false;
    if (bytes[2] <= 0x7f) {
        *id = bytes[2];
        return true;
    }
    if (bytes[2] < 0xcc || bytes[2] > 0xce)
        return false;
    width = (size_t)1 << (bytes[2] & 3);
    if (n < 3 + width)
        return false;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | bytes[3 + i];
    *id = value;
    return true;
}

int message_decode(struct message *msg, const uint8_t *bytes, size_t n, bool *has_id,
                   struct evd_error *err)
{
    msgpack_object root;
    msgpack_unpack_return result = MSGPACK_UNPACK_NOMEM_ERROR;

    msg->type = MESSAGE_REQUEST;
    msg->method = (struct evd_str){0};
    msg->params = msg->error = msg->result = NULL;
    *has_id = message_peek_id(bytes, n, &msg->id);
    if (zone_ready(msg))
        result = unpack(msg, bytes, n, &root);
    if (result == MSGPACK_UNPACK_NOMEM_ERROR)
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory to decode a message of %zu bytes", n);
    if (result != MSGPACK_UNPACK_SUCCESS)
        return error_set(err, EVD_E_PROTOCOL, "", "a message is not one MessagePack object");
    return decode_root(msg, &root, has_id, err);
}

void message_request(msgpack_packer *pk, uint32_t id, const char *method)
{
    msgpack_pack_array(pk, 4);
    msgpack_pack_uint8(pk, MESSAGE_REQUEST);
    msgpack_pack_uint32(pk, id);
    pack_cstr(pk, method);
    msgpack_pack_array(pk, 1);
}

void message_result(msgpack_packer *pk, uint32_t id)
{
    msgpack_pack_array(pk, 4);
    msgpack_pack_uint8(pk, MESSAGE_RESPONSE);
    msgpack_pack_uint32(pk, id);
    msgpack_pack_nil(pk);
}

void message_notification(msgpack_packer *pk, const char *method)
{
    msgpack_pack_array(pk, 3);
    msgpack_pack_uint8(pk, MESSAGE_NOTIFICATION);
    pack_cstr(pk, method);
    msgpack_pack_array(pk, 1);
}

void message_error(msgpack_packer *pk, uint32_t id, const struct evd_error *err)
{
    msgpack_pack_array(pk, 4);
    msgpack_pack_uint8(pk, MESSAGE_RESPONSE);
    msgpack_pack_uint32(pk, id);
    msgpack_pack_array(pk, 4);
    msgpack_pack_int(pk, err->code);
    pack_cstr(pk, err->message);
    pack_cstr(pk, error_name(err->code));
    pack_cstr(pk, err->detail);
    msgpack_pack_nil(pk);
}

int message_error_decode(const msgpack_object *error, struct evd_error *err)
{
    const msgpack_object *part;
    const char *detail = "";
    uint64_t code;
    int detail_len = 0;
    char text[sizeof(err->detail)];

    if (error->type == MSGPACK_OBJECT_NIL) {
        *err = (struct evd_error){.code = EVD_OK};
        return EVD_OK;
    }
    part = error->via.array.ptr;
    if (error->type != MSGPACK_OBJECT_ARRAY || error->via.array.size < 2 ||
        !number_u64(&part[0], INT32_MAX, &code) || code == EVD_OK ||
        part[1].type != MSGPACK_OBJECT_STR)
        return error_set(err, EVD_E_PROTOCOL, "",
                         "the server answered with an error of a shape that is not "
                         "[code, message, name, detail]");
    if (error->via.array.size >= 4 && part[3].type == MSGPACK_OBJECT_STR) {
        detail = part[3].via.str.ptr;
        detail_len =
            part[3].via.str.size < sizeof(text) ? (int)part[3].via.str.size : (int)sizeof(text);
    }
    snprintf(text, sizeof(text), "%.*s", detail_len, detail);
    return error_set(err, (int)code, text, "%.*s",
                     part[1].via.str.size < sizeof(err->message) ? (int)part[1].via.str.size
                                                                 : (int)sizeof(err->message),
                     part[1].via.str.ptr);
}
