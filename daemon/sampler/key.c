/* Random123's Philox as keys and numbers (key.h). Called wherever something is drawn or keyed. */
#include "sampler/key.h"

#include <Random123/philox.h>

struct key_pair key_numbers(uint64_t key, enum key_purpose purpose, uint64_t a, uint32_t b)
{
    philox4x32_ctr_t counter = {{(uint32_t)a, (uint32_t)(a >> 32), b, (uint32_t)purpose}};
    philox4x32_key_t k = {{(uint32_t)key, (uint32_t)(key >> 32)}};
    philox4x32_ctr_t out = philox4x32(counter, k);
    return (struct key_pair){
        .first = out.v[0] | (uint64_t)out.v[1] << 32,
        .second = out.v[2] | (uint64_t)out.v[3] << 32,
    };
}

uint64_t key_derive(uint64_t key, enum key_purpose purpose, uint64_t a, uint32_t b)
{
    return key_numbers(key, purpose, a, b).first;
}
