/* CSV and TSV with a header line; the label's column is chosen by name. Rows that are plain are cut
 * up where they stand (csv_row.h), the others are parsed by libcsv. */
#include "csv_row.h"
#include "source.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>

#define CELL_LIMIT (16u << 20) /* bytes: beyond it a quote was surely never closed */

/* A cell of this row that is wanted. */
struct cell {
    char *text;
    size_t len, cap;
};

struct csv_reader {
    struct source *source;
    label_sink *sink;
    void *arg;
    bool ok;
    bool has_header;
    uint32_t columns;      /* of the header */
    uint32_t label_column; /* or CSV_NO_COLUMN until it was met */
    uint32_t group_column; /* likewise; CSV_NO_COLUMN if none is wanted */
    uint32_t cell;         /* in this row, from 0 */
    uint64_t newlines;     /* within quotes in this row */
    int row_end;           /* the character that ended the row before */
    char delimiter;
    bool between; /* the parser has not begun a row, so that plain ones need not go through it */
    char names[1024]; /* the header's columns: "a, b, c" */
    size_t names_len;
    bool names_cut; /* there are more */
    struct cell label, group;
};

static bool fail_memory(struct csv_reader *reader)
{
    return source_error(reader->source, "no memory for the line");
}

/* For messages: as many of the header's names as fit. */
static void list_name(struct csv_reader *reader, const char *text, size_t len)
{
    size_t room = sizeof(reader->names) - reader->names_len;

    reader->names_cut = reader->names_cut || len + 3 > room;
    if (!reader->names_cut)
        reader->names_len += (size_t)snprintf(reader->names + reader->names_len, room, "%s%.*s",
                                              reader->names_len ? ", " : "", (int)len, text);
}

/* Notes the column, if it is the wanted one. */
static bool find_column(struct csv_reader *reader, const char *wanted, const char *text, size_t len,
                        uint32_t *column)
{
    if (!wanted || strlen(wanted) != len || memcmp(wanted, text, len) != 0)
        return true;
    if (*column != CSV_NO_COLUMN)
        return source_error(reader->source, "has two columns called '%s'", wanted);
    *column = reader->columns - 1;
    return true;
}

static bool header_cell(struct csv_reader *reader, const char *text, size_t len)
{
    const struct source *source = reader->source;

    list_name(reader, text, len);
    reader->columns++;
    return find_column(reader, source->column, text, len, &reader->label_column) &&
           find_column(reader, source->group_column, text, len, &reader->group_column);
}

static bool header_row(struct csv_reader *reader)
{
    const char *more = reader->names_cut ? ", ..." : "";

    reader->has_header = true;
    if (reader->source->group_column && reader->group_column == CSV_NO_COLUMN)
        return source_error(reader->source, "has no column '%s' for --group; it has: %s%s",
                            reader->source->group_column, reader->names, more);
    if (reader->label_column != CSV_NO_COLUMN)
        return true;
    if (!reader->source->column && reader->columns == 1) {
        reader->label_column = 0;
        return true;
    }
    if (!reader->source->column)
        return source_error(reader->source,
                            "say with --column which column holds the labels; it has: %s%s",
                            reader->names, more);
    return source_error(reader->source,
                        "has no column '%s'; it has: %s%s (another delimiter? see --delimiter)",
                        reader->source->column, reader->names, more);
}

static bool keep_cell(struct csv_reader *reader, struct cell *cell, const char *text, size_t len)
{
    if (len > cell->cap) {
        char *larger = realloc(cell->text, len);
        if (!larger)
            return fail_memory(reader);
        cell->text = larger;
        cell->cap = len;
    }
    if (len > 0)
        memcpy(cell->text, text, len);
    cell->len = len;
    return true;
}

static bool data_row(struct csv_reader *reader, struct csv_text label, struct csv_text group)
{
    if (reader->cell != reader->columns)
        return source_error(
            reader->source,
            "has another number of cells (%u) than the header (%u): quote those that hold the "
            "delimiter, or see --delimiter",
            reader->cell, reader->columns);
    reader->source->group = group.text;
    reader->source->group_len = group.len;
    if (!reader->sink(reader->arg, label.text, label.len))
        return false;
    reader->source->samples++;
    return true;
}

static void on_cell(void *bytes, size_t len, void *arg)
{
    struct csv_reader *reader = arg;
    const char *text = bytes ? bytes : "", *at = text, *end = text + len;

    if (!reader->ok)
        return;
    for (; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        reader->newlines++;
    if (!reader->has_header)
        reader->ok = header_cell(reader, text, len);
    else if (reader->cell == reader->label_column)
        reader->ok = keep_cell(reader, &reader->label, text, len);
    if (reader->has_header && reader->ok && reader->cell == reader->group_column)
        reader->ok = keep_cell(reader, &reader->group, text, len);
    reader->cell++;
}

/* An empty line. In a file of one column that is an empty cell, elsewhere no row at all. */
static bool empty_row(struct csv_reader *reader)
{
    if (!reader->has_header || reader->columns > 1)
        return true;
    reader->cell = 1;
    return data_row(reader, (struct csv_text){"", 0}, (struct csv_text){"", 0});
}

static bool parsed_row(struct csv_reader *reader)
{
    const struct cell *label = &reader->label, *group = &reader->group;

    if (!reader->has_header)
        return header_row(reader);
    return data_row(reader, (struct csv_text){label->text, label->len},
                    (struct csv_text){group->text, group->len});
}

/* The end of a row, by `end`; -1: the end of the file. Both characters of CR LF come here. */
static void on_row(int end, void *arg)
{
    struct csv_reader *reader = arg;
    bool second = reader->cell == 0 && end == '\n' && reader->row_end == '\r';

    reader->row_end = end;
    if (!reader->ok || second)
        return;
    if (reader->cell == 0)
        reader->ok = empty_row(reader);
    else
        reader->ok = parsed_row(reader);
    reader->cell = 0;
    if (reader->ok)
        reader->source->line += 1 + reader->newlines;
    reader->newlines = 0;
    reader->between = end == '\n' && reader->has_header && reader->delimiter != '\r';
}

/* The first `c` from `at` on, if the one before stands in front of it. */
static const char *next_of(char c, const char *before, const char *at, const char *end)
{
    const char *next = before < at ? memchr(at, c, (size_t)(end - at)) : before;

    return next ? next : end;
}

/* What is left of a block, and where in it these come next. */
struct block {
    const char *at, *end;
    const char *cr, *quote;
};

/* Takes rows until one needs the parser, or is not whole. */
static void plain_rows(struct csv_reader *reader, struct block *block)
{
    const uint32_t wanted[CSV_WANTED] = {reader->label_column, reader->group_column};
    const char *end = block->end, *newline;
    struct csv_row row = {.cells = 0};

    while (reader->ok && (newline = memchr(block->at, '\n', (size_t)(end - block->at)))) {
        const char *cr = block->cr = next_of('\r', block->cr, block->at, end);
        block->quote = next_of('"', block->quote, block->at, end);
        if (cr < newline - 1 || !csv_row_plain(&row, block->at, cr < newline ? cr : newline,
                                               reader->delimiter, block->quote < newline, wanted))
            break;
        reader->cell = row.cells;
        reader->ok = data_row(reader, row.wanted[0], row.wanted[1]);
        reader->cell = 0;
        reader->source->line += reader->ok;
        block->at = newline + 1;
    }
}

/* A line at a time, as far as it goes, for after each it may go on without the parser. */
static bool parse_line(struct csv_reader *reader, struct csv_parser *parser, const char *bytes,
                       size_t n)
{
    reader->between = false;
    if (csv_parse(parser, bytes, n, on_cell, on_row, reader) < n && reader->ok)
        return source_error(reader->source, "a quote stands where none may be: %s",
                            csv_strerror(csv_error(parser)));
    if (reader->ok && csv_get_buffer_size(parser) > CELL_LIMIT)
        return source_error(reader->source, "a cell of over 16 MiB: a quote is not closed");
    return reader->ok;
}

static bool parse_block(struct csv_reader *reader, struct csv_parser *parser, const char *bytes,
                        size_t n)
{
    struct block block = {.at = bytes, .end = bytes + n};

    while (block.at < block.end) {
        const char *newline, *next;

        if (reader->between)
            plain_rows(reader, &block);
        if (!reader->ok)
            return false;
        newline = memchr(block.at, '\n', (size_t)(block.end - block.at));
        next = newline ? newline + 1 : block.end;
        if (block.at < next && !parse_line(reader, parser, block.at, (size_t)(next - block.at)))
            return false;
        block.at = next;
    }
    return true;
}

static bool parse_all(struct csv_reader *reader, struct csv_parser *parser)
{
    struct source *source = reader->source;
    bool first = true;
    char block[65536];
    int n;

    while ((n = source_bytes(source, block, sizeof(block))) > 0) {
        /* Some editors put a byte order mark at a file's beginning. */
        size_t mark = first && n >= 3 && memcmp(block, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

        first = false;
        if (!parse_block(reader, parser, block + mark, (size_t)n - mark))
            return false;
    }
    if (n < 0)
        return false;
    if (csv_fini(parser, on_cell, on_row, reader) != 0)
        return source_error(source, "the file ends within quotes: a quote is not closed");
    if (reader->ok && !reader->has_header)
        return source_error(source, "has no header line");
    return reader->ok;
}

/* --delimiter, or the format's; where neither says it, the name. */
static char delimiter_of(const struct source *source)
{
    if (source->delimiter)
        return source->delimiter;
    for (size_t i = 0; source_tsv.suffixes[i]; i++) {
        if (source_has_suffix(source, source_tsv.suffixes[i]))
            return source_tsv.delimiter;
    }
    return ',';
}

static bool read_labels(struct source *source, label_sink *sink, void *arg)
{
    struct csv_reader reader = {.source = source,
                                .sink = sink,
                                .arg = arg,
                                .ok = true,
                                .label_column = CSV_NO_COLUMN,
                                .group_column = CSV_NO_COLUMN};
    struct csv_parser parser;
    bool ok;

    source->line = 1;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL) != 0)
        return source_error(source, "no memory to read it");
    reader.delimiter = delimiter_of(source);
    csv_set_delim(&parser, (unsigned char)reader.delimiter);
    ok = parse_all(&reader, &parser);
    csv_free(&parser);
    free(reader.label.text);
    free(reader.group.text);
    return ok;
}

const struct source_format source_csv = {
    .name = "csv",
    .suffixes = {".csv"},
    .read = read_labels,
    .columns = true,
};

const struct source_format source_tsv = {
    .name = "tsv",
    .suffixes = {".tsv", ".tab"},
    .read = read_labels,
    .delimiter = '\t',
    .columns = true,
};
