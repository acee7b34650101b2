/*
 * `evendraw confusion`: what the parts of it share. An answer of job.confusion, whole (pages
 * joined).
 */
#ifndef CLI_CONFUSION_H
#define CLI_CONFUSION_H

#include "classes.h"

/* How many samples of class `label` were taken for class `predicted`. */
uint64_t confusion_cell(const json_t *answer, size_t label, size_t predicted);
/* Of the samples of a class, how many were predicted as another: 0 to 1. */
double confusion_share(const json_t *answer, size_t label, size_t predicted);
bool confusion_has_matrix(const json_t *answer);

/* The matrix in the terminal, each row by its own samples, as shades and, where they fit, percent;
 * if it does not fit, the classes that are confused most. */
void confusion_draw(const json_t *answer);

/* Files: the matrix as CSV, with names, true classes down (without a matrix, the numbers of each
 * class); and as an SVG heat map. The caller checks the stream for errors. */
void confusion_write_csv(FILE *out, const json_t *answer);
void confusion_write_svg(FILE *out, const json_t *answer);

#endif
