/*
 * All kinds of strategy. A new one is a file with its row, and a line here.
 */
#ifndef SAMPLER_KINDS_H
#define SAMPLER_KINDS_H

#include "sampler/strategy.h"

#define STRATEGY_KINDS(ROW)                                                                        \
    ROW(kind_uniform)                                                                              \
    ROW(kind_weighted)                                                                             \
    ROW(kind_stratified)                                                                           \
    ROW(kind_undersampled)                                                                         \
    ROW(kind_oversampled)                                                                          \
    ROW(kind_smote)                                                                                \
    ROW(kind_resampled)                                                                            \
    ROW(kind_repeat_factor)                                                                        \
    ROW(kind_p_by_k)                                                                               \
    ROW(kind_class_aware)                                                                          \
    ROW(kind_ensemble)                                                                             \
    ROW(kind_progressive)                                                                          \
    ROW(kind_adaptive)

#define STRATEGY_DECLARE(kind) extern const struct strategy_kind kind;
STRATEGY_KINDS(STRATEGY_DECLARE)
#undef STRATEGY_DECLARE

#endif
