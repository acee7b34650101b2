/* `evendraw load` of NumPy arrays: every width, byte order and version; labels for "none"; weights.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "loading.h"

/* An .npy as numpy.save writes it: the header is filled with blanks to a multiple of 64. */
static void write_npy_as(const char *name, int version, const char *header, const void *values,
                         size_t bytes)
{
    unsigned char file[4096] = "\x93NUMPY";
    size_t fixed = version == 1 ? 10 : 12, len = strlen(header);
    size_t end = (fixed + len + 1 + 63) / 64 * 64;

    file[6] = (unsigned char)version;
    file[8] = (unsigned char)(end - fixed);
    memset(file + fixed, ' ', end - fixed);
    memcpy(file + fixed, header, len);
    file[end - 1] = '\n';
    memcpy(file + end, values, bytes);
    write_file(name, file, end + bytes);
}

static void write_npy(const char *name, const char *type, size_t count, const void *values,
                      size_t bytes)
{
    char header[256];

    snprintf(header, sizeof(header), "{'descr': '%s', 'fortran_order': False, 'shape': (%zu,), }",
             type, count);
    write_npy_as(name, 1, header, values, bytes);
}

#define NPY(type, count, ...)                                                                      \
    write_npy("a.npy", type, count, (const unsigned char[]){__VA_ARGS__},                          \
              sizeof((unsigned char[]){__VA_ARGS__}))

static void widths(void **state)
{
    (void)state;
    NPY("|b1", 3, 1, 0, 1);
    expect("a.npy", "0|1|", LABELS(1, 0, 1));
    NPY("|u1", 3, 200, 3, 255);
    expect("a.npy", "3|200|255|", LABELS(1, 0, 2));
    NPY("|i1", 4, 5, 255, 7, 5);
    expect("a.npy", "-1|5|7|", LABELS(1, 0, 2, 1));
    NPY("<i2", 3, 1, 2, 255, 255, 0, 3);
    expect("a.npy", "-1|513|768|", LABELS(1, 0, 2));
    NPY(">u2", 3, 1, 2, 255, 255, 0, 3);
    expect("a.npy", "3|258|65535|", LABELS(1, 2, 0));
    NPY("<u4", 2, 1, 0, 0, 128, 2, 0, 0, 0);
    expect("a.npy", "2|2147483649|", LABELS(1, 0));
    NPY(">i4", 2, 0, 0, 0, 9, 0, 1, 0, 0);
    expect("a.npy", "9|65536|", LABELS(0, 1));
    NPY("<i8", 2, 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0);
    expect("a.npy", "7|4294967296|", LABELS(1, 0));
    NPY(">i8", 2, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 1, 0);
    expect("a.npy", "4|256|", LABELS(0, 1));
    NPY("<u8", 2, 255, 255, 255, 255, 255, 255, 255, 127, 1, 0, 0, 0, 0, 0, 0, 0);
    expect("a.npy", "1|9223372036854775807|", LABELS(1, 0));
}

static void versions(void **state)
{
    (void)state;
    for (int version = 1; version <= 3; version++) {
        write_npy_as("v", version, "{'descr': '|u1', 'fortran_order': True, 'shape': (2,), }",
                     "\5\4", 2);
        expect("v", "4|5|", LABELS(1, 0));
    }
    shell("gzip -kf v && mv v.gz v.npy.gz");
    expect("v.npy.gz --class-names a,b,c,d,e,f", "a|b|c|d|e|f|", LABELS(5, 4));
    expect("- < v", "4|5|", LABELS(1, 0));
}

static void no_label(void **state)
{
    struct loaded loaded = {0};

    (void)state;
    NPY("|i1", 4, 1, 255, 0, 255);
    load(&loaded, "a.npy");
    assert_int_equal(loaded.status, 0);
    assert_string_equal(loaded.kept.part->classes, "-1|0|1|");
    assert_non_null(strstr(loaded.out, "-1 is a class (--unlabelled=-1 if"));
    loaded_free(&loaded);
    memset(&loaded, 0, sizeof(loaded));
    load(&loaded, "a.npy --unlabelled=-1");
    assert_int_equal(loaded.status, 0);
    assert_non_null(strstr(loaded.out, "2 samples labelled '-1', taken as without a label"));
    loaded_free(&loaded);
    expect("a.npy --unlabelled=-1", "0|1|", LABELS(1, NONE, 0, NONE));
    expect("a.npy --unlabelled=-1.0", "0|1|", LABELS(1, NONE, 0, NONE));
    expect("a.npy --unlabelled=1", "-1|0|", LABELS(NONE, 0, 1, 0));
    expect("a.npy --unlabelled=9", "-1|0|1|", LABELS(2, 0, 1, 0));
    NPY("|i1", 3, 1, 255, 1);
    expect("a.npy", "-1|1|", LABELS(1, 0, 1));
    write_text("words", "cat\nNA\ndog\nnan\n\n");
    expect("words", "cat|dog|", LABELS(0, NONE, 1, NONE, NONE));
    expect("words --unlabelled=", "NA|cat|dog|nan|", LABELS(1, 0, 2, 3, NONE));
    expect("words --unlabelled dog", "cat|", LABELS(0, NONE, NONE, NONE, NONE));
    write_text("nothing", "NA\nNA\n");
    REFUSE("nothing", "no label at all");
}

static void floats(void **state)
{
    static const double whole[] = {0, 1, (double)NAN, -0.0, -3, 1e16};
    static const float narrow[] = {2, (float)NAN, 10};
    static const double share[] = {0, 0.25}, endless[] = {1, (double)INFINITY};

    (void)state;
    write_npy("a.npy", "<f8", 6, whole, sizeof(whole));
    expect("a.npy", "-3|0|1|10000000000000000|", LABELS(1, 2, NONE, 1, 0, 3));
    write_npy("a.npy", "<f4", 3, narrow, sizeof(narrow));
    expect("a.npy", "2|10|", LABELS(0, NONE, 1));
    /* 1, NaN, 2, -0, the smallest above 0 */
    NPY("<f2", 4, 0, 0x3c, 0, 0x7e, 0, 0x40, 0, 0x80);
    expect("a.npy", "0|1|2|", LABELS(1, NONE, 2, 0));
    NPY("<f2", 2, 0, 0x3c, 1, 0);
    REFUSE("a.npy", "sample 1 is 5.96046e-08");
    write_npy("a.npy", "<f8", 2, share, sizeof(share));
    REFUSE("a.npy", "sample 1 is 0.25, which is no class", "numpy.digitize", "argmax");
    write_npy("a.npy", "<f8", 2, endless, sizeof(endless));
    REFUSE("a.npy", "sample 1 is inf");
}

static void texts(void **state)
{
    (void)state;
    NPY("|S3", 3, 'd', 'o', 'g', 'c', 'a', 't', 'x', 0, 0);
    expect("a.npy", "cat|dog|x|", LABELS(1, 0, 2));
    NPY("<U2", 3, 'b', 0, 0, 0, 0xe9, 0, 0, 0, 'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    expect("a.npy", "a|b\xc3\xa9|", LABELS(1, 0, NONE));
    NPY(">U1", 2, 0, 1, 0xf6, 0x00, 0, 0, 0x20, 0xac);
    expect("a.npy", "\xe2\x82\xac|\xf0\x9f\x98\x80|", LABELS(1, 0));
    NPY("<U1", 1, 0, 0xd8, 0, 0);
    REFUSE("a.npy", "not UTF-8");
    NPY("<U1", 1, 0, 0, 0x11, 0);
    REFUSE("a.npy", "not UTF-8");
    NPY("|S2", 1, 0xe9, 0);
    REFUSE("a.npy", "not UTF-8");
    NPY("|S3", 1, 'a', 0, 'b');
    REFUSE("a.npy", "control character");
    NPY("|S0", 1, 0);
    REFUSE("a.npy", "or of none");
    NPY("<U99999", 1, 0);
    REFUSE("a.npy", "type <U99999");
}

static void tables(void **state)
{
    static const char two[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2), }";

    (void)state;
    write_npy_as("a.npy", 1, two, "\1\0\0\1\0\1", 6);
    REFUSE("a.npy", "2 values a sample", "array.argmax(axis=1)", "--column");
    expect("a.npy -c 1", "0|1|", LABELS(1, 0, 0));
    expect("a.npy -c -1", "0|1|", LABELS(0, 1, 1));
    REFUSE("a.npy -c 0", "no column '0'");
    write_npy_as("a.npy", 1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 1), }", "\7\3",
                 2);
    expect("a.npy", "3|7|", LABELS(1, 0));
    write_npy_as("a.npy", 1, "{'descr': '|u1', 'fortran_order': True, 'shape': (1, 2), }", "\7\3",
                 2);
    REFUSE("a.npy", "by columns", "argmax");
    write_npy_as("a.npy", 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 99999), }", "",
                 0);
    REFUSE("a.npy -c 1", "over 65536 bytes");
    write_npy_as("a.npy", 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 0), }", "", 0);
    REFUSE("a.npy", "shape (1, 0)");
    write_npy_as("a.npy", 1,
                 "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,), }", "",
                 0);
    REFUSE("a.npy", "shape");
}

static void bad_arrays(void **state)
{
    (void)state;
    NPY("|O", 1, 0);
    REFUSE("a.npy", "Python objects", "astype('str')");
    NPY("<c8", 1, 0, 0, 0, 0, 0, 0, 0, 0);
    REFUSE("a.npy", "type <c8:");
    NPY("|u1", 3, 1, 2);
    REFUSE("a.npy", "cut off");
    NPY("|u1", 1, 1, 2);
    REFUSE("a.npy", "longer than its header");
    NPY("|u1", 0, 0);
    REFUSE("a.npy", "longer than its header");
    write_npy_as("a.npy", 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 1), }",
                 "\1\1", 2);
    REFUSE("a.npy", "shape (2, 1, 1)");
    write_npy_as("a.npy", 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (), }", "\1", 1);
    REFUSE("a.npy", "shape ()");
    write_npy_as("a.npy", 1, "{'descr': [('a', '<i4')], 'shape': (1,), }", "\1\0\0\0", 4);
    REFUSE("a.npy", "several fields");
    write_npy_as("a.npy", 1, "{'shape': (1,), }", "\1\0\0\0", 4);
    REFUSE("a.npy", "header is damaged");
    write_npy_as("a.npy", 4, "{'descr': '|u1', 'shape': (1,), }", "\1", 1);
    REFUSE("a.npy", "header is damaged");
    write_file("a.npy", "\x93NUMPY\2\0\377\377\377\377", 12);
    REFUSE("a.npy", "header is damaged");
    write_file("a.npy",
               "\x93NUMPY\1\0\13\0"
               "{'descr':'<",
               21);
    REFUSE("a.npy", "header is damaged");
    write_file("a.npy", "\x93NUMPY\1", 7);
    REFUSE("a.npy", "cut off");
    write_text("a.npy", "cat\ndog\n");
    REFUSE("a.npy", "should be NPY");
    write_file("z.npz", "PK\3\4....", 8);
    REFUSE("z.npz", "zip", "numpy.save");
    write_text("z.npz", "cat\n");
    REFUSE("z.npz", "should be NPZ");
}

/* ---- weights ---- */

static void expect_weights(const char *arguments, const char *column, const double *weights,
                           size_t count)
{
    struct loaded loaded = {0};
    const struct kept_part *part = loaded.kept.part;

    load(&loaded, arguments);
    if (loaded.status != 0)
        fprintf(stderr, "%s: %s\n", arguments, loaded.err);
    assert_int_equal(loaded.status, 0);
    assert_true(part->committed);
    assert_string_equal(part->column, column);
    assert_int_equal(part->weight_count, count);
    assert_memory_equal(part->weights, weights, count * sizeof(*weights));
    loaded_free(&loaded);
}

#define WEIGHTS(...) (const double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / sizeof(double)

static void weights(void **state)
{
    static const double wide[] = {0.1, 2, 0};
    static const float narrow[] = {0.5, 2, 1e20f};
    static const unsigned char big[] = {0x3f, 0xf8, 0, 0, 0, 0, 0, 0};

    (void)state;
    write_text("y", "a\n\nb\n");
    write_text("w", "0.25\n1e3\n 7 \n");
    expect_weights("y --weights hard=w", "hard", WEIGHTS(0.25, 1000, 7));
    write_npy("w.npy", "<f8", 3, wide, sizeof(wide));
    expect_weights("y --weights w=w.npy", "w", WEIGHTS(0.1, 2, 0));
    write_npy("w.npy", "<f4", 3, narrow, sizeof(narrow));
    expect_weights("y --weights w=w.npy", "w", WEIGHTS(0.5, 2, 1e20f));
    write_npy("w.npy", "<f2", 3, "\0\x38\0\x40\1\0", 6);
    expect_weights("y --weights w=w.npy", "w", WEIGHTS(0.5, 2, 1.0 / (1 << 24)));
    write_npy("w.npy", "|u1", 3, "\1\2\3", 3);
    expect_weights("y --weights w=w.npy", "w", WEIGHTS(1, 2, 3));
    write_text("one", "a\n");
    write_npy("w.npy", ">f8", 1, big, sizeof(big));
    expect_weights("one --weights w=w.npy", "w", WEIGHTS(1.5));
    write_text("t.csv", "id,y,w\n1,a,0.5\n2,b,3\n");
    expect_weights("t.csv --column y --weight-column w", "w", WEIGHTS(0.5, 3));
    expect_weights("- --column y --weight-column hard=w < t.csv", "hard", WEIGHTS(0.5, 3));
}

static void bad_weights(void **state)
{
    (void)state;
    write_text("y", "a\n\nb\n");
    write_text("short", "1\n2\n");
    REFUSE("y --weights w=short", "2 weights for 3 samples");
    write_text("bad", "1\n-2\n3\n");
    REFUSE("y --weights w=bad", "bad, line 2", "weight -2", "not negative");
    write_text("bad", "1\nnan\n3\n");
    REFUSE("y --weights w=bad", "line 2", "finite");
    write_text("bad", "1\n\n3\n");
    REFUSE("y --weights w=bad", "line 2", "missing");
    write_text("bad", "1\n2x\n3\n");
    REFUSE("y --weights w=bad", "'2x' is not a number");
    REFUSE("y --weights w=none", "none", "No such file");
    REFUSE("y --weight-column w", "has no columns");
    write_text("t.csv", "id,y,w\n1,a,0.5\n2,b,\n");
    REFUSE("t.csv --column y --weight-column w", "line 3", "missing");
    REFUSE("t.csv --column y --weight-column v", "no column 'v'");
    NPY("|u1", 3, 1, 2, 3);
    shell("gzip -c a.npy > w.npy.gz && head -c -3 w.npy.gz > cut.npy.gz");
    expect("y --weights w=w.npy.gz", "a|b|", LABELS(0, NONE, 1));
    REFUSE("y --weights w=cut.npy.gz", "cut.npy.gz", "cut off");
    NPY("|S1", 3, '1', '2', '3');
    REFUSE("y --weights w=a.npy", "text", "astype('float64')");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths),     cmocka_unit_test(versions), cmocka_unit_test(no_label),
        cmocka_unit_test(floats),     cmocka_unit_test(texts),    cmocka_unit_test(tables),
        cmocka_unit_test(bad_arrays), cmocka_unit_test(weights),  cmocka_unit_test(bad_weights),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
