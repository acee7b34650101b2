/* `evendraw load` against a daemon that keeps what it is sent: formats, bad files, long tails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "loading.h"

/* ---- what can be loaded ---- */

static void lines(void **state)
{
    struct loaded loaded = {0};

    (void)state;
    write_text("plain.txt", "dog\ncat\n\ndog\r\n  bird \ncat");
    expect("plain.txt", "bird|cat|dog|", LABELS(2, 1, NONE, 2, 0, 1));
    write_text("numbers.txt", "\xef\xbb\xbf"
                              "10\n9\n-1\n9\n");
    expect("numbers.txt", "-1|9|10|", LABELS(2, 1, 0, 1));
    expect("- < numbers.txt", "-1|9|10|", LABELS(2, 1, 0, 1));
    write_text("small.txt", "1\n0\n2\n");
    expect("small.txt --class-names a,b,c,d", "a|b|c|d|", LABELS(1, 0, 2));
    write_text("names", "x\r\ny\nz\n");
    expect("small.txt --class-names @names", "x|y|z|", LABELS(1, 0, 2));
    load(&loaded, "plain.txt");
    assert_non_null(strstr(loaded.out, "version 7: 6 samples, 3 classes (in byte order)"));
    assert_non_null(strstr(loaded.out, "1 sample without a label"));
    loaded_free(&loaded);
}

static void pipes(void **state)
{
    struct fake fake;
    struct kept kept = {0};
    char command[1024];

    (void)state;
    fake_start(&fake, keep, &kept);
    snprintf(command, sizeof(command),
             "printf 'b\\na\\nb\\n' | %s load d - --server %s > %s/stdout", EVENDRAW, fake.address,
             folder);
    assert_int_equal(system(command), 0);
    fake_stop(&fake);
    assert_string_equal(kept.part->classes, "a|b|");
    assert_int_equal(kept.part->count, 3);
    free(kept.part->labels);
}

static void csv(void **state)
{
    (void)state;
    write_text("a.csv", "id,class name,x\r\n1,\"cat, big\",3\r\n2,dog,4\r\n3,,5\r\n\r\n");
    expect("a.csv --column 'class name'", "cat, big|dog|", LABELS(0, 1, NONE));
    write_text("a.tsv", "y\tz\n5\ta b\n7\t\"two\nlines\"\n");
    expect("a.tsv --column y", "5|7|", LABELS(0, 1));
    write_text("one.csv", "label\na\n\nb\n");
    expect("one.csv", "a|b|", LABELS(0, NONE, 1));
    write_text("semi", "p;q\n1;2\n3;4\n");
    expect("semi --column q --delimiter ';'", "2|4|", LABELS(0, 1));
}

static const unsigned char idx[] = {0, 0, 8, 1, 0, 0, 0, 5, 3, 0, 11, 3, 0};

static void write_gz(const char *name, const void *bytes, unsigned n)
{
    char path[256];
    gzFile gz;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    gz = gzopen(path, "w");
    gzwrite(gz, bytes, n);
    gzclose(gz);
}

static void idx_files(void **state)
{
    static const unsigned char table[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 3, 2, 5, 1};
    static const unsigned char wide[] = {0, 0, 0x0b, 1, 0, 0, 0, 2, 1, 0, 0xff, 0xff};

    (void)state;
    write_file("t-labels-idx1-ubyte", idx, sizeof(idx));
    expect("t-labels-idx1-ubyte", "0|3|11|", LABELS(1, 0, 2, 1, 0));
    write_gz("l.gz", idx, sizeof(idx));
    expect("l.gz", "0|3|11|", LABELS(1, 0, 2, 1, 0));
    write_file("wide", wide, sizeof(wide));
    expect("wide", "-1|256|", LABELS(1, 0));
    write_file("table", table, sizeof(table));
    expect("table -c 1", "3|5|", LABELS(0, 1));
    expect("table -c -1", "1|2|", LABELS(1, 0));
    REFUSE("table", "2 values a sample", "--column", "QMNIST");
    REFUSE("table -c 3", "no column '3'", "1 to 2");
    REFUSE("table -c y", "no column 'y'");
    expect("wide -c 1", "-1|256|", LABELS(1, 0));
}

/* ---- what cannot ---- */

static void bad_files(void **state)
{
    static char huge[300000];

    (void)state;
    REFUSE("missing.txt", "missing.txt", "No such file");
    REFUSE(".", "folder");
    write_text("empty", "");
    REFUSE("empty", "is empty");
    write_text("blank", "\n\n");
    REFUSE("blank", "no label at all");
    write_text("fake.gz", "cat\n");
    REFUSE("fake.gz", "not compressed");
    write_text("x-labels-idx1-ubyte", "cat\ndog\n");
    REFUSE("x-labels-idx1-ubyte", "should be IDX", "63 61 74 0a");
    write_file("images", "\0\0\10\3\0\0\0\1\0\0\0\1\0\0\0\1\0", 17);
    REFUSE("images", "3 dimensions", "labels-idx1-ubyte");
    write_file("floats", "\0\0\15\1\0\0\0\1\0\0\0\0", 12);
    REFUSE("floats", "not whole numbers");
    write_file("short", idx, sizeof(idx) - 2);
    REFUSE("short", "3 of the 5 values", "cut off");
    write_file("header", idx, 6);
    REFUSE("header", "within its header");
    write_file("long", "\0\0\10\1\0\0\0\1\1\1", 10);
    REFUSE("long", "longer than its header");
    memset(huge, 'x', sizeof(huge));
    write_file("huge", huge, sizeof(huge));
    REFUSE("huge", "line 1", "longer than 4096 bytes");
    huge[200] = '\n';
    write_file("wide-label", huge, 300);
    REFUSE("wide-label", "line 1", "200 bytes");
    write_file("utf16",
               "\xff\xfe"
               "a\0\n",
               6);
    REFUSE("utf16", "UTF-16", "iconv");
    write_text("latin", "a\ncaf\xe9\n");
    REFUSE("latin", "line 2", "UTF-8");
    write_file("binary", "a\n\0\1\2\n", 7);
    REFUSE("binary", "NUL byte at offset 2");
    write_file("nul", "a\na\0bcdefghijklmnopqrstuvwxyz\n", 31);
    REFUSE("nul", "NUL byte at offset 3");
    write_file("nul.csv", "y\na\nb\n\0\0", 8);
    REFUSE("nul.csv", "NUL byte at offset 6");
    write_file("nul", "a\nb\n\0\0\0\0", 8);
    REFUSE("nul", "NUL byte at offset 4");
    write_file("bell", "a\n\7b\n", 5);
    REFUSE("bell", "line 2", "control character");
    write_text("five.txt", "0\n5\n");
    REFUSE("five.txt --class-names a,b", "2 names", "'5'");
}

/* Whatever is missing of a compressed file, nothing is made of it. */
static void refuse_cuts(const char *name, const void *bytes, unsigned n, const char *options)
{
    char arguments[256], path[256];
    long size;
    FILE *file;

    write_gz(name, bytes, n);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "r");
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    fclose(file);
    snprintf(arguments, sizeof(arguments), "cut-%s %s", name, options);
    for (long left = 11; left < size; left += left < size - 10 && left > 20 ? size / 5 : 1) {
        shell("head -c %ld %s > cut-%s", left, name, name);
        REFUSE(arguments, "cut");
    }
}

static void cut_gz(void **state)
{
    static unsigned char labels[100008] = {0, 0, 8, 1, 0, 1, 0x86, 0xa0};
    static char npy[64 + 70000] = "\x93NUMPY\1\0\66\0{'descr': '|u1', 'fortran_order': False, "
                                  "'shape': (70000,)}";
    static char text[30000] = "y\n";
    static const char *const words[] = {"cat\n", "dog\n", "eel\n"};
    uint32_t chance = 1;

    (void)state;
    for (size_t i = 8; i < sizeof(labels); i++)
        labels[i] = (unsigned char)((uint32_t)i * 2654435761u >> 24);
    refuse_cuts("l-idx1-ubyte.gz", labels, sizeof(labels), "");
    for (size_t i = 64; i < sizeof(npy); i++)
        npy[i] = (char)((uint32_t)i * 2654435761u >> 29);
    refuse_cuts("l.npy.gz", npy, sizeof(npy), "");
    for (size_t at = 2; at + 4 < sizeof(text); at += 4) {
        chance = chance * 1664525 + 1013904223;
        memcpy(text + at, words[(chance >> 16) % 3], 4);
    }
    refuse_cuts("l.csv.gz", text, (unsigned)strlen(text), "");
    refuse_cuts("l.txt.gz", text, (unsigned)strlen(text), "");
    write_gz("whole.txt.gz", "a\nb\n", 4);
    shell("cat whole.txt.gz whole.txt.gz > two.gz");
    expect("two.gz", "a|b|", LABELS(0, 1, 0, 1));
    shell("head -c -4 two.gz > cut.gz");
    REFUSE("cut.gz", "cut off");
}

static void bad_csv(void **state)
{
    (void)state;
    write_text("b.csv", "id,kind\n1,a\n2,b,c\n");
    REFUSE("b.csv", "--column", "id, kind");
    REFUSE("b.csv --column label", "no column 'label'", "id, kind");
    REFUSE("b.csv --column kind", "line 3", "cells (3)", "header (2)");
    write_text("q.csv", "id,kind\n1,\"a\n2,b\n");
    REFUSE("q.csv --column kind", "quote is not closed");
    write_text("r.csv", "id,kind\n1,\"a\nb\"\n2\n");
    REFUSE("r.csv --column id", "line 4", "cells (1)");
    write_text("twice.csv", "a,a\n1,2\n");
    REFUSE("twice.csv --column a", "two columns");
    write_text("ring.csv", "i\ad,\33[31mkind\n1,2\n");
    REFUSE("ring.csv --column kind", "i?d, ?[31mkind");
    write_text("none.csv", "a\n");
    REFUSE("none.csv", "no label at all");
    shell("yes abcdefghijklmnopqrstuvwxyz | head -n 200000 | paste -sd, > wide.csv");
    REFUSE("wide.csv", "--column", "abcdefghijklmnopqrstuvwxyz, ...");
}

/* ---- long tails ---- */

static void tail_counts(const char *arguments, const uint64_t *wanted, uint32_t classes,
                        uint32_t **labels, size_t *count)
{
    uint64_t counts[16] = {0};
    struct loaded loaded = {0};

    load(&loaded, arguments);
    assert_int_equal(loaded.status, 0);
    for (size_t i = 0; i < loaded.kept.part->count; i++) {
        if (loaded.kept.part->labels[i] != NONE)
            counts[loaded.kept.part->labels[i]]++;
    }
    for (uint32_t c = 0; c < classes; c++)
        assert_int_equal(counts[c], wanted[c]);
    *labels = loaded.kept.part->labels;
    *count = loaded.kept.part->count;
}

static void long_tail(void **state)
{
    /* 1000 * 100^(-c/3), c = 0, 1, 2, 3 */
    static const uint64_t wanted[] = {1000, 215, 46, 10};
    static const uint64_t all[] = {1000, 1000, 1000, 1000};
    static char text[8001];
    uint32_t *one, *two, *other;
    size_t count;

    (void)state;
    for (int i = 0; i < 4000; i++)
        memcpy(text + i * 2, (const char[]){(char)('a' + i * 7 % 4), '\n'}, 2);
    write_text("flat", text);
    tail_counts("flat --long-tail 100", wanted, 4, &one, &count);
    assert_int_equal(count, 4000);
    tail_counts("flat --long-tail 100 --seed 0", wanted, 4, &two, &count);
    assert_memory_equal(one, two, 4000 * 4);
    tail_counts("flat --long-tail 100 --seed 1", wanted, 4, &other, &count);
    assert_memory_not_equal(one, other, 4000 * 4);
    free(one);
    tail_counts("flat --long-tail 1", all, 4, &one, &count);
    free(one);
    free(two);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),     cmocka_unit_test(pipes),     cmocka_unit_test(csv),
        cmocka_unit_test(idx_files), cmocka_unit_test(bad_files), cmocka_unit_test(cut_gz),
        cmocka_unit_test(bad_csv),   cmocka_unit_test(long_tail),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
