#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "client/lib/client.h"

#define DEFAULT_TIME_LIMIT 30000
#define OUT_LIMIT          (EVD_MAX_FRAME * 3u) /* a request, and what was not sent before it */

/* ---- sockets ---- */

/* Until a connection under way is made: 0 or an errno. */
static int connect_finish(int fd, deadline_t deadline)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int error = 0, n;
    socklen_t size = sizeof(error);

    do
        n = poll(&poll_fd, 1, deadline_left(deadline));
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return ETIMEDOUT;
    if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return errno;
    return error;
}

/* A connected, non-blocking socket, or -1 and errno. */
static int connect_to(const struct sockaddr *to, socklen_t size, deadline_t deadline)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;

    if (fd < 0)
        return -1;
    /* EAGAIN: the queue of a Unix listener is full, and there is nothing to poll for. */
    while (connect(fd, to, size) < 0 && (error = errno) == EAGAIN && deadline_left(deadline) != 0)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    if (error == EINPROGRESS || error == EINTR)
        error = connect_finish(fd, deadline);
    else if (error == EAGAIN && deadline_left(deadline) != 0)
        error = 0;
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static int connect_unix(const struct address *address, deadline_t deadline)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    memcpy(to.sun_path, address->path, sizeof(to.sun_path));
    return connect_to((struct sockaddr *)&to, sizeof(to), deadline);
}

/* `why` explains a failure that is no errno. */
static int connect_tcp(const struct address *address, deadline_t deadline, const char **why)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int result = getaddrinfo(address->host, address->port, &hints, &list);
    int fd = -1, on = 1;

    if (result != 0) {
        *why = gai_strerror(result);
        return -1;
    }
    for (const struct addrinfo *info = list; info != NULL && fd < 0; info = info->ai_next)
        fd = connect_to(info->ai_addr, info->ai_addrlen, deadline);
    if (fd >= 0) /* an acknowledgement is small and must not wait for more */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    freeaddrinfo(list);
    return fd;
}

/* ---- hello ---- */

static int take_hello(void *arg, const msgpack_object *result, struct evd_error *err)
{
    uint64_t version = map_u64(result, "protocol", 0);

    (void)arg;
    if (version == EVD_PROTOCOL_VERSION)
        return EVD_OK;
    return error_set(
        err, EVD_E_VERSION, "protocol",
        "the daemon speaks protocol version %llu, this library %u: update the older one",
        (unsigned long long)version, EVD_PROTOCOL_VERSION);
}

static int hello(struct evd_client *client, const char *name, deadline_t deadline)
{
    struct pending pending = {.take = take_hello};
    struct evd_error err;
    msgpack_packer pk;

    request_begin(client, &pk, &pending, "hello");
    msgpack_pack_map(&pk, 2);
    pack_key_u64(&pk, "protocol", EVD_PROTOCOL_VERSION);
    pack_key_cstr(&pk, "client", name);
    if (request_end(client, &pending, 0, &err) != EVD_OK)
        return client_error(client, &err);
    client_flush(client);
    return client_await(client, &pending, deadline);
}

/* ---- the one place where a connection is made ---- */

static int establish(struct evd_client *client, const char *name)
{
    deadline_t deadline = client_deadline(client);
    struct address address;
    const char *why = NULL;

    if (address_parse(client->address, &address, &client->error) != EVD_OK)
        return client->error.code;
    if (address.kind == ADDRESS_UNIX)
        client->fd = connect_unix(&address, deadline);
    else
        client->fd = connect_tcp(&address, deadline, &why);
    if (client->fd < 0)
        return error_set(&client->error, EVD_E_CONNECT, "",
                         "no daemon at %s (%s): start evendrawd, or say where it listens "
                         "(EVENDRAW_SERVER)",
                         client->address, why ? why : strerror(errno));
    client->lost.code = EVD_OK;
    return hello(client, name, deadline);
}

int evd_connect(const char *address, const evd_client_options *options, evd_client **out)
{
    static const evd_client_options defaults;
    struct evd_client *client = calloc(1, sizeof(*client));
    const char *name;
    int code;

    *out = client;
    if (client == NULL)
        return EVD_E_NO_MEMORY;
    if (options == NULL)
        options = &defaults;
    client->fd = -1;
    client->time_limit_ms = options->time_limit_ms ? options->time_limit_ms : DEFAULT_TIME_LIMIT;
    buf_init(&client->out, OUT_LIMIT);
    reader_init(&client->reader);
    message_init(&client->msg);
    if (address == NULL || *address == '\0')
        address = getenv("EVENDRAW_SERVER");
    if (address != NULL && *address != '\0')
        snprintf(client->address, sizeof(client->address), "%s", address);
    else
        address_default(client->address, sizeof(client->address));
    name = options->client_name ? options->client_name : "libevendraw " EVD_VERSION;
    code = establish(client, name);
    if (code != EVD_OK && client->lost.code == EVD_OK) {
        struct evd_error why = client->error;
        client_lose(client, &why);
    }
    return code;
}

void evd_close(evd_client *client)
{
    if (client == NULL)
        return;
    while (client->uploads != NULL)
        upload_free(client->uploads);
    while (client->streams != NULL)
        evd_stream_close(client->streams);
    if (client->fd >= 0) {
        client_flush(client);
        close(client->fd);
    }
    message_fini(&client->msg);
    reader_fini(&client->reader);
    buf_fini(&client->out);
    free(client);
}

/* ---- asking ---- */

const char *evd_version(void)
{
    return EVD_VERSION;
}

const char *evd_address(const evd_client *client)
{
    return client ? client->address : "";
}

const char *evd_error_message(const evd_client *client)
{
    return client ? client->error.message : "no memory for a connection";
}

const char *evd_error_detail(const evd_client *client)
{
    return client ? client->error.detail : "";
}

const char *evd_error_name(int code)
{
    return code == EVD_EPOCH_END ? "epoch_end" : error_name(code);
}
