"""Tables with categories, for SMOTE-NC and SMOTE-N, as callers hand them over, and new rows of them. Called by
_sampler.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import is_missing
from .._nominal import codes_of, encoded, in_order, most_frequent, value_differences
from ..errors import BadValue
from . import _tables
from ._draw import Drawn, Found, search_of


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
            found = search_of(encoded(self.numbers, self.codes, self._labels.codes))(codes, k, scope)
        self._near = found[0]
        return found

    def made(self, drawn: Drawn, seed: int) -> Any:
        """The rows that were drawn: numbers between two samples, and of categories that which most of the
        base's neighbours have, of several any (of SMOTE-N: most of these and itself, of several the first)."""
        points = np.flatnonzero(drawn.mix_lambda > 0)
        assert self._near is not None
        base = drawn.index[points]
        near = self._near[base].astype(np.int64)
        if self._nominal:
            near = np.column_stack([base, near])
        ties = np.random.default_rng(seed)
        sources = np.repeat(drawn.index[None], len(self._categorical), axis=0)
        for f in range(len(self._categorical)):
            values = self.codes[near, f]
            place = most_frequent(values, in_order(values) if self._nominal else ties.random(values.shape))
            sources[f, points] = near[np.arange(len(near)), place]
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
    return codes_of(values, f"column {j} of X")
