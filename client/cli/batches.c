/* Batches on standard output: how they are asked for and written. Called by pull.c and replay.c. */
#include "batches.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "commands.h"

/* ---- --format and --columns ---- */

const struct batch_column batch_columns[] = {{"label", EVD_COLUMN_LABEL},
                                             {"probability", EVD_COLUMN_PROBABILITY},
                                             {"repeat", EVD_COLUMN_REPEAT},
                                             {"augment_seed", EVD_COLUMN_AUGMENT_SEED},
                                             {0}};

static void parse_columns(const struct given *given)
{
    struct output_format *format = given->fields;
    char *rest;

    format->columns = 0;
    for (char *name = strtok_r(given->text, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        const struct batch_column *column = batch_columns;

        while (column->name && strcmp(column->name, name) != 0)
            column++;
        if (!column->name && strcmp(name, "index") != 0)
            argp_error(given->state,
                       "--columns: no column '%s'; there are index (always), label, probability, "
                       "repeat, augment_seed",
                       name);
        format->columns |= column->bit;
    }
}

static void parse_format(const struct given *given)
{
    struct output_format *format = given->fields;

    format->raw = strcmp(given->text, "raw") == 0;
    if (!format->raw && strcmp(given->text, "json") != 0)
        argp_error(given->state, "--format: '%s' is neither json nor raw", given->text);
}

const struct cli_option batch_options[] = {
    {"format", 'f', "FORMAT", "json (default) or raw", parse_format, .words = "json raw"},
    {"columns", 'c', "LIST", "Beside the index: label, probability, repeat, augment_seed",
     parse_columns, .words = "label probability repeat augment_seed"},
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

static void put_name(const char *name)
{
    fprintf(stdout, ",\"%s\":[", name);
}

#define PUT_COLUMN(batch, column, put)                                                             \
    do {                                                                                           \
        if (!(batch)->column)                                                                      \
            break;                                                                                 \
        put_name(#column);                                                                         \
        for (uint32_t put_i = 0; put_i < (batch)->n; put_i++) {                                    \
            if (put_i > 0)                                                                         \
                putc_unlocked(',', stdout);                                                        \
            put((batch)->column[put_i]);                                                           \
        }                                                                                          \
        putc_unlocked(']', stdout);                                                                \
    } while (0)

static void put_float(float value)
{
    printf("%.9g", (double)value);
}

static void write_json(const evd_batch *batch)
{
    printf("{\"epoch\":%" PRIu64 ",\"step\":%" PRIu64 ",\"revision\":%" PRIu32 "%s", batch->epoch,
           batch->step, batch->revision, batch->redelivered ? ",\"redelivered\":true" : "");
    PUT_COLUMN(batch, index, put_u64);
    PUT_COLUMN(batch, label, put_u64);
    PUT_COLUMN(batch, probability, put_float);
    PUT_COLUMN(batch, repeat, put_u64);
    PUT_COLUMN(batch, augment_seed, put_u64);
    fputs("}\n", stdout);
}

static void write_u32(uint32_t value)
{
    value = htole32(value);
    fwrite_unlocked(&value, sizeof(value), 1, stdout);
}

static void write_u64(uint64_t value)
{
    value = htole64(value);
    fwrite_unlocked(&value, sizeof(value), 1, stdout);
}

/* One record a sample: the index as u64, then the columns in the order of evendraw.h. */
static void write_raw(const evd_batch *batch)
{
    for (uint32_t i = 0; i < batch->n; i++) {
        write_u64(batch->index[i]);
        if (batch->label)
            write_u32(batch->label[i]);
        if (batch->probability) {
            uint32_t bits;
            memcpy(&bits, &batch->probability[i], sizeof(bits));
            write_u32(bits);
        }
        if (batch->repeat)
            write_u32(batch->repeat[i]);
        if (batch->augment_seed)
            write_u64(batch->augment_seed[i]);
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
