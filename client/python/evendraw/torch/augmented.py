"""`augment` and `Augmented`: random transforms that repeat to the bit.

A sampler of evendraw.torch gives every position of a job a seed, and an `Item` (_items.py) brings it to the
dataset in the worker. Here Python's, NumPy's and torch's generators are set to it while a transform runs.
"""

from __future__ import annotations

import inspect
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ..errors import BadValue
from ._items import Wrapper, column, columns_of, derived, seed_of

Transform = Callable[..., Any]

_turn = threading.RLock()
_depth = 0  # of `seeded` within one another, in the thread that has the turn


def _in_child() -> None:
    global _turn, _depth
    _turn, _depth = threading.RLock(), 0


os.register_at_fork(after_in_child=_in_child)  # whoever had the turn is not in the child


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within this Python's `random`, NumPy's global generator and torch's of the CPU are set by the seed;
    afterwards they are as they were before. One thread at a time. Within another one with the same seed the
    numbers are others.

    Each generator gets a number of its own: Python and NumPy have the same one, and the same seed would
    give both the same numbers. ``torch.manual_seed`` would also seed every GPU, whose numbers belong
    to the model.
    """
    global _depth
    with _turn:
        before = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
        python, numpy, torchs = (derived(seed, 3 * _depth + i) for i in range(3))
        _depth += 1
        try:
            random.seed(python)
            np.random.seed([numpy & 0xFFFFFFFF, numpy >> 32])
            torch.default_generator.manual_seed(torchs)
            yield
        finally:
            _depth -= 1
            random.setstate(before[0])
            np.random.set_state(before[1])
            torch.default_generator.set_state(before[2])


def augment(transform: Transform) -> Augment:
    """A random transform whose numbers follow from the position of a sample, for datasets that apply it
    themselves::

        class Pets(torch.utils.data.Dataset):
            evendraw_columns = ("augment_seed",)  # the sampler is to bring it

            def __init__(self):
                self.augment = evendraw.torch.augment(transform)

            def __getitem__(self, item):
                return self.augment(self.read(item), item), self.targets[item]

    For a dataset that is there already see `Augmented`.

    Args:
        transform: anything that is called with a sample and returns one: torchvision's, a Compose, a
            function. If it has a parameter named ``strength`` it gets the position's augment_strength
            there (0 for a first appearance, towards 1 with each repeat), which is then to be in
            `evendraw_columns` too. Strategies that draw with replacement do not count repeats and have no
            such column: StrategyError when the sampler is iterated.

    Returns:
        A callable ``(sample, item)``: while it runs Python's, NumPy's and torch's (CPU) global generators
        are set by the item's seed, and afterwards they are as before. UsageError if the index is no `Item`
        with an augment_seed.

    The same position of a job of the same seed gives the same augmentation, in any process: with any number
    of workers, after a checkpoint, on any rank. Called twice for one item it draws the same twice, as an
    image and its mask want it; for two views of an image let one transform return both.

    Random numbers from elsewhere do not follow: of a generator that the transform has made for itself, of
    a GPU. Threads that augment wait for one another; one that uses the global generators otherwise at
    the same moment is not kept out. A worker of a DataLoader computes with one thread of torch: where a
    transform's last bits depend on their number, set it in the main process too.
    """
    return Augment(transform)


class Augment:
    """What `augment` returns."""

    def __init__(self, transform: Transform) -> None:
        if not callable(transform):
            raise BadValue(
                f"transform is called with a sample, and a {type(transform).__name__} cannot be called",
                "transform",
            )
        self.transform = transform
        self.takes_strength = _takes_strength(transform)

    @property
    def columns(self) -> tuple[str, ...]:
        """What it needs of every position."""
        return ("augment_seed", "augment_strength") if self.takes_strength else ("augment_seed",)

    def __call__(self, sample: Any, item: Any) -> Any:
        with seeded(seed_of(item, "augment")):
            return self.apply(sample, item)

    def apply(self, sample: Any, item: Any) -> Any:
        """Within `seeded`."""
        if self.takes_strength:
            return self.transform(sample, strength=column(item, "augment_strength", "augment"))
        return self.transform(sample)


def _takes_strength(transform: Transform) -> bool:
    """A Module is called by a function that takes anything, and hands it to `forward`."""
    called = transform.forward if isinstance(transform, torch.nn.Module) else transform
    try:
        parameter = inspect.signature(called).parameters.get("strength")
    except (TypeError, ValueError):  # of a function in C
        return False
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return parameter is not None and parameter.kind in kinds


class Augmented(Wrapper):
    """A dataset whose random transforms repeat to the bit::

        train = evendraw.torch.Augmented(dataset, transform)
        sampler = evendraw.torch.BatchSampler(train, 32, strategy="weighted")
        loader = evendraw.torch.DataLoader(train, batch_sampler=sampler, num_workers=4)

    All of ``dataset[i]`` runs with the position's seed, so that transforms which the dataset applies
    itself repeat too. Labels are those of `dataset`.

    Args:
        dataset: map-style. A Subset or ConcatDataset belongs inside, not around.
        transform: as of `augment`; called with x where a sample is (x, y, ...), a tuple or list, or else
            with the whole sample. None: the dataset has transforms of its own.

    Raises:
        BadValue: no map-style dataset, a transform that cannot be called. When read: UsageError if the
        index is none of a sampler of evendraw.torch that was made with this dataset.
    """

    def __init__(self, dataset: Any, transform: Transform | None = None) -> None:
        super().__init__(dataset)
        self._augment = None if transform is None else Augment(transform)
        needed = ("augment_seed",) if self._augment is None else self._augment.columns
        self.evendraw_columns = columns_of(dataset, needed)

    def __getitem__(self, item: Any) -> Any:
        with seeded(seed_of(item, "Augmented")):
            sample = self.dataset[item]
            if self._augment is None:
                return sample
            if not isinstance(sample, (tuple, list)):
                return self._augment.apply(sample, item)
            return with_first(sample, self._augment.apply(sample[0], item))


def with_first(sample: Any, first: Any) -> Any:
    """The same tuple, named tuple or list with another first value."""
    if hasattr(sample, "_replace"):
        return sample._replace(**{sample._fields[0]: first})
    return type(sample)([first, *sample[1:]])
