"""Which samples are left out, by the methods of `evendraw.select`, which needs no daemon. Called by
_sampler.py."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from .._select import Selection
from ..errors import BadValue
from ._draw import threads
from ._tables import Labels

_SEEDED = ("cnn", "oss")
_COUNTING = ("nearmiss-1", "nearmiss-2", "nearmiss-3", "instance-hardness")  # to so many samples
_MOST_OF_NUMPY = 2**32


def kept(
    method: Mapping[str, Any],
    targets: Any,
    features: NDArray[Any],
    labels: Labels,
    seed: int,
    estimator: Any = None,
) -> NDArray[np.bool_]:
    """True for what stays, shape (n,).

    Args:
        method: its name as `method`, and what else `evendraw.select` takes; of "instance-hardness" `cv`.
        targets: imbalanced-learn's sampling_strategy.
        estimator: whose probabilities "instance-hardness" takes.
    """
    options = dict(method)
    name = options.pop("method")
    probabilities = None
    if name == "instance-hardness":
        probabilities = _probabilities(estimator, features, labels, options.pop("cv", 5), seed)
    elif estimator is not None:
        raise BadValue(f"estimator is for instance-hardness, and strategy is {name}", "estimator")
    if name in _SEEDED and not {"seed", "first"} & options.keys():
        options["seed"] = seed
    if isinstance(targets, (int, float, np.number)) and name in _COUNTING:
        targets = _by_ratio(targets, labels)
    targets = _by_name(targets, labels)
    selection = Selection(
        name, labels.codes, labels.names, targets, probabilities, threads(), None, options
    )
    if selection.takes("features"):
        selection.give_features(features)
    return selection.run(stacklevel=5)


def _by_name(targets: Any, labels: Labels) -> Any:
    """Classes as they are called, and not as y has them; what is none stays, to be refused."""
    names = dict(zip(labels.classes.tolist(), labels.names))
    if isinstance(targets, Mapping):
        return {names.get(value, value): count for value, count in targets.items()}
    if isinstance(targets, (list, tuple, set, np.ndarray)):
        return [names.get(value, value) for value in targets]
    return targets


def _by_ratio(ratio: Any, labels: Labels) -> dict[Any, int]:
    """The larger class is cut until the smaller one has that share of it, rounded down, as a ratio with a
    few decimals says (SAMPLING.md, Ratios)."""
    counts = labels.counts()
    if isinstance(ratio, (bool, np.bool_)) or len(counts) != 2 or not 0 < ratio <= 1:
        raise BadValue(
            f"sampling_strategy is {ratio!r}, and y has {len(counts)} classes: a number is for two, above 0 "
            "and at most 1; else pass {class: number of samples}",
            "sampling_strategy",
        )
    larger = 1 - int(np.argmin(counts))
    wanted = int(Fraction(int(counts.min())) / Fraction(str(ratio)))
    if wanted > counts[larger]:
        raise BadValue(
            f"sampling_strategy {ratio} asks for {wanted} samples of class {labels.names[larger]!r}, and it has "
            f"{counts[larger]}: the classes are better balanced than that already",
            "sampling_strategy",
        )
    return {labels.classes[larger]: wanted}


def _probabilities(
    estimator: Any, features: NDArray[Any], labels: Labels, cv: Any, seed: int
) -> NDArray[Any]:
    """Of each class, shape (n, classes), by models that were trained on other samples."""
    seed = seed % _MOST_OF_NUMPY
    if estimator is None:
        estimator = RandomForestClassifier(n_estimators=100, random_state=seed)
    elif not hasattr(estimator, "predict_proba"):
        raise BadValue(
            f"estimator is {estimator!r}, and instance-hardness needs a classifier with predict_proba",
            "estimator",
        )
    if isinstance(cv, int):
        cv = StratifiedKFold(cv, shuffle=True, random_state=seed)
    found = cross_val_predict(clone(estimator), features, labels.codes, cv=cv, method="predict_proba")
    return np.asarray(np.clip(found, 0, 1))  # sums of shares may be a last bit above
