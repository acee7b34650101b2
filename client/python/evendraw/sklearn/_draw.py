"""Jobs of the daemon for a sampler: made, drawn from, and gone again. Called by _sampler.py and
_batches.py."""

from __future__ import annotations

import os
import secrets
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _attachments, _library
from .._arrays import is_bool
from .._neighbours import MOST, NeighbourSearch
from .._values import Result, new_name
from ..client import Client, connect
from ..errors import BadValue, Busy, Closed, Error, LimitError, NotFound
from ._tables import Labels

EPHEMERAL = 60.0
"""Seconds that a job outlives a process that was killed; others remove theirs."""

BATCH = 8192
"""Indices in a step of an epoch that is drawn at once. What is drawn may depend on it."""

MOST_ROWS = 2**30
"""Of an epoch that is drawn at once."""

Found = tuple[NDArray[np.uint32], NDArray[np.float32]]
"""Neighbours of all samples and their distances, shape (n, k), as `Client.attachment` has them."""

Search = Callable[[NDArray[np.uint32], int, str], Found]
"""Finds them: of samples with these class numbers (`UNLABELLED` for those that take no part), how many, "class"
or "all"."""

_BORDERLINE = ("borderline-1", "borderline-2")
_PATIENCE = 30.0  # seconds, while the daemon is busy or being restarted


@dataclass(frozen=True)
class Drawn:
    """An epoch: of each position its sample, the second one and its share (0: there is none)."""

    index: NDArray[np.int64]
    mix_index: NDArray[np.int64]
    mix_lambda: NDArray[np.float32]

    def __getitem__(self, chosen: NDArray[Any]) -> Drawn:
        return Drawn(self.index[chosen], self.mix_index[chosen], self.mix_lambda[chosen])


class Job:
    """A job and the connection that made it. Use it with ``with``, or close it."""

    def __init__(
        self,
        labels: Labels,
        strategy: dict[str, Any],
        search: Search | None,
        seed: int,
        batch_size: int,
        address: str | None,
        last_batch: str | None = None,
    ) -> None:
        self.columns = ["mix_index", "mix_lambda"] if strategy.get("kind") == "smote" else []
        self.client = connect(address, name="evendraw.sklearn")
        try:
            self.info = _patiently(
                lambda name: _make(
                    self.client, name, labels, strategy, search, seed, batch_size, last_batch
                )
            )
        except BaseException:
            self.client.close()  # and with it goes what the job would have been made of
            raise
        self._end = weakref.finalize(self, _remove, self.client, self.info["job"])  # at exit, too

    def epoch(self) -> Drawn:
        """The next one, whole."""
        if (rows := self.info["steps"] * self.info["batch_size"]) > MOST_ROWS:
            raise LimitError(
                f"{rows} rows would be made at once, and at most {MOST_ROWS} can: ask for fewer samples, or take "
                "balanced_batch_generator",
                "sampling_strategy",
            )
        with self.client.open(self.info["job"], columns=self.columns, exclusive=True) as stream:
            by_step = {batch.step: batch for batch in stream}  # after a lost connection some come again
        batches = [by_step[step] for step in sorted(by_step)]
        empty = np.empty(0, dtype=np.int64)
        index = np.concatenate([empty, *(batch.index for batch in batches)])
        if not self.columns:
            return Drawn(index, index, np.zeros(len(index), dtype=np.float32))
        second = [batch.mix_index for batch in batches if batch.mix_index is not None]
        share = [batch.mix_lambda for batch in batches if batch.mix_lambda is not None]
        return Drawn(index, np.concatenate([empty, *second]), np.concatenate(share))

    def close(self) -> None:
        """Removes the job, and with it the labels and what is attached to them."""
        self._end()

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _remove(client: Client, job: str) -> None:
    with suppress(Error):  # the daemon forgets it later
        if client.usable:
            client.drop_job(job, force=True)
    client.close()


def targets_of(sampling_strategy: Any, y: Any) -> Any:
    """A word, a ratio, a list, or how many by class; of a function what it says of y."""
    given = sampling_strategy(y) if callable(sampling_strategy) else sampling_strategy
    number = isinstance(given, (int, float, np.number)) and not is_bool(given) and np.isfinite(given)
    if number or isinstance(given, (str, Mapping, list, tuple, set, np.ndarray)):
        return given
    raise BadValue(
        f"sampling_strategy is {given!r}: it is a word, such as \"auto\", for two classes a ratio, {{class: number "
        "of samples}, or a function of y that returns one of these",
        "sampling_strategy",
    )


def class_map(sampling_strategy: Any, labels: Labels, y: Any) -> Any:
    """`sampling_strategy` as the daemon takes it: a word, a ratio, or how many by class."""
    sampling_strategy = targets_of(sampling_strategy, y)
    if isinstance(sampling_strategy, (list, tuple, set, np.ndarray)):
        raise BadValue(
            "sampling_strategy is a list, which is for strategies that clean: pass {class: number of samples}",
            "sampling_strategy",
        )
    if not isinstance(sampling_strategy, Mapping):
        return sampling_strategy
    numbers = {value: i for i, value in enumerate(labels.classes.tolist())}
    if unknown := [value for value in sampling_strategy if value not in numbers]:
        raise BadValue(
            f"sampling_strategy names {unknown[0]!r}, and y has no such class: it has "
            + ", ".join(repr(value) for value in list(numbers)[:10])
            + (", ..." if len(numbers) > 10 else ""),
            "sampling_strategy",
        )
    for value, count in sampling_strategy.items():
        if not isinstance(count, (int, float, np.number)) or is_bool(count) or not np.isfinite(count):
            raise BadValue(
                f"sampling_strategy of class {value!r} is {count!r}: a number of samples is needed",
                "sampling_strategy",
            )
    return {labels.names[numbers[value]]: count for value, count in sampling_strategy.items()}


def _patiently(make: Callable[[str], Result]) -> Result:
    """Under a new name each time: somebody else may drop at this moment a dataset of the same labels that
    ours is one with, and a connection that is lost takes a dataset with it of which there is no job yet."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        name = new_name()
        try:
            return make(name)
        except (Busy, Closed, _DatasetGone):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


class _DatasetGone(NotFound):
    """The connection was lost between the dataset and its job."""


def _make(
    client: Client,
    name: str,
    labels: Labels,
    strategy: dict[str, Any],
    search: Search | None,
    seed: int,
    batch_size: int,
    last_batch: Any,
) -> Result:
    smote = strategy.get("kind") == "smote"
    # Equal labels are one dataset in the daemon. What is attached to them must be this job's alone,
    # and go with it: a class without samples makes them others.
    alone = [f"evendraw.sklearn {secrets.token_hex(8)}"] if smote else []
    data = client.create_dataset(name, labels.codes, [*labels.names, *alone], owned=True)
    try:
        if smote:
            assert search is not None
            _attach_neighbours(client, data, labels, strategy, search)
        return client.create_job(
            name,
            data["dataset"],
            batch_size,
            strategy,
            version=data["version"],
            seed=seed,
            last_batch=last_batch,
            ephemeral=EPHEMERAL,
            time_to_run=0,
        )
    except NotFound as error:
        if error.detail == data["dataset"]:
            raise _DatasetGone(str(error), error.detail) from None
        raise


def _attach_neighbours(
    client: Client, data: Result, labels: Labels, strategy: dict[str, Any], search: Search
) -> None:
    """Those that the strategy needs. Nothing if it will be refused for its variant."""
    if given := {"neighbours", "all_neighbours"} & strategy.keys():
        raise BadValue(f"{min(given)} cannot be given: the sampler finds the neighbours in X", min(given))
    variant, k = strategy.get("variant", "regular"), strategy.get("k", 5)
    if variant not in ("regular", "adasyn", *_BORDERLINE):
        return
    # Classes that stay as they are need none, and are the large ones.
    fill = {key: value for key, value in strategy.items() if key == "sampling_strategy"}
    of = {"dataset": data["dataset"], "version": data["version"]}
    filled = client.preview({"kind": "oversampled", **fill}, batch_size=BATCH, **of)
    grows = filled["drawn"] > filled["count"] + 0.5
    if not grows.any():
        grows[:] = True  # there must be a table
    codes = np.where(grows[labels.codes], labels.codes, np.uint32(_library.NO_LABEL))
    _attach(client, of, "class", codes, "k", k, search)
    if variant == "adasyn":
        _attach(client, of, "all", labels.codes, "k", k, search)
    elif variant in _BORDERLINE:
        _attach(client, of, "all", labels.codes, "m", strategy.get("m", 10), search)


def _attach(
    client: Client,
    of: Result,
    scope: str,
    codes: NDArray[np.uint32],
    called: str,
    k: Any,
    search: Search,
) -> None:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= MOST:
        raise BadValue(f"{called} is {k!r}: it can be from 1 to {MOST}", called)
    index, distance = search(codes, int(k), scope)
    fields = {"kind": "neighbours", "k": int(k), "scope": scope, "metric": "euclidean"}
    _attachments.attach(client, index, distance, name=scope, **of, **fields)


def search_of(features: NDArray[Any]) -> Search:
    """By euclidean distances of rows."""

    def search(codes: NDArray[np.uint32], k: int, scope: str) -> Found:
        index, distance, _ = NeighbourSearch(features, codes, k, "euclidean", 0, threads(), None).run(scope)
        return index, distance

    return search


def threads() -> int:
    """For a search; 0: one for each processor. joblib tells its workers in this way how many they may
    have each."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(said), 1024) if said.isdecimal() else 0
