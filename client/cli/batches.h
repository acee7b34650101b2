/* Batches on standard output: what `pull` and `replay` share. */
#ifndef CLI_BATCHES_H
#define CLI_BATCHES_H

#include "cli.h"

struct output_format {
    bool raw;
    uint32_t columns; /* bits */
};

/* The options --format and --columns fill the first field of the command's struct: a struct
 * batch_format. */

/* Writes a batch to standard output and flushes it. *gone: the reader has enough, which is no
 * error. Returns an exit code. */
int batch_write(struct cli *cli, const struct output_format *format, const evd_batch *batch,
                bool *gone) __attribute__((warn_unused_result));

#endif
