"""`Sampler`: one index at a time, for ``DataLoader(sampler=...)``, with the arguments of the
samplers it stands in for. MIGRATING.md shows each, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch.utils.data

from .. import labels as _labels
from .._arrays import numbers
from .._values import Result, Strategy, as_strategy
from ..client import Client
from ..errors import BadValue, UsageError
from ._attach import Attachment, BatchSize, IfExists
from ._items import columns_of, items
from ._job_sampler import Iteration, JobSampler, Resume
from ._ranks import check_undivided, rank_and_world

_CHUNK = 256  # indices of one rank that come in one message, at most


class Sampler(JobSampler):
    """Indices of a job, for one rank::

        sampler = evendraw.torch.Sampler(dataset)
        loader = torch.utils.data.DataLoader(dataset, 32, sampler=sampler)

    Without a name it has a job of its own, as `BatchSampler` (which is to be preferred: it sees
    batches, so that strategies that are exact in every batch are). With one rank it is the only reader
    of its job: another process or thread that wants to read it gets Conflict. In one thread the sampler
    iterated last reads, and an older loop that goes on gets UsageError.

    Args:
        dataset: of which the labels are taken, and whose length must agree.
        job: its name, or None: a run of its own.
        strategy: None: "weighted", all classes alike; with `weights`, by them.
        weights: shape (n,), of each sample, as WeightedRandomSampler's.
        num_samples: draws in an epoch, over all ranks; None: as many as there are labelled samples, or
            of them in the part that the strategy draws from.
        replacement: with `weights`: whether a sample may come twice.
        labels: shape (n,), instead of the dataset's.
        indices: only these samples are drawn, as ImbalancedDatasetSampler's.
        callback_get_label: called with the dataset, returns its labels.
        num_replicas, rank: None: from torch.distributed if initialised, or else rank 0 of 1.
        drop_last: with several ranks: drop what cannot be shared out evenly, or else fill it up.
        seed, exists, resume, address, time_limit: as of BatchSampler.

    Raises:
        As BatchSampler. BadValue also: labels cannot be found, `weights` or `indices` are not what they
        are to be, nothing is left to be drawn.
    """

    def __init__(
        self,
        dataset: Any = None,
        *,
        job: str | None = None,
        strategy: Strategy | None = None,
        weights: Any = None,
        num_samples: int | None = None,
        replacement: bool = True,
        labels: Any = None,
        indices: Sequence[int] | None = None,
        callback_get_label: Callable[[Any], Any] | None = None,
        num_replicas: int | None = None,
        rank: int | None = None,
        seed: int | None = None,
        drop_last: bool = False,
        exists: IfExists = "same",
        resume: Resume | None = None,
        address: str | None = None,
        time_limit: float = 30.0,
    ) -> None:
        rank, world_size = rank_and_world(rank, num_replicas)
        labels, classes = _find_labels(dataset, labels, weights, callback_get_label)
        if indices is not None:
            labels = _only(labels, indices)
        full = _strategy(strategy, weights, num_samples, replacement)
        alone = world_size == 1
        batch_size: BatchSize | None = None
        if labels is not None:
            whole = not alone or full.get("kind") == "stratified"  # epochs of whole batches only
            batch_size = _batch_size(full, labels, world_size, drop_last) if whole else _CHUNK
        attachment = Attachment(
            job=job or "",
            address=address,
            dataset=dataset,
            labels=labels,
            classes=classes,
            callback=None,
            strategy=full,
            batch_size=batch_size,
            seed=seed,
            mode="shared" if alone else "ranked",
            last_batch="short" if alone else "drop" if drop_last else "pad",
            rank=None if alone else rank,
            world_size=world_size,
            time_limit=time_limit,
            exists=exists,
            weights=weights,
            exclusive=alone,
        )
        JobSampler.__init__(self, attachment, columns_of(dataset), 0, resume)
        self._length: tuple[int, int] | None = None  # of an epoch
        self._taken = 0  # of the batch returned last; 0: all of it
        self._skip = 0  # of the next batch
        self.num_replicas = world_size
        self.rank = rank
        self.drop_last = drop_last

    def __len__(self) -> int:
        """Indices in the present epoch, of this rank."""
        epoch = self.state_dict()["epoch"]
        if self._length is None or self._length[0] != epoch:
            client = self._attachment.client()
            answer = client.preview(client.job(self.job)["strategy"], job=self.job)
            self._length = (epoch, answer["samples"] // self._attachment.world_size)
        return self._length[1]

    @property
    def num_samples(self) -> int:
        """Of this rank, as of torch's samplers."""
        return len(self)

    def __iter__(self) -> Iterator[int]:
        if self._attachment.world_size > 1:
            check_undivided(self.job)
        return self._indices(Iteration(self))

    def _indices(self, iteration: Iteration) -> Iterator[int]:
        while (batch := iteration.next()) is not None:
            skip, self._skip = self._skip, 0
            for i, index in enumerate(items(batch, self.columns)[skip:], start=skip + 1):
                self._taken = i % len(batch)
                yield index
                iteration.check()

    def _begin(self) -> bool:
        # Within a step, the rest of which comes first; unless another sampler took this one's place.
        if self._stream and self._taken and self._resume == "position" and self._target is None:
            self._target = self.state_dict()
        self._skip = self._target.get("taken", 0) if self._target else 0
        something = super()._begin()
        self._taken = 0
        return something

    def _broken_off(self) -> bool:
        return self._taken > 0 or super()._broken_off()

    def state_dict(self) -> dict[str, Any]:
        """The position after the last index returned: as `BatchSampler`'s, and how many indices of
        the step `taken` already."""
        state = super().state_dict()
        if self._target is None and self._taken:
            state["step"] -= 1
            state["taken"] = self._taken
        return state


class WeightedRandomSampler(Sampler, torch.utils.data.WeightedRandomSampler):
    """As ``torch.utils.data.WeightedRandomSampler``, beside what `Sampler` takes."""

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
        **more: Any,
    ) -> None:
        if generator is not None:
            raise BadValue(
                "a job's draws follow from its seed, not from a generator: pass seed=", "generator"
            )
        Sampler.__init__(
            self, weights=weights, num_samples=num_samples, replacement=replacement, **more
        )
        self.weights = torch.as_tensor(weights, dtype=torch.double).detach()
        self.replacement = replacement
        self.generator = None


class DistributedSampler(Sampler, torch.utils.data.distributed.DistributedSampler):
    """As ``torch.utils.data.distributed.DistributedSampler``, beside what `Sampler` takes: every
    sample once in an epoch, over all ranks. Labels are looked for, so that the strategy can be changed
    later; where the dataset has none, or targets that are no labels, all samples are of one class."""

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        **more: Any,
    ) -> None:
        if not shuffle:
            raise BadValue(
                "a job's draws are always shuffled: for samples in their own order keep "
                "torch.utils.data.distributed.DistributedSampler",
                "shuffle",
            )
        strategy = as_strategy(more.pop("strategy", None) or "uniform")
        needs_none = strategy.get("kind") == "uniform" and hasattr(dataset, "__len__")
        if needs_none and more.get("labels") is None and more.get("callback_get_label") is None:
            try:
                _labels.encode(*_labels.labels_of(dataset))
            except BadValue:
                more["labels"] = np.zeros(len(dataset), dtype=np.uint8)
        Sampler.__init__(
            self,
            dataset,
            strategy=strategy,
            num_replicas=num_replicas,
            rank=rank,
            seed=seed,
            drop_last=drop_last,
            **more,
        )
        self.dataset = dataset
        self.shuffle = True
        self.seed = seed

    @property
    def epoch(self) -> int:
        """Of the next index."""
        return int(self.state_dict()["epoch"])

    @property
    def total_size(self) -> int:
        """Of all ranks."""
        return len(self) * self.num_replicas


class ImbalancedDatasetSampler(Sampler):
    """As torchsampler's, beside what `Sampler` takes: all classes alike."""

    def __init__(
        self,
        dataset: Any,
        labels: Any = None,
        indices: Sequence[int] | None = None,
        num_samples: int | None = None,
        callback_get_label: Callable[[Any], Any] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(
            dataset,
            labels=labels,
            indices=indices,
            num_samples=num_samples,
            callback_get_label=callback_get_label,
            **more,
        )


def _find_labels(
    dataset: Any, labels: Any, weights: Any, callback: Any
) -> tuple[Any, Sequence[Any] | None]:
    """Labels and their classes if these are known, or None if the job must be there already. With
    `weights` there are as many."""
    classes = None
    if dataset is not None and (labels is None or callback is not None):
        labels, classes = _labels.labels_of(dataset, callback)
    elif labels is not None:
        classes = _labels.classes_of(dataset)
    if isinstance(labels, Iterator):
        labels = list(labels)
    if weights is None:
        return labels, classes
    samples = None if labels is None else len(labels)
    n = len(numbers(weights, "<f8", "weights", n=samples, low=0))
    if n == 0:
        raise BadValue("weights is empty: one number >= 0 for each sample is needed", "weights")
    return (np.zeros(n, dtype=np.uint8) if labels is None else labels), classes


def _only(labels: Any, indices: Sequence[int]) -> Any:
    """Labels of these samples; all others have none, and are never drawn."""
    if labels is None:
        raise UsageError("indices= needs a dataset or labels=", "indices")
    return _labels.only(labels, indices)


def _labelled(labels: Any) -> int:
    return int(np.count_nonzero(_labels.encode(labels)[1] != _labels.UNLABELLED))


def _strategy(
    strategy: Strategy | None, weights: Any, num_samples: int | None, replacement: bool
) -> dict[str, Any]:
    if strategy is not None:
        full = as_strategy(strategy)
    elif weights is not None:
        full = {"kind": "weighted", "column": "weight", "replacement": replacement}
    else:
        full = {"kind": "weighted", "weight": "inverse"}
    return full if num_samples is None else {**full, "num_samples": num_samples}


def _batch_size(
    strategy: dict[str, Any], labels: Any, world_size: int, drop_last: bool
) -> BatchSize:
    """Of all ranks. How many samples a part of a dataset has, the daemon knows."""
    part = strategy.get("from")
    if "num_samples" in strategy or not isinstance(part, (str, Mapping)):
        total = strategy.get("num_samples", _labelled(labels))
        return world_size * _chunk(total, world_size, drop_last)

    def of_part(client: Client, data: Result) -> int:
        info = client.preview(
            {"kind": "uniform", "from": part},
            dataset=data["dataset"],
            version=data["version"],
            batch_size=1,
        )
        return world_size * _chunk(info["samples"], world_size, drop_last)

    return of_part


def _chunk(total: int, world_size: int, drop_last: bool) -> int:
    """A rank's indices in a step: the most that divide its part of the epoch, so that the epoch is
    as long as DistributedSampler's."""
    part = total // world_size if drop_last else -(-total // world_size)
    return max(n for n in range(1, _CHUNK + 1) if part % n == 0)
