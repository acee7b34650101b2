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


def pairs(generator):
    """Where two neighbours go together."""
    for n in (12, 17, 23, 40):
        trials = n * n * 100
        for first in range(0, n, n // 3):
            counts = np.zeros(n * n)
            for _ in range(10):
                orders = generator.permuted(np.tile(np.arange(n), (trials // 10, 1)), axis=1)
                x, y = orders[:, first], orders[:, (first + 1) % n]
                counts += np.bincount(x * (n - 1) + y - (y > x), minlength=n * n)
            yield deviate(counts[:n * (n - 1)], trials / (n * (n - 1)))


def pieces(generator):
    """Neighbours in long orders. A piece of a random order is a choice without replacement."""
    keys, piece, cells = 200, 500, 64
    for n in (2**16, 100003, 2**24, 2**40):
        x = np.stack([generator.choice(n, piece, replace=False) for _ in range(keys)])
        step = (x[:, 1:] - x[:, :-1]) % n
        bend = (step[:, 1:] - step[:, :-1]) % n
        low = (x[:, 2:] ^ x[:, 1:-1]) % cells
        total = bend.size
        for value, size in ((step[:, 1:], n), (bend, n), (low, cells)):
            counts = np.bincount((value / size * cells).astype(int).ravel(), minlength=cells)
            yield deviate(counts, total / cells)
        correlation = ((x[:, 2:] / n - 0.5) * (x[:, 1:-1] / n - 0.5)).sum()
        yield correlation * 12 / math.sqrt(total)


def test_numpy_passes_its_own_examination():
    generator = np.random.default_rng(1)
    found = [*figures(generator), *pairs(generator), *pieces(generator)]
    assert len(found) == 58  # as many as test_permute.c has
    worst = max(found, key=abs)
    print(f"worst of NumPy's generator: {worst:.2f}")
    assert abs(worst) < 4
