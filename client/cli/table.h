/* Tables on the terminal. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli.h"
#include "print.h"

/* What stands in a cell for a value. */
typedef const char *cell_print(const json_t *value);
/* A text; a number; one that may be none ("-"); bytes; milliseconds; seconds since 1970. */
cell_print cell_text, cell_count, cell_maybe, cell_bytes, cell_ms, cell_time;
/* Real numbers, or "-": a share in percent with two decimals or one; in six digits; with four
 * decimals. */
cell_print cell_share, cell_share1, cell_number, cell_score;

struct column {
    const char *title; /* NULL behind the last */
    const char *key; /* of its values in a row's object; NULL: the cell is made of the whole row */
    enum { RIGHT, LEFT } side; /* numbers on the right, text on the left */
    cell_print *cell;
};

/* A list of objects, a row each. */
void print_rows(const json_t *list, const struct column *columns);

/* The same, cell by cell. The columns must outlive the table. */
struct table;
struct table *table_new(const struct column *columns);
void table_add(struct table *table, const char *text);
/* A row with nothing but its first cell. */
void table_gap(struct table *table, const char *text);
void table_print(struct table *table); /* and frees it */

#endif
