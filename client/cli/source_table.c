/*
 * Rows of tables: the header, the column with the labels or the columns of which one holds 1, and
 * how many cells a row has. Called by source_csv.c and source_plain.c, which cut texts into cells.
 *
 * The header and the first row are kept whole: only then is known which column is meant by a number
 * from the end, or whether the header has a cell more or less than the rows.
 */
#include "source_table.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SHOWN 1024u /* bytes of the columns' names in messages */

static bool no_memory(struct table *table)
{
    return source_error(table->source, "no memory for the line");
}

void table_init(struct table *table, struct source *source, label_sink *sink, void *arg)
{
    *table = (struct table){.source = source,
                            .sink = sink,
                            .arg = arg,
                            .label_column = NO_COLUMN,
                            .hot = NO_COLUMN,
                            .has_header = source->no_header};
}

static void cells_fini(struct table_cells *cells)
{
    for (uint32_t i = 0; i < cells->count; i++)
        free(cells->text[i]);
    free(cells->text);
}

void table_fini(struct table *table)
{
    cells_fini(&table->header);
    cells_fini(&table->first);
    free(table->class_of);
    free(table->label);
}

static bool keep_cell(struct table *table, struct table_cells *cells, const char *text, size_t len)
{
    if (cells->count == cells->capacity) {
        uint32_t capacity = cells->capacity ? cells->capacity * 2 : 16;
        char **texts = realloc(cells->text, capacity * sizeof(*texts));

        if (!texts)
            return no_memory(table);
        cells->text = texts;
        cells->capacity = capacity;
    }
    cells->text[cells->count] = strndup(text, len);
    if (!cells->text[cells->count])
        return no_memory(table);
    cells->count++;
    return true;
}

/* ---- which column ---- */

/* For messages: as many of the names as fit. */
static const char *names_of(const struct table *table, char names[NAMES_SHOWN])
{
    size_t len = 0;

    names[0] = '\0';
    for (uint32_t i = 0; i < table->header.count; i++) {
        const char *name = table->header.text[i];
        size_t n;

        assert(name);
        n = strlen(name);
        if (len + n + 8 > NAMES_SHOWN) {
            strcpy(names + len, &", ..."[len == 0 ? 2 : 0]);
            break;
        }
        len += (size_t)snprintf(names + len, NAMES_SHOWN - len, "%s%s", len > 0 ? ", " : "", name);
    }
    return names;
}

/* The column of a row that has this name, or this number; NO_COLUMN after a message. */
static uint32_t find_column(struct table *table, const char *wanted)
{
    char names[NAMES_SHOWN];
    uint32_t found = NO_COLUMN, columns = table->columns;

    for (uint32_t i = 0; i < table->header.count; i++) {
        if (strcmp(table->header.text[i], wanted) != 0)
            continue;
        if (found != NO_COLUMN) {
            source_error(table->source, "has two columns called '%s': give its number", wanted);
            return NO_COLUMN;
        }
        found = i + table->shift;
    }
    /* A last column without a name counts only from the front. */
    if (*wanted == '-' && columns > 1 && columns == table->header.count &&
        table->header.text[columns - 1][0] == '\0')
        columns--;
    if (found != NO_COLUMN || source_place(wanted, columns, &found))
        return found;
    if (table->header.count > 0)
        source_error(table->source,
                     "has no column '%s'; it has: %s (another delimiter? see --delimiter)", wanted,
                     names_of(table, names));
    else
        source_error(table->source,
                     "has no column '%s': without a header its %u columns have numbers, from 1, or "
                     "from -1 at the end",
                     wanted, table->columns);
    return NO_COLUMN;
}

static bool find_label(struct table *table)
{
    char names[NAMES_SHOWN];

    if (table->source->column)
        table->label_column = find_column(table, table->source->column);
    else if (table->columns == 1)
        table->label_column = 0;
    else if (table->header.count > 0)
        return source_error(table->source,
                            "say with --column which column holds the labels; it has: %s",
                            names_of(table, names));
    else
        return source_error(table->source,
                            "has %u columns: say with --column which holds the labels, by its "
                            "number, from 1, or from -1 at the end",
                            table->columns);
    return table->label_column != NO_COLUMN;
}

/* ---- columns that are classes ---- */

/* "0", "1", "0.0", "1.": 0 or 1; -1: it is neither. */
static int hot_value(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !isdigit((unsigned char)text[0]))
        return -1;
    return value == 0 ? 0 : value == 1 ? 1 : -1;
}

static bool add_class(struct table *table, uint32_t column)
{
    struct source *source = table->source;
    char number[16];

    if (table->class_of[column] != NO_COLUMN)
        return source_error(source, "--one-hot names column %u twice", column + 1);
    table->class_of[column] = source->class_count;
    snprintf(number, sizeof(number), "%u", column + 1);
    source->classes[source->class_count] =
        strdup(column >= table->shift && column - table->shift < table->header.count
                   ? table->header.text[column - table->shift]
                   : number);
    if (!source->classes[source->class_count])
        return no_memory(table);
    source->class_count++;
    return true;
}

static bool add_listed(struct table *table, const char *list)
{
    for (const char *at = list; *at != '\0';) {
        size_t n = strcspn(at, ",");
        char *name = strndup(at, n);
        uint32_t column = name ? find_column(table, name) : NO_COLUMN;

        if (!name)
            return no_memory(table);
        free(name);
        if (column == NO_COLUMN || !add_class(table, column))
            return false;
        at += n + (at[n] == ',');
    }
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool check_names(struct table *table)
{
    const struct source *source = table->source;
    char **names = calloc(source->class_count + 1u, sizeof(*names));
    bool ok = true;

    if (!names)
        return no_memory(table);
    memcpy(names, source->classes, source->class_count * sizeof(*names));
    qsort(names, source->class_count, sizeof(*names), by_text);
    for (uint32_t i = 0; ok && i < source->class_count; i++) {
        if (names[i][0] == '\0' || strlen(names[i]) > EVD_NAME_LIMIT)
            ok = source_error(table->source,
                              "a column of --one-hot has no name, or one of over %d bytes",
                              EVD_NAME_LIMIT);
        else if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
            ok = source_error(table->source, "has two columns called '%s'", names[i]);
    }
    free(names);
    return ok;
}

static bool choose_classes(struct table *table)
{
    struct source *source = table->source;
    bool all = strcmp(source->one_hot, "all") == 0, ok = true;

    source->class_count = 0;
    source->classes = calloc(table->columns + 1u, sizeof(*source->classes));
    if (!source->classes)
        return no_memory(table);
    if (!all)
        ok = add_listed(table, source->one_hot);
    for (uint32_t i = 1; ok && all && i < table->first.count; i++)
        ok = hot_value(table->first.text[i]) < 0 || add_class(table, i);
    if (ok && source->class_count < 2)
        return source_error(source, "--one-hot needs two columns or more that hold 0 or 1");
    return ok && check_names(table);
}

/* The classes are chosen in the first pass; later ones find their columns again. */
static bool find_classes(struct table *table)
{
    const struct source *source = table->source;

    table->class_of = malloc((table->columns + 1u) * sizeof(*table->class_of));
    if (!table->class_of)
        return no_memory(table);
    for (uint32_t i = 0; i < table->columns; i++)
        table->class_of[i] = NO_COLUMN;
    if (!source->classes)
        return choose_classes(table);
    for (uint32_t c = 0; c < source->class_count; c++) {
        uint32_t column = find_column(table, source->classes[c]);

        if (column == NO_COLUMN)
            return false;
        table->class_of[column] = c;
    }
    return true;
}

/* ---- what was taken for what ---- */

static void tell(struct table *table)
{
    struct source *source = table->source;
    json_t *names = table->header.count > 0 ? json_array() : json_null();
    uint64_t line = source->line;
    char shown[NAMES_SHOWN];
    uint32_t label = table->label_column;
    const char *name = NULL;

    if (label != NO_COLUMN && label >= table->shift && label - table->shift < table->header.count)
        name = table->header.text[label - table->shift];
    for (uint32_t i = 0; i < table->header.count; i++)
        json_array_append_new(names, json_string(table->header.text[i]));
    source_tell(source, "header", names);
    if (label != NO_COLUMN) {
        source_tell(source, "column", json_integer((json_int_t)label + 1));
        source_tell(source, "column_name", name ? json_string(name) : json_null());
    }
    source->line = table->header_line;
    if (table->header.count > 0)
        source_note(source, "is taken as the header: %s (--no-header makes it a sample)",
                    names_of(table, shown));
    source->line = 0;
    if (label != NO_COLUMN && table->columns > 1)
        source_note(source, "the labels are in column %u of %u%s%s%s", label + 1, table->columns,
                    name ? ", '" : "", name ? name : "", name ? "'" : "");
    source->line = line;
}

/* ---- rows ---- */

static bool header_row(struct table *table)
{
    table->has_header = true;
    table->header_line = table->source->line;
    table->columns = table->header.count + table->shiftable;
    /* Said here, where the line is known. */
    if (!table->source->one_hot && (table->source->column || !table->shiftable) &&
        !find_label(table))
        return false;
    table->label_column = NO_COLUMN;
    table->columns = table->header.count;
    return true;
}

static bool count_cells(struct table *table, uint32_t cells)
{
    if (cells == table->columns)
        return true;
    return source_error(table->source,
                        "has another number of cells (%u) than the %s (%u): quote those that hold "
                        "the delimiter, or "
                        "see --delimiter and --quote",
                        cells, table->header.count > 0 ? "header" : "first line", table->columns);
}

/* How many columns, and which; the row that says it is in `first`. */
static bool settle(struct table *table)
{
    uint32_t names = table->header.count, cells = table->first.count;

    table->settled = true;
    if (names == 0)
        table->columns = cells;
    else if (cells + 1 == names && table->header.text[names - 1][0] == '\0')
        table->columns = cells; /* each name, and a delimiter after the last one */
    else if (table->shiftable && cells == names + 1) {
        table->columns = cells;
        table->shift = 1;
    }
    if (!count_cells(table, cells))
        return false;
    if (table->source->one_hot ? !find_classes(table) : !find_label(table))
        return false;
    if (!table->source->noted)
        tell(table);
    return true;
}

static bool keep_label(struct table *table, const char *text, size_t len)
{
    if (len > table->label_cap) {
        char *label = realloc(table->label, len);

        if (!label)
            return no_memory(table);
        table->label = label;
        table->label_cap = len;
    }
    if (len > 0)
        memcpy(table->label, text, len);
    table->label_len = len;
    return true;
}

static bool keep_hot(struct table *table, uint32_t class, const char *text, size_t len)
{
    char copy[32];
    int value = -1;

    if (len < sizeof(copy)) {
        memcpy(copy, text, len);
        copy[len] = '\0';
        value = hot_value(copy);
    }
    if (value < 0)
        return source_error(table->source, "holds '%.*s' in column '%s', where 0 or 1 is needed",
                            (int)(len < 60 ? len : 60), text, table->source->classes[class]);
    if (value == 1 && table->hot != NO_COLUMN)
        return source_error(table->source, "is of several classes, '%s' and '%s': a sample has one",
                            table->source->classes[table->hot], table->source->classes[class]);
    if (value == 1)
        table->hot = class;
    return true;
}

/* A cell of a row, once the columns are settled. */
static bool take_cell(struct table *table, uint32_t cell, const char *text, size_t len)
{
    if (cell == table->label_column)
        return keep_label(table, text, len);
    if (table->class_of && cell < table->columns && table->class_of[cell] != NO_COLUMN)
        return keep_hot(table, table->class_of[cell], text, len);
    return true;
}

bool table_cell(struct table *table, const char *text, size_t len)
{
    uint32_t cell = table->cell++;

    if (table->settled)
        return take_cell(table, cell, text, len);
    return keep_cell(table, table->has_header ? &table->first : &table->header, text, len);
}

static bool pass_row(struct table *table)
{
    const char *text = table->label;
    size_t len = table->label_len;

    if (table->class_of) {
        if (table->hot == NO_COLUMN)
            return source_error(table->source, "is of no class: none of the columns holds 1");
        text = table->source->classes[table->hot];
        len = strlen(text);
        table->hot = NO_COLUMN;
    }
    if (!table->sink(table->arg, text, len))
        return false;
    table->source->samples++;
    return true;
}

bool table_row(struct table *table)
{
    uint32_t cells = table->cell;

    table->cell = 0;
    if (!table->has_header)
        return header_row(table);
    if (table->settled)
        return count_cells(table, cells) && pass_row(table);
    if (!settle(table))
        return false;
    for (uint32_t i = 0; i < table->first.count; i++) {
        if (!take_cell(table, i, table->first.text[i], strlen(table->first.text[i])))
            return false;
    }
    return pass_row(table);
}

bool table_empty_row(struct table *table)
{
    if (!table->has_header || (table->settled ? table->columns : table->header.count) != 1)
        return true;
    return table_cell(table, "", 0) && table_row(table);
}

bool table_end(struct table *table)
{
    return table->has_header || source_error(table->source, "has no header line");
}
