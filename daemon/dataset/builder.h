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
};

#endif
