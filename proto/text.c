#include "proto/text.h"

#include <string.h>
#include "proto/limits.h"

bool str_is(struct evd_str text, const char *literal)
{
    return strlen(literal) == text.len && memcmp(text.data, literal, text.len) == 0;
}

/* Length of the UTF-8 character at s (n bytes left), or 0: no overlong forms, no surrogates
 * (The Unicode Standard, table 3-7). */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t len;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        len = 2;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        len = 3;
        low = s[0] == 0xe0 ? 0xa0 : 0x80;
        high = s[0] == 0xed ? 0x9f : 0xbf;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        len = 4;
        low = s[0] == 0xf0 ? 0x90 : 0x80;
        high = s[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (n < len || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

bool str_utf8(struct evd_str text)
{
    const unsigned char *s = (const unsigned char *)text.data;
    size_t left = text.len;

    while (left > 0) {
        size_t n = utf8_length(s, left);
        if (n == 0)
            return false;
        s += n;
        left -= n;
    }
    return true;
}

int name_check(struct evd_str name, const char *what, struct evd_error *err)
{
    if (name.len == 0)
        return error_set(err, EVD_E_BAD_VALUE, what, "%s: must not be empty", what);
    if (name.len > EVD_MAX_NAME)
        return error_set(err, EVD_E_LIMIT, what, "%s: %u bytes, at most %u are allowed", what,
                         name.len, EVD_MAX_NAME);
    if (!str_utf8(name))
        return error_set(err, EVD_E_BAD_VALUE, what, "%s: is not UTF-8", what);
    for (uint32_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.data[i] < 0x20 || name.data[i] == 0x7f)
            return error_set(err, EVD_E_BAD_VALUE, what, "%s: has a control character at byte %u",
                             what, i);
    }
    return EVD_OK;
}
