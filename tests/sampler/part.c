/* Parts of datasets (part.h). */
#include "part.h"

#include <stdlib.h>
#include <string.h>

uint64_t *bits_of(const struct data *data)
{
    uint64_t *bits = calloc(data->index.samples / 64 + 1, sizeof(*bits));
    assert_non_null(bits);
    return bits;
}

bool bit(const uint64_t *bits, uint64_t sample)
{
    return bits[sample / 64] >> sample % 64 & 1;
}

uint32_t label_of(const struct data *data, uint64_t sample)
{
    if (data->label)
        return data->label[sample];
    uint32_t c = 0;
    while (sample >= data->start[c + 1])
        c++;
    return c;
}

/* Rows of neighbours with only those that are in the part. */
static uint32_t *part_rows(const struct part *part, const uint32_t *rows, const uint64_t *bits,
                           uint64_t samples)
{
    uint32_t *out = malloc((part->data.index.samples * TABLE_WIDTH + 1) * sizeof(*out));
    uint32_t *small = malloc((samples + 1) * sizeof(*small));
    assert_true(out && small);
    memset(out, 0xff, part->data.index.samples * TABLE_WIDTH * sizeof(*out));
    for (uint64_t i = 0; i < part->data.index.samples; i++)
        small[part->whole[i]] = (uint32_t)i;
    for (uint64_t i = 0; i < part->data.index.samples; i++) {
        const uint32_t *row = rows + part->whole[i] * TABLE_WIDTH;
        uint32_t n = 0;
        for (uint32_t j = 0; j < TABLE_WIDTH && row[j] != PLAN_NO_NEIGHBOUR; j++) {
            if (bit(bits, row[j]))
                out[i * TABLE_WIDTH + n++] = small[row[j]];
        }
    }
    free(small);
    return out;
}

void part_init(struct part *part, const struct data *data, const uint64_t *bits)
{
    const struct class_index *index = &data->index;
    uint64_t kept = 0, *next = calloc(index->classes, sizeof(*next));
    double *weights = case_weights(data);
    *part = (struct part){.whole = calloc(index->samples, sizeof(*part->whole)),
                          .weights = calloc(index->samples, sizeof(*part->weights))};
    struct data *own = &part->data;
    own->start = calloc(index->classes + 1u, sizeof(*own->start));
    own->member32 = calloc(index->samples, sizeof(*own->member32));
    assert_true(next && part->whole && part->weights && own->start && own->member32);
    for (uint64_t i = 0; i < index->samples; i++) {
        if (bit(bits, i)) {
            part->weights[kept] = weights[i];
            part->whole[kept++] = i;
            own->start[label_of(data, i) + 1]++;
        }
    }
    for (uint32_t c = 0; c < index->classes; c++)
        own->start[c + 1] += own->start[c];
    memcpy(next, own->start, index->classes * sizeof(*next));
    for (uint64_t i = 0; i < kept; i++)
        own->member32[next[label_of(data, part->whole[i])]++] = (uint32_t)i;
    own->index = (struct class_index){.samples = kept,
                                      .labelled = kept,
                                      .classes = index->classes,
                                      .start = own->start,
                                      .member32 = own->member32};
    own->of_class = part_rows(part, data->of_class, bits, index->samples);
    own->of_all = part_rows(part, data->of_all, bits, index->samples);
    free(weights);
    free(next);
}

void part_fini(struct part *part)
{
    data_fini(&part->data);
    free(part->whole);
    free(part->weights);
}
