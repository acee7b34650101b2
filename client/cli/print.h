/* What people read: numbers as text, and text on the terminal. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <stdint.h>
#include <stdio.h>

/* ---- texts ---- */

/* A text stays as it is until TEXT_COUNT further ones were made: long enough for a line to be
 * printed. What does not fit is cut. */
#define TEXT_COUNT 16
#define TEXT_SIZE  300

const char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *text_count(uint64_t n); /* "1,234,567" */
/* "1 job", "2,000 jobs", "3 classes" */
const char *text_items(uint64_t n, const char *noun);
/* As a word of a command that a shell reads. */
const char *text_word(const char *text);
const char *text_bytes(uint64_t bytes);     /* "1.2 MB" */
const char *text_duration(double seconds);  /* "3 h 12 min" */
const char *text_ms(uint64_t milliseconds); /* "1.5 s", "10 min 0 s" */
const char *text_time(uint64_t seconds_since_1970);
/* A share (0..1) in percent with that many decimals, or as many more as two digits of it take:
 * "12.3 %", "0.0042 %", "<0.000001 %". */
const char *text_share(double share, int decimals);

/* ---- the terminal ---- */

/* Control characters become '?': what a daemon or a file says must not steer the terminal. */
void text_clean(char *text);
/* JSON of the same value, in which such characters are \uXXXX. */
void print_json(FILE *out, const char *json);
/* Columns a text takes on the terminal. */
int text_width(const char *text);
/* Writes a text in exactly `width` columns, cut with "..." or padded on the right. */
void print_padded(FILE *out, const char *text, int width);
/* Columns of the terminal behind `out`, or 80. */
int terminal_width(FILE *out);

/* Writes a text in lines of the terminal's width, the second and further ones indented; the first
 * begins at column `at`. */
void print_wrapped(const char *text, int at, int indent);

/* A bar of `share` (0..1) of `width` columns: eighths of blocks on a UTF-8 terminal, or else '#'.
 */
void print_bar(double share, int width);

#endif
