"""evd_neighbours on NumPy arrays, for tests and benchmarks."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from evendraw import _library
from evendraw._library import NeighboursOptions, NeighboursResult

EUCLIDEAN, COSINE = 0, 1
ALL, CLASS, OF_CLASS = 0, 1, 2
NONE = 0xFFFFFFFF


class Refused(Exception):
    pass


def neighbours(
    x: np.ndarray, k: int, labels: np.ndarray | None = None, **options: Any
) -> tuple[np.ndarray, np.ndarray, NeighboursResult]:
    """Indices, distances, and what the library says of the search; `options` as in evendraw_features.h."""
    assert x.flags.c_contiguous and x.dtype in (np.float32, np.float64)
    n, d = x.shape
    index, distance = np.empty((n, k), np.uint32), np.empty((n, k), np.float32)
    call, result = NeighboursOptions(), NeighboursResult()
    call.features, call.n, call.d, call.k = x.ctypes.data, n, d, k
    call.type = x.dtype == np.float64
    if labels is not None:
        labels = np.ascontiguousarray(labels, np.uint32)
        call.labels = labels.ctypes.data
    for name, value in options.items():
        setattr(call, name, value)
    code = _library.lib.evd_neighbours(
        ctypes.byref(call), index.ctypes.data, distance.ctypes.data, ctypes.byref(result)
    )
    if code:
        raise Refused(f"{code}: {result.message.decode()}")
    return index, distance, result
