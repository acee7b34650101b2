"""How a single label is read: as a number of any size and spelling, or as text. labels.py calls this.

No number is converted to one that a machine has: 1e999999999 is as good as 1. What is compared are
digits, as `evendraw load` does (client/cli/number.c).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from ._arrays import NUMBER, is_bool
from .errors import BadValue

_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,9}))?")

_NAME_LIMIT = 128  # bytes of a class name
_ZEROS_MOST = 3  # behind the point: what is smaller has an exponent, as in Python
_COMPLEMENT = str.maketrans("0123456789", "9876543210")

Value = tuple[int, int, str]
"""Of numbers, in their order. The first is the sign, or twice the sign of what is infinite."""


class Reading(NamedTuple):
    name: str  # as text, and where the shortest form is too long
    value: Value | None = None  # None: it is no number
    short: str | None = None  # of a number: its shortest form, if that has no exponent
    padded: bool = False  # a number with zeros in front, which is a class of its own
    whole: int | None = None  # of what is a whole number, and no text
    plain: bool = True  # a number or text: equal names mean one class

    @property
    def order(self) -> tuple[Any, ...]:
        """Of numbers. Of equal ones those with zeros in front stand first, but 0 stands before 00."""
        behind = self.padded and self.value == _ZERO and self.name[0] == "0"
        return self.value, 1 if not self.padded else 2 if behind else 0


_ZERO: Value = (0, 0, "")


def read(value: Any) -> Reading:
    if is_bool(value):
        return Reading(str(bool(value)))
    if isinstance(value, NUMBER):
        return _read_number(value)
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise BadValue(f"the label {value!r} is not UTF-8: decode it first", "labels") from None
    if not isinstance(value, str):
        return Reading(str(value), plain=False)
    return _read_text(str.__str__(value))


def _read_number(value: Any) -> Reading:
    number = value.item() if isinstance(value, np.generic) else value
    try:
        whole = int(number) if number == int(number) else None
    except OverflowError:
        return Reading(str(value), (2 if number > 0 else -2, 0, ""), str(value))
    if whole is None:  # named in its own precision: a float32's 0.1 is 0.1
        return _read_text(str(value))
    if abs(whole) >= 10**_NAME_LIMIT:
        raise BadValue("a label has over 128 digits: that is too long for a class name", "labels")
    return _read_text(str(whole))._replace(whole=whole)


def _read_text(text: str) -> Reading:
    found = _NUMBER.fullmatch(text) if len(text) <= _NAME_LIMIT + 1 else None
    if found is None or not (found[2] or found[3]):
        return Reading(text)
    digits = found[2] + (found[3] or "")
    significant = digits.lstrip("0")
    padded = len(found[2]) > 1 and found[2][0] == "0"
    if not significant:
        return Reading(text, _ZERO, None if padded else "0", padded)
    # How far the point stands behind the first digit that is not 0, or, negative, in front of it.
    point = len(found[2]) - (len(digits) - len(significant)) + int(found[4] or 0)
    significant = significant.rstrip("0")
    if found[1] == "-":
        value = (-1, -point, significant.translate(_COMPLEMENT) + ":")  # more digits: less
    else:
        value = (1, point, significant)
    short = None if padded else _shortest(found[1] == "-", significant, point)
    return Reading(text, value, short, padded)


def _shortest(negative: bool, digits: str, point: int) -> str | None:
    before, behind = max(point, 0), max(len(digits) - point, 0)
    if point < -_ZEROS_MOST or before + behind + 3 > _NAME_LIMIT:
        return None
    whole = digits[:before].ljust(before, "0") or "0"
    fraction = digits[before:].rjust(behind, "0")
    return ("-" if negative else "") + whole + ("." + fraction if fraction else "")
