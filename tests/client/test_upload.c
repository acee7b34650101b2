/* Uploads of libevendraw against a daemon that keeps what it is sent, and labels read back from one
 * that says anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <evendraw.h>
#include <stdlib.h>
#include <string.h>
#include "fake.h"

#define N 200000u

/* Two columns as they arrive, and how many messages they took. */
struct kept {
    double *weights[2];
    size_t count[2];
    uint64_t samples;
    uint32_t messages;
    size_t longest;
    int refuse; /* a code with which weights are refused, or 0 */
    bool owned; /* as dataset.create said */
};

static const msgpack_object *find(const msgpack_object *map, const char *key)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *name = &map->via.map.ptr[i].key;
        if (name->via.str.size == strlen(key) &&
            memcmp(name->via.str.ptr, key, name->via.str.size) == 0)
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

static void keep_weights(struct kept *kept, const msgpack_object *map, const msgpack_object *bin)
{
    int k = find(map, "column")->via.str.ptr[0] == 'b';
    size_t n = bin->via.bin.size / sizeof(double);

    kept->weights[k] = realloc(kept->weights[k], (kept->count[k] + n) * sizeof(double));
    memcpy(kept->weights[k] + kept->count[k], bin->via.bin.ptr, n * sizeof(double));
    kept->count[k] += n;
    kept->messages++;
    kept->longest = bin->via.bin.size > kept->longest ? bin->via.bin.size : kept->longest;
}

static void keep(struct fake *fake)
{
    struct kept *kept = fake->arg;

    fake_hello(fake);
    while (fake_next(fake)) {
        const msgpack_object *map = fake->msg.params->via.array.ptr;
        const msgpack_object *bin = find(map, "weights");

        if (bin != NULL && kept->refuse) {
            fake_error(fake, kept->refuse, "a weight below zero");
            continue;
        }
        if (bin != NULL)
            keep_weights(kept, map, bin);
        if (str_is(fake->msg.method, "dataset.create"))
            kept->owned = find(map, "owned") && find(map, "owned")->via.boolean;
        if (str_is(fake->msg.method, "dataset.commit"))
            kept->samples = fake_u64(map, "samples");
        fake_result(fake);
        pack_key_u64(&fake->pk, "draft", 3);
        fake_send(fake);
    }
}

static evd_upload *begin(struct fake *fake, evd_client **client)
{
    evd_upload *upload;

    assert_int_equal(evd_connect(fake->address, NULL, client), EVD_OK);
    assert_int_equal(evd_dataset_begin(*client, "d", NULL, 0, &upload), EVD_OK);
    return upload;
}

/* Columns by turns, in pieces of any length, before and after labels: each arrives in order. */
static void columns(void **state)
{
    static double a[N], b[N];
    static uint32_t labels[N];
    struct kept kept = {0};
    struct fake fake;
    evd_client *client;
    evd_upload *upload;
    uint32_t at = 0, piece = 1;

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        a[i] = i * 0.1;
        b[i] = -(double)i; /* that is for the daemon to refuse */
    }
    fake_start(&fake, keep, &kept);
    upload = begin(&fake, &client);
    for (; at < N; at += piece) {
        piece = piece * 3 < N - at ? piece * 3 : N - at;
        assert_int_equal(evd_dataset_weights(upload, "a", a + at, piece), EVD_OK);
        assert_int_equal(evd_dataset_weights(upload, "b", b + at, piece), EVD_OK);
        assert_int_equal(evd_dataset_append(upload, labels + at, piece), EVD_OK);
    }
    assert_int_equal(evd_dataset_weights(upload, "b", NULL, 0), EVD_OK);
    assert_int_equal(evd_dataset_commit(upload, NULL), EVD_OK);
    evd_close(client);
    fake_stop(&fake);
    assert_int_equal(kept.samples, N);
    assert_int_equal(kept.count[0], N);
    assert_int_equal(kept.count[1], N);
    assert_memory_equal(kept.weights[0], a, sizeof(a));
    assert_memory_equal(kept.weights[1], b, sizeof(b));
    assert_in_range(kept.longest, 1, 512 << 10);
    assert_in_range(kept.messages, 2, 40);
    free(kept.weights[0]);
    free(kept.weights[1]);
}

/* An error ends the upload, at the latest at the commit; nothing is sent after it. */
static void refused(void **state)
{
    static const double weight = -1;
    struct kept kept = {.refuse = EVD_E_BAD_VALUE};
    struct fake fake;
    evd_client *client;
    evd_upload *upload;

    (void)state;
    fake_start(&fake, keep, &kept);
    upload = begin(&fake, &client);
    assert_int_equal(evd_dataset_weights(upload, "a", &weight, 1), EVD_OK);
    assert_int_equal(evd_dataset_commit(upload, NULL), EVD_E_BAD_VALUE);
    assert_non_null(strstr(evd_error_message(client), "below zero"));
    evd_close(client);
    fake_stop(&fake);
    assert_int_equal(kept.samples, 0);
}

static void bad_names(void **state)
{
    static const double weight = 1;
    char name[EVD_NAME_LIMIT + 2];
    struct kept kept = {0};
    struct fake fake;
    evd_client *client;
    evd_upload *upload;

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    fake_start(&fake, keep, &kept);
    upload = begin(&fake, &client);
    assert_int_equal(evd_dataset_weights(upload, name, &weight, 1), EVD_E_BAD_VALUE);
    assert_non_null(strstr(evd_error_message(client), "129 bytes"));
    assert_int_equal(evd_dataset_append(upload, NULL, 0), EVD_E_BAD_VALUE);
    evd_dataset_abort(upload);
    evd_close(client);
    fake_stop(&fake);
}

/* A version that is made for a job says so, and is sent like any other. */
static void owned(void **state)
{
    static const uint32_t labels[] = {0, 1, 0};
    static const char *const classes[] = {"a", "b"};
    struct kept kept = {0};
    struct fake fake;
    evd_client *client;
    evd_upload *upload;

    (void)state;
    fake_start(&fake, keep, &kept);
    assert_int_equal(evd_connect(fake.address, NULL, &client), EVD_OK);
    for (int own = 1; own >= 0; own--) {
        int code = own ? evd_dataset_begin_owned(client, "d", classes, 2, &upload)
                       : evd_dataset_begin(client, "d", classes, 2, &upload);

        assert_int_equal(code, EVD_OK);
        assert_int_equal(evd_dataset_append(upload, labels, 3), EVD_OK);
        assert_int_equal(evd_dataset_commit(upload, NULL), EVD_OK);
        assert_int_equal(kept.owned, own); /* the answer came after it was noted */
        assert_int_equal(kept.samples, 3);
    }
    evd_close(client);
    fake_stop(&fake);
}

/* Answers pieces of N labels, i being the label of sample i; then what `arg` says. */
static void give(struct fake *fake)
{
    static uint32_t labels[EVD_MAX_LABELS + 1];
    const msgpack_object *map;

    fake_hello(fake);
    while (fake_next(fake)) {
        uint64_t first, count, n;
        msgpack_packer *pk;

        map = fake->msg.params->via.array.ptr;
        first = fake_u64(map, "first");
        count = fake_u64(map, "count");
        n = first + count < N ? count : N - first;
        assert_true(count <= EVD_MAX_LABELS);
        assert_int_equal(fake_u64(map, "version"), first > 0 ? 2 : UINT64_MAX);
        for (uint32_t i = 0; i < n; i++)
            labels[i] = (uint32_t)first + i;
        pk = fake_result(fake);
        if (*(int *)fake->arg == 'v')
            pack_key_u64(pk, "version", 0);
        else
            pack_key_u64(pk, "version", 2);
        if (*(int *)fake->arg == 'm')
            pack_key_bin(pk, "labels", labels, (n + 1) * sizeof(labels[0]));
        else if (*(int *)fake->arg == 'c')
            pack_key_bin(pk, "labels", labels, 3);
        else if (*(int *)fake->arg != 'n')
            pack_key_bin(pk, "labels", labels, n * sizeof(labels[0]));
        fake_send(fake);
    }
}

/* Pieces are put together, all of one version; and an answer that no daemon gives is refused. */
static void labels_back(void **state)
{
    static const int wrong[] = {'v', 'm', 'c', 'n'};
    static uint32_t labels[N + 1];
    int says = 0;
    struct fake fake;
    evd_client *client;

    (void)state;
    fake_start(&fake, give, &says);
    assert_int_equal(evd_connect(fake.address, NULL, &client), EVD_OK);
    labels[N] = 77;
    assert_int_equal(evd_dataset_labels(client, "d", 0, 0, labels, N), EVD_OK);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(labels[i], i);
    assert_int_equal(labels[N], 77);
    assert_int_equal(evd_dataset_labels(client, "d", 0, 0, labels, N + 1), EVD_E_BAD_VALUE);
    assert_non_null(strstr(evd_error_message(client), "ends at sample 200000"));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        says = wrong[i];
        assert_int_equal(evd_dataset_labels(client, "d", 0, 0, labels, 100), EVD_E_PROTOCOL);
    }
    evd_close(client);
    fake_stop(&fake);
}

/* ---- attachments ---- */

enum { ROWS = 150000, K = 3 };

/* What came of rows and distances; and what is answered: */
struct table {
    uint32_t rows[ROWS * K];
    float distances[ROWS * K];
    size_t count;
    uint64_t samples;
    uint32_t row;
    int wrong;
};

static void take_rows(struct table *table, const msgpack_object *map)
{
    const msgpack_object *rows = find(map, "rows"), *far = find(map, "distances");
    size_t n = rows->via.bin.size / sizeof(uint32_t);

    assert_int_equal(far->via.bin.size, rows->via.bin.size);
    assert_true(n <= ROWS * K - table->count && rows->via.bin.size <= 512 << 10);
    memcpy(table->rows + table->count, rows->via.bin.ptr, rows->via.bin.size);
    memcpy(table->distances + table->count, far->via.bin.ptr, far->via.bin.size);
    table->count += n;
}

static void give_rows(const struct table *table, const msgpack_object *map, msgpack_packer *pk)
{
    uint64_t first = fake_u64(map, "first"), n = fake_u64(map, "count");

    n = n < 40000 ? n : 40000; /* fewer than asked for */
    n = first + n < ROWS ? n : ROWS - first;
    pack_key_u64(pk, "version", table->wrong == 'v' ? 0 : 1);
    pack_key_cstr(pk, "digest", first > 0 && table->wrong == 'd' ? "x" : "y");
    pack_key_u64(pk, "count", table->wrong == 'c' ? ROWS + 1 : n);
    pack_key_bin(pk, "rows", table->rows + first * K,
                 (n - (table->wrong == 's')) * K * sizeof(uint32_t));
    if (table->wrong != 'f')
        pack_key_bin(pk, "distances", table->distances + first * K, n * K * sizeof(float));
}

static void keep_table(struct fake *fake)
{
    struct table *table = fake->arg;

    fake_hello(fake);
    while (fake_next(fake)) {
        const msgpack_object *map = fake->msg.params->via.array.ptr;
        msgpack_packer *pk;

        if (str_is(fake->msg.method, "attachment.append"))
            take_rows(table, map);
        if (str_is(fake->msg.method, "attachment.commit"))
            table->samples = fake_u64(map, "samples");
        pk = fake_result(fake);
        pack_key_u64(pk, "draft", 3);
        pack_key_u64(pk, "row", table->row);
        if (str_is(fake->msg.method, "attachment.read"))
            give_rows(table, map, pk);
        fake_send(fake);
    }
}

/* In pieces of any length; each number arrives, and comes back. */
static void attached(void **state)
{
    static struct table table = {.row = K * sizeof(uint32_t)};
    static uint32_t rows[ROWS * K], back[ROWS * K];
    static float far[ROWS * K], far_back[ROWS * K];
    static const int wrong[] = {'v', 'd', 'c', 's', 'f'};
    struct fake fake;
    evd_client *client;
    evd_attachment *attachment;

    (void)state;
    for (uint32_t i = 0; i < ROWS * K; i++) {
        rows[i] = i * 7;
        far[i] = (float)i / 8;
    }
    fake_start(&fake, keep_table, &table);
    assert_int_equal(evd_connect(fake.address, NULL, &client), EVD_OK);
    assert_int_equal(evd_attachment_begin(client, "[]", &attachment), EVD_E_USAGE);
    assert_int_equal(evd_attachment_find(client, "[]", NULL), EVD_E_USAGE);
    assert_int_equal(evd_attachment_find(client, "{", NULL), EVD_E_USAGE);
    assert_int_equal(evd_attachment_begin(client, "{\"k\": 3}", &attachment), EVD_OK);
    for (uint32_t at = 0, piece = 1; at < ROWS; at += piece) {
        piece = piece * 5 < ROWS - at ? piece * 5 : ROWS - at;
        assert_int_equal(evd_attachment_append(attachment, rows + at * K, K * sizeof(uint32_t),
                                               far + at * K, piece),
                         EVD_OK);
    }
    assert_int_equal(evd_attachment_commit(attachment, NULL), EVD_OK);
    assert_int_equal(table.samples, ROWS);
    assert_int_equal(table.count, ROWS * K);
    assert_memory_equal(table.rows, rows, sizeof(rows));
    assert_memory_equal(table.distances, far, sizeof(far));
    assert_int_equal(evd_attachment_read(client, "d", 0, "a", 0, back, 12, far_back, ROWS), EVD_OK);
    assert_memory_equal(back, rows, sizeof(rows));
    assert_memory_equal(far_back, far, sizeof(far));
    assert_int_equal(evd_attachment_read(client, "d", 0, "a", 0, back, 8, NULL, 1), EVD_E_CONFLICT);
    assert_int_equal(evd_attachment_read(client, "d", 0, "a", ROWS, back, 12, NULL, 1),
                     EVD_E_BAD_VALUE);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        table.wrong = wrong[i];
        assert_int_equal(evd_attachment_read(client, "d", 0, "a", 0, back, 12, far_back, 50000),
                         wrong[i] == 'd' ? EVD_E_CONFLICT : EVD_E_PROTOCOL);
    }
    evd_close(client);
    fake_stop(&fake);
}

/* What a caller may not, and what no daemon answers. */
static void attached_wrongly(void **state)
{
    static const uint32_t bad[] = {0, 3, 7, 260, 4000000000u};
    static struct table table;
    static const uint32_t row[K];
    static const float far[K];
    struct fake fake;
    evd_client *client;
    evd_attachment *attachment;

    (void)state;
    fake_start(&fake, keep_table, &table);
    assert_int_equal(evd_connect(fake.address, NULL, &client), EVD_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        table.row = bad[i];
        assert_int_equal(evd_attachment_begin(client, "{}", &attachment), EVD_E_PROTOCOL);
    }
    table.row = sizeof(row);
    assert_int_equal(evd_attachment_begin(client, "{}", &attachment), EVD_OK);
    assert_int_equal(evd_attachment_append(attachment, row, 8, far, 1), EVD_E_USAGE);
    assert_int_equal(evd_attachment_commit(attachment, NULL), EVD_E_USAGE);
    assert_int_equal(evd_attachment_begin(client, "{}", &attachment), EVD_OK);
    assert_int_equal(evd_attachment_append(attachment, row, sizeof(row), NULL, 1), EVD_E_USAGE);
    evd_attachment_abort(attachment);
    evd_attachment_abort(NULL);
    table.row = 2;
    assert_int_equal(evd_attachment_begin(client, "{}", &attachment), EVD_OK);
    assert_int_equal(evd_attachment_append(attachment, row, 2, far, 1), EVD_E_USAGE);
    assert_int_equal(table.count, 0);
    evd_close(client); /* and the attachment with it */
    fake_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns),          cmocka_unit_test(refused),
        cmocka_unit_test(bad_names),        cmocka_unit_test(owned),
        cmocka_unit_test(labels_back),      cmocka_unit_test(attached),
        cmocka_unit_test(attached_wrongly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
