"""Labels of any kind as class names and class numbers.

Everything is recognised by what it can do (duck typing): neither torch nor pandas is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _library
from .errors import BadValue

UNLABELLED = _library.NO_LABEL
"""The class number of a sample without a label (None or NaN): never drawn."""

_MAX_CLASSES = 1 << 20


def encode(
    labels: Any, classes: Sequence[Hashable] | None = None
) -> tuple[list[str], NDArray[np.uint32]]:
    """Turns labels into what the daemon keeps.

    Args:
        labels: shape (n,): list, NumPy array, torch tensor, pandas Series, or any iterable of
            hashable values. None and NaN mean "no label": such a sample keeps its index and is
            never drawn.
        classes: the classes in the order they are to have. Without it: the values that occur,
            sorted. With integer labels and text classes, label i means ``classes[i]``, as in
            torchvision (``dataset.targets`` and ``dataset.classes``).

    Returns:
        The names of the classes, and class numbers of shape (n,), `UNLABELLED` where there is none.

    Raises:
        BadValue: not one-dimensional, no class of that value, or two classes of one name.
    """
    values = _to_array(labels)
    if values.dtype.kind in "iub":
        found, codes = _encode_integers(values)
    elif values.dtype.kind in "fU":
        found, codes = _encode_sortable(values)
    else:
        found, codes = _encode_objects(values)
    if classes is not None:
        return _with_classes(found, codes, list(classes))
    return _names(found), codes


def labels_of(
    dataset: Any, callback: Callable[[Any], Any] | None = None
) -> tuple[Any, list[str] | None]:
    """The labels of a map-style dataset, without loading its samples.

    Looks for ``callback(dataset)``; a Subset's dataset and ``indices``; ``targets``; ``labels``;
    ``get_labels()``; ``samples`` or ``imgs`` as lists of (path, label); the last of ``tensors``.

    Returns:
        Labels of shape (len(dataset),), and ``dataset.classes`` if it has them.

    Raises:
        BadValue: none of these is there.
    """
    if callback is not None:
        return callback(dataset), None
    if hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        labels, classes = labels_of(dataset.dataset)
        return _to_array(labels)[np.asarray(dataset.indices, dtype=np.int64)], classes
    classes = getattr(dataset, "classes", None)
    for name in ("targets", "labels"):
        if getattr(dataset, name, None) is not None:
            return getattr(dataset, name), classes
    if callable(getattr(dataset, "get_labels", None)):
        return dataset.get_labels(), classes
    for name in ("samples", "imgs"):
        pairs = getattr(dataset, name, None)
        if isinstance(pairs, list) and pairs and isinstance(pairs[0], tuple):
            return [pair[-1] for pair in pairs], classes
    if getattr(dataset, "tensors", None):
        return dataset.tensors[-1], classes
    raise BadValue(
        f"cannot find the labels of a {type(dataset).__name__}: it has none of targets, labels, "
        "get_labels(), samples, imgs, tensors; pass labels=[...] or callback_get_label=function",
        "labels",
    )


def _to_array(labels: Any) -> NDArray[Any]:
    if hasattr(labels, "detach"):  # a torch tensor
        labels = labels.detach().cpu().numpy()
    elif hasattr(labels, "to_numpy"):  # a pandas Series or Index
        labels = labels.to_numpy()
    if not isinstance(labels, np.ndarray):
        labels = _from_values(labels if isinstance(labels, list) else list(labels))
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise BadValue(
            f"labels have shape {labels.shape}, but one label a sample is needed: shape (n,)",
            "labels",
        )
    return np.asarray(labels)


def _from_values(values: list[Any]) -> NDArray[Any]:
    """NumPy would turn [1, "a"] into text, and [1, None] fails: only plain lists are converted."""
    kinds = {type(value) for value in values}
    if kinds <= {int} or kinds <= {float} or kinds <= {str}:
        try:
            return np.array(values)
        except OverflowError:
            pass
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _encode_integers(values: NDArray[Any]) -> tuple[list[Hashable], NDArray[np.uint32]]:
    if len(values) == 0:
        return [], np.zeros(0, dtype=np.uint32)
    low, high = int(values.min()), int(values.max())
    if high - low >= 4 * _MAX_CLASSES:
        return _encode_sortable(values)
    if values.dtype.kind == "u":
        shifted = (values - values.dtype.type(low)).astype(np.int64)
    else:
        shifted = values.astype(np.int64) - low
    present = np.bincount(shifted, minlength=high - low + 1) > 0
    number = np.cumsum(present, dtype=np.uint32) - np.uint32(1)
    found = (np.flatnonzero(present) + low).tolist()
    return [bool(v) for v in found] if values.dtype.kind == "b" else found, number[shifted]


def _encode_sortable(values: NDArray[Any]) -> tuple[list[Hashable], NDArray[np.uint32]]:
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)
    found, codes = np.unique(values[~missing], return_inverse=True)
    result = np.full(len(values), UNLABELLED, dtype=np.uint32)
    result[~missing] = codes
    plain = found.tolist()
    if values.dtype.kind == "f" and all(v.is_integer() for v in plain):
        plain = [int(v) for v in plain]  # integers with NaN among them arrive as floats
    return plain, result


def _encode_objects(values: NDArray[Any]) -> tuple[list[Hashable], NDArray[np.uint32]]:
    number: dict[Hashable, int] = {}
    codes = np.fromiter(
        (
            UNLABELLED if _is_missing(v) else number.setdefault(_plain(v), len(number))
            for v in values
        ),
        dtype=np.uint32,
        count=len(values),
    )
    found = sorted(number, key=_order)
    place = np.empty(len(found) + 1, dtype=np.uint32)
    place[[number[v] for v in found]] = np.arange(len(found), dtype=np.uint32)
    place[-1] = UNLABELLED
    return found, place[np.minimum(codes, np.uint32(len(found)))]


def _is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas.NA: all but the first differ from themselves or cannot say."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA has no truth value
        return True


def _plain(value: Any) -> Hashable:
    return value.item() if isinstance(value, np.generic) else value  # type: ignore[no-any-return]


def _order(value: Hashable) -> tuple[str, Any]:
    """Values of one kind in their own order, kinds by name; what has no order by its text."""
    if isinstance(value, (int, float)):
        return ("number", value)
    if isinstance(value, (str, bytes)):
        return (type(value).__name__, value)
    return (type(value).__name__, str(value))


def _names(values: Iterable[Hashable]) -> list[str]:
    names = [v.decode() if isinstance(v, bytes) else str(v) for v in values]
    if len(set(names)) < len(names):
        twice = next(n for i, n in enumerate(names) if n in names[:i])
        raise BadValue(f'two different labels are both called "{twice}": rename one', "labels")
    return names


def _with_classes(
    found: list[Hashable], codes: NDArray[np.uint32], classes: list[Hashable]
) -> tuple[list[str], NDArray[np.uint32]]:
    """Numbers as in `classes`, which may name classes without samples."""
    by_index = not all(isinstance(c, int) for c in classes)
    number = {value: i for i, value in enumerate(classes)}
    place = np.empty(len(found) + 1, dtype=np.uint32)
    place[-1] = UNLABELLED
    for i, value in enumerate(found):
        if value in number:
            place[i] = number[value]
        elif by_index and isinstance(value, int) and 0 <= value < len(classes):
            place[i] = value
        else:
            raise BadValue(
                f"the label {value!r} is none of the {len(classes)} classes given", "classes"
            )
    return _names(classes), place[np.minimum(codes, np.uint32(len(found)))]
