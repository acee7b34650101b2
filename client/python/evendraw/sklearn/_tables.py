"""X and y as callers hand them over (arrays, DataFrames, sparse matrices, lists), and rows of them.
Called by _sampler.py and _batches.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from .. import labels as _labels
from .._arrays import is_missing, mask_of
from ..errors import BadValue

_LONGEST_NAME = 128  # bytes: EVD_MAX_NAME of proto/limits.h


@dataclass(frozen=True)
class Labels:
    """Of y: its different values in order, what the daemon calls them, and which each sample has."""

    classes: NDArray[Any]
    names: list[str]
    codes: NDArray[np.uint32]

    def counts(self, index: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Samples of each class, of all or of these."""
        codes = self.codes if index is None else self.codes[index]
        return np.bincount(codes, minlength=len(self.classes))


def labels_of(y: Any) -> Labels:
    """y of shape (n,), (n, 1), or one-hot."""
    y = _numbers_or_texts(y)
    check_classification_targets(y)
    if type_of_target(y) == "multilabel-indicator":
        array = y.toarray() if is_sparse(y) else np.asarray(y)
        if (array.sum(axis=1) != 1).any():
            raise BadValue(
                "Multilabel and multioutput targets are not supported. A sample with several labels is "
                "drawn by all of them at once, so that classes cannot be given numbers of samples: pass "
                "one label of each, or one-hot rows",
                "y",
            )
        values = array.argmax(axis=1)
    else:
        values = column_or_1d(y)
    classes, codes = np.unique(values, return_inverse=True)
    if len(classes) < 2:
        raise BadValue(
            f"The target 'y' needs to have more than 1 class. Got {len(classes)} class instead: there is "
            "nothing to balance",
            "y",
        )
    texts = [_name_of(value, i) for i, value in enumerate(classes.tolist())]
    names, _ = _labels.encode(np.arange(len(classes)), texts)
    return Labels(classes, names, codes.astype(np.uint32))


def _numbers_or_texts(y: Any) -> Any:
    """y, of which scikit-learn says what kind of labels it is; columns of pandas with types of its own as arrays."""
    if is_sparse(y) or getattr(y, "ndim", 1) != 1:
        return y
    values = np.asarray(y)
    if values.dtype.kind != "O":
        return y
    listed = values.tolist()
    if missing := [i for i, value in enumerate(listed) if is_missing(value)]:
        raise BadValue(
            f"y has no label in row {missing[0]} ({listed[missing[0]]!r}): leave out those of X and y", "y"
        )
    own = not isinstance(getattr(y, "dtype", values.dtype), np.dtype)  # such as Int64
    return np.array(listed) if own and len({type(value) for value in listed}) == 1 else y


def _name_of(value: Any, i: int) -> str:
    """The value, unless the daemon would not have it as the name of a class."""
    text = str(value)
    return text if text.isprintable() and 0 < len(text.encode()) <= _LONGEST_NAME else f"class {i}"


def is_sparse(values: Any) -> bool:
    return hasattr(values, "toarray") and hasattr(values, "nnz")


def is_frame(values: Any) -> bool:
    return hasattr(values, "iloc")


def length_of(X: Any, y: Any) -> int:
    """Of both, checked."""
    for name, values in ("X", X), ("y", y):
        if isinstance(values, (str, bytes, dict)) or not (
            hasattr(values, "__len__") or hasattr(values, "shape")
        ):
            raise BadValue(f"{name} is of type {type(values).__name__}: pass an array, DataFrame or list", name)
        if isinstance(values, np.ndarray) and (mask := mask_of(values)) is not None and mask.any():
            raise BadValue(f"{name} is masked: fill in what is missing, or leave out those rows", name)
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    samples = y.shape[0] if hasattr(y, "shape") else len(y)
    if n != samples:
        raise BadValue(f"X has {n} rows and y {samples}: one label for each sample is needed", "y")
    return int(n)


def width_of(X: Any) -> int:
    """Features of a sample."""
    shape = X.shape if hasattr(X, "shape") else np.shape(X[0]) if len(X) else ()
    width = shape[1:] if hasattr(X, "shape") else shape
    if len(width) == 0:
        raise BadValue(
            "X has one number for each sample, and a row of features is needed, shape (n, d): "
            "X.reshape(-1, 1)",
            "X",
        )
    return int(width[0])


def features_of(X: Any) -> NDArray[Any]:
    """As finite numbers of shape (n, d), between which there are others: float32 where X is that, or
    else float64."""
    if is_sparse(X):
        raise BadValue(
            "X is sparse, and distances are measured between dense rows: pass X.toarray(), or let "
            "TruncatedSVD make fewer columns of it (oversampled and undersampled take it as it is)",
            "X",
        )
    try:
        array = check_array(X)
    except ValueError as error:
        raise BadValue(
            f"{error} (what measures distances between samples needs finite numbers: fill in or encode "
            "in a step before; oversampled and undersampled take X as it is)",
            "X",
        ) from None
    kind = np.float32 if array.dtype in (np.float16, np.float32) else np.float64
    return np.ascontiguousarray(array, dtype=kind)


def rows_of(values: Any, index: NDArray[np.int64]) -> Any:
    """These rows, of the type that it is. Rows of a DataFrame or Series are numbered anew."""
    if is_frame(values):
        return values.iloc[index].reset_index(drop=True)
    if is_sparse(values):
        return (values if hasattr(values, "indptr") else values.tocsr())[index]
    if hasattr(values, "isna"):  # an array of pandas, such as Categorical
        return values[index]
    if isinstance(values, (list, tuple)):
        return [values[i] for i in index.tolist()]
    return np.asarray(values)[index]


def as_given(rows: NDArray[Any], X: Any) -> Any:
    """Rows of features as what X is; columns of whole numbers become float64."""
    if is_frame(X):
        return as_columns_of(type(X)(rows), X, range(rows.shape[1]))
    if isinstance(X, (list, tuple)):
        return rows.tolist()
    return rows.astype(X.dtype) if getattr(X, "dtype", None) == np.float16 else rows


def as_columns_of(frame: Any, X: Any, columns: Iterable[int]) -> Any:
    """A DataFrame with the names of X's; of these columns, those that are floating point numbers in X are of its
    types."""
    floats = {j: X.dtypes.iloc[j] for j in columns if getattr(X.dtypes.iloc[j], "kind", "") == "f"}
    frame = frame.astype(floats) if floats else frame
    frame.columns = X.columns
    return frame


def names_of_features(X: Any) -> NDArray[Any] | None:
    """The columns of a DataFrame, if all have texts as names."""
    if not (is_frame(X) and all(isinstance(name, str) for name in X.columns)):
        return None
    return np.asarray(X.columns, dtype=object)
