/*
 * `evendraw load`: files that are recognised as something else, the order of classes, and warnings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "loading.h"

static void binaries(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *what, *advice;
    } files[] = {
#define BYTES(text) text, sizeof(text) - 1
        {BYTES("PAR1\25\4\25"), "Parquet", "read_parquet"},
        {BYTES("ARROW1\0\0"), "Arrow", "read_feather"},
        {BYTES("FEA1...."), "Feather", "read_feather"},
        {BYTES("\377\377\377\377\10\0\0\0"), "Arrow stream", "datasets"},
        {BYTES("\x80\4\x95\x10"), "pickle", "numpy.save"},
        {BYTES("\x80\2}q"), "pickle", "numpy.save"},
        {BYTES("\x89HDF\r\n\32\n"), "HDF5", "h5py"},
        {BYTES("MATLAB 5.0 MAT-file"), "MATLAB", "loadmat"},
        {BYTES("BZh91AY"), "bzip2", "bzcat"},
        {BYTES("\xfd"
               "7zXZ\0"),
         "xz", "xzcat"},
        {BYTES("\x89PNG\r\n\32\n"), "image", "folder"},
        {BYTES("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "zip", "unpack"},
#undef BYTES
    };

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        write_file("file", files[i].bytes, files[i].len);
        REFUSE("file", files[i].what, files[i].advice);
        REFUSE("file -c label", files[i].what, files[i].advice);
    }
}

static void documents(void **state)
{
    (void)state;
    write_text("lfs.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n");
    REFUSE("lfs.csv", "git-LFS pointer", "git lfs pull");
    write_text("iris.arff", "% Iris\n%\n@RELATION iris\n@ATTRIBUTE a REAL\n@DATA\n5.1,setosa\n");
    REFUSE("iris.arff", "ARFF", "--no-header");
    write_text("x", "<?xml version=\"1.0\"?>\n<a/>\n");
    REFUSE("x", "XML");
    write_text("x.csv", "<!DOCTYPE html>\n<html>\n");
    REFUSE("x.csv", "HTML");
    write_text("j", "[{\"y\": 1}, {\"y\": 2}]\n");
    REFUSE("j", "JSON", "jq -c '.[]'");
    write_text("j", "{\n  \"y\": 1\n}\n");
    REFUSE("j", "JSON");
    write_text("p", "{cat}\n[dog]\n<unk>\n");
    expect("p", "<unk>|[dog]|{cat}|", LABELS(2, 1, 0));
}

/* What "one label a line" would make a class of each line of. */
static void rows(void **state)
{
    (void)state;
    write_text("lt.txt", "a/1.jpg 0\nb/2.jpg 0\nb/3.jpg 1\n");
    REFUSE("lt.txt", "paths and labels", "'a/1.jpg 0'", "-d blank --no-header -c -1");
    expect("lt.txt -d blank --no-header -c -1", "0|1|", LABELS(0, 0, 1));
    expect("lt.txt --format lines", "a/1.jpg 0|b/2.jpg 0|b/3.jpg 1|", LABELS(0, 1, 2));
    write_text("lt.txt", "0 1.jpg\n1 2.jpg\n");
    REFUSE("lt.txt", "labels and paths", "-d blank --no-header -c 1");
    write_text("iris.data", "5.1,3.5,Iris-setosa\n6.2,2.9,Iris-virginica\n\n");
    REFUSE("iris.data", "rows of CSV", "'5.1,3.5,Iris-setosa'", "--no-header");
    expect("iris.data --no-header -c -1", "Iris-setosa|Iris-virginica|", LABELS(0, 1));
    write_text("wine", "7;0.2;5\n8;0.3;6\n");
    REFUSE("wine", "-d ';'");
    write_text("t.txt", "id\ty\n1\ta\n");
    REFUSE("t.txt", "tabs", "--format tsv");
    write_text("n.txt", "1 0 5\n2 1 7\n");
    REFUSE("n.txt", "table of numbers", "-d blank");
    write_text("species", "Acer rubrum\nAcer negundo\nBetula nigra\n");
    expect("species", "Acer negundo|Acer rubrum|Betula nigra|", LABELS(1, 0, 2));
    write_text("dots", "1.0\nv1.2\nst. john\n");
    expect("dots", "1.0|st. john|v1.2|", LABELS(0, 2, 1));
    REFUSE("species --format lines -c 1", "no columns");
    REFUSE("species --format lines --no-header", "no table");
}

static void singles(void **state)
{
    struct loaded loaded = {0};

    (void)state;
    shell("seq 25 > names.txt && (echo 1; seq 20; seq 20) > twice.txt && seq 20 > few.txt");
    load(&loaded, "names.txt");
    assert_int_equal(loaded.status, 0);
    assert_non_null(strstr(loaded.err, "warning: names.txt: 25 of the 25 samples"));
    loaded_free(&loaded);
    memset(&loaded, 0, sizeof(loaded));
    load(&loaded, "names.txt --json");
    assert_non_null(strstr(loaded.out, "\"25 of the 25 samples"));
    loaded_free(&loaded);
    memset(&loaded, 0, sizeof(loaded));
    load(&loaded, "twice.txt");
    assert_string_equal(loaded.err, "");
    loaded_free(&loaded);
    memset(&loaded, 0, sizeof(loaded));
    load(&loaded, "few.txt");
    assert_string_equal(loaded.err, "");
    loaded_free(&loaded);
}

/* ---- the order of classes ---- */

static void orders(void **state)
{
    (void)state;
    write_text("y", "+1\n-1\n1\n1.0\n-1.00\n");
    expect("y", "-1|1|", LABELS(1, 0, 1, 1, 0));
    write_text("y", "10.0\n2.0\n1.0\n\nNaN\n");
    expect("y", "1|2|10|", LABELS(2, 1, 0, NONE, NONE));
    write_text("y", "18446744073709551616\n9223372036854775808\n9223372036854775807\n"
                    "-9223372036854775809\n");
    expect("y",
           "-9223372036854775809|9223372036854775807|9223372036854775808|18446744073709551616|",
           LABELS(3, 2, 1, 0));
    write_text("y", "007\n7\n10\n08\n7.0\n");
    expect("y", "007|7|08|10|", LABELS(0, 1, 3, 2, 1));
    write_text("y", "0\n00\n-7\n-007\n+00\n7.0\n+07\n");
    expect("y", "-007|-7|+00|0|00|+07|7|", LABELS(3, 4, 1, 0, 2, 6, 5));
    write_text("y", "10.50\n-2.25\n0.00010\n.00001\n12\n1.5e1\n");
    expect("y", "-2.25|.00001|0.0001|10.5|12|15|", LABELS(3, 0, 2, 1, 4, 5));
    write_text("y", "0.5\n10\n-0\n9\n.50\n0.0\n");
    expect("y", "0|0.5|9|10|", LABELS(1, 3, 0, 2, 1, 0));
    write_text("y", "1e3\n999\n1001\n1E+3\n");
    expect("y", "999|1000|1001|", LABELS(1, 0, 2, 1));
    write_text("y", "10\n9\na\n");
    expect("y", "10|9|a|", LABELS(0, 1, 2));
    write_text("y", "1.0\n0.0\n2\n");
    expect("y --class-names a,b,c", "a|b|c|", LABELS(1, 0, 2));
    write_text("y", "\xf0\x9f\x98\x80\n\xef\xbc\xa1\nz\n"); /* UTF-16 would turn these around */
    expect("y", "z|\xef\xbc\xa1|\xf0\x9f\x98\x80|", LABELS(2, 1, 0));
    shell("mkdir -p tree/10 tree/9 tree/NA && touch tree/10/a.png tree/9/b.png tree/NA/c.png");
    expect("tree", "10|9|NA|", LABELS(0, 1, 2)); /* as torchvision has it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binaries), cmocka_unit_test(documents), cmocka_unit_test(rows),
        cmocka_unit_test(singles),  cmocka_unit_test(orders),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
