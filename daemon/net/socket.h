/*
 * Sockets: in the loop, and as the operating system has them where libuv has no function.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>
#include "proto/address.h"
#include "proto/error.h"

struct addrinfo;

/* In the loop: of TCP, or a Unix socket, which libuv calls a pipe. */
union net_socket {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

/* 0 or libuv's error. */
int socket_init(union net_socket *socket, uv_loop_t *loop, enum address_kind kind) MUST_CHECK;

/* Sockets that are bound and not yet listening. */
int socket_bind_unix(const struct address *address, int *fd, struct evd_error *err) MUST_CHECK;
int socket_bind_tcp(const struct addrinfo *info, const char *address, int *fd,
                    struct evd_error *err) MUST_CHECK;
/* "tcp:127.0.0.1:4710" of a TCP socket's own end. */
void socket_name(int fd, char *text, size_t size);
/* The other end's, for people: the same, or "unix, process 77 of user 1000". */
void socket_peer_name(int fd, enum address_kind kind, char *text, size_t size);
/* Whether a peer that sends no more does not read either: its socket is closed. Of TCP that shows
 * only when something was sent to it. */
bool socket_is_dead(uv_handle_t *handle);
/* Whether it is a Unix socket, and the other end was connected by a process of this one's user. */
bool socket_peer_is_own(int fd, enum address_kind kind);
/* Whose end it is, as a number that tells one from another: of a Unix socket by its user, of TCP by
 * its address, where all of loopback is one, and so are IPv6 addresses with the same first half. */
uint64_t socket_peer_key(int fd, enum address_kind kind);
/* Has the kernel notice a TCP peer that is gone without a word. */
void socket_notice_silence(int fd);

#endif
