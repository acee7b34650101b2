/* Rows of a CSV that need no parser (csv_row.h). Called by source_csv.c. */
#include "csv_row.h"

#include <string.h>

static bool is_blank(char c, char delimiter)
{
    return (c == ' ' || c == '\t') && c != delimiter;
}

/* A plain loop, which the compiler turns into vector code. */
static uint32_t count(const char *text, const char *end, char delimiter)
{
    uint32_t n = 0;

    for (; text < end; text++)
        n += *text == delimiter;
    return n;
}

/* The cell that begins at `at`, without blanks around it; its end, or NULL. */
static const char *unquoted(const char *at, const char *end, char delimiter, bool quotes,
                            struct csv_text *cell)
{
    const char *stop = memchr(at, delimiter, (size_t)(end - at)), *last;

    stop = stop ? stop : end;
    if (quotes && memchr(at, '"', (size_t)(stop - at)))
        return NULL;
    for (last = stop; at < last && is_blank(last[-1], delimiter);)
        last--;
    while (at < last && is_blank(*at, delimiter))
        at++;
    *cell = (struct csv_text){at, (size_t)(last - at)};
    return stop;
}

static const char *quoted(const char *at, const char *end, char delimiter, struct csv_text *cell)
{
    const char *close = memchr(at + 1, '"', (size_t)(end - at - 1));

    if (!close || (close + 1 < end && close[1] != delimiter))
        return NULL;
    *cell = (struct csv_text){at + 1, (size_t)(close - at - 1)};
    return close + 1;
}

bool csv_row_plain(struct csv_row *row, const char *line, const char *end, char delimiter,
                   bool quotes, const uint32_t wanted[CSV_WANTED])
{
    uint32_t last = 0;

    row->cells = 0;
    if (line == end || is_blank(*line, delimiter)) /* is it a row at all? */
        return false;
    for (int w = 0; w < CSV_WANTED; w++)
        last = wanted[w] != CSV_NO_COLUMN && wanted[w] > last ? wanted[w] : last;
    for (;; line++) {
        struct csv_text cell;

        if (quotes && line < end && *line == '"')
            line = quoted(line, end, delimiter, &cell);
        else
            line = unquoted(line, end, delimiter, quotes, &cell);
        if (!line)
            return false;
        for (int w = 0; w < CSV_WANTED; w++) {
            if (wanted[w] == row->cells)
                row->wanted[w] = cell;
        }
        row->cells++;
        if (line == end)
            return true;
        if (!quotes && row->cells > last) {
            row->cells += count(line, end, delimiter);
            return true;
        }
    }
}
