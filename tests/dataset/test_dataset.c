/* Building datasets, what they answer, and what the builder refuses. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dataset/dataset.h"

static struct evd_str str(const char *text)
{
    return (struct evd_str){text, (uint32_t)strlen(text)};
}

static void add_class(struct dataset_builder *b, const char *name)
{
    struct evd_error err;

    assert_int_equal(dataset_builder_class(b, str(name), &err), EVD_OK);
}

/* Classes named c0, c1, ... */
static struct dataset_builder *builder_with(uint32_t classes)
{
    struct dataset_builder *b = dataset_builder_new();
    char name[16];

    assert_non_null(b);
    for (uint32_t c = 0; c < classes; c++) {
        snprintf(name, sizeof(name), "c%u", c);
        add_class(b, name);
    }
    return b;
}

static void add_labels(struct dataset_builder *b, const uint32_t *labels, size_t n)
{
    struct evd_error err;

    if (dataset_builder_labels(b, labels, n, &err) != EVD_OK)
        fail_msg("%s", err.message);
}

static struct dataset *build(struct dataset_builder *b)
{
    struct dataset *dataset;
    struct evd_error err;

    if (dataset_build(b, NULL, &dataset, &err) != EVD_OK)
        fail_msg("%s", err.message);
    return dataset;
}

static void members_are_in_order(void **state)
{
    const uint32_t labels[] = {2, 0, EVD_UNLABELLED, 2, 0, 0};
    const uint32_t members[] = {1, 4, 5, 0, 3};
    struct dataset_builder *b = builder_with(4); /* classes 1 and 3 are empty */
    struct dataset *d;

    (void)state;
    add_labels(b, labels, 6);
    assert_int_equal(dataset_builder_samples(b), 6);
    assert_int_equal(dataset_builder_classes(b), 4);
    d = build(b);
    assert_int_equal(d->index.samples, 6);
    assert_int_equal(d->index.labelled, 5);
    assert_int_equal(d->index.classes, 4);
    assert_null(d->index.first);
    assert_null(d->index.member64);
    assert_memory_equal(d->index.member32, members, sizeof(members));
    assert_int_equal(dataset_class_count(d, 0), 3);
    assert_int_equal(dataset_class_count(d, 1), 0);
    assert_int_equal(dataset_class_count(d, 2), 2);
    assert_int_equal(dataset_class_count(d, 3), 0);
    for (uint64_t i = 0; i < 6; i++)
        assert_int_equal(dataset_label(d, i), labels[i]);
    dataset_free(d);
}

/* Grouped by class, in any order of classes and with gaps between them: no member table. */
static void runs_need_no_member_table(void **state)
{
    const uint32_t labels[] = {2, 2, EVD_UNLABELLED, 0, 0, 0, EVD_UNLABELLED};
    struct dataset_builder *b = builder_with(3);
    struct dataset *d;

    (void)state;
    add_labels(b, labels, 7);
    d = build(b);
    assert_non_null(d->index.first);
    assert_null(d->index.member32);
    assert_int_equal(d->index.first[0], 3);
    assert_int_equal(d->index.first[2], 0);
    assert_int_equal(dataset_class_count(d, 0), 3);
    dataset_free(d);

    /* A class cut in two by an unlabelled sample is no run. */
    const uint32_t cut[] = {0, EVD_UNLABELLED, 0};
    b = builder_with(1);
    add_labels(b, cut, 3);
    d = build(b);
    assert_null(d->index.first);
    assert_int_equal(d->index.member32[1], 2);
    dataset_free(d);
}

/* Labels are kept in 1, 2 or 4 bytes and widened as classes are added. */
static void labels_widen_with_the_classes(void **state)
{
    const uint32_t steps[] = {255, 256, 65535, 65536, 70000};
    const uint8_t widths[] = {1, 2, 2, 4, 4};
    struct dataset_builder *b;
    struct dataset *d;
    char name[16];

    (void)state;
    for (size_t last = 0; last < 5; last++) {
        uint32_t classes = 0;
        b = dataset_builder_new();
        for (size_t s = 0; s <= last; s++) {
            for (; classes < steps[s]; classes++) {
                snprintf(name, sizeof(name), "c%u", classes);
                add_class(b, name);
            }
            add_labels(b, (const uint32_t[]){classes - 1, EVD_UNLABELLED, 0}, 3);
        }
        d = build(b);
        assert_int_equal(d->label_width, widths[last]);
        for (size_t s = 0; s <= last; s++) {
            assert_int_equal(dataset_label(d, 3 * s), steps[s] - 1);
            assert_int_equal(dataset_label(d, 3 * s + 1), EVD_UNLABELLED);
            assert_int_equal(dataset_label(d, 3 * s + 2), 0);
        }
        assert_int_equal(dataset_class_find(d, str(name)), classes - 1);
        dataset_free(d);
    }
}

static void names_are_found(void **state)
{
    struct dataset_builder *b = builder_with(1000);
    struct evd_error err;
    struct dataset *d;
    char name[16];
    size_t bytes;

    (void)state;
    assert_int_equal(dataset_builder_class(b, str("c7"), &err), EVD_E_EXISTS);
    assert_non_null(strstr(err.message, "\"c7\""));
    assert_int_equal(dataset_builder_class(b, str(""), &err), EVD_E_BAD_VALUE);
    assert_int_equal(dataset_builder_classes(b), 1000);
    assert_memory_equal(dataset_builder_names(b, 998, &bytes), "c998\0c999", 10);
    assert_int_equal(bytes, 10);
    dataset_builder_names(b, 1000, &bytes);
    assert_int_equal(bytes, 0);
    add_labels(b, (const uint32_t[]){999}, 1);
    d = build(b);
    for (int c = 0; c < 1000; c++) {
        snprintf(name, sizeof(name), "c%d", c);
        assert_int_equal(dataset_class_find(d, str(name)), c);
        assert_string_equal(dataset_class_name(d, (uint32_t)c), name);
    }
    assert_int_equal(dataset_class_find(d, str("c1000")), -1);
    assert_int_equal(dataset_class_find(d, str("")), -1);
    dataset_free(d);
}

static void a_bad_chunk_leaves_nothing(void **state)
{
    struct dataset_builder *b = builder_with(2);
    struct evd_error err;
    struct dataset *d;

    (void)state;
    add_labels(b, (const uint32_t[]){0, 1}, 2);
    assert_int_equal(dataset_builder_labels(b, (const uint32_t[]){1, 0, 2, 9}, 4, &err),
                     EVD_E_BAD_VALUE);
    assert_non_null(strstr(err.message, "sample 4 has label 2"));
    assert_int_equal(dataset_builder_samples(b), 2);
    add_labels(b, NULL, 0);
    add_labels(b, (const uint32_t[]){1}, 1);
    d = build(b);
    assert_int_equal(d->index.samples, 3);
    assert_int_equal(dataset_label(d, 2), 1);
    dataset_free(d);
}

static void without_labels_there_is_no_dataset(void **state)
{
    struct dataset_builder *b = dataset_builder_new();
    struct dataset *d;
    struct evd_error err;

    (void)state;
    assert_int_equal(dataset_build(b, NULL, &d, &err), EVD_E_BAD_VALUE);
    add_labels(b, (const uint32_t[]){EVD_UNLABELLED}, 1);
    assert_int_equal(dataset_build(b, NULL, &d, &err), EVD_E_BAD_VALUE);
    add_class(b, "a");
    assert_int_equal(dataset_build(b, NULL, &d, &err), EVD_E_BAD_VALUE);
    /* The builder is as it was, and can go on. */
    add_labels(b, (const uint32_t[]){0}, 1);
    d = build(b);
    assert_int_equal(d->index.samples, 2);
    dataset_free(d);
    dataset_builder_free(dataset_builder_new());
    dataset_builder_free(NULL);
    dataset_free(NULL);
}

static uint64_t checksum_of(const char *first, const uint32_t *labels, size_t n, size_t chunk)
{
    struct dataset_builder *b = dataset_builder_new();
    struct dataset *d;
    uint64_t checksum;

    add_class(b, first);
    add_class(b, "b");
    for (size_t i = 0; i < n; i += chunk)
        add_labels(b, labels + i, n - i < chunk ? n - i : chunk);
    d = build(b);
    checksum = d->checksum;
    dataset_free(d);
    return checksum;
}

/* Who waited is gone: the build ends early, and the builder is as it was. */
static void a_build_can_be_given_up(void **state)
{
    const uint32_t labels[] = {1, 0, 1};
    struct dataset_builder *b = builder_with(2);
    atomic_bool cancel = true;
    struct dataset *d;
    struct evd_error err;

    (void)state;
    add_labels(b, labels, 3);
    assert_int_equal(dataset_build(b, &cancel, &d, &err), EVD_E_SHUTTING_DOWN);
    atomic_store(&cancel, false);
    assert_int_equal(dataset_build(b, &cancel, &d, &err), EVD_OK);
    assert_int_equal(dataset_label(d, 2), 1);
    dataset_free(d);
}

static void the_checksum_sees_names_and_labels(void **state)
{
    uint32_t labels[3000];
    uint64_t checksum;

    (void)state;
    for (uint32_t i = 0; i < 3000; i++)
        labels[i] = i % 3 == 2 ? EVD_UNLABELLED : i % 2;
    checksum = checksum_of("a", labels, 3000, 3000);
    assert_true(checksum == checksum_of("a", labels, 3000, 7));
    assert_true(checksum != checksum_of("aa", labels, 3000, 3000));
    assert_true(checksum != checksum_of("a", labels, 2999, 3000));
    labels[2500] ^= 1;
    assert_true(checksum != checksum_of("a", labels, 3000, 3000));
    /* A value of xxhsum -H3 over the bytes that dataset.c names. */
    assert_true(checksum_of("a", (const uint32_t[]){0, 1, EVD_UNLABELLED}, 3, 3) ==
                UINT64_C(0xF31955075A123EA5));
}

static int add_weights(struct dataset_builder *b, const char *column, const double *values,
                       size_t n)
{
    struct evd_error err;
    int code = dataset_builder_weights(b, str(column), values, n, &err);

    if (code == EVD_E_BAD_VALUE)
        assert_non_null(strstr(err.message, "column"));
    return code;
}

static void weight_columns(void **state)
{
    struct dataset_builder *b = builder_with(1), *other = builder_with(1);
    struct dataset *d, *e;
    struct evd_error err;

    (void)state;
    add_labels(b, (const uint32_t[]){0, 0, 0}, 3);
    add_labels(other, (const uint32_t[]){0, 0, 0}, 3);
    assert_int_equal(dataset_builder_column(b, str("loss")), 0);
    assert_int_equal(add_weights(b, "loss", (const double[]){0.5, -0.0}, 2), EVD_OK);
    assert_int_equal(dataset_builder_column(b, str("loss")), 2);
    assert_int_equal(add_weights(b, "age", (const double[]){1, 2, 3}, 3), EVD_OK);
    for (int i = 0; i < 3; i++) {
        const double bad[] = {1, i == 0 ? -1 : i == 1 ? NAN : INFINITY};
        assert_int_equal(add_weights(b, "loss", bad, 2), EVD_E_BAD_VALUE);
        assert_int_equal(add_weights(b, "bad", bad, 2), EVD_E_BAD_VALUE);
    }
    assert_int_equal(add_weights(b, "", NULL, 0), EVD_E_BAD_VALUE);
    assert_int_equal(dataset_build(b, NULL, &d, &err), EVD_E_BAD_VALUE); /* loss is too short */
    assert_string_equal(err.detail, "loss");
    assert_int_equal(add_weights(b, "loss", (const double[]){7}, 1), EVD_OK);
    d = build(b);
    assert_memory_equal(dataset_weights(d, str("loss")), ((const double[]){0.5, 0.0, 7}), 24);
    assert_memory_equal(dataset_weights(d, str("age")), ((const double[]){1, 2, 3}), 24);
    assert_null(dataset_weights(d, str("bad")));

    /* In another order, from other pieces: the same dataset. */
    assert_int_equal(add_weights(other, "age", (const double[]){1, 2, 3}, 3), EVD_OK);
    assert_int_equal(add_weights(other, "loss", (const double[]){0.5, 0.0, 7}, 3), EVD_OK);
    e = build(other);
    assert_true(d->checksum == e->checksum);
    dataset_free(d);
    dataset_free(e);

    b = builder_with(1);
    for (char name[] = "a"; name[0] < 'a' + (int)DATASET_MAX_COLUMNS; name[0]++)
        assert_int_equal(add_weights(b, name, (const double[]){1}, 1), EVD_OK);
    assert_int_equal(add_weights(b, "z", (const double[]){1}, 1), EVD_E_LIMIT);
    dataset_builder_free(b);
}

static void the_summary(void **state)
{
    /* Counts 4, 0, 2, 2: shares 1/2, 1/4, 1/4. */
    const uint32_t labels[] = {0, 2, 3, 0, 0, EVD_UNLABELLED, 2, 3, 0};
    struct dataset_builder *b = builder_with(4);
    struct dataset_summary s;
    struct dataset *d;

    (void)state;
    add_labels(b, labels, 9);
    d = build(b);
    s = d->summary;
    assert_int_equal(s.samples, 9);
    assert_int_equal(s.labelled, 8);
    assert_int_equal(s.classes, 4);
    assert_int_equal(s.empty_classes, 1);
    assert_int_equal(s.largest, 0);
    assert_int_equal(s.largest_count, 4);
    assert_int_equal(s.smallest, 2);
    assert_int_equal(s.smallest_count, 2);
    assert_true(s.imbalance_ratio == 2.0);
    assert_true(fabs(s.entropy - 1.5) < 1e-15);
    assert_true(fabs(s.balance - 1.5 / log2(3)) < 1e-15);
    dataset_free(d);

    b = builder_with(2);
    add_labels(b, (const uint32_t[]){1, 1}, 2);
    d = build(b);
    s = d->summary;
    assert_true(s.entropy == 0.0 && !signbit(s.entropy));
    assert_true(s.balance == 1.0 && s.imbalance_ratio == 1.0);
    dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_in_order),
        cmocka_unit_test(runs_need_no_member_table),
        cmocka_unit_test(labels_widen_with_the_classes),
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(a_bad_chunk_leaves_nothing),
        cmocka_unit_test(without_labels_there_is_no_dataset),
        cmocka_unit_test(a_build_can_be_given_up),
        cmocka_unit_test(the_checksum_sees_names_and_labels),
        cmocka_unit_test(weight_columns),
        cmocka_unit_test(the_summary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
