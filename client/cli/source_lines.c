/* One label a line; an empty line is a sample without a label. */
#include "source.h"

#include <string.h>

#define LINE_LIMIT 4096u /* bytes: longer than any label, with blanks around it */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool take_line(void *arg, char *line, size_t len)
{
    while (len > 0 && is_blank(line[len - 1]))
        len--;
    while (len > 0 && is_blank(*line)) {
        line++;
        len--;
    }
    return source_label(arg, line, len);
}

static bool read_labels(struct source *source, label_sink *sink, void *arg)
{
    struct source_labels labels = {source, sink, arg};

    return source_lines_each(source, LINE_LIMIT, take_line, &labels);
}

const struct source_format source_lines = {
    .name = "lines",
    .alias = "text",
    .suffixes = {""},
    .read = read_labels,
    .missing = true,
};
