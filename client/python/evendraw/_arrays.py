"""What callers hand over (lists, NumPy, torch on any device, pandas) as arrays.

`numbers` is the one door through which numbers of a caller go to C or onto the wire: it checks shape,
kind, finiteness and range, and converts only what keeps its value. labels.py and client.py call it,
and the samplers. Everything is recognised by what it can do: neither torch nor pandas is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BadValue

NUMBER = (int, float, np.integer, np.floating, Decimal)
"""Types of single numbers; bool is one of them for Python, see `is_bool`."""


def is_bool(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas.NA: all but the first differ from themselves or cannot say."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA has no truth value
        return True


def numbers(
    values: Any,
    kind: str,
    field: str,
    *,
    n: int | None = None,
    low: float | None = None,
    high: float | None = None,
    advice: str = "",
) -> NDArray[Any]:
    """Numbers as a contiguous array of shape (n,).

    Args:
        values: shape (n,) or (n, 1): list, array, tensor or Series.
        kind: the dtype that is needed, as "<f8". For whole ones (i, u) floats without a fraction
            are taken too.
        field: what the values are called, for errors.
        n: how many there must be.
        low, high: what they must lie between, both included. Without: what `kind` can hold.
        advice: what to do about values of shape (n, m).

    Raises:
        BadValue: anything else.
    """
    array = one_dimensional(to_array(values, field), field, advice)
    if n is not None and len(array) != n:
        raise BadValue(
            f"{field} has {len(array)} values, but {n} are needed: one for each sample", field
        )
    dtype = np.dtype(kind)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        low = limits.min if low is None else low
        high = limits.max if high is None else high
        checked = _whole(array, field, low, high)
    else:
        checked = _finite(array, field, low, high)
    return np.ascontiguousarray(checked, dtype=dtype)


def positions(values: Any, n: int, field: str, *, low: int = 0) -> NDArray[np.int64]:
    """Numbers of samples of a dataset of `n`. A mask is refused: its True would be sample 1."""
    array = to_array(values, field)
    if array.dtype.kind == "b":
        raise BadValue(
            f"{field} is a mask of True and False, and numbers of samples are needed: pass "
            "numpy.flatnonzero(mask)",
            field,
        )
    return numbers(array, "i8", field, low=low, high=n - 1)


def to_array(values: Any, field: str) -> NDArray[Any]:
    """As an array of whatever shape and dtype it has; of dtype object if it is a list of several
    kinds, or of what NumPy has no dtype for."""
    if isinstance(values, np.ndarray):
        return values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    if hasattr(values, "detach"):
        return from_tensor(values, field)
    if hasattr(values, "__array__") or hasattr(values, "to_numpy"):
        return _from_array_like(values, field)
    if isinstance(values, (str, bytes, Mapping, Set, Iterator)) or not (
        isinstance(values, Iterable) and hasattr(values, "__len__")
    ):
        raise BadValue(
            f"{field} is of type {type(values).__name__}: pass a list, array, tensor or Series with "
            "one value for each sample, in their order",
            field,
        )
    if hasattr(values, "column_name") and hasattr(values, "__getitem__"):
        return to_array(values[:], field)  # of a Hugging Face dataset: single values are slow
    return _from_list(list(values), field)


def _from_array_like(values: Any, field: str) -> NDArray[Any]:
    try:
        return np.asarray(values if hasattr(values, "__array__") else values.to_numpy())
    except (TypeError, ValueError, RuntimeError) as error:  # CuPy's are not converted unasked
        raise BadValue(
            f"{field} is a {type(values).__name__} that cannot be read ({error}): pass a NumPy array",
            field,
        ) from None


def from_tensor(tensor: Any, field: str) -> NDArray[Any]:
    """A torch tensor's values, wherever it is. What NumPy has no number for, such as bfloat16,
    comes as float32."""
    try:
        tensor = tensor.detach().cpu()
        try:
            return np.asarray(tensor.numpy())
        except TypeError:
            return np.asarray(tensor.float().numpy())
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise BadValue(
            f"{field} is a tensor that cannot be read ({error}): pass a dense one with values",
            field,
        ) from None


def one_dimensional(array: NDArray[Any], field: str, advice: str = "") -> NDArray[Any]:
    """Of shape (n,), also if it came as (n, 1)."""
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim == 1:
        return array
    if array.ndim == 2 and array.shape[0] == 1:
        advice = f"pass {field}[0]"
    raise BadValue(
        f"{field} has shape {array.shape}, but one value for each sample is needed, shape (n,)"
        + (f": {advice}" if advice else ""),
        field,
    )


# ---- masks ----


def mask_of(array: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where a masked array has no value."""
    if not isinstance(array, np.ma.MaskedArray):
        return None
    return np.ma.getmaskarray(array)  # type: ignore[no-any-return, no-untyped-call]


def masked(array: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """The array, without a value where the mask says so."""
    return np.ma.array(array, mask=mask)  # type: ignore[no-any-return, no-untyped-call]


# ---- lists ----


def _from_list(values: list[Any], field: str) -> NDArray[Any]:
    """NumPy would turn [1, "a"] into text, [2**63, -1] into rounded floats, and fails for [1, None]:
    only lists of one kind of number get a dtype."""
    kinds = set(map(type, values))
    for kind, dtype in ((int, np.int64), (float, np.float64), (bool, np.bool_)):
        if kinds == {kind}:
            try:
                return np.array(values, dtype=dtype)
            except OverflowError:
                return objects(values)
    if any(hasattr(kind, "shape") and not issubclass(kind, np.generic) for kind in kinds):
        values = [_single(value, field) if hasattr(value, "shape") else value for value in values]
        kinds = set(map(type, values))
    if any(issubclass(kind, (list, np.ndarray)) for kind in kinds):
        return _from_rows(values, field)
    return objects(values)


def objects(values: list[Any]) -> NDArray[Any]:
    """An array of these very objects."""
    return np.fromiter(values, dtype=object, count=len(values))


def _single(value: Any, field: str) -> Any:
    """What a tensor or array of one element holds; another as an array."""
    array = to_array(value, field)
    return array.item() if array.size == 1 and array.dtype.kind not in "Mm" else array


def _from_rows(values: list[Any], field: str) -> NDArray[Any]:
    try:
        rows = [np.array(value, dtype=object, ndmin=1) for value in values]
    except ValueError:  # lists of several lengths within one
        rows = []
    if len({row.shape for row in rows}) != 1:
        i = next(i for i, value in enumerate(values) if isinstance(value, (list, np.ndarray)))
        raise BadValue(
            f"{field}[{i}] has {len(values[i])} values, and others another number: one value for "
            "each sample is needed",
            field,
        )
    return np.stack(rows)


# ---- numbers ----


def _whole(array: NDArray[Any], field: str, low: float, high: float) -> NDArray[Any]:
    wanted = f"whole numbers from {low} to {high} are needed"
    array = _checked_kind(array, field, wanted)
    if array.dtype.kind == "O":
        _first(field, array, [not low <= v <= high or v != int(v) for v in array], wanted)
        return np.array([int(v) for v in array], dtype=np.int64 if high < 2**63 else np.uint64)
    if array.dtype.kind == "f":
        _first(field, array, array != np.floor(array), wanted)
    if array.dtype.kind != "b":
        _first(field, array, ~((array >= low) & (array <= high)), wanted)
    return array


def _finite(
    array: NDArray[Any], field: str, low: float | None, high: float | None
) -> NDArray[np.float64]:
    limits = "" if low is None else f" >= {low}" if high is None else f" from {low} to {high}"
    wanted = f"finite numbers{limits} are needed"
    array = _checked_kind(array, field, wanted)
    if array.dtype.kind == "O":
        double = np.array([_double(v) for v in array], dtype=np.float64)
    else:
        with np.errstate(over="ignore"):
            double = array.astype(np.float64)
    wrong = ~np.isfinite(double)
    if low is not None:
        wrong |= double < low
    if high is not None:
        wrong |= double > high
    _first(field, array, wrong, wanted)
    return double


def _double(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf


def _checked_kind(array: NDArray[Any], field: str, wanted: str) -> NDArray[Any]:
    """An array of numbers, or of objects that all are one."""
    if (mask := mask_of(array)) is not None:
        array = np.asarray(array)
        _first(field, array, mask, f"it is masked: {wanted}")
    if array.size == 0:
        return array.astype(np.float64) if array.dtype.kind == "O" else array
    if array.dtype.kind == "O":
        wrong = [
            not (isinstance(v, NUMBER) or is_bool(v)) or is_missing(v) for v in array.tolist()
        ]
        _first(field, array, wrong, wanted)
    elif array.dtype.kind not in "biuf":
        raise BadValue(f"{field} has dtype {array.dtype}, but {wanted}", field)
    return array


def _first(field: str, array: NDArray[Any], wrong: Any, wanted: str) -> None:
    """Names the first wrong value, if there is one."""
    wrong = np.asarray(wrong, dtype=bool)
    if wrong.any():
        i = int(np.argmax(wrong))
        value = array[i]
        text = str(value) if isinstance(value, (*NUMBER, np.bool_)) else repr(value)
        raise BadValue(f"{field}[{i}] is {text[:80]}, but {wanted}", field)
