/*
 * libsvm's format: a label, then the features that are not 0, "+1 1:0.5 7:2 # a comment". A line
 * without a label is an error, as one with several is.
 */
#include "source.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LINE_LIMIT (16u << 20)
#define LINES_SEEN 10u

/* ---- is it? ---- */

static const char *skip_blank(const char *text)
{
    return text + strspn(text, " \t\r");
}

/* Past a number; NULL: there is none. Unlike strtod's, it is not "nan" or 0x10. */
static const char *skip_number(const char *text)
{
    size_t n = strspn(text, "+-.eE0123456789");

    return n > strcspn(text, "0123456789") ? text + n : NULL;
}

/* Past "7:0.5" or "qid:3"; NULL: it is none. */
static const char *skip_feature(const char *text)
{
    size_t n = strncmp(text, "qid", 3) == 0 ? 3 : strspn(text, "0123456789");

    return n > 0 && text[n] == ':' ? skip_number(text + n + 1) : NULL;
}

/* Is this line one of a file of libsvm's? Counts its features; an incomplete last one may be cut.
 */
static bool is_line(const char *text, size_t *features)
{
    const char *at = skip_number(skip_blank(text));

    while (at && *at == ',') /* several labels */
        at = skip_number(at + 1);
    while (at && isblank((unsigned char)*at)) {
        at = skip_blank(at);
        if (!strchr("#\n", *at)) { /* or at the end of the head */
            at = skip_feature(at);
            *features += at != NULL;
        }
    }
    return at && strchr("#\r\n", *at);
}

static bool sniff(const unsigned char *head, size_t len)
{
    const char *line = (const char *)head;
    size_t features = 0, seen = 0;

    (void)len; /* a NUL ends it */
    for (; seen < LINES_SEEN; seen++) {
        const char *next = strchr(line, '\n');

        if (*line == '\0' || (!next && seen > 0))
            break;
        if (*line != '#' && !is_line(line, &features))
            return false;
        line = next ? next + 1 : "";
    }
    return features > 0;
}

/* ---- reading ---- */

static bool take_line(void *arg, char *line, size_t len)
{
    struct source_labels *labels = arg;
    size_t n = 0;

    while (len > 0 && isblank((unsigned char)*line)) {
        line++;
        len--;
    }
    if (len == 0 || *line == '#')
        return true;
    while (n < len && !isblank((unsigned char)line[n]) && line[n] != '#')
        n++;
    if (memchr(line, ',', n))
        return source_error(labels->source, "has several labels, '%.*s': a sample has one class",
                            (int)n, line);
    if (memchr(line, ':', n))
        return source_error(labels->source,
                            "begins with a feature, '%.*s', where a label must stand", (int)n,
                            line);
    return source_label(labels, line, n);
}

static bool read_labels(struct source *source, label_sink *sink, void *arg)
{
    struct source_labels labels = {source, sink, arg};

    return source_lines_each(source, LINE_LIMIT, take_line, &labels);
}

const struct source_format source_libsvm = {
    .name = "libsvm",
    .alias = "svmlight",
    .suffixes = {".libsvm", ".svm"},
    .sniff = sniff,
    .read = read_labels,
};
