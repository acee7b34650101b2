"""`IterableDataset`: every DataLoader worker draws for itself."""

from __future__ import annotations

import multiprocessing.util
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch.utils.data

from .._values import Strategy
from ..errors import Timeout
from ..stream import Batch, Stream
from ._attach import Attachment, IfExists, job_and_dataset
from ._ranks import check_undivided

_LOOK_AGAIN = 0.1  # seconds after which a worker that waits looks whether it need not


class IterableDataset(torch.utils.data.IterableDataset):
    """Whole batches of a shared job, each to one worker of all that are attached, on any number of
    machines::

        data = evendraw.torch.IterableDataset(None, dataset, 32, strategy="weighted")
        loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=4)

    Give the DataLoader ``batch_size=None``: an item is a batch already. Each worker connects when it
    is first asked, so fork and spawn will do, and acknowledges a batch when it is asked for the next.
    A worker's iteration ends when nothing of the epoch is left to hand out; each iteration is the rest
    of the job's epoch.

    Args:
        job: its name, or None: a run of its own, of this process (or torch.distributed group) and its
            workers. As of `BatchSampler`.
        dataset: map-style; read in the worker. None: the items are `evendraw.Batch`.
        batch_size: indices in each batch. May be left out when the job exists.
        labels, callback_get_label, strategy, seed, exists, columns, address, time_limit: as of
            BatchSampler.
        last_batch: "short" or "drop"; None: "short", or whatever the job has.
        with_batch: items are (what collate_fn made, `evendraw.Batch`): its position and indices are
            what `evendraw.Client.report` wants.
        collate_fn: makes an item of a list of samples; None: torch's.
        window: batches under way to each worker at most.
    """

    def __init__(
        self,
        job: Any = None,
        dataset: Any = None,
        batch_size: int | None = None,
        *,
        labels: Any = None,
        callback_get_label: Callable[[Any], Any] | None = None,
        strategy: Strategy | None = None,
        seed: int | None = None,
        last_batch: str | None = None,
        exists: IfExists = "same",
        columns: Sequence[str] = (),
        with_batch: bool = False,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        window: int = 2,
        address: str | None = None,
        time_limit: float = 30.0,
    ) -> None:
        name, dataset = job_and_dataset(job, dataset)
        self._dataset = dataset
        self._collate = collate_fn or torch.utils.data.default_collate
        self._columns = tuple(columns)
        self._with_batch = with_batch
        self._window = window
        self._attachment = Attachment(
            job=name,
            address=address,
            dataset=dataset,
            labels=labels,
            callback=callback_get_label,
            strategy=strategy,
            batch_size=batch_size,
            seed=seed,
            mode="shared",
            last_batch=last_batch,
            rank=None,
            world_size=1,
            time_limit=time_limit,
            exists=exists,
        )
        self._stream: Stream | None = None
        self._kept: Batch | None = None  # came too early
        self._left = False  # within an iteration, which may never go on
        self._iterations = 0
        # The epoch of an iteration, and which iteration.
        self._noted = torch.full((2,), -1, dtype=torch.int64).share_memory_()
        info = self._attachment.ensure()
        self.job: str = info["job"]
        self.batch_size: int = info["batch_size"]

    def __len__(self) -> int:
        """Batches in the present epoch, of all workers together."""
        return self._attachment.client().job(self.job)["steps"]  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Any]:
        check_undivided(self.job)
        return self._items()

    def _items(self) -> Iterator[Any]:
        self._iterations += 1
        stream = self._attached()
        while (batch := self._next(stream)) is not None:
            self._left = True
            yield self._fetch(batch)
            self._left = False

    def _attached(self) -> Stream:
        stream = self._stream
        if stream is None or not stream.usable:
            stream = self._attachment.open(
                window=self._window, columns=self._columns, manual_ack=False
            )
            self._stream = stream
            self._kept = None
            if torch.utils.data.get_worker_info() is not None:
                # What it holds when it ends goes to others at once.
                multiprocessing.util.Finalize(None, self.close, exitpriority=0)
        return stream

    # The workers of a DataLoader are read in turn. An iteration of theirs is one epoch: the one that
    # the first of them to hear anything hears of, which it notes where all see it. Others may be
    # ahead, because an epoch was over before they were ready, or because they heard its end in an
    # iteration that was left early. They must not give what is of a later iteration, nor wait for
    # the end of an epoch that ends only when another one is read.

    def _next(self, stream: Stream) -> Batch | None:
        """The next batch of this iteration's epoch, or None if there is none for this worker."""
        together = torch.utils.data.get_worker_info() is not None
        batch, self._kept = self._kept, None
        while batch is None:
            if together and self._is_over(stream):
                return None
            try:
                batch = stream.next(_LOOK_AGAIN if together else None)
            except Timeout:
                continue
            if batch is None and not self._left:
                if together:
                    self._note(stream.ended or 0)
                return None
            self._left = False  # an iteration left at the end of an epoch leaves nothing of it
        if together and batch.epoch > self._note(batch.epoch):
            self._kept = batch
            return None
        return batch

    def _is_over(self, stream: Stream) -> bool:
        """Has this worker heard the end of this iteration's epoch already?"""
        told, noted = stream.ended, self._noted_epoch()
        return told is not None and noted is not None and told >= noted

    def _note(self, epoch: int) -> int:
        """The epoch of this iteration: this one, if it was not noted before. No lock is needed:
        while one worker has a batch, no other gets one of another epoch."""
        noted = self._noted_epoch()
        if noted is None:
            self._noted[0] = noted = epoch
            self._noted[1] = self._iteration()
        return noted

    def _noted_epoch(self) -> int | None:
        iteration = int(self._noted[1])  # written last, so read first
        return int(self._noted[0]) if iteration == self._iteration() else None

    def _iteration(self) -> int:
        """What the workers of one iteration, and no others, have in common."""
        worker = torch.utils.data.get_worker_info()
        return int(worker.seed - worker.id + self._iterations) & 0x7FFFFFFFFFFFFFFF

    def _fetch(self, batch: Batch) -> Any:
        if self._dataset is None:
            return batch
        indices = batch.tolist()
        if hasattr(self._dataset, "__getitems__"):
            item = self._collate(self._dataset.__getitems__(indices))
        else:
            item = self._collate([self._dataset[i] for i in indices])
        return (item, batch) if self._with_batch else item

    def close(self) -> None:
        """Detaches this process's worker."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        self._attachment.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None}
