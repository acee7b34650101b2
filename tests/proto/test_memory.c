/* Fails the first allocation, then the second, ... of a whole exchange, until none fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/batch.h"
#include "proto/limits.h"
#include "proto/message.h"

static bool armed;
static int until_failure;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void)
{
    return armed && until_failure-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

#define N 3000

static uint64_t indices[N];
static uint32_t labels[N];

/* Encodes a batch behind bytes that must survive, decodes it as a client does, twice. Returns the
 * first error. */
static int exchange(struct evd_buf *buf, struct message *msg, struct batch_decoded *decoded)
{
    static const struct batch_head head = {.stream = 1, .job = {"j", 1}};
    static const struct batch_format format = {.columns = 3};
    static const struct batch_columns columns = {.data = {indices, labels}, .n = N};
    struct evd_error err;
    bool has_id;
    size_t mark;
    int code = EVD_OK;

    buf_append(buf, "before", 6);
    if (buf->failed) {
        assert_int_equal(buf->len, 0);
        return EVD_E_NO_MEMORY;
    }
    for (int round = 0; round < 2 && code == EVD_OK; round++) {
        mark = buf->len;
        code = batch_encode(buf, &head, &format, &columns);
        if (code != EVD_OK) {
            assert_int_equal(buf->len, mark);
            assert_false(buf->failed);
            return code;
        }
        code = message_decode(msg, buf->data + mark, buf->len - mark, &has_id, &err);
        if (code == EVD_OK)
            code = batch_decode(msg->params, &format, decoded, &err);
    }
    assert_memory_equal(buf->data, "before", 6);
    return code;
}

static void test_every_allocation(void **state)
{
    int failures = 0, code;

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        indices[i] = i;
        labels[i] = i % 10;
    }
    do {
        struct evd_buf buf;
        struct message msg;
        struct batch_decoded decoded = {0};

        buf_init(&buf, EVD_MAX_REPLY_FRAME);
        message_init(&msg);
        until_failure = failures;
        armed = true;
        code = exchange(&buf, &msg, &decoded);
        armed = false;
        if (until_failure < 0) {
            failures++;
            assert_int_equal(code, EVD_E_NO_MEMORY);
            /* The same objects are usable again. */
            buf_truncate(&buf, 0);
            assert_int_equal(exchange(&buf, &msg, &decoded), EVD_OK);
        }
        assert_int_equal(decoded.n, N);
        assert_memory_equal(decoded.data[COLUMN_index], indices, sizeof(indices));
        batch_decoded_fini(&decoded);
        message_fini(&msg);
        buf_fini(&buf);
    } while (until_failure < 0);
    assert_int_equal(code, EVD_OK);
    assert_true(failures >= 6); /* buffer, its growth, zone, its growth, two columns */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
