"""`synthesise`: the samples that a batch of pairs stands for, where the features are one array."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arrays import numbers, positions
from .errors import BadValue, UsageError


def synthesise(X: Any, batch: Any) -> Any:
    """``X[index] + mix_lambda * (X[mix_index] - X[index])``, a row for each position of a batch: what SMOTE
    makes (Chawla et al. 2002, SMOTE: Synthetic minority over-sampling technique), and mixup of features.

    Args:
        X: shape (samples, ...), floating point numbers: NumPy array or torch tensor, on any device; what else
            NumPy takes for an array (a DataFrame of numbers) is read as one.
        batch: a `Batch` of a stream with columns mix_index and mix_lambda, or anything that has index,
            mix_index and mix_lambda of shape (n,).

    Returns:
        Shape (n, ...), of the type, dtype and device of X, with memory of its own. A row whose mix_lambda is 0
        is just X[index].

    Raises:
        UsageError: the batch has no pairs. BadValue: X is not of floating point numbers, has no such samples,
        or a share is not from 0 to 1.
    """
    for name in ("index", "mix_index", "mix_lambda"):
        if getattr(batch, name, None) is None:
            raise UsageError(
                f'the batch has no {name}: open the stream with columns=["mix_index", "mix_lambda"], of a job '
                "whose strategy makes pairs",
                name,
            )
    is_tensor = hasattr(X, "detach")
    if not is_tensor:
        X = np.asarray(X)
    if X.ndim == 0 or not (X.is_floating_point() if is_tensor else X.dtype.kind == "f"):
        raise BadValue(
            f"X has shape {tuple(X.shape)} and is of {X.dtype}, and floating point numbers of shape "
            "(samples, ...) are needed: there is nothing between whole numbers, text or categories",
            "X",
        )
    first = positions(batch.index, len(X), "index")
    second = positions(batch.mix_index, len(X), "mix_index")
    share = numbers(batch.mix_lambda, "<f8", "mix_lambda", n=len(first), low=0, high=1)
    if len(second) != len(first):
        raise BadValue(f"mix_index has {len(second)} values, and index {len(first)}", "mix_index")
    mixed = np.flatnonzero(share > 0)  # the others stay as they are, also if they are infinite
    weight = share[mixed].reshape(-1, *[1] * (X.ndim - 1))
    if is_tensor:
        return _of_tensor(X, first, second[mixed], mixed, weight)
    rows = X[first]
    rows[mixed] += weight.astype(X.dtype) * (X[second[mixed]] - rows[mixed])
    return rows


def _of_tensor(X: Any, first: Any, second: Any, mixed: Any, weight: Any) -> Any:
    import torch

    first, second, mixed = (torch.from_numpy(i).to(X.device) for i in (first, second, mixed))
    rows = X[first]
    base = rows[mixed]
    factor = torch.from_numpy(weight).to(device=X.device, dtype=X.dtype)
    return rows.index_put((mixed,), base + factor * (X[second] - base))
