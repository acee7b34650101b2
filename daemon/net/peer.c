/*
 * The peers that have connections, counted, so that one cannot have all there are; and their names.
 * listener.c enters each connection, conn.c ends it; the layer above asks for names.
 */
#include "net/peer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "net/internal.h"

/* Freed with its last connection. */
struct net_peer {
    LIST_ENTRY(net_peer) link;
    enum address_kind kind;
    uint64_t key; /* which user, or which address */
    uint32_t connections;
};

const char *net_conn_name(const struct net_conn *conn)
{
    static char name[NET_TEXT + 32]; /* the loop's thread only */
    char peer[NET_TEXT] = "closed";
    uv_os_fd_t fd;

    if (uv_fileno(&conn->socket.handle, &fd) == 0)
        socket_peer_name(fd, conn->kind, peer, sizeof(peer));
    snprintf(name, sizeof(name), "connection %" PRIu64 " (%s)", conn->number, peer);
    return name;
}

static struct net_peers *bucket_of(struct net *net, uint64_t key)
{
    return &net->peers[key * UINT64_C(0x9E3779B97F4A7C15) >> 56];
}

static struct net_peer *find(struct net_peers *bucket, enum address_kind kind, uint64_t key)
{
    struct net_peer *peer;

    LIST_FOREACH(peer, bucket, link)
    {
        if (peer->kind == kind && peer->key == key)
            return peer;
    }
    peer = calloc(1, sizeof(*peer));
    if (!peer)
        return NULL;
    peer->kind = kind;
    peer->key = key;
    LIST_INSERT_HEAD(bucket, peer, link);
    return peer;
}

bool peer_enter(struct net_conn *conn)
{
    struct net_peer *peer;
    uv_os_fd_t fd;
    uint64_t key;

    assert(!conn->peer);
    if (uv_fileno(&conn->socket.handle, &fd) < 0)
        return false;
    key = socket_peer_key(fd, conn->kind);
    peer = find(bucket_of(conn->net, key), conn->kind, key);
    if (!peer || peer->connections >= conn->net->config.max_each)
        return false;
    peer->connections++;
    conn->peer = peer;
    return true;
}

void peer_leave(struct net_conn *conn)
{
    struct net_peer *peer = conn->peer;

    if (!peer || --peer->connections > 0)
        return;
    LIST_REMOVE(peer, link);
    free(peer);
}
