/*
 * Keys: every random number is Philox4x32-10 of a key and a position. There is no generator state.
 *
 *     derive(key, purpose, a, b)
 *         = the first 64 bits of Philox4x32-10(key, {lo a, hi a, b, purpose})
 *
 * From the seed: the revision's keys; from those, keys of steps, passes and classes. The second 64
 * bits are used where one position needs two numbers. Values and vectors are in SAMPLING.md.
 */
#ifndef SAMPLER_KEY_H
#define SAMPLER_KEY_H

#include <stdint.h>

enum key_purpose {
    /* from the seed */
    KEY_EPOCH = 1,    /* a: epoch, b: revision */
    KEY_REVISION = 2, /* b: revision; for what goes on across epochs */
    KEY_FIXED = 3,    /* for what no epoch and no revision changes */
    /* from one of those */
    KEY_ORDER = 4,     /* a: pass; the order of a pass */
    KEY_MEMBER = 5,    /* a: pass of the class, b: class; the order of a class */
    KEY_BOOTSTRAP = 6, /* a: ordinal, b: class; the number itself picks a member */
    KEY_DRAW = 7,      /* a: half a draw number; the numbers of two draws */
    KEY_GRID = 8,      /* the number itself: where the quota grid of an epoch starts */
    KEY_STEP = 9,      /* a: step */
    KEY_AUGMENT = 10,  /* a: step, b: position; the number itself is the augmentation seed */
    KEY_CLASSES = 11,  /* a: pass; the order of classes */
    KEY_ARRIVAL = 12,  /* a: place, b: order; arrival times of weighted draws without replacement */
    KEY_PAIR = 16,     /* a: step, b: position; the numbers of a second sample and of its share */
    /* from a step's key */
    KEY_TURN = 13, /* the number itself: by how much positions are turned before ranks take them */
    KEY_RANK = 14, /* a: rank, b: world; order in a rank's batch */
    KEY_TAIL = 15, /* which positions a last, short step keeps */
};

struct key_pair {
    uint64_t first, second;
};

struct key_pair key_numbers(uint64_t key, enum key_purpose purpose, uint64_t a, uint32_t b);
uint64_t key_derive(uint64_t key, enum key_purpose purpose, uint64_t a, uint32_t b);

/* 2^64 by the golden ratio: its multiples fall evenly everywhere. */
#define GOLDEN 0x9E3779B97F4A7C15u

/* A number below n from 64 random bits: the high half of the product. */
static inline uint64_t key_below(uint64_t number, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)number * n) >> 64);
}

#endif
