#include <poll.h>
#include "client/lib/client.h"

int evd_fd(const evd_client *client)
{
    return client ? client->fd : -1;
}

short evd_events(const evd_client *client)
{
    return client && client->out.len > 0 ? POLLIN | POLLOUT : POLLIN;
}

int evd_process(evd_client *client)
{
    const uint8_t *frame;
    struct evd_error err;
    size_t n;
    bool found;
    int code;

    if (client == NULL)
        return EVD_E_NO_MEMORY;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    client_flush(client);
    if (reader_fill(&client->reader, client->fd, &found, &err) != EVD_OK)
        return client_lose(client, &err);
    do {
        code = client_frame(client, &found, &frame, &n);
        if (code == EVD_OK && found)
            code = client_dispatch(client, frame, n);
    } while (code == EVD_OK && found);
    return code;
}
