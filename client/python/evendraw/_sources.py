"""Where labels come from: columns of values, and datasets.

labels.py turns what is found here into classes. Everything is recognised by what it can do (duck
typing): neither torch nor pandas nor datasets is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import is_missing, mask_of, masked, numbers, objects, one_dimensional
from ._arrays import positions, to_array
from .errors import BadValue

_ATTRIBUTES = ("targets", "labels", "get_labels", "samples", "imgs", "tensors")
_COLUMNS = ("label", "labels", "target", "targets")  # of a Hugging Face dataset, the likeliest first


@dataclass(frozen=True)
class Column:
    """Labels as they are. With `categories`, of pandas or Hugging Face, `values` are numbers of
    those, and -1 is no label."""

    values: NDArray[Any]  # (n,)
    categories: list[Any] | None = None

    def __len__(self) -> int:
        return len(self.values)


def only(labels: Any, indices: Any) -> Column | NDArray[Any]:
    """The labels of these samples; the others have none."""
    column = column_of(labels)
    chosen = positions(indices, len(column), "indices")
    if len(chosen) == 0:
        raise BadValue("indices is empty: no sample is left to be drawn", "indices")
    counts = np.bincount(chosen, minlength=len(column))
    if counts.max() > 1:
        raise BadValue(
            f"indices has sample {int(counts.argmax())} more than once, and each can only be drawn "
            "or not: leave it out, or give it a greater weight",
            "indices",
        )
    left_out = counts == 0
    if column.categories is not None:
        return Column(np.where(left_out, -1, column.values), column.categories)
    mask = mask_of(column.values)
    return masked(np.asarray(column.values), left_out if mask is None else left_out | mask)


def column_of(labels: Any) -> Column:
    """Labels of shape (n,) or (n, 1); BadValue says how others become that."""
    if isinstance(labels, Column):
        return labels
    if (found := _categorical(labels)) is not None:
        return found
    if isinstance(labels, Iterator):
        labels = list(labels)
    array = to_array(labels, "labels")
    if array.dtype == object and not isinstance(labels, list):
        array = _unwrapped(array)
    if array.ndim == 2 and array.shape[1] > 1 and array.shape[0] != 1:
        raise BadValue(_said_of_rows(array), "labels")
    array = one_dimensional(array, "labels")
    if hasattr(labels, "column_name") and hasattr(getattr(labels, "features", None), "names"):
        return _of_class_label(array, labels.features.names)
    return Column(array)


def values_of(labels: Any) -> NDArray[Any]:
    """Labels of shape (n,) as the values that they stand for."""
    return _values(column_of(labels))


def _values(column: Column) -> NDArray[Any]:
    if column.categories is None:
        return column.values
    table = objects([*column.categories, None])
    return table[column.values]  # type: ignore[no-any-return]


def is_dataset(value: Any) -> bool:
    """Whether labels have to be looked for in it."""
    if isinstance(value, type) or hasattr(value, "__array__") or hasattr(value, "to_numpy"):
        return False
    if isinstance(value, (Sequence, dict)):
        return not isinstance(value, (list, tuple, str, bytes, dict)) and any(
            hasattr(value, name) for name in _ATTRIBUTES
        )
    return hasattr(value, "__getitem__") or _is_iterable_dataset(value)


def labels_of(
    dataset: Any, callback: Callable[[Any], Any] | None = None
) -> tuple[Any, list[str] | None]:
    """The labels of a map-style dataset, without loading its samples.

    Looks for ``callback(dataset)``; what a wrapper of `evendraw.torch` is around; the parts of a
    ConcatDataset; a Subset's dataset and ``indices`` (so also what random_split returns); the ClassLabel
    column of a Hugging Face dataset, or else its column ``label``; ``targets``; ``labels``;
    ``get_labels()``; ``samples`` or ``imgs`` as lists of (path, label); the last of ``tensors``.

    Returns:
        Labels of shape (len(dataset),), and ``dataset.classes`` if it has them.

    Raises:
        BadValue: none of these is there.
    """
    if callback is not None:
        return callback(dataset), None
    dataset = _inside(dataset)
    refuse_iterable(dataset, "labels")
    if hasattr(dataset, "features") and hasattr(dataset, "column_names"):
        return _of_hugging_face(dataset)
    if hasattr(dataset, "datasets") and hasattr(dataset, "cumulative_sizes"):
        return _of_parts(dataset)
    if hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        return _of_subset(dataset)
    classes = classes_of(dataset)
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


# ---- columns ----


def _categorical(labels: Any) -> Column | None:
    """pandas' Categorical, CategoricalIndex, or a Series of that dtype: their order is kept."""
    for holder in (labels, getattr(labels, "cat", None)):
        codes, categories = getattr(holder, "codes", None), getattr(holder, "categories", None)
        if codes is not None and categories is not None:
            return Column(np.asarray(codes), to_array(categories, "labels").tolist())
    return None


def _unwrapped(array: NDArray[Any]) -> NDArray[Any]:
    """Tensors, arrays and lists in an array of objects (a Series of them) are values or rows."""
    if array.ndim != 1 or not any(
        kind is list or (hasattr(kind, "shape") and not issubclass(kind, np.generic))
        for kind in set(map(type, array))
    ):
        return array
    return to_array(array.tolist(), "labels")


def _said_of_rows(array: NDArray[Any]) -> str:
    """What to do about several values for each sample."""
    text = f"labels has shape {array.shape}, but one value for each sample is needed, shape (n,)"
    if array.size == 0 or array.dtype.kind not in "biufO" or not ((array == 0) | (array == 1)).all():
        return text
    ones = np.count_nonzero(array, axis=1)
    if (ones == 1).all():
        return text + ": they are one-hot, pass labels.argmax(1)"
    i = int(np.argmax(ones != 1))
    many = f"{ones[i]} ones" if ones[i] else "no 1"
    return text + (
        f": they are zeros and ones, but not one-hot (row {i} has {many}), so argmax would be wrong; "
        "choose one label for each sample, None where there is none"
    )


# ---- datasets ----


def _inside(dataset: Any) -> Any:
    """What evendraw.torch's wrappers are around, sample for sample."""
    while getattr(dataset, "evendraw_wrapper", False):
        dataset = dataset.dataset
    return dataset


def _is_iterable_dataset(value: Any) -> bool:
    return any(kind.__name__ == "IterableDataset" for kind in type(value).__mro__)


def refuse_iterable(dataset: Any, field: str) -> None:
    """BadValue for PyTorch's and Hugging Face's IterableDataset, also for one that knows its length."""
    if _is_iterable_dataset(dataset):
        raise BadValue(
            f"the samples of a {type(dataset).__name__} have no numbers that could be drawn: use a "
            "map-style dataset (ConcatDataset for ChainDataset; Hugging Face's without "
            "streaming=True), or read it once into a list and pass its labels as labels=[...]",
            field,
        )


def classes_of(dataset: Any) -> list[Any] | None:
    """What a dataset says itself that its classes are, or those that it is made of."""
    dataset = _inside(dataset)
    classes = getattr(dataset, "classes", None)
    if isinstance(classes, (list, tuple, np.ndarray)):
        return list(classes) or None
    if hasattr(dataset, "datasets") and hasattr(dataset, "cumulative_sizes"):
        first, *others = [classes_of(part) for part in dataset.datasets]
        return first if all(other == first for other in others) else None
    if hasattr(dataset, "dataset") and hasattr(dataset, "indices"):
        return classes_of(dataset.dataset)
    return None


def _of_subset(dataset: Any) -> tuple[Any, list[Any] | None]:
    labels, classes = labels_of(dataset.dataset)
    column = column_of(labels)
    n = len(column)  # a Subset's index may count from the end, as its dataset's
    part = column.values[positions(dataset.indices, n, "indices", low=-n)]
    return _values(Column(part, column.categories)), classes or column.categories


def _of_parts(dataset: Any) -> tuple[Any, list[Any] | None]:
    found = [labels_of(part) for part in dataset.datasets]
    columns = [column_of(labels) for labels, _ in found]
    lists = [classes or column.categories for (_, classes), column in zip(found, columns)]
    for classes in lists[1:]:
        if classes != lists[0]:
            raise BadValue(
                f"the parts of this {type(dataset).__name__} have different classes "
                f"({_few(lists[0])}; {_few(classes)}), so that one number means several of them: "
                "pass labels=[...] with one meaning",
                "labels",
            )
    parts = [_values(column) for column in columns]
    if len({part.dtype.kind for part in parts}) > 1:
        parts = [objects(part.tolist()) for part in parts]
    masks = [mask_of(part) for part in parts]
    joined = np.concatenate([np.asarray(part) for part in parts])
    if all(mask is None for mask in masks):
        return joined, lists[0]
    nowhere = [np.zeros(len(part), dtype=bool) for part in parts]
    whole = np.concatenate([none if m is None else m for m, none in zip(masks, nowhere)])
    return masked(joined, whole), lists[0]


def _few(classes: list[Any] | None) -> str:
    if classes is None:
        return "none named"
    return ", ".join(map(str, classes[:3])) + (", ..." if len(classes) > 3 else "")


def _of_hugging_face(dataset: Any) -> tuple[Any, list[Any] | None]:
    features = dataset.features
    named = [name for name in features if getattr(features[name], "names", None)]
    likely = [name for name in _COLUMNS if name in features]
    chosen = next((name for name in likely if name in named), None)
    if chosen is None:
        chosen = named[0] if len(named) == 1 else likely[0] if likely and not named else None
    if chosen is None:
        example = (named or [*dataset.column_names, "label"])[0]
        raise BadValue(
            f"cannot tell which column of this dataset holds the labels (it has "
            f"{_few(list(dataset.column_names))}): pass one, as labels=dataset[{example!r}]",
            "labels",
        )
    values = to_array(dataset[chosen], "labels")
    if chosen not in named:
        return values, None
    names = list(features[chosen].names)
    codes = _of_class_label(one_dimensional(values, "labels"), names).values
    return masked(codes, codes < 0) if (codes < 0).any() else codes, names


def _of_class_label(values: NDArray[Any], names: Sequence[str]) -> Column:
    """Hugging Face's numbers of classes, where -1 and None are no label."""
    if values.dtype == object:
        values = objects([-1 if is_missing(value) else value for value in values.tolist()])
    elif values.dtype.kind == "f":
        values = np.where(np.isnan(values), -1, values)
    return Column(numbers(values, "i8", "labels", low=-1, high=len(names) - 1), list(names))
