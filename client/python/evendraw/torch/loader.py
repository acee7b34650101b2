"""A DataLoader that knows how far the training loop is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch.utils.data

from .._sources import refuse_iterable
from .._values import Result
from ..errors import UsageError
from ..stream import Batch
from ._items import check_fed
from ._job_sampler import Position, State, after
from .batch_sampler import BatchSampler


class DataLoader(torch.utils.data.DataLoader):
    """``torch.utils.data.DataLoader`` with ``batch_sampler=`` an `evendraw.torch.BatchSampler`;
    all other arguments are the same.

    PyTorch's reads ahead of the training loop and does not say how far. This one counts what it
    yielded: a batch is acknowledged when the loop asks for the one after it, `state_dict` is the
    position after the last batch yielded, and `current` is that batch.

    A loop that is broken off was left, here, after the last batch that it was given: with
    ``resume="position"`` the next one goes on right behind that, with "epoch" it begins the epoch again
    unless that batch was the last of it. In PyTorch's it was left where the workers had read to: the
    batches that they had read ahead (num_workers * prefetch_factor) are lost with "position", and if
    these reach the end of the epoch, the next loop is the next epoch, also with "epoch".
    """

    def __init__(
        self, dataset: Any, batch_sampler: BatchSampler | None = None, **arguments: Any
    ) -> None:
        for name in ("shuffle", "batch_size", "sampler", "drop_last"):
            if arguments.get(name):
                raise UsageError(
                    f"{name}={arguments[name]!r} cannot be used beside a batch_sampler, which says "
                    "what is in a batch, in what order: leave it out"
                    + (" (the job's draws are shuffled)" if name == "shuffle" else ""),
                    name,
                )
        if not isinstance(batch_sampler, BatchSampler):
            raise UsageError(
                "evendraw.torch.DataLoader wants batch_sampler=evendraw.torch.BatchSampler(...); "
                "with any other sampler use torch.utils.data.DataLoader",
                "batch_sampler",
            )
        refuse_iterable(dataset, "dataset")
        check_fed(dataset, batch_sampler.columns)
        super().__init__(dataset, batch_sampler=batch_sampler, **arguments)
        self._after: Position | None = None  # the last batch yielded; None: where the sampler is
        self._iteration = 0  # of the sampler, by the loop begun last
        self._last: Batch | None = None  # yielded, not yet acknowledged
        self._looping = False  # a loop is under way, so far as is known

    @property
    def current(self) -> Batch | None:
        """The `Batch` (position, indices, columns) of what was yielded last."""
        return self._last

    def report(self, predicted: Any, *, loss: Any = None, score: Any = None) -> Result:
        """Tells the daemon what the model made of `current`, as this rank: see
        `evendraw.Client.report`."""
        if self._last is None:
            raise UsageError("nothing was yielded that could be reported: report within the loop")
        at = self._ours._attachment
        return at.client().report(
            at.job, self._last, predicted, rank=at.rank, loss=loss, score=score
        )

    def state_dict(self) -> State:
        """The position after the last batch yielded: put it into the model's checkpoint. Local."""
        said = self._ours._target is not None and not self._looping
        if self._after is None or said:
            return self._ours.state_dict()
        return self._ours._state(self._after)

    def load_state_dict(self, state: State) -> None:
        """The next iteration begins at a position that `state_dict` returned."""
        self._ours.load_state_dict(state)
        self._after = None
        self._last = None

    def set_epoch(self, epoch: int) -> None:
        """As of the sampler. Frameworks look for it here (Hugging Face's Trainer, before each epoch)."""
        self._ours.set_epoch(epoch)

    @property
    def _ours(self) -> BatchSampler:
        sampler = self.batch_sampler
        assert isinstance(sampler, BatchSampler)
        return sampler

    def __iter__(self) -> Iterator[Any]:
        sampler = self._ours
        self._acknowledge()
        if self._after is not None and sampler._iterations == self._iteration:
            sampler._left_at(self._after)
        self._after = None
        self._looping = True
        try:
            with sampler._counted(self.num_workers * (self.prefetch_factor or 0)) as ahead:
                items = super().__iter__()
            self._iteration = sampler._iterations
            for item in items:
                self._acknowledge()
                self._last = ahead.popleft()
                self._after = after(self._last)
                yield item
            self._acknowledge(confirm=True)
            self._after = None
        finally:
            self._looping = False

    def _acknowledge(self, *, confirm: bool = False) -> None:
        batch, self._last = self._last, None
        if batch is not None:
            self._ours._used(batch, confirm=confirm)
