/*
 * What is read back piece by piece: the loop over the pieces, for attach.c too, and the function of
 * evendraw.h that reads labels.
 */
#include <endian.h>
#include <inttypes.h>
#include <string.h>
#include "client/lib/client.h"

int fetch_not_usable(const struct fetch *fetch, const char *field, struct evd_error *err)
{
    return error_set(err, EVD_E_PROTOCOL, field, "the daemon's answer to %s has no usable \"%s\"",
                     fetch->method, field);
}

static int read_piece(void *arg, const msgpack_object *result, struct evd_error *err)
{
    struct fetch *fetch = arg;
    uint64_t version = map_u64(result, "version", 0);
    int code;

    if (version == 0 || version > UINT32_MAX)
        return fetch_not_usable(fetch, "version", err);
    code = fetch->take(fetch, result, err);
    if (code == EVD_OK)
        fetch->version = (uint32_t)version;
    return code;
}

static int fetch_once(struct evd_client *client, struct fetch *fetch, deadline_t deadline)
{
    struct pending pending = {.read = read_piece, .arg = fetch};
    msgpack_packer pk;
    int code = client_ready(client, deadline);

    if (code != EVD_OK)
        return code;
    request_begin(client, &pk, &pending, fetch->method);
    pack_key_cstr(&pk, "dataset", fetch->dataset);
    if (fetch->version > 0)
        pack_key_u64(&pk, "version", fetch->version);
    pack_key_u64(&pk, "first", fetch->first + fetch->done);
    pack_key_u64(&pk, "count", fetch->n);
    if (fetch->ask)
        fetch->ask(fetch, &pk);
    return request_await(client, &pk, &pending, deadline);
}

/* Up to fetch->n samples, which becomes how many came. */
static int fetch_piece(struct evd_client *client, struct fetch *fetch)
{
    deadline_t deadline = client_deadline(client);
    int code;

    do
        code = fetch_once(client, fetch, deadline);
    while (client_again(client, code, deadline));
    return code;
}

int fetch_all(struct evd_client *client, struct fetch *fetch, size_t n)
{
    if (!client)
        return EVD_E_NO_MEMORY;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    while (fetch->done < n) {
        fetch->n = n - fetch->done < EVD_MAX_LABELS ? n - fetch->done : EVD_MAX_LABELS;
        if (fetch_piece(client, fetch) != EVD_OK)
            return client->error.code;
        if (fetch->n == 0)
            return error_set(&client->error, EVD_E_BAD_VALUE, fetch->name,
                             "%s \"%s\" ends at sample %" PRIu64 ": %s.%s says how many there are",
                             fetch->noun, fetch->name, fetch->first + fetch->done, fetch->noun,
                             fetch->lister);
        fetch->done += fetch->n;
    }
    return EVD_OK;
}

/* ---- labels ---- */

struct labels {
    struct fetch fetch; /* first */
    uint32_t *to;
};

static int take_labels(struct fetch *fetch, const msgpack_object *result, struct evd_error *err)
{
    uint32_t *to = ((struct labels *)fetch)->to + fetch->done;
    const msgpack_object *bin = map_get(result, "labels");
    size_t n;

    if (!bin || bin->type != MSGPACK_OBJECT_BIN || bin->via.bin.size % sizeof(*to))
        return fetch_not_usable(fetch, "labels", err);
    n = bin->via.bin.size / sizeof(*to);
    if (n > fetch->n)
        return fetch_not_usable(fetch, "labels", err);
    for (size_t i = 0; i < n; i++) {
        uint32_t label;

        memcpy(&label, bin->via.bin.ptr + i * sizeof(label), sizeof(label));
        to[i] = le32toh(label);
    }
    fetch->n = n;
    return EVD_OK;
}

int evd_dataset_labels(evd_client *client, const char *dataset, uint32_t version, uint64_t first,
                       uint32_t *labels, size_t n)
{
    struct labels all = {.fetch = {.method = "dataset.labels",
                                   .noun = "dataset",
                                   .name = dataset,
                                   .lister = "info",
                                   .dataset = dataset,
                                   .version = version,
                                   .first = first,
                                   .take = take_labels},
                         .to = labels};

    return fetch_all(client, &all.fetch, n);
}
