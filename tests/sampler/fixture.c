#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *grab(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    assert_non_null(p);
    return p;
}

static uint64_t fill_starts(struct data *data, const uint64_t *counts, uint32_t classes)
{
    *data = (struct data){.start = grab(classes + 1u, sizeof(*data->start))};
    for (uint32_t c = 0; c < classes; c++)
        data->start[c + 1] = data->start[c] + counts[c];
    data->index = (struct class_index){
        .labelled = data->start[classes], .classes = classes, .start = data->start};
    return data->start[classes];
}

static uint32_t sample_at(const struct data *data, uint64_t place)
{
    const struct class_index *index = &data->index;
    return index->member32 ? index->member32[place] : (uint32_t)place; /* else they are grouped */
}

/* Of a class the next ones in it, after the last its first; of any those at some distance, so that
 * some have few of their own class and others none. */
static void fill_tables(struct data *data)
{
    const struct class_index *index = &data->index;
    uint64_t room = index->samples * TABLE_WIDTH;
    if (index->samples > 1u << 22)
        return; /* too large for tables, and no test needs them there */
    data->of_class = grab(room, sizeof(*data->of_class));
    data->of_all = grab(room, sizeof(*data->of_all));
    memset(data->of_class, 0xff, room * sizeof(*data->of_class));
    memset(data->of_all, 0xff, room * sizeof(*data->of_all));
    for (uint32_t c = 0; c < index->classes; c++) {
        uint64_t first = index->start[c], n = index->start[c + 1] - first;
        for (uint64_t p = first; p < first + n; p++) {
            uint64_t at = (uint64_t)sample_at(data, p) * TABLE_WIDTH;
            for (uint64_t j = 0; j < TABLE_WIDTH && j + 1 < n; j++)
                data->of_class[at + j] = sample_at(data, first + (p - first + j + 1) % n);
            for (uint64_t j = 0; j < TABLE_WIDTH && j + 1 < index->labelled; j++)
                data->of_all[at + j] =
                    sample_at(data, (p + (j + 1) * (1 + p % 5 * 7)) % index->labelled);
        }
    }
}

void data_init(struct data *data, const uint64_t *counts, uint32_t classes)
{
    uint64_t n = fill_starts(data, counts, classes);
    uint64_t samples = n + n / 6 + 1, left = n;
    data->index.samples = samples;
    data->label = grab(samples, sizeof(*data->label));
    data->member32 = grab(n, sizeof(*data->member32));
    uint64_t *given = grab(classes, sizeof(*given)), state = 1;
    for (uint64_t i = 0; i < samples; i++) {
        data->label[i] = UINT32_MAX;
        if (left == 0 || (i % 7 == 3 && samples - i > left))
            continue;
        /* Selection sampling: classes come in mixed order, in their proportions. */
        uint64_t pick = test_random(&state) % left--;
        uint32_t c = 0;
        for (; pick >= counts[c] - given[c]; c++)
            pick -= counts[c] - given[c];
        data->label[i] = c;
        data->member32[data->start[c] + given[c]++] = (uint32_t)i;
    }
    assert_int_equal(left, 0);
    free(given);
    data->index.member32 = data->member32;
    fill_tables(data);
}

void data_init_grouped(struct data *data, const uint64_t *counts, uint32_t classes)
{
    data->index.samples = fill_starts(data, counts, classes);
    data->index.samples = data->index.labelled;
    data->first = grab(classes, sizeof(*data->first));
    memcpy(data->first, data->start, classes * sizeof(*data->first));
    data->index.first = data->first;
    fill_tables(data);
}

void data_fini(struct data *data)
{
    free(data->start);
    free(data->first);
    free(data->member32);
    free(data->label);
    free(data->of_class);
    free(data->of_all);
}

/* ---- strategies ---- */

void strategy_make(struct strategy *s, const char *kind, uint32_t classes)
{
    const struct strategy_kind *found = strategy_find(kind, strlen(kind));
    assert_non_null(found);
    strategy_init(s, found, classes);
}

static struct strategy_value *value_of(struct strategy *s, const char *param)
{
    int i = strategy_param_find(s->kind, param, strlen(param));
    assert_true(i >= 0);
    return &s->values[i];
}

void strategy_set(struct strategy *s, const char *param, double number)
{
    struct strategy_value *value = value_of(s, param);
    value->tag = VALUE_NUMBER;
    value->number = number;
}

void strategy_say(struct strategy *s, const char *param, const char *text)
{
    struct strategy_value *value = value_of(s, param);
    value->tag = VALUE_TEXT;
    assert_true(strlen(text) < sizeof(value->text));
    strcpy(value->text, text);
}

void strategy_map(struct strategy *s, const char *param, const double *by_class)
{
    assert_true(strategy_class_map(s, strategy_param_find(s->kind, param, strlen(param))));
    memcpy(value_of(s, param)->by_class, by_class, s->classes * sizeof(*by_class));
}

struct plan_input input_of(const struct data *data, const struct strategy *s, uint32_t batch_size)
{
    return (struct plan_input){
        .index = &data->index,
        .strategy = s,
        .batch_size = batch_size,
        .tables = {{data->of_class, TABLE_WIDTH, true}, {data->of_all, TABLE_WIDTH, false}},
    };
}

struct plan *plan_make(const struct data *data, const struct strategy *s, uint32_t batch_size,
                       enum last_batch last, uint64_t seed, const double *weights)
{
    struct plan *plan = NULL;
    struct sampler_error err = {.message = "no memory"};
    struct plan_input in = input_of(data, s, batch_size);
    in.seed = seed;
    in.last_batch = last;
    in.weights = weights;
    if (plan_build(&plan, &in, &err) != PLAN_OK)
        fail_msg("%s: %s", s->kind->name, err.message);
    assert_int_equal(plan_place(plan, 0, 0, plan_epoch(plan, 0), &err), PLAN_OK);
    return plan;
}

/* ---- drawing ---- */

void drawn_init(struct drawn *drawn, uint32_t batch_size)
{
    *drawn = (struct drawn){
        .index = grab(batch_size, sizeof(*drawn->index)),
        .label = grab(batch_size, sizeof(*drawn->label)),
        .repeat = grab(batch_size, sizeof(*drawn->repeat)),
        .probability = grab(batch_size, sizeof(*drawn->probability)),
        .seed = grab(batch_size, sizeof(*drawn->seed)),
        .strength = grab(batch_size, sizeof(*drawn->strength)),
        .mix_index = grab(batch_size, sizeof(*drawn->mix_index)),
        .mix_label = grab(batch_size, sizeof(*drawn->mix_label)),
        .mix_lambda = grab(batch_size, sizeof(*drawn->mix_lambda)),
        .mix_label_lambda = grab(batch_size, sizeof(*drawn->mix_label_lambda)),
    };
}

void drawn_fini(struct drawn *drawn)
{
    free(drawn->index);
    free(drawn->label);
    free(drawn->repeat);
    free(drawn->probability);
    free(drawn->seed);
    free(drawn->strength);
    free(drawn->mix_index);
    free(drawn->mix_label);
    free(drawn->mix_lambda);
    free(drawn->mix_label_lambda);
}

void draw_slice(const struct plan *plan, uint64_t epoch, uint64_t step, struct epoch_shape shape,
                uint32_t rank, uint32_t world, struct drawn *out)
{
    uint32_t known = plan_columns_known(plan);
    bool mixed = known >> PLAN_MIX_INDEX & 1;
    const struct plan_columns columns = {
        .index = out->index,
        .label = out->label,
        .probability = known & 1u << PLAN_PROBABILITY ? out->probability : NULL,
        .repeat = known & 1u << PLAN_REPEAT ? out->repeat : NULL,
        .augment_seed = out->seed,
        .augment_strength = known & 1u << PLAN_AUGMENT_STRENGTH ? out->strength : NULL,
        .mix_index = mixed ? out->mix_index : NULL,
        .mix_label = mixed ? out->mix_label : NULL,
        .mix_lambda = mixed ? out->mix_lambda : NULL,
        .mix_label_lambda = mixed ? out->mix_label_lambda : NULL,
    };
    const struct plan_slice slice = {
        .epoch = epoch, .step = step, .shape = shape, .rank = rank, .world = world};
    size_t size = (plan_scratch_size(plan) + 63) / 64 * 64;
    void *scratch = aligned_alloc(64, size);
    assert_non_null(scratch);
    memset(scratch, (int)(epoch * 31 + step * 7 + rank), size); /* contents must not matter */
    out->n = plan_draw(plan, &slice, &columns, scratch);
    free(scratch);
}

void draw_step(const struct plan *plan, uint64_t epoch, uint64_t step, struct drawn *out)
{
    draw_slice(plan, epoch, step, plan_epoch(plan, epoch), 0, 1, out);
}

/* ---- numbers ---- */

uint64_t test_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

double chi_square_tail(double x, double freedom)
{
    double a = 2 / (9 * freedom);
    return 0.5 * erfc((cbrt(x / freedom) - (1 - a)) / sqrt(a) / sqrt(2));
}
