"""`balanced_batch_generator`: mini-batches for Keras and others, as imblearn.keras and
imblearn.tensorflow have them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from .._synthesise import synthesise
from ..errors import BadValue
from ..stream import Batch
from . import _tables
from ._draw import Job, search_of
from ._methods import method_of
from ._sampler import Sampler, seed_of

Batches = Generator[tuple[Any, ...], None, None]


def balanced_batch_generator(
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    sampler: Any = None,
    batch_size: int = 32,
    keep_sparse: bool = False,
    random_state: Any = None,
) -> tuple[Batches, int]:
    """Balanced batches without an end, to train a model of Keras or any other::

        batches, steps = evendraw.sklearn.balanced_batch_generator(X, y, random_state=0)
        model.fit(batches, steps_per_epoch=steps, epochs=10)

    As of imblearn.keras and imblearn.tensorflow, but that each epoch is drawn anew: theirs chooses samples
    once and repeats these, so that under-sampling never shows a model the others. And each epoch has full
    batches only, as many as `steps_per_epoch` says; what does not fill one is left out, other samples each
    time.

    Args:
        X: shape (n, d) or (n, ...): array, DataFrame, list or sparse matrix.
        y: shape (n,) or one-hot.
        sample_weight: shape (n,), of which batches get their part. A point between samples has the weight
            of the one that it begins at.
        sampler: a strategy's name or map, or a `Sampler`; None: "undersampled". Beside what `Sampler` takes
            also what is about batches: {"kind": "stratified", "proportions": "equal"} has all classes alike
            in each. What cleans or makes categories, and samplers of imbalanced-learn, resample once, and only
            the order is another one in each epoch.
        batch_size: samples in a batch, 1 to 65536.
        keep_sparse: batches of a sparse X are sparse.
        random_state: a seed, as of `Sampler`; None: that of the sampler if it is a `Sampler`, or else
            another one each time.

    Returns:
        A generator of (X_batch, y_batch) or (X_batch, y_batch, sample_weight_batch), NumPy arrays unless
        kept sparse; and batches in an epoch. Behind it is a job in the daemon, which goes with it: when it
        is closed, when nobody has it any more, or when the process ends. It belongs to this process, and
        to one thread at a time.

    Raises:
        As `Sampler.fit_resample`. StrategyError: there are too few samples for one batch.
    """
    weight = _weights_of(sample_weight, _tables.length_of(X, y))
    chosen = _sampler_of(sampler, random_state)
    method = method_of(chosen.strategy, chosen.k_neighbors) if isinstance(chosen, Sampler) else None
    if method is not None and method.draws_batches:
        labels = _tables.labels_of(y)
    else:
        seed = chosen.random_state if isinstance(chosen, Sampler) else random_state
        X, y, weight = _resampled(chosen, X, y, weight)
        chosen = Sampler("uniform", random_state=seed, address=getattr(chosen, "address", None))
        method = method_of("uniform", None)
        labels = _tables.Labels(np.zeros(1), ["sample"], np.zeros(_tables.length_of(X, y), np.uint32))
    features = _tables.features_of(X) if method.adds else None
    strategy, seed = chosen._strategy_for(method, labels, y), seed_of(chosen.random_state)
    search = None if features is None else search_of(features)
    job = Job(labels, strategy, search, seed, batch_size, chosen.address, last_batch="drop")
    rows = _Rows(X if features is None else features, y, weight, method.adds, keep_sparse)
    return _batches(job, rows), job.info["steps"]


def _weights_of(sample_weight: Any, n: int) -> NDArray[Any] | None:
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight)
    if weight.shape != (n,):
        raise BadValue(
            f"sample_weight has shape {weight.shape}, and one number for each of {n} samples is needed",
            "sample_weight",
        )
    if weight.dtype.kind not in "biuf" or not np.isfinite(weight).all():
        raise BadValue("sample_weight has values that are no finite numbers: give each sample one", "sample_weight")
    return weight


def _sampler_of(sampler: Any, random_state: Any) -> Any:
    """A copy of the caller's, by `random_state` if there is one."""
    if sampler is None or isinstance(sampler, (str, Mapping)):
        return Sampler("undersampled" if sampler is None else sampler, random_state=random_state)
    if isinstance(sampler, type) or not hasattr(sampler, "fit_resample"):
        raise BadValue(
            f"sampler is {sampler!r}: it is a strategy, such as \"undersampled\", or an object with fit_resample, "
            "such as Sampler(\"undersampled\")",
            "sampler",
        )
    chosen = clone(sampler)
    if isinstance(chosen, Sampler) and random_state is not None:
        chosen.set_params(random_state=random_state)
    return chosen


def _resampled(sampler: Any, X: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
    X, y = sampler.fit_resample(X, y)
    if weight is None:
        return X, y, None
    if not hasattr(sampler, "sample_indices_"):
        raise BadValue(
            f"sample_weight cannot be given with {type(sampler).__name__}, which does not say of which samples it "
            "makes others: evendraw.sklearn.Sampler does",
            "sample_weight",
        )
    return X, y, weight[sampler.sample_indices_]


class _Rows:
    """What batches are made of."""

    def __init__(self, X: Any, y: Any, weight: Any, adds: bool, keep_sparse: bool) -> None:
        self._X = X.tocsr() if _tables.is_sparse(X) else np.asarray(X)
        self._y = y.toarray() if _tables.is_sparse(y) else np.asarray(y)
        self._weight, self._adds = weight, adds
        self._dense = _tables.is_sparse(X) and not keep_sparse

    def of(self, batch: Batch) -> tuple[Any, ...]:
        X = synthesise(self._X, batch) if self._adds else self._X[batch.index]
        made = (X.toarray() if self._dense else X, self._y[batch.index])
        return made if self._weight is None else (*made, self._weight[batch.index])


def _batches(job: Job, rows: _Rows) -> Batches:
    with job, job.client.open(job.info["job"], columns=job.columns, exclusive=True) as stream:
        while True:
            for batch in stream:
                yield rows.of(batch)
