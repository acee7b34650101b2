/*
 * Addresses as text: where a daemon listens. Called by the daemon for its options, and by the
 * client.
 */
#include "proto/address.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int bad_address(const char *text, const char *why, struct evd_error *err)
{
    return error_set(err, EVD_E_BAD_VALUE, text,
                     "address \"%.120s\": %s. Use unix:/path, /path, tcp:host:port or "
                     "tcp:[v6-address]:port",
                     text, why);
}

/* What follows if text begins with "scheme:" or "scheme://", else NULL. */
static const char *after_scheme(const char *text, const char *scheme)
{
    size_t len = strlen(scheme);

    if (strncmp(text, scheme, len) != 0 || text[len] != ':')
        return NULL;
    text += len + 1;
    return strncmp(text, "//", 2) == 0 ? text + 2 : text;
}

static int parse_unix(const char *text, const char *path, struct address *out,
                      struct evd_error *err)
{
    size_t len = strlen(path);

    if (path[0] != '/')
        return bad_address(text, "the path of a Unix socket must begin with /", err);
    if (len >= sizeof(out->path))
        return bad_address(text, "the path of a Unix socket can have 107 bytes at most", err);
    out->kind = ADDRESS_UNIX;
    memcpy(out->path, path, len + 1);
    return EVD_OK;
}

static bool port_valid(const char *port)
{
    size_t len = strlen(port);

    return len >= 1 && len <= 5 && strspn(port, "0123456789") == len && atoi(port) <= 65535;
}

static int parse_tcp(const char *text, const char *host, struct address *out, struct evd_error *err)
{
    bool bracket = host[0] == '[';
    const char *port;
    size_t len;

    if (bracket) {
        len = strcspn(++host, "]");
        if (host[len] != ']')
            return bad_address(text, "the ] after the host is missing", err);
        port = host + len + 1;
    } else {
        len = strcspn(host, ":");
        port = host + len;
    }
    if (len == 0)
        return bad_address(text, "the host is missing (0.0.0.0 or [::] to listen on all)", err);
    if (len >= sizeof(out->host))
        return bad_address(text, "the host's name is too long", err);
    if (*port != '\0' && *port != ':')
        return bad_address(text, "after ] there must be :port or nothing", err);
    port = *port == ':' ? port + 1 : EVD_DEFAULT_PORT;
    if (!port_valid(port))
        return bad_address(text,
                           "the port must be a number from 0 to 65535, and an IPv6 address "
                           "must stand in []",
                           err);
    out->kind = ADDRESS_TCP;
    memcpy(out->host, host, len);
    out->host[len] = '\0';
    memcpy(out->port, port, strlen(port) + 1);
    return EVD_OK;
}

int address_parse(const char *text, struct address *out, struct evd_error *err)
{
    const char *rest;

    memset(out, 0, sizeof(*out));
    if (text[0] == '/')
        return parse_unix(text, text, out, err);
    if ((rest = after_scheme(text, "unix")))
        return parse_unix(text, rest, out, err);
    if ((rest = after_scheme(text, "tcp")))
        return parse_tcp(text, rest, out, err);
    return bad_address(text, "it begins with neither / nor unix: nor tcp:", err);
}

void address_default(char *text, size_t size)
{
    const char *dir = getenv("XDG_RUNTIME_DIR");

    if (dir && dir[0] == '/')
        snprintf(text, size, "unix:%s/evendraw.sock", dir);
    else
        snprintf(text, size, "unix:/tmp/evendraw-%lu/evendraw.sock", (unsigned long)getuid());
}
