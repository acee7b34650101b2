/*
 * `evendraw threshold`: what the parts of it share. An answer of job.threshold, with that of
 * job.curve (pages joined) as its "curve" if one is wanted.
 */
#ifndef CLI_THRESHOLD_H
#define CLI_THRESHOLD_H

#include "output.h"

/* The threshold of the first objective; NULL: it has none. */
const json_t *threshold_chosen(const json_t *answer);

/* The curve: every point as CSV; or drawn, with the chosen threshold marked. */
output_writer threshold_write_csv, threshold_write_svg;

#endif
