/*
 * PROTOCOL.md, for the tests that compare it with the code.
 */
#ifndef TESTS_PROTO_DOCUMENT_H
#define TESTS_PROTO_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#define DOCUMENT_CELLS 4
#define DOCUMENT_CELL  512

/* The whole text, between the two functions below, which are a group's setup and teardown. */
extern char *document;
int document_read(void **state);
int document_forget(void **state);

/* A file's text, for the caller to free. */
char *document_file(const char *path);
/* The text below a heading, up to the next one of any level; for the caller to free. */
char *document_section(const char *heading);
const char *document_next_line(const char *line);
/* The rows of the first table that begins with the cell `first`; calls each(row), returns how many.
 * Cells are trimmed, and cut to their size; those that a row has not are empty. */
int document_table(const char *text, const char *first,
                   void (*each)(char cells[DOCUMENT_CELLS][DOCUMENT_CELL], void *arg), void *arg);

#endif
