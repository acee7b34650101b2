/*
 * Datasets: the function of evendraw.h that reads labels back, piece by piece.
 */
#include <endian.h>
#include <inttypes.h>
#include <string.h>
#include "client/lib/client.h"

/* What is wanted of one answer. */
struct piece {
    uint32_t version; /* as asked for, then as answered */
    uint64_t first;
    uint32_t *labels;
    size_t n; /* wanted, then answered */
};

static int not_usable(const char *field, struct evd_error *err)
{
    return error_set(err, EVD_E_PROTOCOL, field,
                     "the daemon's answer to dataset.labels has no usable \"%s\"", field);
}

static int read_piece(void *arg, const msgpack_object *result, struct evd_error *err)
{
    struct piece *piece = arg;
    const msgpack_object *labels = map_get(result, "labels");
    uint64_t version = map_u64(result, "version", 0);
    size_t n;

    if (version == 0 || version > UINT32_MAX)
        return not_usable("version", err);
    if (!labels || labels->type != MSGPACK_OBJECT_BIN || labels->via.bin.size % sizeof(uint32_t))
        return not_usable("labels", err);
    n = labels->via.bin.size / sizeof(uint32_t);
    if (n > piece->n)
        return not_usable("labels", err);
    for (size_t i = 0; i < n; i++) {
        uint32_t label;

        memcpy(&label, labels->via.bin.ptr + i * sizeof(label), sizeof(label));
        piece->labels[i] = le32toh(label);
    }
    piece->version = (uint32_t)version;
    piece->n = n;
    return EVD_OK;
}

static int fetch_once(struct evd_client *client, const char *dataset, struct piece *piece,
                      deadline_t deadline)
{
    struct pending pending = {.read = read_piece, .arg = piece};
    msgpack_packer pk;
    int code = client_ready(client, deadline);

    if (code != EVD_OK)
        return code;
    request_begin(client, &pk, &pending, "dataset.labels");
    pack_key_cstr(&pk, "dataset", dataset);
    if (piece->version > 0)
        pack_key_u64(&pk, "version", piece->version);
    pack_key_u64(&pk, "first", piece->first);
    pack_key_u64(&pk, "count", piece->n);
    return request_await(client, &pk, &pending, deadline);
}

/* Up to piece->n labels, which becomes how many came. */
static int fetch(struct evd_client *client, const char *dataset, struct piece *piece)
{
    deadline_t deadline = client_deadline(client);
    int code;

    do
        code = fetch_once(client, dataset, piece, deadline);
    while (client_again(client, code, deadline));
    return code;
}

int evd_dataset_labels(evd_client *client, const char *dataset, uint32_t version, uint64_t first,
                       uint32_t *labels, size_t n)
{
    struct piece piece = {.version = version, .first = first, .labels = labels};

    if (!client)
        return EVD_E_NO_MEMORY;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    while (n > 0) {
        piece.n = n < EVD_MAX_LABELS ? n : EVD_MAX_LABELS;
        if (fetch(client, dataset, &piece) != EVD_OK)
            return client->error.code;
        if (piece.n == 0)
            return error_set(&client->error, EVD_E_BAD_VALUE, dataset,
                             "dataset \"%s\" ends at sample %" PRIu64
                             ": dataset.info says how many there are",
                             dataset, piece.first);
        piece.first += piece.n;
        piece.labels += piece.n;
        n -= piece.n;
    }
    return EVD_OK;
}
