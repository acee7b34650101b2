#include <stdlib.h>
#include <string.h>
#include "client/lib/client.h"

static int take_json(void *arg, const msgpack_object *result, struct evd_error *err)
{
    return msgpack_to_json(result, arg, err);
}

int evd_call(evd_client *client, const char *method, const char *params, char **result)
{
    char *text = NULL;
    struct pending pending = {.take = result ? take_json : NULL, .arg = &text};
    msgpack_packer pk;
    size_t start;

    if (result != NULL)
        *result = NULL;
    if (client == NULL)
        return EVD_E_NO_MEMORY;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    if (strncmp(method, "stream.", 7) == 0)
        return error_set(&client->error, EVD_E_USAGE, method,
                         "streams have functions of their own: use evd_stream_open, not %s",
                         method);
    start = client->out.len;
    request_begin(client, &pk, &pending, method);
    if (json_to_msgpack(&pk, params ? params : "{}", &client->error) != EVD_OK) {
        buf_truncate(&client->out, start);
        return client->error.code;
    }
    if (request_end(client, &pending, start, &client->error) != EVD_OK)
        return client->error.code;
    client_flush(client);
    if (client_await(client, &pending, client_deadline(client)) != EVD_OK) {
        free(text);
        return client->error.code;
    }
    if (result != NULL)
        *result = text;
    return EVD_OK;
}

void evd_free(char *text)
{
    free(text);
}
