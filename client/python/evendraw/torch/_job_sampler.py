"""What all samplers are: a place in a job, which moves with every batch."""

from __future__ import annotations

from typing import Any

import torch.utils.data

from ..client import Result
from ..errors import BadValue
from ..stream import Batch, Stream
from ._attach import Attachment, seek

State = dict[str, Any]
"""A position: job, dataset, version, generation, epoch, step. Plain values, for a checkpoint."""


class JobSampler(torch.utils.data.Sampler):  # type: ignore[type-arg]
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
        # Generation, epoch, step: after the last batch returned.
        self._position = _acknowledged(info)
        self._target: State | None = None  # where to go before the next batch
        self.batch_size: int = info["batch_size"] // attachment.world_size

    def set_epoch(self, epoch: int) -> None:
        """As of DistributedSampler. Epochs advance by themselves; this moves the job if it is in
        another epoch than that one, and does nothing in the middle of that one."""
        state = self.state_dict()
        if state["epoch"] != epoch:
            self.load_state_dict({**state, "epoch": epoch, "step": 0})

    # ---- checkpoints ----

    def state_dict(self) -> State:
        """The position after the last batch returned. Local: nothing is sent."""
        return dict(self._target) if self._target else self._state(*self._position)

    def load_state_dict(self, state: State) -> None:
        """Goes to a position that `state_dict` returned, with the next batch.

        Raises:
            BadValue: of another job or dataset version.
        """
        for key, here in self._drawn_from.items():
            if state.get(key) != here:
                raise BadValue(
                    f"this state is of {key} {state.get(key)!r}, and the sampler's is {here!r}: "
                    "load the checkpoint that belongs to this job",
                    key,
                )
        self._target = dict(state)

    def close(self) -> None:
        """Detaches from the job."""
        self._detach()
        self._attachment.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None}

    # ---- inside ----

    def _state(self, generation: int, epoch: int, step: int) -> State:
        return {**self._drawn_from, "generation": generation, "epoch": epoch, "step": step}

    def _attached(self) -> Stream:
        stream = self._stream
        if stream is None or not stream.usable:
            stream = self._stream = self._attachment.open(
                window=self._window, columns=self.columns, manual_ack=self._manual_ack
            )
            self._position = _acknowledged(self._attachment.client().job(self.job))
        return stream

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
                self._position = _acknowledged(self._attachment.client().job(self.job))
                return None
        batch = self._attached().next()
        if batch is None:
            generation, epoch, _ = self._position
            self._position = (generation, epoch + 1, 0)
        else:
            self._position = (batch.generation, batch.epoch, batch.step + 1)
        return batch


def _acknowledged(info: Result) -> tuple[int, int, int]:
    """Generation, epoch, step where a job goes on when it is attached to again."""
    return info["generation"], info["acked"]["epoch"], info["acked"]["step"]
