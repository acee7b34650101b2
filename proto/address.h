/*
 * Addresses of a daemon, as text: "unix:/path", "/path", "tcp:host:port", "tcp:[v6]:port".
 * Also "unix:///path" and "tcp://host:port"; without :port it is EVD_DEFAULT_PORT. No sockets here.
 */
#ifndef PROTO_ADDRESS_H
#define PROTO_ADDRESS_H

#include <stddef.h>
#include "proto/error.h"

#define EVD_DEFAULT_PORT "4710"

enum address_kind { ADDRESS_UNIX, ADDRESS_TCP };

struct address {
    enum address_kind kind;
    char path[108]; /* sun_path of a Unix socket */
    char host[256]; /* TCP; without brackets */
    char port[8];
};

/* EVD_OK or EVD_E_BAD_VALUE with a message that shows the accepted forms. */
int address_parse(const char *text, struct address *out, struct evd_error *err) MUST_CHECK;
/* Where evendrawd listens and clients look when nothing is said: the Unix socket
 * $XDG_RUNTIME_DIR/evendraw.sock, or /tmp/evendraw-UID/evendraw.sock without that variable (the
 * daemon makes that folder with mode 0700). Writes "unix:..." */
void address_default(char *text, size_t size);

#endif
