"""Whole epochs of an `IterableDataset` that has its job for itself: what its workers agree about.

Each iteration of a DataLoader over it has workers, new ones or those of before (persistent), and is
one epoch from its beginning. The first worker moves the job there, once what earlier iterations left
attached has let go; the others wait for that. iterable.py calls this.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from typing import Any

import torch
import torch.utils.data

from .._values import Result
from ..errors import BadValue, Conflict, UsageError
from ._attach import LOST_WORKERS, Attachment

MOST_WORKERS = 1024

_NEWEST, _READY, _EPOCH, _STEPS, _ENDED, _SAID, _GIVEN = range(7)
_NOTHING, _REWIND = -1, -2  # said
_POLL = 0.02  # seconds


class Whole:
    """In memory that all workers of a dataset share, also those that are there when it is written:

    - the newest iteration, and the newest whose epoch may be read (its complement: that has failed);
    - of the latter the epoch, its steps, whether a worker has heard its end, and how many batches
      each worker has given;
    - where the next iteration is to begin, if that was said.
    """

    def __init__(self) -> None:
        self._at = torch.zeros(_GIVEN + MOST_WORKERS, dtype=torch.int64).share_memory_()
        self._at[_EPOCH] = -1
        self._at[_SAID] = _NOTHING

    def say(self, epoch: int) -> None:
        self._at[_SAID] = epoch

    def say_again(self) -> None:
        self._at[_SAID] = _REWIND

    @property
    def epoch(self) -> int:
        """Of the iteration that is read."""
        return int(self._at[_EPOCH])

    def is_newest(self, iteration: int) -> bool:
        return int(self._at[_NEWEST]) == iteration

    def ended(self) -> None:
        self._at[_ENDED] = 1

    def given(self, worker: int) -> None:
        self._at[_GIVEN + worker] += 1

    def begin(self, iteration: int, worker: int, attachment: Attachment) -> bool:
        """Each worker calls this, detached. False if it cannot be begun, which the first one says."""
        if worker >= MOST_WORKERS:
            raise BadValue(f"at most {MOST_WORKERS} workers: lower num_workers", "num_workers")
        if worker > 0:
            return self._wait_for_first(iteration)
        self._at[_NEWEST] = iteration
        try:
            self._move_when_alone(attachment)
        except BaseException:
            self._at[_READY] = ~iteration
            raise
        self._at[_READY] = iteration
        return True

    def _wait_for_first(self, iteration: int) -> bool:
        parent = os.getppid()
        while (ready := int(self._at[_READY])) != iteration:
            if ready == ~iteration or os.getppid() != parent:
                return False
            time.sleep(_POLL)
        return True

    def _move_when_alone(self, attachment: Attachment) -> None:
        """Workers of earlier iterations see that there is a newer one, and detach."""
        deadline = time.monotonic() + max(LOST_WORKERS, attachment.time_limit)
        while True:
            try:
                if attachment.client().job(attachment.job)["streams"] == 0:
                    self._move(attachment)
                    return
                problem = "others are attached to it"
            except Conflict as error:  # it is being changed
                problem = str(error)
            if time.monotonic() > deadline:
                raise Conflict(
                    f"each iteration of job {attachment.job!r} is to be a whole epoch, and it cannot be "
                    f"moved there ({problem}): end what else draws from it, or, if that is to share "
                    'its batches, make the dataset with resume="position"',
                    "workers",
                )
            time.sleep(_POLL)

    def _move(self, attachment: Attachment) -> None:
        client = attachment.client()
        info = client.job(attachment.job)
        epoch = self._next_epoch(info)
        place = {"epoch": epoch, "step": 0}
        if not info["acked"] == place == {"epoch": info["epoch"], "step": info["step"]}:
            client.call("job.seek", job=attachment.job, mode="replay", force=True, **place)
            info = client.job(attachment.job)
        self._at[_SAID] = _NOTHING
        self._at[_GIVEN:] = 0
        self._at[_ENDED] = 0
        self._at[_EPOCH] = epoch
        self._at[_STEPS] = info["steps"]

    def _next_epoch(self, info: Result) -> int:
        said, last = int(self._at[_SAID]), self.epoch
        if said >= 0:
            return said
        if last < 0:  # there was no iteration
            return int(info["acked"]["epoch"])
        given = int(self._at[_GIVEN:].sum())
        over = bool(self._at[_ENDED]) or given >= int(self._at[_STEPS])
        return last + over


def iteration_number(iterations: int) -> int:
    """What the workers of one iteration, and no others of a dataset, have in common: they were
    started one after the other, and have begun as many `iterations` since."""
    worker = torch.utils.data.get_worker_info()
    if worker is None:
        return iterations
    identity = getattr(multiprocessing.current_process(), "_identity", None) or (0,)
    return int((identity[-1] - worker.id) << 32 | iterations)


class Watch:
    """In a worker process: detaches what an iteration holds, once there is a newer one, although the
    DataLoader does not ask this worker for anything any more."""

    def __init__(self, data: Any) -> None:
        self._process = os.getpid()
        threading.Thread(target=self._watch, args=(data,), daemon=True).start()

    @property
    def here(self) -> bool:
        return self._process == os.getpid()

    def _watch(self, data: Any) -> None:
        while True:
            time.sleep(_POLL)
            with data._turn:
                if data._stream is not None and not data._whole.is_newest(data._current):
                    data._detach()


def check_newest(whole: Whole, iteration: int, job: str) -> None:
    """UsageError if another iteration has begun since."""
    if not whole.is_newest(iteration):
        raise UsageError(
            f"job {job!r}: a newer iteration over this dataset has begun, which took this one's place. "
            "Two DataLoaders at a time need two datasets, each with a job of its own"
        )
