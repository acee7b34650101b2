"""evd_neighbours against scikit-learn's NearestNeighbors, brute force in doubles.

Where two samples are equally near scikit-learn's order is arbitrary, and a sample that is equal to
others may be among its own neighbours: rows with such ties are compared by their distances, and counted."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from evendraw import _library
from neighbours import ALL, CLASS, COSINE, EUCLIDEAN, NONE, OF_CLASS, Refused, neighbours
from sklearn.datasets import load_digits, load_wine
from sklearn.neighbors import NearestNeighbors

N = 1200
RNG = np.random.default_rng(11)
HARD = {
    "gaussian": RNG.standard_normal((N, 24)),
    "clusters": RNG.standard_normal((N, 24)) + 1000 * np.where(np.arange(N) % 2, 1, -1)[:, None],
    "digits": load_digits().data,  # whole numbers
    "wine": load_wine().data,  # columns of very different scale
    "copies": np.repeat(RNG.standard_normal((N // 20, 24)), 20, axis=0),
    "grid": RNG.integers(0, 4, (N, 8)).astype(float),
}
TIED = {"digits", "copies", "grid"}


def theirs(x: np.ndarray, queries: np.ndarray, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    search = NearestNeighbors(n_neighbors=k, algorithm="brute", metric=metric).fit(x.astype(float))
    distance, index = search.kneighbors(queries.astype(float))
    return index, distance


def without_self(index: np.ndarray, distance: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A column less: the sample itself, or else the last one."""
    drop = index == own[:, None]
    drop[~drop.any(axis=1), -1] = True
    shape = (len(index), index.shape[1] - 1)
    return index[~drop].reshape(shape), distance[~drop].reshape(shape)


def tied_rows(distance: np.ndarray, metric: int) -> np.ndarray:
    """Rows in which two of k + 1 distances are equal, but for the rounding of another formula."""
    slack = 1e-9 * (1 + distance[:, 1:]) if metric == EUCLIDEAN else 1e-13
    return (np.diff(distance, axis=1) <= slack).any(axis=1)


def compare(x, rows, queries, k, metric, index, distance) -> int:
    """`index` are numbers of x's rows; theirs of those in `rows`. Returns how many rows are tied."""
    name = "euclidean" if metric == EUCLIDEAN else "cosine"
    most = min(k + 2, len(rows))
    there, far = theirs(x[rows], x[queries], most, name)
    there, far = without_self(rows[there], far, queries)
    tied = tied_rows(far, metric)
    k = min(k, there.shape[1])
    assert (index[queries][~tied, :k] == there[~tied, :k]).all()
    # Theirs is a root of a difference: near 0 it keeps half of the digits.
    slack = 1e-6 * (1 + np.abs(x).max()) if metric == EUCLIDEAN else 1e-6
    np.testing.assert_allclose(distance[queries][:, :k], far[:, :k], rtol=1e-5, atol=slack)
    return int(tied.sum())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", [EUCLIDEAN, COSINE])
@pytest.mark.parametrize("name", HARD)
def test_among_all(name, metric, dtype, record_property):
    x = np.ascontiguousarray(HARD[name], dtype)
    x = x[np.abs(x).max(axis=1) > 0]
    every = np.arange(len(x))
    index, distance, _ = neighbours(x, 5, metric=metric, threads=2)
    assert (index != every[:, None]).all()
    tied = compare(x, every, every, 5, metric, index, distance)
    print(f"{name}: {tied} of {len(x)} rows tied")
    record_property("tied", tied)
    assert tied == 0 or name in TIED or tied < len(x) // 50
    assert name != "copies" or tied == len(x)


@pytest.mark.parametrize("scope", [ALL, CLASS, OF_CLASS])
def test_with_labels(scope):
    x = np.ascontiguousarray(HARD["gaussian"], np.float32)
    labels = RNG.choice([0, 1, 2, NONE], size=N, p=[0.6, 0.3, 0.05, 0.05]).astype(np.uint32)
    labels[0] = 2
    index, distance, result = neighbours(x, 7, labels, scope=scope, of_class=1)
    part = labels != NONE
    assert result.samples == part.sum()
    assert (index[~part] == NONE).all() and np.isinf(distance[~part]).all()
    for own in range(3):
        queries = np.flatnonzero(labels == own)
        among = {ALL: part, CLASS: labels == own, OF_CLASS: labels == 1}[scope]
        compare(x, np.flatnonzero(among), queries, 7, EUCLIDEAN, index, distance)


def test_squared_distances_are_summed_column_by_column():
    """What a NumPy loop over columns gives is what is compared, to the last bit."""
    x = np.ascontiguousarray(HARD["grid"] + 1e-9 * RNG.standard_normal((N, 8)), np.float64)
    squared = np.zeros((N, N))
    for column in x.T:
        squared += (column[:, None] - column[None, :]) ** 2
    np.fill_diagonal(squared, np.inf)
    order = np.argsort(squared, axis=1, kind="stable")[:, :5]
    index, distance, _ = neighbours(x, 5)
    assert (index == order).all()
    near = np.sqrt(np.take_along_axis(squared, order, 1)).astype(np.float32)
    assert (distance == near).all()


def test_a_value_that_cannot_be_is_named():
    x = np.zeros((9, 3), np.float32)
    x[4, 2] = np.nan
    with pytest.raises(Refused, match="8: row 4, column 2 is nan"):
        neighbours(x, 5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_digest_of_features(dtype):
    """It is known before the search what the search will say."""
    x = np.random.default_rng(1).normal(size=(50, 7)).astype(dtype)
    options = _library.NeighboursOptions()
    options.features, (options.n, options.d) = x.ctypes.data, x.shape
    options.type = int(dtype == np.float64)
    digest = _library.lib.evd_features_digest(ctypes.byref(options))
    assert digest == neighbours(x, 3)[2].features
    x[49, 6] += 1
    assert digest != _library.lib.evd_features_digest(ctypes.byref(options))
