/*
 * Attachments: the functions of evendraw.h that send one in pieces, and read it back.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/client.h"

/* Rows and distances of one attachment.append; well within a frame. */
#define CHUNK_BYTES (512u << 10)

struct evd_attachment {
    struct upload base; /* first */
    uint32_t row, far;  /* bytes of a sample's row, and of its distances */
    char *chunk;        /* rows, and behind `most` of them distances: little-endian, not sent yet */
    uint32_t count, most;
};

/* A row is made of numbers of so many bytes. */
static size_t unit_of(size_t row)
{
    return row >= sizeof(uint32_t) ? sizeof(uint32_t) : row;
}

/* To little-endian, or from it, which is the same. */
static void copy_numbers(void *to, const void *from, size_t bytes, size_t unit)
{
    memcpy(to, from, bytes);
    for (size_t at = 0; at < bytes && htole16(1) != 1; at += unit) {
        char *number = (char *)to + at;

        for (size_t i = 0; i < unit / 2; i++) {
            char byte = number[i];

            number[i] = number[unit - 1 - i];
            number[unit - 1 - i] = byte;
        }
    }
}

/* ---- sending ---- */

static void attachment_fini(struct upload *base)
{
    free(((struct evd_attachment *)base)->chunk);
}

static const struct upload_noun attachment_noun = {
    "attachment", "attachment.create", "attachment.append", "attachment.commit", attachment_fini};

static int read_created(void *arg, const msgpack_object *result, struct evd_error *err)
{
    struct evd_attachment *attachment = arg;
    uint64_t row = map_u64(result, "row", 0);

    if (upload_read_draft(&attachment->base, result, err) != EVD_OK)
        return err->code;
    if (row == 0 || row > EVD_MAX_NEIGHBOURS * sizeof(uint32_t) ||
        (row > sizeof(uint16_t) && row % sizeof(uint32_t) != 0))
        return error_set(err, EVD_E_PROTOCOL, "row",
                         "the daemon's answer to attachment.create has no usable \"row\"");
    attachment->row = (uint32_t)row;
    attachment->far = unit_of(row) == sizeof(float) ? attachment->row : 0;
    attachment->most = CHUNK_BYTES / (attachment->row + attachment->far);
    return EVD_OK;
}

static int create(struct evd_attachment *attachment, const char *params)
{
    struct evd_client *client = attachment->base.client;
    struct pending pending = {.read = read_created, .arg = attachment};
    msgpack_packer pk;

    if (upload_create_begin(&attachment->base, &pk, &pending) != EVD_OK)
        return client->error.code;
    if (json_to_msgpack(&pk, params, &client->error) != EVD_OK) {
        buf_truncate(&client->out, client->start);
        return client->error.code;
    }
    return request_await(client, &pk, &pending, client_deadline(client));
}

int evd_attachment_begin(evd_client *client, const char *params, evd_attachment **out)
{
    struct evd_attachment *attachment;

    *out = NULL;
    if (!client)
        return EVD_E_NO_MEMORY;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    attachment = upload_new(client, &attachment_noun, sizeof(*attachment));
    if (!attachment)
        return client->error.code;
    if (create(attachment, params) == EVD_OK) {
        attachment->chunk = malloc(CHUNK_BYTES);
        if (!attachment->chunk)
            error_set(&client->error, EVD_E_NO_MEMORY, "", "no memory for this attachment");
    }
    if (!attachment->chunk) {
        upload_free(&attachment->base);
        return client->error.code;
    }
    *out = attachment;
    return EVD_OK;
}

static char *far_of(const struct evd_attachment *attachment)
{
    return attachment->chunk + (size_t)attachment->most * attachment->row;
}

static int send_chunk(struct evd_attachment *attachment)
{
    size_t count = attachment->count;
    msgpack_packer pk;

    if (count == 0)
        return EVD_OK;
    if (upload_append_begin(&attachment->base, &pk) != EVD_OK)
        return attachment->base.client->error.code;
    pack_key_bin(&pk, "rows", attachment->chunk, count * attachment->row);
    if (attachment->far > 0)
        pack_key_bin(&pk, "distances", far_of(attachment), count * attachment->far);
    attachment->count = 0;
    return upload_append_end(&attachment->base, &pk);
}

static int check_rows(struct evd_attachment *attachment, size_t row_bytes, const float *distances)
{
    struct evd_error err;

    if (row_bytes != attachment->row) {
        error_set(&err, EVD_E_USAGE, "rows", "rows are of %zu bytes, and %u are needed for each",
                  row_bytes, attachment->row);
        return upload_fail(&attachment->base, &err);
    }
    if ((distances != NULL) == (attachment->far > 0))
        return EVD_OK;
    error_set(&err, EVD_E_USAGE, "distances",
              distances ? "only neighbours have distances: pass NULL"
                        : "neighbours have distances: pass one for each");
    return upload_fail(&attachment->base, &err);
}

int evd_attachment_append(evd_attachment *attachment, const void *rows, size_t row_bytes,
                          const float *distances, size_t n)
{
    const char *row = rows, *far = (const char *)distances;

    if (upload_check(&attachment->base) != EVD_OK)
        return attachment->base.client->error.code;
    if (n > 0 && check_rows(attachment, row_bytes, distances) != EVD_OK)
        return attachment->base.client->error.code;
    while (n > 0) {
        size_t room = attachment->most - attachment->count, count = n < room ? n : room;
        size_t bytes = count * attachment->row, at = attachment->count;

        copy_numbers(attachment->chunk + at * attachment->row, row, bytes,
                     unit_of(attachment->row));
        if (far) {
            copy_numbers(far_of(attachment) + at * attachment->far, far, count * attachment->far,
                         sizeof(float));
            far += count * attachment->far;
        }
        row += bytes;
        n -= count;
        attachment->count += (uint32_t)count;
        attachment->base.samples += count;
        if (attachment->count == attachment->most && send_chunk(attachment) != EVD_OK)
            return attachment->base.client->error.code;
    }
    return EVD_OK;
}

int evd_attachment_commit(evd_attachment *attachment, char **info)
{
    int code = upload_check(&attachment->base);

    if (info)
        *info = NULL;
    if (code == EVD_OK)
        code = send_chunk(attachment);
    if (code == EVD_OK)
        code = upload_commit(&attachment->base, info);
    upload_free(&attachment->base);
    return code;
}

void evd_attachment_abort(evd_attachment *attachment)
{
    if (attachment)
        upload_free(&attachment->base);
}

/* ---- reading ---- */

struct reading {
    struct fetch fetch;     /* first */
    char digest[32];        /* of the first piece; "" before */
    char *rows, *distances; /* NULL: no distances */
    size_t row;
};

/* Numbers of n samples, to the place of the first of them. */
static int take(const struct reading *reading, const msgpack_object *result, const char *field,
                size_t unit, size_t n, char *to, struct evd_error *err)
{
    const msgpack_object *bin = map_get(result, field);

    if (!bin || bin->type != MSGPACK_OBJECT_BIN || bin->via.bin.size != n * reading->row)
        return fetch_not_usable(&reading->fetch, field, err);
    copy_numbers(to + reading->fetch.done * reading->row, bin->via.bin.ptr, n * reading->row, unit);
    return EVD_OK;
}

static int take_rows(struct fetch *fetch, const msgpack_object *result, struct evd_error *err)
{
    struct reading *reading = (struct reading *)fetch;
    uint64_t count = map_u64(result, "count", UINT64_MAX);
    char digest[sizeof(reading->digest)];
    int code;

    map_text(result, "digest", digest, sizeof(digest));
    if (count > fetch->n)
        return fetch_not_usable(fetch, "count", err);
    if (map_u64(result, "row", 0) != reading->row ||
        (reading->digest[0] && strcmp(reading->digest, digest) != 0))
        return error_set(
            err, EVD_E_CONFLICT, fetch->name,
            "attachment \"%s\" is not the one that was expected, or was replaced while "
            "it was read: attachment.list says what is there",
            fetch->name);
    code = take(reading, result, "rows", unit_of(reading->row), count, reading->rows, err);
    if (code == EVD_OK && reading->distances)
        code = take(reading, result, "distances", sizeof(float), count, reading->distances, err);
    if (code != EVD_OK)
        return code;
    memcpy(reading->digest, digest, sizeof(digest));
    fetch->n = count;
    return EVD_OK;
}

static void ask_rows(const struct fetch *fetch, msgpack_packer *pk)
{
    pack_key_cstr(pk, "name", fetch->name);
    if (((const struct reading *)fetch)->distances)
        pack_key_bool(pk, "distances", true);
}

int evd_attachment_read(evd_client *client, const char *dataset, uint32_t version, const char *name,
                        uint64_t first, void *rows, size_t row_bytes, float *distances, size_t n)
{
    struct reading reading = {.fetch = {.method = "attachment.read",
                                        .noun = "attachment",
                                        .name = name,
                                        .lister = "list",
                                        .dataset = dataset,
                                        .version = version,
                                        .first = first,
                                        .ask = ask_rows,
                                        .take = take_rows},
                              .rows = rows,
                              .distances = (char *)distances,
                              .row = row_bytes};

    return fetch_all(client, &reading.fetch, n);
}
