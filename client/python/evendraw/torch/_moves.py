"""A job moved to another position, for all its ranks."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any

from .._values import Result
from ..errors import Conflict
from . import _attach
from ._attach import Attachment
from ._ranks import agree, on_rank_0, together


def go_to(
    attachment: Attachment,
    target: dict[str, Any],
    generation: int,
    behind: tuple[int, int],
) -> bool:
    """Moves the job: each rank calls this before its next batch, and is detached. Returns whether
    that was the end of its epoch, so that the job stands at the beginning of the next.

    Under torch.distributed all ranks wait for one another, and rank 0 does it. Without, whoever comes
    first does, once the others have read as far as it has, `behind` (epoch and step: what lies before
    is acknowledged); those who come later find that the job was moved there from the `generation`
    that they know.
    """
    if not together(attachment.world_size):
        return _seek(attachment, target, generation, behind)
    agree((target["epoch"], target["step"]), "epoch and step")
    return on_rank_0(lambda: _seek(attachment, target, generation, (0, 0)))


def _seek(
    attachment: Attachment, target: dict[str, Any], generation: int, behind: tuple[int, int]
) -> bool:
    client = attachment.client()
    position = {"epoch": target["epoch"], "step": target["step"]}
    patience = max(_attach.LOST_WORKERS, attachment.time_limit if attachment.world_size > 1 else 0)
    deadline = time.monotonic() + patience
    while True:
        info = client.job(attachment.job)
        if info["acked"] == position == {"epoch": info["epoch"], "step": info["step"]}:
            return False
        moved = attachment.world_size > 1 and info["generation"] != generation
        if moved and _moved_there(attachment, info, position):
            return bool(info["acked"]["epoch"] > target["epoch"])
        siblings.detach(attachment)
        try:
            if attachment.world_size > 1 and not moved:
                _check_that_all_came(info, behind)
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


def _check_that_all_came(info: Result, behind: tuple[int, int]) -> None:
    """Or else a rank that is slower would find itself in another epoch, within its loop."""
    low = (info["acked"]["epoch"], info["acked"]["step"])
    if low < behind:
        raise Conflict(
            f"other ranks of job {info['job']!r} have not read further than epoch {low[0]}, step "
            f"{low[1]}, and this one has come to epoch {behind[0]}, step {behind[1]}",
            "workers",
        )


def _moved_there(attachment: Attachment, info: Result, position: dict[str, int]) -> bool:
    """Whether another rank has done it, and may be at work already."""
    history = attachment.client().call("job.history", job=attachment.job)
    return any(
        seek["generation"] == info["generation"]
        and position == {"epoch": seek["epoch"], "step": seek["step"]}
        for seek in history["seeks"]
    )


class Siblings:
    """The samplers of this process, which may be several ranks of one job, and several samplers of
    one rank. Where one of a thread's is to move the job, or to take a rank, the others of that thread
    let go of what they hold, since they cannot do so themselves meanwhile."""

    def __init__(self) -> None:
        self._samplers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._renew_lock()
        os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def add(self, sampler: Any) -> None:
        with self._lock:
            self._samplers.add(sampler)

    def detach(self, attachment: Attachment) -> None:
        for sampler in self._of(attachment):
            if _can_be_detached(sampler):
                sampler._detach()

    def make_way(self, newer: Any) -> bool | None:
        """A newer sampler wants a place in a job: whoever of this thread has it lets go, as a script
        is run again in a notebook, and says so if its loop goes on. False if another thread is at
        work with it, None if none of this process has it."""
        others = self._in_place_of(newer)
        if not others:
            return None
        if not all(_can_be_detached(other) for other in others):
            return False
        for other in others:
            other._let_go()
        return True

    def _in_place_of(self, newer: Any) -> list[Any]:
        mine = newer._attachment
        return [
            other
            for other in self._of(mine)
            if other is not newer and other._stream is not None and other._attachment.rank == mine.rank
        ]

    def _of(self, attachment: Attachment) -> list[Any]:
        with self._lock:
            samplers = list(self._samplers)
        return [
            sampler
            for sampler in samplers
            if sampler._attachment.job == attachment.job
            and sampler._attachment.address == attachment.address
        ]


def _can_be_detached(sampler: Any) -> bool:
    """Is no other thread that lives at work with it?"""
    return sampler._thread == threading.get_ident() or sampler._thread not in {
        thread.ident for thread in threading.enumerate()
    }


siblings = Siblings()
