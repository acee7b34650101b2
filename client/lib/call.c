/*
 * evd_call: any method of the protocol, with JSON both ways.
 */
#include <stdlib.h>
#include <string.h>
#include "client/lib/client.h"

static int read_json(void *arg, const msgpack_object *result, struct evd_error *err)
{
    return msgpack_to_json(result, arg, err);
}

/* Does the method only ask? Then it can be called again when its answer was lost. */
static bool only_asks(const char *name)
{
    int method = method_find(name, strlen(name));

    return method >= 0 && method_table[method].traits & METHOD_ASKS;
}

static int call_once(struct evd_client *client, const char *method, const char *params,
                     char **result, deadline_t deadline)
{
    struct pending pending = {.read = result ? read_json : NULL, .arg = result};
    msgpack_packer pk;
    int code = client_ready(client, deadline);

    if (code != EVD_OK)
        return code;
    request_begin(client, &pk, &pending, method);
    if (json_to_msgpack(&pk, params ? params : "{}", &client->error) != EVD_OK) {
        buf_truncate(&client->out, client->start);
        return client->error.code;
    }
    code = request_await(client, &pk, &pending, deadline);
    if (code != EVD_OK && result) {
        free(*result);
        *result = NULL;
    }
    return code;
}

int evd_call(evd_client *client, const char *method, const char *params, char **result)
{
    deadline_t deadline;
    int code;

    if (result)
        *result = NULL;
    if (!client)
        return EVD_E_NO_MEMORY;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    if (strncmp(method, "stream.", 7) == 0)
        return error_set(&client->error, EVD_E_USAGE, method,
                         "streams have functions of their own: use evd_stream_open, not %s",
                         method);
    deadline = client_deadline(client);
    do
        code = call_once(client, method, params, result, deadline);
    while (only_asks(method) && client_again(client, code, deadline));
    return code;
}

void evd_free(char *text)
{
    free(text);
}
