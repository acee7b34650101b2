/* Reads PROTOCOL.md for the tests that compare it with the code. */
#include "document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

char *document;

char *document_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t size = 0;

    assert_non_null(file);
    assert_true(getdelim(&text, &size, '\0', file) > 0);
    assert_true(text[0] != '\0');
    fclose(file);
    return text;
}

int document_read(void **state)
{
    (void)state;
    document = document_file(PROTOCOL_MD);
    return 0;
}

int document_forget(void **state)
{
    (void)state;
    free(document);
    return 0;
}

char *document_section(const char *heading)
{
    char line[128];
    const char *start, *end;

    snprintf(line, sizeof(line), "\n%s\n", heading);
    start = strstr(document, line);
    if (!start)
        fail_msg("PROTOCOL.md has no section \"%s\"", heading);
    start += strlen(line);
    end = strstr(start, "\n#");
    return strndup(start, end ? (size_t)(end - start) + 1 : strlen(start));
}

const char *document_next_line(const char *line)
{
    line += strcspn(line, "\n");
    return *line ? line + 1 : line;
}

/* The cells of the row "| a | b | c |"; false if the line is none, or one of dashes. */
static bool row(const char *line, char cells[DOCUMENT_CELLS][DOCUMENT_CELL])
{
    for (int i = 0; i < DOCUMENT_CELLS; i++)
        cells[i][0] = '\0';
    for (int i = 0; i < DOCUMENT_CELLS && *line == '|'; i++) {
        size_t len;

        line += 1 + strspn(line + 1, " ");
        len = strcspn(line, "|\n");
        snprintf(cells[i], DOCUMENT_CELL, "%.*s", (int)len, line);
        line += len;
        for (len = strlen(cells[i]); len > 0 && cells[i][len - 1] == ' '; len--)
            cells[i][len - 1] = '\0';
    }
    return cells[0][0] != '\0' && strncmp(cells[0], "---", 3) != 0;
}

int document_table(const char *text, const char *first,
                   void (*each)(char cells[DOCUMENT_CELLS][DOCUMENT_CELL], void *arg), void *arg)
{
    char cells[DOCUMENT_CELLS][DOCUMENT_CELL];
    bool inside = false;
    int rows = 0;

    for (const char *line = text; *line; line = document_next_line(line)) {
        if (*line != '|') {
            if (inside)
                break;
        } else if (!inside) {
            inside = row(line, cells) && strcmp(cells[0], first) == 0;
        } else if (row(line, cells)) {
            each(cells, arg);
            rows++;
        }
    }
    return rows;
}
