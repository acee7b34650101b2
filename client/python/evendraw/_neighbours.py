"""Nearest neighbours of a dataset's samples, from features, attached to the dataset; and what is
attached to one. A part of `Client`."""

from __future__ import annotations

import ctypes
import json
import os
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import _attachments, _library
from ._arrays import mask_of, to_array
from ._connection import Connection
from ._values import Result, as_text
from .errors import BY_NAME, BadValue, Error, LimitError, UsageError

lib = _library.lib

Progress = Callable[[int, int], object]

_METRICS = {"euclidean": 0, "cosine": 1}
_SCOPES = {"all": 0, "class": 1}
MOST = 64  # neighbours of a sample that the daemon keeps


class Neighbours(Connection):
    """The methods of a connection that are about attachments of datasets."""

    def neighbours(
        self,
        dataset: str,
        features: Any,
        k: int = 5,
        scope: Literal["class", "all", "both"] = "both",
        metric: Literal["euclidean", "cosine"] = "euclidean",
        *,
        name: str | None = None,
        version: int | None = None,
        allow_short: bool = False,
        approximate: bool = False,
        recall: float = 0.95,
        threads: int = 0,
        progress: Progress | None = None,
        partial: str | os.PathLike[str] | None = None,
    ) -> dict[str, Result]:
        """Finds the k nearest neighbours of every sample with a label, exactly unless `approximate`,
        and attaches them to the dataset. The features stay here. What is there already, of the same
        features, is not searched again. Ctrl-C ends the search.

        Args:
            features: shape (samples, d): NumPy array, torch tensor on any device, DataFrame or list
                of rows; row i is sample i, those without a label too. float32 and float64 in C
                order are used where they are, others are copied.
            scope: "class": among samples of the same class, as SMOTE needs them; "all": among all
                that have a label, as cleaning needs them.
            name: what it is called there, of one scope; None: as the scope, "class" or "all", and of
                another metric with its name behind, as "class-cosine".
            version: of the dataset; None: the newest.
            allow_short: also where a class has too few samples for k neighbours; SMOTE cannot fill
                it up then.
            approximate: find most of them, of many samples several times faster. Where that would
                be no faster (fewer than 20,000 samples, no clusters) the search is exact. What is
                there already may be exact, or of this recall.
            recall: with `approximate`, at least this share of the exact neighbours. It is measured
                against the exact search of some samples: `terms` of the result has "exact", and if
                that is False "recall", "recall_low" and "recall_high" (of its 95 % interval).
            threads: 0: one for each processor.
            progress: called with how much of how much is done, ten times a second, by this thread.
            partial: a file in which a search keeps how far it has come, about once a minute and when
                it is interrupted: the same call goes on from there. Removed in the end.

        Returns:
            for each scope, by its name: dataset, version, name, k, scope, metric, terms, digest,
            lacking (samples with fewer than k), ... `attachment` gives the numbers.

        Raises:
            NotFound (dataset); BadValue: features of another length, not finite, of a type that is
            no number, a class that is too small; Exists: something else has the name. Conflict:
            `partial` is of another search; Busy: one that is under way has it; StoreError: it cannot
            be read or written.
        """
        scopes = _checked_scopes(scope, name)
        if metric not in list(_METRICS):
            raise BadValue(f'metric is {metric!r}: it is "euclidean" or "cosine"', "metric")
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= MOST:
            raise LimitError(f"k is {k!r}: it can be from 1 to {MOST}", "k")
        if not isinstance(threads, (int, np.integer)) or not 0 <= threads <= 1024:
            raise LimitError(f"threads is {threads!r}: it can be from 0 to 1024", "threads")
        if not isinstance(recall, (float, np.floating)) or not 0 < recall < 1:
            raise BadValue(f"recall is {recall!r}: it is a share, between 0 and 1", "recall")
        info = self.call("dataset.info", dataset=dataset, version=version)
        rows = as_features(features, info)
        labels = _attachments.labels(self, info)
        least = float(recall) if approximate else 0.0
        search = NeighbourSearch(rows, labels, int(k), metric, least, threads, progress)
        if partial is not None:
            search.keep_in(partial)
        if not allow_short:
            for one in scopes:
                self._check_members(info, search, one)
        behind = "" if metric == "euclidean" else f"-{metric}"
        return {one: self._found(info, search, one, name or one + behind) for one in scopes}

    def attachments(self, dataset: str, version: int | None = None) -> list[Result]:
        """What is attached to a version of a dataset, by name; version None: the newest."""
        return _attachments.attachments(self, dataset, version)

    def attachment(
        self, dataset: str, name: str, version: int | None = None
    ) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
        """The numbers of what is attached to a dataset.

        Returns:
            of neighbours their indices, shape (samples, k), uint32, all ones where there is none,
            and their distances, float32, infinite there; of others one value for each sample, and
            None.

        Raises:
            NotFound.
        """
        for info in self.attachments(dataset, version):
            if info["name"] == name:
                return _attachments.read(self, info, distances=info["kind"] == "neighbours")
        # The daemon says what there is.
        self.call("attachment.read", dataset=dataset, version=version, name=name, count=1)
        raise UsageError(f"{name!r} was attached just then: ask again", name)

    def detach(self, dataset: str, name: str, version: int | None = None) -> None:
        """Removes what is attached. Raises Conflict while something needs it."""
        self.call("attachment.drop", dataset=dataset, name=name, version=version)

    def _check_members(self, info: Result, search: NeighbourSearch, scope: str) -> None:
        """imbalanced-learn's rule: k + 1 samples, or none."""
        found = search.check(scope)
        if found is None:
            return
        members, k = found.short_members, search.k
        whom = "with a label there are only"
        if found.short_class != _library.NO_LABEL:
            answer = self.call(
                "dataset.stats",
                dataset=info["dataset"],
                version=info["version"],
                first=found.short_class,
            )
            whom = f"class {answer['class'][0]!r} has only"
        others = found.short_classes - 1
        raise BadValue(
            f"{whom} {members} {'samples' if members > 1 else 'sample'}"
            + (f" (and {others} more have too few)" if others > 0 else "")
            + f", and {k + 1} are needed for {k} neighbours of each: give "
            + (f"k={members - 1}, " if members > 1 else "")
            + "more samples, or allow_short=True if those may have fewer neighbours",
            "k",
        )

    def _found(self, info: Result, search: NeighbourSearch, scope: str, name: str) -> Result:
        fields: Result = {
            "dataset": info["dataset"],
            "version": info["version"],
            "name": name,
            "kind": "neighbours",
            "k": search.k,
            "scope": scope,
            "metric": search.metric,
            "terms": search.terms,
        }

        def compute() -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
            index, distance, fields["terms"] = search.run(scope)
            return index, distance

        return _attachments.attach_new(self, fields, compute)


def _checked_scopes(scope: str, name: str | None) -> list[str]:
    scopes = ["class", "all"] if scope == "both" else [scope]
    if not all(one in list(_SCOPES) for one in scopes):
        raise BadValue(f'scope is {scope!r}: it is "class", "all" or "both"', "scope")
    if name is not None and len(scopes) > 1:
        raise UsageError('name= is for one search: pass scope="class" or scope="all" with it', "name")
    return scopes


# ---- features ----


def as_matrix(features: Any) -> NDArray[Any]:
    """float32 or float64 of shape (n, d) in C order: itself, if it is that."""
    array = _numbers(features)
    if array.ndim != 2 or array.shape[1] == 0:
        raise BadValue(
            f"features has shape {array.shape}, and a row for each sample is needed, shape (n, d): "
            "X.reshape(len(X), -1)",
            "features",
        )
    # What float32 holds exactly is searched in it, which is faster.
    kind = np.float32 if np.can_cast(array.dtype, np.float32) else np.float64
    return np.ascontiguousarray(array, dtype=kind)


def as_features(features: Any, info: Result) -> NDArray[Any]:
    """The same with a row for each sample of a dataset's version, of which `info` is."""
    array = as_matrix(features)
    if len(array) != info["samples"]:
        raise BadValue(
            f"features has {len(array)} rows, and {info['dataset']}, version {info['version']}, has "
            f"{info['samples']} samples: a row is needed for each, those without a label too "
            "(version= names an older version)",
            "features",
        )
    return array


def _numbers(features: Any) -> NDArray[Any]:
    if hasattr(features, "toarray") and hasattr(features, "nnz"):
        raise BadValue("features is sparse: pass features.toarray()", "features")
    if isinstance(features, (list, tuple)) and not any(hasattr(row, "detach") for row in features):
        try:
            features = np.array(features)
        except ValueError:
            raise BadValue("features has rows of several lengths", "features") from None
    array = to_array(features, "features")
    if (mask := mask_of(array)) is not None:
        if mask.any():
            raise BadValue("features is masked: every sample needs all of its numbers", "features")
        array = np.asarray(array)
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            pass
    if array.dtype.kind not in "biuf":
        raise BadValue(
            f"features has dtype {array.dtype}, and numbers are needed: give columns of text or "
            "dates a number first, and leave out the others",
            "features",
        )
    return array


# ---- searches ----


def error_of(code: int, result: Any, what: str) -> Error:
    """What the library says of a search, as an exception."""
    kind = BY_NAME.get(lib.evd_error_name(code).decode(), Error)
    return kind(f"{what}: {result.message.decode(errors='replace')}", "features")


def run(call: Callable[[], Any], options: Any, progress: Progress | None) -> int:
    """The code that `call` returns, which searches by these options. In a thread of its own, so that
    Ctrl-C arrives meanwhile."""
    cancel, told, codes = ctypes.c_int(0), [(0, 0)], list[int]()

    def tell(_: Any, done: int, total: int) -> None:  # by the thread that searches
        told[0] = (done, total)

    options.cancel = ctypes.pointer(cancel)
    options.progress = _library.PROGRESS(tell)
    thread = threading.Thread(target=lambda: codes.append(int(call())), name="evendraw search")
    thread.start()
    last = (0, 0)
    try:
        while thread.is_alive():
            thread.join(0.1)
            if progress is not None and told[0] != last:
                last = told[0]
                progress(*last)
    finally:  # whatever was raised ends the search first: it writes into the caller's arrays
        cancel.value = 1
        thread.join()
    return codes[0]


class NeighbourSearch:
    """Searches over the same features and labels."""

    def __init__(
        self,
        features: NDArray[Any],
        labels: NDArray[np.uint32],
        k: int,
        metric: str,
        recall: float,
        threads: int,
        progress: Progress | None,
    ) -> None:
        self.k, self.metric = k, metric
        self._features, self._labels, self._progress = features, labels, progress
        options = self._options = _library.NeighboursOptions()
        options.features, options.labels = features.ctypes.data, labels.ctypes.data
        (options.n, options.d), options.k = features.shape, k
        options.type = int(features.dtype == np.float64)
        options.metric, options.threads = _METRICS[metric], threads
        options.recall = recall

    def keep_in(self, path: str | os.PathLike[str]) -> None:
        """How far a search has come, in that file."""
        name = os.fsencode(path)
        if b"\0" in name:
            raise BadValue("partial is the name of a file, and this one has a NUL in it", "partial")
        self._options.partial = name

    @cached_property
    def terms(self) -> Result:
        """What there is to say of the table that is wanted."""
        return self._terms(None)

    def _terms(self, result: Any) -> Result:
        text = lib.evd_neighbours_terms(ctypes.byref(self._options), result)
        return json.loads(_library.take_text(text))  # type: ignore[no-any-return]

    def check(self, scope: str) -> _library.NeighboursResult | None:
        """None: there are enough samples for k neighbours of each; else which class is short."""
        result = _library.NeighboursResult()
        self._options.scope = _SCOPES[scope]
        if (code := lib.evd_neighbours_check(ctypes.byref(self._options), ctypes.byref(result))) == 0:
            return None
        if result.short_classes == 0:
            raise error_of(code, result, "labels")
        return result

    def run(self, scope: str) -> tuple[NDArray[np.uint32], NDArray[np.float32], Result]:
        """Indices and distances, and what there is to say of them."""
        shape = (len(self._features), self.k)
        index, distance = np.empty(shape, np.uint32), np.empty(shape, np.float32)
        result = _library.NeighboursResult()
        self._options.scope = _SCOPES[scope]
        code = run(
            lambda: lib.evd_neighbours(
                ctypes.byref(self._options),
                index.ctypes.data,
                distance.ctypes.data,
                ctypes.byref(result),
            ),
            self._options,
            self._progress,
        )
        if code != 0:
            raise error_of(code, result, "features")
        return index, distance, self._terms(ctypes.byref(result))
