/*
 * Tables whose cells hold no delimiters: lines cut at a character, quotes being none, or at runs of
 * blanks and tabs. Those of blanks may say in front how many rows they have, and may have no name
 * for their first column, as CelebA's. Called by source_csv.c.
 */
#include "source_table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LINE_LIMIT (16u << 20)
#define COUNT_SIZE 21u /* of a number of rows, with its end */

struct plain {
    struct table table;
    char delimiter;
    char count[COUNT_SIZE]; /* a first line that may be the number of rows; "": none */
    bool counted;           /* it is */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A cell as in tables with quotes: without the blanks around it. */
static bool pass_cell(struct table *table, const char *text, size_t len)
{
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    while (len > 0 && is_blank(*text)) {
        text++;
        len--;
    }
    return table_cell(table, text, len);
}

static bool cut_at(struct plain *plain, const char *line, size_t len)
{
    const char *end = line + len, *at;

    while ((at = memchr(line, plain->delimiter, (size_t)(end - line)))) {
        if (!pass_cell(&plain->table, line, (size_t)(at - line)))
            return false;
        line = at + 1;
    }
    return pass_cell(&plain->table, line, (size_t)(end - line));
}

static bool cut_blanks(struct plain *plain, const char *line, size_t len)
{
    const char *end = line + len;

    while (line < end) {
        const char *from = line;

        while (line < end && !is_blank(*line))
            line++;
        if (!table_cell(&plain->table, from, (size_t)(line - from)))
            return false;
        while (line < end && is_blank(*line))
            line++;
    }
    return true;
}

static bool pass_line(struct plain *plain, const char *line, size_t len)
{
    bool blanks = plain->delimiter == DELIMITER_BLANK;

    if (len == 0)
        return table_empty_row(&plain->table);
    return (blanks ? cut_blanks(plain, line, len) : cut_at(plain, line, len)) &&
           table_row(&plain->table);
}

/* Is the first line a number and nothing else? Then the second one says what it is. */
static bool may_count(struct plain *plain, const char *line, size_t len)
{
    if (plain->table.source->line != 1 || plain->delimiter != DELIMITER_BLANK || len == 0 ||
        len >= COUNT_SIZE)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)line[i]))
            return false;
    }
    memcpy(plain->count, line, len);
    plain->count[len] = '\0';
    return true;
}

/* The first line as what it is: a row, if the second has one word too. */
static bool decide_count(struct plain *plain, bool several)
{
    struct source *source = plain->table.source;
    uint64_t line = source->line;
    bool ok;

    source->line = 1;
    plain->counted = several;
    if (several) {
        source_note(source, "'%s' is taken as the number of rows", plain->count);
        ok = true;
    } else {
        ok = pass_line(plain, plain->count, strlen(plain->count));
        plain->count[0] = '\0';
    }
    source->line = line;
    return ok;
}

static bool take_line(void *arg, char *line, size_t len)
{
    struct plain *plain = arg;

    if (plain->delimiter == DELIMITER_BLANK) {
        for (; len > 0 && is_blank(line[len - 1]); len--)
            ;
        for (; len > 0 && is_blank(*line); len--)
            line++;
        plain->table.shiftable = true;
    }
    if (may_count(plain, line, len))
        return true;
    if (plain->count[0] && !plain->counted &&
        !decide_count(plain, memchr(line, ' ', len) || memchr(line, '\t', len)))
        return false;
    return pass_line(plain, line, len);
}

static bool check_count(const struct plain *plain)
{
    struct source *source = plain->table.source;

    source->line = 0;
    return !plain->counted || strtoull(plain->count, NULL, 10) == source->samples ||
           source_error(source,
                        "says in its first line that it has %s rows, but has %llu: is it cut off?",
                        plain->count, (unsigned long long)source->samples);
}

bool source_plain_read(struct source *source, char delimiter, label_sink *sink, void *arg)
{
    struct plain plain = {.delimiter = delimiter};
    bool ok;

    table_init(&plain.table, source, sink, arg);
    ok = source_lines_each(source, LINE_LIMIT, take_line, &plain) &&
         (!plain.count[0] || plain.counted || decide_count(&plain, false)) &&
         table_end(&plain.table) && check_count(&plain);
    table_fini(&plain.table);
    return ok;
}
