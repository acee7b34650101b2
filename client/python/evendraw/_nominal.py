"""SMOTE where features are categories: what neighbours are then searched in, and which categories a new
sample gets. `encode_nominal` and `nominal_neighbours` are for users; `synthesise` calls `nominal_rows`, and
evendraw.sklearn what these consist of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _attachments, _library
from ._arrays import from_tensor, is_missing, mask_of, positions, to_array
from ._neighbours import MOST
from ._values import Result, as_text
from .errors import BadValue, LimitError
from .labels import UNLABELLED, encode

if TYPE_CHECKING:
    from ._connection import Connection

_BLOCK = 1 << 22  # numbers that are looked at together


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
    if (labels == UNLABELLED).all():
        raise BadValue("no sample has a label", "y")
    continuous = _numbers_of(table, rest)
    if not np.isfinite(continuous).all():
        row, column = np.argwhere(~np.isfinite(continuous))[0]
        raise BadValue(
            f"X has {continuous[row, column]} in row {row}, column {rest[column]}: finite numbers are "
            "needed",
            "X",
        )
    codes = [codes_of(table[:, column], f"column {column}") for column in nominal]
    return encoded(continuous, np.reshape(codes, (len(nominal), len(table))).T, labels)


def encoded(
    continuous: NDArray[Any], codes: NDArray[np.int64], labels: NDArray[np.uint32]
) -> NDArray[Any]:
    """The columns of numbers, then one for each value of each feature: see `encode_nominal`.

    Args:
        continuous: shape (n, numbers), finite.
        codes: which value of each other feature each sample has, from 0 on, shape (n, features).
        labels: class numbers, shape (n,); `UNLABELLED`: none. One sample has a label at least.

    Returns:
        Of the dtype of `continuous`, in C order.
    """
    found, at, counts = np.unique(
        labels[labels != UNLABELLED], return_index=True, return_counts=True
    )
    smallest = found[np.lexsort((at, counts))[0]]
    sizes = codes.max(axis=0, initial=-1) + 1
    first = continuous.shape[1] + np.cumsum(sizes) - sizes  # column of each feature's value 0
    rows = np.zeros((len(codes), continuous.shape[1] + sizes.sum()), continuous.dtype)
    rows[:, : continuous.shape[1]] = continuous
    half = np.median(continuous[labels == smallest].std(axis=0)) / 2
    np.put_along_axis(rows, codes + first, half, axis=1)
    return rows


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
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= MOST:
        raise LimitError(f"k is {k!r}: it can be from 1 to {MOST}", "k")
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
    _check_members(labels, int(k))
    index, far = value_differences(codes, labels, labels, int(k))
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


def _check_members(labels: NDArray[np.uint32], k: int) -> None:
    found, counts = np.unique(labels[labels != UNLABELLED], return_counts=True)
    short = np.flatnonzero(counts <= k)
    if len(short):
        raise BadValue(
            f"class number {found[short[0]]} has {counts[short[0]]} samples, and {k + 1} are needed for "
            f"{k} neighbours of each: give a smaller k, or more samples",
            "k",
        )


def value_differences(
    codes: NDArray[np.int64], labels: NDArray[np.uint32], among: NDArray[np.uint32], k: int
) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """The k nearest of each sample among those of its class, by the value difference metric: see
    `nominal_neighbours`.

    Args:
        codes: which value of each feature each sample has, from 0 on, shape (n, features).
        labels: class numbers, shape (n,), by which values differ; `UNLABELLED`: none.
        among: the same, with `UNLABELLED` also for samples that need no neighbours and are none.

    Returns:
        Indices and distances, shape (n, k), as `Client.attachment` gives them: the nearest first, of several
        that are equally near that of the smaller index; where a class has too few, as where there is none.
    """
    index = np.full((len(codes), k), _library.NO_LABEL, dtype=np.uint32)
    far = np.full((len(codes), k), np.inf, dtype=np.float32)
    tables = [_apart(column, labels) for column in codes.T]
    for number in np.unique(among[among != UNLABELLED]):
        members = np.flatnonzero(among == number)
        step = max(1, _BLOCK // len(members))
        for start in range(0, len(members), step):
            rows = members[start : start + step]
            distance = np.zeros((len(rows), len(members)))
            for column, table in zip(codes.T, tables):
                distance += table[column[rows]].take(column[members], axis=1)
            distance[np.arange(len(rows)), start + np.arange(len(rows))] = np.inf  # itself
            nearest = np.argsort(distance, axis=1, kind="stable")[:, : min(k, len(members) - 1)]
            index[rows, : nearest.shape[1]] = members[nearest]
            far[rows, : nearest.shape[1]] = np.take_along_axis(distance, nearest, axis=1)
    return index, far


def _apart(column: NDArray[np.int64], labels: NDArray[np.uint32]) -> NDArray[np.float64]:
    """How far every two values of a feature are from each other, squared."""
    known = labels != UNLABELLED
    _, number = np.unique(labels[known], return_inverse=True)
    counts = np.zeros((column.max(initial=-1) + 1, number.max(initial=0) + 1))
    np.add.at(counts, (column[known], number), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    distance = np.zeros((len(share), len(share)))
    for of_class in share.T:
        distance += np.abs(of_class[:, None] - of_class)
    return distance**2


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
        chosen = most_frequent(codes, None if len(rest) else in_order(codes))
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


def most_frequent(
    values: NDArray[np.int64], preferred: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """In which place of each row the value is that comes most often in it.

    Args:
        values: numbers from 0 on, shape (n, k).
        preferred: shape (n, k), less than 1 apart from each other: of places whose values come equally
            often, that with the largest number, of several the first. None: the first, which of neighbours
            is the nearest.
    """
    place = np.empty(len(values), dtype=np.int64)
    step = max(1, _BLOCK // max(values.shape[1], 1) ** 2)
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        part = values[rows]
        votes = (part[:, :, None] == part[:, None]).sum(axis=2, dtype=np.float64)
        if preferred is not None:
            votes += preferred[rows]
        place[rows] = votes.argmax(axis=1)
    return place


def in_order(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """For `most_frequent`: smaller values are preferred."""
    return np.asarray(-values / (values.max(initial=0) + 1))
