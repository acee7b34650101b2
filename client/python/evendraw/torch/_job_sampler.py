"""What all samplers are: a place in a job, which moves with every batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch.utils.data

from .._values import Result
from ..errors import BadValue
from ..stream import Batch, Stream
from ._attach import Attachment, seek

State = dict[str, Any]
"""A position: job, dataset, version, generation, epoch, step; and what tells it from one of another
job of that name: checksum (of the dataset), revision, digest (of the strategy that drew the last batch
before it, with seed and counts). Plain values, for a checkpoint."""


class Position(NamedTuple):
    """In a job; `revision` is the strategy that drew the batch before it."""

    generation: int
    epoch: int
    step: int
    revision: int


class JobSampler(torch.utils.data.Sampler):
    """The common part of `BatchSampler` and `Sampler`."""

    def __init__(self, attachment: Attachment, columns: tuple[str, ...], window: int) -> None:
        self._attachment = attachment
        self.job = attachment.job
        self.columns = columns
        self._window = window
        self._manual_ack = False
        self._stream: Stream | None = None
        self._iterations = 0  # begun; only the newest goes on
        info = attachment.ensure()
        self._drawn_from = {key: info[key] for key in ("job", "dataset", "version")}
        stored = attachment.client().dataset(info["dataset"], info["version"])
        self._drawn_from["checksum"] = stored["checksum"]
        self._digests = _digests_of(info)
        self._position = _acknowledged(info)  # after the last batch returned
        self._target: State | None = None  # where to go before the next batch
        self.batch_size: int = info["batch_size"] // attachment.world_size

    def set_epoch(self, epoch: int) -> None:
        """As of DistributedSampler. Epochs advance by themselves; this moves the job if it is in
        another epoch than that one, and does nothing in the middle of that one."""
        state = self.state_dict()
        if state["epoch"] != epoch:
            state.pop("taken", None)
            self.load_state_dict({**state, "epoch": epoch, "step": 0})

    # ---- checkpoints ----

    def state_dict(self) -> State:
        """The position after the last batch returned. Local: nothing is sent."""
        return dict(self._target) if self._target else self._state(self._position)

    def load_state_dict(self, state: State) -> None:
        """Goes to a position that `state_dict` returned, with the next batch.

        Raises:
            BadValue: of another job, dataset version, dataset or history of strategies.
        """
        for key, here in self._drawn_from.items():
            if state.get(key) != here:
                raise BadValue(
                    f"this state is of {key} {state.get(key)!r}, and the sampler's is {here!r}: "
                    "load the checkpoint that belongs to this job",
                    key,
                )
        revision, digest = state.get("revision", -1), state.get("digest")
        if self._digests.get(revision) != digest:
            history = self._attachment.client().call("job.history", job=self.job)
            self._digests = _digests_of(history)
            if self._digests.get(revision) != digest:
                raise BadValue(
                    f"this state is of another job {self.job!r}, which drew by another strategy, "
                    "batch size or seed: it has been created anew since. Load a checkpoint of this "
                    "one, or create the job as it was",
                    "digest",
                )
        self._target = dict(state)

    def close(self) -> None:
        """Detaches from the job."""
        self._detach()
        self._attachment.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None}

    # ---- inside ----

    def _state(self, at: Position) -> State:
        return {
            **self._drawn_from,
            "generation": at.generation,
            "epoch": at.epoch,
            "step": at.step,
            "revision": at.revision,
            "digest": self._digests.get(at.revision),
        }

    def _attached(self) -> Stream:
        stream = self._stream
        if stream is None or not stream.usable:
            stream = self._stream = self._attachment.open(
                window=self._window, columns=self.columns, manual_ack=self._manual_ack
            )
            self._look()
        return stream

    def _look(self) -> None:
        """Where the job goes on."""
        info = self._attachment.client().job(self.job)
        self._digests |= _digests_of(info)
        self._position = _acknowledged(info)

    def _detach(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _next(self) -> Batch | None:
        """The next batch, None at the end of the epoch."""
        if self._target is not None:
            self._detach()
            at_end = seek(self._attachment, self._target)
            self._target = None
            if at_end:
                self._look()
                return None
        batch = self._attached().next()
        if batch is None:
            self._position = self._position._replace(epoch=self._position.epoch + 1, step=0)
            return None
        if batch.revision not in self._digests:
            self._digests |= _digests_of(self._attachment.client().job(self.job))
        self._position = after(batch)
        return batch


def after(batch: Batch) -> Position:
    """Right behind a batch."""
    return Position(batch.generation, batch.epoch, batch.step + 1, batch.revision)


def _acknowledged(info: Result) -> Position:
    """Where a job goes on when it is attached to again."""
    low = info["acked"]
    return Position(info["generation"], low["epoch"], low["step"], info["revision"])


def _digests_of(info: Result) -> dict[int, str]:
    """Of the answer of job.info or job.history, by number of revision."""
    return {revision["revision"]: revision["digest"] for revision in info["revisions"]}
