/* Attachments: what is taken, what is refused and in which words, digests, and what is asked of
 * one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "dataset/attachment_builder.h"

#define NONE EVD_NO_PLACE
#define FAR  INFINITY

/* Samples 0 .. 5 of classes a b a - b a. */
static const uint32_t labels[] = {0, 1, 0, EVD_UNLABELLED, 1, 0};
#define SAMPLES 6

static const struct attachment_form two_of_all = {ATTACHMENT_NEIGHBOURS, 2, false, "euclidean"};
static const struct attachment_form two_of_class = {ATTACHMENT_NEIGHBOURS, 2, true, "euclidean"};
static const struct attachment_form selection = {ATTACHMENT_SELECTION, 1, false, ""};
static const struct attachment_form two_folds = {ATTACHMENT_FOLDS, 2, false, ""};

static const uint32_t near[] = {2, 5, 4, NONE, 0, 1, NONE, NONE, 1, 2, 0, 2};
static const float away[] = {1, 1, 0.5, FAR, 1, 9, FAR, FAR, 0, 3, 1, 1.5};
static const uint8_t kept[] = {1, 0, 1, 0, 0, 1};
static const uint16_t folds[] = {0, 1, 1, EVD_NO_FOLD, 0, 1};

/* XXH3-64, by another program, of the bytes that attachment_builder.c describes. */
#define DIGEST_NEAR  UINT64_C(0x2e78550fa02e2b6f)
#define DIGEST_KEPT  UINT64_C(0x57a439cf28b8a614)
#define DIGEST_FOLDS UINT64_C(0x422436f40b5dd56c)

static int setup(void **state)
{
    struct dataset_builder *builder = dataset_builder_new();
    struct dataset *dataset;
    struct evd_error err;

    assert_int_equal(dataset_builder_class(builder, (struct evd_str){"a", 1}, &err), EVD_OK);
    assert_int_equal(dataset_builder_class(builder, (struct evd_str){"b", 1}, &err), EVD_OK);
    assert_int_equal(dataset_builder_labels(builder, labels, SAMPLES, &err), EVD_OK);
    assert_int_equal(dataset_build(builder, NULL, &dataset, &err), EVD_OK);
    *state = dataset;
    return 0;
}

static int teardown(void **state)
{
    dataset_detach_all(*state);
    dataset_free(*state);
    return 0;
}

/* Sent in pieces of so many samples. */
static int make(const struct dataset *dataset, const struct attachment_form *form, const void *rows,
                const float *distances, size_t piece, struct attachment **out,
                struct evd_error *err)
{
    struct attachment_builder *builder = attachment_builder_new(form, SAMPLES);
    size_t row = attachment_row_bytes(form), far = attachment_distance_bytes(form);
    int code = EVD_OK;

    assert_non_null(builder);
    *out = NULL;
    for (size_t at = 0; code == EVD_OK && at < SAMPLES; at += piece) {
        size_t n = SAMPLES - at < piece ? SAMPLES - at : piece;

        assert_int_equal(attachment_builder_samples(builder), at);
        code = attachment_builder_append(builder, (const char *)rows + at * row, n * row,
                                         distances ? (const char *)distances + at * far : NULL,
                                         distances ? n * far : 0, err);
    }
    if (code == EVD_OK)
        code = attachment_build(builder, dataset, NULL, out, err);
    if (code != EVD_OK)
        attachment_builder_free(builder);
    return code;
}

static struct attachment *made(const struct dataset *dataset, const struct attachment_form *form,
                               const void *rows, const float *distances, size_t piece)
{
    struct attachment *attachment;
    struct evd_error err;

    if (make(dataset, form, rows, distances, piece, &attachment, &err) != EVD_OK)
        fail_msg("%s", err.message);
    return attachment;
}

/* Whole and in pieces. */
static void what_is_sent_is_there(void **state)
{
    char back[sizeof(near)];

    for (size_t piece = 1; piece <= SAMPLES; piece++) {
        struct attachment *a = made(*state, &two_of_all, near, away, piece);

        assert_memory_equal(attachment_neighbours(a), near, sizeof(near));
        attachment_rows(a, 0, SAMPLES, back);
        assert_memory_equal(back, near, sizeof(near));
        attachment_rows(a, 2, 1, back);
        assert_memory_equal(back, near + 4, 8);
        assert_int_equal(a->kept, 5);
        assert_int_equal(a->lacking, 1);
        assert_int_equal(a->digest, DIGEST_NEAR);
        attachment_free(a);
        a = made(*state, &selection, kept, NULL, piece);
        for (int i = 0; i < SAMPLES; i++)
            assert_int_equal(attachment_keeps(a, i), kept[i]);
        attachment_rows(a, 0, SAMPLES, back);
        assert_memory_equal(back, kept, sizeof(kept));
        assert_int_equal(a->kept, 3);
        assert_null(attachment_neighbours(a));
        assert_int_equal(a->digest, DIGEST_KEPT);
        attachment_free(a);
        a = made(*state, &two_folds, folds, NULL, piece);
        for (int i = 0; i < SAMPLES; i++)
            assert_int_equal(attachment_fold(a, i), folds[i]);
        attachment_rows(a, 0, SAMPLES, back);
        assert_memory_equal(back, folds, sizeof(folds));
        assert_int_equal(a->kept, 5);
        assert_int_equal(a->digest, DIGEST_FOLDS);
        attachment_free(a);
    }
}

/* Whatever rows say differently, the digest is another. */
static void digests_tell_apart(void **state)
{
    static const uint32_t own[] = {2, 5, 4, NONE, 0, 5, NONE, NONE, 1, NONE, 0, 2};
    static const float far[] = {1, 1, 0.5, FAR, 1, 9, FAR, FAR, 0, FAR, 1, 1.5};
    static const uint32_t other[] = {2, 5, 4, NONE, 0, 5, NONE, NONE, 1, NONE, 2, 0};
    struct attachment_form form = two_of_class;
    struct attachment *made_here[5];
    float moved[12];

    made_here[0] = made(*state, &two_of_class, own, far, 6);
    made_here[1] = made(*state, &two_of_all, own, far, 6);
    strcpy(form.metric, "cosine");
    made_here[2] = made(*state, &form, own, far, 6);
    memcpy(moved, far, sizeof(moved));
    moved[5] = 9.5f;
    made_here[3] = made(*state, &two_of_class, own, moved, 6);
    made_here[4] = made(*state, &two_of_class, other, far, 6);
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < i; j++)
            assert_true(made_here[i]->digest != made_here[j]->digest);
    }
    for (int i = 0; i < 5; i++)
        attachment_free(made_here[i]);
}

/* One value of good rows is another: refused, in words that name the sample. */
static void bad_neighbours(void **state)
{
    static const struct {
        int place;
        uint32_t neighbour;
        float distance;
        const char *word;
    } wrong[] = {
        {0, 6, 1, "sample 0: neighbour 6 is not one of the 6 samples"},
        {1, 0, 1, "sample 0: it is not a neighbour of its own"},
        {1, 3, 1, "sample 0: neighbour 3 has no label"},
        {1, 2, 1, "sample 0: neighbour 2 is there twice"},
        {6, 1, FAR, "sample 3: distance 0 is inf"},
        {7, 1, 1, "sample 3: distance 1 is smaller"},
        {0, NONE, 1, "sample 0: place 0 has no neighbour, so its distance must be infinite"},
        {0, NONE, -FAR, "sample 0: place 0 has no neighbour"},
        {0, NONE, NAN, "sample 0: place 0 has no neighbour"},
        {11, 2, 0.5, "sample 5: distance 1 is smaller than the one before"},
        {10, 0, -1, "sample 5: distance 0 is -1"},
        {10, 0, NAN, "sample 5: distance 0 is nan"},
        {11, 2, FAR, "sample 5: distance 1 is inf"},
    };
    uint32_t rows[12];
    float distances[12];
    struct attachment *attachment;
    struct evd_error err;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        memcpy(rows, near, sizeof(rows));
        memcpy(distances, away, sizeof(distances));
        rows[wrong[i].place] = wrong[i].neighbour;
        distances[wrong[i].place] = wrong[i].distance;
        assert_int_equal(make(*state, &two_of_all, rows, distances, 6, &attachment, &err),
                         EVD_E_BAD_VALUE);
        if (!strstr(err.message, wrong[i].word))
            fail_msg("%s, not %s", err.message, wrong[i].word);
    }
    assert_int_equal(make(*state, &two_of_class, near, away, 6, &attachment, &err),
                     EVD_E_BAD_VALUE);
    assert_non_null(strstr(err.message, "sample 2: neighbour 1 is of another class"));
    /* Of a sample without a label; and a place before one that has a neighbour. */
    memcpy(rows, near, sizeof(rows));
    memcpy(distances, away, sizeof(distances));
    rows[6] = 0;
    distances[6] = 1;
    assert_int_equal(make(*state, &two_of_all, rows, distances, 6, &attachment, &err),
                     EVD_E_BAD_VALUE);
    assert_non_null(strstr(err.message, "sample 3: it has no label"));
}

static void bad_others(void **state)
{
    static const struct {
        int place;
        uint16_t value;
        const char *kept, *folds;
    } wrong[] = {
        {0, 2, "sample 0: 2 is neither", "sample 0: there is no fold 2"},
        {3, 1, "sample 3: it has no label, and cannot be kept",
         "sample 3: it has no label, and is in no fold: send 65535"},
    };
    static const uint8_t nothing[SAMPLES];
    struct attachment *attachment;
    struct evd_error err;
    uint8_t bits[SAMPLES];
    uint16_t numbers[SAMPLES];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        memcpy(bits, kept, sizeof(bits));
        memcpy(numbers, folds, sizeof(numbers));
        bits[wrong[i].place] = (uint8_t)wrong[i].value;
        numbers[wrong[i].place] = wrong[i].value;
        assert_int_equal(make(*state, &selection, bits, NULL, 6, &attachment, &err),
                         EVD_E_BAD_VALUE);
        assert_non_null(strstr(err.message, wrong[i].kept));
        assert_int_equal(make(*state, &two_folds, numbers, NULL, 6, &attachment, &err),
                         EVD_E_BAD_VALUE);
        assert_non_null(strstr(err.message, wrong[i].folds));
    }
    assert_int_equal(make(*state, &selection, nothing, NULL, 6, &attachment, &err),
                     EVD_E_BAD_VALUE);
    assert_non_null(strstr(err.message, "keeps no sample"));
    memset(numbers, 0, sizeof(numbers));
    numbers[3] = EVD_NO_FOLD;
    assert_int_equal(make(*state, &two_folds, numbers, NULL, 6, &attachment, &err),
                     EVD_E_BAD_VALUE);
    assert_non_null(strstr(err.message, "fold 1 has no sample"));
    numbers[0] = EVD_NO_FOLD; /* it has a label */
    assert_int_equal(make(*state, &two_folds, numbers, NULL, 6, &attachment, &err),
                     EVD_E_BAD_VALUE);
    assert_non_null(strstr(err.message, "sample 0: there is no fold 65535"));
}

/* Too few, too many, cut rows, distances that are missing or not wanted; a piece that is refused
 * leaves what was there. */
static void bad_pieces(void **state)
{
    struct attachment_builder *builder = attachment_builder_new(&two_of_all, SAMPLES);
    struct attachment *attachment;
    struct evd_error err;
    uint64_t memory;

    memory = attachment_builder_memory(builder);
    assert_int_equal(attachment_builder_more(builder, 3), 24);
    assert_int_equal(attachment_builder_append(builder, near, 24, away, 24, &err), EVD_OK);
    assert_int_equal(attachment_builder_memory(builder), memory + 24);
    assert_int_equal(attachment_builder_append(builder, near, 12, away, 12, &err), EVD_E_BAD_VALUE);
    assert_int_equal(attachment_builder_append(builder, near, 8, away, 4, &err), EVD_E_BAD_VALUE);
    assert_int_equal(attachment_builder_append(builder, near, 8, NULL, 0, &err), EVD_E_BAD_VALUE);
    assert_non_null(strstr(err.message, "one f32 for each neighbour"));
    assert_int_equal(attachment_builder_append(builder, near, 32, away, 32, &err), EVD_E_BAD_VALUE);
    assert_non_null(strstr(err.message, "more rows than the 6 samples"));
    assert_int_equal(attachment_builder_append(builder, NULL, 0, NULL, 0, &err), EVD_OK);
    assert_int_equal(attachment_build(builder, *state, NULL, &attachment, &err), EVD_E_BAD_VALUE);
    assert_non_null(strstr(err.message, "3 rows are there for 6 samples"));
    assert_int_equal(attachment_builder_append(builder, near + 6, 24, away + 6, 24, &err), EVD_OK);
    assert_int_equal(attachment_build(builder, *state, NULL, &attachment, &err), EVD_OK);
    assert_int_equal(attachment->digest, DIGEST_NEAR);
    attachment_free(attachment);
    builder = attachment_builder_new(&selection, SAMPLES);
    assert_int_equal(attachment_builder_append(builder, kept, 6, away, 4, &err), EVD_E_BAD_VALUE);
    attachment_builder_free(builder);
    builder = attachment_builder_new(&two_folds, SAMPLES);
    assert_int_equal(attachment_builder_append(builder, folds, 5, NULL, 0, &err), EVD_E_BAD_VALUE);
    attachment_builder_free(builder);
}

static void nobody_waits(void **state)
{
    struct attachment_builder *builder = attachment_builder_new(&selection, SAMPLES);
    const atomic_bool cancel = true;
    struct attachment *attachment;
    struct evd_error err;

    assert_int_equal(attachment_builder_append(builder, kept, 6, NULL, 0, &err), EVD_OK);
    assert_int_equal(attachment_build(builder, *state, &cancel, &attachment, &err),
                     EVD_E_SHUTTING_DOWN);
    attachment_builder_free(builder);
}

/* They are in order of their names, and go all together. */
static void those_of_a_dataset(void **state)
{
    static const char *const names[] = {"near", "a", "nearer", "b", "nea"};
    static const char *const order[] = {"a", "b", "nea", "near", "nearer"};
    struct dataset *dataset = *state;

    for (size_t i = 0; i < 5; i++) {
        struct attachment *attachment = made(dataset, &selection, kept, NULL, 6);

        strcpy(attachment->name, names[i]);
        assert_true(dataset_attach(dataset, attachment));
    }
    for (uint32_t i = 0; i < 5; i++) {
        struct evd_str name = {order[i], (uint32_t)strlen(order[i])};

        assert_string_equal(dataset->attachments[i]->name, order[i]);
        assert_ptr_equal(dataset_attachment(dataset, name), dataset->attachments[i]);
    }
    assert_null(dataset_attachment(dataset, (struct evd_str){"ne", 2}));
    assert_null(dataset_attachment(dataset, (struct evd_str){"z", 1}));
    dataset_detach(dataset, dataset->attachments[2]);
    assert_int_equal(dataset->attachment_count, 4);
    assert_null(dataset_attachment(dataset, (struct evd_str){"nea", 3}));
    assert_non_null(dataset_attachment(dataset, (struct evd_str){"near", 4}));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_sent_is_there),
        TEST(digests_tell_apart),
        TEST(bad_neighbours),
        TEST(bad_others),
        TEST(bad_pieces),
        TEST(nobody_waits),
        TEST(those_of_a_dataset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
