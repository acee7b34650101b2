/*
 * Rows of a CSV that need no parser, which are nearly all: one line, cells without quotes or quoted
 * as a whole, with nothing quoted within. What else there is goes through libcsv, and both must say
 * the same.
 */
#ifndef CLI_CSV_ROW_H
#define CLI_CSV_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_NO_COLUMN UINT32_MAX
#define CSV_WANTED    2

struct csv_text {
    const char *text; /* not terminated */
    size_t len;
};

struct csv_row {
    uint32_t cells;
    struct csv_text wanted[CSV_WANTED]; /* the cells of these columns; unset if there are fewer */
};

/* Cuts up a line, which ends before `end` and holds no line end. `quotes`: it may hold some. False:
 * it needs the parser, and nothing is known of it. */
bool csv_row_plain(struct csv_row *row, const char *line, const char *end, char delimiter,
                   bool quotes, const uint32_t wanted[CSV_WANTED]);

#endif
