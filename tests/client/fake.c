#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "fake daemon: " __VA_ARGS__);                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void *run(void *arg)
{
    struct fake *fake = arg;

    fake->fd = accept(fake->listener, NULL, NULL);
    if (fake->fd < 0)
        return NULL; /* nobody came before fake_stop */
    fake->script(fake);
    close(fake->fd);
    return NULL;
}

void fake_start(struct fake *fake, void (*script)(struct fake *fake), void *arg)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memset(fake, 0, sizeof(*fake));
    snprintf(fake->folder, sizeof(fake->folder), "/tmp/evendraw-test-XXXXXX");
    CHECK(mkdtemp(fake->folder), "no folder");
    snprintf(fake->address, sizeof(fake->address), "unix:%s/s", fake->folder);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", fake->folder);
    fake->script = script;
    fake->arg = arg;
    buf_init(&fake->in, 64u << 20);
    buf_init(&fake->out, 64u << 20);
    buf_packer(&fake->out, &fake->pk);
    message_init(&fake->msg);
    fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
    CHECK(listen(fake->listener, 1) == 0, "listen");
    CHECK(pthread_create(&fake->thread, NULL, run, fake) == 0, "thread");
}

void fake_stop(struct fake *fake)
{
    shutdown(fake->listener, SHUT_RDWR);
    pthread_join(fake->thread, NULL);
    close(fake->listener);
    unlink(fake->address + strlen("unix:"));
    rmdir(fake->folder);
    message_fini(&fake->msg);
    buf_fini(&fake->in);
    buf_fini(&fake->out);
}

bool fake_next(struct fake *fake)
{
    struct evd_error err;
    struct guard guard;
    bool has_id;

    buf_consume(&fake->in, fake->taken);
    fake->taken = 0;
    guard_init(&guard, &guard_request_limits);
    for (;;) {
        char bytes[65536];
        ssize_t n;

        if (fake->in.len > guard.seen)
            guard_feed(&guard, fake->in.data + guard.seen, fake->in.len - guard.seen);
        if (guard.status == GUARD_DONE)
            break;
        CHECK(guard.status == GUARD_MORE, "the client sent what the guard refuses");
        n = recv(fake->fd, bytes, sizeof(bytes), 0);
        if (n <= 0)
            return false;
        fake->reads++;
        buf_append(&fake->in, bytes, (size_t)n);
    }
    fake->taken = guard.seen;
    CHECK(message_decode(&fake->msg, fake->in.data, guard.seen, &has_id, &err) == EVD_OK, "%s",
          err.message);
    return true;
}

void fake_wait_end(struct fake *fake)
{
    while (fake_next(fake))
        ;
}

const msgpack_object *fake_expect(struct fake *fake, const char *method)
{
    CHECK(fake_next(fake), "the client left, %s was expected", method);
    CHECK(str_is(fake->msg.method, method), "%.*s came, %s was expected", (int)fake->msg.method.len,
          fake->msg.method.data, method);
    return fake->msg.params->via.array.ptr;
}

uint64_t fake_u64(const msgpack_object *map, const char *key)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];
        if (str_is((struct evd_str){kv->key.via.str.ptr, kv->key.via.str.size}, key))
            return kv->val.type == MSGPACK_OBJECT_BOOLEAN ? kv->val.via.boolean : kv->val.via.u64;
    }
    return UINT64_MAX;
}

static void end_message(struct fake *fake)
{
    while (fake->out.map_count > 0)
        pack_map_end(&fake->pk);
}

msgpack_packer *fake_result(struct fake *fake)
{
    end_message(fake);
    message_result(&fake->pk, fake->msg.id);
    pack_map_begin(&fake->pk);
    return &fake->pk;
}

void fake_note(struct fake *fake, const char *method)
{
    end_message(fake);
    message_notification(&fake->pk, method);
    pack_map_begin(&fake->pk);
}

void fake_error_of(struct fake *fake, int code, const char *detail, const char *message)
{
    struct evd_error err;

    end_message(fake);
    error_set(&err, code, detail, "%s", message);
    message_error(&fake->pk, fake->msg.id, &err);
    fake_send(fake);
}

void fake_error(struct fake *fake, int code, const char *message)
{
    fake_error_of(fake, code, "thing", message);
}

void fake_bytes(struct fake *fake, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        ssize_t sent = send(fake->fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the client left */
        at += sent;
        n -= (size_t)sent;
    }
}

void fake_send(struct fake *fake)
{
    end_message(fake);
    fake_bytes(fake, fake->out.data, fake->out.len);
    buf_truncate(&fake->out, 0);
}

void fake_again(struct fake *fake)
{
    close(fake->fd);
    buf_truncate(&fake->in, 0);
    fake->taken = 0;
    fake->fd = accept(fake->listener, NULL, NULL);
    CHECK(fake->fd >= 0, "the client did not come again");
}

const msgpack_object *fake_hello_session(struct fake *fake, bool resumed)
{
    const msgpack_object *map = fake_expect(fake, "hello");

    fake_result(fake);
    pack_key_u64(&fake->pk, "protocol", EVD_PROTOCOL_VERSION);
    pack_key_u64(&fake->pk, "session", 5);
    pack_key_u64(&fake->pk, "resume_key", 77);
    pack_key_bool(&fake->pk, "resumed", resumed);
    fake_send(fake);
    return map;
}

void fake_hello(struct fake *fake)
{
    fake_expect(fake, "hello");
    fake_result(fake);
    pack_key_u64(&fake->pk, "protocol", EVD_PROTOCOL_VERSION);
    fake_send(fake);
}

void fake_stream(struct fake *fake, const char *mode, uint32_t window)
{
    fake_expect(fake, "stream.open");
    fake_open(fake, 1, mode, window);
    fake_send(fake);
}

msgpack_packer *fake_open(struct fake *fake, uint32_t id, const char *mode, uint32_t window)
{
    fake->stream = id;
    fake_result(fake);
    pack_key_u64(&fake->pk, "stream", id);
    pack_key_cstr(&fake->pk, "job", "train");
    pack_key_cstr(&fake->pk, "mode", mode);
    pack_key_u64(&fake->pk, "batch_size", 4);
    pack_key_u64(&fake->pk, "window", window);
    pack_key_u64(&fake->pk, "samples", 1000);
    pack_key_u64(&fake->pk, "generation", 3);
    pack_key_u64(&fake->pk, "revision", 0);
    pack_key_cstr(&fake->pk, "index_type", "u32");
    return &fake->pk;
}

void fake_batch(struct fake *fake, uint64_t epoch, uint64_t step, uint32_t n, bool label)
{
    struct batch_head head = {
        .stream = fake->stream, .job = {"train", 5}, .generation = 3, .epoch = epoch, .step = step};
    struct batch_format format = {.packed = true, .columns = label ? 3 : 1};
    struct batch_columns columns = {.n = n};
    uint64_t index[64];
    uint32_t labels[64];

    for (uint32_t i = 0; i < n; i++) {
        index[i] = step * 10 + i;
        labels[i] = i;
    }
    end_message(fake);
    columns.data[COLUMN_index] = index;
    columns.data[COLUMN_label] = label ? labels : NULL;
    CHECK(batch_encode(&fake->out, &head, &format, &columns) == EVD_OK, "batch_encode");
}

void fake_epoch_end(struct fake *fake, uint64_t epoch)
{
    fake_note(fake, "epoch_end");
    pack_key_u64(&fake->pk, "stream", fake->stream);
    pack_key_u64(&fake->pk, "epoch", epoch);
}

void fake_closed(struct fake *fake, int code, const char *message)
{
    fake_note(fake, "closed");
    pack_key_u64(&fake->pk, "stream", fake->stream);
    pack_key_u64(&fake->pk, "code", (uint64_t)code);
    pack_key_cstr(&fake->pk, "message", message);
}
