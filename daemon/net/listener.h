/*
 * Sockets that listen, and accepting from them.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <sys/queue.h>
#include <sys/types.h>
#include "net/socket.h"

#define NET_TEXT 320u /* room for an address as text */

struct net;

/* Embeds its handle, and is freed in the handle's close callback. */
struct net_listener {
    struct net *net;
    TAILQ_ENTRY(net_listener) link;
    union net_socket socket;
    enum address_kind kind;
    bool
        pending; /* the loop holds a connection that was not accepted yet, and looks for no other */
    bool put_off; /* that one waits for a turn */
    char text[NET_TEXT];
    char path[108]; /* Unix: to be removed when done, if it is still the same file */
    dev_t dev;
    ino_t ino;
};

/* Listens at the address (all addresses of a host name), which `text` shows in errors. */
int listener_open(struct net *net, const struct address *address, const char *text,
                  struct evd_error *err) MUST_CHECK;
/* Takes the waiting connection, as a session while there are slots, else to refuse it; where even
 * that is too much it goes on waiting, and the loop does not look for others meanwhile. */
void listener_accept(struct net_listener *listener);
void listener_close(struct net_listener *listener);

#endif
