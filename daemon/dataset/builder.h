/*
 * What a builder holds; shared by builder.c, which fills it, and dataset.c, which turns it into a
 * dataset. Internal to the dataset layer.
 */
#ifndef DATASET_BUILDER_H
#define DATASET_BUILDER_H

#include "dataset/dataset.h"

struct dataset_builder {
    struct names classes;
    void *labels; /* `cap` labels of `width` bytes, `samples` of them filled */
    uint64_t samples, cap;
    uint8_t width;
    struct weight_column columns[DATASET_MAX_COLUMNS]; /* by name */
    uint32_t column_count;
};

/* From the index. */
void summarise(const struct dataset *dataset, struct dataset_summary *out);
/* "no memory for this dataset" */
int builder_no_memory(struct evd_error *err);
void weight_column_trim(struct weight_column *column);
void weight_columns_free(struct weight_column *columns, uint32_t count);

#endif
