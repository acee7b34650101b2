/* Keys against Random123, and the vector code against the plain one, on every path this processor
 * can run. */
#include <Random123/philox.h>
#include "fixture.h"
#include "sampler/lanes.h"
#include "sampler/permute.h"

static void keys_are_random123s(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 1000; i++) {
        uint64_t key = test_random(&random), a = test_random(&random);
        uint32_t b = (uint32_t)test_random(&random);
        philox4x32_ctr_t counter = {{(uint32_t)a, (uint32_t)(a >> 32), b, KEY_DRAW}};
        philox4x32_key_t k = {{(uint32_t)key, (uint32_t)(key >> 32)}};
        philox4x32_ctr_t want = philox4x32_R(10, counter, k);
        struct key_pair got = key_numbers(key, KEY_DRAW, a, b);
        assert_true(got.first == (want.v[0] | (uint64_t)want.v[1] << 32));
        assert_true(got.second == (want.v[2] | (uint64_t)want.v[3] << 32));
    }
}

static void every_path_gives_the_same_numbers(void **state)
{
    (void)state;
    const struct lanes_path *paths;
    unsigned count = lanes_paths(&paths);
    uint64_t a[LANES], first[LANES], second[LANES], random = 2;
    uint32_t b[LANES];
    for (unsigned p = 0; p < count; p++) {
        lanes_use(&paths[p]);
        for (uint32_t n = 1; n <= LANES; n++) {
            uint64_t key = test_random(&random);
            for (uint32_t k = 0; k < LANES; k++) {
                a[k] = test_random(&random) >> n % 64;
                b[k] = (uint32_t)test_random(&random);
            }
            lanes_numbers(key, KEY_MEMBER, a, b, first, second, n);
            for (uint32_t k = 0; k < n; k++) {
                struct key_pair want = key_numbers(key, KEY_MEMBER, a[k], b[k]);
                assert_true(first[k] == want.first && second[k] == want.second);
            }
        }
    }
    lanes_use(NULL);
}

static void every_path_gives_the_same_permutation(void **state)
{
    (void)state;
    const struct lanes_path *paths;
    unsigned count = lanes_paths(&paths);
    uint64_t value[LANES], size[LANES], key[LANES], want[LANES], random = 3;
    static struct lanes_walk walk;
    for (unsigned p = 0; p < count; p++) {
        lanes_use(&paths[p]);
        for (uint32_t n = 1; n <= LANES; n++) {
            for (uint32_t k = 0; k < n; k++) {
                size[k] = 1 + (test_random(&random) >> (24 + test_random(&random) % 40));
                value[k] = test_random(&random) % size[k];
                key[k] = test_random(&random);
                want[k] = permute(value[k], size[k], key[k]);
            }
            lanes_permute(value, size, key, n, &walk);
            assert_memory_equal(value, want, n * sizeof(*value));
            for (uint32_t k = 0; k < n; k++) {
                value[k] = k % size[0];
                want[k] = permute(value[k], size[0], key[0]);
            }
            lanes_permute_one(value, size[0], key[0], n, &walk);
            assert_memory_equal(value, want, n * sizeof(*value));
        }
    }
    lanes_use(NULL);
}

/* As lanes.h says it, in whole numbers. */
static int64_t floors_expected(const struct lanes_floors *f, double below)
{
    int64_t steps = (int64_t)f->steps, length = (int64_t)f->length;
    int64_t product = length * (int64_t)(f->start - below);
    int64_t t = product / steps, rest = product % steps;
    int64_t j = (t + (int64_t)f->ahead) * (int64_t)f->turn % length;
    rest += (int64_t)f->drift * j;
    return t + (rest >= steps) - (rest < 0);
}

static void every_path_gives_the_same_floors(void **state)
{
    (void)state;
    const struct lanes_path *paths;
    unsigned count = lanes_paths(&paths);
    double below[LANES], sum[LANES];
    uint64_t random = 4;
    for (unsigned p = 0; p < count; p++) {
        lanes_use(&paths[p]);
        for (uint32_t round = 0; round < 2000; round++) {
            uint64_t steps = 1 + test_random(&random) % (LANES_MAX_STEPS >> round % 24);
            uint64_t length = 1 + test_random(&random) % steps;
            int64_t drift = (int64_t)(test_random(&random) % (steps / length + 1));
            const struct lanes_floors floors = {
                .steps = (double)steps,
                .start = (double)(steps + test_random(&random) % steps),
                .length = (double)length,
                .ahead = round & 1,
                .turn = (double)(test_random(&random) % length),
                .drift = (double)(round & 1 ? drift : -drift),
                .per_step = 1 / (double)steps,
                .per_length = 1 / (double)length,
            };
            for (uint32_t k = 0; k < LANES; k++) {
                /* Every other one next to a whole quotient, where rounding would tell. */
                uint64_t whole = test_random(&random) % length * steps / length;
                below[k] = k & 1 ? (double)(test_random(&random) % steps)
                                 : floors.start - (double)steps - (double)whole;
                below[k] = below[k] < 0 ? 0 : below[k];
                sum[k] = k;
            }
            lanes_floors(sum, below, &floors, LANES);
            for (uint32_t k = 0; k < LANES; k++)
                assert_int_equal((int64_t)sum[k] - k, floors_expected(&floors, below[k]));
        }
    }
    lanes_use(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_random123s),
        cmocka_unit_test(every_path_gives_the_same_numbers),
        cmocka_unit_test(every_path_gives_the_same_permutation),
        cmocka_unit_test(every_path_gives_the_same_floors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
