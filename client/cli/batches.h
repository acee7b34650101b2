/* Batches on standard output: what `pull` and `replay` share. */
#ifndef CLI_BATCHES_H
#define CLI_BATCHES_H

#include "cli.h"

/* What may come beside the index, in the order in which it is written. */
#define BATCH_COLUMNS 4
struct batch_column {
    const char *name;
    uint32_t bit; /* EVD_COLUMN_... */
};
extern const struct batch_column batch_columns[BATCH_COLUMNS];

struct batch_format {
    bool raw;
    uint32_t columns; /* bits */
};

/* For the help text. */
#define BATCH_FORMATS                                                                              \
    "json: one object a line, {\"epoch\", \"step\", \"revision\", \"index\": [...], ...}. raw: "   \
    "for every sample its index as a 64-bit integer and then the columns asked for (label, "       \
    "probability, repeat: 32 bits, augment_seed: 64), all little-endian, in this order."

/* Instead of cli_children and cli_parse_init: the common options, --format and --columns. */
extern const struct argp_child batch_children[];
void batch_parse_init(struct argp_state *state, struct batch_format *format);

/* Writes a batch to standard output and flushes it. *gone: the reader has enough, which is no
 * error. Returns an exit code. */
int batch_write(struct cli *cli, const struct batch_format *format, const evd_batch *batch,
                bool *gone);

#endif
