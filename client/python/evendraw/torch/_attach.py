"""What samplers have in common: finding or creating their job, and attaching to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch.utils.data

from .. import labels as _labels
from .._values import Result, Strategy, new_name
from ..client import Client, connect
from ..errors import BadValue, Busy, Conflict, Exists, NotFound, UsageError
from ..stream import Stream
from ._ranks import on_rank_0, together

IfExists = Literal["same", "attach", "restart", "refuse"]

EPHEMERAL = 300.0
"""Seconds that a job without a name outlives the last process that used it."""

LOST_WORKERS = 4.0
"""Seconds after which the daemon has given up the workers of a run that was killed: a job's `grace`
is 2."""


class _DatasetGone(NotFound):
    """The connection was lost between the dataset and its job."""


BatchSize = int | Callable[[Client, Result], int]
"""Or what says it, once the dataset is there that the job is made of."""


@dataclass
class Attachment:
    """A job, and all that is needed to create it. Can be pickled; connects when first used in a
    process, so that it works after fork and spawn."""

    job: str  # "": a run of its own, until it has a name
    address: str | None
    dataset: Any  # of which the length must agree; not pickled
    labels: Any
    callback: Callable[[Any], Any] | None
    strategy: Strategy | None
    batch_size: BatchSize | None  # global
    seed: int | None
    mode: str
    last_batch: str | None
    rank: int | None  # None: shared
    world_size: int
    time_limit: float
    exists: IfExists = "same"
    processes: int = 0  # that share the job, of a torch.distributed group; 0: world_size
    classes: Sequence[Any] | None = None  # of `labels`; None: the dataset's, if it has them
    weights: Any = None  # of the samples, as column "weight"
    exclusive: bool = False

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
        creating = ("dataset", "labels", "classes", "callback", "weights")
        return {**self.__dict__, "_client": None, **dict.fromkeys(creating)}

    # ---- the job ----

    def ensure(self) -> Result:
        """The job's info map: as it is, or created. Nothing is created unless all that can be
        checked here is right, and what was begun is taken back."""
        if self.exists not in ("same", "attach", "restart", "refuse"):
            raise BadValue(
                f'exists is "same", "attach", "restart" or "refuse", not {self.exists!r}', "exists"
            )
        try:
            info = self._ensure()
            self.job = info["job"]
            if callable(self.batch_size):  # somebody else has made the job
                self.batch_size = None
            self._check(info)
        except BaseException:
            self.close()  # and with it goes what the job would have been made of
            raise
        return info

    def _ensure(self) -> Result:
        if together(self.processes or self.world_size):
            return on_rank_0(self._find_or_create)
        if self.world_size > 1 and not self.job:
            raise UsageError(
                f"{self.world_size} ranks that are not in one torch.distributed group cannot know of "
                'one another\'s job: give it a name (job="..."), or call init_process_group() first',
                "job",
            )
        if self.rank and self._can_create():
            return self._wait_for_rank_0()
        return self._find_or_create()

    def _can_create(self) -> bool:
        return self.dataset is not None or self.labels is not None

    def _find_or_create(self) -> Result:
        if not self._can_create():
            return self._find()
        labels, classes = self._labels()
        if self.exists == "attach" or (self.batch_size is None and self.job):
            try:
                info = self.client().job(self.job)
            except NotFound:
                pass
            else:
                if self.exists == "attach":
                    return info
                self.batch_size = info["batch_size"]
        if self.batch_size is None:
            raise BadValue(
                "batch_size is needed to create a job" + (f" {self.job!r}" if self.job else ""),
                "batch_size",
            )
        return self._create(labels, classes)

    def _find(self) -> Result:
        if not self.job:
            raise UsageError(
                "there is nothing to draw from: pass dataset= or labels=, or the name of a job that "
                'the daemon has (job="...")',
                "dataset",
            )
        try:
            return self.client().job(self.job)
        except NotFound as error:
            raise NotFound(
                f"{error}; or let this sampler create it: pass dataset= (or labels=) and batch_size=",
                self.job,
            ) from None

    def _create(self, labels: Any, classes: Sequence[Any] | None) -> Result:
        """Or joins. Somebody may be creating or dropping the job at this moment, and a connection
        that is lost takes a dataset with it of which there is no job yet."""
        deadline = time.monotonic() + self.time_limit
        while True:
            try:
                return self._create_once(labels, classes)
            except Busy:
                if time.monotonic() > deadline:
                    raise
            except _DatasetGone as error:
                if time.monotonic() > deadline:
                    raise NotFound(str(error), error.detail) from None
            except Exists as error:
                raise Exists(f"{error}: {_EXISTS_ADVICE}", error.detail) from None
            time.sleep(0.05)

    def _create_once(self, labels: Any, classes: Sequence[Any] | None) -> Result:
        client = self.client()
        name = self.job or new_name()
        weights = None if self.weights is None else {"weight": self.weights}
        data = client.create_dataset(name, labels, classes, weights=weights, owned=True)
        assert self.batch_size is not None
        if callable(self.batch_size):
            self.batch_size = self.batch_size(client, data)
        try:
            return client.create_job(
                name,
                data["dataset"],
                self.batch_size,
                self.strategy,
                version=data["version"],
                seed=self.seed,
                mode="shared" if self.rank is None else "ranked",
                world_size=None if self.rank is None else self.world_size,
                last_batch=self.last_batch,  # type: ignore[arg-type]
                if_exists=self.exists if self.job else None,
                ephemeral=None if self.job else EPHEMERAL,
            )
        except NotFound as error:
            if error.detail == data["dataset"]:
                raise _DatasetGone(str(error), error.detail) from None
            if "attachment" in str(error):
                raise NotFound(f"{error}: {_NEIGHBOURS_ADVICE}", error.detail) from None
            raise

    def _labels(self) -> tuple[Any, Sequence[Any] | None]:
        found, classes = self.labels, self.classes
        if found is None:
            found, classes = _labels.labels_of(self.dataset, self.callback)
        elif classes is None:
            classes = _labels.classes_of(self.dataset)
        if not hasattr(found, "__len__"):
            found = list(found)
        if self.dataset is not None and len(self.dataset) != len(found):
            raise BadValue(
                f"there are {len(found)} labels for a dataset of {len(self.dataset)} samples: one "
                "label a sample is needed, in the dataset's order",
                "labels",
            )
        return found, classes

    def _wait_for_rank_0(self) -> Result:
        if self.exists == "restart":
            raise UsageError(
                "exists='restart' needs ranks that agree who begins: call init_process_group() first, "
                "or remove the job once (`evendraw job rm`) before the ranks are started",
                "exists",
            )
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
        if self._can_create():
            here = len(self.dataset if self.dataset is not None else self.labels)
            there = self.client().dataset(info["dataset"], info["version"])["samples"]
            if here != there:
                raise BadValue(
                    f"your dataset has {here} samples, but job {self.job!r} draws from "
                    f"{info['dataset']!r} version {info['version']} with {there}: its indices would "
                    f"not fit. Pass the dataset that it was made for, or begin anew: {_EXISTS_ADVICE}",
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
        if isinstance(self.batch_size, int) and info["batch_size"] != self.batch_size:
            total = info["batch_size"]
            raise BadValue(
                f"job {self.job!r} has a global batch of {total}, and you asked for "
                f"{self.batch_size // self.world_size} on each of {self.world_size} ranks: "
                f"leave batch_size out (then it is {total // self.world_size}), or begin anew: "
                f"{_EXISTS_ADVICE}",
                "batch_size",
            )
        if info["batch_size"] % self.world_size:
            raise BadValue(
                f"the global batch of {info['batch_size']} of job {self.job!r} cannot be divided "
                f"among {self.world_size} ranks: choose a number of ranks that divides it",
                "world_size",
            )

    def open(
        self,
        *,
        window: int,
        columns: Sequence[str],
        manual_ack: bool,
        make_way: Callable[[], bool | None] = lambda: None,
    ) -> Stream:
        """Attaches this process. If its place is taken, `make_way` says whether that was ended (True),
        or is not to be (False); None: it is not known here who has it."""
        deadline = time.monotonic() + LOST_WORKERS
        while True:
            try:
                return self._open(window, columns, manual_ack)
            except Conflict as error:  # an earlier run that was killed a moment ago?
                way = make_way() if error.detail in ("rank", "exclusive") else None
                if way is False or time.monotonic() > deadline:
                    advice = _ADVICE.get(error.detail, "")
                    raise Conflict(f"{error}. {advice}".strip(), error.detail) from None
            if way:
                deadline = time.monotonic() + LOST_WORKERS
            time.sleep(0.02 if way else 0.1)

    def _open(self, window: int, columns: Sequence[str], manual_ack: bool) -> Stream:
        return self.client().open(
            self.job,
            rank=self.rank,
            world_size=None if self.rank is None else self.world_size,
            window=window,
            columns=columns,
            manual_ack=manual_ack,
            early_end=True,
            exclusive=self.exclusive,
        )


_EXISTS_ADVICE = (
    'exists="attach" or exists="restart"; without a name a sampler has a job of its own'
)

_NEIGHBOURS_ADVICE = (
    "make dataset, neighbours and job first, by client.create_dataset(name, dataset), "
    "client.neighbours(name, features) and client.create_job(job, name, batch_size, strategy, "
    'mode="ranked"), and pass job and dataset='
)

_ADVICE = {
    "rank": "Does another sampler of this job live in this process, or an earlier run still? "
    "Validation needs a job of its own; every process its own rank",
    "exclusive": "Does another sampler of this job live, here or in another process? Leave the name "
    "out, and each has a job of its own",
    "world_size": "The number of ranks can change while none is attached: end the others first",
}


def job_and_dataset(job: Any, dataset: Any) -> tuple[str, Any]:
    """The first argument is the name of a job, or, as everywhere in PyTorch, the dataset."""
    if job is None or isinstance(job, str):
        return job or "", dataset
    if isinstance(job, torch.utils.data.Sampler):
        raise UsageError(
            f"a {type(job).__name__} was passed: this decides itself what is drawn, and takes the "
            "dataset or labels= in its place. (Lightning passes one where it divides samplers among "
            "processes: Trainer(use_distributed_sampler=False))",
            "job",
        )
    if isinstance(job, (int, float)) or dataset is not None:
        raise UsageError(
            f"the first argument is the name of a job (text) or the dataset, not {job!r}: pass what "
            "it is by its name (batch_size=, dataset=, labels=)",
            "job",
        )
    return "", job
