"""`synthesise`: the samples that a batch of pairs stands for, where the features are one array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import mask_of, numbers, positions
from ._nominal import columns_of, nominal_rows, table_of
from .errors import BadValue, UsageError


def synthesise(X: Any, batch: Any, *, categorical: Any = None, neighbours: Any = None) -> Any:
    """``X[index] + mix_lambda * (X[mix_index] - X[index])``, a row for each position of a batch: what SMOTE
    makes (Chawla et al. 2002, SMOTE: Synthetic minority over-sampling technique), and mixup of features.

    Args:
        X: shape (samples, ...), floating point numbers: NumPy array or torch tensor, on any device; what else
            NumPy takes for an array (a DataFrame of numbers) is read as one.
        batch: a `Batch` of a stream with columns mix_index and mix_lambda, or anything that has index,
            mix_index and mix_lambda of shape (n,).
        categorical: columns of an X of shape (samples, d) whose values are categories, of which there is
            nothing in between: their positions, names (of a DataFrame), or a mask. A new row gets the value
            that the neighbours of its base have most often, of several that of the nearest (SMOTE-NC). If all
            columns are categories, the base counts as one of them, and of several it is the first in order
            (SMOTE-N). X may be of any dtype then, as far as the other columns are numbers.
        neighbours: shape (samples, k): those that the job draws by, as many of each as its k:
            ``client.attachment(dataset, name)[0][:, :k]``. With categorical.

    Returns:
        Shape (n, ...), of the type, dtype and device of X, with memory of its own. A row whose mix_lambda is 0
        is just X[index].

    Raises:
        UsageError: the batch has no pairs, or one of categorical and neighbours is missing. BadValue: X is not
        of floating point numbers, has no such samples, or a share is not from 0 to 1.
    """
    nominal = _columns(X, categorical, neighbours)
    X = _array_of(X, nominal is not None)
    first, second, share = _pairs(batch, len(X))
    if nominal is not None:
        return nominal_rows(X, first, second, share, nominal, neighbours)
    mixed = np.flatnonzero(share > 0)  # the others stay as they are, also if they are infinite
    weight = share[mixed].reshape(-1, *[1] * (X.ndim - 1))
    if hasattr(X, "detach"):
        return _of_tensor(X, first, second[mixed], mixed, weight)
    rows = X[first]
    rows[mixed] += weight.astype(X.dtype) * (X[second[mixed]] - rows[mixed])
    return rows


def _pairs(batch: Any, n: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Samples of the batch, of n there are, their partners, and the shares of these."""
    for name in ("index", "mix_index", "mix_lambda"):
        if getattr(batch, name, None) is None:
            raise UsageError(
                f'the batch has no {name}: open the stream with columns=["mix_index", "mix_lambda"], of a job '
                "whose strategy makes pairs",
                name,
            )
    first = positions(batch.index, n, "index")
    second = positions(batch.mix_index, n, "mix_index")
    share = numbers(batch.mix_lambda, "<f8", "mix_lambda", n=len(first), low=0, high=1)
    if len(second) != len(first):
        raise BadValue(f"mix_index has {len(second)} values, and index {len(first)}", "mix_index")
    return first, second, share


def _array_of(X: Any, nominal: bool) -> Any:
    """A tensor as it is, anything else as an array."""
    is_tensor = hasattr(X, "detach")
    if nominal:
        return X if is_tensor else table_of(X)
    if not is_tensor:
        if (mask := mask_of(X)) is not None and mask.any():
            raise BadValue("X is masked: every sample needs all of its numbers", "X")
        X = np.asarray(X)
    if X.ndim == 0 or not (X.is_floating_point() if is_tensor else X.dtype.kind == "f"):
        raise BadValue(
            f"X has shape {tuple(X.shape)} and is of {X.dtype}, and floating point numbers of shape "
            "(samples, ...) are needed: there is nothing between whole numbers or text; columns of "
            "categories are named by categorical=",
            "X",
        )
    return X


def _columns(X: Any, categorical: Any, neighbours: Any) -> Any:
    """Of those that are categories; None: nobody says that there are any."""
    if (categorical is None) != (neighbours is None):
        raise UsageError(
            "categorical columns and the neighbours that the job draws by go together: pass "
            "categorical=[...], neighbours=client.attachment(dataset, name)[0][:, :k]",
            "neighbours" if neighbours is None else "categorical",
        )
    if categorical is None:
        return None
    shape = np.shape(X) if hasattr(X, "shape") else table_of(X).shape
    if len(shape) != 2:
        raise BadValue(f"X has shape {tuple(shape)}, and categories need (samples, d)", "X")
    return columns_of(X, shape[1], categorical)


def _of_tensor(X: Any, first: Any, second: Any, mixed: Any, weight: Any) -> Any:
    import torch

    first, second, mixed = (torch.from_numpy(i).to(X.device) for i in (first, second, mixed))
    rows = X[first]
    base = rows[mixed]
    factor = torch.from_numpy(weight).to(device=X.device, dtype=X.dtype)
    return rows.index_put((mixed,), base + factor * (X[second] - base))
