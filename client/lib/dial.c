/*
 * Sockets to an address, without waiting. Called by link.c for each attempt to connect.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "client/lib/client.h"

/* A peer that is gone without a word (its host lost power, the network is cut) is noticed after
 * about 30 s, whether something is on its way to it or not. */
#define KEEP_IDLE_S     15
#define KEEP_INTERVAL_S 5
#define KEEP_COUNT      3
#define UNANSWERED_MS   30000

/* An acknowledgement is small and must not wait for more. Nothing depends on any of these. */
static void set_tcp_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, UNANSWERED_MS},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                   sizeof(options[i].value));
}

/* 0, EINPROGRESS (then dial->fd is to become writable) or an errno. */
static int dial_to(struct dial *dial, const struct sockaddr *to, socklen_t size)
{
    int error;

    dial->fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (dial->fd < 0)
        return errno;
    if (to->sa_family != AF_UNIX)
        set_tcp_options(dial->fd);
    if (connect(dial->fd, to, size) == 0)
        return 0;
    error = errno == EINTR ? EINPROGRESS : errno;
    if (error != EINPROGRESS) {
        close(dial->fd);
        dial->fd = -1;
    }
    return error;
}

/* From the address that is next on, until one is not refused at once. */
static int dial_list(struct dial *dial, int error)
{
    while (dial->next && error != 0 && error != EINPROGRESS) {
        const struct addrinfo *info = dial->next;
        dial->next = info->ai_next;
        error = dial_to(dial, info->ai_addr, info->ai_addrlen);
    }
    return error;
}

int dial_start(struct dial *dial, const struct address *address)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int result;

    *dial = (struct dial){.fd = -1};
    if (address->kind == ADDRESS_UNIX) {
        memcpy(to.sun_path, address->path, sizeof(to.sun_path));
        return dial_to(dial, (struct sockaddr *)&to, sizeof(to));
    }
    result = getaddrinfo(address->host, address->port, &hints, &dial->list);
    if (result != 0) {
        dial->list = NULL;
        dial->why = gai_strerror(result);
        return EHOSTUNREACH;
    }
    dial->next = dial->list;
    return dial_list(dial, EHOSTUNREACH);
}

int dial_continue(struct dial *dial)
{
    struct pollfd poll_fd = {.fd = dial->fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);

    if (poll(&poll_fd, 1, 0) <= 0)
        return EINPROGRESS;
    if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error == 0)
        return 0;
    close(dial->fd);
    dial->fd = -1;
    return dial_list(dial, error);
}

void dial_end(struct dial *dial)
{
    if (dial->list)
        freeaddrinfo(dial->list);
    dial->list = dial->next = NULL;
}
