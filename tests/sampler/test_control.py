"""The control of test_permute.c: the same figures for orders of NumPy's generator, so that the
figures in SAMPLING.md can be compared with those of a generator nobody doubts."""

import itertools
import math

import numpy as np


def deviate(counts, expected, freedom=None):
    counts = np.asarray(counts, dtype=float)
    freedom = freedom or counts.size - 1
    chi = ((counts - expected) ** 2 / expected).sum()
    return ((chi / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))


def figures(generator):
    for n in range(2, 8):
        trials = max(20000, math.factorial(n) * 100)
        orders = generator.permuted(np.tile(np.arange(n), (trials, 1)), axis=1)
        number = {order: i for i, order in enumerate(itertools.permutations(range(n)))}
        counts = np.zeros(len(number))
        for order in map(tuple, orders.tolist()):
            counts[number[order]] += 1
        yield deviate(counts, trials / len(number))
    for n in (10, 17, 24, 31, 38, 45, 75):
        trials = 2000
        orders = generator.permuted(np.tile(np.arange(n), (trials, 1)), axis=1)
        places = np.stack([np.bincount(orders[:, i], minlength=n) for i in range(n)])
        yield deviate(places, trials / n, (n - 1) ** 2)
        distance = np.bincount(((orders[:, 1:] - orders[:, :-1]) % n).ravel(), minlength=n)
        yield deviate(distance[1:], trials)
        inversions = sum((orders[:, j] < orders[:, i]).sum()
                         for i in range(n) for j in range(i + 1, n))
        mean, spread = n * (n - 1) / 4, math.sqrt(n * (n - 1) * (2 * n + 5) / 72)
        yield (inversions - trials * mean) / spread / math.sqrt(trials)


def test_numpy_passes_its_own_examination():
    worst = max(figures(np.random.default_rng(1)), key=abs)
    print(f"worst of NumPy's generator: {worst:.2f}")
    assert abs(worst) < 4
