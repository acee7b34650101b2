/*
 * CSV and TSV, as RFC 4180 has them, except that blanks around a cell are dropped. Rows that are
 * plain are cut up where they stand (csv_row.h), the others are parsed by libcsv; tables without
 * quotes, or with blanks between the cells, by source_plain.c.
 */
#include "source_table.h"

#include <csv.h>
#include <string.h>

#define CELL_LIMIT (16u << 20) /* bytes: beyond it a quote was surely never closed */

#define NO_QUOTES "--quote none reads quotes as characters like others"

struct csv_reader {
    struct source *source;
    struct table table;
    bool ok;
    char delimiter;
    uint64_t newlines; /* within quotes in this row */
    uint32_t places;   /* delimiters since the last of them, quoted or not */
    uint32_t wanted;   /* of them in a row; plain: as many were in each line of this one */
    bool plain;
    int row_end;  /* the character that ended the row before */
    bool between; /* the parser has not begun a row, so that plain ones need not go through it */
};

/* Where a quoted cell holds line ends and delimiters: would each line be a row by itself? */
static void count_places(struct csv_reader *reader, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        reader->places += text[i] == reader->delimiter;
        if (text[i] != '\n')
            continue;
        reader->plain = reader->plain && reader->places == reader->wanted;
        reader->places = 0;
        reader->newlines++;
    }
}

static void on_cell(void *bytes, size_t len, void *arg)
{
    struct csv_reader *reader = arg;
    const char *text = bytes ? bytes : "";

    if (!reader->ok)
        return;
    reader->places += reader->table.cell > 0;
    if (memchr(text, '\n', len) || memchr(text, reader->delimiter, len))
        count_places(reader, text, len);
    reader->ok = table_cell(&reader->table, text, len);
}

/* Quotes that stand alone in their cells may swallow whole rows between them. */
static bool check_quotes(struct csv_reader *reader)
{
    if (reader->newlines == 0 || !reader->plain || reader->places != reader->wanted ||
        reader->wanted == 0 || reader->source->quote == QUOTE_DOUBLE)
        return true;
    return source_error(
        reader->source,
        "a quoted cell holds line ends, and yet each of the lines has as many cells "
        "as a row: " NO_QUOTES ", --quote double takes it as one cell");
}

static bool end_row(struct csv_reader *reader)
{
    struct table *table = &reader->table;

    if (table->cell == 0)
        return table_empty_row(table);
    if (!check_quotes(reader) || !table_row(table))
        return false;
    reader->wanted = (table->settled ? table->columns : table->header.count) - 1;
    return true;
}

/* The end of a row, by `end`; -1: the end of the file. Both characters of CR LF come here. */
static void on_row(int end, void *arg)
{
    struct csv_reader *reader = arg;
    bool second = reader->table.cell == 0 && end == '\n' && reader->row_end == '\r';

    reader->row_end = end;
    if (!reader->ok || second)
        return;
    reader->ok = end_row(reader);
    if (reader->ok)
        reader->source->line += 1 + reader->newlines;
    reader->newlines = reader->places = 0;
    reader->plain = true;
    reader->between = end == '\n' && table_takes_plain(&reader->table) && reader->delimiter != '\r';
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
    const struct table *table = &reader->table;
    const uint32_t wanted[CSV_WANTED] = {table->label_column, table->group_column};
    const char *end = block->end, *newline;
    struct csv_row row = {.cells = 0};

    while (reader->ok && (newline = memchr(block->at, '\n', (size_t)(end - block->at)))) {
        const char *cr = block->cr = next_of('\r', block->cr, block->at, end);
        block->quote = next_of('"', block->quote, block->at, end);
        if (cr < newline - 1 || !csv_row_plain(&row, block->at, cr < newline ? cr : newline,
                                               reader->delimiter, block->quote < newline, wanted))
            break;
        reader->ok = table_plain_row(&reader->table, &row);
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
        return source_error(reader->source, "a quote stands where none may be (%s): " NO_QUOTES,
                            csv_strerror(csv_error(parser)));
    if (reader->ok && csv_get_buffer_size(parser) > CELL_LIMIT)
        return source_error(reader->source,
                            "a cell of over 16 MiB: a quote is not closed (" NO_QUOTES ")");
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

    while ((n = source_text(source, block, sizeof(block))) > 0) {
        /* Some editors put a byte order mark at a file's beginning. */
        size_t mark = first && n >= 3 && memcmp(block, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

        first = false;
        if (!parse_block(reader, parser, block + mark, (size_t)n - mark))
            return false;
    }
    if (n < 0)
        return false;
    if (csv_fini(parser, on_cell, on_row, reader) != 0)
        return source_error(source,
                            "the file ends within quotes: a quote is not closed (" NO_QUOTES ")");
    return reader->ok && table_end(&reader->table);
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
    struct csv_reader reader = {
        .source = source, .ok = true, .delimiter = delimiter_of(source), .plain = true};
    struct csv_parser parser;
    bool ok;

    if (source->quote == QUOTE_NONE || reader.delimiter == DELIMITER_BLANK)
        return source_plain_read(source, reader.delimiter, sink, arg);
    source->line = 1;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL) != 0)
        return source_error(source, "no memory to read it");
    csv_set_delim(&parser, (unsigned char)reader.delimiter);
    table_init(&reader.table, source, sink, arg);
    ok = parse_all(&reader, &parser);
    table_fini(&reader.table);
    csv_free(&parser);
    return ok;
}

const struct source_format source_csv = {
    .name = "csv",
    .suffixes = {".csv"},
    .read = read_labels,
    .columns = true,
    .table = true,
    .missing = true,
};

const struct source_format source_tsv = {
    .name = "tsv",
    .suffixes = {".tsv", ".tab"},
    .read = read_labels,
    .delimiter = '\t',
    .columns = true,
    .table = true,
    .missing = true,
};
