"""`Pairs`: samples made of two, as mixup, cutmix and SMOTE do.

Which two, and the shares of the second, follow from the position in a job: its columns mix_index, mix_lambda
and mix_label_lambda, which an `Item` (_items.py) brings to the dataset in the worker.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch

from .. import labels as _labels
from ..errors import BadValue
from ._items import PARTNER, PLACE, Item, Wrapper, column, columns_of, derived, seed_of, whole

How = Literal["mixup", "cutmix", "smote"]


class Pairs(Wrapper):
    """A dataset of which the samples (x, y, ...) are made of two of another dataset::

        train = evendraw.torch.Pairs(dataset, "mixup")
        strategy = {"kind": "weighted", "pairs": {"how": "mixup", "alpha": 0.4}}
        sampler = evendraw.torch.BatchSampler(train, 32, strategy=strategy)
        loader = evendraw.torch.DataLoader(train, batch_sampler=sampler)
        for x, y in loader:  # y has shape (32, classes)
            loss = torch.nn.functional.cross_entropy(model(x), y)

    With i the sample, j its partner, l the partner's share of the features (mix_lambda; where it is 0 there is
    none, and only i is read) and m its share of the target (mix_label_lambda, which is l for all strategies
    but remix):

    - "mixup": x is (1 - l) x_i + l x_j, y is (1 - m) y_i + m y_j, class numbers as one-hot, float32
      of shape (classes,) (Zhang et al. 2018, mixup: Beyond empirical risk minimization; `cross_entropy` takes
      such targets). Targets that are floating point numbers or arrays of them are mixed as they are.
    - "cutmix": x is x_i with a box of x_j, which covers the share l of the image; y is mixed as by mixup,
      where m is l by the share of the pixels that the box has (Yun et al. 2019, CutMix). The box has the image's
      proportions, up to whole pixels, and lies at a place that follows from the position's seed: anywhere
      within the image, where the authors' code lets it reach beyond the border and cuts it off there. The
      last two dimensions of x are its height and width.
    - "smote": x is x_i + l (x_j - x_i), y is y_i as it is (Chawla et al. 2002, SMOTE: Synthetic minority
      over-sampling technique).

    Whatever else a sample has beside x and y is that of i. Augmented samples are augmented before they are
    paired, ``Pairs(Augmented(dataset, transform))``, each with a seed of its own, and the partner with strength 0.

    Args:
        dataset: map-style; its samples are tuples or lists of x, y and perhaps more, x a tensor or NumPy array of
            floating point numbers ("cutmix": of any). Labels are those of this dataset.
        how: what is made of two.
        classes: how many there are, where y is a class number. None: as many as ``dataset.classes`` has.

    Raises:
        BadValue: another `how`, no map-style dataset; when read: samples that cannot be mixed. UsageError when
        read with an index that has no partner with it (see `Item`); StrategyError when iterated, if the
        strategy has no pairs.
    """

    def __init__(self, dataset: Any, how: How = "mixup", *, classes: int | None = None) -> None:
        super().__init__(dataset)
        if how not in ("mixup", "cutmix", "smote"):
            raise BadValue(f'how is "mixup", "cutmix" or "smote", not {how!r}', "how")
        if classes is None:
            found = _labels.classes_of(dataset)
            classes = None if found is None else len(found)
        elif isinstance(classes, bool) or not isinstance(classes, int) or classes < 1:
            raise BadValue(f"classes is {classes!r}, and the number of classes is needed", "classes")
        self.how: How = how
        self.classes = classes
        needed = ["mix_index", "mix_lambda"]
        if how != "smote":
            needed.append("mix_label_lambda")
        if how == "cutmix":
            needed.append("augment_seed")
        self.evendraw_columns = columns_of(dataset, needed)

    def __getitem__(self, item: Any) -> Any:
        partner = whole(column(item, "mix_index", "Pairs"), "mix_index")
        share = _checked(column(item, "mix_lambda", "Pairs"), "mix_lambda")
        of_target = _checked(getattr(item, "mix_label_lambda", share), "mix_label_lambda")
        sample = self._read(item)
        x, y, *more = sample
        y = y if self.how == "smote" else self._target(y)
        if share > 0:
            x_2, y_2, *_ = self._read(_partner(item, partner))
            if self.how == "cutmix":
                x, pixels = cut(x, x_2, share, derived(seed_of(item, "Pairs"), PLACE))
                of_target = pixels if of_target == share else of_target
            else:
                x = between(x, x_2, share)
            if self.how != "smote":
                y = between(y, self._target(y_2), of_target, "y")
        if hasattr(sample, "_replace"):
            return type(sample)(x, y, *more)
        return type(sample)([x, y, *more])

    def _read(self, item: Any) -> Any:
        sample = self.dataset[item]
        if not isinstance(sample, (tuple, list)) or len(sample) < 2:
            raise BadValue(
                f"sample {int(item)} is a {type(sample).__name__}, and (x, y) is needed: wrap the dataset in one "
                "that returns both",
                "dataset",
            )
        return sample

    def _target(self, y: Any) -> Any:
        """A class number as one-hot; anything else as it is, which `between` checks."""
        value = np.asarray(y) if isinstance(y, (int, np.generic, np.ndarray)) else y
        whole = _kind(value) == "i" if isinstance(value, (np.ndarray, torch.Tensor)) else False
        if not whole:
            return y
        if value.ndim > 0:
            raise BadValue(
                f"y has shape {tuple(value.shape)} and is of whole numbers: one class number is needed, or "
                "floating point numbers, which are mixed as they are",
                "y",
            )
        number = int(value)
        if self.classes is None:
            raise BadValue(
                f"y is class {number}, and how many classes there are is not known (the dataset has no "
                "`classes`): pass Pairs(..., classes=K)",
                "classes",
            )
        if not 0 <= number < self.classes:
            raise BadValue(
                f"y is class {number}, and there are {self.classes}, from 0 on: pass the right number as "
                "classes=, or class numbers as y",
                "y",
            )
        one_hot = torch.zeros(self.classes)
        one_hot[number] = 1
        return one_hot


def _checked(share: Any, name: str) -> float:
    try:
        if 0 <= share <= 1:
            return float(share)
    except (TypeError, ValueError, RuntimeError):  # a text, an array
        pass
    raise BadValue(f"{name} is {share!r}, and a share from 0 to 1 is needed", name)


def _partner(item: Any, index: int) -> Item:
    """The second sample, with a seed of its own if the first has one."""
    if index < 0:
        raise BadValue(f"mix_index is {index}, and the number of a sample is needed", "mix_index")
    if not hasattr(item, "augment_seed"):
        return Item(index)
    return Item(index, augment_seed=derived(seed_of(item, "Pairs"), PARTNER), augment_strength=0.0)


def between(first: Any, second: Any, share: float, field: str = "x") -> Any:
    """first + share (second - first), which is (1 - share) first + share second."""
    if isinstance(first, float) and isinstance(second, float):
        return first + share * (second - first)
    _check_alike(first, second, field)
    if _kind(first) != "f":
        raise BadValue(
            f"{field} is of {first.dtype}, and there is nothing between whole numbers: make it floating point "
            "numbers (torchvision's ToTensor does)",
            field,
        )
    return first + share * (second - first)


def cut(first: Any, second: Any, share: float, place: int) -> tuple[Any, float]:
    """An image with a box of another one, and the share of its pixels that the box has: as near to
    `share` as whole pixels allow. `place`: 64 bits."""
    _check_alike(first, second, "x")
    if first.ndim < 2:
        raise BadValue(
            f"x has shape {tuple(first.shape)}, and cutmix needs (..., height, width)", "x"
        )
    height, width = first.shape[-2:]
    if height == 0 or width == 0:
        raise BadValue(
            f"x has shape {tuple(first.shape)}: an image of {height} rows and {width} columns has no "
            "pixels to cut, so leave such samples out, or resize them inside (Pairs(Augmented(...)))",
            "x",
        )
    rows = min(max(1, round(height * math.sqrt(share))), height)
    columns = min(round(share * height * width / rows), width)
    top = (place & 0xFFFFFFFF) * (height - rows + 1) >> 32
    left = (place >> 32) * (width - columns + 1) >> 32
    mixed = first.clone() if isinstance(first, torch.Tensor) else first.copy()
    box = (..., slice(top, top + rows), slice(left, left + columns))
    mixed[box] = second[box]
    return mixed, rows * columns / (height * width)


def _check_alike(first: Any, second: Any, field: str) -> None:
    for value in first, second:
        if not isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
            raise BadValue(
                f"{field} is a {type(value).__name__}, and a tensor or array is needed (torchvision's ToTensor "
                "makes one of an image)",
                field,
            )
    if type(first) is not type(second) or first.shape != second.shape or first.dtype != second.dtype:
        raise BadValue(
            f"two samples have {field} of {_said(first)} and {_said(second)}, and can only be put together "
            "if they are alike: bring them to one size and type before (transforms belong inside: "
            "Pairs(Augmented(dataset, transform)))",
            field,
        )


def _said(value: Any) -> str:
    return f"shape {tuple(value.shape)}, {value.dtype}"


def _kind(value: Any) -> str:
    """"f" for floating point numbers (also complex ones), "i" for whole ones, bools too."""
    if isinstance(value, torch.Tensor):
        return "f" if value.is_floating_point() or value.is_complex() else "i"
    return {"f": "f", "c": "f", "i": "i", "u": "i", "b": "i"}.get(value.dtype.kind, "?")
