/*
 * A table as its cells come, whatever stands between them: which line is its header, which column
 * holds the labels.
 */
#ifndef CLI_SOURCE_TABLE_H
#define CLI_SOURCE_TABLE_H

#include "csv_row.h"
#include "source.h"

#define NO_COLUMN UINT32_MAX

/* Texts of cells: of the header, and of the first row while the columns are not settled. */
struct table_cells {
    char **text;
    uint32_t count, capacity;
};

struct table_text {
    char *text; /* not terminated */
    size_t len, cap;
};

struct table {
    struct source *source;
    label_sink *sink;
    void *arg;
    struct table_cells header, first;
    uint32_t shift;   /* columns in front of the header's first one, which have no name */
    uint32_t columns; /* of a row; 0: not known */
    uint32_t label_column;
    uint32_t group_column; /* of --group; NO_COLUMN: none is wanted */
    uint32_t *class_of;    /* --one-hot, by column: which class it is, or NO_COLUMN */
    uint32_t hot;          /* in this row: the class that holds 1, or NO_COLUMN */
    bool settled;          /* the above is known */
    bool has_header;       /* it was met, or there is none */
    uint64_t header_line;
    bool shiftable;                 /* rows may have one cell more than the header, in front */
    uint32_t cell;                  /* in this row, from 0 */
    struct table_text label, group; /* this row's */
};

void table_init(struct table *table, struct source *source, label_sink *sink, void *arg);
void table_fini(struct table *table);
/* The next cell of a row; the row's end. False after a message. */
bool table_cell(struct table *table, const char *text, size_t len)
    __attribute__((warn_unused_result));
bool table_row(struct table *table) __attribute__((warn_unused_result));
/* A line with nothing in it: in a table of one column an empty cell, elsewhere no row at all. */
bool table_empty_row(struct table *table) __attribute__((warn_unused_result));
/* May whole rows be handed over, cut up by csv_row_plain for label_column and group_column? */
bool table_takes_plain(const struct table *table);
bool table_plain_row(struct table *table, const struct csv_row *row)
    __attribute__((warn_unused_result));
/* The end of the file. */
bool table_end(struct table *table) __attribute__((warn_unused_result));

/* Cells without quotes, between `delimiter`s or runs of blanks (DELIMITER_BLANK). */
bool source_plain_read(struct source *source, char delimiter, label_sink *sink, void *arg)
    __attribute__((warn_unused_result));

#endif
