/* One label a line; an empty line is a sample without a label. */
#include "source.h"

#include <string.h>

#define LINE_LIMIT 4096u

static bool read_line(struct source *source, const char *line, size_t len, label_sink *sink,
                      void *arg)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors put this at a file's beginning */

    if (source->line == 1 && len >= 3 && memcmp(line, mark, 3) == 0) {
        line += 3;
        len -= 3;
    }
    while (len > 0 && strchr(" \t\r", line[len - 1]))
        len--;
    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    if (!sink(arg, line, len))
        return false;
    source->samples++;
    source->line++;
    return true;
}

static bool read_labels(struct source *source, label_sink *sink, void *arg)
{
    char buffer[65536];
    size_t kept = 0; /* of a line whose end has not been read */
    int n;

    source->line = 1;
    while ((n = source_bytes(source, buffer + kept, (unsigned)(sizeof(buffer) - kept))) > 0) {
        char *line = buffer, *end = buffer + kept + n, *newline;

        while ((newline = memchr(line, '\n', (size_t)(end - line)))) {
            if (!read_line(source, line, (size_t)(newline - line), sink, arg))
                return false;
            line = newline + 1;
        }
        kept = (size_t)(end - line);
        if (kept > LINE_LIMIT)
            return source_error(source,
                                "is longer than any label: is this a file with one label a line?");
        memmove(buffer, line, kept);
    }
    return n == 0 && (kept == 0 || read_line(source, buffer, kept, sink, arg));
}

const struct source_format source_lines = {
    .name = "lines",
    .alias = "text",
    .suffixes = {""},
    .read = read_labels,
};
