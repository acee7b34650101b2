/*
 * What is sent in pieces, of which a few are under way at once; and datasets: the functions of
 * evendraw.h that upload one.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/client.h"

/* Labels or weights of one dataset.append; well within a frame. */
#define CHUNK_LABELS  (128u << 10)
#define CHUNK_WEIGHTS (64u << 10)
/* Class names of one message: bounded in bytes and in nodes. */
#define CHUNK_NAMES      16384u
#define CHUNK_NAME_BYTES (512u << 10)

/* A dataset on its way. */
struct evd_upload {
    struct upload base; /* first */
    uint32_t *labels;   /* little-endian, not sent yet */
    uint32_t label_count;
    char column[EVD_MAX_NAME + 1]; /* whose weights wait to be sent */
    double *weights;               /* little-endian, not sent yet; NULL until there are any */
    uint32_t weight_count;
};

/* ---- what is sent in pieces, of whatever kind ---- */

int upload_fail(struct upload *upload, const struct evd_error *err)
{
    upload->failed = *err;
    return client_error(upload->client, err);
}

int upload_check(struct upload *upload)
{
    struct evd_client *client = upload->client;

    if (upload->failed.code != EVD_OK)
        return client_error(client, &upload->failed);
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    if (client->link.state != LINK_UP || client->reconnects != upload->connection) {
        struct evd_error err;
        error_set(&err, EVD_E_CLOSED, "",
                  "the connection was lost, and the unfinished %s with it: begin it again",
                  upload->noun->name);
        return upload_fail(upload, &err);
    }
    return EVD_OK;
}

static struct pending *next_slot(struct upload *upload)
{
    return &upload->append[upload->append_count % IN_FLIGHT];
}

/* Waits for the oldest append whose place is wanted, and for room to send. */
static int upload_room(struct upload *upload)
{
    struct evd_client *client = upload->client;

    if (upload->append_count >= IN_FLIGHT &&
        client_await(client, next_slot(upload), client_deadline(client)) != EVD_OK)
        return upload_fail(upload, &client->error);
    if (client_drain(client, client_deadline(client)) != EVD_OK)
        return upload_fail(upload, &client->error);
    return upload_check(upload);
}

int upload_append_begin(struct upload *upload, msgpack_packer *pk)
{
    struct evd_client *client = upload->client;

    if (upload_room(upload) != EVD_OK)
        return client->error.code;
    request_begin(client, pk, next_slot(upload), upload->noun->append);
    pack_key_u64(pk, "draft", upload->draft);
    return EVD_OK;
}

int upload_append_end(struct upload *upload, msgpack_packer *pk)
{
    struct evd_error err;

    if (request_end(upload->client, pk, next_slot(upload), &err) != EVD_OK)
        return upload_fail(upload, &err);
    upload->append_count++;
    client_flush(upload->client);
    return EVD_OK;
}

/* Waits for every append, in the order they were sent: the first error is the one that counts. */
static int await_appends(struct upload *upload)
{
    struct evd_client *client = upload->client;
    uint32_t first = upload->append_count > IN_FLIGHT ? upload->append_count - IN_FLIGHT : 0;

    for (uint32_t i = first; i < upload->append_count; i++) {
        if (client_await(client, &upload->append[i % IN_FLIGHT], client_deadline(client)) != EVD_OK)
            return upload_fail(upload, &client->error);
    }
    return EVD_OK;
}

static int read_info(void *arg, const msgpack_object *result, struct evd_error *err)
{
    return msgpack_to_json(result, arg, err);
}

int upload_commit(struct upload *upload, char **info)
{
    struct evd_client *client = upload->client;
    struct pending pending = {.read = info ? read_info : NULL, .arg = info};
    msgpack_packer pk;

    if (await_appends(upload) != EVD_OK || upload_check(upload) != EVD_OK)
        return client->error.code;
    request_begin(client, &pk, &pending, upload->noun->commit);
    pack_key_u64(&pk, "draft", upload->draft);
    pack_key_u64(&pk, "samples", upload->samples);
    return request_await(client, &pk, &pending, client_deadline(client));
}

int upload_read_draft(struct upload *upload, const msgpack_object *result, struct evd_error *err)
{
    uint64_t draft = map_u64(result, "draft", UINT64_MAX);

    if (draft > UINT32_MAX)
        return error_set(err, EVD_E_PROTOCOL, "draft",
                         "the daemon's answer to %s has no usable \"draft\"", upload->noun->create);
    upload->draft = (uint32_t)draft;
    return EVD_OK;
}

int upload_create_begin(struct upload *upload, msgpack_packer *pk, struct pending *pending)
{
    struct evd_client *client = upload->client;

    if (client_ready(client, client_deadline(client)) != EVD_OK)
        return client->error.code;
    upload->connection = client->reconnects;
    request_begin(client, pk, pending, upload->noun->create);
    return EVD_OK;
}

void *upload_new(struct evd_client *client, const struct upload_noun *noun, size_t size)
{
    struct upload *upload = calloc(1, size);

    if (!upload) {
        error_set(&client->error, EVD_E_NO_MEMORY, "", "no memory for this %s", noun->name);
        return NULL;
    }
    upload->noun = noun;
    upload->client = client;
    upload->next = client->uploads;
    client->uploads = upload;
    return upload;
}

void upload_free(struct upload *upload)
{
    struct evd_client *client = upload->client;

    for (uint32_t i = 0; i < IN_FLIGHT; i++)
        request_forget(client, &upload->append[i]);
    for (struct upload **at = &client->uploads; *at; at = &(*at)->next) {
        if (*at == upload) {
            *at = upload->next;
            break;
        }
    }
    upload->noun->fini(upload);
    free(upload);
}

/* ---- datasets ---- */

static int send_labels(struct evd_upload *upload)
{
    msgpack_packer pk;

    if (upload->label_count == 0)
        return EVD_OK;
    if (upload_append_begin(&upload->base, &pk) != EVD_OK)
        return upload->base.client->error.code;
    pack_key_bin(&pk, "labels", upload->labels, upload->label_count * sizeof(uint32_t));
    upload->label_count = 0;
    return upload_append_end(&upload->base, &pk);
}

static int send_weights(struct evd_upload *upload)
{
    msgpack_packer pk;

    if (upload->weight_count == 0)
        return EVD_OK;
    if (upload_append_begin(&upload->base, &pk) != EVD_OK)
        return upload->base.client->error.code;
    pack_key_cstr(&pk, "column", upload->column);
    pack_key_bin(&pk, "weights", upload->weights, upload->weight_count * sizeof(double));
    upload->weight_count = 0;
    return upload_append_end(&upload->base, &pk);
}

/* How many of the names go in one message. */
static size_t names_that_fit(const char *const *classes, size_t n)
{
    size_t count = 0, bytes = 0;

    while (count < n && count < CHUNK_NAMES && bytes < CHUNK_NAME_BYTES)
        bytes += strlen(classes[count++]) + 5;
    return count;
}

static int send_names(struct evd_upload *upload, const char *const *classes, size_t n)
{
    msgpack_packer pk;

    if (upload_append_begin(&upload->base, &pk) != EVD_OK)
        return upload->base.client->error.code;
    pack_key_array(&pk, "classes", n);
    for (size_t i = 0; i < n; i++)
        pack_cstr(&pk, classes[i]);
    return upload_append_end(&upload->base, &pk);
}

static void upload_fini(struct upload *base)
{
    struct evd_upload *upload = (struct evd_upload *)base;

    free(upload->labels);
    free(upload->weights);
}

static const struct upload_noun dataset_noun = {"dataset", "dataset.create", "dataset.append",
                                                "dataset.commit", upload_fini};

static int read_draft(void *arg, const msgpack_object *result, struct evd_error *err)
{
    return upload_read_draft(arg, result, err);
}

static int create(struct evd_upload *upload, const char *name, bool owned)
{
    struct evd_client *client = upload->base.client;
    struct pending pending = {.read = read_draft, .arg = &upload->base};
    msgpack_packer pk;

    if (upload_create_begin(&upload->base, &pk, &pending) != EVD_OK)
        return client->error.code;
    pack_key_cstr(&pk, "name", name);
    if (owned)
        pack_key_bool(&pk, "owned", true);
    return request_await(client, &pk, &pending, client_deadline(client));
}

/* ---- the public functions ---- */

static int begin(evd_client *client, const char *name, const char *const *classes,
                 size_t class_count, bool owned, evd_upload **out)
{
    struct evd_upload *upload;

    *out = NULL;
    if (!client)
        return EVD_E_NO_MEMORY;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    upload = upload_new(client, &dataset_noun, sizeof(*upload));
    if (!upload)
        return client->error.code;
    upload->labels = malloc(CHUNK_LABELS * sizeof(*upload->labels));
    if (!upload->labels)
        error_set(&client->error, EVD_E_NO_MEMORY, "", "no memory for a dataset");
    if (!upload->labels || create(upload, name, owned) != EVD_OK ||
        evd_dataset_classes(upload, classes, class_count) != EVD_OK) {
        upload_free(&upload->base);
        return client->error.code;
    }
    *out = upload;
    return EVD_OK;
}

int evd_dataset_begin(evd_client *client, const char *name, const char *const *classes,
                      size_t class_count, evd_upload **out)
{
    return begin(client, name, classes, class_count, false, out);
}

int evd_dataset_begin_owned(evd_client *client, const char *name, const char *const *classes,
                            size_t class_count, evd_upload **out)
{
    return begin(client, name, classes, class_count, true, out);
}

int evd_dataset_classes(evd_upload *upload, const char *const *classes, size_t class_count)
{
    size_t sent = 0;

    if (upload_check(&upload->base) != EVD_OK)
        return upload->base.client->error.code;
    while (sent < class_count) {
        size_t n = names_that_fit(classes + sent, class_count - sent);
        if (send_names(upload, classes + sent, n) != EVD_OK)
            return upload->base.client->error.code;
        sent += n;
    }
    return EVD_OK;
}

int evd_dataset_append(evd_upload *upload, const uint32_t *labels, size_t n)
{
    if (upload_check(&upload->base) != EVD_OK)
        return upload->base.client->error.code;
    for (size_t i = 0; i < n; i++) {
        upload->labels[upload->label_count++] = htole32(labels[i]);
        if (upload->label_count == CHUNK_LABELS && send_labels(upload) != EVD_OK)
            return upload->base.client->error.code;
    }
    upload->base.samples += n;
    return EVD_OK;
}

/* Weights that wait are all of one column. */
static int choose_column(struct evd_upload *upload, const char *column)
{
    struct evd_error err;

    if (strlen(column) > EVD_MAX_NAME) {
        error_set(&err, EVD_E_BAD_VALUE, "column",
                  "a column's name has %zu bytes: at most %u are allowed", strlen(column),
                  EVD_MAX_NAME);
        return upload_fail(&upload->base, &err);
    }
    if (!upload->weights)
        upload->weights = malloc(CHUNK_WEIGHTS * sizeof(*upload->weights));
    if (!upload->weights) {
        error_set(&err, EVD_E_NO_MEMORY, "", "no memory for weights");
        return upload_fail(&upload->base, &err);
    }
    if (strcmp(upload->column, column) != 0 && send_weights(upload) != EVD_OK)
        return upload->base.client->error.code;
    strcpy(upload->column, column);
    return EVD_OK;
}

int evd_dataset_weights(evd_upload *upload, const char *column, const double *weights, size_t n)
{
    if (upload_check(&upload->base) != EVD_OK || choose_column(upload, column) != EVD_OK)
        return upload->base.client->error.code;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &weights[i], sizeof(bits));
        bits = htole64(bits);
        memcpy(&upload->weights[upload->weight_count++], &bits, sizeof(bits));
        if (upload->weight_count == CHUNK_WEIGHTS && send_weights(upload) != EVD_OK)
            return upload->base.client->error.code;
    }
    return EVD_OK;
}

int evd_dataset_commit(evd_upload *upload, char **info)
{
    int code = upload_check(&upload->base);

    if (info)
        *info = NULL;
    if (code == EVD_OK && (send_labels(upload) != EVD_OK || send_weights(upload) != EVD_OK))
        code = upload->base.client->error.code;
    if (code == EVD_OK)
        code = upload_commit(&upload->base, info);
    upload_free(&upload->base);
    return code;
}

void evd_dataset_abort(evd_upload *upload)
{
    if (upload)
        upload_free(&upload->base);
}
