#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/text.h"

static size_t allocated;

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    allocated += size;
    return __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
    allocated += size;
    return __real_realloc(old, size);
}

void check(int holds, const char *property, const char *file, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, property);
    abort();
}

static void check_text(const char *text)
{
    struct evd_str str = {text, (uint32_t)strlen(text)};

    CHECK(str_utf8(str));
    for (uint32_t i = 0; i < str.len; i += (uint32_t)utf8_length(text + i, str.len - i))
        CHECK(!utf8_control(text + i));
}

void check_error(const struct evd_error *err)
{
    CHECK(err->code != EVD_OK && err->message[0] != '\0');
    check_text(err->message);
    check_text(err->detail);
}

struct guard check_guard(const struct guard_limits *limits, const uint8_t *data, size_t n)
{
    struct guard whole, cut;
    size_t used, at = 0;

    guard_init(&whole, limits);
    guard_init(&cut, limits);
    used = guard_feed(&whole, data, n);
    while (at < n && cut.status == GUARD_MORE) {
        size_t piece = 1 + data[at] % 7;

        at += guard_feed(&cut, data + at, piece < n - at ? piece : n - at);
    }
    CHECK(whole.status == cut.status);
    CHECK(used == at && used == whole.seen && used == cut.seen);
    CHECK(used <= limits->frame);
    CHECK(used == n || whole.status != GUARD_MORE);
    CHECK(whole.nodes <= limits->nodes);
    return whole;
}

int check_decode(struct message *msg, const struct guard *guard, const uint8_t *data)
{
    /* msgpack-c: 24 bytes an object, from chunks that double and may be left half empty; and the
     * first chunk, kept from message to message. */
    const size_t bound = (size_t)guard->nodes * 24 * 4 + (512u << 10);
    struct evd_error err;
    bool has_id;
    int code;

    allocated = 0;
    code = message_decode(msg, data, guard->seen, &has_id, &err);
    CHECK(allocated <= bound);
    if (code != EVD_OK) {
        CHECK(code == EVD_E_PROTOCOL);
        CHECK(!strstr(err.message, "not one MessagePack object"));
        check_error(&err);
    }
    return code;
}
