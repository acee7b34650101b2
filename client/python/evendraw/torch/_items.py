"""Indices that carry more than a number, from samplers to the datasets that want it.

PyTorch's fetchers call ``dataset[i]`` with each index that a sampler gave, and put nothing beside it. So
what belongs to a position (its seed for augmentation, its partner) travels within the index: an `Item` is
an int, and fits wherever one does. Samplers make them (`items`), the datasets of augmented.py and pairs.py
read them (`column`), and say in `evendraw_columns` which columns they need (`columns_of`).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch.utils.data

from .._sources import refuse_iterable
from ..errors import BadValue, UsageError
from ..stream import Batch

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def whole(value: Any, what: str) -> int:
    """An int of whatever is one, also of NumPy or a tensor; BadValue for anything else."""
    try:
        return operator.index(value)
    except TypeError:
        raise BadValue(f"{what} is {value!r}, and a whole number is needed", what) from None


class Item(int):
    """The number of a sample, which also has the columns of its position as attributes: whichever of
    label, probability, repeat, augment_seed, augment_strength, mix_index, mix_label, mix_lambda,
    mix_label_lambda the sampler was made with. Samplers hand them to the dataset; one that is made by
    hand shows what an augmented dataset gives: ``train[Item(3, augment_seed=1)]``. Can be pickled, so
    that workers get all of it. What is computed from it (``item + 1``) is a plain int."""

    augment_seed: int  # any 64 bits, signed or not
    augment_strength: float
    mix_index: int
    mix_label: int
    mix_lambda: float
    mix_label_lambda: float

    def __new__(cls, index: int, **columns: Any) -> Item:
        self = super().__new__(cls, whole(index, "the number of a sample"))
        self.__dict__.update(columns)
        return self


def items(batch: Batch, columns: Sequence[str]) -> list[int]:
    """A batch's indices; with these columns, if there are any."""
    indices = batch.tolist()
    if not columns:
        return indices
    rows = zip(*(getattr(batch, name).tolist() for name in columns))
    out: list[int] = []
    for index, row in zip(indices, rows):
        item = Item(index)
        item.__dict__.update(zip(columns, row))
        out.append(item)
    return out


def column(index: Any, name: str, who: str) -> Any:
    """What an index carries, or UsageError with what to do."""
    try:
        return getattr(index, name)
    except AttributeError:
        instead = "and belongs inside"
        if who == "augment":  # called by a dataset, which nothing goes inside of
            instead = "so leave augment() out, and wrap that in Augmented, which seeds all that it reads"
        raise UsageError(
            f"{who} needs the {name} of a position, and got {index!r}, a plain {type(index).__name__}. A "
            "sampler of evendraw.torch hands it on if it was made with the same dataset, "
            f'BatchSampler(dataset, ...), or with columns=["{name}"], and only as indices="list". A Subset or '
            f"ConcatDataset around {who} makes plain numbers of it, {instead}. To look at one sample: "
            f"dataset[evendraw.torch.Item(0, {name}=...)]",
            name,
        ) from None


def seed_of(index: Any, who: str) -> int:
    return whole(column(index, "augment_seed", who), "augment_seed")


def columns_of(dataset: Any, more: Sequence[str] = ()) -> tuple[str, ...]:
    """The columns that a dataset needs of every position, with others, each once."""
    return tuple(dict.fromkeys((*more, *getattr(dataset, "evendraw_columns", ()))))


def check_fed(dataset: Any, columns: Sequence[str]) -> None:
    """UsageError if a sampler hands out only these, and the dataset needs more."""
    missing = [name for name in columns_of(dataset) if name not in columns]
    if missing:
        raise UsageError(
            f"{type(dataset).__name__} needs {', '.join(missing)} of every position, and this sampler was "
            "made without: pass the same dataset to it, BatchSampler(dataset, ...) or dataset=, or "
            f"columns={missing}",
            "columns",
        )


class Wrapper(torch.utils.data.Dataset):
    """A dataset around another, with the same samples and labels, which needs columns of positions."""

    evendraw_wrapper = True  # labels are looked for in `dataset`
    evendraw_columns: tuple[str, ...] = ()

    def __init__(self, dataset: Any) -> None:
        refuse_iterable(dataset, "dataset")
        if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
            raise BadValue(
                f"{type(self).__name__} wraps map-style datasets, which have numbers of samples and a "
                f"length, and a {type(dataset).__name__} has not",
                "dataset",
            )
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)


PARTNER, PLACE = 1 << 32, (1 << 32) + 1  # purposes, beside the small ones of augmented.py


def derived(seed: int, purpose: int) -> int:
    """64 bits of a position's seed for one purpose, without any likeness to those for another: a number of
    the sequence of SplitMix64 (Steele, Lea and Flood 2014, Fast splittable pseudorandom number
    generators), which begins at a number of that of the seed."""
    return _splitmix64(_splitmix64(seed) + purpose * _GOLDEN)


def _splitmix64(state: int) -> int:
    z = (state + _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
