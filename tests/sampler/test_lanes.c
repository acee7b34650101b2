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
            assert_memory_equal(value, want, n * sizeof *value);
            for (uint32_t k = 0; k < n; k++) {
                value[k] = k % size[0];
                want[k] = permute(value[k], size[0], key[0]);
            }
            lanes_permute_one(value, size[0], key[0], n, &walk);
            assert_memory_equal(value, want, n * sizeof *value);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
