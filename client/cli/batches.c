/* Batches on standard output: how they are asked for and written. Called by pull.c and replay.c. */
#include "batches.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "commands.h"
#include "proto/batch.h"

/* ---- --format and --columns ---- */

static void parse_columns(const struct given *given)
{
    struct output_format *format = given->fields;
    char *rest;

    format->columns = 0;
    for (char *name = strtok_r(given->text, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        int column = column_find(name, strlen(name));
        char list[COLUMNS_LIST];

        columns_list(list, (1u << COLUMN_COUNT) - 1);
        if (column < 0)
            argp_error(given->state, "--columns: no column '%s'; there are %s", name, list);
        else if (column != COLUMN_index) /* which is always there */
            format->columns |= 1u << column;
    }
}

static void parse_format(const struct given *given)
{
    struct output_format *format = given->fields;

    format->raw = strcmp(given->text, "raw") == 0;
    if (!format->raw && strcmp(given->text, "json") != 0)
        argp_error(given->state, "--format: '%s' is neither json nor raw", given->text);
}

#define COLUMN_WORD(id, name, type, of_samples) " " name
const struct cli_option batch_options[] = {
    {"format", 'f', "FORMAT", "json (default) or raw", parse_format, .words = "json raw"},
    {"columns", 'c', "LIST",
     "What to write beside the index, with commas between:" EVD_COLUMNS_ASKED(COLUMN_WORD),
     parse_columns, .words = &EVD_COLUMNS_ASKED(COLUMN_WORD)[1]},
    {0},
};

/* ---- writing ---- */

static void put_u64(uint64_t value)
{
    char digits[24], *at = digits + sizeof(digits);

    do
        *--at = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    fwrite_unlocked(at, 1, (size_t)(digits + sizeof(digits) - at), stdout);
}

/* The values of a column, or NULL. */
static const void *values_of(const evd_batch *batch, enum column column)
{
    switch (column) {
#define COLUMN_CASE(id, name, type, of_samples)                                                    \
    case COLUMN_##id:                                                                              \
        return batch->id;
        EVD_COLUMNS(COLUMN_CASE)
#undef COLUMN_CASE
    default:
        return NULL;
    }
}

static void put_values(const void *values, uint32_t n, const struct column_desc *column)
{
    fprintf(stdout, ",\"%s\":[", column->name);
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            putc_unlocked(',', stdout);
        if (column->is_float)
            printf("%.9g", (double)((const float *)values)[i]);
        else if (column->size == sizeof(uint64_t))
            put_u64(((const uint64_t *)values)[i]);
        else
            put_u64(((const uint32_t *)values)[i]);
    }
    putc_unlocked(']', stdout);
}

static void write_json(const evd_batch *batch)
{
    printf("{\"epoch\":%" PRIu64 ",\"step\":%" PRIu64 ",\"revision\":%" PRIu32 "%s", batch->epoch,
           batch->step, batch->revision, batch->redelivered ? ",\"redelivered\":true" : "");
    for (int c = 0; c < COLUMN_COUNT; c++) {
        const void *values = values_of(batch, (enum column)c);

        if (values)
            put_values(values, batch->n, &column_table[c]);
    }
    fputs("}\n", stdout);
}

/* A value as its bits, little-endian. */
static void write_value(const void *values, uint32_t i, size_t size)
{
    uint64_t wide;
    uint32_t narrow;

    if (size == sizeof(wide)) {
        memcpy(&wide, (const char *)values + i * size, size);
        wide = htole64(wide);
        fwrite_unlocked(&wide, size, 1, stdout);
    } else {
        memcpy(&narrow, (const char *)values + i * size, size);
        narrow = htole32(narrow);
        fwrite_unlocked(&narrow, size, 1, stdout);
    }
}

/* One record a sample: the index, then the columns in their order. */
static void write_raw(const evd_batch *batch)
{
    const void *values[COLUMN_COUNT];

    for (int c = 0; c < COLUMN_COUNT; c++)
        values[c] = values_of(batch, (enum column)c);
    for (uint32_t i = 0; i < batch->n; i++) {
        for (int c = 0; c < COLUMN_COUNT; c++) {
            if (values[c])
                write_value(values[c], i, column_table[c].size);
        }
    }
}

int batch_write(struct cli *cli, const struct output_format *format, const evd_batch *batch,
                bool *gone)
{
    if (format->raw)
        write_raw(batch);
    else
        write_json(batch);
    if (fflush(stdout) == 0)
        return EXIT_OK;
    *gone = errno == EPIPE;
    return *gone
               ? EXIT_OK
               : cli_error(cli, EXIT_INPUT, "cannot write to standard output: %s", strerror(errno));
}
