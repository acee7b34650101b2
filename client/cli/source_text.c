/*
 * Texts, for the formats that read lines or cells: their bytes, their lines, and places of columns.
 * Called by source_NAME.c and source_table.c.
 */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int source_text(struct source *source, void *bytes, unsigned size)
{
    int n = source_bytes(source, bytes, size);
    const char *nul = n > 0 ? memchr(bytes, '\0', (size_t)n) : NULL;
    long long at;

    if (!nul)
        return n;
    at = gztell(source->gz); /* behind these bytes */
    at -= n - (nul - (const char *)bytes);
    source->line = 0;
    source_error(source,
                 "holds a NUL byte at offset %lld: it is damaged (a disk may fill so what was not "
                 "written), or no text",
                 at);
    return -1;
}

/* ---- lines ---- */

struct lines {
    struct source *source;
    size_t limit, kept, size; /* kept: bytes of a line whose end has not been read */
    char *bytes;
    line_sink *sink;
    void *arg;
};

static bool too_long(struct lines *lines)
{
    return source_error(lines->source,
                        "is longer than %zu bytes: is this a file with one sample a line?",
                        lines->limit);
}

static bool pass_line(struct lines *lines, char *line, size_t len)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors put this at a file's beginning */

    if (lines->source->line == 1 && len >= 3 && memcmp(line, mark, 3) == 0) {
        line += 3;
        len -= 3;
    }
    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (len > lines->limit)
        return too_long(lines);
    if (!lines->sink(lines->arg, line, len))
        return false;
    lines->source->line++;
    return true;
}

/* Room for more bytes of a line. */
static bool make_room(struct lines *lines)
{
    char *bytes;

    if (lines->kept > lines->limit)
        return too_long(lines);
    if (lines->kept < lines->size / 2)
        return true;
    bytes = realloc(lines->bytes, lines->size * 2);
    if (!bytes)
        return source_error(lines->source, "no memory for the line");
    lines->bytes = bytes;
    lines->size *= 2;
    return true;
}

static bool pass_block(struct lines *lines, size_t n)
{
    char *line = lines->bytes, *end = lines->bytes + lines->kept + n, *newline;

    while ((newline = memchr(line, '\n', (size_t)(end - line)))) {
        if (!pass_line(lines, line, (size_t)(newline - line)))
            return false;
        line = newline + 1;
    }
    lines->kept = (size_t)(end - line);
    memmove(lines->bytes, line, lines->kept);
    return make_room(lines);
}

bool source_lines_each(struct source *source, size_t limit, line_sink *sink, void *arg)
{
    struct lines lines = {
        .source = source, .limit = limit, .size = 65536, .sink = sink, .arg = arg};
    bool ok = true;
    int n = 0;

    source->line = 1;
    lines.bytes = malloc(lines.size);
    if (!lines.bytes)
        return source_error(source, "no memory to read it");
    while (ok && (n = source_text(source, lines.bytes + lines.kept,
                                  (unsigned)(lines.size - lines.kept))) > 0)
        ok = pass_block(&lines, (size_t)n);
    ok = ok && n == 0 && (lines.kept == 0 || pass_line(&lines, lines.bytes, lines.kept));
    free(lines.bytes);
    return ok;
}

bool source_label(struct source_labels *labels, const char *text, size_t len)
{
    if (!labels->sink(labels->arg, text, len))
        return false;
    labels->source->samples++;
    return true;
}

/* ---- columns by number ---- */

bool source_place(const char *text, uint32_t count, uint32_t *place)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value == 0 || value > (long)count ||
        value < -(long)count)
        return false;
    *place = (uint32_t)(value > 0 ? value - 1 : (long)count + value);
    return true;
}
