/*
 * A client handle from evd_connect to evd_close, and what can be asked of it. The connection itself
 * is link.c's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/lib/client.h"

#define DEFAULT_TIME_LIMIT 30000
#define DEFAULT_RECONNECT  60000
#define OUT_LIMIT          (EVD_MAX_FRAME * 3u) /* a request, and what was not sent before it */

/* What is not said has its default. false: no memory. */
static bool copy_options(struct evd_client *client, const char *address,
                         const evd_client_options *options)
{
    static const evd_client_options defaults;

    if (!options)
        options = &defaults;
    client->time_limit_ms = options->time_limit_ms ? options->time_limit_ms : DEFAULT_TIME_LIMIT;
    client->reconnect_ms = options->reconnect_ms ? options->reconnect_ms : DEFAULT_RECONNECT;
    if (!address || *address == '\0')
        address = getenv("EVENDRAW_SERVER");
    if (address && *address != '\0')
        snprintf(client->address, sizeof(client->address), "%s", address);
    else
        address_default(client->address, sizeof(client->address));
    client->name = strdup(options->client_name ? options->client_name : "libevendraw " EVD_VERSION);
    return client->name != NULL;
}

int evd_connect(const char *address, const evd_client_options *options, evd_client **out)
{
    struct evd_client *client = calloc(1, sizeof(*client));
    struct evd_error why;
    int code;

    *out = client;
    if (!client)
        return EVD_E_NO_MEMORY;
    client->fd = -1;
    buf_init(&client->out, OUT_LIMIT);
    reader_init(&client->reader);
    message_init(&client->msg);
    if (!copy_options(client, address, options)) {
        error_set(&why, EVD_E_NO_MEMORY, "", "no memory for a connection");
        return client_lose(client, &why);
    }
    code = link_start(client);
    if (code == EVD_OK)
        code = client_ready(client, client_deadline(client));
    if (code != EVD_OK && client->lost.code == EVD_OK) {
        why = client->error;
        client_lose(client, &why);
    }
    return code;
}

void evd_close(evd_client *client)
{
    if (!client)
        return;
    while (client->uploads)
        upload_free(client->uploads);
    while (client->streams)
        evd_stream_close(client->streams);
    client_flush(client);
    if (client->fd >= 0)
        close(client->fd);
    dial_end(&client->link.dial);
    message_fini(&client->msg);
    reader_fini(&client->reader);
    buf_fini(&client->out);
    free(client->name);
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

void evd_get_counters(const evd_client *client, evd_counters *counters)
{
    *counters = (evd_counters){0};
    if (!client)
        return;
    counters->reconnects = client->reconnects;
    counters->repeated = client->repeated;
    counters->late_acks = client->late_acks;
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
