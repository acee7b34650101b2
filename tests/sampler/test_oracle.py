"""Counts against imbalanced-learn, for every form of sampling_strategy, errors included."""

import itertools
import math
import os
import random
import subprocess
import warnings
from fractions import Fraction

import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from imblearn.utils import check_sampling_strategy

TOOL = os.environ["SAMPLER_COUNTS"]

DATASETS = [
    [50, 20, 5],
    [5, 20, 50],
    [20, 20, 20],
    [7, 7],
    [7, 7, 3, 3],
    [1, 1000],
    [100, 100, 10],
    [13, 100],
    [100, 33],
    [90, 30, 30, 9, 1],
    [40, 0, 12, 5],  # a class that imbalanced-learn never sees
    [0, 30, 9],
]
WORDS = ["auto", "minority", "majority", "not minority", "not majority", "all", "nonsense"]
RATIOS = [0.01, 0.07, 0.1, 0.25, 0.3, 1 / 3, 0.33, 0.5, 0.66, 0.9, 0.99, 1.0, 0.0, -0.5, 1.5]


def maps(sizes):
    """Full, partial, empty counts, too many, negative, in part not whole; where a class has no
    samples, maps that name it name a class unknown to imbalanced-learn."""
    yield {c: n for c, n in enumerate(sizes)}
    yield {c: max(1, n // 2) for c, n in enumerate(sizes)}
    yield {0: sizes[0] // 3}
    yield {len(sizes) - 1: 0}
    yield {1: sizes[1] + 1}
    yield {c: n + 10 for c, n in enumerate(sizes)}
    yield {c: 2 * max(sizes) for c, _ in enumerate(sizes)}
    yield {0: -1}
    yield {c: n for c, n in enumerate(sizes) if n}
    yield {0: sizes[0] / 2 + 0.25}
    yield {len(sizes) - 1: sizes[-1] + 0.5}
    yield {len(sizes) - 1: 0.5}
    yield {sizes.index(0) if 0 in sizes else 0: 1}


def ours(kind, sizes, strategy, *more):
    if isinstance(strategy, dict):
        text = ",".join(str(strategy.get(c, "-")) for c in range(len(sizes)))
    else:
        text = repr(strategy) if isinstance(strategy, float) else strategy
    run = subprocess.run(
        [TOOL, kind, ",".join(map(str, sizes)), "sampling_strategy=" + text, *more],
        capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run
    return [int(n) for n in run.stdout.split(",")] if run.returncode == 0 else None


def theirs(sampler, sizes, strategy):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, drawn = sampler(strategy).fit_resample(np.zeros((len(labels), 1)), labels)
    except (ValueError, TypeError):  # TypeError: what NumPy says to a number that is not whole
        return None
    return np.bincount(drawn, minlength=len(sizes)).tolist()


def forms(sizes):
    return [*WORDS, *RATIOS, *maps(sizes)]


@pytest.mark.parametrize("sizes", DATASETS, ids=str)
def test_under(sizes):
    for strategy in forms(sizes):
        for replacement in (False, True):
            want = theirs(lambda s, r=replacement: RandomUnderSampler(
                sampling_strategy=s, replacement=r, random_state=0), sizes, strategy)
            got = ours("undersampled", sizes, strategy, f"replacement={int(replacement)}")
            assert got == want, (strategy, replacement)


@pytest.mark.parametrize("sizes", DATASETS, ids=str)
def test_over(sizes):
    for strategy in forms(sizes):
        want = theirs(lambda s: RandomOverSampler(sampling_strategy=s, random_state=0),
                      sizes, strategy)
        if strategy == "minority":
            # 0.10 documents and resolves it, but its list of accepted words lacks it by mistake.
            added = check_sampling_strategy(strategy, np.repeat(np.arange(len(sizes)), sizes),
                                            "over-sampling")
            want = [n + added.get(c, 0) for c, n in enumerate(sizes)]
        for members in ("keep-then-bootstrap", "balanced-repeat"):
            assert ours("oversampled", sizes, strategy, "members=" + members) == want, strategy


def test_ratios_are_decimal():
    """Every ratio 0.01 .. 1.00 of every count 1 .. 1000: as many as the decimal number says. Where that
    is a whole number, imbalanced-learn sometimes has one less, since it cuts off a product in binary;
    everywhere else both agree."""
    cases = []
    for hundredths, n in itertools.product(range(1, 101), range(1, 1001)):
        many = math.ceil(100 * n / hundredths) + 1
        cases += [("oversampled", [n, 1], 1, hundredths, Fraction(n * hundredths, 100))]
        cases += [("undersampled", [many, n], 0, hundredths, Fraction(n * 100, hundredths))]
    lines = "".join(f"{kind} {sizes[0]},{sizes[1]} sampling_strategy={hundredths / 100!r}\n"
                    for kind, sizes, _, hundredths, _ in cases)
    run = subprocess.run([TOOL], input=lines, capture_output=True, text=True, check=True)
    differ = {"oversampled": 0, "undersampled": 0}
    for case, line in zip(cases, run.stdout.splitlines(), strict=True):
        kind, sizes, changed, hundredths, exact = case
        over, ratio, want = kind == "oversampled", hundredths / 100, math.floor(exact)
        got = None if line.startswith("refused") else int(line.split(",")[changed])
        assert got == (None if over and want <= 1 else want), case
        binary = math.floor(sizes[0] * ratio if over else sizes[1] / ratio)
        if binary != want:
            assert exact == want == binary + 1, case
            differ[kind] += 1
        # imbalanced-learn itself wherever it differs, and at every 97th of the others
        if binary != want or (hundredths * 1000 + sizes[1 - changed]) % 97 == 0:
            assert imblearn_count(sizes, ratio, over) == (None if over and binary <= 1 else binary)
    assert differ == {"oversampled": 49, "undersampled": 548}, "SAMPLING.md says how many"


def imblearn_count(sizes, ratio, over):
    """What it makes of the class that is filled up or cut; None: refused."""
    y = np.repeat([0, 1], sizes)
    try:
        said = check_sampling_strategy(ratio, y, "over-sampling" if over else "under-sampling")
    except ValueError:
        return None
    return int(said[1] + sizes[1] if over else said[0])


def random_forms(rng, sizes):
    """Of every kind, right and wrong, near the borders."""
    yield rng.choice(WORDS)
    yield rng.choice([min(sizes) / max(sizes), rng.random(), rng.randint(1, 30) / rng.randint(1, 30)])
    for low, high in ((-1, 0), (0, 1), (0, 3)):
        named = rng.sample(range(len(sizes)), rng.randint(1, len(sizes)))
        yield {c: sizes[c] + rng.randint(low * 5, high * 5) for c in named}


@pytest.mark.parametrize("seed", range(40))
def test_random_labels(seed):
    rng = random.Random(seed)
    sizes = [rng.choice([1, 2, 10, 100]) * rng.randint(1, 9) for _ in range(rng.randint(2, 7))]
    for strategy in random_forms(rng, sizes):
        want = theirs(lambda s: RandomUnderSampler(sampling_strategy=s, random_state=0), sizes, strategy)
        assert ours("undersampled", sizes, strategy) == want, (sizes, strategy)
        if strategy == "minority":  # see test_over
            continue
        want = theirs(lambda s: RandomOverSampler(sampling_strategy=s, random_state=0), sizes, strategy)
        assert ours("oversampled", sizes, strategy) == want, (sizes, strategy)


def test_one_class_is_refused():
    assert theirs(lambda s: RandomUnderSampler(sampling_strategy=s), [5], "auto") is None
    assert ours("undersampled", [5], "auto") is None
    assert ours("undersampled", [5, 0], "auto") is None
    assert theirs(lambda s: RandomOverSampler(sampling_strategy=s), [5], "auto") is None
    assert ours("oversampled", [5], "auto") is None


def test_repeat_factors_are_lviss():
    sizes = [5000, 2000, 400, 77, 13, 1]
    for threshold in (1e-4, 0.001, 0.01, 0.05, 0.3, 1.0):
        for root in (True, False):
            share = np.array(sizes) / sum(sizes)
            ratio = threshold / share
            factor = np.maximum(1, np.sqrt(ratio) if root else ratio)
            run = subprocess.run(
                [TOOL, "repeat-factor", ",".join(map(str, sizes)), f"threshold={threshold!r}",
                 f"sqrt={int(root)}"], capture_output=True, text=True, check=True)
            got = np.array([int(n) for n in run.stdout.split(",")])
            assert np.abs(got - sizes * factor).max() <= 0.5 + 1e-9
