/*
 * Tables on the terminal: cells are collected, then written in columns as wide as they need to be.
 * Called by the printers of commands, and by classes.c.
 */
#include "table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_COLUMNS 12

struct table {
    const struct column *columns;
    unsigned count, column; /* of columns; where the next cell goes */
    size_t cells, capacity;
    char **text;
    int width[TABLE_COLUMNS];
    bool failed; /* no memory */
};

struct table *table_new(const struct column *columns)
{
    struct table *table = calloc(1, sizeof(*table));

    if (!table)
        return NULL;
    table->columns = columns;
    for (; columns[table->count].title; table->count++) {
        assert(table->count < TABLE_COLUMNS);
        table->width[table->count] = text_width(columns[table->count].title);
    }
    return table;
}

void table_add(struct table *table, const char *text)
{
    int width;

    if (!table || table->failed)
        return;
    if (table->cells == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : 64;
        char **grown = realloc(table->text, capacity * sizeof(*grown));
        if (!grown) {
            table->failed = true;
            return;
        }
        table->text = grown;
        table->capacity = capacity;
    }
    table->text[table->cells] = strdup(text);
    if (!table->text[table->cells]) {
        table->failed = true;
        return;
    }
    width = text_width(text);
    if (width > table->width[table->column])
        table->width[table->column] = width;
    table->cells++;
    if (++table->column == table->count)
        table->column = 0;
}

void table_gap(struct table *table, const char *text)
{
    table_add(table, text);
    while (table && !table->failed && table->column != 0)
        table_add(table, "");
}

static void print_cell(const struct table *table, unsigned column, const char *text)
{
    int pad = table->width[column] - text_width(text);
    bool last = column + 1 == table->count;
    bool left = table->columns[column].side == LEFT;

    printf("%*s%s%*s", left ? 0 : pad, "", text, left && !last ? pad : 0, "");
    fputs(last ? "\n" : "  ", stdout);
}

void table_print(struct table *table)
{
    if (!table || table->failed)
        fputs("evendraw: no memory to print the table\n", stderr);
    if (!table)
        return;
    if (table->cells > 0 && !table->failed) {
        for (unsigned i = 0; i < table->count; i++)
            print_cell(table, i, table->columns[i].title);
        for (size_t row = 0; row + table->count <= table->cells; row += table->count) {
            for (unsigned i = 0; i < table->count; i++)
                print_cell(table, i, table->text[row + i]);
        }
    }
    for (size_t i = 0; i < table->cells; i++)
        free(table->text[i]);
    free(table->text);
    free(table);
}

/* ---- cells ---- */

const char *cell_text(const json_t *value)
{
    return json_is_string(value) ? json_string_value(value) : "";
}

const char *cell_count(const json_t *value)
{
    return text_count(value_u64(value));
}

const char *cell_maybe(const json_t *value)
{
    return json_is_integer(value) ? cell_count(value) : "-";
}

const char *cell_bytes(const json_t *value)
{
    return text_bytes(value_u64(value));
}

const char *cell_ms(const json_t *value)
{
    return text_ms(value_u64(value));
}

const char *cell_time(const json_t *value)
{
    return text_time(value_u64(value));
}

const char *cell_share(const json_t *value)
{
    return json_is_number(value) ? text_share(json_number_value(value), 2) : "-";
}

const char *cell_share1(const json_t *value)
{
    return json_is_number(value) ? text_share(json_number_value(value), 1) : "-";
}

const char *cell_number(const json_t *value)
{
    return json_is_number(value) ? text_of("%.6g", json_number_value(value)) : "-";
}

const char *cell_score(const json_t *value)
{
    return json_is_number(value) ? text_of("%.4f", json_number_value(value)) : "-";
}

/* ---- lists ---- */

void print_rows(const json_t *list, const struct column *columns)
{
    struct table *table = table_new(columns);
    const json_t *row;
    size_t i;

    json_array_foreach(list, i, row)
    {
        for (const struct column *column = columns; column->title; column++)
            table_add(table, column->cell(column->key ? json_object_get(row, column->key) : row));
    }
    table_print(table);
}
