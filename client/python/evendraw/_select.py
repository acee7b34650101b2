"""Selections: which samples to leave out, by the methods of imbalanced-learn, of arrays or attached to a
dataset. `select` is evendraw.select; `Selections` is a part of `Client`."""

from __future__ import annotations

import ctypes
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import _attachments, _library, labels as _labels
from ._arrays import is_bool, mask_of, numbers, one_dimensional, positions, to_array
from ._connection import Connection
from ._neighbours import Progress, as_features, as_matrix, error_of, run
from ._values import Result
from .errors import BadValue, Conflict, LimitError, UsageError

lib = _library.lib

Method = Literal[
    "tomek",
    "enn",
    "renn",
    "allknn",
    "ncr",
    "nearmiss-1",
    "nearmiss-2",
    "nearmiss-3",
    "cnn",
    "oss",
    "instance-hardness",
]


_OPTIONS = ["k", "metric", "vote", "max_iterations", "allow_minority", "candidates", "threshold"]
_OPTIONS += ["first", "seeds", "seed"]
# As EVD_SELECT_OPTIONS_INIT; and the most that C has room for.
_DEFAULTS = {"k": 3, "max_iterations": 100, "candidates": 3, "seeds": 1, "seed": 0, "threshold": 0.5}
_U32, _MOST_SEED = 2**32 - 1, 2**63 - 1


def select(
    X: Any,
    y: Any,
    method: Method,
    *,
    targets: Any = "auto",
    probabilities: Any = None,
    threads: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> NDArray[np.bool_]:
    """Which samples a method keeps, without a daemon: the sets of imbalanced-learn 0.10, but for what
    `evendraw_features.h` says of ties and of three of its defects.

    Args:
        X: features, shape (n, d), as for `Client.neighbours`. None for "instance-hardness".
        y: a label for each, of any kind that `encode` takes. A sample without one is not kept, and
            nobody looks at its features.
        method: "tomek" (Tomek links), "enn" (edited nearest neighbours), "renn" (that repeated),
            "allknn", "ncr" (neighbourhood cleaning rule), "nearmiss-1" to "nearmiss-3", "cnn"
            (condensed nearest neighbours), "oss" (one-sided selection), "instance-hardness".
        targets: which classes may lose samples: "auto" and "not minority" (all but the smallest),
            "not majority", "majority", "all", or a list of classes. For nearmiss and
            instance-hardness also a dict, of how many samples each class keeps.
        probabilities: of instance-hardness: how probable a model that was not trained on it finds
            each sample's own class, shape (n,), or each class, shape (n, classes), in the order of
            `encode`; cross_val_predict(model, X, y, method="predict_proba") of scikit-learn.
        threads: 0: one for each processor.
        progress: called with how much of how much is done, ten times a second, by this thread.
        options: k (of enn, renn, allknn, ncr and nearmiss; 3), metric ("euclidean" or "cosine"),
            vote (of enn, renn, allknn and ncr: "all" neighbours must be of the sample's class, or the
            "mode"), max_iterations (renn; 100), allow_minority (allknn; False), threshold (ncr;
            0.5), candidates (nearmiss-3; 3), and of cnn and oss what is kept to begin with: `seeds`
            of each class (1), drawn by `seed` (0), or the samples `first`.

    Returns:
        True for what is kept, shape (n,). Where it may not be what was meant, as with a class of
        which nothing is left, a warning says so.

    Raises:
        BadValue: features that are not finite, a class that is too small, one class only, ...;
        LimitError; UsageError: an option that the method does not look at.
    """
    names, codes = _labels.encode(y)
    chosen = Selection(method, codes, names, targets, probabilities, threads, progress, options)
    if chosen.takes("features"):
        rows = as_matrix(_needed(X, method))
        if len(rows) != len(codes):
            raise BadValue(f"X has {len(rows)} rows, and y {len(codes)} labels", "X")
        chosen.give_features(rows)
    return chosen.run(stacklevel=3)


class Selections(Connection):
    """The methods of a connection that select samples of datasets."""

    def select(
        self,
        dataset: str,
        features: Any,
        method: Method,
        *,
        name: str | None = None,
        version: int | None = None,
        targets: Any = "auto",
        probabilities: Any = None,
        threads: int = 0,
        progress: Progress | None = None,
        **options: Any,
    ) -> Result:
        """Selects samples of a dataset and attaches the selection to it, for strategies that draw from
        it. The features stay here, and no neighbours need to be attached. The same selection of the
        same features is not computed again. Ctrl-C ends it.

        Args:
            features: row i is sample i, as for `neighbours`. None for "instance-hardness".
            name: what it is called there; None: as the method.
            version: of the dataset; None: the newest.
            method, targets, probabilities, threads, progress, options: as for `evendraw.select`;
                classes are those of the dataset, in its order.

        Returns:
            dataset, version, name, kept (how many samples), terms (how it was made), digest, ...

        Raises:
            NotFound (dataset); Exists: something else has the name; and as `evendraw.select`.
        """
        info = self.call("dataset.info", dataset=dataset, version=version)
        version = info["version"]
        names = self._paged("dataset.stats", dataset=info["dataset"], version=version)["class"]
        codes = _attachments.labels(self, info)
        chosen = Selection(method, codes, names, targets, probabilities, threads, progress, options)
        if chosen.takes("features"):
            chosen.give_features(as_features(_needed(features, method), info))
        fields: Result = {
            "dataset": info["dataset"],
            "version": version,
            "name": name or method,
            "kind": "selection",
            "terms": chosen.terms(),
        }

        def compute() -> tuple[NDArray[np.bool_], None]:
            keep = chosen.run(stacklevel=5)
            if chosen.terms() != fields["terms"]:
                raise Conflict(
                    f"{method}: the features were changed meanwhile: leave them alone, and select again",
                    "features",
                )
            return keep, None

        return _attachments.attach_new(self, fields, compute)

    def select_rows(
        self, dataset: str, rows: Any, name: str, *, version: int | None = None
    ) -> Result:
        """Attaches a selection that is yours, of a cleaning of your own.

        Args:
            rows: which samples it keeps: a mask of shape (samples,), True or False, or 1 and 0, as
                `attachment` reads one back; or their numbers. Those without a label, which nobody draws, are left out.

        Returns:
            As `select`. The same under the same name is no error.

        Raises:
            NotFound (dataset); BadValue: not one value for each sample, or no such sample; Exists:
            something else has the name.
        """
        info = self.call("dataset.info", dataset=dataset, version=version)
        keep = _mask_of(rows, info["samples"]) & (_attachments.labels(self, info) != _library.NO_LABEL)
        if not keep.any():
            raise BadValue("rows has no sample with a label: a selection needs one at least", "rows")
        return _attachments.attach(
            self,
            keep,
            dataset=info["dataset"],
            version=info["version"],
            name=name,
            kind="selection",
            terms={"method": "rows"},
        )


def _mask_of(rows: Any, n: int) -> NDArray[np.bool_]:
    array = to_array(rows, "rows")
    if (hidden := mask_of(array)) is not None and hidden.any():
        raise BadValue("rows is masked: say of each sample whether it is kept", "rows")
    if array.dtype.kind != "b":
        given = positions(array, n, "rows")
        if len(given) <= 2 or (given > 1).any():
            keep = np.zeros(n, np.bool_)
            keep[given] = True
            return keep
        array = given == 1  # a mask: numbers of two samples are two at most
    array = one_dimensional(array, "rows")
    if len(array) != n:
        raise BadValue(f"rows has {len(array)} values, and there are {n} samples", "rows")
    return array


def _needed(features: Any, method: str) -> Any:
    if features is None:
        raise UsageError(f"{method} needs features: a row of numbers for each sample", "features")
    return features


# ---- what is asked for ----


def _words(member: str) -> list[str]:
    """What the library calls the values of a member of its options."""
    words: list[str] = []
    while word := lib.evd_select_word(member.encode(), len(words)):
        words.append(word.decode())
    return words


def _word(value: Any, member: str) -> int:
    words = _words(member)
    if value not in words:
        raise BadValue(f"{member} is {value!r}: it is one of {', '.join(words)}", member)
    return words.index(value)


def _whole(value: Any, name: str, most: int) -> int:
    if is_bool(value) or not isinstance(value, (int, np.integer)) or not 0 <= value <= most:
        raise LimitError(f"{name} is {value!r}: it is a whole number up to {most}", name)
    return int(value)


class Selection:
    """What evd_select is asked for, with the arrays that it reads."""

    def __init__(
        self,
        method: str,
        codes: NDArray[np.uint32],
        names: Sequence[str],
        targets: Any,
        probabilities: Any,
        threads: int,
        progress: Progress | None,
        options: Any,
    ) -> None:
        self.method, self._progress, self._names = method, progress, names
        self._held: list[Any] = []  # what C has pointers to
        call = self._call = _library.SelectOptions()
        call.method = _word(method, "method")
        self._refuse_others(options, probabilities)
        call.labels = self._pointer(codes, np.uint32)
        call.n, call.classes = len(codes), max(1, len(names))
        texts = (ctypes.c_char_p * call.classes)(*(name.encode() for name in names))
        self._held.append(texts)
        call.class_names = ctypes.cast(texts, ctypes.POINTER(ctypes.c_char_p))
        call.threads = _whole(threads, "threads", 1024)
        self._set(_DEFAULTS | options)
        self._set_targets(targets)
        if self.takes("probabilities"):
            if probabilities is None:
                raise UsageError(
                    "instance-hardness needs probabilities=: how probable a model that was not "
                    "trained on a sample finds its own class",
                    "probabilities",
                )
            own = own_probabilities(probabilities, codes, len(names))
            call.probabilities = self._pointer(own, np.float64)

    def takes(self, member: str) -> bool:
        return bool(lib.evd_select_takes(self._call.method, member.encode()))

    def _pointer(self, values: Any, dtype: Any) -> int:
        self._held.append(np.ascontiguousarray(values, dtype))
        return int(self._held[-1].ctypes.data)

    def _refuse_others(self, options: Any, probabilities: Any) -> None:
        given = dict(options) | ({} if probabilities is None else {"probabilities": 0})
        for name in given:
            if name not in [*_OPTIONS, "probabilities"]:
                raise UsageError(f"there is no option {name!r}: there are {', '.join(_OPTIONS)}", name)
            if not self.takes(name):
                several = [
                    word
                    for i, word in enumerate(_words("method"))
                    if lib.evd_select_takes(i, name.encode())
                ]
                raise UsageError(
                    f"{self.method} does not look at {name}: leave it out (it is for "
                    f"{', '.join(several)})",
                    name,
                )
        if {"first"} < given.keys() & {"first", "seeds", "seed"}:
            raise UsageError("pass first=, or how many seeds are drawn by which seed", "first")

    def _set(self, options: Any) -> None:
        call = self._call
        for name in ("k", "max_iterations", "candidates", "seeds", "seed"):
            setattr(call, name, _whole(options[name], name, _MOST_SEED if name == "seed" else _U32))
        for name in ("metric", "vote"):
            if name in options:
                setattr(call, name, _word(options[name], name))
        threshold = options["threshold"]
        if is_bool(threshold) or not isinstance(threshold, (int, float, np.number)):
            raise BadValue(f"threshold is {threshold!r}: it is between 0 and 1", "threshold")
        call.threshold = float(threshold)
        call.allow_minority = bool(options.get("allow_minority", False))
        if "first" in options:
            first = positions(options["first"], call.n, "first")
            call.first, call.first_count = self._pointer(first, np.uint32), len(first)

    def _set_targets(self, targets: Any) -> None:
        call = self._call
        words = _words("targets")
        if targets is None or isinstance(targets, str):
            word = "not minority" if targets in (None, "auto") else targets
            if word not in words:
                raise BadValue(
                    f"targets is {targets!r}: it is one of auto, {', '.join(words)}, or a list of "
                    f"classes, [{targets!r}]",
                    "targets",
                )
            call.targets = words.index(word)
            return
        if isinstance(targets, Mapping) and not self.takes("target_counts"):
            raise UsageError(
                f"{self.method} finds itself how many samples each class keeps: pass a list of the "
                f"classes that may lose samples, {[*targets]!r}",
                "targets",
            )
        if isinstance(targets, (int, float, np.number)):
            raise BadValue(
                f"targets is {targets!r}: pass a word, a list of classes, or, for nearmiss and "
                "instance-hardness, a dict of how many samples each class keeps",
                "targets",
            )
        try:
            listed = list(targets)
        except TypeError:
            raise BadValue(
                f"targets is of type {type(targets).__name__}: pass a list of classes", "targets"
            ) from None
        if not listed:
            raise BadValue("targets names no class: give a list of one class at least", "targets")
        found = np.array([_class_number(value, self._names) for value in listed], np.int64)
        order = np.argsort(found, kind="stable")
        call.targets, call.target_count = len(words), len(found)
        call.target_list = self._pointer(found[order], np.uint32)
        if isinstance(targets, Mapping):
            counts = numbers([targets[value] for value in listed], "u8", "targets")
            call.target_counts = self._pointer(counts[order], np.uint64)

    def give_features(self, rows: NDArray[Any]) -> None:
        self._held.append(rows)
        call = self._call
        call.features, call.d = rows.ctypes.data, rows.shape[1]
        call.type = int(rows.dtype == np.float64)

    def terms(self) -> Result:
        """What there is to say of the selection."""
        text = lib.evd_select_terms(ctypes.byref(self._call))
        return json.loads(_library.take_text(text))  # type: ignore[no-any-return]

    def run(self, stacklevel: int) -> NDArray[np.bool_]:
        """What is kept. Warnings are of the line so many calls up."""
        keep, result = np.zeros(self._call.n, np.bool_), _library.SelectResult()
        code = run(
            lambda: lib.evd_select(
                ctypes.byref(self._call), keep.ctypes.data, None, ctypes.byref(result)
            ),
            self._call,
            self._progress,
        )
        if code != 0:
            raise error_of(code, result, self.method)
        if result.warning:
            said = result.warning.decode(errors="replace")
            warnings.warn(f"{self.method}: {said}", stacklevel=stacklevel)
        return keep


def _class_number(value: Any, names: Sequence[str]) -> int:
    """Of a class by its label; where classes have names, also by its number, as `encode` takes it."""
    places = {name: i for i, name in enumerate(names)}
    called, _ = _labels.encode([value])  # None has no label
    if called and called[0] in places:
        return places[called[0]]
    if isinstance(value, (int, np.integer)) and not is_bool(value) and 0 <= value < len(names):
        return int(value)
    some = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
    raise BadValue(f"targets has {value!r}, and the classes are {some}", "targets")


def own_probabilities(
    probabilities: Any, codes: NDArray[np.uint32], classes: int
) -> NDArray[np.float64]:
    """Of each sample's own class, from what a caller gave; 0 where it has none."""
    array = to_array(probabilities, "probabilities")
    labelled = codes != _library.NO_LABEL
    if array.ndim == 0:
        raise BadValue("probabilities is a single number, and each sample needs one", "probabilities")
    if len(array) != len(codes):
        raise BadValue(
            f"probabilities has {len(array)} rows, and there are {len(codes)} samples",
            "probabilities",
        )
    if array.ndim == 2 and array.shape[1] > 1:
        if array.shape[1] != classes:
            raise BadValue(
                f"probabilities has {array.shape[1]} columns, and there are {classes} classes: pass "
                "one for each class, in their order, or that of the sample's own class",
                "probabilities",
            )
        array = array[np.arange(len(codes)), np.where(labelled, codes, 0)]
    own = np.zeros(len(codes))
    own[labelled] = numbers(array[labelled], "<f8", "probabilities", low=0, high=1)
    return own
