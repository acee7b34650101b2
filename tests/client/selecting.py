"""evd_select on NumPy arrays, for tests."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from evendraw import _library
from evendraw._library import SelectOptions, SelectResult

METHODS = ["tomek", "enn", "renn", "allknn", "ncr", "nearmiss-1", "nearmiss-2", "nearmiss-3", "cnn", "oss"]
METHODS += ["instance-hardness"]
TARGETS = ["not minority", "not majority", "majority", "all"]
LIST = len(TARGETS)
VOTES = ["all", "mode"]

# As EVD_SELECT_OPTIONS_INIT.
DEFAULTS = {"k": 3, "max_iterations": 100, "candidates": 3, "threshold": 0.5, "seeds": 1}


class Refused(Exception):
    pass


def select(
    x: np.ndarray | None, y: np.ndarray, method: str, **options: Any
) -> tuple[np.ndarray, SelectResult]:
    """The rows that are kept, and what the library says of it; `options` as in evendraw_features.h, but for
    targets (a word, a list, or a dict of counts), vote (a word), first and probabilities (arrays)."""
    call, result = SelectOptions(), SelectResult()
    y = np.ascontiguousarray(y, np.uint32)
    held: list[np.ndarray] = [y]

    def pointer(values: Any, dtype: type) -> int:
        held.append(np.ascontiguousarray(values, dtype))
        return int(held[-1].ctypes.data)

    if x is not None:
        assert x.flags.c_contiguous and x.dtype in (np.float32, np.float64)
        call.features, call.d, call.type = x.ctypes.data, x.shape[1], x.dtype == np.float64
    call.labels, call.n, call.method = y.ctypes.data, len(y), METHODS.index(method)
    call.classes = int(y[y != 0xFFFFFFFF].max(initial=0)) + 1
    for name, value in {**DEFAULTS, **options}.items():
        if name == "targets" and isinstance(value, str):
            call.targets = TARGETS.index(value)
        elif name == "targets":
            call.targets, call.target_count = LIST, len(value)
            call.target_list = pointer(list(value), np.uint32)
            if isinstance(value, dict):
                call.target_counts = pointer(list(value.values()), np.uint64)
        elif name == "vote":
            call.vote = VOTES.index(value)
        elif name == "first":
            call.first, call.first_count = pointer(value, np.uint32), len(value)
        elif name == "probabilities":
            call.probabilities = pointer(value, np.float64)
        else:
            setattr(call, name, value)
    keep, counts = np.zeros(len(y), np.uint8), np.zeros(call.classes, np.uint64)
    code = _library.lib.evd_select(
        ctypes.byref(call), keep.ctypes.data, counts.ctypes.data, ctypes.byref(result)
    )
    if code:
        raise Refused(f"{code}: {result.message.decode()}")
    kept = np.flatnonzero(keep)
    assert np.array_equal(np.bincount(y[kept], minlength=call.classes), counts)
    assert result.kept == len(kept)
    return kept, result
