#include "reported.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- counting ---- */

static bool before(const struct reported_epoch *one, struct reported_at at)
{
    return one->generation < at.generation ||
           (one->generation == at.generation && one->epoch < at.epoch);
}

/* The epoch of a report, made where it belongs if there is none. */
static struct reported_epoch *epoch_of(struct reported *reported, struct reported_at at)
{
    struct reported_epoch *epochs = reported->epochs;
    uint32_t i = 0;

    while (i < reported->count && before(&epochs[i], at))
        i++;
    if (i < reported->count && epochs[i].generation == at.generation && epochs[i].epoch == at.epoch)
        return &epochs[i];
    assert_true(reported->count < REPORTED_EPOCHS);
    memmove(&epochs[i + 1], &epochs[i], (reported->count++ - i) * sizeof(epochs[0]));
    epochs[i] = (struct reported_epoch){.generation = at.generation, .epoch = at.epoch};
    return &epochs[i];
}

bool reported_add(struct reported *reported, struct reported_at at,
                  const struct reported_sample *samples, size_t n)
{
    struct reported_epoch *epoch = epoch_of(reported, at);

    assert_true(at.step < REPORTED_STEPS && at.rank < REPORTED_RANKS);
    if (epoch->seen[at.step][at.rank])
        return false;
    epoch->seen[at.step][at.rank] = true;
    epoch->reports++;
    for (size_t i = 0; i < n; i++) {
        epoch->cell[samples[i].label][samples[i].predicted]++;
        if (samples[i].loss < 0)
            continue;
        epoch->loss[samples[i].label] += samples[i].loss;
        epoch->losses[samples[i].label]++;
    }
    return true;
}

static void add_up(struct reported_epoch *sum, const struct reported_epoch *one)
{
    for (int c = 0; c < REPORTED_CLASSES; c++) {
        for (int p = 0; p < REPORTED_CLASSES; p++)
            sum->cell[c][p] += one->cell[c][p];
        sum->loss[c] += one->loss[c];
        sum->losses[c] += one->losses[c];
    }
}

static uint64_t support(const struct reported_epoch *of, int class)
{
    return of->cell[class][0] + of->cell[class][1] + of->cell[class][2];
}

static uint64_t predicted(const struct reported_epoch *of, int class)
{
    return of->cell[0][class] + of->cell[1][class] + of->cell[2][class];
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* ---- job.confusion ---- */

static void assert_near(const json_t *is, double should)
{
    assert_true(json_is_number(is));
    assert_float_equal(json_number_value(is), should, 1e-9);
}

/* A mean that is nil where nothing was reported. */
static void assert_mean(const json_t *is, double sum, uint64_t n)
{
    if (n == 0)
        assert_true(json_is_null(is));
    else
        assert_near(is, sum / (double)n);
}

static const json_t *of_class(const json_t *answer, const char *key, int class)
{
    return json_array_get(json_object_get(answer, key), (size_t) class);
}

struct metrics {
    double precision, recall, f1;
};

static void assert_class(const json_t *answer, const struct reported_epoch *of, int c,
                         struct metrics *metrics)
{
    double right = (double)of->cell[c][c], all = (double)support(of, c);
    double said = (double)predicted(of, c);

    *metrics =
        (struct metrics){share(right, said), share(right, all), share(2 * right, all + said)};
    assert_int_equal(json_integer_value(of_class(answer, "support", c)), support(of, c));
    assert_int_equal(json_integer_value(of_class(answer, "predicted", c)), predicted(of, c));
    assert_near(of_class(answer, "precision", c), metrics->precision);
    assert_near(of_class(answer, "recall", c), metrics->recall);
    assert_near(of_class(answer, "f1", c), metrics->f1);
    for (int p = 0; p < REPORTED_CLASSES; p++)
        assert_int_equal(
            json_integer_value(json_array_get(of_class(answer, "matrix", c), (size_t)p)),
            of->cell[c][p]);
    if (json_object_get(answer, "loss"))
        assert_mean(of_class(answer, "loss", c), of->loss[c], of->losses[c]);
}

static void assert_means(const json_t *map, const struct metrics *sum, double weight)
{
    assert_near(json_object_get(map, "precision"), share(sum->precision, weight));
    assert_near(json_object_get(map, "recall"), share(sum->recall, weight));
    assert_near(json_object_get(map, "f1"), share(sum->f1, weight));
}

static void weigh(struct metrics *sum, const struct metrics *metrics, double weight)
{
    sum->precision += metrics->precision * weight;
    sum->recall += metrics->recall * weight;
    sum->f1 += metrics->f1 * weight;
}

static void assert_confusion(const json_t *answer, const struct reported_epoch *of)
{
    struct metrics one, macro = {0}, weighted = {0}, balanced = {0};
    double samples = 0, right = 0, loss = 0, anywhere = 0, there = 0;
    uint64_t losses = 0;

    for (int c = 0; c < REPORTED_CLASSES; c++) {
        bool is = support(of, c) > 0;

        assert_class(answer, of, c, &one);
        weigh(&weighted, &one, (double)support(of, c));
        weigh(&macro, &one, is || predicted(of, c) > 0);
        weigh(&balanced, &one, is);
        samples += (double)support(of, c);
        right += (double)of->cell[c][c];
        anywhere += is || predicted(of, c) > 0;
        there += is;
        loss += of->loss[c];
        losses += of->losses[c];
    }
    assert_int_equal(integer(answer, "samples"), (int64_t)samples);
    assert_near(json_object_get(answer, "accuracy"), share(right, samples));
    assert_near(json_object_get(answer, "balanced_accuracy"), share(balanced.recall, there));
    assert_means(json_object_get(answer, "macro"), &macro, anywhere);
    assert_means(json_object_get(answer, "weighted"), &weighted, samples);
    assert_mean(json_object_get(answer, "mean_loss"), loss, losses);
    assert_true((json_object_get(answer, "loss") != NULL) == (losses > 0));
    assert_null(json_object_get(answer, "thresholds"));
}

/* What is kept: every epoch of every generation. */
static void assert_epochs(const struct reported *reported, const json_t *answer)
{
    const json_t *epochs = json_object_get(answer, "epochs"), *one;
    size_t i;

    assert_int_equal(json_array_size(epochs), reported->count);
    json_array_foreach((json_t *)epochs, i, one)
    {
        bool found = false;

        for (uint32_t k = 0; k < reported->count; k++) {
            const struct reported_epoch *epoch = &reported->epochs[k];
            uint64_t samples = support(epoch, 0) + support(epoch, 1) + support(epoch, 2);

            if (epoch->generation != integer(one, "generation") ||
                (int64_t)epoch->epoch != integer(one, "epoch"))
                continue;
            found = true;
            assert_int_equal(integer(one, "reports"), epoch->reports);
            assert_int_equal(integer(one, "samples"), samples);
        }
        assert_true(found);
    }
}

static void compare_epoch(const struct reported *reported, struct peer *peer, const char *params,
                          const struct reported_epoch *of)
{
    json_t *answer;

    if (!of) {
        peer_refused(peer, EVD_E_NOT_FOUND, "job.confusion", "[{'job': 'j'%s}]", params);
        return;
    }
    answer = peer_call(peer, "job.confusion", "[{'job': 'j'%s}]", params);
    assert_int_equal(integer(answer, "generation"), of->generation);
    assert_int_equal(integer(answer, "epoch"), of->epoch);
    assert_confusion(answer, of);
    assert_epochs(reported, answer);
    json_decref(answer);
}

void reported_compare(const struct reported *reported, struct peer *peer, uint64_t epoch)
{
    const struct reported_epoch *newest = NULL, *named = NULL;
    struct reported_epoch all = {0};
    char params[64];
    json_t *answer;

    for (uint32_t i = 0; i < reported->count; i++) {
        newest = &reported->epochs[i];
        named = newest->epoch == epoch ? newest : named;
        add_up(&all, newest);
    }
    snprintf(params, sizeof(params), ", 'epoch': %" PRIu64, epoch);
    compare_epoch(reported, peer, params, named);
    compare_epoch(reported, peer, "", newest);
    if (!newest)
        return;
    answer = peer_call(peer, "job.confusion", "[{'job': 'j', 'all': true}]");
    assert_confusion(answer, &all);
    assert_epochs(reported, answer);
    json_decref(answer);
}

/* ---- the adaptive strategy ---- */

static double weight_of(const json_t *revision, int class)
{
    char name[2] = {(char)('a' + class), 0};
    const json_t *weights = json_object_get(json_object_get(revision, "strategy"), "weights");
    const json_t *weight = weights ? json_object_get(weights, name) : NULL;

    return weight ? json_number_value(weight) : 1;
}

/* Whether the weights of `after` are those of `was`, moved by what was counted. */
static bool follows(const struct reported_epoch *of, const json_t *was, const json_t *after)
{
    for (int c = 0; c < REPORTED_CLASSES; c++) {
        double old = weight_of(was, c), weight = old;

        if (support(of, c) > 0) {
            double recall = (double)of->cell[c][c] / (double)support(of, c);

            weight = 0.5 * old + 0.5 * (1 + 6 * (1 - recall));
        }
        if (fabs(weight - weight_of(after, c)) > 1e-9)
            return false;
    }
    return true;
}

void reported_moved(const struct reported *reported, struct reported_at at, const json_t *was,
                    const json_t *after)
{
    bool found = false;

    assert_string_equal(text(after, "author"), "adaptive");
    for (uint32_t i = 0; i < reported->count; i++) {
        const struct reported_epoch *of = &reported->epochs[i];

        if (of->generation != at.generation || of->epoch != at.epoch)
            continue;
        found = follows(of, was, after);
        /* The first report of an epoch ends the one that was reported before. */
        if (of->reports == 1 && i > 0)
            found |= follows(of - 1, was, after);
    }
    assert_true(found);
}
