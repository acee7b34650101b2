"""`BatchSampler`: what a DataLoader takes as ``batch_sampler=``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from .._values import Strategy
from ..errors import BadValue, UsageError
from ..stream import Batch
from ._attach import Attachment, rank_and_world
from ._job_sampler import JobSampler, State

DEFAULT_WINDOW = 8
MAX_WINDOW = 256


class BatchSampler(JobSampler):
    """Batches of a ranked job, for one rank::

        sampler = evendraw.torch.BatchSampler("train", 32, dataset=dataset, strategy="weighted")
        loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler, num_workers=4)
        for epoch in range(10):
            for x, y in loader:
                ...

    Attaches to the job of that name; if there is none, creates it (and a dataset of the same name)
    from the arguments. Each iteration is the rest of the job's epoch; the next begins the next one.

    In a plain ``torch.utils.data.DataLoader`` a batch counts as used when the loader, which reads
    ahead, asks for the one after it. In `evendraw.torch.DataLoader` it counts as used when the
    training loop does: use that one if a run may be interrupted.

    Args:
        job: its name.
        batch_size: of this rank, as everywhere in PyTorch (the job's own is batch_size times
            world_size). May be left out when the job exists.
        dataset: what the DataLoader reads: its labels are found as `evendraw.labels_of` says, and
            its length is compared with the daemon's.
        labels: shape (n,), instead of looking for them.
        callback_get_label: called with the dataset, returns its labels.
        strategy: "uniform" if not given; of an existing job it is left as it is (with a warning if it
            never had the one given).
        seed: of the job, if it is created.
        last_batch: "drop", "pad" or "exact" (for evaluation: every sample once; a rank that has no
            part in the last step has one batch fewer than `len` says); of the job, if it is created.
        rank, world_size: None: from torch.distributed if initialised, or else 0 of 1.
        columns: for the `Batch`es: any of label, probability, repeat, augment_seed.
        pass_columns: the dataset gets (index, column, ...) tuples in place of indices.
        indices: what is yielded: a "list" of int, a "numpy" array or a "torch" tensor, int64.
        window: batches under way at most; None: 8, or as many as the DataLoader reads ahead.
        address: of the daemon, as `evendraw.connect` takes it.
        time_limit: seconds, for the daemon and (on other ranks) for rank 0 to create the job.

    Raises:
        ConnectError, NotFound, BadValue (length, batch size, rank), StrategyError; when iterated:
        Conflict (another sampler on this rank, another world size).
    """

    def __init__(
        self,
        job: str,
        batch_size: int | None = None,
        *,
        dataset: Any = None,
        labels: Any = None,
        callback_get_label: Callable[[Any], Any] | None = None,
        strategy: Strategy | None = None,
        seed: int = 0,
        last_batch: Literal["drop", "pad", "exact"] = "drop",
        rank: int | None = None,
        world_size: int | None = None,
        columns: Sequence[str] = (),
        pass_columns: bool = False,
        indices: Literal["list", "numpy", "torch"] = "list",
        window: int | None = None,
        address: str | None = None,
        time_limit: float = 30.0,
    ) -> None:
        if indices not in ("list", "numpy", "torch"):
            raise BadValue(f'indices is "list", "numpy" or "torch", not {indices!r}', "indices")
        rank, world_size = rank_and_world(rank, world_size)
        attachment = Attachment(
            job=job,
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
        )
        super().__init__(attachment, tuple(columns), window or 0)
        self._pass_columns = pass_columns
        self._indices = indices
        self._steps: tuple[int, int] | None = None  # of an epoch
        self._ahead: deque[Batch] | None = None  # returned to a counting DataLoader, not yielded

    def __len__(self) -> int:
        """Batches in the present epoch (all of it, also when it is resumed in the middle)."""
        epoch = self.state_dict()["epoch"]
        if self._steps is None or self._steps[0] != epoch:
            self._steps = (epoch, self._attachment.client().job(self.job)["steps"])
        return self._steps[1]

    def __iter__(self) -> Iterator[Any]:
        return _Iterator(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_ahead": None}

    # ---- for evendraw.torch.DataLoader ----

    def _count(self, read_ahead: int) -> deque[Batch]:
        """From now on batches are acknowledged by `_used` only. Whatever was read ahead and not
        used in an earlier iteration comes again. Returns the queue of batches on their way."""
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
        return self._ahead

    def _used(self, batch: Batch, *, through: bool = True, confirm: bool = False) -> None:
        if self._stream is not None:
            self._stream.ack(batch, through=through, confirm=confirm)

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
            return batch.tolist()
        return batch.index if self._indices == "numpy" else batch.tensor()


class _Iterator:
    """One epoch's batches. Its state is that of the sampler, as torchdata's StatefulDataLoader
    takes it for every batch."""

    def __init__(self, sampler: BatchSampler) -> None:
        sampler._iterations += 1
        self._sampler = sampler
        self._number = sampler._iterations
        self._done = False
        self._fresh = True

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        sampler = self._sampler
        if self._done:
            raise StopIteration
        if sampler._iterations != self._number:
            raise UsageError(
                f"job {sampler.job!r}: a newer iteration over this sampler has begun, which took this "
                "one's place. Two DataLoaders need two samplers, on different jobs"
            )
        resumed = sampler._target is not None
        batch = sampler._next()
        if batch is None and self._fresh and not resumed:
            batch = sampler._next()  # an iteration left at the end of an epoch leaves nothing of it
        self._fresh = False
        if batch is None:
            self._done = True
            raise StopIteration
        return sampler._yielded(batch)

    def state_dict(self) -> State:
        return self._sampler.state_dict()

    def load_state_dict(self, state: State) -> None:
        self._sampler.load_state_dict(state)
