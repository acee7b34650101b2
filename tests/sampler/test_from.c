/* Draws from a part of a dataset are the draws from a dataset that has only those samples, to the
 * bit, with indices of the whole; by every kind of strategy, by selections and by folds. What is
 * refused says of which part. */
#include <stdlib.h>
#include <string.h>
#include "part.h"

enum { G = 24, FOLDS = 4 };

/* ---- from ---- */

static void say_selection(struct strategy *s)
{
    s->values[FROM_SELECTION] = (struct strategy_value){.tag = VALUE_ATTACHED, .text = "clean"};
}

static void say_fold(struct strategy *s, enum strategy_common_param param, double fold)
{
    s->values[FROM_FOLDS] = (struct strategy_value){.tag = VALUE_ATTACHED, .text = "cv"};
    s->values[param] = (struct strategy_value){.tag = VALUE_NUMBER, .number = fold};
}

/* All of the small classes, and of the two large ones most; a sample without a label is nobody's.
 */
static uint64_t *most(const struct data *data)
{
    uint64_t *bits = bits_of(data), state = 5;
    for (uint64_t i = 0; i < data->index.samples; i++) {
        uint32_t c = label_of(data, i);
        if (c != UINT32_MAX && (c > 1 || test_random(&state) % 32 > 0))
            bits[i / 64] |= 1ull << i % 64;
    }
    return bits;
}

static uint16_t *folds_of(const struct data *data)
{
    uint16_t *folds = calloc(data->index.samples, sizeof(*folds));
    assert_non_null(folds);
    for (uint64_t i = 0; i < data->index.samples; i++)
        folds[i] = label_of(data, i) == UINT32_MAX ? UINT16_MAX : (uint16_t)(i * 7 / 3 % FOLDS);
    return folds;
}

/* The samples with a label that are in the fold, or are not. */
static uint64_t *bits_of_fold(const struct data *data, const uint16_t *folds, uint32_t fold,
                              bool only)
{
    uint64_t *bits = bits_of(data);
    for (uint64_t i = 0; i < data->index.samples; i++) {
        if (label_of(data, i) != UINT32_MAX && (folds[i] == fold) == only)
            bits[i / 64] |= 1ull << i % 64;
    }
    return bits;
}

/* ---- the same ---- */

/* Numbers of seconds that there are none of are whatever they are, in both. */
static void same_batch(const struct part *part, bool mixed, const struct drawn *here,
                       const struct drawn *there)
{
    assert_int_equal(here->n, there->n);
    for (uint32_t k = 0; k < here->n; k++) {
        assert_int_equal(here->index[k], part->whole[there->index[k]]);
        if (mixed)
            assert_int_equal(here->mix_index[k], part->whole[there->mix_index[k]]);
    }
    assert_memory_equal(here->label, there->label, here->n * sizeof(*here->label));
    assert_memory_equal(here->repeat, there->repeat, here->n * sizeof(*here->repeat));
    assert_memory_equal(here->seed, there->seed, here->n * sizeof(*here->seed));
    assert_memory_equal(here->probability, there->probability,
                        here->n * sizeof(*here->probability));
    assert_memory_equal(here->mix_label, there->mix_label, here->n * sizeof(*here->mix_label));
    assert_memory_equal(here->mix_lambda, there->mix_lambda, here->n * sizeof(*here->mix_lambda));
    assert_memory_equal(here->mix_label_lambda, there->mix_label_lambda,
                        here->n * sizeof(*here->mix_label_lambda));
}

/* All steps of an epoch from the last to the first, then some ranks' slices; shapes and shares. */
static void same_draws(const struct part *part, struct plan *here, struct plan *there)
{
    const uint32_t classes = part->data.index.classes;
    const bool mixed = plan_columns_known(there) >> PLAN_MIX_INDEX & 1;
    double own[CASE_CLASSES], other[CASE_CLASSES];
    struct drawn one, two;
    drawn_init(&one, G);
    drawn_init(&two, G);
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        struct epoch_shape shape = plan_epoch(here, epoch), same = plan_epoch(there, epoch);
        assert_true(shape.steps == same.steps && shape.last_size == same.last_size);
        for (uint64_t step = shape.steps; step-- > 0;) {
            draw_step(here, epoch, step, &one);
            draw_step(there, epoch, step, &two);
            same_batch(part, mixed, &one, &two);
        }
        for (uint32_t rank = 0; rank < 3; rank++) {
            draw_slice(here, epoch, shape.steps / 2, shape, rank, 3, &one);
            draw_slice(there, epoch, shape.steps / 2, shape, rank, 3, &two);
            same_batch(part, mixed, &one, &two);
        }
        plan_expected(here, epoch, own);
        plan_expected(there, epoch, other);
        assert_memory_equal(own, other, classes * sizeof(*own));
        plan_coverage(here, epoch, own);
        plan_coverage(there, epoch, other);
        assert_memory_equal(own, other, classes * sizeof(*own));
    }
    for (uint32_t c = 0; c < classes; c++)
        assert_int_equal(class_size(plan_index(here), c), class_size(&part->data.index, c));
    assert_int_equal(plan_columns_known(here), plan_columns_known(there));
    drawn_fini(&one);
    drawn_fini(&two);
}

/* Whether the strategy can be; if it is refused, then so it is of the part, in the same words. */
static bool check_case(const struct plan_input *in, const struct part *part)
{
    struct strategy plain = *in->strategy;
    struct plan_input of = input_of(&part->data, &plain, G);
    struct plan *here = NULL, *there = NULL;
    struct sampler_error err, why;
    memset(&plain.values[FROM_SELECTION], 0, (PAIRS_HOW - FROM_SELECTION) * sizeof(*plain.values));
    of.seed = in->seed;
    of.weights = in->weights ? part->weights : NULL;
    int code = plan_build(&here, in, &err);
    assert_int_equal(plan_build(&there, &of, &why), code);
    if (code == PLAN_OK) {
        assert_int_equal(plan_place(here, 0, 0, plan_epoch(here, 0), &err), PLAN_OK);
        assert_int_equal(plan_place(there, 0, 0, plan_epoch(there, 0), &why), PLAN_OK);
        same_draws(part, here, there);
        assert_true(plan_digest(here) != plan_digest(there));
        assert_true(plan_memory(here) > plan_memory(there));
    } else {
        assert_int_equal(code, PLAN_REFUSED);
        assert_non_null(strstr(err.message, why.message));
        assert_true(strncmp(err.message, "from ", 5) == 0 && strstr(err.message, " samples): "));
        assert_string_equal(err.detail, why.detail);
    }
    plan_unref(here);
    plan_unref(there);
    return code == PLAN_OK;
}

/* How many of the cases can be. smote's refusals differ, and have a test of their own. */
static unsigned check_cases(const struct data *data, const struct plan_from *from,
                            void (*say)(struct strategy *s), const uint64_t *bits)
{
    double *weights = case_weights(data);
    struct part part;
    unsigned done = 0;
    part_init(&part, data, bits);
    for (const struct strategy_case *c = strategy_cases; c->name; c++) {
        struct strategy s;
        if (c->traits & POINTS)
            continue;
        c->make(&s, CASE_CLASSES);
        say(&s);
        struct plan_input in = input_of(data, &s, G);
        in.seed = 11;
        in.from = *from;
        in.weights = c->traits & WEIGHED ? weights : NULL;
        done += check_case(&in, &part);
        strategy_fini(&s);
    }
    part_fini(&part);
    free(weights);
    return done;
}

static void without_2(struct strategy *s)
{
    say_fold(s, FROM_WITHOUT, 2);
}

static void only_3(struct strategy *s)
{
    say_fold(s, FROM_ONLY, 3);
}

static void draws_are_of_the_part(void **state)
{
    (void)state;
    unsigned cases = 0;
    for (const struct strategy_case *c = strategy_cases; c->name; c++)
        cases += !(c->traits & POINTS);
    for (int grouped = 0; grouped < 2; grouped++) {
        struct data data;
        (grouped ? data_init_grouped : data_init)(&data, case_counts, CASE_CLASSES);
        uint64_t *bits = most(&data);
        uint16_t *folds = folds_of(&data);
        const struct plan_from by_folds = {.folds = folds, .count = FOLDS};
        assert_int_equal(check_cases(&data, &(struct plan_from){.kept = bits}, say_selection, bits),
                         cases);
        free(bits);
        bits = bits_of_fold(&data, folds, 2, false);
        assert_true(check_cases(&data, &by_folds, without_2, bits) > cases * 3 / 4);
        free(bits);
        bits = bits_of_fold(&data, folds, 3, true);
        assert_true(check_cases(&data, &by_folds, only_3, bits) > cases * 3 / 4);
        free(bits);
        free(folds);
        data_fini(&data);
    }
}

/* A class none of whose samples is kept is like one that has none. */
static void classes_become_empty(void **state)
{
    (void)state;
    struct data data;
    data_init(&data, case_counts, CASE_CLASSES);
    uint64_t *bits = bits_of(&data);
    for (uint64_t i = 0; i < data.index.samples; i++) {
        if (data.label[i] == 0 || data.label[i] == 3)
            bits[i / 64] |= 1ull << i % 64;
    }
    assert_true(check_cases(&data, &(struct plan_from){.kept = bits}, say_selection, bits) > 15);
    free(bits);
    data_fini(&data);
}

/* ---- smote ---- */

static void smote_of(struct strategy *s, const char *variant)
{
    strategy_make(s, "smote", CASE_CLASSES);
    strategy_say(s, "variant", variant);
    strategy_set(s, "k", 3);
    if (strncmp(variant, "borderline", 10) == 0)
        strategy_set(s, "m", 5);
    say_selection(s);
}

/* Where rows are long enough, its neighbours are the nearest of those that are kept. */
static void neighbours_are_of_the_part(void **state)
{
    (void)state;
    static const char *const variants[] = {"regular", "borderline-1", "borderline-2", "adasyn"};
    struct data data;
    struct part part;
    data_init(&data, case_counts, CASE_CLASSES);
    uint64_t *bits = most(&data);
    part_init(&part, &data, bits);
    for (size_t i = 0; i < 4; i++) {
        struct strategy s;
        smote_of(&s, variants[i]);
        struct plan_input in = input_of(&data, &s, G);
        in.from.kept = bits;
        assert_true(check_case(&in, &part));
        strategy_fini(&s);
    }
    part_fini(&part);
    free(bits);
    data_fini(&data);
}

/* Of rows that are too short a base has the neighbours that there are, and is none without. */
static void short_rows(void **state)
{
    (void)state;
    struct data data;
    struct drawn one;
    struct strategy s;
    unsigned seen = 0, sizes[4] = {0};
    bool lonely = false;
    data_init(&data, case_counts, CASE_CLASSES);
    drawn_init(&one, G);
    uint64_t *bits = most(&data);
    smote_of(&s, "regular");
    struct plan_input in = input_of(&data, &s, G);
    struct plan *plan;
    struct sampler_error err;
    in.from.kept = bits;
    /* The places of class 3 by threes: two are kept, then three are not. */
    for (uint64_t p = data.start[3]; p < data.start[4]; p++) {
        if ((p - data.start[3]) % 15 < 12)
            bits[data.member32[p] / 64] &= ~(1ull << data.member32[p] % 64);
    }
    assert_int_equal(plan_build(&plan, &in, &err), PLAN_OK);
    assert_int_equal(plan_place(plan, 0, 0, plan_epoch(plan, 0), &err), PLAN_OK);
    for (uint64_t p = data.start[3]; p < data.start[4]; p++) {
        unsigned n = 0;
        for (uint32_t j = 0; j < TABLE_WIDTH; j++)
            n += bit(bits, data.of_class[data.member32[p] * (uint64_t)TABLE_WIDTH + j]);
        if (bit(bits, data.member32[p]))
            sizes[n < 3 ? n : 3]++;
    }
    assert_true(sizes[0] > 0 && sizes[1] > 0 && sizes[2] > 0);
    for (uint64_t step = 0; step < plan_epoch(plan, 0).steps; step++) {
        draw_step(plan, 0, step, &one);
        for (uint32_t k = 0; k < one.n; k++) {
            uint64_t row = one.index[k] * TABLE_WIDTH;
            bool among = false, any = false;
            assert_true(bit(bits, one.index[k]) && bit(bits, one.mix_index[k]));
            for (uint32_t j = 0; j < TABLE_WIDTH; j++) {
                among |= data.of_class[row + j] == one.mix_index[k];
                any |= data.of_class[row + j] != PLAN_NO_NEIGHBOUR &&
                       bit(bits, data.of_class[row + j]);
            }
            lonely |= !any;
            assert_true(one.mix_lambda[k] == 0 || (among && any));
            seen += one.mix_lambda[k] > 0 && one.label[k] == 3;
        }
    }
    assert_true(seen > 50 && lonely);
    plan_unref(plan);
    /* Who is in danger cannot be told from half of a row. */
    strategy_say(&s, "variant", "borderline-1");
    strategy_set(&s, "m", 10);
    assert_int_equal(plan_build(&plan, &in, &err), PLAN_REFUSED);
    assert_non_null(strstr(err.message, "larger --k"));
    strategy_fini(&s);
    drawn_fini(&one);
    free(bits);
    data_fini(&data);
}

/* ---- what is refused, and what it takes ---- */

static void refused(struct plan_input *in, const char *words)
{
    struct plan *plan = NULL;
    struct sampler_error err = {.message = ""};
    assert_int_equal(plan_build(&plan, in, &err), PLAN_REFUSED);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" is not in \"%s\"", words, err.message);
}

static void refusals(void **state)
{
    (void)state;
    static const double weights[CASE_CLASSES] = {1, 1, 0, 1, 1, 1};
    struct data data;
    struct strategy s;
    data_init(&data, case_counts, CASE_CLASSES);
    uint64_t *bits = bits_of(&data);
    uint16_t *folds = folds_of(&data);
    strategy_make(&s, "uniform", CASE_CLASSES);
    struct plan_input in = input_of(&data, &s, G);
    say_selection(&s);
    refused(&in, "missing");
    in.from.kept = bits;
    refused(&in, "there is no sample in selection \"clean\"");
    strategy_init(&s, s.kind, CASE_CLASSES);
    say_fold(&s, FROM_ONLY, FOLDS);
    in.from = (struct plan_from){.folds = folds, .count = FOLDS};
    refused(&in, "from.only is 4: give a whole number from 0 to 3");
    s.values[FROM_WITHOUT] = s.values[FROM_ONLY];
    refused(&in, "one of the two");
    s.values[FROM_WITHOUT].tag = s.values[FROM_ONLY].tag = VALUE_UNSET;
    refused(&in, "one more");
    say_fold(&s, FROM_WITHOUT, 0);
    for (uint64_t i = 0; i < data.index.samples; i++)
        folds[i] = 0;
    refused(&in, "all but fold 0 of folds \"cv\"");
    for (uint64_t i = 0; i < data.index.samples; i++)
        folds[i] = data.label[i] == 5;
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_say(&s, "weight", "explicit");
    strategy_map(&s, "weights", weights);
    say_fold(&s, FROM_WITHOUT, 1);
    refused(&in,
            "from all but fold 1 of folds \"cv\" (645 of 652 samples): weights of class number "
            "5 is 1, but the class has no samples");
    strategy_fini(&s);
    free(folds);
    free(bits);
    data_fini(&data);
}

/* alpha is from by another name. */
static void progressive_has_a_from_of_its_own(void **state)
{
    (void)state;
    struct data data;
    struct plan *plans[2];
    data_init(&data, case_counts, CASE_CLASSES);
    for (int i = 0; i < 2; i++) {
        struct strategy s;
        strategy_make(&s, "progressive", CASE_CLASSES);
        strategy_set(&s, i ? "alpha" : "from", 0.75);
        plans[i] = plan_make(&data, &s, G, LAST_SHORT, 3, NULL);
        if (i) {
            struct plan_input in = input_of(&data, &s, G);
            strategy_set(&s, "from", 0.75);
            refused(&in, "same number");
        }
        strategy_fini(&s);
    }
    assert_int_equal(plan_digest(plans[0]), plan_digest(plans[1]));
    plan_unref(plans[0]);
    plan_unref(plans[1]);
    data_fini(&data);
}

/* Two parts of as many samples of each class are two plans. */
static void digests_tell_parts_apart(void **state)
{
    (void)state;
    struct data data;
    uint64_t digest[2], *bits;
    data_init(&data, case_counts, CASE_CLASSES);
    bits = most(&data);
    for (int i = 0; i < 2; i++) {
        struct strategy s;
        struct sampler_error err;
        struct plan *plan;
        strategy_make(&s, "uniform", CASE_CLASSES);
        say_selection(&s);
        struct plan_input in = input_of(&data, &s, G);
        in.from.kept = bits;
        for (int j = 0; j < 2; j++) { /* other than at first: its first and its last one */
            uint32_t sample = data.member32[j ? data.start[4] - 1 : data.start[3]];
            if (j != i)
                bits[sample / 64] &= ~(1ull << sample % 64);
            else
                bits[sample / 64] |= 1ull << sample % 64;
        }
        assert_int_equal(plan_build(&plan, &in, &err), PLAN_OK);
        digest[i] = plan_digest(plan);
        assert_int_equal(class_size(plan_index(plan), 3), case_counts[3] - 1);
        plan_unref(plan);
        strategy_fini(&s);
    }
    assert_true(digest[0] != digest[1]);
    free(bits);
    data_fini(&data);
}

/* A view is the plan's memory, asked for before it is taken, and given up when nobody waits. */
static void views_have_a_budget(void **state)
{
    (void)state;
    const uint64_t counts[] = {300000};
    struct data data;
    struct strategy s;
    struct sampler_error err;
    struct plan *plan;
    struct plan_budget budget = {0};
    atomic_bool cancel = false;
    data_init(&data, counts, 1);
    uint64_t *bits = bits_of(&data);
    memset(bits, 0xff, (data.index.samples / 64 + 1) * sizeof(*bits));
    strategy_make(&s, "uniform", 1);
    say_selection(&s);
    struct plan_input in = input_of(&data, &s, G);
    in.from.kept = bits;
    in.budget = &budget;
    in.cancel = &cancel;
    atomic_store(&budget.limit, 4 * 300000);
    assert_int_equal(plan_build(&plan, &in, &err), PLAN_LIMIT);
    assert_int_equal(atomic_load(&budget.used), 0);
    atomic_store(&budget.limit, 4 * 300000 + 10000);
    assert_int_equal(plan_build(&plan, &in, &err), PLAN_OK);
    assert_true(atomic_load(&budget.used) >= 4 * 300000);
    plan_unref(plan);
    assert_int_equal(atomic_load(&budget.used), 0);
    atomic_store(&cancel, true);
    assert_int_equal(plan_build(&plan, &in, &err), PLAN_CANCELLED);
    assert_int_equal(atomic_load(&budget.used), 0);
    strategy_fini(&s);
    free(bits);
    data_fini(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_of_the_part),
        cmocka_unit_test(classes_become_empty),
        cmocka_unit_test(neighbours_are_of_the_part),
        cmocka_unit_test(short_rows),
        cmocka_unit_test(refusals),
        cmocka_unit_test(progressive_has_a_from_of_its_own),
        cmocka_unit_test(digests_tell_parts_apart),
        cmocka_unit_test(views_have_a_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
