"""Folds against scikit-learn's StratifiedKFold and StratifiedGroupKFold, and against second
implementations of what evendraw_folds.h says: of iterative stratification from the paper, of
imbalanced-learn's InstanceHardnessCV (0.14) from its definition, and of what is drawn."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import Any

import evendraw
import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import make_multilabel_classification
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def philox(seed: int, number: int, purpose: int) -> int:
    """The first 64 bits of Philox4x32-10 (Salmon et al. 2011)."""
    a, b, c, d = number & 0xFFFFFFFF, number >> 32, purpose, 0
    k, m = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        x, y = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = y >> 32 ^ b ^ k, y & 0xFFFFFFFF, x >> 32 ^ d ^ m, x & 0xFFFFFFFF
        k, m = (k + 0x9E3779B9) & 0xFFFFFFFF, (m + 0xBB67AE85) & 0xFFFFFFFF
    return b << 32 | a


def counts_of(y: np.ndarray, fold: np.ndarray, k: int) -> np.ndarray:
    found = np.zeros((k, y.max() + 1), int)
    np.add.at(found, (fold, y), 1)
    return found


def folds_by(splitter: Any, y: np.ndarray, groups: Any = None) -> np.ndarray:
    fold = np.full(len(y), -1)
    for f, (_, test) in enumerate(splitter.split(y, y, groups)):
        fold[test] = f
    return fold


# ---- stratified ----


def random_labels(seed: int) -> tuple[np.ndarray, int]:
    g = np.random.default_rng(seed)
    classes, n, k = int(g.integers(1, 9)), int(g.integers(10, 400)), int(g.integers(2, 12))
    y = g.choice(classes, n, p=g.dirichlet(np.full(classes, g.choice([0.3, 3]))))
    return np.unique(y, return_inverse=True)[1], k


def stratified(y: np.ndarray, k: int, seed: int) -> np.ndarray:
    """As evendraw_folds.h and client/lib/folds.h say."""
    fold, before = np.full(len(y), -1), 0
    for c in dict.fromkeys(y.tolist()):
        rows = np.flatnonzero(y == c)
        places = np.arange(before, before + len(rows)) % k
        need = np.bincount(places, minlength=k)
        before += len(rows)
        for i, row in enumerate(rows.tolist()):
            place = philox(seed, row, 1) * (len(rows) - i) >> 64
            fold[row] = np.searchsorted(np.cumsum(need), place, side="right")
            need[fold[row]] -= 1
    return fold


def test_stratified_as_scikit_learn() -> None:
    """Fold by fold the counts of each class are StratifiedKFold's, and so is what is refused."""
    refused = 0
    for seed in range(300):
        y, k = random_labels(seed)
        try:
            theirs = folds_by(StratifiedKFold(k), y)
        except ValueError as error:
            assert "cannot be greater than the number of members in each class" in str(error)
            refused += 1
            with pytest.raises(evendraw.BadValue, match="every class has fewer samples than there are"):
                evendraw.folds(y, k)
            continue
        ours = evendraw.folds(y, k, seed=seed)
        counts = counts_of(y, ours, k)
        assert np.array_equal(counts, counts_of(y, theirs, k)), seed
        assert np.ptp(counts, axis=0).max() <= 1 and np.ptp(counts.sum(axis=1)) <= 1
        assert np.array_equal(ours, stratified(y, k, seed)), seed
    assert 0 < refused < 30


def test_stratified_is_drawn_evenly() -> None:
    y = np.array([0] * 7 + [1] * 5)
    times = np.zeros((12, 3))
    for seed in range(3000):
        times[np.arange(12), evendraw.folds(y, 3, seed=seed)] += 1
    for c in (0, 1):
        members = times[y == c]
        expected = members.sum(axis=0) / (y == c).sum()  # of a fold with more places, more
        assert ((members - expected) ** 2 / expected).sum() < 45  # 12 degrees of freedom or fewer


def test_without_a_label() -> None:
    y = np.array([0, 1] * 30, dtype=object)
    y[::7] = None
    fold = evendraw.folds(y, 4)
    kept = np.flatnonzero(y != None)  # noqa: E711
    assert np.array_equal(np.flatnonzero(fold >= 0), kept)
    assert np.ptp(counts_of(y[kept].astype(int), fold[kept], 4), axis=0).max() <= 1
    labels = (np.arange(60)[:, None] % [2, 3, 5] == 0).astype(int)
    for given in ({"groups": np.arange(60) // 3}, {"labels": labels}, {"probabilities": np.where(fold < 0, np.nan, 0.5)}):
        assert np.array_equal(np.flatnonzero(evendraw.folds(y, 4, **given) >= 0), kept)


# ---- grouped ----


def random_groups(seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Groups of many sizes, numbered as they are met; a group mostly has some of the classes."""
    g = np.random.default_rng(seed)
    classes, many = g.integers(2, 9), g.integers(20, 150)
    sizes = np.maximum(1, g.lognormal(1.5, 1, many).astype(int))
    common = g.dirichlet(np.full(classes, g.choice([0.3, 1, 5])))
    groups = np.repeat(np.arange(many), sizes)
    labels = np.concatenate([g.choice(classes, n, p=g.dirichlet(common * 5 + 1e-3)) for n in sizes])
    return groups, np.unique(labels, return_inverse=True)[1], int(g.integers(2, 11))


def unevenness(there: np.ndarray, members: np.ndarray) -> Any:
    """`there`: samples of each class in each fold (or several such)."""
    return np.std(there / members, axis=-2).mean(axis=-1)


def grouped(groups: np.ndarray, y: np.ndarray, k: int, again: bool) -> np.ndarray:
    """As evendraw_folds.h says; without `again` as StratifiedGroupKFold does, whose order of groups with
    equal standard deviations depends on how NumPy rounds these."""
    of = np.zeros((groups.max() + 1, y.max() + 1))
    np.add.at(of, (groups, y), 1)
    members, there = of.sum(axis=0), np.zeros((k, y.max() + 1))
    part = np.zeros(len(of), int)
    spread = len(members) * (of**2).sum(axis=1) - of.sum(axis=1) ** 2
    order = np.argsort(-spread if again else -np.std(of, axis=1), kind="stable")

    def if_placed(group: int) -> np.ndarray:
        uneven = unevenness(there + np.eye(k)[:, :, None] * of[group], members)
        return np.round(uneven, 13) if again else uneven

    for group in order:
        best, uneven = 0, if_placed(group)
        for f in range(1, k):
            fewer = there[f].sum() < there[best].sum()
            if uneven[f] < uneven[best] or (uneven[f] - uneven[best] <= 1e-8 + 1e-5 * uneven[best] and fewer):
                best = f
        part[group] = best
        there[best] += of[group]
    for group in order if again else ():
        there[part[group]] -= of[group]
        uneven = if_placed(group)
        before, best = uneven[part[group]], int(uneven.argmin())
        if before - uneven[best] > 1e-8 + 1e-5 * before:
            part[group] = best
        there[part[group]] += of[group]
    return part[groups]


def test_grouped_as_scikit_learn() -> None:
    """Once through the groups gives StratifiedGroupKFold's folds, if its order of groups that are equally
    spread is taken over; in our order and twice through it gives ours, which are more even on the whole.
    (Where sums that are equal are not so after rounding, groups may change places, and what follows
    differs. Such sets are counted.)"""
    differ, less_even, total = 0, 0, np.zeros(2)
    for seed in range(120):
        groups, y, k = random_groups(seed)
        theirs, ours = folds_by(StratifiedGroupKFold(k), y, groups), evendraw.folds(y, k, groups=groups)
        assert np.array_equal(grouped(groups, y, k, again=False), theirs), seed
        differ += not np.array_equal(grouped(groups, y, k, again=True), ours)
        assert len(np.unique(np.stack([groups, ours]), axis=1).T) == groups.max() + 1
        assert set(ours.tolist()) == set(range(k))
        even = [unevenness(counts_of(y, fold, k), np.bincount(y)) for fold in (ours, theirs)]
        assert even[0] <= even[1] * 1.1, (seed, even)
        less_even += even[0] > even[1] * (1 + 1e-9)
        total += even
    print(f"{differ} differ by rounding; unevenness {total[0]:.4f}, scikit-learn {total[1]:.4f}")
    print(f"{less_even} of 120 are less even, by another order of equal groups")
    assert differ <= 3
    assert less_even <= 12 and total[0] < total[1]


def test_what_groups_are_called() -> None:
    """It does not matter, and neither does the seed."""
    groups, y, k = random_groups(3)
    expected = evendraw.folds(y, k, groups=groups)
    g = np.random.default_rng(0)
    numbers = g.permutation(2**40 + np.arange(groups.max() + 1))
    names: list[Any] = [f"patient {i}" if i % 3 else ("pair", i) for i in numbers.tolist()]
    for called in (numbers[groups], -numbers[groups], [names[i] for i in groups], numbers[groups].astype(str)):
        assert np.array_equal(evendraw.folds(y, k, groups=called, seed=9), expected)


def test_few_groups() -> None:
    y, groups = np.array([0, 1] * 20), np.repeat([7, 8, 9], [20, 10, 10])
    assert len(set(evendraw.folds(y, 3, groups=groups).tolist())) == 3
    with pytest.raises(evendraw.BadValue, match="in 3 groups, which cannot be in 4 folds"):
        evendraw.folds(y, 4, groups=groups)


# ---- several labels ----


def iterative(labels: np.ndarray, k: int, seed: int) -> tuple[np.ndarray, int]:
    """Algorithm 1 of Sechidis et al. (2011), line by line, with equal shares r = 1/k. Also the label that
    was chosen first. Ties are drawn as evendraw_folds.h says."""
    n, q = labels.shape
    share = Fraction(1, k)
    wanted = [n * share for _ in range(k)]
    wanted_of = [[int(labels[:, i].sum()) * share for _ in range(k)] for i in range(q)]
    rest, fold, chosen = list(range(n)), np.full(n, -1), -1

    def put(row: int, folds: list[int]) -> None:
        most = [j for j in folds if wanted[j] == max(wanted[j] for j in folds)]
        j = most[philox(seed, row, 4) * len(most) >> 64] if len(most) > 1 else most[0]
        fold[row] = j
        rest.remove(row)
        wanted[j] -= 1
        for i in np.flatnonzero(labels[row]):
            wanted_of[i][j] -= 1

    while rest:
        left = {i: c for i, c in enumerate(labels[rest].sum(axis=0).tolist()) if c > 0}
        if not left:
            for row in list(rest):
                put(row, list(range(k)))
            break
        label = min(left, key=lambda i: (left[i], philox(seed, i, 3)))
        chosen = label if chosen < 0 else chosen
        for row in [row for row in rest if labels[row, label]]:
            most_of = max(wanted_of[label])
            put(row, [j for j in range(k) if wanted_of[label][j] == most_of])
    return fold, chosen


def random_sets(seed: int) -> tuple[np.ndarray, int]:
    g = np.random.default_rng(seed)
    n, q, k = int(g.integers(20, 250)), int(g.integers(1, 12)), int(g.integers(2, 8))
    if seed % 3 == 0:
        return make_multilabel_classification(n, 5, n_classes=max(q, 2), random_state=seed)[1], k
    return (g.random((n, q)) < g.beta(0.5, 2, q)).astype(int), k


def test_several_labels_as_the_paper() -> None:
    for seed in range(60):
        labels, k = random_sets(seed)
        expected, first = iterative(labels, k, seed)
        ours = evendraw.folds(None, k, labels=labels, seed=seed)
        assert np.array_equal(ours, expected), seed
        assert set(ours.tolist()) == set(range(k))
        if first >= 0:  # nothing stands in the way of the rarest one
            assert np.ptp(np.bincount(ours[labels[:, first] == 1], minlength=k)) <= 1
        assert np.array_equal(ours, evendraw.folds(None, k, labels=sparse.coo_matrix(labels), seed=seed))


def test_several_labels_are_more_even() -> None:
    """The measures of the paper, of labels and of examples, against random folds."""
    labels_of, examples = np.zeros(2), np.zeros(2)
    for seed in range(60):
        labels, k = random_sets(seed)
        labels = labels[:, labels.sum(axis=0) > 0]
        for i, fold in enumerate((evendraw.folds(None, k, labels=labels, seed=seed),
                                  folds_by(KFold(k, shuffle=True, random_state=seed), labels))):
            sizes = np.bincount(fold, minlength=k)
            with_it = np.array([labels[fold == f].sum(axis=0) for f in range(k)])
            labels_of[i] += np.abs(with_it / sizes[:, None] - labels.mean(axis=0)).mean()
            examples[i] += np.abs(sizes - len(labels) / k).mean()
    print(f"labels {labels_of[0]:.3f}, random {labels_of[1]:.3f}; examples {examples[0] / 60:.2f}")
    assert labels_of[0] < 0.5 * labels_of[1]
    assert examples[0] / 60 < 2


def test_one_label_each_is_stratified() -> None:
    for seed in range(30):
        y, k = random_labels(seed)
        ours = evendraw.folds(None, k, labels=np.eye(y.max() + 1)[y], seed=seed)
        counts = counts_of(y, ours, k)
        assert np.ptp(counts, axis=0).max() <= 1 and np.ptp(counts.sum(axis=1)) <= 1


# ---- hardness ----


def test_hardness_as_imbalanced_learn() -> None:
    """InstanceHardnessCV orders by class, then by the probability of class 1, and deals."""
    for seed in range(60):
        g = np.random.default_rng(seed)
        n, k = int(g.integers(20, 300)), int(g.integers(2, 9))
        y = np.append((g.random(n) < 0.3).astype(int), [0] * k + [1] * k)
        positive = g.integers(0, 2**20 if seed % 2 else 10, len(y)) / 2.0**20  # 1 - p is exact
        expected = np.zeros(len(y), int)
        expected[np.lexsort((positive, y))] = np.arange(len(y)) % k
        own = np.where(y == 1, positive, 1 - positive)
        assert np.array_equal(evendraw.folds(y, k, probabilities=own), expected), seed


def test_hardness_of_several_classes() -> None:
    spread = np.zeros(2)
    for seed in range(60):
        y, k = random_labels(seed + 1000)
        g = np.random.default_rng(seed)
        if np.bincount(y).max() < k:
            continue
        own = g.random(len(y))
        expected, dealt, turn = np.zeros(len(y), int), 0, 1
        for c in range(y.max() + 1):
            rows = np.flatnonzero(y == c)
            rows = rows[np.argsort(-turn * own[rows], kind="stable")]
            expected[rows] = np.arange(dealt, dealt + len(rows)) % k
            dealt, turn = dealt + len(rows), -turn
        ours = evendraw.folds(y, k, probabilities=own)
        assert np.array_equal(ours, expected), seed
        for i, fold in enumerate((ours, evendraw.folds(y, k, seed=seed))):
            spread[i] += np.std([own[fold == f].mean() for f in range(k)])
    assert spread[0] < 0.5 * spread[1], spread


def test_many_samples() -> None:
    """Each way goes through 10^6 samples."""
    g = np.random.default_rng(0)
    y, groups, own = g.integers(0, 100, 10**6), g.integers(0, 10**5, 10**6), g.random(10**6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in ({}, {"probabilities": own}):
            counts = counts_of(y, evendraw.folds(y, 10, **given), 10)
            assert np.ptp(counts, axis=0).max() <= 1
        fold = evendraw.folds(y, 10, groups=groups)
        assert np.ptp(counts_of(y, fold, 10), axis=0).max() <= 10
        starts = np.arange(0, 3 * 10**6 + 1, 3)
        columns = np.sort(g.integers(0, 30, (10**6, 3)) + [0, 30, 60], axis=1).ravel()
        labels = sparse.csr_matrix((np.ones(3 * 10**6, np.int8), columns, starts), shape=(10**6, 90))
        fold = evendraw.folds(None, 10, labels=labels)
        assert np.ptp([labels[fold == f].sum(axis=0).A1 for f in range(10)], axis=0).mean() < 40
