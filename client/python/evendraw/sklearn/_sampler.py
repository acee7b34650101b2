"""`Sampler`: imbalanced-learn's interface to what evendraw draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin
from sklearn.utils import check_random_state

from .._synthesise import synthesise
from .._values import Strategy
from ..errors import BadValue
from . import _tables
from ._clean import kept
from ._draw import BATCH, Drawn, Job, Search, class_map, search_of, targets_of
from ._methods import Method, check_resamples, method_of
from ._mixed import Mixed

_MAX_SEED = 2**63 - 1


class Sampler(OneToOneFeatureMixin, BaseEstimator):
    """Balances a table of features by a strategy, with the interface of imbalanced-learn's samplers::

        sampler = evendraw.sklearn.Sampler("smote", k_neighbors=3)
        X_more, y_more = sampler.fit_resample(X, y)

        pipeline = imblearn.pipeline.make_pipeline(StandardScaler(), sampler, LogisticRegression())
        cross_val_score(pipeline, X, y, scoring="balanced_accuracy", n_jobs=2)

    A strategy for each of imbalanced-learn's classes; beside them, any other of `Client.strategies`:

    =============================== ===================================================================
    RandomOverSampler               ``"oversampled"``
    SMOTE                           ``"smote"``
    SMOTENC                         ``"smotenc"``, for columns of numbers and of categories
    SMOTEN                          ``"smoten"``, for categories only
    BorderlineSMOTE                 ``"borderline-1"``, ``"borderline-2"``
    ADASYN                          ``"adasyn"``
    RandomUnderSampler              ``"undersampled"``; with replacement:
                                    ``{"kind": "undersampled", "replacement": True}``
    NearMiss                        ``"nearmiss-1"``, ``"nearmiss-2"``, ``"nearmiss-3"``
    TomekLinks                      ``"tomek"``
    EditedNearestNeighbours         ``"enn"``; its kind_sel "mode": ``{"kind": "enn", "vote": "mode"}``
    RepeatedEditedNearestNeighbours ``"renn"``
    AllKNN                          ``"allknn"``
    NeighbourhoodCleaningRule       ``"ncr"``
    CondensedNearestNeighbour       ``"cnn"``
    OneSidedSelection               ``"oss"``
    InstanceHardnessThreshold       ``"instance-hardness"``
    SMOTEENN, SMOTETomek            ``"smoteenn"``, ``"smotetomek"``
    SVMSMOTE, KMeansSMOTE,          not offered: an error says why, and what to take
    ClusterCentroids
    =============================== ===================================================================

    Those from NearMiss to InstanceHardnessThreshold are methods of `evendraw.select`, whose options belong in
    the map, and need no daemon. The two that combine draw as smote does, whose parameters they take, and then
    clean all classes, points too: ``{"kind": "smoteenn", "k": 3, "clean": {"vote": "mode"}}``.

    A fit of the others makes labels and a job in the daemon, draws one epoch, and removes both. It connects
    where it is called, so that a sampler can be cloned, pickled and sent to other processes. Several at once,
    also of the same labels, do not meet.

    Args:
        strategy: its name, or {"kind": name, ...} with its parameters, as everywhere in evendraw.
        sampling_strategy: as of imbalanced-learn: a word, for two classes a ratio, {class: number of
            samples}, a function of y that returns one of these, or, of methods that clean, a list of classes.
            "auto": what the strategy has as its own.
        k_neighbors: of strategies that look at neighbours, how many; None: imbalanced-learn's default. Of
            the two that combine: of smote.
        categorical_features: of "smotenc", which columns are categories: numbers, names of a DataFrame's, or
            a mask; None: of a DataFrame those that are no numbers.
        estimator: of "instance-hardness", a classifier with predict_proba, by the probabilities of which
            samples are left out, found by cross-validation (5 folds, or "cv" in the map); None: a
            RandomForestClassifier.
        random_state: a seed, 0 or more; with it the same X and y give the same on every machine. None, or
            a RandomState: another seed each time.
        address: of the daemon; None: the environment variable EVENDRAW_SERVER, or else the daemon's default
            socket.

    Attributes:
        sample_indices_: shape (n_new,): the row of X that each new row is, or begins at; y_new is
            y[sample_indices_].
        mix_index_, mix_lambda_: shape (n_new,): new row i is X[sample_indices_[i]], moved by the share
            mix_lambda_[i] towards X[mix_index_[i]]. Where the share is 0 it is that row itself. Categories of
            "smotenc" and "smoten" are those that most of the neighbours of sample_indices_[i] have.
        sampling_strategy_: of the classes whose number of samples is another one: how many were added, or,
            if the strategy has made any class smaller, how many there are.
        n_features_in_, feature_names_in_: of X; the latter if it is a DataFrame with texts as names.
    """

    _estimator_type = "sampler"

    def __init__(
        self,
        strategy: Strategy = "oversampled",
        *,
        sampling_strategy: Any = "auto",
        k_neighbors: int | None = None,
        categorical_features: Any = None,
        estimator: Any = None,
        random_state: Any = 0,
        address: str | None = None,
    ) -> None:
        self.strategy = strategy
        self.sampling_strategy = sampling_strategy
        self.k_neighbors = k_neighbors
        self.categorical_features = categorical_features
        self.estimator = estimator
        self.random_state = random_state
        self.address = address

    def fit(self, X: Any, y: Any) -> Sampler:
        """As `fit_resample`, of which it keeps the attributes only."""
        self.fit_resample(X, y)
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Balanced X and y: first the samples that are kept, in the order of X, then those that come again
        and new ones, class by class.

        Args:
            X: shape (n, d): array, DataFrame, list of rows or sparse matrix. Strategies that look at
                neighbours need finite numbers, not sparse; others take anything.
            y: shape (n,), of two classes or more, numbers or texts; or one-hot.

        Returns:
            Of the types that X and y have. Where points between samples are made, columns of whole numbers
            become float64 (imbalanced-learn cuts off the fractions).

        Raises:
            BadValue, StrategyError (both a ValueError): of X, y, or what the strategy cannot do with them.
            ConnectError: no daemon.
        """
        _tables.length_of(X, y)
        labels = _tables.labels_of(y)
        method = method_of(self.strategy, self.k_neighbors)
        check_resamples(method)
        seed = seed_of(self.random_state)
        if method.drawn is None:
            drawn = self._cleaned(method, labels, X, y, seed)
            X_new = _tables.rows_of(X, drawn.index)
        else:
            drawn, X_new = self._drawn(method, labels, X, y, seed)
        self._tell(X, labels, drawn)
        return X_new, _tables.rows_of(y, drawn.index)

    def _check_parameters(self, method: Method) -> None:
        cleaning = None if method.cleaned is None else method.cleaned["method"]
        for given, name, only in (
            (self.estimator, "estimator", cleaning == "instance-hardness"),
            (self.categorical_features, "categorical_features", method.categories == "smotenc"),
        ):
            if given is not None and not only:
                whom = "instance-hardness" if name == "estimator" else "smotenc"
                raise BadValue(f"{name} is for {whom}, and strategy is {self.strategy!r}", name)

    def _cleaned(self, method: Method, labels: _tables.Labels, X: Any, y: Any, seed: int) -> Drawn:
        assert method.cleaned is not None
        self._check_parameters(method)
        targets = targets_of(self.sampling_strategy, y)
        features = _tables.features_of(X)
        index = np.flatnonzero(kept(method.cleaned, targets, features, labels, seed, self.estimator))
        return Drawn(index, index, np.zeros(len(index), dtype=np.float32))

    def _drawn(
        self, method: Method, labels: _tables.Labels, X: Any, y: Any, seed: int
    ) -> tuple[Drawn, Any]:
        """What the daemon draws, and the rows."""
        strategy = self._strategy_for(method, labels, y)
        if method.categories is not None:
            mixed = Mixed(X, labels, self.categorical_features, method.categories == "smoten")
            drawn = self._epoch(labels, strategy, mixed.search, seed)
            return drawn, mixed.made(drawn, seed)
        if not method.adds:
            drawn = self._epoch(labels, strategy, None, seed)
            return drawn, _tables.rows_of(X, drawn.index)
        features = _tables.features_of(X)
        drawn = self._epoch(labels, strategy, search_of(features), seed)
        made = synthesise(features, drawn)
        if method.cleaned is not None:
            stays = kept(method.cleaned, "all", made, replace(labels, codes=labels.codes[drawn.index]), seed)
            drawn, made = drawn[stays], made[stays]
        return drawn, _tables.as_given(made, X)

    def _epoch(
        self, labels: _tables.Labels, strategy: dict[str, Any], search: Search | None, seed: int
    ) -> Drawn:
        with Job(labels, strategy, search, seed, BATCH, self.address) as job:
            return in_order(job.epoch(), labels)

    def _strategy_for(self, method: Method, labels: _tables.Labels, y: Any) -> dict[str, Any]:
        """What the daemon is to draw by; for `balanced_batch_generator`."""
        assert method.drawn is not None
        self._check_parameters(method)
        if isinstance(self.sampling_strategy, str) and self.sampling_strategy == "auto":
            return method.drawn
        if "sampling_strategy" in method.drawn:
            raise BadValue(
                "sampling_strategy is given to the sampler, and in the strategy: leave one out",
                "sampling_strategy",
            )
        return {**method.drawn, "sampling_strategy": class_map(self.sampling_strategy, labels, y)}

    def _tell(self, X: Any, labels: _tables.Labels, drawn: Drawn) -> None:
        self.n_features_in_ = _tables.width_of(X)
        if (names := _tables.names_of_features(X)) is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.sample_indices_ = drawn.index
        self.mix_index_ = drawn.mix_index
        self.mix_lambda_ = drawn.mix_lambda
        before, after = labels.counts(), labels.counts(drawn.index)
        told = after - before if (after >= before).all() else after
        changed = np.flatnonzero(after != before)
        values = labels.classes.tolist()
        self.sampling_strategy_ = {values[c]: int(told[c]) for c in changed}


def seed_of(random_state: Any) -> int:
    """A job's seed, from what scikit-learn takes as random_state."""
    if isinstance(random_state, (int, np.integer)):
        if isinstance(random_state, bool) or not 0 <= random_state <= _MAX_SEED:
            raise BadValue(
                f"random_state is {random_state}: a seed is from 0 to {_MAX_SEED}", "random_state"
            )
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def in_order(drawn: Drawn, labels: _tables.Labels) -> Drawn:
    """The first of each sample as it is, in the order of samples; then the others, class by class."""
    plain = np.flatnonzero(drawn.mix_lambda == 0)
    _, first = np.unique(drawn.index[plain], return_index=True)
    kept = plain[first]
    others = np.ones(len(drawn.index), dtype=bool)
    others[kept] = False
    rest = np.flatnonzero(others)
    by_class = np.argsort(labels.codes[drawn.index[rest]], kind="stable")
    return drawn[np.concatenate([kept, rest[by_class]])]
