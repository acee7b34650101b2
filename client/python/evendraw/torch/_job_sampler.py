"""What all samplers are: a place in a job, which moves with every batch."""

from __future__ import annotations

import threading
import warnings
from typing import Any, Literal, NamedTuple

import torch.utils.data

from .._values import Result
from ..errors import BadValue, Conflict, UsageError
from ..stream import Batch, Stream
from ._attach import Attachment
from ._moves import go_to, siblings
from ._ranks import together

State = dict[str, Any]
"""A position: job, dataset, version, generation, epoch, step; and what tells it from one that would
draw something else: checksum (of the dataset), revision, digest (of the strategy that drew the last
batch before it, with seed and counts), batch_size (global) and seed. Plain values, for a checkpoint."""

Resume = Literal["position", "epoch"]


class Position(NamedTuple):
    """In a job; `revision` is the strategy that drew the batch before it."""

    generation: int
    epoch: int
    step: int
    revision: int


class JobSampler(torch.utils.data.Sampler):
    """The common part of `BatchSampler` and `Sampler`."""

    def __init__(
        self,
        attachment: Attachment,
        columns: tuple[str, ...],
        window: int,
        resume: Resume | None,
    ) -> None:
        if resume not in (None, "position", "epoch"):
            raise BadValue(f'resume is "position" or "epoch", not {resume!r}', "resume")
        self._attachment = attachment
        self.columns = columns
        self._window = window
        self._manual_ack = False
        self._stream: Stream | None = None
        self._thread = 0  # that attached it
        self._iterations = 0  # begun; only the newest goes on
        # Before this (epoch, step) all that was read here is acknowledged, since the job was moved.
        self._behind = (0, 0)
        info = attachment.ensure()
        self.job: str = info["job"]
        self._last_batch: str = info["last_batch"]
        whole = info["ephemeral"] > 0 or self._last_batch == "exact"
        self._resume: Resume = resume or ("epoch" if whole else "position")
        self._drawn_from = {key: info[key] for key in ("job", "dataset", "version")}
        stored = attachment.client().dataset(info["dataset"], info["version"])
        self._drawn_from["checksum"] = stored["checksum"]
        self._drawn_from |= {key: info[key] for key in ("batch_size", "seed")}
        self._digests = _digests_of(info)
        self._position = _acknowledged(info)  # after the last batch returned
        self._target: State | None = None  # where the next iteration begins, if that was said
        # Is the position within an epoch, of which something is gone? None: not known yet.
        self._within: bool | None = None
        if together(attachment.world_size):  # then all ranks come to the same answer
            self._within = (info["epoch"], info["step"]) > (self._position.epoch, 0)
        self._restarts = 0  # of this epoch
        self.batch_size: int = info["batch_size"] // attachment.world_size
        siblings.add(self)

    # ---- epochs ----

    def set_epoch(self, epoch: int) -> None:
        """As of DistributedSampler: the next iteration is that epoch, from its beginning; except
        that right after `load_state_dict` of a position within that epoch it goes on from there.
        Epochs also advance by themselves. An iteration that is under way is left alone."""
        if epoch < 0:
            raise BadValue(f"there is no epoch {epoch}: epochs count from 0", "epoch")
        if self._target is None or self._target["epoch"] != epoch:
            self._target = self._beginning_of(epoch)

    def rewind(self) -> None:
        """The next iteration is the present epoch from its beginning: the one that the last
        iteration broke off, or else the one that would come next."""
        self._target = self._beginning_of(self._position.epoch)

    # ---- checkpoints ----

    def state_dict(self) -> State:
        """The position after the last batch returned. Local: nothing is sent."""
        return dict(self._target) if self._target else self._state(self._position)

    def load_state_dict(self, state: State) -> None:
        """The next iteration begins at a position that `state_dict` returned: of this job, or of
        another one that draws the same.

        Raises:
            BadValue: of other labels, another batch size, seed or strategy.
        """
        if state.get("checksum") != self._drawn_from["checksum"]:
            raise BadValue(
                f"this state is of {_name_of(state)}, which draws from other labels, classes or "
                "weights: load the checkpoint that belongs to this dataset",
                "checksum",
            )
        self._check_draws(state)
        self._target = {**state, **self._drawn_from}

    def _check_draws(self, state: State) -> None:
        digest = state.get("digest")
        if digest not in self._digests.values():
            history = self._attachment.client().call("job.history", job=self.job)
            self._digests |= _digests_of(history)
        here = self._digests
        revision = state.get("revision", -1)
        mine = state.get("job") == self.job
        if here.get(revision) == digest if mine and revision in here else digest in here.values():
            return
        for key, what in (("batch_size", "a global batch"), ("seed", "seed")):
            if state.get(key, self._drawn_from[key]) != self._drawn_from[key]:
                raise BadValue(
                    f"this state is of {_name_of(state)}, with {what} of {state[key]}, and job "
                    f"{self.job!r} has {self._drawn_from[key]}: its steps are others. Make the sampler "
                    f"as it was, or begin an epoch anew: set_epoch({state.get('epoch')})",
                    key,
                )
        raise BadValue(
            f"this state is of {_name_of(state)}, which drew by another strategy, batch size or seed "
            f"than job {self.job!r} has had: load a checkpoint of this one, create the job as it was, or "
            f"begin an epoch anew: set_epoch({state.get('epoch')})",
            "digest",
        )

    def close(self) -> None:
        """Detaches from the job."""
        self._detach()
        self._attachment.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        siblings.add(self)

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

    def _beginning_of(self, epoch: int) -> State:
        return {**self._state(self._position), "epoch": epoch, "step": 0}

    def _steps(self) -> int:
        """Of the epoch in which the position is."""
        return self._attachment.client().job(self.job)["steps"]  # type: ignore[no-any-return]

    def _attached(self) -> Stream:
        stream = self._stream
        if stream is None or not stream.usable:
            self._stream = None
            stream = self._attachment.open(
                window=self._window,
                columns=self.columns,
                manual_ack=self._manual_ack,
                make_way=lambda: siblings.make_way(self),
            )
            self._stream, self._thread = stream, threading.get_ident()
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

    def _let_go(self) -> None:
        """Another sampler takes this one's place, and may go anywhere."""
        self._detach()
        self._within = True if together(self._attachment.world_size) else None
        self._iterations += 1

    def _begin(self) -> bool:
        """Goes where an iteration is to begin; False if that is the end of an epoch, of which there
        is nothing left."""
        target, self._target = self._target, None
        if target is None and self._resume == "epoch" and self._broken_off():
            target = self._beginning_of(self._position.epoch)
            self._restarted(target["epoch"])
        if target is None or self._stands_at(target):
            return True
        self._detach()
        at_end = go_to(self._attachment, target, self._position.generation, self._behind)
        self._within = False
        self._behind = (0, 0)
        if at_end:
            self._look()
        return not at_end

    def _stands_at(self, target: State) -> bool:
        """Is this rank at the beginning of the epoch that is the target?"""
        if target["step"] > 0 or target.get("taken"):
            return False
        return not self._begun() and self._position.epoch == target["epoch"]

    def _broken_off(self) -> bool:
        """Is something of the present epoch gone already, and something left?"""
        return self._begun() and self._position.step < self._steps()

    def _begun(self) -> bool:
        if self._within is None:
            info = self._attached().info  # what this rank gets first, whatever the others do
            self._within = info.first_step > 0
            self._position = self._position._replace(epoch=info.first_epoch, step=info.first_step)
        return self._within

    def _restarted(self, epoch: int) -> None:
        self._restarts += 1
        if self._restarts == 2:
            warnings.warn(
                f"job {self.job!r}: epoch {epoch} was broken off twice, and begins again with the same "
                "batches. If a loop never sees the end of an epoch, call set_epoch(n) before it, or "
                'make the sampler with resume="position", which goes on where the loop was left',
                stacklevel=6,
            )

    def _taken_elsewhere(self, target: State, batch: Batch) -> Conflict:
        self._let_go()
        return Conflict(
            f"job {self.job!r} was moved to epoch {batch.epoch}, step {batch.step}, where this loop was "
            f"to begin with epoch {target['epoch']}: by another sampler of it, or `evendraw job seek`. "
            "Call set_epoch() again, or leave the name out: then the job is this sampler's alone",
            "epoch",
        )

    def _next(self) -> Batch | None:
        """The next batch, None at the end of the epoch."""
        batch = self._attached().next()
        if batch is None:
            self._position = self._position._replace(epoch=self._position.epoch + 1, step=0)
            self._within = False
            self._restarts = 0
            if not self._manual_ack:
                self._behind = (self._position.epoch, 0)
            return None
        if batch.revision not in self._digests:
            self._digests |= _digests_of(self._attachment.client().job(self.job))
        self._position = after(batch)
        self._within = True
        if not self._manual_ack:
            self._behind = (batch.epoch, batch.step)
        return batch


class Iteration:
    """One loop over a sampler: the batches of an epoch, or of what is left of it."""

    def __init__(self, sampler: JobSampler) -> None:
        sampler._iterations += 1
        self._number = sampler._iterations
        self._sampler = sampler
        self._fresh = True
        self._done = False

    def next(self) -> Batch | None:
        """None at the end, and from then on."""
        if self._done:
            return None
        self.check()
        sampler = self._sampler
        batch = None
        if not self._fresh:
            batch = sampler._next()
        else:
            self._fresh = False
            said = sampler._target
            if sampler._begin():
                batch = sampler._next()
                if said is not None and batch is not None and batch.epoch != said["epoch"]:
                    raise sampler._taken_elsewhere(said, batch)
                if batch is None and said is None:
                    # An iteration that was left at the end of an epoch leaves nothing of it.
                    batch = sampler._next()
        self._done = batch is None
        return batch

    def check(self) -> None:
        """UsageError if another iteration has begun since."""
        if self._sampler._iterations != self._number:
            raise UsageError(
                f"job {self._sampler.job!r}: a newer iteration has begun, over this sampler or another "
                "one of that name, and took this one's place. Two loops at a time need two samplers, "
                "on different jobs: leave the name out, and each has one of its own"
            )


def after(batch: Batch) -> Position:
    """Right behind a batch."""
    return Position(batch.generation, batch.epoch, batch.step + 1, batch.revision)


def _name_of(state: State) -> str:
    return f"job {state.get('job')!r}"


def _acknowledged(info: Result) -> Position:
    """Where a job goes on when it is attached to again."""
    low = info["acked"]
    return Position(info["generation"], low["epoch"], low["step"], info["revision"])


def _digests_of(info: Result) -> dict[int, str]:
    """Of the answer of job.info or job.history, by number of revision."""
    return {revision["revision"]: revision["digest"] for revision in info["revisions"]}
