/*
 * Labels packed into 1, 2 or 4 bytes each; all ones says "unlabelled" in every width.
 * Internal to the dataset layer.
 */
#ifndef DATASET_LABELS_H
#define DATASET_LABELS_H

#include <stdint.h>
#include "proto/limits.h"

/* The narrowest width that holds labels 0 .. classes-1 beside the unlabelled value. */
static inline uint8_t label_width(uint32_t classes)
{
    return classes <= UINT8_MAX ? 1 : classes <= UINT16_MAX ? 2 : 4;
}

static inline uint32_t label_get(const void *labels, uint8_t width, uint64_t i)
{
    switch (width) {
    case 1: {
        uint8_t value = ((const uint8_t *)labels)[i];
        return value == UINT8_MAX ? EVD_UNLABELLED : value;
    }
    case 2: {
        uint16_t value = ((const uint16_t *)labels)[i];
        return value == UINT16_MAX ? EVD_UNLABELLED : value;
    }
    default:
        return ((const uint32_t *)labels)[i];
    }
}

/* The value must fit; cutting EVD_UNLABELLED off leaves all ones. */
static inline void label_put(void *labels, uint8_t width, uint64_t i, uint32_t value)
{
    switch (width) {
    case 1:
        ((uint8_t *)labels)[i] = (uint8_t)value;
        break;
    case 2:
        ((uint16_t *)labels)[i] = (uint16_t)value;
        break;
    default:
        ((uint32_t *)labels)[i] = value;
    }
}

#endif
