"""What a sampler's parameters come to: a strategy of the daemon, cleaning, or one after the other.
Called by _sampler.py and _batches.py."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import _select
from .._values import Strategy, as_strategy
from ..errors import BadValue

IMBLEARN = {
    "RandomOverSampler": "oversampled",
    "SMOTE": "smote",
    "SMOTENC": "smotenc",
    "SMOTEN": "smoten",
    "BorderlineSMOTE": "borderline-1",
    "ADASYN": "adasyn",
    "RandomUnderSampler": "undersampled",
    "NearMiss": "nearmiss-1",
    "TomekLinks": "tomek",
    "EditedNearestNeighbours": "enn",
    "RepeatedEditedNearestNeighbours": "renn",
    "AllKNN": "allknn",
    "NeighbourhoodCleaningRule": "ncr",
    "CondensedNearestNeighbour": "cnn",
    "OneSidedSelection": "oss",
    "InstanceHardnessThreshold": "instance-hardness",
    "SMOTEENN": "smoteenn",
    "SMOTETomek": "smotetomek",
}
"""The strategy for each class of imbalanced-learn."""

REFUSED = {
    "SVMSMOTE": "its new points follow from the support vectors of a classifier: take borderline-1",
    "KMeansSMOTE": "it needs clusters: take borderline-1",
    "ClusterCentroids": "it replaces samples by the centres of clusters: take undersampled or nearmiss-1",
}
"""Those for which there is none, why, and what to take."""

VARIANTS = ("borderline-1", "borderline-2", "svm", "adasyn")  # of smote, as names of their own
COMBINED = {"smoteenn": "enn", "smotetomek": "tomek"}
CLEANING = typing.get_args(_select.Method)
CATEGORIES = ("smotenc", "smoten")
_ABOUT_BATCHES = ("stratified", "p-by-k")


@dataclass(frozen=True)
class Method:
    """What is drawn by the daemon (a strategy with its parameters), and what is then left out (a
    method of `evendraw.select` with its parameters); either may be None. `categories`: which of these
    says what new rows are made of, or None."""

    drawn: dict[str, Any] | None
    cleaned: dict[str, Any] | None = None
    categories: str | None = None

    @property
    def kind(self) -> str | None:
        return None if self.drawn is None else self.drawn.get("kind")

    @property
    def adds(self) -> bool:
        """There are points beside the samples."""
        return self.kind == "smote"

    @property
    def measures(self) -> bool:
        """Distances between samples matter, so that all features must be finite numbers."""
        return (self.adds and self.categories is None) or self.cleaned is not None

    @property
    def draws_batches(self) -> bool:
        """What is drawn are batches already, of samples or points between them."""
        return self.cleaned is None and self.categories is None


def method_of(strategy: Strategy, k_neighbors: int | None) -> Method:
    """Without `sampling_strategy`, which needs the labels."""
    if not isinstance(strategy, (str, Mapping)):
        raise BadValue(
            f'strategy is {strategy!r}: it is a name, such as "smote", or a map, such as '
            '{"kind": "smote", "variant": "borderline-1"}',
            "strategy",
        )
    full = as_strategy(strategy)
    kind = full.get("kind")
    if not isinstance(kind, str):
        raise BadValue(
            f'strategy has kind {kind!r}, and a name is needed: {{"kind": "smote", ...}}', "strategy"
        )
    if kind in IMBLEARN:
        raise BadValue(f"{kind} of imbalanced-learn is strategy {IMBLEARN[kind]!r} here", "strategy")
    if kind in REFUSED:
        raise BadValue(f"{kind} of imbalanced-learn is not offered: {REFUSED[kind]}", "strategy")
    if kind in VARIANTS:
        full |= {"kind": "smote", "variant": kind}
    if "pairs" in full:
        raise BadValue(
            "pairs mix the labels of two samples, and y has one label of each: take smote, or "
            "evendraw.torch.Pairs in training",
            "pairs",
        )
    cleaned = None
    if kind in COMBINED:
        cleaned = {"method": COMBINED[kind], **_options_of(full.pop("clean", {}))}
        full["kind"] = "smote"
    if k_neighbors is not None:
        if "k" in full:
            raise BadValue("k is given by k_neighbors, and in the strategy: leave one out", "k_neighbors")
        full["k"] = k_neighbors
    if kind in CATEGORIES:
        if "variant" in full:
            raise BadValue(f"{kind} has no variants: leave variant out", "variant")
        return Method({**full, "kind": "smote"}, categories=kind)
    if kind in CLEANING:
        del full["kind"]
        return Method(None, {"method": kind, **full})
    return Method(full, cleaned)


def _options_of(clean: Any) -> Mapping[str, Any]:
    if not isinstance(clean, Mapping) or "method" in clean:
        raise BadValue(
            f"clean is {clean!r}: it is a map of what evendraw.select takes beside the method", "clean"
        )
    return clean


def check_resamples(method: Method) -> None:
    """That the strategy makes sense where all is drawn at once."""
    if method.kind in _ABOUT_BATCHES:
        raise BadValue(
            f"strategy {method.kind} is about what each batch holds: use balanced_batch_generator, or "
            "undersampled or oversampled for samples as a whole",
            "strategy",
        )
