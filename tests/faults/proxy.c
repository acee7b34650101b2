#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

static void close_pair(int pair[2])
{
    for (int side = 0; side < 2; side++) {
        if (pair[side] >= 0)
            close(pair[side]);
        pair[side] = -1;
    }
}

static int dial(const char *target)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", target + strlen("unix:"));
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void take_connection(struct proxy *proxy)
{
    int fd = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    int(*pair)[2] = proxy->pairs;

    if (fd < 0)
        return;
    while (pair < proxy->pairs + PROXY_PAIRS && (*pair)[0] >= 0)
        pair++;
    if (pair == proxy->pairs + PROXY_PAIRS) {
        close(fd);
        return;
    }
    (*pair)[0] = fd;
    (*pair)[1] = dial(proxy->target);
    if ((*pair)[1] < 0)
        close_pair(*pair);
}

/* Everything that is there from one side to the other; false at its end. Waits for a receiver that
 * does not read: a network has buffers, and they are full then. */
static bool forward(int from, int to)
{
    char bytes[65536];
    ssize_t n = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);
    ssize_t sent = 0;

    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    while (sent < n) {
        ssize_t part = send(to, bytes + sent, (size_t)(n - sent), MSG_NOSIGNAL);
        if (part <= 0)
            return false;
        sent += part;
    }
    return true;
}

static void serve(struct proxy *proxy)
{
    struct pollfd fds[1 + 2 * PROXY_PAIRS];

    fds[0] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
    for (int i = 0; i < 2 * PROXY_PAIRS; i++)
        fds[1 + i] = (struct pollfd){.fd = proxy->pairs[i / 2][i % 2], .events = POLLIN};
    if (poll(fds, 1 + 2 * PROXY_PAIRS, 5) <= 0)
        return;
    for (int i = 0; i < 2 * PROXY_PAIRS; i++) {
        int *pair = proxy->pairs[i / 2];
        if (fds[1 + i].revents && pair[0] >= 0 && !forward(pair[i % 2], pair[1 - i % 2]))
            close_pair(pair);
    }
    if (fds[0].revents)
        take_connection(proxy);
}

static void *proxy_main(void *arg)
{
    struct proxy *proxy = arg;

    while (!proxy->stop) {
        if (proxy->cut)
            usleep(2000);
        else
            serve(proxy);
        for (int i = 0; proxy->drop && i < PROXY_PAIRS; i++)
            close_pair(proxy->pairs[i]);
        if (atomic_exchange(&proxy->drop, false))
            proxy->cut = false;
    }
    return NULL;
}

void proxy_start(struct proxy *proxy, const char *target)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(here);

    memset(proxy, 0, sizeof(*proxy));
    memset(proxy->pairs, -1, sizeof(proxy->pairs));
    proxy->target = target;
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(proxy->listener >= 0);
    assert_int_equal(bind(proxy->listener, (struct sockaddr *)&here, sizeof(here)), 0);
    assert_int_equal(listen(proxy->listener, 16), 0);
    assert_int_equal(getsockname(proxy->listener, (struct sockaddr *)&here, &size), 0);
    snprintf(proxy->address, sizeof(proxy->address), "tcp:127.0.0.1:%u", ntohs(here.sin_port));
    assert_int_equal(pthread_create(&proxy->thread, NULL, proxy_main, proxy), 0);
}

void proxy_stop(struct proxy *proxy)
{
    proxy->stop = true;
    pthread_join(proxy->thread, NULL);
    for (int i = 0; i < PROXY_PAIRS; i++)
        close_pair(proxy->pairs[i]);
    close(proxy->listener);
}

void proxy_cut(struct proxy *proxy)
{
    proxy->cut = true;
}

void proxy_heal(struct proxy *proxy)
{
    proxy->drop = true;
}
