/* `evendraw load --split`: exact counts, disjoint parts, the same for the same seed; all or none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/cli/split.h"
#include "client/lib/folds.h"
#include "loading.h"

/* Loads; part p must have wanted[p][c] samples of class c, and no sample may be in two parts. */
static void split(struct loaded *loaded, const char *arguments, uint32_t parts,
                  const uint32_t wanted[][4])
{
    const struct kept *kept = &loaded->kept;

    memset(loaded, 0, sizeof(*loaded));
    load(loaded, arguments);
    if (loaded->status != 0)
        fprintf(stderr, "%s: %s\n", arguments, loaded->err);
    assert_int_equal(loaded->status, 0);
    assert_int_equal(kept->drafts, parts);
    for (uint32_t p = 0; p < parts; p++) {
        uint32_t counts[4] = {0};
        assert_true(kept->part[p].committed);
        assert_int_equal(kept->part[p].count, kept->part[0].count);
        for (size_t i = 0; i < kept->part[p].count; i++) {
            uint32_t label = kept->part[p].labels[i];
            if (label == NONE)
                continue;
            counts[label]++;
            for (uint32_t q = 0; q < p; q++)
                assert_int_equal(kept->part[q].labels[i], NONE);
        }
        assert_memory_equal(counts, wanted[p], sizeof(counts));
    }
}

/* counts[c] samples of class 'a' + c, mixed, and ten without a label. */
static void write_classes(const char *name, const uint32_t counts[4])
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    for (uint32_t i = 0; i < counts[0]; i++) { /* class 0 is the largest */
        for (uint32_t c = 0; c < 4; c++) {
            if (i < counts[c])
                fprintf(file, "%c\n", 'a' + (int)c);
        }
    }
    fputs("\n\n\n\n\n\n\n\n\n\n", file);
    fclose(file);
}

/* ---- counts ---- */

static void stratified(void **state)
{
    static const uint32_t counts[4] = {1000, 100, 10, 1};
    static const uint32_t wanted[][4] = {{800, 80, 8, 1}, {100, 10, 1, 0}, {50, 5, 1, 0}};
    static const uint32_t halves[][4] = {{500, 50, 5, 1}, {500, 50, 5, 0}};
    struct loaded loaded;

    (void)state;
    write_classes("y", counts);
    split(&loaded, "y --split train=0.8,val=0.1,test=0.05 --stratify", 3, wanted);
    assert_string_equal(loaded.kept.part[0].name, "d-train");
    assert_string_equal(loaded.kept.part[2].name, "d-test");
    assert_string_equal(loaded.kept.part[2].classes, "a|b|c|d|");
    assert_int_equal(loaded.kept.part[2].count, 1121);
    assert_non_null(strstr(loaded.out, "d: 1,121 samples, 4 classes"));
    assert_non_null(strstr(loaded.out, "d-test, version 7: 56 samples with a label, none of 1 "
                                       "class\n"));
    assert_non_null(strstr(loaded.out, "55 samples with a label are in no part"));
    loaded_free(&loaded);
    split(&loaded, "y --split a=0.5,b=0.5 --stratify", 2, halves);
    loaded_free(&loaded);
}

static void plain(void **state)
{
    static const uint32_t counts[4] = {1000, 100, 10, 1};
    struct loaded loaded = {0};
    uint32_t labelled[3] = {0};

    (void)state;
    write_classes("y", counts);
    load(&loaded, "y --split train=0.8,val=0.1,test=0.05");
    assert_int_equal(loaded.status, 0);
    for (int p = 0; p < 3; p++) {
        for (size_t i = 0; i < loaded.kept.part[p].count; i++)
            labelled[p] += loaded.kept.part[p].labels[i] != NONE;
    }
    /* 888.8, 111.1, 55.55 and 55.55 in none, of 1111 */
    assert_int_equal(labelled[0], 889);
    assert_int_equal(labelled[1], 111);
    assert_int_equal(labelled[2], 56);
    loaded_free(&loaded);
}

static void with_long_tail(void **state)
{
    static const uint32_t counts[4] = {100, 100, 100, 100};
    static const uint32_t wanted[][4] = {{50, 11, 3, 1}, {50, 11, 2, 0}};
    struct loaded one, two, other;

    (void)state;
    write_classes("flat", counts);
    split(&one, "flat --long-tail 100 --split a=0.5,b=0.5 --stratify --seed 5", 2, wanted);
    split(&two, "flat --long-tail 100 --split a=0.5,b=0.5 --stratify --seed 5", 2, wanted);
    split(&other, "flat --long-tail 100 --split a=0.5,b=0.5 --stratify --seed 6", 2, wanted);
    for (int p = 0; p < 2; p++) {
        assert_memory_equal(one.kept.part[p].labels, two.kept.part[p].labels, 410 * 4);
        assert_memory_not_equal(one.kept.part[p].labels, other.kept.part[p].labels, 410 * 4);
    }
    loaded_free(&one);
    loaded_free(&two);
    loaded_free(&other);
}

static void with_weights(void **state)
{
    static const uint32_t counts[4] = {20, 10, 5, 5};
    struct loaded loaded = {0};

    (void)state;
    write_classes("y", counts);
    shell("seq 50 > w");
    load(&loaded, "y --split a=0.5,b=0.25 --weights w=w --json");
    assert_int_equal(loaded.status, 0);
    assert_non_null(strstr(loaded.out, "\"datasets\": ["));
    for (int p = 0; p < 2; p++) {
        assert_int_equal(loaded.kept.part[p].weight_count, 50);
        assert_true(loaded.kept.part[p].weights[49] == 50);
    }
    loaded_free(&loaded);
}

/* ---- folds ---- */

/* Samples of class c in a dataset. */
static uint32_t count_of(const struct kept_part *part, uint32_t c)
{
    uint32_t n = 0;

    for (size_t i = 0; i < part->count; i++)
        n += part->labels[i] == c;
    return n;
}

/* A fold and its rest: each sample with a label is in one of them. */
static void complement(const struct kept_part *fold, const struct kept_part *rest,
                       const struct kept_part *other)
{
    assert_int_equal(fold->count, rest->count);
    for (size_t i = 0; i < fold->count; i++) {
        assert_true(fold->labels[i] == NONE || rest->labels[i] == NONE);
        if (other->labels[i] != NONE)
            assert_int_equal(rest->labels[i], other->labels[i]);
    }
}

static void folds(void **state)
{
    static const uint32_t counts[4] = {1000, 100, 12, 2};
    struct loaded loaded = {0};
    const struct kept_part *part = loaded.kept.part;

    (void)state;
    write_classes("y", counts);
    load(&loaded, "y --folds 5");
    assert_int_equal(loaded.status, 0);
    assert_int_equal(loaded.kept.drafts, 10);
    assert_string_equal(part[0].name, "d-fold0");
    assert_string_equal(part[1].name, "d-rest0");
    assert_string_equal(part[9].name, "d-rest4");
    for (uint32_t f = 0; f < 5; f++) {
        uint32_t all = 0;
        complement(&part[2 * f], &part[2 * f + 1], &part[(2 * f + 2) % 10]);
        for (uint32_t c = 0; c < 4; c++) {
            uint32_t n = count_of(&part[2 * f], c);
            assert_in_range(n, counts[c] / 5, (counts[c] + 4) / 5);
            assert_int_equal(n + count_of(&part[2 * f + 1], c), counts[c]);
            all += n;
        }
        assert_in_range(all, 1114 / 5, 1114 / 5 + 1);
    }
    assert_non_null(strstr(loaded.out, "d-rest4, version 7: 892 samples with a label"));
    loaded_free(&loaded);
    write_text("few", "a\na\nb\n");
    REFUSE("few --folds 4", "part 'fold3' would be empty", "take fewer folds");
}

/* The shares of 32 parts, and no sample twice. */
static void many_parts(void **state)
{
    static const uint32_t counts[4] = {640, 64, 32, 32};
    struct loaded loaded = {0};
    char arguments[512] = "y --stratify --split ";

    (void)state;
    write_classes("y", counts);
    for (int p = 0; p < 32; p++)
        snprintf(arguments + strlen(arguments), 16, "%sp%d=0.03125", p ? "," : "", p);
    load(&loaded, arguments);
    assert_int_equal(loaded.status, 0);
    assert_int_equal(loaded.kept.drafts, 32);
    for (int p = 0; p < 32; p++) {
        assert_int_equal(count_of(&loaded.kept.part[p], 0), 20);
        assert_int_equal(count_of(&loaded.kept.part[p], 1), 2);
        assert_int_equal(count_of(&loaded.kept.part[p], 2), 1);
    }
    loaded_free(&loaded);
}

/* ---- groups ---- */

/* 40 patients of 1 to 7 scans; the last ten rows have no label, and no patient either. */
static void write_patients(void)
{
    shell("for p in $(seq 40); do for s in $(seq $((p %% 7 + 1))); do "
          "echo $p,$(( (p + s * p) %% 3 )),x; done; done > rows; "
          "{ echo patient,y,rest; cat rows; for i in $(seq 10); do echo ,,x; done; } > t.csv");
}

/* The patients of row i. */
static void read_patients(uint32_t *patient, size_t count)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/rows", folder);
    file = fopen(path, "r");
    assert_non_null(file);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(fscanf(file, "%u,%*[^\n]", &patient[i]), 1);
    fclose(file);
}

static void groups_in_one_part(const char *arguments, uint32_t datasets, uint32_t step)
{
    struct loaded loaded = {0};
    uint32_t patient[300], part_of[41];
    size_t rows;

    load(&loaded, arguments);
    if (loaded.status != 0)
        fprintf(stderr, "%s\n", loaded.err);
    assert_int_equal(loaded.status, 0);
    assert_int_equal(loaded.kept.drafts, datasets);
    assert_non_null(strstr(loaded.out, "40 groups, each in one part"));
    rows = loaded.kept.part[0].count - 10;
    read_patients(patient, rows);
    memset(part_of, 0xff, sizeof(part_of));
    for (size_t i = 0; i < rows; i++) {
        uint32_t found = NONE;
        for (uint32_t d = 0; d < datasets; d += step) {
            if (loaded.kept.part[d].labels[i] == NONE)
                continue;
            assert_int_equal(found, NONE);
            found = d;
        }
        assert_true(part_of[patient[i]] == NONE || part_of[patient[i]] == found);
        part_of[patient[i]] = found;
    }
    loaded_free(&loaded);
}

/* Each group of two rows is a fold's part by itself. */
static void groups_of(const char *line, uint32_t folds)
{
    struct loaded loaded = {0};

    load(&loaded, line);
    assert_int_equal(loaded.status, 0);
    for (uint32_t d = 0; d < 2 * folds; d += 2) {
        uint32_t rows = 0;

        for (uint32_t i = 0; i < 2 * folds; i++)
            rows += loaded.kept.part[d].labels[i] != NONE;
        assert_int_equal(rows, 2);
    }
    loaded_free(&loaded);
}

static void groups(void **state)
{
    (void)state;
    write_patients();
    groups_in_one_part("t.csv -c y --folds 4 --group patient", 8, 2);
    groups_in_one_part("t.csv -c y --split train=0.7,val=0.3 --group patient", 2, 1);
    REFUSE("t.csv -c y --folds 4 --group scan", "has no column 'scan'", "patient, y, rest");
    REFUSE("rows -f lines --folds 4 --group patient", "has no columns");
    write_text("u.jsonl", "{\"y\": \"a\", \"g\": 1}\n{\"y\": \"b\", \"g\": 2}\n");
    REFUSE("u.jsonl -c y --folds 2 --group g", "has no columns for --group");
    /* Whatever is between the cells, and by number. */
    write_text("u.txt", "1 a\n1 b\n2 a\n2 b\n3 a\n3 b\n");
    groups_of("u.txt --no-header -d blank -c 2 --folds 3 --group 1", 3);
    write_text("u.csv", "patient,y\n1,a\n,b\n");
    REFUSE("u.csv -c y --folds 2 --group patient", "line 3", "a label and no group");
    write_text("u.csv", "patient,y\n1,a\n1,b\n");
    REFUSE("u.csv -c y --folds 2 --group patient", "a group is in one part only",
           "take fewer folds");
}

/* ---- refusals ---- */

static void all_or_none(void **state)
{
    static const uint32_t counts[4] = {20, 10, 5, 5};
    struct loaded loaded = {.kept.refuse_commit = 3};

    (void)state;
    write_classes("y", counts);
    load(&loaded, "y --split a=0.5,b=0.25,c=0.25");
    assert_int_equal(loaded.status, 1);
    assert_non_null(strstr(loaded.err, "the disk is full"));
    for (int p = 0; p < 2; p++)
        assert_true(loaded.kept.part[p].committed && loaded.kept.part[p].dropped);
    assert_false(loaded.kept.part[2].committed);
    loaded_free(&loaded);
    REFUSE("y --split a=0.99,b=0.01", "part 'b' would be empty");
    REFUSE("y --split a=0.9,b=0.02 --stratify", "part 'b' would be empty", "--stratify");
}

static void usage(const char *arguments, const char *says)
{
    struct loaded loaded = {0};

    load(&loaded, arguments);
    if (loaded.status != 2 || strstr(loaded.err, says) == NULL)
        fprintf(stderr, "%s: status %d: %s\n", arguments, loaded.status, loaded.err);
    assert_int_equal(loaded.status, 2);
    assert_non_null(strstr(loaded.err, says));
    loaded_free(&loaded);
}

static void bad_splits(void **state)
{
    (void)state;
    write_text("y", "a\nb\n");
    usage("y --split a=0.6,b=0.5", "sum to more than 1");
    usage("y --split a=0.5,a=0.5", "same name");
    usage("y --split a=0", "a share is a number");
    usage("y --split a=1.5", "a share is a number");
    usage("y --split a=x", "a share is a number");
    usage("y --split train", "NAME=SHARE");
    usage("y --split =0.5", "NAME=SHARE");
    usage("y --split ''", "name the parts");
    usage("y --split $(seq -f p%g=0.01 -s , 33)", "at most 32");
    usage("y --stratify", "--stratify is for --split");
    usage("y --folds 1", "--folds");
    usage("y --folds 33", "--folds");
    usage("y --folds 2 --split a=0.5", "--split or --folds");
    usage("y --split a=0.5 --folds 2", "--split or --folds");
    usage("y --group g", "--group is for --split and --folds");
    usage("y --folds 2 --group g --long-tail 10", "do not go together");
}

/* ---- chance ---- */

/* Every sample is as likely as every other to be in a part, and so is every pair. */
static void even(void **state)
{
    enum { N = 12, SEEDS = 20000 };
    static unsigned met[2][N], pairs[N][N];
    struct split shares = {.count = 2, .parts = {{"a", 500000000}, {"b", 250000000}}};
    unsigned lone = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint64_t need[3];
        bool first[N] = {false};

        split_counts(&shares, 0, N, need);
        for (uint64_t i = 0; i < N; i++) {
            int p = folds_pick(need, 2, seed, i);
            if (p >= 0)
                met[p][i]++;
            first[i] = p == 0;
            for (uint64_t j = 0; j < i; j++)
                pairs[i][j] += first[i] && first[j];
        }
        lone += need[1] + need[2] > 0;
    }
    assert_int_equal(lone, 0);
    for (int i = 0; i < N; i++) { /* 5 standard deviations */
        assert_in_range(met[0][i], 10000 - 354, 10000 + 354);
        assert_in_range(met[1][i], 5000 - 307, 5000 + 307);
        for (int j = 0; j < i; j++) /* 6/12 * 5/11 of 20000 */
            assert_in_range(pairs[i][j], 4545 - 297, 4545 + 297);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stratified),     cmocka_unit_test(plain),
        cmocka_unit_test(with_long_tail), cmocka_unit_test(with_weights),
        cmocka_unit_test(folds),          cmocka_unit_test(many_parts),
        cmocka_unit_test(groups),         cmocka_unit_test(all_or_none),
        cmocka_unit_test(bad_splits),     cmocka_unit_test(even),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
