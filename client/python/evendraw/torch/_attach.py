"""What samplers have in common: finding or creating their job, and attaching to it."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch.distributed

from .. import labels as _labels
from .._values import Result, Strategy, as_strategy, jsonable
from ..client import Client, connect
from ..errors import BadValue, Conflict, Exists, NotFound
from ..stream import Stream


def rank_and_world(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """As given, or else torch.distributed's, or else rank 0 of 1."""
    running = torch.distributed.is_available() and torch.distributed.is_initialized()
    if world_size is None:
        world_size = torch.distributed.get_world_size() if running else 1
    if rank is None:
        rank = torch.distributed.get_rank() if running else 0
    if not 0 <= rank < world_size:
        raise BadValue(
            f"rank {rank} of world size {world_size} does not exist: ranks count from 0", "rank"
        )
    return rank, world_size


@dataclass
class Attachment:
    """A job by name, and all that is needed to create it. Can be pickled; connects when first used
    in a process, so that it works after fork and spawn."""

    job: str
    address: str | None
    dataset: Any  # of which the length must agree; not pickled
    labels: Any
    callback: Callable[[Any], Any] | None
    strategy: Strategy | None
    batch_size: int | None  # global
    seed: int
    mode: str
    last_batch: str | None
    rank: int | None  # None: shared
    world_size: int
    time_limit: float
    weights: Any = None  # of the samples, as column "weight"

    _client: Client | None = None

    def client(self) -> Client:
        """This process's connection."""
        if self._client is None or not self._client.usable:
            where = "" if self.rank is None else f" rank {self.rank}"
            self._client = connect(
                self.address, name=f"evendraw.torch{where}", time_limit=self.time_limit
            )
        return self._client

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def __getstate__(self) -> dict[str, Any]:
        kept = {**self.__dict__, "_client": None}
        return {**kept, "dataset": None, "labels": None, "callback": None, "weights": None}

    # ---- the job ----

    def ensure(self) -> Result:
        """The job's info map: as it is, or created. Checks that it fits what the caller has."""
        try:
            info = self.client().job(self.job)
        except NotFound as error:
            info = self._create(error)
        self._check(info)
        self._warn(info)
        return info

    def _create(self, error: NotFound) -> Result:
        if self.dataset is None and self.labels is None:
            raise NotFound(
                f"{error}; or let this sampler create it: pass dataset= (or labels=) and batch_size=",
                self.job,
            ) from None
        if self.rank:
            return self._wait_for_rank_0()
        if self.batch_size is None:
            raise BadValue(f"batch_size is needed to create job {self.job!r}", "batch_size")
        labels, classes = self._labels()
        client = self.client()
        weights = None if self.weights is None else {"weight": self.weights}
        version = client.create_dataset(self.job, labels, classes, weights=weights)["version"]
        try:
            return client.create_job(
                self.job,
                self.job,
                self.batch_size,
                self.strategy or "uniform",
                version=version,
                seed=self.seed,
                mode="shared" if self.rank is None else "ranked",
                world_size=None if self.rank is None else self.world_size,
                last_batch=self.last_batch,  # type: ignore[arg-type]
            )
        except Exists:  # somebody was faster
            return client.job(self.job)

    def _labels(self) -> tuple[Any, Sequence[Any] | None]:
        if self.labels is not None:
            return self.labels, getattr(self.dataset, "classes", None)
        return _labels.labels_of(self.dataset, self.callback)

    def _wait_for_rank_0(self) -> Result:
        deadline = time.monotonic() + self.time_limit
        while True:
            try:
                return self.client().job(self.job)
            except NotFound:
                if time.monotonic() > deadline:
                    raise NotFound(
                        f"rank {self.rank} waited {self.time_limit:.0f} s for rank 0 to create job "
                        f"{self.job!r}: start rank 0, or create the job before training",
                        self.job,
                    ) from None
            time.sleep(0.1)

    def _check(self, info: Result) -> None:
        if self.dataset is not None or self.labels is not None:
            here = len(self.dataset if self.dataset is not None else self.labels)
            there = self.client().dataset(info["dataset"], info["version"])["samples"]
            if here != there:
                raise BadValue(
                    f"your dataset has {here} samples, but job {self.job!r} draws from "
                    f"{info['dataset']!r} version {info['version']} with {there}: its indices would "
                    "not fit. Pass the dataset that was loaded there, or create another job (a new "
                    "name, or drop this one first)",
                    "dataset",
                )
        if info["mode"] != self.mode:
            raise BadValue(
                f"job {self.job!r} is {info['mode']}, and this needs a {self.mode} one: "
                + (
                    "use evendraw.torch.IterableDataset with it, or create one with mode='ranked'"
                    if self.mode == "ranked"
                    else "use evendraw.torch.BatchSampler with it, or create one with mode='shared'"
                ),
                "mode",
            )
        if self.batch_size is not None and info["batch_size"] != self.batch_size:
            total = info["batch_size"]
            raise BadValue(
                f"job {self.job!r} has a global batch of {total}, and you asked for "
                f"{self.batch_size // self.world_size} on each of {self.world_size} ranks: "
                f"leave batch_size out (then it is {total // self.world_size}), or create another job",
                "batch_size",
            )
        if info["batch_size"] % self.world_size:
            raise BadValue(
                f"the global batch of {info['batch_size']} of job {self.job!r} cannot be divided "
                f"among {self.world_size} ranks: choose a number of ranks that divides it",
                "world_size",
            )

    def _warn(self, info: Result) -> None:
        """Of what was given in vain, since the job exists already."""
        if self.strategy is None:
            return
        given = json.loads(json.dumps(as_strategy(self.strategy), default=jsonable))
        if given not in [revision["strategy"] for revision in info["revisions"]]:
            warnings.warn(
                f"job {self.job!r} exists already and is left as it is: it draws by "
                f"{info['strategy']}, not by {given}. Change it by client.update_job (or `evendraw "
                "job set`), or begin another job (a new name, or drop this one first)",
                stacklevel=5,
            )

    def open(self, *, window: int, columns: Sequence[str], manual_ack: bool) -> Stream:
        """Attaches this process."""
        deadline = time.monotonic() + _LOST_WORKERS
        while True:
            try:
                return self._open(window, columns, manual_ack)
            except Conflict as error:  # an earlier run that was killed a moment ago?
                if time.monotonic() > deadline:
                    advice = _ADVICE.get(error.detail, "")
                    raise Conflict(f"{error}. {advice}".strip(), error.detail) from None
            time.sleep(0.1)

    def _open(self, window: int, columns: Sequence[str], manual_ack: bool) -> Stream:
        return self.client().open(
            self.job,
            rank=self.rank,
            world_size=None if self.rank is None else self.world_size,
            window=window,
            columns=columns,
            manual_ack=manual_ack,
            early_end=True,
        )


_ADVICE = {
    "rank": "Does another sampler of this job live in this process, or an earlier run still? "
    "Validation needs a job of its own; every process its own rank",
    "world_size": "The number of ranks can change while none is attached: end the others first",
}


def seek(attachment: Attachment, target: dict[str, Any]) -> bool:
    """Moves the job to a position, for all ranks: each calls this before its next batch. Returns
    whether that was the end of its epoch, so that the job stands at the beginning of the next.

    Under torch.distributed rank 0 does it and the others wait for it. Without, whoever comes first
    does; those who come when it is attached again find the job moved.
    """
    running = torch.distributed.is_available() and torch.distributed.is_initialized()
    together = running and attachment.world_size == torch.distributed.get_world_size() > 1
    if not together:
        return _seek(attachment, target)
    outcome: list[Any] = [None]
    if torch.distributed.get_rank() == 0:
        try:
            outcome[0] = _seek(attachment, target)
        except Exception as error:  # the others must not wait for ever
            outcome[0] = error
    torch.distributed.broadcast_object_list(outcome, src=0)
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return bool(outcome[0])


def _seek(attachment: Attachment, target: dict[str, Any]) -> bool:
    client = attachment.client()
    deadline = time.monotonic() + _LOST_WORKERS
    while True:
        info = client.job(attachment.job)
        position = {"epoch": target["epoch"], "step": target["step"]}
        if info["acked"] == position == {"epoch": info["epoch"], "step": info["step"]}:
            return False
        try:
            answer = client.call("job.seek", job=attachment.job, mode="replay", **position)
            return answer["epoch"] > target["epoch"]  # type: ignore[no-any-return]
        except Conflict:  # workers hold batches: of an earlier run that was killed a moment ago?
            if time.monotonic() > deadline:
                if info["generation"] != target["generation"]:
                    # Another rank has moved the job and is at work.
                    return info["acked"]["epoch"] > target["epoch"]  # type: ignore[no-any-return]
                raise
        time.sleep(0.1)


# Seconds after which the daemon gives up the workers of a run that was killed: a job's `grace` is 2.
_LOST_WORKERS = 4.0
