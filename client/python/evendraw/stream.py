"""A worker attached to a job, and the batches it gets."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _library
from .errors import Timeout, UsageError

if TYPE_CHECKING:
    from .client import Client

lib = _library.lib

_SLICE_MS = 200  # Python sees signals (Ctrl-C) between waits of this length


@dataclass(slots=True, eq=False)
class Batch:
    """One batch, or one rank's slice of it. Its arrays are its own (one copy from the library's
    memory for each column) and have shape (n,); n may be 0.

    Attributes:
        epoch, step: its position in the job.
        generation: the line of history the position is on.
        revision: of the strategy that drew it.
        redelivered: another worker may have had it before.
        index: int64, numbers of samples.
        label: int64, class numbers; None unless asked for, like all below.
        probability: float32, of the draw.
        repeat: int64, how often the sample came before in this pass.
        augment_seed: int64 (the 64 bits of an unsigned number): random, but the same whenever the
            step is drawn.
        augment_strength: float32, 0 where the sample comes for the first time (``repeat`` 0), then
            rising to 1: 1 - 1 / (1 + repeat).
        mix_index: int64, of strategies with ``pairs``, like all below: the second samples.
        mix_label: int64, their classes.
        mix_lambda: float32, the second sample's share of the mixture's features, the first one's
            being 1 - mix_lambda; 0: there is no second sample, and mix_index is index.
        mix_label_lambda: float32, the second label's share of the mixture's label; with ``how``
            remix another than mix_lambda.
    """

    epoch: int
    step: int
    generation: int
    revision: int
    redelivered: bool
    index: NDArray[np.int64]
    label: NDArray[np.int64] | None = None
    probability: NDArray[np.float32] | None = None
    repeat: NDArray[np.int64] | None = None
    augment_seed: NDArray[np.int64] | None = None
    augment_strength: NDArray[np.float32] | None = None
    mix_index: NDArray[np.int64] | None = None
    mix_label: NDArray[np.int64] | None = None
    mix_lambda: NDArray[np.float32] | None = None
    mix_label_lambda: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[int]:
        return iter(self.index.tolist())

    def tolist(self) -> list[int]:
        """The indices as Python integers."""
        return list(self.index.tolist())

    def tensor(self, column: str = "index") -> Any:
        """A column as torch tensor (int64 or float32), sharing this batch's memory."""
        import torch

        values = getattr(self, column)
        if values is None:
            raise UsageError(f'the stream was opened without columns=["{column}"]', column)
        return torch.from_numpy(values)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What the daemon said when the stream was opened.

    Attributes:
        job, dataset, version: what is drawn, from what.
        samples: indices are below this.
        classes: how many.
        batch_size: global, of all ranks together.
        rank: None in a shared job.
        world_size: 0 in a shared job.
        window: batches under way at most.
        generation: the line of history the stream is on.
        epoch, step: the first step not handed out by then (in a ranked job: to this rank).
        steps: of that epoch.
        first_epoch, first_step: of the first batch, unless another worker takes it before. Batches
            that come again come first, so it may lie before `epoch`, `step`.
        revision: of the strategy, as it was then.
        seed: of the job.
    """

    job: str
    dataset: str
    version: int
    samples: int
    classes: int
    batch_size: int
    rank: int | None
    world_size: int
    window: int
    generation: int
    epoch: int
    step: int
    steps: int
    first_epoch: int
    first_step: int
    revision: int
    seed: int


def _copy(address: int, n: int, kind: Any) -> NDArray[Any]:
    out = np.empty(n, dtype=kind)
    ctypes.memmove(out.ctypes.data, address, out.nbytes)
    return out


def _widen(address: int, n: int) -> NDArray[np.int64]:
    """u32 as int64: torch has no unsigned numbers of that size."""
    return _copy(address, n, np.uint32).astype(np.int64)


class Stream:
    """Batches of a job, as an iterator over one epoch at a time::

        with client.open("train") as stream:
            for epoch in range(3):
                for batch in stream:
                    ...

    Asking for a batch acknowledges the one before (unless opened with ``manual_ack``): what is not
    acknowledged when the worker is lost goes to another one, or to the same rank when it comes back.
    Made by `Client.open`.
    """

    def __init__(self, client: Client, handle: ctypes.c_void_p) -> None:
        self._client = client
        self._handle: ctypes.c_void_p | None = handle
        self._batch = ctypes.POINTER(_library.Batch)()
        raw = lib.evd_stream_get_info(handle).contents
        self.info = StreamInfo(
            job=raw.job.decode(),
            dataset=raw.dataset.decode(),
            version=raw.version,
            samples=raw.samples,
            classes=raw.classes,
            batch_size=raw.batch_size,
            rank=raw.rank if raw.rank >= 0 else None,
            world_size=raw.world_size,
            window=raw.window,
            generation=raw.generation,
            epoch=raw.epoch,
            step=raw.step,
            steps=raw.steps,
            first_epoch=raw.first_epoch,
            first_step=raw.first_step,
            revision=raw.revision,
            seed=raw.seed,
        )

    def next(self, timeout: float | None = None) -> Batch | None:
        """The next batch, or None at the end of the epoch.

        Nothing of the next epoch is handed out before this is called again.

        Args:
            timeout: seconds; None: wait for ever.

        Raises:
            Timeout: nothing came in time; ask again.
            Error: the stream has ended (job dropped, connection lost for good).
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _SLICE_MS
            if deadline is not None:
                left = min(left, max(0, int(1000 * (deadline - time.monotonic()))))
            with self._client._use() as client:
                code = lib.evd_next(self._open_handle(), left, ctypes.byref(self._batch))
                if code == 0:
                    return self._take()
                if code == _library.EPOCH_END:
                    return None
                error = client._error(code)
            if not isinstance(error, Timeout):
                raise error
            if deadline is not None and time.monotonic() >= deadline:
                raise Timeout(f"no batch of job {self.info.job!r} came within {timeout} s")

    def _take(self) -> Batch:
        raw = self._batch.contents
        n = raw.n
        batch = Batch(
            raw.epoch,
            raw.step,
            raw.generation,
            raw.revision,
            bool(raw.redelivered),
            _copy(raw.index, n, np.int64) if n else np.empty(0, dtype=np.int64),
        )
        if raw.label:
            batch.label = _widen(raw.label, n)
        if raw.probability:
            batch.probability = _copy(raw.probability, n, np.float32)
        if raw.repeat:
            batch.repeat = _widen(raw.repeat, n)
        if raw.augment_seed:
            batch.augment_seed = _copy(raw.augment_seed, n, np.int64)
        if raw.augment_strength:
            batch.augment_strength = _copy(raw.augment_strength, n, np.float32)
        if raw.mix_index:
            batch.mix_index = _copy(raw.mix_index, n, np.int64)
        if raw.mix_label:
            batch.mix_label = _widen(raw.mix_label, n)
        if raw.mix_lambda:
            batch.mix_lambda = _copy(raw.mix_lambda, n, np.float32)
        if raw.mix_label_lambda:
            batch.mix_label_lambda = _copy(raw.mix_label_lambda, n, np.float32)
        return batch

    def ack(self, batch: Batch, *, through: bool = False, confirm: bool = False) -> None:
        """Acknowledges a batch that `next` returned.

        Args:
            through: and every batch returned before it.
            confirm: wait until that is durable: it is then never handed out again.

        Raises:
            Conflict: the batch is of another generation (the job was rewound).
        """
        flags = _library.ACK_THROUGH * through + _library.ACK_CONFIRM * confirm
        with self._client._use() as client:
            client._check(lib.evd_ack(self._open_handle(), batch.epoch, batch.step, flags))

    def release(self, batch: Batch) -> None:
        """Gives a batch back that was not used, so that another worker (or this one) gets it."""
        with self._client._use() as client:
            client._check(lib.evd_release(self._open_handle(), batch.epoch, batch.step))

    def touch(self) -> None:
        """The job's time_to_run begins anew for every batch that is not acknowledged: for workers
        whose step takes longer than that."""
        with self._client._use() as client:
            client._check(lib.evd_touch(self._open_handle()))

    @property
    def ended(self) -> int | None:
        """The epoch whose end `next` told last."""
        told = int(lib.evd_stream_get_info(self._open_handle()).contents.ended)
        return told - 1 if told else None

    @property
    def usable(self) -> bool:
        """Not closed, and of this process."""
        return self._handle is not None and self._client.usable

    def __iter__(self) -> Iterator[Batch]:
        while (batch := self.next()) is not None:
            yield batch

    def close(self) -> None:
        """Detaches. The batch returned last is not acknowledged, so that another worker gets it."""
        if self.usable:
            with self._client._use():
                lib.evd_stream_close(self._handle)
        self._handle = None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_handle(self) -> ctypes.c_void_p:
        if self._handle is None:
            raise UsageError("the stream is closed: open another one")
        return self._handle
