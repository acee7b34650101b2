/* `evendraw load` of tables: headers, columns, delimiters, quotes, one-hot columns, JSON lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "loading.h"

/* JSON without what is there for people to read it. */
static void compact(char *text)
{
    char *to = text;

    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\n')
            at += strspn(at + 1, " ");
        else
            *to++ = *at;
    }
    *to = '\0';
}

/* Loads it, and what it says holds all of these. */
static void expect_says(const char *arguments, bool out, const char *const *says)
{
    struct loaded loaded = {0};

    load(&loaded, arguments);
    if (loaded.status != 0)
        fprintf(stderr, "%s: %s\n", arguments, loaded.err);
    assert_int_equal(loaded.status, 0);
    compact(loaded.out);
    for (; *says != NULL; says++) {
        const char *text = out ? loaded.out : loaded.err;

        if (strstr(text, *says) == NULL)
            fprintf(stderr, "%s: no \"%s\" in: %s\n", arguments, *says, text);
        assert_non_null(strstr(text, *says));
    }
    loaded_free(&loaded);
}

#define SAYS(args, ...)  expect_says(args, false, (const char *const[]){__VA_ARGS__, NULL})
#define JSONS(args, ...) expect_says(args, true, (const char *const[]){__VA_ARGS__, NULL})

/* ---- headers and columns ---- */

static void headers(void **state)
{
    (void)state;
    write_text("h.csv", "id,kind\n1,cat\n2,dog\n3,cat\n");
    SAYS("h.csv -c kind", "h.csv, line 1: is taken as the header: id, kind (--no-header",
         "h.csv: the labels are in column 2 of 2, 'kind'");
    JSONS("h.csv -c kind --json", "\"header\": [\"id\",\"kind\"]", "\"column\": 2",
          "\"column_name\": \"kind\"", "\"format\": \"csv\"");
    JSONS("h.csv -c kind --split a=0.5,b=0.5 --json", "\"datasets\": [",
          "\"header\": [\"id\",\"kind\"]");
    expect("h.csv -c 2", "cat|dog|", LABELS(0, 1, 0));
    expect("h.csv -c -1", "cat|dog|", LABELS(0, 1, 0));
    expect("h.csv -c -2", "1|2|3|", LABELS(0, 1, 2));
    expect("h.csv --no-header -c 2", "cat|dog|kind|", LABELS(2, 0, 1, 0));
    JSONS("h.csv --no-header -c 2 --json", "\"header\": null", "\"column\": 2");
    REFUSE("h.csv -c 0", "no column '0'");
    REFUSE("h.csv -c 3", "no column '3'", "id, kind");
    REFUSE("h.csv -c -3", "no column '-3'");
    REFUSE("h.csv --no-header -c kind", "no column 'kind'", "numbers");
    REFUSE("h.csv --no-header", "has 2 columns", "--column", "by its number");
    write_text("n.csv", "2,1\n7,8\n");
    expect("n.csv -c 2", "7|", LABELS(0)); /* a name goes before a number */
    expect("n.csv -c 2 --no-header", "1|8|", LABELS(0, 1));
    write_text("one.txt", "cat\ndog\n");
    expect("one.txt --no-header", "cat|dog|", LABELS(0, 1));
    write_text("w.csv", "1.jpg,cat,0.5\n2.jpg,dog,2\n");
    expect("w.csv --no-header -c 2 --weight-column w=3", "cat|dog|", LABELS(0, 1));
}

/* A header that looks like a sample is one that was lost. */
static void lost_header(void **state)
{
    (void)state;
    write_text("l.csv", "1.jpg,cat\n2.jpg,dog\n3.jpg,cat\n");
    SAYS("l.csv -c 2", "warning", "'cat'", "--no-header");
    JSONS("l.csv -c 2 --json", "\"warnings\": [", "--no-header");
    write_text("l.csv", "1.jpg,3\n2.jpg,1\n3.jpg,0\n");
    SAYS("l.csv -c -1", "warning", "'3'", "--no-header");
}

static void short_headers(void **state)
{
    (void)state;
    /* As ChestX-ray14's: a delimiter behind the last name. */
    write_text("c.csv", "Image Index,Finding,Size[x,y],\n1.png,Hernia,5\n2.png,No,6\n");
    REFUSE("c.csv -c Finding", "line 2", "cells (3)", "(5)");
    write_text("c.csv", "Image Index,Finding,Size,\n1.png,Hernia,5\n2.png,No,6\n");
    expect("c.csv -c Finding", "Hernia|No|", LABELS(0, 1));
    expect("c.csv -c -2", "Hernia|No|", LABELS(0, 1));
    expect("c.csv -c -1", "5|6|", LABELS(0, 1));
    write_text("c.csv", "Image Index,Finding,Size,\n1.png,Hernia,5,\n2.png,No,6,\n");
    expect("c.csv -c -1", "5|6|", LABELS(0, 1));
    write_text("c.csv", "a,b,\n1,2\n3,4,\n");
    REFUSE("c.csv -c b", "line 3", "cells (3)");
    write_text("c.csv", "a,b,c\n1,2\n");
    REFUSE("c.csv -c b", "line 2", "cells (2)", "(3)");
}

/* ---- blanks ---- */

static void blanks(void **state)
{
    (void)state;
    write_text("l.txt", "a/1.jpg 0\nb/2.jpg \t 10\r\nb/3.jpg 2 \n");
    expect("l.txt -d blank --no-header -c -1", "0|2|10|", LABELS(0, 2, 1));
    expect("l.txt -d blank --no-header -c 2", "0|2|10|", LABELS(0, 2, 1));
    write_text("l.txt", "a/1.jpg 0\nb/2 x.jpg 1\n");
    REFUSE("l.txt -d blank --no-header -c -1", "line 2", "cells (3)", "first line (2)");
    write_text("t.txt", "id  y\n1   a\n\n2   b\n");
    expect("t.txt -d blank -c y", "a|b|", LABELS(0, 1));
    write_text("n.txt", "3\n5\n3\n");
    expect("n.txt -d blank --no-header", "3|5|", LABELS(0, 1, 0));
    expect("n.txt -d blank", "3|5|", LABELS(1, 0));
    write_text("n.txt", "3\n");
    expect("n.txt -d blank --no-header", "3|", LABELS(0));
}

/* CelebA's list_attr_celeba.txt and the like. */
static void counted(void **state)
{
    (void)state;
    write_text("celeba", "3\nBald Male \n1.jpg -1  1\n2.jpg  1  1\n3.jpg -1 -1\n");
    expect("celeba -d blank -c Bald", "-1|1|", LABELS(0, 1, 0));
    expect("celeba -d blank -c Male", "-1|1|", LABELS(1, 1, 0));
    expect("celeba -d blank -c 3", "-1|1|", LABELS(1, 1, 0));
    expect("celeba -d blank -c -1", "-1|1|", LABELS(1, 1, 0));
    SAYS("celeba -d blank -c Male", "line 1: '3' is taken as the number of rows",
         "line 2: is taken as the header: Bald, Male", "column 3 of 3, 'Male'");
    REFUSE("celeba", "number of rows in front", "-d blank");
    write_text("celeba", "4\nBald Male\n1.jpg -1 1\n2.jpg 1 1\n");
    REFUSE("celeba -d blank -c Bald", "says in its first line that it has 4 rows", "has 2");
    write_text("celeba", "2\n1.jpg 7\n2.jpg 8\n");
    expect("celeba -d blank --no-header -c 2", "7|8|", LABELS(0, 1));
}

/* ---- quotes ---- */

static void quotes(void **state)
{
    (void)state;
    /* As in GLUE's: a quote that opens a text, and another rows below. */
    write_text("g.tsv", "text\ty\n\"It began\t1\nno end\"\t0\nmore\t1\n");
    REFUSE("g.tsv -c y", "line 2", "--quote none", "--quote double");
    expect("g.tsv -c y --quote none", "0|1|", LABELS(1, 0, 1));
    write_text("g.tsv", "id\ttext\ty\n1\t\"It\t1\n2\tends\"\t0\n");
    REFUSE("g.tsv -c y", "line 2", "--quote none");
    expect("g.tsv -c y --quote double", "0|", LABELS(0)); /* never, if it is not asked for */
    expect("g.tsv -c y --quote none", "0|1|", LABELS(1, 0));
    write_text("d.csv", "id,what\n1,5\" disk\n2,cat\n");
    REFUSE("d.csv -c what", "line 2", "--quote none");
    expect("d.csv -c what --quote none", "5\" disk|cat|", LABELS(0, 1));
    write_text("d.csv", "id,what\n1,\"cat\n2,dog\n");
    REFUSE("d.csv -c what", "not closed", "--quote none");
    /* RFC 4180: line ends, delimiters and quotes in cells. */
    write_text("r.csv", "id,\"what\"\r\n1,\"a \"\"b\"\"\"\r\n2,\"c, d\"\r\n3,\"two\r\nlines\"\r\n");
    expect("r.csv -c id", "1|2|3|", LABELS(0, 1, 2));
    write_text("r.csv", "id,\"what\"\r\n1,\"a \"\"b\"\"\"\r\n2,\"c, d\"\r\n");
    expect("r.csv -c what", "a \"b\"|c, d|", LABELS(0, 1));
    /* Lines that are no rows by themselves leave no doubt. */
    write_text("r.csv", "id,text,y\n1,\"one, and\ntwo\",a\n2,\"x\ny\",b\n");
    expect("r.csv -c y", "a|b|", LABELS(0, 1));
    write_text("q.csv", "id;y\n1; a\n2;\"b\"\n");
    expect("q.csv -c y -d ';' --quote none", "\"b\"|a|", LABELS(1, 0));
}

/* ---- one-hot ---- */

static void one_hot(void **state)
{
    (void)state;
    /* As ISIC 2019's, with a class that no sample has. */
    write_text("i.csv", "image,NV,MEL,UNK\nA,0.0,1.0,0.0\nB,1.0,0.0,0.0\nC,0,1,0\n");
    expect("i.csv --one-hot all", "NV|MEL|UNK|", LABELS(1, 0, 1));
    expect("i.csv --one-hot MEL,NV", "MEL|NV|", LABELS(0, 1, 0));
    expect("i.csv --one-hot 3,2", "MEL|NV|", LABELS(0, 1, 0));
    SAYS("i.csv --one-hot all", "line 1: is taken as the header");
    JSONS("i.csv --one-hot all", "3 classes (in the order of their columns)");
    write_text("s.csv", "image,where,NV,MEL\nA,arm,0,1\nB,leg,1,0\n");
    expect("s.csv --one-hot all", "NV|MEL|", LABELS(1, 0));
    write_text("x.csv", "A,0,1\nB,1,0\n");
    expect("x.csv --no-header --one-hot all", "2|3|", LABELS(1, 0));
    write_text("i.csv", "image,NV,MEL\nA,0,1\nB,0,0\n");
    REFUSE("i.csv --one-hot all", "line 3", "of no class");
    write_text("i.csv", "image,NV,MEL\nA,0,1\nB,1,1\n");
    REFUSE("i.csv --one-hot all", "line 3", "several classes", "'NV' and 'MEL'");
    write_text("i.csv", "image,NV,MEL\nA,0,1\nB,0.5,0.5\n");
    REFUSE("i.csv --one-hot all", "line 3", "'0.5' in column 'NV'", "0 or 1");
    REFUSE("i.csv --one-hot NV,BCC", "no column 'BCC'");
    REFUSE("i.csv --one-hot NV,NV", "twice");
    REFUSE("i.csv --one-hot NV", "two columns");
    write_text("i.csv", "image,NV,NV\nA,0,1\n");
    REFUSE("i.csv --one-hot all", "two columns called 'NV'");
}

/* ---- JSON lines, libsvm ---- */

static void json_lines(void **state)
{
    (void)state;
    write_text("j.jsonl",
               "{\"text\": \"a\", \"label\": 10}\n{\"text\": \"b\", \"label\": 9.0}\r\n\n"
               "{\"label\": null}\n{\"label\": \"9\"}");
    expect("j.jsonl -c label", "9|10|", LABELS(1, 0, NONE, 0));
    expect("- -c label < j.jsonl", "9|10|", LABELS(1, 0, NONE, 0));
    REFUSE("j.jsonl", "line 1", "--column", "text, label");
    REFUSE("j.jsonl -c kind", "line 1", "no field 'kind'", "text, label");
    write_text("j.jsonl", "{\"y\": true}\n{\"y\": false}\n{\"y\": 0.1}\n");
    expect("j.jsonl -c y", "0.1|false|true|", LABELS(2, 1, 0));
    write_text("j.jsonl", "{\"y\": \"cat\"}\n{\"y\": [1]}\n");
    REFUSE("j.jsonl -c y", "line 2", "a list or an object");
    write_text("j.jsonl", "{\"y\": \"cat\"}\n{\"y\": \"do\n");
    REFUSE("j.jsonl -c y", "line 2", "no JSON object");
    write_text("j.jsonl", "{\"y\": 1, \"y\": 2}\n");
    REFUSE("j.jsonl -c y", "line 1", "duplicate");
    write_text("j.jsonl", "{\"y\": 1}\n[1]\n");
    REFUSE("j.jsonl -c y", "line 2", "a JSON list");
}

static void libsvm(void **state)
{
    (void)state;
    write_text("a9a", "-1 3:1 11:0.5 \n+1 5:1 7:-1e-3 # note\n-1 \n# comment\n+1 qid:3 1:1\n");
    expect("a9a", "-1|1|", LABELS(0, 1, 0, 1));
    write_text("a9a", "1,2 3:1\n");
    REFUSE("a9a", "line 1", "several labels");
    write_text("a9a", "1 3:1\n3:1\n");
    REFUSE("a9a --format libsvm", "line 2", "begins with a feature");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers), cmocka_unit_test(lost_header), cmocka_unit_test(short_headers),
        cmocka_unit_test(blanks),  cmocka_unit_test(counted),     cmocka_unit_test(quotes),
        cmocka_unit_test(one_hot), cmocka_unit_test(json_lines),  cmocka_unit_test(libsvm),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
