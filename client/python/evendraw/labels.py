"""Labels of any kind as class names and class numbers.

The rule, which is also that of `evendraw load` (README.md, "Labels", has it in the same words):

Classes are the values that occur. If all of them are whole numbers, in whatever spelling (`+1`,
`-1`, `1.0`, `10`; as integers, floats or text; booleans are not numbers here but `False`, `True`),
they are ordered as numbers of any size and named in the shortest form (`1`, `-1`, `10`), so that
`1`, `1.0` and `+1` are one class. A spelling with leading zeros (`007`) keeps its text as its name
but is ordered by its number. Otherwise they are ordered as text, by bytes of UTF-8. Missing (None,
NaN, NaT, pandas.NA) is no label; -1 is a class.

In text a whole number is a sign or none, decimal digits, and perhaps a point with zeros behind it:
no blanks, no exponent. Of equal numbers (`7`, `007`) the name decides, by bytes. Numbers that are
not text, and not all whole (0.5, 1.5, 10.0), are ordered as numbers too, here named `0.5`, `1.5`,
`10`: a fraction by the shortest text that reads back the same.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _library
from ._arrays import NUMBER, is_bool, is_missing, mask_of, one_dimensional, to_array
from ._sources import column_of, is_dataset, labels_of, only
from .errors import BadValue

__all__ = ["UNLABELLED", "encode", "labels_of", "only"]

UNLABELLED = _library.NO_LABEL
"""The class number of a sample without a label (None or NaN): never drawn."""

_MAX_CLASSES = 1 << 20

_WHOLE = re.compile(r"([+-]?)([0-9]{1,128})(?:\.0{1,128})?")  # a name has at most 128 bytes


def encode(
    labels: Any, classes: Sequence[Hashable] | None = None
) -> tuple[list[str], NDArray[np.uint32]]:
    """Turns labels into what the daemon keeps.

    Args:
        labels: shape (n,) or (n, 1): list, NumPy array, torch tensor, pandas Series, column of a
            Hugging Face dataset, or any iterable of hashable values; or a dataset, see `labels_of`.
            None and NaN mean "no label": such a sample keeps its index and is never drawn.
        classes: the classes in the order they are to have. Without it: the categories of a pandas
            Categorical or a ClassLabel, with those of which there is no sample; or else the values
            that occur, ordered and named as the head of this file says. With integer labels and
            text classes, label i means ``classes[i]``, as in torchvision (``dataset.targets`` and
            ``dataset.classes``).

    Returns:
        The names of the classes, and class numbers of shape (n,), `UNLABELLED` where there is none.

    Raises:
        BadValue: not one value for each sample, no class of that value, or two classes of one name.
    """
    if is_dataset(labels):
        labels, found_classes = labels_of(labels)
        classes = classes if classes is not None else found_classes
    column = column_of(labels)
    values, categories = column.values, column.categories
    if categories is not None:
        codes = np.where(values < 0, UNLABELLED, values).astype(np.uint32)
        if classes is None:
            return _unique(_names(categories), "labels"), codes
        return _with_classes(categories, codes, classes)
    found, codes = _numbered_masked(values)
    if classes is not None:
        return _with_classes(found, codes, classes)
    names, place = _ordered(found)
    return names, _replaced(codes, place)


# ---- values to numbers ----


def _numbered_masked(values: NDArray[Any]) -> tuple[list[Hashable], NDArray[np.uint32]]:
    mask = mask_of(values)
    return _numbered(values) if mask is None else _where(~mask, np.asarray(values))


def _where(present: NDArray[np.bool_], values: NDArray[Any]) -> tuple[list[Any], NDArray[np.uint32]]:
    """Of those samples only; the others have no label."""
    if present.all():
        return _numbered(values)
    codes = np.full(len(values), UNLABELLED, dtype=np.uint32)
    found, codes[present] = _numbered(values[present])
    return found, codes


def _numbered(values: NDArray[Any]) -> tuple[list[Any], NDArray[np.uint32]]:
    """The different values, in any order, and for each sample which it is."""
    kind = values.dtype.kind
    if kind in "iub":
        return _numbered_integers(values)
    if kind == "f" and np.isnan(values).any():
        return _where(~np.isnan(values), values)
    if kind == "f":
        return _numbered_floats(values)
    if kind in "Mm":  # as text: as Python's values those in nanoseconds would be integers
        return _where(~np.isnat(values), values.astype(str))
    return _numbered_objects(values.tolist())


def _numbered_integers(values: NDArray[Any]) -> tuple[list[Any], NDArray[np.uint32]]:
    if len(values) == 0:
        return [], np.zeros(0, dtype=np.uint32)
    low, high = int(values.min()), int(values.max())
    if high - low >= 4 * _MAX_CLASSES:
        return _numbered_sorted(values)
    if values.dtype.kind == "u":
        shifted = (values - values.dtype.type(low)).astype(np.int64)
    else:
        shifted = values.astype(np.int64) - low
    present = np.bincount(shifted, minlength=high - low + 1) > 0
    number = np.cumsum(present, dtype=np.uint32) - np.uint32(1)
    found = (int(i) + low for i in np.flatnonzero(present))
    return [bool(v) if values.dtype.kind == "b" else v for v in found], number[shifted]


def _numbered_floats(values: NDArray[Any]) -> tuple[list[Any], NDArray[np.uint32]]:
    with np.errstate(invalid="ignore"):
        whole = bool(((values == np.floor(values)) & (np.abs(values) < 2.0**63)).all())
    return _numbered_integers(values.astype(np.int64)) if whole else _numbered_sorted(values)


def _numbered_sorted(values: NDArray[Any]) -> tuple[list[Any], NDArray[np.uint32]]:
    found, codes = np.unique(values, return_inverse=True)
    return list(found), codes.astype(np.uint32)


class _Numbers(dict[Hashable, int]):
    """Numbers values as they are looked up."""

    def __missing__(self, value: Hashable) -> int:
        number = self[value] = len(self)
        return number


def _numbered_objects(values: list[Any]) -> tuple[list[Any], NDArray[np.uint32]]:
    kinds = set(map(type, values))
    if kinds & {bool, np.bool_} and not kinds <= {bool, np.bool_, type(None)}:
        # True is equal to 1, and another class.
        values = [str(bool(value)) if is_bool(value) else value for value in values]
    number = _Numbers()
    try:
        codes = np.fromiter(map(number.__getitem__, values), dtype=np.uint32, count=len(values))
    except TypeError:
        i = next(i for i, value in enumerate(values) if not _hashable(value))
        raise BadValue(
            f"labels[{i}] is a {type(values[i]).__name__}, but one value for each sample is needed, "
            "such as a number or a text",
            "labels",
        ) from None
    found = list(number)
    missing = np.array([is_missing(value) for value in found], dtype=bool)
    place = np.where(missing, UNLABELLED, np.cumsum(~missing) - 1).astype(np.uint32)
    return [v for v, gone in zip(found, missing) if not gone], _replaced(codes, place)


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _replaced(codes: NDArray[np.uint32], place: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """place[code] for each, but `UNLABELLED` stays."""
    if (place == np.arange(len(place), dtype=np.uint32)).all():
        return codes
    table = np.append(place, np.uint32(UNLABELLED))
    return table[np.minimum(codes, np.uint32(len(place)))]  # type: ignore[no-any-return]


# ---- the rule ----


class _Reading(NamedTuple):
    """How a value is read."""

    name: str  # unless all are whole
    whole: int | None  # its number, if it is a whole one
    short: str  # its name, if all are whole
    number: Any  # what it is ordered by if it is no text; None: it is no number
    plain: bool  # a number or text: equal names mean one class


def _read(value: Any) -> _Reading:
    if is_bool(value):
        return _Reading(str(bool(value)), None, "", None, True)
    if isinstance(value, NUMBER):
        return _read_number(value)
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise BadValue(f"the label {value!r} is not UTF-8: decode it first", "labels") from None
    if not isinstance(value, str):
        return _Reading(str(value), None, "", None, False)
    text = str.__str__(value)
    found = _WHOLE.fullmatch(text)
    if found is None:
        return _Reading(text, None, "", None, True)
    whole = int(found[1] + found[2])
    leading = len(found[2]) > 1 and found[2][0] == "0"
    return _Reading(text, whole, text if leading else str(whole), None, True)


def _read_number(value: Any) -> _Reading:
    number = value.item() if isinstance(value, np.generic) else value
    try:
        whole = int(number) if number == int(number) else None
    except OverflowError:  # infinite
        whole = None
    if whole is None:  # named in its own precision: a float32's 0.1 is 0.1
        return _Reading(str(value), None, "", number, True)
    if abs(whole) >= 10**128:
        raise BadValue("a label has over 128 digits: that is too long for a class name", "labels")
    return _Reading(str(whole), whole, str(whole), number, True)


def _named(readings: list[_Reading]) -> list[str]:
    """The names of values that are classes together."""
    if all(reading.whole is not None for reading in readings):
        return [reading.short for reading in readings]
    return [reading.name for reading in readings]


def _names(values: Iterable[Any]) -> list[str]:
    return _named([_read(value) for value in values])


def _ordered(found: list[Any]) -> tuple[list[str], NDArray[np.uint32]]:
    """Classes of these values by name, in order, and for each value which it is."""
    readings = [_read(value) for value in found]
    names = _named(readings)
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        same = first.setdefault(name, i)
        if same != i and not (readings[i].plain and readings[same].plain):
            raise BadValue(f'two different labels are both called "{name}": rename one', "labels")
    if all(reading.whole is not None for reading in readings):
        order = sorted(first, key=lambda name: (readings[first[name]].whole, name))
    elif all(reading.number is not None for reading in readings):
        numbers = {name: readings[i].number for name, i in first.items()}
        order = sorted(first, key=numbers.__getitem__)
    else:
        order = sorted(first)  # by code points, which is by bytes of UTF-8
    number = {name: i for i, name in enumerate(order)}
    return order, np.array([number[name] for name in names], dtype=np.uint32)


# ---- classes that are given ----


def _unique(names: list[str], field: str) -> list[str]:
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(n for n in names if n in seen or seen.add(n))  # type: ignore[func-returns-value]
        raise BadValue(f'two classes are both called "{twice}": rename one', field)
    return names


def _with_classes(
    found: list[Any], codes: NDArray[np.uint32], classes: Any
) -> tuple[list[str], NDArray[np.uint32]]:
    """Numbers as in `classes`, which may name classes without samples."""
    given = one_dimensional(to_array(classes, "classes"), "classes").tolist()
    for i, value in enumerate(given):
        if not _hashable(value) or is_missing(value):
            raise BadValue(f"classes[{i}] is {value!r}, and cannot be a class", "classes")
    names = _unique(_names(given), "classes")
    by_index = not any(isinstance(c, NUMBER) for c in given)
    number = {(value, is_bool(value)): i for i, value in enumerate(given)}
    by_name = {name: i for i, name in enumerate(names)}
    place = np.empty(len(found), dtype=np.uint32)
    for i, value in enumerate(found):
        whole = int(value) if is_bool(value) else _read(value).whole
        if by_index and whole is not None and not isinstance(value, (str, bytes)):
            code = whole if 0 <= whole < len(given) else None
        elif (value, is_bool(value)) in number:
            code = number[value, is_bool(value)]
        elif is_bool(value):
            code = number.get((whole, False))
        else:
            code = by_name.get(_names([value])[0])
        if code is None:
            raise BadValue(
                f"the label {_shown(value)} is none of the {len(given)} classes given"
                + (": where it means that there is no label, pass None" if value == -1 else ""),
                "classes",
            )
        place[i] = code
    return names, _replaced(codes, place)


def _shown(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)
