/* Turns a builder into a dataset: class index, member table, checksum; and answers what is asked of
 * it (dataset.h). Called by dataset.commit and when jobs are loaded. */
#include "dataset/dataset.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "dataset/builder.h"
#include "dataset/labels.h"
#include "sampler/tables.h"

/* Samples between two looks at whether anybody still waits: about a millisecond. */
#define SLICE (UINT64_C(1) << 18)

static bool given_up(const atomic_bool *cancel)
{
    return cancel && atomic_load_explicit(cancel, memory_order_relaxed);
}

static uint64_t slice_end(uint64_t from, uint64_t samples)
{
    return samples - from < SLICE ? samples : from + SLICE;
}

/*
 * The checksum of a dataset is XXH3-64 (seed 0) over
 *   the number of classes, u32; the number of samples, u64;
 *   the class names in order, each followed by one zero byte;
 *   the labels in order, u32 each, 0xFFFFFFFF where there is none;
 *   each weight column in byte order of the names: its name, one zero byte, one float64 per sample.
 * All numbers are little-endian. It does not depend on how the data was cut into chunks, nor on how
 * it is kept in memory.
 */
static void checksum_column(XXH3_state_t *state, const struct weight_column *column)
{
    uint64_t block[512];

    XXH3_64bits_update(state, column->name, strlen(column->name) + 1);
    for (uint64_t i = 0; i < column->n;) {
        size_t n = 0;
        for (; n < sizeof(block) / sizeof(*block) && i < column->n; n++, i++) {
            memcpy(&block[n], &column->values[i], sizeof(*block));
            block[n] = htole64(block[n]);
        }
        XXH3_64bits_update(state, block, n * sizeof(*block));
    }
}

static int dataset_checksum(const struct dataset_builder *builder, const atomic_bool *cancel,
                            uint64_t *checksum)
{
    XXH3_state_t *state = XXH3_createState();
    uint32_t classes = htole32(builder->classes.count);
    uint64_t samples = htole64(builder->samples);
    uint32_t block[1024];

    if (!state)
        return EVD_E_NO_MEMORY;
    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, &classes, sizeof(classes));
    XXH3_64bits_update(state, &samples, sizeof(samples));
    XXH3_64bits_update(state, builder->classes.text, builder->classes.text_len);
    for (uint64_t i = 0; i < builder->samples && !given_up(cancel);) {
        size_t n = 0;
        while (n < sizeof(block) / sizeof(*block) && i < builder->samples)
            block[n++] = htole32(label_get(builder->labels, builder->width, i++));
        XXH3_64bits_update(state, block, n * sizeof(*block));
    }
    for (uint32_t i = 0; i < builder->column_count && !given_up(cancel); i++)
        checksum_column(state, &builder->columns[i]);
    *checksum = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return given_up(cancel) ? EVD_E_SHUTTING_DOWN : EVD_OK;
}

/* Counts the members of samples `from` to `to` into start[c + 1] and finds the first of each class.
 * Returns whether every class is one run of consecutive indices so far. */
static bool count_members(const struct dataset_builder *builder, uint64_t from, uint64_t to,
                          uint64_t *start, uint64_t *first)
{
    bool runs = true;

    for (uint64_t i = from; i < to; i++) {
        uint32_t c = label_get(builder->labels, builder->width, i);
        if (c == EVD_UNLABELLED)
            continue;
        if (start[c + 1] == 0)
            first[c] = i;
        runs = runs && i == first[c] + start[c + 1];
        start[c + 1]++;
    }
    return runs;
}

/* Puts samples `from` to `to` into the member table; next[c] is the next place of class c. */
static void fill_members(struct dataset *dataset, const struct dataset_builder *builder,
                         uint64_t from, uint64_t to, uint64_t *next)
{
    for (uint64_t i = from; i < to; i++) {
        uint32_t c = label_get(builder->labels, builder->width, i);
        if (c == EVD_UNLABELLED)
            continue;
        if (dataset->member32)
            dataset->member32[next[c]++] = (uint32_t)i;
        else
            dataset->member64[next[c]++] = i;
    }
}

/* The member table by counting sort; `next` is working memory for C positions. */
static int build_members(struct dataset *dataset, const struct dataset_builder *builder,
                         const atomic_bool *cancel, uint64_t *next)
{
    uint64_t samples = builder->samples, labelled = dataset->start[builder->classes.count];

    if (samples <= (UINT64_C(1) << 32))
        dataset->member32 = table_alloc(labelled * sizeof(*dataset->member32));
    else
        dataset->member64 = table_alloc(labelled * sizeof(*dataset->member64));
    if (!dataset->member32 && !dataset->member64)
        return EVD_E_NO_MEMORY;
    memcpy(next, dataset->start, builder->classes.count * sizeof(*next));
    for (uint64_t i = 0; i < samples; i = slice_end(i, samples)) {
        if (given_up(cancel))
            return EVD_E_SHUTTING_DOWN;
        fill_members(dataset, builder, i, slice_end(i, samples), next);
    }
    return EVD_OK;
}

static int build_index(struct dataset *dataset, const struct dataset_builder *builder,
                       const atomic_bool *cancel)
{
    uint32_t classes = builder->classes.count;
    uint64_t samples = builder->samples;
    bool runs = true;

    dataset->start = calloc((size_t)classes + 1, sizeof(*dataset->start));
    dataset->first = calloc(classes, sizeof(*dataset->first));
    if (!dataset->start || !dataset->first)
        return EVD_E_NO_MEMORY;
    for (uint64_t i = 0; i < samples; i = slice_end(i, samples)) {
        if (given_up(cancel))
            return EVD_E_SHUTTING_DOWN;
        runs &= count_members(builder, i, slice_end(i, samples), dataset->start, dataset->first);
    }
    for (uint32_t c = 0; c < classes; c++)
        dataset->start[c + 1] += dataset->start[c];
    if (!runs) {
        int code = build_members(dataset, builder, cancel, dataset->first);
        if (code != EVD_OK)
            return code;
        free(dataset->first);
        dataset->first = NULL;
    }
    dataset->index = (struct class_index){
        .samples = samples,
        .labelled = dataset->start[classes],
        .classes = classes,
        .start = dataset->start,
        .member32 = dataset->member32,
        .member64 = dataset->member64,
        .first = dataset->first,
    };
    return EVD_OK;
}

static int check_columns(const struct dataset_builder *builder, struct evd_error *err)
{
    for (uint32_t i = 0; i < builder->column_count; i++) {
        const struct weight_column *column = &builder->columns[i];
        if (column->n != builder->samples)
            return error_set(err, EVD_E_BAD_VALUE, column->name,
                             "column \"%s\" has %" PRIu64 " values for %" PRIu64
                             " samples: send one for each, in the same order",
                             column->name, column->n, builder->samples);
    }
    return EVD_OK;
}

/* The builder's memory becomes the dataset's; what was reserved beyond need goes back. */
static void move_memory(struct dataset *dataset, struct dataset_builder *builder)
{
    void *labels = realloc(builder->labels, builder->samples * builder->width);

    dataset->labels = labels ? labels : builder->labels;
    dataset->label_width = builder->width;
    dataset->class_names = builder->classes;
    dataset->index.names = dataset->class_names.text;
    dataset->index.name_at = dataset->class_names.at;
    memcpy(dataset->columns, builder->columns, sizeof(dataset->columns));
    dataset->column_count = builder->column_count;
    for (uint32_t i = 0; i < dataset->column_count; i++)
        weight_column_trim(&dataset->columns[i]);
    builder->column_count = 0;
    builder->labels = NULL;
    builder->classes = (struct names){0};
    dataset_builder_free(builder);
}

int dataset_build(struct dataset_builder *builder, const atomic_bool *cancel, struct dataset **out,
                  struct evd_error *err)
{
    struct dataset *dataset = NULL;
    int code = check_columns(builder, err);

    if (code != EVD_OK)
        return code;
    if (builder->classes.count == 0)
        goto err_unlabelled;
    dataset = calloc(1, sizeof(*dataset));
    code = dataset ? build_index(dataset, builder, cancel) : EVD_E_NO_MEMORY;
    if (code == EVD_OK)
        code = dataset_checksum(builder, cancel, &dataset->checksum);
    if (code != EVD_OK)
        goto err_unfinished;
    if (dataset->index.labelled == 0)
        goto err_unlabelled;
    summarise(dataset, &dataset->summary);
    move_memory(dataset, builder);
    *out = dataset;
    return EVD_OK;

err_unlabelled:
    dataset_free(dataset);
    return error_set(err, EVD_E_BAD_VALUE, "labels",
                     "the dataset has no sample with a label: nothing could be drawn from it");
err_unfinished:
    dataset_free(dataset);
    if (code == EVD_E_SHUTTING_DOWN)
        return error_set(err, code, "dataset", "given up: nobody waits for this dataset any more");
    return error_set(err, EVD_E_NO_MEMORY, "dataset",
                     "no memory for the class index of this dataset: drop datasets that are not "
                     "used, or give the daemon more memory");
}

void dataset_free(struct dataset *dataset)
{
    if (!dataset)
        return;
    assert(dataset->attachment_count == 0); /* dataset_detach_all */
    names_fini(&dataset->class_names);
    weight_columns_free(dataset->columns, dataset->column_count);
    free(dataset->damage);
    free(dataset->labels);
    free(dataset->start);
    free(dataset->first);
    free(dataset->member32);
    free(dataset->member64);
    free(dataset);
}

const char *dataset_class_name(const struct dataset *dataset, uint32_t c)
{
    return dataset->class_names.text + dataset->class_names.at[c];
}

int64_t dataset_class_find(const struct dataset *dataset, struct evd_str name)
{
    return names_find(&dataset->class_names, name);
}

uint64_t dataset_class_count(const struct dataset *dataset, uint32_t c)
{
    return dataset->start[c + 1] - dataset->start[c];
}

uint32_t dataset_label(const struct dataset *dataset, uint64_t sample)
{
    return label_get(dataset->labels, dataset->label_width, sample);
}

size_t dataset_memory(const struct dataset *dataset)
{
    const struct class_index *index = &dataset->index;
    size_t bytes = sizeof(*dataset) + names_memory(&dataset->class_names);

    if (dataset->damage)
        return bytes;
    bytes += index->samples * dataset->label_width;
    bytes += ((size_t)index->classes + 1) * sizeof(*dataset->start);
    if (dataset->first)
        bytes += index->classes * sizeof(*dataset->first);
    if (dataset->member32)
        bytes += index->labelled * sizeof(*dataset->member32);
    if (dataset->member64)
        bytes += index->labelled * sizeof(*dataset->member64);
    for (uint32_t i = 0; i < dataset->column_count; i++)
        bytes += dataset->columns[i].cap * sizeof(*dataset->columns[i].values);
    return bytes;
}

static bool labels_equal(const struct dataset *a, const struct dataset *b,
                         const atomic_bool *cancel)
{
    uint64_t samples = a->index.samples;

    for (uint64_t i = 0; i < samples; i = slice_end(i, samples)) {
        if (given_up(cancel))
            return false;
        for (uint64_t j = i; j < slice_end(i, samples); j++) {
            if (dataset_label(a, j) != dataset_label(b, j))
                return false;
        }
    }
    return true;
}

bool dataset_equal(const struct dataset *a, const struct dataset *b, const atomic_bool *cancel)
{
    if (a->index.samples != b->index.samples || a->column_count != b->column_count ||
        a->class_names.text_len != b->class_names.text_len ||
        memcmp(a->class_names.text, b->class_names.text, a->class_names.text_len) != 0)
        return false;
    for (uint32_t i = 0; i < a->column_count; i++) {
        const struct weight_column *x = &a->columns[i], *y = &b->columns[i];

        if (strcmp(x->name, y->name) != 0 ||
            memcmp(x->values, y->values, x->n * sizeof(*x->values)) != 0)
            return false;
    }
    return labels_equal(a, b, cancel);
}
