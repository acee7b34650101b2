"""`IterableDataset`: every DataLoader worker draws for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch.utils.data

from ..client import Strategy
from ..stream import Batch, Stream
from ._attach import Attachment


class IterableDataset(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
    """Whole batches of a shared job, each to one worker of all that are attached, on any number of
    machines::

        data = evendraw.torch.IterableDataset("train", dataset, 32, strategy="weighted")
        loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=4)

    Give the DataLoader ``batch_size=None``: an item is a batch already. Each worker connects when it
    is first asked, so fork and spawn will do, and acknowledges a batch when it is asked for the next.
    A worker's iteration ends when nothing of the epoch is left to hand out.

    Args:
        job: its name; created if it does not exist, as `BatchSampler` does.
        dataset: map-style; read in the worker. None: the items are `evendraw.Batch`.
        batch_size: indices in each batch. May be left out when the job exists.
        labels, callback_get_label, strategy, seed, columns, address, time_limit: as of BatchSampler.
        last_batch: "short" or "drop"; of the job, if it is created.
        collate_fn: makes an item of a list of samples; None: torch's.
        window: batches under way to each worker at most.
    """

    def __init__(
        self,
        job: str,
        dataset: Any = None,
        batch_size: int | None = None,
        *,
        labels: Any = None,
        callback_get_label: Callable[[Any], Any] | None = None,
        strategy: Strategy | None = None,
        seed: int = 0,
        last_batch: str = "short",
        columns: Sequence[str] = (),
        collate_fn: Callable[[list[Any]], Any] | None = None,
        window: int = 2,
        address: str | None = None,
        time_limit: float = 30.0,
    ) -> None:
        self._dataset = dataset
        self._collate = collate_fn or torch.utils.data.default_collate
        self._columns = tuple(columns)
        self._window = window
        self._attachment = Attachment(
            job=job,
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
        )
        self._stream: Stream | None = None
        self._kept: Batch | None = None  # came too early
        self._iterations = 0
        self._noted = torch.full((2,), -1, dtype=torch.int64).share_memory_()
        self.job = job
        info = self._attachment.ensure()
        self.batch_size: int = info["batch_size"]

    def __len__(self) -> int:
        """Batches in the present epoch, of all workers together."""
        return self._attachment.client().job(self.job)["steps"]  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Any]:
        self._iterations += 1
        stream = self._stream
        if stream is None or not stream.usable:
            stream = self._attachment.open(
                window=self._window, columns=self._columns, manual_ack=False
            )
            self._stream = stream
            self._kept = None
        kept, self._kept = self._kept, None
        batch = kept or stream.next()
        while batch is not None:
            if self._is_of_next_iteration(batch):
                self._kept = batch
                return
            yield self._fetch(batch)
            batch = stream.next()

    def _is_of_next_iteration(self, batch: Batch) -> bool:
        """Whether the other workers of this DataLoader went through an epoch before this one was
        ready, so that its batch belongs to the loader's next iteration.

        The first worker to get a batch notes the epoch where all processes see it. No lock is
        needed: while that batch is not acknowledged, nobody gets one of another epoch.
        """
        worker = torch.utils.data.get_worker_info()
        if worker is None:
            return False
        # The workers of one iteration, and no others, have both in common.
        iteration = (worker.seed - worker.id + self._iterations) & 0x7FFFFFFFFFFFFFFF
        if int(self._noted[1]) != iteration:
            self._noted[0] = batch.epoch
            self._noted[1] = iteration
        return batch.epoch > int(self._noted[0])

    def _fetch(self, batch: Batch) -> Any:
        if self._dataset is None:
            return batch
        indices = batch.tolist()
        if hasattr(self._dataset, "__getitems__"):
            return self._collate(self._dataset.__getitems__(indices))
        return self._collate([self._dataset[i] for i in indices])

    def close(self) -> None:
        """Detaches this process's worker."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        self._attachment.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None}
