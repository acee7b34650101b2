/*
 * Binding, names of a socket's ends, and options. listener.c and conn.c call it.
 */
#define _GNU_SOURCE /* struct ucred */
#include "net/socket.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)
#define SOCKET_MODE  0660

/* A peer that is gone without a word (its host lost power, the network is cut) is noticed after
 * about 30 s, whether something is on its way to it or not. */
#define KEEP_IDLE_S     15
#define KEEP_INTERVAL_S 5
#define KEEP_COUNT      3
#define UNANSWERED_MS   30000

int socket_init(union net_socket *socket, uv_loop_t *loop, enum address_kind kind)
{
    return kind == ADDRESS_TCP ? uv_tcp_init(loop, &socket->tcp)
                               : uv_pipe_init(loop, &socket->pipe, 0);
}

static struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};

    memcpy(sun.sun_path, path, strlen(path));
    return sun;
}

/* 0 if somebody listens there, else the errno of trying. */
static int try_connect(const struct sockaddr_un *sun)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCKET_FLAGS, 0);
    int error = 0;

    if (fd < 0)
        return errno;
    if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 && errno != EAGAIN)
        error = errno; /* EAGAIN: a daemon that is too busy to accept is still there */
    close(fd);
    return error;
}

/* Makes way at the path: nothing there, or a socket of ours that nobody listens on any more. */
static int remove_stale(const struct sockaddr_un *sun, struct evd_error *err)
{
    const char *path = sun->sun_path;
    struct stat file;
    int error;

    if (lstat(path, &file) < 0)
        return EVD_OK; /* bind will say what else is wrong with it */
    if (!S_ISSOCK(file.st_mode))
        return error_set(err, EVD_E_EXISTS, path,
                         "%s exists and is not a socket; choose another path or remove it", path);
    error = try_connect(sun);
    if (error == 0)
        return error_set(err, EVD_E_EXISTS, path,
                         "another process listens at %s; stop it or choose another path", path);
    if (error != ECONNREFUSED)
        return error_set(err, EVD_E_EXISTS, path,
                         "%s exists and cannot be tried (%s); choose another path", path,
                         strerror(error));
    if (file.st_uid != geteuid())
        return error_set(err, EVD_E_EXISTS, path,
                         "%s is a dead socket of another user (%u); let them remove it or choose "
                         "another path",
                         path, (unsigned)file.st_uid);
    if (unlink(path) < 0 && errno != ENOENT)
        return error_set(err, EVD_E_EXISTS, path, "cannot remove the dead socket %s: %s", path,
                         strerror(errno));
    return EVD_OK;
}

int socket_bind_unix(const struct address *address, int *out, struct evd_error *err)
{
    struct sockaddr_un sun = unix_address(address->path);
    int rc = remove_stale(&sun, err);
    int fd;

    if (rc != EVD_OK)
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCKET_FLAGS, 0);
    if (fd < 0)
        return error_set(err, EVD_E_INTERNAL, address->path, "no socket: %s", strerror(errno));
    /* The mode of the file comes from the socket: set before, nobody can slip in between. */
    if (fchmod(fd, SOCKET_MODE) < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
        rc = error_set(err, EVD_E_BAD_VALUE, address->path,
                       "cannot listen at %s: %s; the folder must exist and be writable",
                       address->path, strerror(errno));
        close(fd);
        return rc;
    }
    if (chmod(address->path, SOCKET_MODE) < 0) { /* bits the umask took away */
        rc = error_set(err, EVD_E_INTERNAL, address->path, "cannot set the mode of %s: %s",
                       address->path, strerror(errno));
        unlink(address->path);
        close(fd);
        return rc;
    }
    *out = fd;
    return EVD_OK;
}

int socket_bind_tcp(const struct addrinfo *info, const char *address, int *out,
                    struct evd_error *err)
{
    const int on = 1;
    int fd = socket(info->ai_family, info->ai_socktype | SOCKET_FLAGS, info->ai_protocol);
    int error;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (info->ai_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
        bind(fd, info->ai_addr, info->ai_addrlen) < 0) {
        error = errno;
        if (fd >= 0)
            close(fd);
        if (error == EADDRINUSE)
            return error_set(err, EVD_E_EXISTS, address,
                             "cannot listen at %s: the port is in use; stop what uses it or choose "
                             "another port",
                             address);
        return error_set(err,
                         error == EADDRNOTAVAIL || error == EAFNOSUPPORT ? EVD_E_NOT_FOUND
                                                                         : EVD_E_BAD_VALUE,
                         address, "cannot listen at %s: %s; choose an address of this machine",
                         address, strerror(error));
    }
    *out = fd;
    return EVD_OK;
}

static void tcp_name(const struct sockaddr_storage *address, socklen_t length, char *text,
                     size_t size)
{
    bool v6 = address->ss_family == AF_INET6;
    char host[256], port[32];

    if (getnameinfo((const struct sockaddr *)address, length, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(text, size, "tcp:unknown");
    else
        snprintf(text, size, "tcp:%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

void socket_name(int fd, char *text, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);

    getsockname(fd, (struct sockaddr *)&address, &length);
    tcp_name(&address, length, text, size);
}

void socket_peer_name(int fd, enum address_kind kind, char *text, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    struct ucred process;
    socklen_t process_size = sizeof(process);

    if (kind == ADDRESS_TCP) {
        getpeername(fd, (struct sockaddr *)&address, &length);
        tcp_name(&address, length, text, size);
    } else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &process, &process_size) == 0) {
        snprintf(text, size, "unix, process %d of user %u", (int)process.pid,
                 (unsigned)process.uid);
    } else {
        snprintf(text, size, "unix");
    }
}

bool socket_is_dead(uv_handle_t *handle)
{
    struct pollfd ask = {0};

    return uv_fileno(handle, &ask.fd) < 0 ||
           (poll(&ask, 1, 0) == 1 && ask.revents & (POLLHUP | POLLERR));
}

bool socket_peer_is_own(int fd, enum address_kind kind)
{
    struct ucred process;
    socklen_t size = sizeof(process);

    return kind == ADDRESS_UNIX && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &process, &size) == 0 &&
           process.uid == geteuid();
}

/* Whoever has one address of an IPv6 network has all 2^64 of it. Such a number is above those of
 * IPv4, since its first 32 bits are not zero. */
static uint64_t address_key(const struct sockaddr_storage *address)
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;
    uint64_t network;
    uint32_t host;

    if (address->ss_family == AF_INET) {
        memcpy(&v4, address, sizeof(v4));
        host = ntohl(v4.sin_addr.s_addr);
        return host >> 24 == IN_LOOPBACKNET ? INADDR_LOOPBACK : host;
    }
    memcpy(&v6, address, sizeof(v6));
    if (IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr))
        return INADDR_LOOPBACK;
    memcpy(&network, &v6.sin6_addr, sizeof(network));
    return be64toh(network);
}

uint64_t socket_peer_key(int fd, enum address_kind kind)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    struct ucred process = {.uid = (uid_t)-1};
    socklen_t process_size = sizeof(process);

    if (kind == ADDRESS_TCP) {
        getpeername(fd, (struct sockaddr *)&address, &length);
        return address_key(&address);
    }
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &process, &process_size);
    return process.uid;
}

void socket_notice_silence(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
                   {IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S},
                   {IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S},
                   {IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT},
                   {IPPROTO_TCP, TCP_USER_TIMEOUT, UNANSWERED_MS}};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                   sizeof(options[i].value));
}
