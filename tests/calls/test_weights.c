/* Class weights for losses, as dataset.stats and job.stats give them. */
#include "harness.h"

#include <math.h>
#include <string.h>

/* Twelve samples: six a, four b, two c, no d. */
static void load(struct peer *peer)
{
    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': ['a', 'b', 'c', 'd']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0,0,0,0,0,0,1,1,1,1,2,2]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
}

static double entry(const json_t *map, const char *key, size_t i)
{
    const json_t *value = json_array_get(json_object_get(map, key), i);

    return json_is_null(value) ? NAN : json_number_value(value);
}

#define CLOSE(a, b) assert_true(fabs((a) - (b)) <= 1e-12 * fabs(b))

static void test_dataset_weights(void **state)
{
    static const struct {
        const char *kind;
        double weight[3], empty;
    } cases[] = {
        /* sklearn.utils.class_weight.compute_class_weight("balanced", ...) */
        {"balanced", {0.6666666666666666, 1.0, 2.0}, 0},
        {"inverse", {1.0 / 6, 1.0 / 4, 1.0 / 2}, 0},
        {"sqrt-inverse", {0.4082482904638631, 0.5, 0.7071067811865475}, 0},
        {"pos-weight", {1.0, 2.0, 5.0}, 0},
        {"log-prior", {-0.6931471805599453, -1.0986122886681098, -1.791759469228055}, NAN},
    };
    struct peer *peer = peer_new(*state);
    json_t *stats;
    double sum = 0;

    load(peer);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        stats =
            peer_call(peer, "dataset.stats", "[{'dataset': 'd', 'weights': '%s'}]", cases[i].kind);
        assert_string_equal(text(stats, "weights"), cases[i].kind);
        assert_int_equal(json_array_size(json_object_get(stats, "weight")), 4);
        for (size_t c = 0; c < 3; c++)
            CLOSE(entry(stats, "weight", c), cases[i].weight[c]);
        assert_true(isnan(cases[i].empty) ? isnan(entry(stats, "weight", 3))
                                          : entry(stats, "weight", 3) == 0);
        json_decref(stats);
    }
    stats = peer_call(peer, "dataset.stats",
                      "[{'dataset': 'd', 'weights': 'effective', 'beta': 0.9, 'first': 0}]");
    for (size_t c = 0; c < 3; c++)
        sum += entry(stats, "weight", c);
    CLOSE(sum, 3.0);
    CLOSE(entry(stats, "weight", 2) / entry(stats, "weight", 0),
          (1 - pow(0.9, 6)) / (1 - pow(0.9, 2)));
    assert_float_equal(real(stats, "beta"), 0.9, 0);
    json_decref(stats);
    stats = peer_call(peer, "dataset.stats",
                      "[{'dataset': 'd', 'weights': 'logit-adjustment', 'tau': 2}]");
    CLOSE(entry(stats, "weight", 2), 2 * -1.791759469228055);
    assert_true(isnan(entry(stats, "weight", 3)));
    assert_float_equal(real(stats, "tau"), 2, 0);
    assert_null(json_object_get(stats, "beta"));
    json_decref(stats);
    stats = peer_call(peer, "dataset.stats", "[{'dataset': 'd', 'weights': 'logit-adjustment'}]");
    CLOSE(entry(stats, "weight", 2), -1.791759469228055);
    json_decref(stats);
    stats = peer_call(peer, "dataset.stats",
                      "[{'dataset': 'd', 'weights': 'balanced', 'first': 2, 'count': 1}]");
    assert_int_equal(json_array_size(json_object_get(stats, "weight")), 1);
    CLOSE(entry(stats, "weight", 0), 2.0);
    json_decref(stats);
    stats = peer_call(peer, "dataset.stats", "[{'dataset': 'd'}]");
    assert_null(json_object_get(stats, "weight"));
    json_decref(stats);
}

/* A job that rebalances has equal weights; one that does not has the dataset's. */
static void test_job_weights(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *stats;

    load(peer);
    peer_do(peer, "job.create",
            "[{'name': 'even', 'dataset': 'd', 'batch_size': 4, "
            "'strategy': {'kind': 'weighted', 'weight': 'inverse'}}]");
    peer_do(peer, "job.create", "[{'name': 'plain', 'dataset': 'd', 'batch_size': 4}]");
    stats = peer_call(peer, "job.stats", "[{'job': 'even', 'weights': 'balanced'}]");
    for (size_t c = 0; c < 3; c++)
        CLOSE(entry(stats, "weight", c), 1.0);
    assert_true(entry(stats, "weight", 3) == 0);
    json_decref(stats);
    stats = peer_call(peer, "job.stats", "[{'job': 'even', 'weights': 'inverse'}]");
    for (size_t c = 0; c < 3; c++)
        CLOSE(entry(stats, "weight", c), 0.25);
    json_decref(stats);
    stats = peer_call(peer, "job.stats", "[{'job': 'plain', 'weights': 'log-prior'}]");
    CLOSE(entry(stats, "weight", 0), log(0.5));
    assert_true(isnan(entry(stats, "weight", 3)));
    json_decref(stats);
    stats = peer_call(peer, "job.stats",
                      "[{'job': 'even', 'weights': 'logit-adjustment', 'tau': 0.5}]");
    for (size_t c = 0; c < 3; c++)
        CLOSE(entry(stats, "weight", c), 0.5 * log(1.0 / 3));
    json_decref(stats);
    /* The job's own strategy as it is now. */
    peer_do(peer, "job.update",
            "[{'job': 'plain', 'strategy': {'kind': 'stratified', 'proportions': 'equal'}}]");
    stats = peer_call(peer, "job.stats", "[{'job': 'plain', 'weights': 'balanced'}]");
    for (size_t c = 0; c < 3; c++)
        CLOSE(entry(stats, "weight", c), 1.0);
    json_decref(stats);
}

static void test_weights_refused(void **state)
{
    struct peer *peer = peer_new(*state);

    load(peer);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 4}]");
    assert_non_null(strstr(peer_refused(peer, EVD_E_BAD_VALUE, "dataset.stats",
                                        "[{'dataset': 'd', 'weights': 'fair'}]"),
                           "balanced, inverse"));
    peer_refused(peer, EVD_E_BAD_TYPE, "dataset.stats", "[{'dataset': 'd', 'weights': 1}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "dataset.stats", "[{'dataset': 'd', 'beta': 0.9}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "dataset.stats",
                 "[{'dataset': 'd', 'weights': 'balanced', 'beta': 0.9}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "dataset.stats",
                 "[{'dataset': 'd', 'weights': 'log-prior', 'tau': 2}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.stats",
                 "[{'job': 'j', 'weights': 'logit-adjustment', 'tau': 0}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "dataset.stats",
                 "[{'dataset': 'd', 'weights': 'logit-adjustment', 'tau': 1e308}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "dataset.stats",
                 "[{'dataset': 'd', 'weights': 'effective', 'beta': 1}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.stats",
                 "[{'job': 'j', 'weights': 'effective', 'beta': -0.5}]");
    peer_refused(peer, EVD_E_BAD_TYPE, "job.stats",
                 "[{'job': 'j', 'weights': 'effective', 'beta': 'x'}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.stats",
                 "[{'job': 'j', 'weights': 'effective', 'beta': {'$f64': 'nan'}}]");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_dataset_weights),
        TEST(test_job_weights),
        TEST(test_weights_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
