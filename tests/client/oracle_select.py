"""evd_select against imbalanced-learn 0.10: which samples are kept.

1. As it is, on the data of its own tests and on 50 random sets. Where a sample has several others that
   are equally near (equal distances in doubles, of its nearest eleven, or another at distance 0),
   imbalanced-learn's order is arbitrary: a set with such a tie may differ, and those that do are
   counted. A set without must be equal.
2. With its searches replaced by one that orders equally near ones by their row and finds no sample in
   its own neighbourhood, on sets that are full of ties: all must be equal.

Three defects of 0.10 are repaired in it for both (REPAIRS in select_theirs.py), as evendraw_features.h says; that
these are all, and what they change, is tested too."""

from __future__ import annotations

import inspect
import os
import warnings
from importlib import import_module
from typing import Any

import imblearn.under_sampling as under
import numpy as np
import pytest
from imblearn.utils import _validation
from select_theirs import CASES, NAMES, OWN, RANDOM, THEIRS
from select_theirs import both, distances, grid, random_set, seeds_of, smallest, targets, tied
from selecting import Refused, select
from sklearn.neighbors import NearestNeighbors

warnings.simplefilter("ignore")

LONG = bool(os.environ.get("EVD_LONG"))

# ---- 1: as it is ----


@pytest.mark.parametrize("method", THEIRS)
def test_equal(method: str) -> None:
    compared, ties = 0, []
    # Theirs takes seconds for cnn, where the others take milliseconds.
    sets = 17 if method == "cnn" and not LONG else len(RANDOM)
    for name, (x, y) in [*OWN.items(), *list(enumerate(RANDOM))[:sets]]:
        for i, asked in enumerate(CASES[method]):
            if i > 0 and isinstance(name, int) and (name + i) % 3:
                continue  # the defaults on each set, the others on a third of them
            try:
                theirs, ours = both(x, y, method, asked)
            except ValueError as error:  # theirs, on its own small sets: see test_refused_alike
                assert isinstance(name, str) and "n_neighbors" in str(error), (name, asked, error)
                continue
            compared += 1
            if theirs != ours:
                assert tied(x), (name, asked, theirs ^ ours)
                ties.append((name, asked))
    print(f"{method}: {compared} compared, {len(ties)} differ on sets with ties: {ties}")
    assert compared >= sets + (sets - 2) // 3 * (len(CASES[method]) - 1)
    assert len({name for name, _ in ties}) <= 10  # the sets that are made with equal rows


# ---- 2: with ties decided by the row ----


class Exact(NearestNeighbors):
    """The last column is the row's number. A row is the nearest to itself, then the lower number."""

    def fit(self, x: np.ndarray, y: Any = None) -> Exact:
        self.there = x
        return self

    def kneighbors(self, x: np.ndarray, n_neighbors: int | None = None, return_distance: bool = True) -> Any:
        count = n_neighbors or self.n_neighbors
        if count > len(self.there):
            raise ValueError("Expected n_neighbors <= n_samples")
        squares = distances(x[:, :-1], self.there[:, :-1])
        number = np.broadcast_to(self.there[:, -1], squares.shape)
        order = np.lexsort((number, number != x[:, -1:], squares))[:, :count]
        return (np.sqrt(np.take_along_axis(squares, order, 1)), order) if return_distance else order


class ExactClassifier:
    """1-NN, the lower number on a tie: a sample is no more its own neighbour than others."""

    def __init__(self, n_neighbors: int, n_jobs: Any = None) -> None:
        assert n_neighbors == 1

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        order = np.argsort(x[:, -1])
        self.x, self.y = x[order], y[order]

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.y[distances(x[:, :-1], self.x[:, :-1]).argmin(axis=1)]


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = "imblearn.under_sampling._prototype_selection."
    monkeypatch.setattr(_validation, "NearestNeighbors", Exact)
    monkeypatch.setattr(folder + "_tomek_links.NearestNeighbors", Exact)
    monkeypatch.setattr(folder + "_condensed_nearest_neighbour.KNeighborsClassifier", ExactClassifier)
    monkeypatch.setattr(folder + "_one_sided_selection.KNeighborsClassifier", ExactClassifier)


@pytest.mark.parametrize("method", THEIRS)
def test_equal_with_ties(method: str, exact: None) -> None:
    sets = [grid(0), grid(1), grid(2), RANDOM[4], RANDOM[9], RANDOM[29]]
    assert all(tied(x) for x, _ in sets)
    for i, (x, y) in enumerate(sets):
        for asked in CASES[method]:
            theirs, ours = both(x, y, method, asked, exact=True)
            assert theirs == ours, (i, asked, theirs ^ ours)


# ---- what is repaired ----


def differing(method: str, asked: dict[str, Any], sets: dict[int, tuple[np.ndarray, np.ndarray]]) -> set[int]:
    """Sets on which imbalanced-learn gives something else when it is not repaired."""
    found = set()
    for name, (x, y) in sets.items():
        theirs, ours = both(x, y, method, asked, repair=False)
        if theirs != ours:
            found.add(name)
    return found


SETS = {seed: random_set(seed) for seed in range(50) if seed % 5 != 4}  # without ties


def two_smallest(y: np.ndarray) -> bool:
    counts = np.sort(np.bincount(y))
    return bool(counts[0] == counts[1])


def zero_or_one(larger: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Sets of two classes of which this is the larger one."""
    two = {s: (x, (y != np.bincount(y).argmax()).astype(int)) for s, (x, y) in SETS.items() if y.max() == 1}
    return {s: (x, y if larger == 0 else 1 - y) for s, (x, y) in two.items()}


def test_ncr_and_label_0() -> None:
    """The same as unrepaired where the larger of two classes is 0, and with kind_sel="mode"."""
    assert len(zero_or_one(0)) > 8
    assert differing("ncr", {}, zero_or_one(0)) == set()
    assert len(differing("ncr", {}, zero_or_one(1))) > 8
    one_smallest = {s: (x, y) for s, (x, y) in SETS.items() if not two_smallest(y)}
    assert differing("ncr", {"vote": "mode"}, one_smallest) == set()
    assert len(differing("ncr", {"threshold": 0.2}, one_smallest)) > 10


def test_cnn_and_places() -> None:
    """The same as unrepaired where the target is all that comes first, so that rows are places."""
    some = dict(list(SETS.items())[: 12 if LONG else 5])
    found = differing("cnn", {}, some)
    print(f"cnn: numbers are taken for places, and it shows, on {len(found)} of {len(some)} sets")
    assert len(found) > len(some) / 2
    sorted_by_class = {}
    for name, (x, y) in list(zero_or_one(0).items())[: 6 if LONG else 3]:
        order = np.argsort(y, kind="stable")
        sorted_by_class[name] = np.ascontiguousarray(x[order]), y[order]
    assert len(sorted_by_class) == (6 if LONG else 3)
    assert differing("cnn", {}, sorted_by_class) == set()


def moved_to_front(x: np.ndarray, y: np.ndarray, row: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.concatenate([[row], np.delete(np.arange(len(y)), row)])
    return np.ascontiguousarray(x[order]), y[order]


@pytest.mark.parametrize("method", ["ncr", "nearmiss-1", "nearmiss-2", "nearmiss-3", "oss", "renn", "allknn"])
def test_two_smallest_classes(method: str) -> None:
    """The same as unrepaired where the lowest of them comes first in the labels."""
    asked = {"vote": "mode"} if method == "ncr" else {}
    lowest_first, other_first = {}, {}
    for name, (x, y) in SETS.items():
        if two_smallest(y):
            other = (np.bincount(y)[y] == np.bincount(y).min()) & (y != smallest(y))
            lowest_first[name] = moved_to_front(x, y, int(np.flatnonzero(y == smallest(y))[0]))
            other_first[name] = moved_to_front(x, y, int(np.flatnonzero(other)[0]))
    assert len(lowest_first) > 3
    assert differing(method, asked, lowest_first) == set()
    if method in ("nearmiss-1", "nearmiss-2", "oss"):
        assert differing(method, asked, other_first)


# ---- the rest ----


def test_instance_hardness() -> None:
    """The percentile is numpy's to the bit, also where probabilities are equal."""
    for seed, (_, y) in enumerate(RANDOM):
        g = np.random.default_rng(seed)
        p = g.random(len(y)) if seed % 2 else g.integers(0, 21, len(y)) / 20
        for asked in ("not minority", "all", "majority", "counts"):
            chosen = targets(y, asked)
            there = _validation.check_sampling_strategy(chosen, y, "under-sampling")
            expected = np.ones(len(y), bool)
            for c, wanted in there.items():  # as in _fit_resample
                threshold = np.percentile(p[y == c], (1.0 - (wanted / (y == c).sum())) * 100.0)
                expected[y == c] = p[y == c] >= threshold
            ours, _ = select(None, y, "instance-hardness", targets=chosen, probabilities=p)
            assert np.array_equal(ours, np.flatnonzero(expected)), (seed, asked)
    source = inspect.getsource(under.InstanceHardnessThreshold._fit_resample)
    assert "(1.0 - (n_samples / target_stats[target_class])) * 100.0" in source
    assert "probabilities[y == target_class] >= threshold" in source


def test_instance_hardness_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.naive_bayes import GaussianNB

    module = import_module("imblearn.under_sampling._prototype_selection._instance_hardness_threshold")
    seen: list[np.ndarray] = []
    plain = module.cross_val_predict
    monkeypatch.setattr(module, "cross_val_predict", lambda *a, **k: seen.append(plain(*a, **k)) or seen[-1])
    for x, y in RANDOM[:10]:
        sampler = under.InstanceHardnessThreshold(estimator=GaussianNB(), random_state=0, cv=3)
        sampler.fit_resample(x, y)
        ours, _ = select(None, y, "instance-hardness", probabilities=seen[-1][np.arange(len(y)), y])
        assert set(ours) == set(sampler.sample_indices_)


def test_searches_again() -> None:
    """Where so much is removed that rows run short of neighbours, and nothing is guessed."""
    again = 0
    for seed in range(4):
        g = np.random.default_rng(seed)
        x, y = g.standard_normal((600, 2)), (g.random(600) < 0.06).astype(int)
        for method, k in (("renn", 10), ("renn", 5), ("allknn", 10)):
            theirs, ours = both(x, y, method, {"k": k})
            assert theirs == ours, (seed, method, k)
            again += select(x, y, method, k=k)[1].searches > 1
    print(f"searched again in {again} of 12")
    assert again >= 8


def test_cosine_floats_and_threads() -> None:
    for x, y in RANDOM[:4]:
        narrow = x.astype(np.float32)
        cosine = NearestNeighbors(n_neighbors=4, metric="cosine", algorithm="brute")
        sampler = under.EditedNearestNeighbours(n_neighbors=cosine)
        sampler.fit_resample(narrow.astype(float), y)
        assert set(select(narrow, y, "enn", metric=1)[0]) == set(sampler.sample_indices_)
        for method in THEIRS:
            one, result = select(narrow, y, method, threads=1)
            assert np.array_equal(one, select(narrow.astype(float), y, method, threads=3)[0])
            assert result.smallest == smallest(y)


@pytest.mark.parametrize("method", THEIRS)
def test_samples_without_a_label(method: str) -> None:
    """They are as if they were not there, whatever their features."""
    for seed, (x, y) in enumerate(RANDOM[:6]):
        g = np.random.default_rng(seed)
        at = np.sort(g.choice(len(y) + 40, len(y), replace=False))
        wide, labels = np.full((len(y) + 40, x.shape[1]), np.nan), np.full(len(y) + 40, 0xFFFFFFFF)
        wide[at], labels[at] = x, y
        first = {}
        if method in ("cnn", "oss"):
            first = {"first": seeds_of(y, 1, "not minority", 0)}
        expected = at[select(x, y, method, **first)[0]]
        if first:
            first = {"first": at[first["first"]]}
        assert np.array_equal(select(wide, labels, method, **first)[0], expected)


def test_what_is_drawn_to_begin_with() -> None:
    """Of each class any member, as often as any other; the same for the same seed."""
    y = np.repeat([0, 1, 2], [12, 6, 4])
    x = np.concatenate([np.zeros(12), np.zeros(6), np.full(4, 9.0)])[:, None] + 1e-3 * np.arange(22)[:, None]
    times = np.zeros(22)
    for seed in range(2000):
        kept, _ = select(x, y, "cnn", seed=seed)
        assert np.array_equal(np.bincount(y[kept]), [1, 1, 4])
        times[kept] += 1
    assert (times[18:] == 2000).all()
    for members, expected in ((times[:12], 2000 / 12), (times[12:18], 2000 / 6)):
        assert ((members - expected) ** 2 / expected).sum() < 40  # 11 degrees of freedom: p < 1e-4
    assert np.array_equal(select(x, y, "cnn", seed=5)[0], select(x, y, "cnn", seed=5)[0])


def test_refused_alike() -> None:
    """What imbalanced-learn refuses is refused, with what to do."""
    g = np.random.default_rng(0)
    x, y = g.standard_normal((60, 4)), np.array([0] * 50 + [1] * 8 + [2] * 2)
    refused: list[tuple[str, np.ndarray, np.ndarray, dict[str, Any], str]] = [
        ("enn", x[:3], np.array([0, 0, 1]), {}, "4 samples with a label in all, and 3 are there"),
        ("renn", x, y, {"k": 60}, "61 samples"),
        ("ncr", x, y, {"k": 60}, "61 samples"),
        ("nearmiss-1", x, y, {}, "class 2 is the smallest and has 2 samples, fewer than k = 3"),
        ("nearmiss-3", x, y, {}, "class 2 is the smallest and has 2 samples, fewer than k = 3"),
        ("nearmiss-3", x, y, {"k": 2, "candidates": 9}, "class 1 has 8 samples"),
        ("nearmiss-1", x, y, {"k": 2, "targets": {0: 51}}, "51 samples of class 0 .* it has 50"),
        ("nearmiss-1", x, y, {"k": 2, "targets": {5: 1}}, "class 5"),
        ("enn", x, y, {"targets": [0, 7]}, "class 7 is to lose samples, and has none"),
        ("enn", x, y, {"targets": {0: 5}}, "other methods find that themselves"),
        ("tomek", x, np.zeros(60, int), {}, "all 60 samples are of class 0"),
        ("enn", np.where(x > 2, np.nan, x), y, {}, "is nan"),
    ]
    for method, features, labels, asked, words in refused:
        given = {NAMES[name]: value for name, value in asked.items()}
        if method.startswith("nearmiss"):
            given["version"] = int(method[-1])
        with pytest.raises(ValueError):
            THEIRS[method](**given).fit_resample(features, labels)
        with pytest.raises(Refused, match=words):
            select(features, labels, method, **asked)


def test_fewer_than_wanted() -> None:
    """What it warns of, and what it does not."""
    g = np.random.default_rng(2)
    y = np.repeat([0, 1, 2], [200, 60, 50])
    x = g.standard_normal((310, 3)) + 9 * (y == 2)[:, None]
    kept, result = select(x, y, "nearmiss-3")
    with pytest.warns(UserWarning, match="larger than the number of samples available"):
        theirs = under.NearMiss(version=3)
        theirs.fit_resample(x, y)
    assert set(kept) == set(theirs.sample_indices_)
    there = np.bincount(y[kept])[0]
    assert f"Of class 0 {there} samples are kept where 50 are wanted" in result.warning.decode()
    y[2:] = np.where(y[2:] == 2, 0, y[2:])
    y[:2] = 2
    kept, result = select(x, y, "nearmiss-2")
    theirs = under.NearMiss(version=2)
    theirs.fit_resample(x, y)
    assert set(kept) == set(theirs.sample_indices_)
    assert b"Distances to all 2 samples of class 2, the smallest, were summed" in result.warning
