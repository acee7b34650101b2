/* Peers of the harness: what they send, and what has come for them. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "json.h"
#include "proto/message.h"

struct peer *peer_connect(struct harness *h)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    assert_non_null(peer);
    peer->harness = h;
    buf_init(&peer->in, 256u << 20);
    peer->answers = json_array();
    peer->notes = json_array();
    peer->session = session_open(h->server, peer);
    assert_non_null(peer->session);
    peer->next = h->peers;
    h->peers = peer;
    return peer;
}

struct peer *peer_new(struct harness *h)
{
    struct peer *peer = peer_connect(h);

    peer_do(peer, "hello", "[{'protocol': 1, 'client': 'test'}]");
    return peer;
}

void peer_silent(struct peer *peer)
{
    harness_inside(peer->harness, true);
    session_silent(peer->session);
    harness_inside(peer->harness, false);
    harness_pump(peer->harness);
}

void peer_close(struct peer *peer)
{
    struct peer **at = &peer->harness->peers;

    harness_inside(peer->harness, true);
    session_close(peer->session);
    server_flush(peer->harness->server);
    harness_inside(peer->harness, false);
    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    json_decref(peer->answers);
    json_decref(peer->notes);
    buf_fini(&peer->in);
    free(peer);
}

void peer_bytes(struct peer *peer, const void *bytes, size_t n)
{
    harness_inside(peer->harness, true);
    session_frame(peer->session, bytes, n);
    harness_inside(peer->harness, false);
    harness_pump(peer->harness);
}

static void send_json(struct peer *peer, bool request, const char *method, const char *format,
                      va_list ap)
{
    json_t *params = json_vof(format, ap);
    struct evd_buf buf;
    msgpack_packer pk;

    buf_init(&buf, 64u << 20);
    buf_packer(&buf, &pk);
    if (request)
        message_request(&pk, ++peer->last_id, method);
    else
        message_notification(&pk, method);
    if (json_array_size(params) > 0)
        pack_json(&pk, json_array_get(params, 0));
    else
        msgpack_pack_map(&pk, 0);
    json_decref(params);
    peer_bytes(peer, buf.data, buf.len);
    buf_fini(&buf);
}

uint32_t peer_send(struct peer *peer, const char *method, const char *params, ...)
{
    va_list ap;

    va_start(ap, params);
    send_json(peer, true, method, params, ap);
    va_end(ap);
    return peer->last_id;
}

void peer_notify(struct peer *peer, const char *method, const char *params, ...)
{
    va_list ap;

    va_start(ap, params);
    send_json(peer, false, method, params, ap);
    va_end(ap);
    harness_quiet(peer->harness);
}

static void take(struct peer *peer, const msgpack_object *root)
{
    const msgpack_object *part = root->via.array.ptr;

    assert_int_equal(root->type, MSGPACK_OBJECT_ARRAY);
    if (part[0].via.u64 == MESSAGE_RESPONSE) {
        assert_int_equal(root->via.array.size, 4);
        json_array_append_new(peer->answers, json_pack("[I,o,o]", (json_int_t)part[1].via.u64,
                                                       json_from(&part[2]), json_from(&part[3])));
        return;
    }
    assert_int_equal(part[0].via.u64, MESSAGE_NOTIFICATION);
    json_array_append_new(
        peer->notes, json_pack("[o,o]", json_from(&part[1]), json_from(&part[2].via.array.ptr[0])));
}

static void parse(struct peer *peer)
{
    msgpack_unpacked message;
    size_t at = 0;

    msgpack_unpacked_init(&message);
    while (at < peer->in.len && msgpack_unpack_next(&message, (const char *)peer->in.data,
                                                    peer->in.len, &at) == MSGPACK_UNPACK_SUCCESS)
        take(peer, &message.data);
    msgpack_unpacked_destroy(&message);
    assert_int_equal(at, peer->in.len); /* only whole messages */
    peer->in.len = 0;
}

static json_t *find_answer(struct peer *peer, uint32_t id)
{
    json_t *answer;
    size_t i;

    parse(peer);
    json_array_foreach(peer->answers, i, answer)
    {
        if (json_integer_value(json_array_get(answer, 0)) == id) {
            json_incref(answer);
            json_array_remove(peer->answers, i);
            return answer;
        }
    }
    return NULL;
}

bool peer_answered(struct peer *peer, uint32_t id)
{
    json_t *answer = find_answer(peer, id);

    if (!answer)
        return false;
    json_array_append_new(peer->answers, answer);
    return true;
}

bool peer_succeeded(struct peer *peer, uint32_t id)
{
    json_t *answer = find_answer(peer, id);
    bool good = json_is_null(json_array_get(answer, 1));

    json_decref(answer);
    return good;
}

json_t *peer_answer(struct peer *peer, uint32_t id)
{
    json_t *answer;

    while (!(answer = find_answer(peer, id))) {
        harness_wait(peer->harness);
        harness_pump(peer->harness);
    }
    harness_quiet(peer->harness);
    return answer;
}

json_t *peer_result(struct peer *peer, uint32_t id)
{
    json_t *answer = peer_answer(peer, id), *error = json_array_get(answer, 1);
    json_t *result = json_incref(json_array_get(answer, 2));

    if (!json_is_null(error))
        fail_msg("refused: %s", json_string_value(json_array_get(error, 1)));
    json_decref(answer);
    return result;
}

json_t *peer_call(struct peer *peer, const char *method, const char *params, ...)
{
    va_list ap;

    va_start(ap, params);
    send_json(peer, true, method, params, ap);
    va_end(ap);
    return peer_result(peer, peer->last_id);
}

void peer_do(struct peer *peer, const char *method, const char *params, ...)
{
    va_list ap;

    va_start(ap, params);
    send_json(peer, true, method, params, ap);
    va_end(ap);
    json_decref(peer_result(peer, peer->last_id));
}

const char *peer_error(struct peer *peer, uint32_t id, int code)
{
    static char message[512];
    json_t *answer = peer_answer(peer, id), *error = json_array_get(answer, 1);

    if (json_is_null(error))
        fail_msg("not refused, though %s was expected", error_name(code));
    snprintf(message, sizeof(message), "%s", json_string_value(json_array_get(error, 1)));
    if (json_integer_value(json_array_get(error, 0)) != code)
        fail_msg("%s instead of %s: %s", json_string_value(json_array_get(error, 2)),
                 error_name(code), message);
    json_decref(answer);
    return message;
}

const char *peer_refused(struct peer *peer, int code, const char *method, const char *params, ...)
{
    va_list ap;

    va_start(ap, params);
    send_json(peer, true, method, params, ap);
    va_end(ap);
    return peer_error(peer, peer->last_id, code);
}

json_t *peer_note(struct peer *peer, const char *method)
{
    json_t *note;
    size_t i;

    harness_quiet(peer->harness);
    parse(peer);
    json_array_foreach(peer->notes, i, note)
    {
        if (strcmp(json_string_value(json_array_get(note, 0)), method) == 0) {
            json_t *params = json_incref(json_array_get(note, 1));

            json_array_remove(peer->notes, i);
            return params;
        }
    }
    return NULL;
}

json_t *peer_next(struct peer *peer)
{
    json_t *note;

    harness_quiet(peer->harness);
    parse(peer);
    note = json_incref(json_array_get(peer->notes, 0));
    if (note)
        json_array_remove(peer->notes, 0);
    return note;
}

void peer_forget(struct peer *peer)
{
    parse(peer);
    json_array_clear(peer->notes);
    json_array_clear(peer->answers);
}
