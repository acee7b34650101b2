"""What goes to the daemon and what comes back, as Python values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Strategy = str | Mapping[str, Any]
"""A strategy's name ("weighted") or {"kind": "weighted", "weight": "sqrt-inverse"}: see
`Client.strategies`. Class weights may be NumPy arrays or torch tensors."""

Result = dict[str, Any]
"""An answer of the daemon, as proto/PROTOCOL.md lists its keys. New keys may come."""

_INLINE_NUMBERS = 1000  # longer arrays travel as bytes


def as_strategy(strategy: Strategy) -> dict[str, Any]:
    """A strategy as the protocol wants it."""
    if isinstance(strategy, str):
        return {"kind": strategy}
    return {
        key: {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else value
        for key, value in strategy.items()
    }


def numbers(values: Any, kind: str) -> bytes | None:
    """Numbers of a list, array or tensor, as they travel."""
    if values is None:
        return None
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.ascontiguousarray(values, dtype=kind).tobytes()


def jsonable(value: Any) -> Any:
    """What json does not know: bytes, NumPy and torch numbers and arrays."""
    if isinstance(value, bytes):
        return {"$hex": value.hex()}
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and value.size > _INLINE_NUMBERS:
            return {"$hex": value.astype("<f8").tobytes().hex()}
        return value.tolist()
    raise TypeError(f"cannot send a {type(value).__name__} to the daemon")
