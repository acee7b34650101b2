"""SMOTE where features are categories: what neighbours are then searched in, and which categories a new
sample gets. `encode_nominal` and `nominal_neighbours` are for users; `synthesise` calls `nominal_rows`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _attachments, _library
from ._arrays import from_tensor, is_missing, mask_of, positions, to_array
from ._values import Result, as_text
from .errors import BadValue, LimitError
from .labels import UNLABELLED, encode

if TYPE_CHECKING:
    from ._connection import Connection

_MOST = 64  # neighbours of a sample that the daemon keeps
_AT_A_TIME = 1 << 22  # distances


# ---- tables and their categories ----


def table_of(X: Any) -> NDArray[Any]:
    """Of shape (samples, features), of whatever dtype."""
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise BadValue("X is sparse: pass X.toarray()", "X")
    table = to_array(X, "X")
    if (mask := mask_of(table)) is not None:
        if mask.any():
            raise BadValue("X is masked: give what is missing a category of its own", "X")
        table = np.asarray(table)
    if table.ndim != 2 or table.shape[1] == 0:
        raise BadValue(
            f"X has shape {table.shape}, and a row for each sample is needed: (n, d)", "X"
        )
    return table


def columns_of(X: Any, width: int, categorical: Any) -> NDArray[np.int64]:
    """Positions of the columns that are categories, ascending."""
    if isinstance(categorical, (str, bytes)) or not hasattr(categorical, "__len__"):
        raise BadValue(
            f"categorical is {categorical!r}: give a list of columns, or True and False for each",
            "categorical",
        )
    given = to_array(categorical, "categorical")
    if given.dtype.kind == "b":
        if given.shape != (width,):
            raise BadValue(
                f"categorical has shape {given.shape}, and X has {width} columns", "categorical"
            )
        return np.flatnonzero(given)
    if len(given) and all(isinstance(name, str) for name in given.tolist()):
        names = list(getattr(X, "columns", []))
        missing = [name for name in given.tolist() if name not in names]
        if missing:
            raise BadValue(f"X has no column {missing[0]!r} (categorical)", "categorical")
        return np.unique([names.index(name) for name in given.tolist()])
    return np.unique(positions(given, width, "categorical"))


def codes_of(values: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Numbers from 0 on in the order of the values, of the same shape; what is missing is a value like
    others, and the last."""
    if values.dtype.kind != "O":
        codes: NDArray[np.int64] = np.unique(values, return_inverse=True)[1]
        return codes.reshape(values.shape)
    plain = [None if is_missing(value) else value for value in values.ravel().tolist()]
    try:
        found = sorted(value for value in set(plain) if value is not None)
    except TypeError:
        raise BadValue(
            f"{name} has values of several kinds, which have no order: make them text", "X"
        ) from None
    number = {value: i for i, value in enumerate([*found, None])}
    return np.array([number[value] for value in plain], dtype=np.int64).reshape(values.shape)


def _numbers_of(table: NDArray[Any], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    try:
        return table[:, columns].astype(np.float64)
    except (TypeError, ValueError) as error:
        raise BadValue(
            f"a column of X that is not among the categorical ones is not of numbers ({error}): name "
            "all that are categories",
            "categorical",
        ) from None


# ---- SMOTE-NC: what to search in ----


def encode_nominal(X: Any, y: Any, *, categorical: Any) -> NDArray[np.float64]:
    """Features in which SMOTE-NC searches, for `client.neighbours` (Chawla et al. 2002, SMOTE: Synthetic
    minority over-sampling technique): the columns of numbers, then one for each value of each column of
    categories, which has m / 2 where the sample has that value and 0 where it does not. m is the median of
    the standard deviations of the columns of numbers within the smallest class, as in imbalanced-learn; of
    several it is the one that comes first in y.

    Args:
        X: shape (n, d): array, DataFrame or list of rows.
        y: shape (n,): labels; None is none.
        categorical: which columns are categories: their positions, names (of a DataFrame), or a mask.

    Returns:
        float64, shape (n, numbers + values).

    Raises:
        BadValue: columns that are not there, numbers that are not finite; none are left beside the
        categories: that is what `nominal_neighbours` is for.
    """
    table = table_of(X)
    nominal = columns_of(X, table.shape[1], categorical)
    rest = np.setdiff1d(np.arange(table.shape[1]), nominal)
    labels = encode(y)[1]
    if len(labels) != len(table):
        raise BadValue(f"y has {len(labels)} labels, and X {len(table)} rows", "y")
    if len(rest) == 0:
        raise BadValue(
            "all columns are categories, and smotenc needs some numbers: evendraw.nominal_neighbours "
            "and variant smoten do without",
            "categorical",
        )
    found, at, counts = np.unique(
        labels[labels != UNLABELLED], return_index=True, return_counts=True
    )
    if len(found) == 0:
        raise BadValue("no sample has a label", "y")
    smallest = found[np.lexsort((at, counts))[0]]
    continuous = _numbers_of(table, rest)
    if not np.isfinite(continuous).all():
        row, column = np.argwhere(~np.isfinite(continuous))[0]
        raise BadValue(
            f"X has {continuous[row, column]} in row {row}, column {rest[column]}: finite numbers are "
            "needed",
            "X",
        )
    half = float(np.median(continuous[labels == smallest].std(axis=0))) / 2
    parts = [continuous]
    for column in nominal:
        codes = codes_of(table[:, column], f"column {column}")
        parts.append(np.where(codes[:, None] == np.arange(codes.max(initial=-1) + 1), half, 0.0))
    return np.hstack(parts)


# ---- SMOTE-N: another distance ----


def nominal_neighbours(
    client: Connection,
    dataset: str,
    X: Any,
    k: int = 5,
    *,
    name: str = "class",
    version: int | None = None,
) -> Result:
    """Finds the k nearest of every sample of a class among those of its class where all features are
    categories, as SMOTE-N needs them, and attaches them to the dataset. Two samples are as far from each
    other as the value difference metric says (Stanfill and Waltz 1986), as in imbalanced-learn: the sum over
    features of (the sum over classes of \\|p(class given the one's value) - p(class given the other's)\\|)
    squared. It looks at every pair of a class: some minutes for 50,000 samples.

    Args:
        X: shape (samples, d): array, DataFrame or list of rows; row i is sample i.
        name: what the neighbours are called there.
        version: of the dataset; None: the newest.

    Returns:
        what `client.attachments` says of them.

    Raises:
        NotFound (dataset); BadValue: another number of rows, a class of fewer than k + 1 samples; Exists:
        something else has the name.
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= _MOST:
        raise LimitError(f"k is {k!r}: it can be from 1 to {_MOST}", "k")
    info = client.call("dataset.info", dataset=dataset, version=version)
    table = table_of(X)
    if len(table) != info["samples"]:
        raise BadValue(
            f"X has {len(table)} rows, and {info['dataset']}, version {info['version']}, has "
            f"{info['samples']} samples",
            "X",
        )
    labels = _labels_of(client, info)
    codes = np.stack([codes_of(column, f"column {i}") for i, column in enumerate(table.T)], axis=1)
    index, far = _nearest(codes, labels, int(k))
    return _attachments.attach(
        client,
        index,
        far,
        dataset=info["dataset"],
        version=info["version"],
        name=name,
        kind="neighbours",
        k=int(k),
        scope="class",
        metric="vdm",
        terms={"n": len(table), "d": table.shape[1], "exact": True},
    )


def _labels_of(client: Connection, info: Result) -> NDArray[np.uint32]:
    labels = np.empty(info["samples"], dtype=np.uint32)
    name = as_text(info["dataset"], "dataset")
    with client._use():
        client._check(
            _library.lib.evd_dataset_labels(
                client._handle, name, info["version"], 0, labels.ctypes.data, len(labels)
            )
        )
    return labels


def _differences(
    codes: NDArray[np.int64], labels: NDArray[np.uint32]
) -> list[NDArray[np.float64]]:
    """Of each feature, how far every two of its values are from each other, squared."""
    known = labels != UNLABELLED
    _, number = np.unique(labels[known], return_inverse=True)
    found = []
    for column in codes.T:
        counts = np.zeros((column.max() + 1, number.max(initial=0) + 1))
        np.add.at(counts, (column[known], number), 1)
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        distance = np.zeros((len(share), len(share)))
        for of_class in share.T:
            distance += np.abs(of_class[:, None] - of_class)
        found.append(distance**2)
    return found


def _nearest(
    codes: NDArray[np.int64], labels: NDArray[np.uint32], k: int
) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """The nearest first; of several that are equally near, that of the smaller index."""
    index = np.full((len(codes), k), _library.NO_LABEL, dtype=np.uint32)
    far = np.full((len(codes), k), np.inf, dtype=np.float32)
    tables = _differences(codes, labels)
    for number in np.unique(labels[labels != UNLABELLED]):
        members = np.flatnonzero(labels == number)
        if len(members) <= k:
            raise BadValue(
                f"class number {number} has {len(members)} samples, and {k + 1} are needed for {k} "
                "neighbours of each: give a smaller k, or more samples",
                "k",
            )
        step = max(1, _AT_A_TIME // len(members))
        for start in range(0, len(members), step):
            rows = members[start : start + step]
            distance = np.zeros((len(rows), len(members)))
            for column, table in zip(codes.T, tables):
                distance += table[column[rows][:, None], column[members]]
            distance[np.arange(len(rows)), start + np.arange(len(rows))] = np.inf  # itself
            nearest = np.argsort(distance, axis=1, kind="stable")[:, :k]
            index[rows] = members[nearest]
            far[rows] = np.take_along_axis(distance, nearest, axis=1)
    return index, far


# ---- new samples ----


def nominal_rows(
    X: Any,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    share: NDArray[np.float64],
    columns: NDArray[np.int64],
    neighbours: NDArray[Any],
) -> Any:
    """Rows of `synthesise` where some columns are categories. Only what the batch needs of X is looked
    at."""
    made = np.flatnonzero(share > 0)
    near = _near(neighbours, first[made], len(X))
    if len(columns) == X.shape[1]:  # SMOTE-N counts the base as well
        near = np.hstack([first[made][:, None], near])
    needed, place = np.unique(
        np.concatenate([first, second, near.ravel()]), return_inverse=True
    )
    first, second = place[: len(first)], place[len(first) : 2 * len(first)]
    near = place[2 * len(first) :].reshape(near.shape)
    part = X[needed] if isinstance(X, np.ndarray) else from_tensor(X[needed], "X")
    rest = np.setdiff1d(np.arange(X.shape[1]), columns)
    if len(rest) and part.dtype.kind not in "fO":
        raise BadValue(
            f"X is of {X.dtype}, and there is nothing between whole numbers: pass floating point "
            "numbers, or name all columns that are categories",
            "X",
        )
    rows = part[first]
    for column in columns:
        codes = codes_of(part[near, column], f"column {column}")
        chosen = _most_frequent(codes, by_order=len(columns) == X.shape[1])
        rows[made, column] = part[near[np.arange(len(made)), chosen], column]
    if len(rest) and len(made):
        kind = np.float64 if part.dtype.kind == "O" else part.dtype
        a, b = (_numbers_of(part[which[made]], rest).astype(kind) for which in (first, second))
        rows[np.ix_(made, rest)] = a + share[made][:, None].astype(kind) * (b - a)
    if isinstance(X, np.ndarray):
        return rows
    import torch

    return torch.from_numpy(rows).to(device=X.device, dtype=X.dtype)


def _near(neighbours: Any, bases: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Those of each base."""
    table = to_array(neighbours, "neighbours")
    if table.ndim != 2 or table.shape[1] == 0 or table.dtype.kind not in "iu" or len(table) != n:
        raise BadValue(
            f"neighbours has shape {table.shape} and is of {table.dtype}: pass "
            f"client.attachment(dataset, name)[0], whole numbers of shape ({n}, k)",
            "neighbours",
        )
    found = table[bases].astype(np.int64)
    wrong = ((found < 0) | (found >= n)).any(axis=1)
    if wrong.any():
        raise BadValue(
            f"neighbours has none for sample {bases[np.argmax(wrong)]}, which the batch makes new "
            "ones of: pass those that its job draws by, and as many of each as its k",
            "neighbours",
        )
    return found


def _most_frequent(codes: NDArray[np.int64], *, by_order: bool) -> NDArray[np.int64]:
    """In which place of each row the value is that comes most often; of several, the first in order, or
    that of the nearest."""
    counts = (codes[:, :, None] == codes[:, None, :]).sum(axis=2)
    most = counts == counts.max(axis=1, keepdims=True)
    rank = codes if by_order else np.arange(codes.shape[1])
    found: NDArray[np.int64] = np.where(most, rank, most.size).argmin(axis=1)
    return found
