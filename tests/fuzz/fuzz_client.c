/*
 * What a client does with bytes from a daemon: guard, message, error, batch. The first byte of an
 * input says what the stream was opened with.
 *
 * Properties, beside those of fuzz_guard: a batch that can be decoded is the same batch after being
 * encoded and decoded again.
 */
#include <stdlib.h>
#include <string.h>
#include "check.h"
#include "proto/batch.h"
#include "proto/limits.h"

static void check_same(const struct batch_decoded *a, const struct batch_decoded *b, bool floats)
{
    CHECK(a->n == b->n && a->columns == b->columns);
    CHECK(a->head.stream == b->head.stream && a->head.epoch == b->head.epoch);
    CHECK(a->head.step == b->head.step && a->head.redelivered == b->head.redelivered);
    for (int c = 0; c < COLUMN_COUNT; c++) {
        if ((a->columns >> c & 1) && (floats || !column_table[c].is_float))
            CHECK(memcmp(a->data[c], b->data[c], (size_t)a->n * column_table[c].size) == 0);
    }
}

static void encode_again(const struct batch_decoded *first, struct batch_format format)
{
    struct batch_columns columns = {.n = first->n};
    struct batch_decoded second = {0};
    struct message msg;
    struct guard guard;
    struct evd_buf buf;
    struct evd_error err;

    for (int c = 0; c < COLUMN_COUNT; c++)
        columns.data[c] = first->data[c];
    buf_init(&buf, EVD_MAX_REPLY_FRAME);
    message_init(&msg);
    if (batch_encode(&buf, &first->head, &format, &columns) == EVD_OK) {
        CHECK(buf.len <= batch_size_bound(&format, first->n));
        guard = check_guard(&guard_reply_limits, buf.data, buf.len);
        CHECK(guard.status == GUARD_DONE && guard.seen == buf.len);
        CHECK(check_decode(&msg, &guard, buf.data) == EVD_OK);
        CHECK(batch_decode(msg.params, &format, &second, &err) == EVD_OK);
        /* A signalling NaN does not survive as number, only packed. */
        check_same(first, &second, format.packed);
    } else {
        CHECK(first->head.job.len > EVD_MAX_NAME);
    }
    batch_decoded_fini(&second);
    message_fini(&msg);
    buf_fini(&buf);
}

static void check_message(const struct message *msg, struct batch_format format,
                          struct batch_decoded *decoded)
{
    struct evd_error err;

    if (msg->type == MESSAGE_RESPONSE) {
        if (message_error_decode(msg->error, &err) != EVD_OK && err.message[0])
            check_error(&err);
    } else if (msg->type == MESSAGE_NOTIFICATION) {
        if (batch_decode(msg->params, &format, decoded, &err) != EVD_OK) {
            check_error(&err);
            return;
        }
        format.wide_index = true;
        for (int packed = 0; packed < 2; packed++) {
            format.packed = packed;
            encode_again(decoded, format);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct batch_decoded decoded = {0};
    struct batch_format format;
    struct message msg;

    if (n == 0)
        return 0;
    format = (struct batch_format){.columns = 1u | (data[0] & 0x3f), .wide_index = data[0] >> 7};
    if (data[0] & 0x40)
        format.columns |= (1u << COLUMN_COUNT) - (1u << COLUMN_mix_index);
    data++;
    n--;
    message_init(&msg);
    while (n > 0) {
        struct guard guard = check_guard(&guard_reply_limits, data, n);

        if (guard.status != GUARD_DONE)
            break;
        if (check_decode(&msg, &guard, data) == EVD_OK)
            check_message(&msg, format, &decoded);
        data += guard.seen;
        n -= guard.seen;
    }
    batch_decoded_fini(&decoded);
    message_fini(&msg);
    return 0;
}
