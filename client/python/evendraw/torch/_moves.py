"""A job moved to another position, for all its ranks."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Any

from .._values import Result
from ..errors import Conflict
from . import _attach
from ._attach import Attachment
from ._ranks import agree, on_rank_0, together


def go_to(attachment: Attachment, target: dict[str, Any], generation: int) -> bool:
    """Moves the job: each rank calls this before its next batch, and is detached. Returns whether
    that was the end of its epoch, so that the job stands at the beginning of the next.

    Under torch.distributed all ranks wait for one another, and rank 0 does it. Without, whoever comes
    first does; those who come later find that the job was moved there from the `generation` that
    they know.
    """
    if not together(attachment.world_size):
        return _seek(attachment, target, generation)
    agree((target["epoch"], target["step"]), "epoch and step")
    return on_rank_0(lambda: _seek(attachment, target, generation))


def _seek(attachment: Attachment, target: dict[str, Any], generation: int) -> bool:
    client = attachment.client()
    position = {"epoch": target["epoch"], "step": target["step"]}
    patience = max(_attach.LOST_WORKERS, attachment.time_limit if attachment.world_size > 1 else 0)
    deadline = time.monotonic() + patience
    while True:
        info = client.job(attachment.job)
        if info["acked"] == position == {"epoch": info["epoch"], "step": info["step"]}:
            return False
        if info["generation"] != generation and _moved_there(attachment, info, position):
            return bool(info["acked"]["epoch"] > target["epoch"])
        siblings.detach(attachment)
        try:
            answer = client.call("job.seek", job=attachment.job, mode="replay", **position)
            return bool(answer["epoch"] > target["epoch"])
        except Conflict as error:  # workers hold batches: of a run that was killed a moment ago?
            if time.monotonic() > deadline:
                raise Conflict(
                    f"{error}. The job is to begin at epoch {target['epoch']}, step {target['step']}, "
                    "and other workers of it are at work: all ranks break off a loop alike, and two "
                    "runs need two jobs",
                    error.detail,
                ) from None
        time.sleep(0.1)


def _moved_there(attachment: Attachment, info: Result, position: dict[str, int]) -> bool:
    """Whether another rank has done it, and may be at work already."""
    history = attachment.client().call("job.history", job=attachment.job)
    return any(
        seek["generation"] == info["generation"]
        and position == {"epoch": seek["epoch"], "step": seek["step"]}
        for seek in history["seeks"]
    )


class Siblings:
    """The samplers of each thread, which may be several ranks of one job. Where one is to move the
    job, the others let go of what they hold, since they cannot do so themselves meanwhile."""

    def __init__(self) -> None:
        self._here = threading.local()

    def add(self, sampler: Any) -> None:
        self._samplers().add(sampler)

    def detach(self, attachment: Attachment) -> None:
        for sampler in list(self._samplers()):
            other = sampler._attachment
            if (other.job, other.address) == (attachment.job, attachment.address):
                sampler._detach()

    def _samplers(self) -> weakref.WeakSet[Any]:
        if not hasattr(self._here, "samplers"):
            self._here.samplers = weakref.WeakSet()
        return self._here.samplers  # type: ignore[no-any-return]


siblings = Siblings()
