/*
 * Files that commands write: whole or not at all, and text as CSV and SVG take it.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli.h"

/* Writes what is made of the answer, where a shell's `>` would. The file is there when all of it is
 * written, with what stood there before until then. What cannot be replaced is written as it
 * stands: what is no plain file (a pipe, a link) or has several names, and where the folder allows
 * no second file. False: the reason was printed, and cli->status is set. The writer leaves errors
 * to the stream. */
typedef void output_writer(FILE *out, const json_t *answer);
bool output_write(struct cli *cli, const char *path, output_writer *write, const json_t *answer);

void csv_text(FILE *out, const char *text); /* as RFC 4180 quotes it */
/* As XML takes it, at most so many letters. The daemon's names hold no control characters. */
void xml_text(FILE *out, const char *text, size_t letters);
/* The beginning of a drawing of that size, white, and its title, to be ended by "</text>\n". */
void svg_begin(FILE *out, double wide, double high);
/* "JOB, epoch 3" of an answer, as the title begins. */
void svg_whose(FILE *out, const json_t *answer, size_t letters);

#endif
