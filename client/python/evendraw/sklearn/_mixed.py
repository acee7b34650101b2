"""Tables with categories, for SMOTE-NC and SMOTE-N: between whom distances are how long, and what a new
row's categories are. Called by _sampler.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _library
from .._arrays import is_missing
from ..errors import BadValue
from . import _tables
from ._draw import Drawn, Found, search_of

_BLOCK = 1 << 22  # numbers that are looked at together


class Mixed:
    """X by columns: those of numbers, and those of categories (each value is one).

    Args:
        nominal: all are categories (SMOTE-N); else `chosen` says which (SMOTE-NC).
    """

    def __init__(self, X: Any, labels: _tables.Labels, chosen: Any, nominal: bool) -> None:
        if _tables.is_sparse(X):
            raise BadValue("X is sparse, and zeros would be a category: pass X.toarray()", "X")
        self._listed = isinstance(X, (list, tuple))
        self._X = X if _tables.is_frame(X) or isinstance(X, np.ndarray) else np.asarray(X, dtype=object)
        if len(self._X.shape) != 2 or self._X.shape[1] == 0:
            raise BadValue(f"X has shape {self._X.shape}, and (n, d) is needed", "X")
        d = self._X.shape[1]
        self._nominal = nominal
        self._labels = labels
        self._categorical = list(range(d)) if nominal else _categorical_of(self._X, chosen)
        self._continuous = [j for j in range(d) if j not in self._categorical]
        if not nominal and not self._continuous:
            raise BadValue("all columns are categories, and smotenc needs numbers too: take smoten", "X")
        codes = [_codes_of(self._column(j), j) for j in self._categorical]
        self.codes: NDArray[np.int64] = np.stack(codes, axis=1)
        self.numbers: NDArray[Any] | None = None
        if not nominal:
            columns = [np.asarray(self._column(j)) for j in self._continuous]
            self.numbers = _tables.features_of(np.stack(columns, axis=1))
        self._near: NDArray[np.uint32] | None = None

    def _column(self, j: int) -> Any:
        return self._X.iloc[:, j] if _tables.is_frame(self._X) else self._X[:, j]

    def search(self, codes: NDArray[np.uint32], k: int, scope: str) -> Found:
        """Within classes, which is all that is asked for."""
        if self.numbers is None:
            found = value_differences(self.codes, self._labels.codes, codes, k)
        else:
            found = search_of(encoded(self.numbers, self.codes, self._labels))(codes, k, scope)
        self._near = found[0]
        return found

    def made(self, drawn: Drawn, seed: int) -> Any:
        """The rows that were drawn: numbers between two samples, and of categories that which most of the
        base's neighbours have (of SMOTE-N: of these and itself)."""
        points = np.flatnonzero(drawn.mix_lambda > 0)
        assert self._near is not None
        base = drawn.index[points]
        near = self._near[base].astype(np.int64)
        if self._nominal:
            near = np.column_stack([base, near])
        ties = None if self._nominal else np.random.default_rng(seed)
        sources = np.repeat(drawn.index[None], len(self._categorical), axis=0)
        for f in range(len(self._categorical)):
            sources[f, points] = most_frequent(self.codes[:, f], near, ties)
        columns: dict[int, Any] = {
            j: _tables.rows_of(self._column(j), rows) for j, rows in zip(self._categorical, sources)
        }
        if self.numbers is not None:
            share = drawn.mix_lambda.astype(self.numbers.dtype)[:, None]
            first = self.numbers[drawn.index]
            between = first + share * (self.numbers[drawn.mix_index] - first)
            columns |= {j: between[:, i] for i, j in enumerate(self._continuous)}
        return self._put_together(columns)

    def _put_together(self, columns: dict[int, Any]) -> Any:
        if not _tables.is_frame(self._X):
            kept = self._X.dtype.kind in "fOUS" or self._nominal
            dtype = self._X.dtype if kept else np.float64
            made = np.stack([np.asarray(columns[j]).astype(dtype) for j in range(len(columns))], axis=1)
            return made.tolist() if self._listed else made
        frame = type(self._X)({j: columns[j] for j in range(len(columns))})
        return _tables.as_columns_of(frame, self._X, self._continuous)


def _categorical_of(X: Any, chosen: Any) -> list[int]:
    """Numbers of columns."""
    d = X.shape[1]
    if chosen is None:
        if not _tables.is_frame(X):
            raise BadValue(
                "smotenc needs categorical_features=, the numbers of the columns that are categories (of a "
                "DataFrame those that are no numbers are found by themselves)",
                "categorical_features",
            )
        found = [j for j, dtype in enumerate(X.dtypes) if getattr(dtype, "kind", "O") not in "iuf"]
    else:
        found = _numbers_of(X, np.asarray(chosen), d)
    if not found:
        raise BadValue("no column is a category: take smote", "categorical_features")
    return found


def _numbers_of(X: Any, chosen: NDArray[Any], d: int) -> list[int]:
    if chosen.dtype.kind == "b" and chosen.shape == (d,):
        return [int(j) for j in np.flatnonzero(chosen)]
    names = {name: j for j, name in enumerate(X.columns)} if _tables.is_frame(X) else {}
    found = []
    for value in chosen.ravel().tolist():
        j = names.get(value, value)
        if isinstance(j, bool) or not isinstance(j, int) or not -d <= j < d:
            raise BadValue(
                f"categorical_features has {value!r}: columns are 0 to {d - 1}" + (", or names" if names else ""),
                "categorical_features",
            )
        found.append(j % d)
    return sorted(set(found))


def _codes_of(column: Any, j: int) -> NDArray[np.int64]:
    """Numbers of the values of a column, in their order."""
    values = np.asarray(column)
    if any(map(is_missing, values.tolist())):
        raise BadValue(f"column {j} of X has a missing value: give it a category of its own", "X")
    try:
        _, codes = np.unique(values, return_inverse=True)
    except TypeError:
        raise BadValue(f"column {j} of X has values of several kinds: make them texts", "X") from None
    return np.asarray(codes)


def encoded(
    numbers: NDArray[Any], codes: NDArray[np.int64], labels: _tables.Labels
) -> NDArray[Any]:
    """With categories as numbers, as far apart as the numbers are in the smallest class (of several the lowest):
    the median of their standard deviations (Chawla et al. 2002, SMOTE, 6.1), times sqrt(1/2), as
    imbalanced-learn has it."""
    smallest = int(np.argmin(labels.counts()))
    half = np.median(numbers[labels.codes == smallest].std(axis=0)) / 2
    columns = [numbers]
    for f in range(codes.shape[1]):
        columns.append(half * np.eye(codes[:, f].max() + 1, dtype=numbers.dtype)[codes[:, f]])
    return np.ascontiguousarray(np.hstack(columns), dtype=numbers.dtype)


def value_differences(
    codes: NDArray[np.int64], classes: NDArray[np.uint32], among: NDArray[np.uint32], k: int
) -> Found:
    """The k nearest of each sample's class by the value difference metric (Stanfill and Waltz 1986), as
    imbalanced-learn has it: two values of a feature are so far apart as the shares of the classes among their
    samples are, summed and squared.

    Args:
        codes: categories, shape (n, features).
        classes: of all samples.
        among: the same, without a label for samples that need no neighbours.
    """
    n = len(codes)
    index = np.full((n, k), _library.NO_LABEL, dtype=np.uint32)
    distance = np.full((n, k), np.inf, dtype=np.float32)
    tables = [_apart(codes[:, f], classes) for f in range(codes.shape[1])]
    for c in np.unique(among[among != _library.NO_LABEL]):
        of = np.flatnonzero(among == c)
        step = max(1, _BLOCK // len(of))
        for at in range(0, len(of), step):
            rows = of[at : at + step]
            far = sum(
                table[codes[rows, f][:, None], codes[of, f][None]] for f, table in enumerate(tables)
            )
            far[np.arange(len(rows)), at + np.arange(len(rows))] = np.inf  # nobody is his own
            order = np.argsort(far, axis=1, kind="stable")[:, : min(k, len(of) - 1)]
            index[rows, : order.shape[1]] = of[order]
            distance[rows, : order.shape[1]] = np.take_along_axis(far, order, axis=1)
    return index, distance


def _apart(codes: NDArray[np.int64], classes: NDArray[np.uint32]) -> NDArray[np.float64]:
    """For each two values of a feature."""
    counts = np.zeros((int(codes.max()) + 1, int(classes.max()) + 1))
    np.add.at(counts, (codes, classes.astype(np.int64)), 1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(np.abs(shares[:, None] - shares[None]).sum(axis=2) ** 2)


def most_frequent(
    codes: NDArray[np.int64], near: NDArray[np.int64], ties: np.random.Generator | None
) -> NDArray[np.int64]:
    """For each row of samples, one that has the value that most of them have. Of several such values, any, or
    without `ties` the first in their order."""
    chosen = np.empty(len(near), dtype=np.int64)
    step = max(1, _BLOCK // near.shape[1] ** 2)
    for at in range(0, len(near), step):
        rows = near[at : at + step]
        values = codes[rows]
        votes = (values[:, :, None] == values[:, None]).sum(axis=2, dtype=np.float64)
        if ties is None:
            votes -= values / (values.max(initial=0) + 1)
        else:
            votes += ties.random(votes.shape)
        chosen[at : at + step] = rows[np.arange(len(rows)), votes.argmax(axis=1)]
    return chosen
