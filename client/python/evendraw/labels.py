"""Labels of any kind as class names and class numbers.

The rule, which is also that of `evendraw load` (README.md, "Labels", has it in the same words):

Classes are the values that occur. If all of them are numbers, in whatever spelling (`+1`, `-1`,
`1.0`, `.5`, `1e3`; as integers, floats or text; booleans are not numbers here but `False`,
`True`), they are ordered as numbers of any size and named in the shortest form (`1`, `-1`, `0.5`,
`1000`), so that `1`, `1.0` and `+1` are one class. A spelling with leading zeros (`007`) keeps
its text as its name but is ordered by its number. Otherwise they are ordered as text, by bytes of
UTF-8. Missing (None, NaN, NaT, pandas.NA) is no label; -1 is a class.

In text a number is a sign or none, decimal digits, perhaps a point among them, and perhaps an
exponent of at most nine digits: no blanks, and no `inf`. What is smaller than 0.0001, or would
take over 125 digits, is named by its shortest spelling (`1e-05`). Of equal numbers `007` stands
before `7`, but `0` before `00`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _library
from ._arrays import NUMBER, is_bool, is_missing, mask_of, one_dimensional, to_array
from ._reading import Reading, Value, read
from ._sources import classes_of, column_of, is_dataset, labels_of, only
from .errors import BadValue

__all__ = ["UNLABELLED", "classes_of", "encode", "labels_of", "only"]

UNLABELLED = _library.NO_LABEL
"""The class number of a sample without a label (None or NaN): never drawn."""

_MAX_CLASSES = 1 << 20


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


def _named(readings: list[Reading]) -> list[str]:
    """The names of values that are classes together."""
    if any(reading.value is None for reading in readings):
        return [reading.name for reading in readings]
    shortest: dict[Value | None, str] = {}  # spelling of numbers that have no short name
    for reading in readings:
        if reading.short is None and not reading.padded:
            name = shortest.setdefault(reading.value, reading.name)
            shortest[reading.value] = min(name, reading.name, key=lambda text: (len(text), text))
    return [
        reading.name if reading.padded else reading.short or shortest[reading.value]
        for reading in readings
    ]


def _names(values: Iterable[Any]) -> list[str]:
    return _named([read(value) for value in values])


def _ordered(found: list[Any]) -> tuple[list[str], NDArray[np.uint32]]:
    """Classes of these values by name, in order, and for each value which it is."""
    readings = [read(value) for value in found]
    names = _named(readings)
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        same = first.setdefault(name, i)
        if same != i and not (readings[i].plain and readings[same].plain):
            raise BadValue(f'two different labels are both called "{name}": rename one', "labels")
    if all(reading.value is not None for reading in readings):
        order = sorted(first, key=lambda name: (readings[first[name]].order, name))
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
        whole = int(value) if is_bool(value) else read(value).whole
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
