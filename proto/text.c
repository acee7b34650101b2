/*
 * Text from peers: is it UTF-8, is it a name, what was meant? Called by whoever decodes fields.
 */
#include "proto/text.h"

#include <stdio.h>
#include <string.h>
#include "proto/limits.h"

struct range {
    uint32_t first, last;
};

/* What rules the text behind it. */
static const struct range overrides[] = {
    {0x2028, 0x202e}, /* ends of line and paragraph, bidirectional embeddings and overrides */
    {0x2066, 0x2069}, /* bidirectional isolates */
};

/* All other characters that show nothing: what Unicode calls format characters (Cf), and tags and
 * fillers that look like nothing. */
static const struct range invisible[] = {
    {0x00ad, 0x00ad},   {0x034f, 0x034f},   {0x0600, 0x0605},   {0x061c, 0x061c},
    {0x06dd, 0x06dd},   {0x070f, 0x070f},   {0x0890, 0x0891},   {0x08e2, 0x08e2},
    {0x115f, 0x1160},   {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200f},
    {0x2060, 0x206f},   {0x3164, 0x3164},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xfffb},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f},
    {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

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

static uint32_t code_point(const char *text, size_t n)
{
    static const unsigned char lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = (unsigned char)text[0] & lead[n];

    for (size_t i = 1; i < n; i++)
        point = point << 6 | ((unsigned char)text[i] & 0x3f);
    return point;
}

static bool in_ranges(const struct range *ranges, size_t count, uint32_t point)
{
    for (size_t i = 0; i < count; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last)
            return true;
    }
    return false;
}
#define IN_RANGES(ranges, point) in_ranges(ranges, sizeof(ranges) / sizeof((ranges)[0]), point)

bool utf8_override(const char *text)
{
    /* All of them have three bytes, of which this is the first. */
    return (unsigned char)text[0] == 0xe2 && IN_RANGES(overrides, code_point(text, 3));
}

/* How the next character of a text, of `n` bytes, is written in a log: bytes of `out`. */
static size_t escape_one(char out[16], const char *text, size_t n)
{
    uint32_t point;

    if (n == 0)
        return (size_t)snprintf(out, 16, "\\x%02x", (unsigned char)text[0]);
    point = code_point(text, n);
    if (utf8_control(text) && point < 0x80)
        return (size_t)snprintf(out, 16, "\\x%02x", point);
    if (utf8_control(text) || utf8_override(text) || IN_RANGES(invisible, point))
        return (size_t)snprintf(out, 16, "\\u{%x}", point);
    memcpy(out, text, n);
    if (point == '\\')
        out[n++] = '\\';
    return n;
}

void text_escape(char *to, size_t size, const char *text)
{
    size_t left = strlen(text), len = 0;
    char one[16];

    while (left > 0) {
        size_t n = utf8_length(text, left), written = escape_one(one, text, n);

        if (len + written >= size)
            break;
        memcpy(to + len, one, written);
        len += written;
        n = n > 0 ? n : 1;
        text += n;
        left -= n;
    }
    to[len] = '\0';
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

/* Is all of it visible ASCII? Most names are, and a request may bring tens of thousands. */
static bool is_plain(struct evd_str name)
{
    bool plain = true;

    for (uint32_t i = 0; i < name.len; i++)
        plain &= name.data[i] >= 0x20 && name.data[i] <= 0x7e;
    return plain;
}

int name_check_stored(struct evd_str name, const char *what, struct evd_error *err)
{
    if (name.len == 0)
        return error_set(err, EVD_E_BAD_VALUE, what, "%s: must not be empty", what);
    if (name.len > EVD_MAX_NAME)
        return error_set(err, EVD_E_LIMIT, what, "%s: %u bytes, at most %u are allowed", what,
                         name.len, EVD_MAX_NAME);
    if (is_plain(name))
        return EVD_OK;
    if (!str_utf8(name))
        return error_set(err, EVD_E_BAD_VALUE, what, "%s: is not UTF-8", what);
    for (uint32_t i = 0; i < name.len; i += (uint32_t)utf8_length(name.data + i, name.len - i)) {
        if (utf8_control(name.data + i))
            return error_set(err, EVD_E_BAD_VALUE, what, "%s: has a control character at byte %u",
                             what, i);
    }
    return EVD_OK;
}

int name_check(struct evd_str name, const char *what, struct evd_error *err)
{
    int code = name_check_stored(name, what, err);

    if (code != EVD_OK || is_plain(name))
        return code;
    for (uint32_t i = 0; code == EVD_OK && i < name.len;) {
        size_t n = utf8_length(name.data + i, name.len - i);

        if (utf8_override(name.data + i))
            code = error_set(err, EVD_E_BAD_VALUE, what,
                             "%s: has U+%04X at byte %u, which makes text show otherwise than it "
                             "is: leave it out",
                             what, code_point(name.data + i, n), i);
        i += (uint32_t)n;
    }
    return code;
}
