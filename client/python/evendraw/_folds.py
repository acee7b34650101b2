"""Folds for cross-validation: of arrays by `folds`, and attached to a dataset, a part of `Client`."""

from __future__ import annotations

import ctypes
import json
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _attachments, _library
from ._arrays import is_missing, mask_of, one_dimensional, to_array
from ._connection import Connection
from ._select import own_probabilities
from ._values import Result
from .errors import BY_NAME, BadValue, Error, LimitError, UsageError
from .labels import UNLABELLED, encode

lib = _library.lib

_STRATIFIED, _GROUPED, _MULTILABEL, _HARDNESS = range(4)
_NO_FOLD = 0xFFFF
_MOST = 1024  # folds


def folds(
    y: Any,
    k: int = 5,
    *,
    groups: Any = None,
    labels: Any = None,
    probabilities: Any = None,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Puts samples into k folds, without a daemon::

        fold = evendraw.folds(y, 5)
        for f in range(5):
            train, test = np.flatnonzero((fold >= 0) & (fold != f)), np.flatnonzero(fold == f)

    Stratified: what two folds have of a class differs by one sample at most, and so do their sizes
    (the counts are those of scikit-learn's StratifiedKFold). Warns of a class that some folds do not
    have. The same on every machine.

    Args:
        y: shape (n,), labels as `Client.create_dataset` takes them; None and NaN: in no fold. With
            `labels` it may be None: all take part.
        groups: shape (n,), anything hashable: samples of a group (a patient, a scene) are all in one
            fold, and classes as even as groups allow. The rule of StratifiedGroupKFold, after which
            each group may move once more. Nothing is drawn.
        labels: shape (n, q) of 0 and 1, dense or a SciPy sparse matrix: which of q labels each
            sample has. Each label is spread as evenly as may be: iterative stratification
            (Sechidis et al. 2011).
        probabilities: how probable a model that was not trained on it finds a sample's own class, shape
            (n,), or each class, shape (n, classes), in the order of `encode`: each fold gets as many
            hard samples as any other. For two classes these are the folds of imbalanced-learn's
            InstanceHardnessCV. Nothing is drawn.
        seed: which samples of a class go to which fold; 0 to 2**63 - 1.

    Returns:
        shape (n,): each sample's fold from 0 on, -1 for those in none.

    Raises:
        BadValue: every class has fewer samples than there are folds, or there are fewer groups.
    """
    names: list[str] = []
    if y is None and labels is not None:
        maker = _Maker(None, k, groups, labels, probabilities, seed)
    else:
        names, codes = encode(y)
        maker = _Maker(codes, k, groups, labels, probabilities, seed, len(names))
    fold = maker.run()
    maker.warn(lambda label: names[label])
    return np.where(fold == _NO_FOLD, -1, fold.astype(np.int64))


class Folds(Connection):
    """The method of a connection that makes folds."""

    def folds(
        self,
        dataset: str,
        k: int = 5,
        *,
        groups: Any = None,
        labels: Any = None,
        probabilities: Any = None,
        seed: int = 0,
        name: str | None = None,
        version: int | None = None,
    ) -> Result:
        """Puts the samples of a dataset into k folds, by the labels that the daemon has, and
        attaches them. A job then draws from all but one of them, or from that one::

            client.folds("pets", 5)
            client.create_job("train-0", "pets", batch_size=64, seed=1, strategy={
                "kind": "uniform", "from": {"folds": "cv5", "without": 0}})

        Args:
            groups, labels, probabilities, seed: as for `evendraw.folds`, with a row for each sample
                of the dataset, those without a label too.
            name: what they are called there; None: "cv" and k, such as "cv5".
            version: of the dataset; None: the newest.

        Returns:
            dataset, version, name, folds, terms, digest, ... `attachment` gives the numbers, 65535
            for a sample without a label.

        Raises:
            NotFound (dataset); BadValue, as `evendraw.folds`; Exists: something else has the name.
        """
        info = self.call("dataset.info", dataset=dataset, version=version)
        codes = _attachments.labels(self, info)
        maker = _Maker(codes, k, groups, labels, probabilities, seed, info["classes"])
        fold = maker.run()
        maker.warn(lambda label: self._class_name(info, label))
        fields = {
            "dataset": info["dataset"],
            "version": info["version"],
            "name": f"cv{k}" if name is None else name,
            "kind": "folds",
            "folds": int(k),
            "terms": maker.terms(fold),
        }
        return _attachments.attach_new(self, fields, lambda: (fold, None))

    def _class_name(self, info: Result, label: int) -> str:
        answer = self.call(
            "dataset.stats", dataset=info["dataset"], version=info["version"], first=label
        )
        return str(answer["class"][0])


class _Maker:
    """One call of the library: what is asked for, and the arrays that it points to."""

    def __init__(
        self,
        codes: NDArray[np.uint32] | None,
        k: int,
        groups: Any,
        labels: Any,
        probabilities: Any,
        seed: int,
        classes: int = 0,
    ) -> None:
        given = {"groups": groups, "labels": labels, "probabilities": probabilities}
        if len(named := [name for name, value in given.items() if value is not None]) > 1:
            raise UsageError(f"pass {named[0]} or {named[1]}, not both", named[1])
        _check_whole(k, 2, _MOST, "k")
        _check_whole(seed, 0, 2**63 - 1, "seed")
        self._held: list[NDArray[Any]] = []
        self._result = _library.FoldsResult()
        options = self._options = _library.FoldsOptions()
        options.folds, options.seed, options.classes = k, seed, max(classes, 1)
        if codes is not None:
            options.labels, options.n = self._hold(codes), len(codes)
        if labels is not None:
            self._take_sets(labels)
        elif codes is not None and groups is not None:
            options.method = _GROUPED
            options.groups = self._hold(_group_numbers(groups, codes != UNLABELLED))
        elif codes is not None and probabilities is not None:
            options.method = _HARDNESS
            options.probabilities = self._hold(own_probabilities(probabilities, codes, classes))

    def run(self) -> NDArray[np.uint16]:
        fold = np.empty(self._options.n, dtype=np.uint16)
        code = lib.evd_folds(
            ctypes.byref(self._options), fold.ctypes.data, None, ctypes.byref(self._result)
        )
        if code != 0:
            kind = BY_NAME.get(lib.evd_error_name(code).decode(), Error)
            raise kind(self._result.message.decode(errors="replace"), "folds")
        return fold

    def terms(self, fold: NDArray[np.uint16]) -> Result:
        text = lib.evd_folds_terms(ctypes.byref(self._options), fold.ctypes.data)
        return json.loads(_library.take_text(text))  # type: ignore[no-any-return]

    def warn(self, name_of: Any) -> None:
        """Of a class that some folds do not have."""
        found = self._result
        if found.absent == 0:
            return
        what, one, many = f"label {found.absent_class}", "label is", "labels are"
        if self._options.method != _MULTILABEL:
            what, one, many = f"class {name_of(found.absent_class)!r}", "class is", "classes are"
        has = "has" if found.absent_folds == 1 else "have"
        count, others = found.absent_members, found.absent - 1
        warnings.warn(
            f"{found.absent_folds} of {self._options.folds} folds {has} no sample of {what}, which has "
            f"{count} {'sample' if count == 1 else 'samples'}: measures of it are missing there"
            + (f"; {others} other {one if others == 1 else many} not in every fold" if others else ""),
            stacklevel=3,
        )

    def _hold(self, array: NDArray[Any]) -> int:
        self._held.append(array)
        return int(array.ctypes.data)

    def _take_sets(self, labels: Any) -> None:
        starts, columns, q = _sets(labels)
        options, n = self._options, len(starts) - 1
        if options.labels and n != options.n:
            raise BadValue(f"labels has {n} rows, and {options.n} are needed: one a sample", "labels")
        options.method, options.n, options.classes = _MULTILABEL, n, q
        options.set_starts, options.set_labels = self._hold(starts), self._hold(columns)


def _check_whole(value: Any, low: int, high: int, field: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise LimitError(f"{field} is {value!r}: it is a whole number from {low} to {high}", field)


def _group_numbers(groups: Any, labelled: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Any numbers, the same for samples of the same group."""
    array = one_dimensional(to_array(groups, "groups"), "groups")
    if len(array) != len(labelled):
        raise BadValue(
            f"groups has {len(array)} values, but {len(labelled)} are needed: one for each sample",
            "groups",
        )
    if array.dtype.kind in "iub" and mask_of(array) is None:
        return np.ascontiguousarray(array.astype(np.uint64))
    number: dict[Any, int] = {}
    values = array.tolist()  # None where it is masked
    try:
        codes = np.array([number.setdefault(value, len(number)) for value in values], dtype=np.uint64)
    except TypeError as error:
        raise BadValue(f"groups cannot be compared with each other: {error}", "groups") from None
    missing = np.array([is_missing(value) for value in number], dtype=bool)
    without = np.flatnonzero(missing[codes] & labelled) if len(values) else missing
    if len(without) > 0:
        raise BadValue(
            f"groups[{without[0]}] is {values[without[0]]!r}: a sample with a label needs a group",
            "groups",
        )
    return codes


def _sets(labels: Any) -> tuple[NDArray[np.uint64], NDArray[np.uint32], int]:
    """The labels of each sample, as indptr and indices of a sparse matrix; and how many there are."""
    if hasattr(labels, "tocsr"):
        matrix = labels.tocsr(copy=True)
        matrix.sum_duplicates()  # which sorts them
        matrix.eliminate_zeros()
        values, starts, columns, q = matrix.data, matrix.indptr, matrix.indices, matrix.shape[1]
    else:
        try:
            array = np.array(labels) if isinstance(labels, (list, tuple)) else to_array(labels, "labels")
        except ValueError:
            raise BadValue("labels has rows of several lengths", "labels") from None
        if array.ndim != 2 or array.dtype.kind not in "biuf" or mask_of(array) is not None:
            raise BadValue(
                "labels is a matrix of 0 and 1 of shape (n, labels), for samples with several labels "
                f"each, and this has shape {array.shape} and dtype {array.dtype}: for one label each "
                "pass them as y",
                "labels",
            )
        rows, columns = np.nonzero(array)
        values, q = array[rows, columns], array.shape[1]
        starts = np.searchsorted(rows, np.arange(len(array) + 1))
    if not (values == 1).all():
        raise BadValue("labels holds another number than 0 and 1", "labels")
    return starts.astype(np.uint64), np.ascontiguousarray(columns, dtype=np.uint32), int(q)
