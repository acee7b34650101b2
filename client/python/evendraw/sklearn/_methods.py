"""What a sampler's parameters come to: a strategy of the daemon. Called by _sampler.py and _batches.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._values import Strategy, as_strategy
from ..errors import BadValue

IMBLEARN = {
    "RandomOverSampler": "oversampled",
    "SMOTE": "smote",
    "BorderlineSMOTE": "borderline-1",
    "ADASYN": "adasyn",
    "RandomUnderSampler": "undersampled",
}
"""The strategy for classes of imbalanced-learn."""

REFUSED = {
    "SVMSMOTE": "its new points follow from the support vectors of a classifier: take borderline-1",
    "SMOTENC": "encode the categories as numbers and take smote, or take oversampled, which copies",
    "SMOTEN": "between categories there is nothing: take oversampled, which copies",
    "KMeansSMOTE": "it needs clusters: take borderline-1",
    "ClusterCentroids": "it replaces samples by the centres of clusters: take undersampled",
}
"""Those for which there is none, why, and what to take."""

VARIANTS = ("borderline-1", "borderline-2", "svm", "adasyn")  # of smote, as names of their own
_ABOUT_BATCHES = ("stratified", "p-by-k")


def method_of(strategy: Strategy, k_neighbors: int | None) -> dict[str, Any]:
    """Without `sampling_strategy`, which needs the labels."""
    if not isinstance(strategy, (str, Mapping)):
        raise BadValue(
            f'strategy is {strategy!r}: it is a name, such as "smote", or a map, such as '
            '{"kind": "smote", "variant": "borderline-1"}',
            "strategy",
        )
    full = as_strategy(strategy)
    kind = full.get("kind")
    if isinstance(kind, str) and kind in IMBLEARN:
        raise BadValue(f"{kind} of imbalanced-learn is strategy {IMBLEARN[kind]!r} here", "strategy")
    if isinstance(kind, str) and kind in REFUSED:
        raise BadValue(f"{kind} of imbalanced-learn is not offered: {REFUSED[kind]}", "strategy")
    if kind in VARIANTS:
        full |= {"kind": "smote", "variant": kind}
    if "pairs" in full:
        raise BadValue(
            "pairs mix the labels of two samples, and y has one label of each: take smote, or "
            "evendraw.torch.Pairs in training",
            "pairs",
        )
    if k_neighbors is not None:
        if "k" in full:
            raise BadValue("k is given by k_neighbors, and in the strategy: leave one out", "k_neighbors")
        full["k"] = k_neighbors
    return full


def measures(strategy: dict[str, Any]) -> bool:
    """Distances between samples matter, so that features must be finite numbers."""
    return strategy.get("kind") == "smote"


def check_resamples(strategy: dict[str, Any]) -> None:
    """That the strategy makes sense where all is drawn at once."""
    if strategy.get("kind") in _ABOUT_BATCHES:
        raise BadValue(
            f"strategy {strategy['kind']} is about what each batch holds: use balanced_batch_generator, or "
            "undersampled or oversampled for samples as a whole",
            "strategy",
        )
