"""`IterableDataset`: every DataLoader worker draws for itself."""

from __future__ import annotations

import multiprocessing.util
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch.utils.data

from .._values import Strategy
from ..errors import BadValue, Timeout, UsageError
from ..stream import Batch, Stream
from ._attach import Attachment, IfExists, job_and_dataset
from ._items import columns_of, items
from ._job_sampler import Resume
from ._ranks import check_undivided, processes
from ._whole import Watch, Whole, check_newest, iteration_number

_LOOK_AGAIN = 0.1  # seconds after which a worker that waits looks whether it need not


class IterableDataset(torch.utils.data.IterableDataset):
    """Whole batches of a shared job, each to one worker of all that are attached, on any number of
    machines::

        data = evendraw.torch.IterableDataset(None, dataset, 32, strategy="weighted")
        loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=4)

    Give the DataLoader ``batch_size=None``: an item is a batch already. Each worker connects when it
    is first asked, so fork and spawn will do, and acknowledges a batch when it is asked for the next.
    A worker's iteration ends when nothing of the epoch is left to hand out.

    Without a name (and without other processes of a torch.distributed group, which would share its
    batches) an iteration is a whole epoch, the same again if the last iteration broke it off; what
    earlier iterations' workers hold is given up. With a name it is the rest of the job's epoch, of
    which workers elsewhere may have had a part.

    The DataLoader's workers read ahead of the loop. An epoch counts as read when they have read all of
    it, so a loop that is broken off within the last few batches is followed by the next epoch.

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
        resume: what an iteration begins with: "epoch": a whole one (the default without a name);
            "position": the rest of the job's (the default with one). "epoch" needs a job that no other
            process draws from: BadValue with a name, or in a torch.distributed group of several.

    Raises:
        ConnectError, NotFound, Exists, BadValue (length, batch size), StrategyError; when iterated:
        Conflict (others are attached to a job of which each iteration is to be a whole epoch).
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
        resume: Resume | None = None,
        address: str | None = None,
        time_limit: float = 30.0,
    ) -> None:
        name, dataset = job_and_dataset(job, dataset)
        sharing = processes(name)
        self._dataset = dataset
        self._collate = collate_fn or torch.utils.data.default_collate
        self._columns = columns_of(dataset, columns)
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
            processes=sharing,
        )
        self._resume = _checked(resume, alone=not name and sharing == 1)
        self._whole = Whole()
        self._current = 0  # iteration, of whole epochs
        self._watch: Watch | None = None
        self._turn = threading.Lock()  # the watch's, or the iteration's
        self._stream: Stream | None = None
        self._closes_in = 0  # process
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
        return self._whole_epoch() if self._resume == "epoch" else self._items()

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is that epoch, from its beginning. Call it in the process of the
        DataLoader, before its loop; not needed, since epochs follow one another. A job that is
        shared with other processes is not moved: UsageError if it is in another epoch."""
        if epoch < 0:
            raise BadValue(f"there is no epoch {epoch}: epochs count from 0", "epoch")
        if self._resume == "epoch":
            self._whole.say(epoch)
            return
        info = self._attachment.client().job(self.job)
        if epoch not in (info["epoch"], info["acked"]["epoch"]):
            raise UsageError(
                f"job {self.job!r} is in epoch {info['epoch']}, and is shared: no process moves it to "
                f"epoch {epoch} by itself. Between epochs `evendraw job seek {self.job} "
                f"--epoch {epoch}` does, for all; or leave the name out"
            )

    def rewind(self) -> None:
        """The next iteration is the present epoch from its beginning: the one that the last
        iteration broke off, or else the one that would come next. UsageError if the job is shared
        with other processes."""
        if self._resume != "epoch":
            raise UsageError(
                f"job {self.job!r} is shared: no process moves it by itself. `evendraw job seek "
                f"{self.job} --epoch N` does, for all; or leave the name out"
            )
        self._whole.say_again()

    # ---- whole epochs ----

    def _whole_epoch(self) -> Iterator[Any]:
        info = torch.utils.data.get_worker_info()
        worker = 0 if info is None else info.id
        self._iterations += 1
        if info is not None and (self._watch is None or not self._watch.here):
            self._turn = threading.Lock()
            self._watch = Watch(self)
        with self._turn:
            self._current = iteration = iteration_number(self._iterations)
            self._detach()
        if not self._whole.begin(iteration, worker, self._attachment):
            return
        try:
            while (batch := self._next_of(iteration, worker)) is not None:
                yield self._fetch(batch)
        finally:
            if self._current == iteration:
                self._detach()

    def _next_of(self, iteration: int, worker: int) -> Batch | None:
        """The next batch of this iteration, or None if there is none for this worker."""
        while True:
            with self._turn:
                check_newest(self._whole, iteration, self.job)
                try:
                    batch = self._attached().next(_LOOK_AGAIN)
                except Timeout:
                    continue
                if batch is None:
                    self._whole.ended()
                elif batch.epoch != self._whole.epoch:  # that one is over, and this worker came late
                    batch = None
                else:
                    self._whole.given(worker)
                return batch

    def _detach(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    # ---- the rest of an epoch ----

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
            if torch.utils.data.get_worker_info() is not None and self._closes_in != os.getpid():
                # What it holds when it ends goes to others at once.
                multiprocessing.util.Finalize(None, self.close, exitpriority=0)
                self._closes_in = os.getpid()
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
        return iteration_number(self._iterations)

    def _fetch(self, batch: Batch) -> Any:
        if self._dataset is None:
            return batch
        indices = items(batch, self._columns)
        if hasattr(self._dataset, "__getitems__"):
            item = self._collate(self._dataset.__getitems__(indices))
        else:
            item = self._collate([self._dataset[i] for i in indices])
        return (item, batch) if self._with_batch else item

    def close(self) -> None:
        """Detaches this process's worker."""
        self._detach()
        self._attachment.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None, "_watch": None, "_turn": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._turn = threading.Lock()


def _checked(resume: Resume | None, *, alone: bool) -> Resume:
    if resume not in (None, "position", "epoch"):
        raise BadValue(f'resume is "position" or "epoch", not {resume!r}', "resume")
    if resume == "epoch" and not alone:
        raise BadValue(
            'resume="epoch" needs a job that no other process draws from, and one with a name, or of '
            "several processes of a group, is shared: leave the name out, or the argument",
            "resume",
        )
    return resume or ("epoch" if alone else "position")
