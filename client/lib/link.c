/*
 * The connection: made by evd_connect, and made anew when it is lost, with pauses between attempts.
 * Called by run.c: link_step before it waits and after each answer, client_lose when the connection
 * cannot go on.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "client/lib/client.h"

/* Between attempts: doubled after each, with jitter, so that the workers of a large job do not come
 * back all at once. At most half of a job's usual grace, so that after a crash of the daemon all
 * are back before it is over, and what they hold is still theirs. */
#define BACKOFF_MIN_MS 20u
#define BACKOFF_MAX_MS 1000u
/* An attempt whose connection or hello takes longer is given up for the next. */
#define ATTEMPT_MS 10000

/* Between half of `ms` and all of it. */
static int64_t jittered(struct link *link, uint32_t ms)
{
    if (link->random == 0 &&
        getrandom(&link->random, sizeof(link->random), GRND_NONBLOCK) != sizeof(link->random))
        link->random = (uint64_t)clock_ms();
    link->random |= 1;
    link->random ^= link->random << 13;
    link->random ^= link->random >> 7;
    link->random ^= link->random << 17;
    return ms / 2 + (int64_t)(link->random % (ms / 2 + 1));
}

static uint32_t backoff(uint32_t attempts)
{
    return attempts < 6 ? BACKOFF_MIN_MS << attempts : BACKOFF_MAX_MS;
}

int64_t link_pause(struct evd_client *client, uint32_t attempts)
{
    return clock_ms() + jittered(&client->link, backoff(attempts));
}

bool link_over(const struct evd_client *client, int64_t since)
{
    return client->reconnect_ms >= 0 && clock_ms() - since >= client->reconnect_ms;
}

/* ---- losing it ---- */

/* Whatever waits for an answer on this connection gets none. */
static void fail_pending(struct evd_client *client, const struct evd_error *err)
{
    while (client->pending) {
        struct pending *pending = client->pending;
        client->pending = pending->next;
        pending->error = *err;
        pending->done = true;
    }
}

static void hang_up(struct evd_client *client)
{
    dial_end(&client->link.dial);
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->given_up_count = 0;
    buf_truncate(&client->out, 0);
    reader_reset(&client->reader);
}

static int lose_for_good(struct evd_client *client, const struct evd_error *err)
{
    hang_up(client);
    client->lost = *err;
    client->link.state = LINK_LOST;
    fail_pending(client, err);
    return client_error(client, &client->lost);
}

/* The next attempt, unless it went on for too long. */
static int try_again(struct evd_client *client)
{
    struct link *link = &client->link;
    struct evd_error err;

    if (link->attempts > 0 && link_over(client, link->since)) {
        error_set(&err, EVD_E_CLOSED, "",
                  "the connection to %s was lost, and could not be made again within %d ms: %s",
                  client->address, client->reconnect_ms, link->why.message);
        return lose_for_good(client, &err);
    }
    link->state = LINK_WAITING;
    link->wake = link_pause(client, link->attempts++);
    return EVD_OK;
}

/* Errors that another attempt may not meet. */
static bool is_passing(int code)
{
    return code == EVD_E_CLOSED || code == EVD_E_CONNECT || code == EVD_E_TIMEOUT ||
           code == EVD_E_BUSY || code == EVD_E_SHUTTING_DOWN;
}

int client_lose(struct evd_client *client, const struct evd_error *err)
{
    struct link *link = &client->link;
    /* A daemon that turns a client away says so in a notification and closes. */
    struct evd_error why =
        client->notice.code != EVD_OK && err->code == EVD_E_CLOSED ? client->notice : *err;

    client->notice.code = EVD_OK;
    if (link->state == LINK_LOST)
        return client_error(client, &client->lost);
    if (!link->met || client->reconnect_ms == EVD_NO_RECONNECT || !is_passing(why.code))
        return lose_for_good(client, &why);
    if (link->state == LINK_UP) {
        link->since = clock_ms();
        link->attempts = 0;
        for (struct evd_stream *stream = client->streams; stream; stream = stream->next)
            stream_detach(stream);
    }
    hang_up(client);
    link->why = why;
    /* To those who wait it is the end of this connection, whatever ended it. */
    why.code = EVD_E_CLOSED;
    fail_pending(client, &why);
    return try_again(client);
}

/* ---- an attempt ---- */

static int read_hello(void *arg, const msgpack_object *result, struct evd_error *err)
{
    struct evd_client *client = arg;
    const msgpack_object *resumed = map_get(result, "resumed");
    uint64_t version = map_u64(result, "protocol", 0);

    if (version != EVD_PROTOCOL_VERSION)
        return error_set(
            err, EVD_E_VERSION, "protocol",
            "the daemon speaks protocol version %llu, this library %u: update the older one",
            (unsigned long long)version, EVD_PROTOCOL_VERSION);
    client->session = map_u64(result, "session", 0);
    client->can_resume = map_get(result, "resume_key") != NULL;
    client->resume_key = map_u64(result, "resume_key", 0);
    client->resumed = resumed && resumed->type == MSGPACK_OBJECT_BOOLEAN && resumed->via.boolean;
    return EVD_OK;
}

static int send_hello(struct evd_client *client)
{
    struct link *link = &client->link;
    msgpack_packer pk;

    link->state = LINK_GREETING;
    link->hello = (struct pending){.read = read_hello, .arg = client};
    request_begin(client, &pk, &link->hello, "hello");
    pack_key_u64(&pk, "protocol", EVD_PROTOCOL_VERSION);
    pack_key_cstr(&pk, "client", client->name);
    if (client->can_resume) {
        pack_key_u64(&pk, "resume", client->session);
        pack_key_u64(&pk, "resume_key", client->resume_key);
    }
    return request_end(client, &pk, &link->hello, &client->error);
}

/* What dial_start or dial_continue said. */
static int dialled(struct evd_client *client, int error)
{
    struct link *link = &client->link;
    struct evd_error err;

    client->fd = link->dial.fd;
    link->state = LINK_CONNECTING;
    if (error == EINPROGRESS)
        return EVD_OK;
    dial_end(&link->dial);
    if (error == 0)
        return send_hello(client);
    if (error == EAGAIN && !link->met) { /* the queue of a Unix listener is full */
        link->state = LINK_WAITING;
        link->wake = link_pause(client, 0);
        return EVD_OK;
    }
    error_set(&err, EVD_E_CONNECT, "",
              "no daemon at %s (%s): start evendrawd, or say where it listens (EVENDRAW_SERVER)",
              client->address, link->dial.why ? link->dial.why : strerror(error));
    return client_lose(client, &err);
}

int link_start(struct evd_client *client)
{
    struct link *link = &client->link;
    struct address address;

    assert(client->fd < 0 && !client->pending);
    if (address_parse(client->address, &address, &client->error) != EVD_OK)
        return lose_for_good(client, &client->error);
    link->wake = clock_ms() + ATTEMPT_MS;
    return dialled(client, dial_start(&link->dial, &address));
}

static int greeted(struct evd_client *client)
{
    struct link *link = &client->link;

    assert(link->state == LINK_GREETING && link->hello.done);
    if (link->hello.error.code != EVD_OK)
        return client_lose(client, &link->hello.error);
    if (link->met)
        client->reconnects++;
    link->met = true;
    link->state = LINK_UP;
    return EVD_OK;
}

static int too_slow(struct evd_client *client)
{
    struct evd_error err;

    error_set(&err, EVD_E_TIMEOUT, "", "%s does not answer", client->address);
    return client_lose(client, &err);
}

int link_step(struct evd_client *client)
{
    struct link *link = &client->link;
    int code = EVD_OK;

    if (link->state == LINK_CONNECTING)
        code = dialled(client, dial_continue(&link->dial));
    else if (link->state == LINK_GREETING && link->hello.done)
        code = greeted(client);
    else if (link->state == LINK_WAITING && clock_ms() >= link->wake)
        code = link_start(client);
    if (code == EVD_OK && (link->state == LINK_CONNECTING || link->state == LINK_GREETING) &&
        link->met && clock_ms() >= link->wake)
        code = too_slow(client);
    for (struct evd_stream *stream = client->streams;
         stream && code == EVD_OK && link->state == LINK_UP; stream = stream->next)
        stream_step(stream);
    return code;
}

int64_t link_wake(const struct evd_client *client)
{
    const struct link *link = &client->link;
    /* The first connection has no time limit but its caller's. */
    bool timed = link->state == LINK_WAITING || (link->state < LINK_UP && link->met);
    int64_t wake = timed ? link->wake : -1;

    for (const struct evd_stream *stream = client->streams; stream && link->state == LINK_UP;
         stream = stream->next) {
        int64_t at = stream_wake(stream);
        if (at >= 0 && (wake < 0 || at < wake))
            wake = at;
    }
    return wake;
}
