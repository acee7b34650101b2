/*
 * Text from peers: is it UTF-8, is it a name, what was meant? Called by whoever decodes fields.
 */
#include "proto/text.h"

#include <string.h>
#include "proto/limits.h"

bool str_is(struct evd_str text, const char *literal)
{
    return strlen(literal) == text.len && memcmp(text.data, literal, text.len) == 0;
}

/* The Unicode Standard, table 3-7: no overlong forms, no surrogates. */
size_t utf8_length(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
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

bool utf8_control(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

void str_copy(char *to, struct evd_str text)
{
    memcpy(to, text.data, text.len);
    to[text.len] = '\0';
}

bool str_utf8(struct evd_str text)
{
    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_length(text.data + i, text.len - i);

        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

/* Levenshtein, one row at a time. */
uint32_t str_distance(struct evd_str text, const char *known)
{
    enum { LONGEST = 32 };
    uint32_t len = text.len < LONGEST ? text.len : LONGEST;
    uint32_t row[LONGEST + 1];

    for (uint32_t i = 0; i <= len; i++)
        row[i] = i;
    for (uint32_t k = 0; k < LONGEST && known[k]; k++) {
        uint32_t diagonal = row[0]++;

        for (uint32_t i = 1; i <= len; i++) {
            uint32_t edits = diagonal + (text.data[i - 1] != known[k]);

            diagonal = row[i];
            if (row[i] + 1 < edits)
                edits = row[i] + 1;
            if (row[i - 1] + 1 < edits)
                edits = row[i - 1] + 1;
            row[i] = edits;
        }
    }
    return row[len];
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
    for (uint32_t i = 0; i < name.len; i += (uint32_t)utf8_length(name.data + i, name.len - i)) {
        if (utf8_control(name.data + i))
            return error_set(err, EVD_E_BAD_VALUE, what, "%s: has a control character at byte %u",
                             what, i);
    }
    return EVD_OK;
}
