/* A row that needs no parser is cut up as libcsv does it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <csv.h>
#include <string.h>
#include "client/cli/csv_row.h"

enum { LONGEST = 24, CELLS = LONGEST + 1 };

struct parsed {
    uint32_t cells, rows;
    char text[CELLS][LONGEST + 1];
    size_t len[CELLS];
};

static void on_cell(void *bytes, size_t len, void *arg)
{
    struct parsed *parsed = arg;

    memcpy(parsed->text[parsed->cells], bytes ? bytes : "", len);
    parsed->len[parsed->cells++] = len;
}

static void on_row(int end, void *arg)
{
    (void)end;
    ((struct parsed *)arg)->rows++;
}

static void parse(struct parsed *parsed, const char *line, size_t len, char delimiter)
{
    struct csv_parser parser;

    memset(parsed, 0, sizeof(*parsed));
    assert_int_equal(csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL), 0);
    csv_set_delim(&parser, (unsigned char)delimiter);
    assert_int_equal(csv_parse(&parser, line, len, on_cell, on_row, parsed), len);
    assert_int_equal(csv_parse(&parser, "\n", 1, on_cell, on_row, parsed), 1);
    csv_free(&parser);
}

static bool plain(const char *line, size_t len, char delimiter, uint32_t first, uint32_t second,
                  struct csv_row *row)
{
    const uint32_t wanted[CSV_WANTED] = {first, second};

    return csv_row_plain(row, line, line + len, delimiter, memchr(line, '"', len), wanted);
}

/* Random lines of what could make a difference. */
static void as_libcsv(void **state)
{
    static const char alphabet[] = "ab,,,\"\" \t;";
    static const char delimiters[] = ",;\t ";
    uint64_t random = 1;
    uint32_t plain_ones = 0, quoted_ones = 0;

    (void)state;
    for (int i = 0; i < 400000; i++) {
        struct parsed parsed;
        struct csv_row row;
        char line[LONGEST], delimiter;
        size_t len;
        uint32_t column[CSV_WANTED];

        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        len = random >> 61;
        delimiter = delimiters[i % 8 < 5 ? 0 : i % 8 - 4];
        column[0] = (random >> 32) % 5;
        column[1] = (random >> 36) % 2 ? CSV_NO_COLUMN : (random >> 40) % 5;
        for (size_t k = 0; k < len; k++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            line[k] = alphabet[(random >> 33) % (sizeof(alphabet) - 1)];
        }
        if (!plain(line, len, delimiter, column[0], column[1], &row))
            continue;
        plain_ones++;
        quoted_ones += memchr(line, '"', len) != NULL;
        parse(&parsed, line, len, delimiter);
        assert_int_equal(parsed.rows, 1);
        assert_int_equal(parsed.cells, row.cells);
        for (int w = 0; w < CSV_WANTED; w++) {
            if (column[w] >= row.cells)
                continue;
            assert_int_equal(row.wanted[w].len, parsed.len[column[w]]);
            assert_memory_equal(row.wanted[w].text, parsed.text[column[w]], row.wanted[w].len);
        }
    }
    assert_true(plain_ones > 50000 && quoted_ones > 2000);
}

static void needs_the_parser(void **state)
{
    static const char *const rows[] = {"",        " ", " a,b", "a,\"b", "a\"b", "\"a\"\"b\",c",
                                       "\"a\" ,b"};
    struct csv_row row;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_false(plain(rows[i], strlen(rows[i]), ',', 0, 1, &row));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_libcsv),
                                       cmocka_unit_test(needs_the_parser)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
