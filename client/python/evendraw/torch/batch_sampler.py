"""`BatchSampler`: what a DataLoader takes as ``batch_sampler=``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch.utils.data

from .._values import Strategy
from ..errors import BadValue
from ..stream import Batch
from ._attach import Attachment, IfExists, job_and_dataset
from ._items import columns_of, items
from ._job_sampler import Iteration, JobSampler, Position, Resume, State
from ._ranks import check_undivided, rank_and_world

DEFAULT_WINDOW = 8
MAX_WINDOW = 256


class BatchSampler(JobSampler, torch.utils.data.BatchSampler):
    """Batches for one rank::

        sampler = evendraw.torch.BatchSampler(dataset, 32, strategy="weighted")
        loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler, num_workers=4)
        for epoch in range(10):
            for x, y in loader:
                ...

    Without a name it has a job of its own, which is gone a few minutes after the last process that
    uses it (all ranks of a torch.distributed group use the same). A job with a name,
    ``BatchSampler("train", 32, dataset=dataset)``, stays: it can be resumed, and steered by
    `evendraw job set`. If it is there already it must be the one that the arguments describe.

    In a plain ``torch.utils.data.DataLoader`` a batch counts as used when the loader, which reads
    ahead, asks for the one after it. In `evendraw.torch.DataLoader` it counts as used when the
    training loop does, which is also where a loop that is broken off was left: use that one if a run
    may be interrupted.

    Of all samplers of one rank that a thread has made, the one that was iterated last has the rank; an
    older loop that goes on gets UsageError.

    Args:
        job: its name, or None: a run of its own. A dataset in this place is taken as `dataset`.
        batch_size: of this rank, as everywhere in PyTorch (the job's own is batch_size times
            world_size). May be left out when the job exists.
        drop_last: as torch's: True is last_batch="drop", False "pad".
        dataset: what the DataLoader reads: its labels are found as `evendraw.labels_of` says.
        labels: shape (n,), instead of looking for them.
        callback_get_label: called with the dataset, returns its labels.
        strategy: None: "uniform", or whatever the job has.
        seed: None: 0, or whatever the job has.
        last_batch: "drop", "pad" or "exact" (for evaluation: every sample once; a rank that has no
            part in the last step has one batch fewer than `len` says). None: "drop", or whatever the
            job has.
        rank, world_size: None: from torch.distributed if initialised, or else 0 of 1.
        exists: if there is a job of that name: "same": it is joined if it is just this one, or else
            Exists says what differs; "attach": it is joined as it is; "restart": it is dropped, and
            begun anew; "refuse": Exists.
        resume: what an iteration begins with: "epoch": a whole one, the same again if the last
            iteration broke it off (the default without a name, and with "exact"); "position": the
            rest of the job's epoch (the default of a job with a name).
        columns: for the `Batch`es: any of label, probability, repeat, augment_seed,
            augment_strength, mix_index, mix_label, mix_lambda, mix_label_lambda.
        pass_columns: the dataset gets (index, column, ...) tuples in place of indices.
        indices: what is yielded: a "list" of int, a "numpy" array or a "torch" tensor, int64. Where columns
            were asked for, or a dataset needs some (`Augmented`, `Pairs`), a list is of `Item`s, which carry
            them.
        window: batches under way at most; None: 8, or as many as the DataLoader reads ahead.
        address: of the daemon, as `evendraw.connect` takes it.
        time_limit: seconds, for the daemon and (on other ranks) for rank 0 to create the job.

    Raises:
        ConnectError, NotFound, Exists, BadValue (length, batch size, rank), StrategyError; when
        iterated: Conflict (another process or thread on this rank, another world size, ranks that do not
        go to the same place), UsageError (a newer iteration; ranks of a group that do not come).
    """

    def __init__(
        self,
        job: Any = None,
        batch_size: int | None = None,
        drop_last: bool | None = None,
        *,
        dataset: Any = None,
        labels: Any = None,
        callback_get_label: Callable[[Any], Any] | None = None,
        strategy: Strategy | None = None,
        seed: int | None = None,
        last_batch: Literal["drop", "pad", "exact"] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        exists: IfExists = "same",
        resume: Resume | None = None,
        columns: Sequence[str] = (),
        pass_columns: bool = False,
        indices: Literal["list", "numpy", "torch"] = "list",
        window: int | None = None,
        address: str | None = None,
        time_limit: float = 30.0,
    ) -> None:
        if indices not in ("list", "numpy", "torch"):
            raise BadValue(f'indices is "list", "numpy" or "torch", not {indices!r}', "indices")
        if drop_last is not None and last_batch is not None:
            raise BadValue("drop_last and last_batch say the same thing: give one", "drop_last")
        if drop_last is not None:
            last_batch = "drop" if drop_last else "pad"
        name, dataset = job_and_dataset(job, dataset)
        rank, world_size = rank_and_world(rank, world_size)
        attachment = Attachment(
            job=name,
            address=address,
            dataset=dataset,
            labels=labels,
            callback=callback_get_label,
            strategy=strategy,
            batch_size=None if batch_size is None else batch_size * world_size,
            seed=seed,
            mode="ranked",
            last_batch=last_batch,
            rank=rank,
            world_size=world_size,
            time_limit=time_limit,
            exists=exists,
        )
        if columns_of(dataset) and (pass_columns or indices != "list"):
            raise BadValue(
                f"a {type(dataset).__name__} reads {', '.join(columns_of(dataset))} from the indices "
                f'themselves: leave out {"pass_columns" if pass_columns else "indices"}',
                "pass_columns" if pass_columns else "indices",
            )
        super().__init__(attachment, columns_of(dataset, columns), window or 0, resume)
        self.drop_last: bool = self._last_batch == "drop"  # as torch's BatchSampler has it
        self._pass_columns = pass_columns
        self._indices = indices
        self._length: tuple[int, int] | None = None  # of an epoch
        self._counting = False  # is it the counting DataLoader that begins an iteration?
        self._ahead: deque[Batch] | None = None  # returned to a counting DataLoader, not yielded

    @property
    def sampler(self) -> Any:
        """Of single indices, as torch's BatchSampler has one."""
        return _Indices(self)  # made anew, so that what is not used any more is freed at once

    def __len__(self) -> int:
        """Batches in the present epoch (all of it, also when it is resumed in the middle)."""
        epoch = self.state_dict()["epoch"]
        if self._length is None or self._length[0] != epoch:
            self._length = (epoch, self._steps())
        return self._length[1]

    def __iter__(self) -> Iterator[Any]:
        if self._attachment.world_size > 1:
            check_undivided(self.job)
        if self._manual_ack and not self._counting:  # nobody would acknowledge
            self._detach()
            self._manual_ack, self._ahead = False, None
        return _Iterator(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_ahead": None}

    # ---- for evendraw.torch.DataLoader ----

    def _left_at(self, position: Position) -> None:
        """The loop was broken off there, however far the DataLoader had read ahead."""
        self._position = position
        self._within = True
        self._behind = (position.epoch, position.step - 1)

    @contextmanager
    def _counted(self, read_ahead: int) -> Iterator[deque[Batch]]:
        """In an iteration that begins within this, batches are acknowledged by `_used` only. Whatever
        was read ahead and not used in an earlier one comes again. The queue of batches on their way."""
        if read_ahead + 2 > MAX_WINDOW:
            raise BadValue(
                f"the DataLoader reads {read_ahead} batches ahead (num_workers * prefetch_factor), "
                f"and at most {MAX_WINDOW - 2} can be followed: lower one of them",
                "num_workers",
            )
        window = max(self._window, DEFAULT_WINDOW, read_ahead + 2)
        if self._ahead is None or self._ahead or window > self._window:
            self._detach()
        self._window = window
        self._manual_ack = True
        self._ahead = deque()
        self._counting = True
        try:
            yield self._ahead
        finally:
            self._counting = False

    def _used(self, batch: Batch, *, through: bool = True, confirm: bool = False) -> None:
        if self._stream is not None:
            self._stream.ack(batch, through=through, confirm=confirm)
        if confirm:  # the last of the epoch
            self._behind = (batch.epoch + 1, 0)

    def _next(self) -> Batch | None:
        batch = super()._next()
        while batch is not None and len(batch) == 0:  # `exact`, and nothing of it for this rank
            if self._manual_ack:
                self._used(batch, through=False)
            batch = super()._next()
        if batch is not None and self._ahead is not None:
            self._ahead.append(batch)
        return batch

    def _yielded(self, batch: Batch) -> Any:
        if self._pass_columns:
            columns = [batch.index, *(getattr(batch, name) for name in self.columns)]
            return list(zip(*(c.tolist() for c in columns)))
        if self._indices == "list":
            return items(batch, self.columns)
        return batch.index if self._indices == "numpy" else batch.tensor()


class _Indices(torch.utils.data.Sampler):
    """The indices of a BatchSampler, one at a time: what others look for in its `sampler`."""

    def __init__(self, batches: BatchSampler) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches) * self._batches.batch_size

    def __iter__(self) -> Iterator[Any]:
        for batch in self._batches:
            yield from batch


class _Iterator:
    """One epoch's batches. Its state is that of the sampler, as torchdata's StatefulDataLoader
    takes it for every batch."""

    def __init__(self, sampler: BatchSampler) -> None:
        self._sampler = sampler
        self._iteration = Iteration(sampler)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        batch = self._iteration.next()
        if batch is None:
            raise StopIteration
        return self._sampler._yielded(batch)

    def state_dict(self) -> State:
        return self._sampler.state_dict()

    def load_state_dict(self, state: State) -> None:
        self._sampler.load_state_dict(state)
