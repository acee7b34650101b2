/* Takes labels and class names as they come, and keeps labels as narrow as they can be (dataset.h).
 * Called by dataset.create and .append, and when datasets are loaded. */
#include "dataset/builder.h"

#include <inttypes.h>
#include <stdlib.h>
#include "dataset/labels.h"

struct dataset_builder *dataset_builder_new(void)
{
    struct dataset_builder *builder = calloc(1, sizeof(*builder));

    if (builder)
        builder->width = 1;
    return builder;
}

void dataset_builder_free(struct dataset_builder *builder)
{
    if (!builder)
        return;
    names_fini(&builder->classes);
    weight_columns_free(builder->columns, builder->column_count);
    free(builder->labels);
    free(builder);
}

int builder_no_memory(struct evd_error *err)
{
    return error_set(err, EVD_E_NO_MEMORY, "dataset",
                     "no memory for this dataset: drop datasets that are not used, or give the "
                     "daemon more memory");
}

int dataset_builder_class(struct dataset_builder *builder, struct evd_str name,
                          struct evd_error *err)
{
    int code = name_check_stored(name, "class name", err);

    if (code != EVD_OK)
        return code;
    if (builder->classes.count == EVD_MAX_CLASSES)
        return error_set(
            err, EVD_E_LIMIT, "classes",
            "a dataset has at most %u classes: where each sample would be a class of its own, "
            "give all one label and draw by \"uniform\" with \"repeats\"",
            EVD_MAX_CLASSES);
    code = names_add(&builder->classes, name);
    if (code == EVD_E_EXISTS)
        return error_set(err, EVD_E_EXISTS, "classes",
                         "class \"%.*s\" is already in this dataset: send every class name once",
                         (int)name.len, name.data);
    return code == EVD_OK ? EVD_OK : builder_no_memory(err);
}

/* Room for `need` labels of `width` bytes, the present ones widened to it. */
static int reserve(struct dataset_builder *builder, uint64_t need, uint8_t width)
{
    uint64_t cap = builder->cap;
    void *labels;

    if (need <= cap && width == builder->width)
        return EVD_OK;
    if (need > cap) {
        cap += cap / 2;
        if (cap < need)
            cap = need;
    }
    labels = realloc(builder->labels, cap * width);
    if (!labels)
        return EVD_E_NO_MEMORY;
    /* From the end, since the wider values lie over the narrower ones after them. */
    for (uint64_t i = width == builder->width ? 0 : builder->samples; i-- > 0;)
        label_put(labels, width, i, label_get(labels, builder->width, i));
    builder->labels = labels;
    builder->cap = cap;
    builder->width = width;
    return EVD_OK;
}

int dataset_builder_labels(struct dataset_builder *builder, const uint32_t *labels, size_t n,
                           struct evd_error *err)
{
    uint32_t classes = builder->classes.count;
    uint8_t width = label_width(classes);

    if (n > EVD_MAX_SAMPLES - builder->samples)
        return error_set(err, EVD_E_LIMIT, "labels", "a dataset has at most %" PRIu64 " samples",
                         EVD_MAX_SAMPLES);
    for (size_t i = 0; i < n; i++) {
        if (labels[i] >= classes && labels[i] != EVD_UNLABELLED)
            return error_set(err, EVD_E_BAD_VALUE, "labels",
                             "sample %" PRIu64 " has label %" PRIu32
                             ", but the dataset has %" PRIu32
                             " classes so far: labels are class numbers from 0, or 0xFFFFFFFF for "
                             "none; send the class names first",
                             builder->samples + i, labels[i], classes);
    }
    if (n == 0)
        return EVD_OK;
    if (reserve(builder, builder->samples + n, width) != EVD_OK)
        return builder_no_memory(err);
    for (size_t i = 0; i < n; i++)
        label_put(builder->labels, width, builder->samples + i, labels[i]);
    builder->samples += n;
    return EVD_OK;
}

uint64_t dataset_builder_samples(const struct dataset_builder *builder)
{
    return builder->samples;
}

uint32_t dataset_builder_classes(const struct dataset_builder *builder)
{
    return builder->classes.count;
}

size_t dataset_builder_memory(const struct dataset_builder *builder)
{
    size_t bytes = sizeof(*builder) + names_memory(&builder->classes);

    bytes += builder->samples * builder->width;
    for (uint32_t i = 0; i < builder->column_count; i++)
        bytes += builder->columns[i].n * sizeof(*builder->columns[i].values);
    return bytes;
}

uint64_t dataset_builder_more(const struct dataset_builder *builder,
                              const struct dataset_piece *piece)
{
    uint64_t bytes = names_more(&builder->classes, piece->classes, piece->text) +
                     piece->weights * sizeof(*builder->columns->values);
    uint8_t width = label_width(builder->classes.count + piece->classes);

    if (piece->labels == 0) /* those that are there are widened when others come */
        return bytes;
    return bytes + (builder->samples + piece->labels) * width - builder->samples * builder->width;
}

/* The member table, and two numbers a class. */
uint64_t dataset_builder_index(const struct dataset_builder *builder)
{
    return sizeof(struct dataset) + builder->samples * sizeof(uint32_t) +
           builder->classes.count * (uint64_t)(2 * sizeof(uint64_t));
}

const char *dataset_builder_names(const struct dataset_builder *builder, uint32_t first,
                                  size_t *bytes)
{
    const struct names *names = &builder->classes;
    size_t from = first < names->count ? names->at[first] : names->text_len;

    *bytes = names->text_len - from;
    return *bytes ? names->text + from : "";
}
