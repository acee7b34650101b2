"""What goes to the daemon and what comes back, as Python values."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._arrays import from_tensor
from .errors import BadValue

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


def as_text(text: Any, field: str) -> bytes:
    """A name for C, which takes it to end at its first NUL."""
    if not isinstance(text, str):
        raise BadValue(f"{field}: {text!r} is of type {type(text).__name__}, not a text", field)
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        said = f"{field}: {text!r} is no valid text: it has half a surrogate"
        raise BadValue(said, field) from None
    if b"\0" in encoded:
        raise BadValue(f"{field}: {text!r} has a NUL in it: leave it out", field)
    return encoded


def new_name() -> str:
    """Of a job without one: the script's, so that `evendraw job ls` says whose it is."""
    script = os.path.splitext(os.path.basename(sys.argv[0] if sys.argv else ""))[0]
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", script).strip("-")[:40] or "run"
    return f"{stem}-{secrets.token_hex(4)}"


def jsonable(value: Any) -> Any:
    """What json does not know: bytes, NumPy and torch numbers and arrays."""
    if isinstance(value, bytes):
        return {"$hex": value.hex()}
    if hasattr(value, "detach"):
        value = from_tensor(value, "a field")
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and value.size > _INLINE_NUMBERS:
            return {"$hex": value.astype("<f8").tobytes().hex()}
        return value.tolist()
    raise TypeError(f"cannot send a {type(value).__name__} to the daemon")
