/*
 * The functions of evendraw.h for event loops: what to wait for, and what to do then without
 * waiting.
 */
#include <poll.h>
#include "client/lib/client.h"

int evd_fd(const evd_client *client)
{
    return client ? client->fd : -1;
}

short evd_events(const evd_client *client)
{
    if (!client || (client->out.len == 0 && client->link.state != LINK_CONNECTING))
        return POLLIN;
    return POLLIN | POLLOUT;
}

int evd_timeout(const evd_client *client)
{
    int64_t wake = client ? link_wake(client) : -1;

    return wake < 0 ? -1 : deadline_left(wake);
}

int evd_process(evd_client *client)
{
    const uint8_t *frame;
    size_t n;
    bool found = true;
    int code;

    if (!client)
        return EVD_E_NO_MEMORY;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    code = client_fill(client, &found);
    for (found = true; code == EVD_OK && found;) {
        code = client_frame(client, &found, &frame, &n);
        if (code == EVD_OK && found)
            code = client_dispatch(client, frame, n);
    }
    if (code == EVD_OK)
        code = link_step(client);
    if (code == EVD_OK)
        client_flush(client);
    return code;
}
