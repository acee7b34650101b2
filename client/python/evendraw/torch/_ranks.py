"""Which rank this process is, and what the ranks of a torch.distributed group do together."""

from __future__ import annotations

import datetime
import os
import sys
import types
from collections.abc import Callable
from typing import Any, TypeVar

import torch.distributed

from ..errors import BadValue, UsageError

_T = TypeVar("_T")

PATIENCE = 1800.0
"""Seconds that ranks wait for one another, which is also torch's: one may be validating alone."""

_ours: Any = None  # the group made last


def rank_and_world(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """As given, or else torch.distributed's, or else rank 0 of 1."""
    if world_size is None and rank is None:
        _check_environment()
    if world_size is None:
        world_size = torch.distributed.get_world_size() if running() else 1
    if rank is None:
        rank = torch.distributed.get_rank() if running() else 0
    if not 0 <= rank < world_size:
        raise BadValue(
            f"rank {rank} of world size {world_size} does not exist: ranks count from 0", "rank"
        )
    return rank, world_size


def running() -> bool:
    """Whether there is a group."""
    return bool(torch.distributed.is_available() and torch.distributed.is_initialized())


def together(world_size: int) -> bool:
    """Whether the ranks of that world are those of the group, so that they can agree."""
    return running() and world_size == torch.distributed.get_world_size() > 1


def on_rank_0(function: Callable[[], _T]) -> _T:
    """What rank 0's call returned or raised, on all ranks of the group: each of them calls this."""
    outcome: list[Any] = [None, None]
    group = _group()
    if torch.distributed.get_rank() == 0:
        try:
            outcome[0] = function()
        except Exception as error:  # the others must not wait for ever
            outcome[1] = error
    try:
        torch.distributed.broadcast_object_list(outcome, src=0, group=group)
    except RuntimeError as error:
        raise _alone(error) from error
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]  # type: ignore[no-any-return]


def agree(value: Any, what: str) -> None:
    """Waits until all ranks of the group are here, and UsageError if they do not want the same."""
    values = [None] * torch.distributed.get_world_size()
    try:
        torch.distributed.all_gather_object(values, value, group=_group())
    except RuntimeError as error:
        raise _alone(error) from error
    for rank, other in enumerate(values):
        if other != values[0]:
            raise UsageError(
                f"all ranks move to one place, but rank 0 asks for {what} {values[0]} and rank "
                f"{rank} for {other}: break off loops, load states and set epochs on all of them alike"
            )


def _group() -> Any:
    """All ranks, in a group of our own: what is said in it cannot be taken for the model's, needs
    no GPU, and is not waited for without end. None, which is torch's own one, where there is no
    gloo."""
    global _ours
    try:
        if _ours is not None and torch.distributed.get_group_rank(_ours, 0) == 0:
            return _ours
    except (RuntimeError, ValueError):  # it went with the torch.distributed that it was made in
        pass
    _ours = None
    if torch.distributed.is_gloo_available():
        _ours = torch.distributed.new_group(
            backend="gloo", timeout=datetime.timedelta(seconds=PATIENCE)
        )
    return _ours


def _alone(error: RuntimeError) -> UsageError:
    return UsageError(
        f"rank {torch.distributed.get_rank()} waited for the other ranks, and they did not come: "
        "make samplers, break off loops, load states and set epochs on all of them alike "
        f"({str(error).splitlines()[0]})"
    )


def check_undivided(job: str) -> None:
    """Called by ``__iter__`` itself: UsageError if its caller shares out among processes what is
    shared out already.

    Accelerate (BatchSamplerShard, IterableDatasetShard, also under the Trainer) and Lightning's
    wrappers put a sampler or dataset of theirs around ours, which knows how many processes there
    are and which one this is. They have nothing else in common.
    """
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if not isinstance(owner, (torch.utils.data.Sampler, torch.utils.data.Dataset)):
            return  # a DataLoader's iterator, or a loop of the user's
        for count, index in _SHARES:
            shares = getattr(owner, count, 1)
            if isinstance(shares, int) and shares > 1 and hasattr(owner, index):
                raise UsageError(
                    f"job {job!r} gives every process its own part already, and {type(owner).__name__} "
                    f"would give each only one in {shares} of that: most samples would never be seen. "
                    "Keep the framework from dividing it: Lightning: "
                    "Trainer(use_distributed_sampler=False); Accelerate: do not pass this DataLoader to "
                    "prepare(), or make the sampler with rank=0, world_size=1 (FRAMEWORKS.md)"
                )
        frame = frame.f_back


_SHARES = (("num_processes", "process_index"), ("num_replicas", "rank"))


def processes(job: str) -> int:
    """How many are in the group that shares a job; they need one to share it without a name."""
    if not job:
        _check_environment()
    return int(torch.distributed.get_world_size()) if running() else 1


def _check_environment() -> None:
    """Started as one of several processes that do not know of one another yet, every process would
    be rank 0, and one of them would get everything."""
    world = os.environ.get("WORLD_SIZE", "1")
    if not running() and world.isdecimal() and int(world) > 1:
        raise UsageError(
            f"this is one of {world} processes (WORLD_SIZE={world}), and torch.distributed is not "
            "initialised: make samplers after init_process_group(), or pass both of a rank and a "
            "number of ranks (rank=, world_size=; of the drop-in samplers rank=, num_replicas=; "
            "an IterableDataset needs a name, job=)"
        )
