"""Tables with labels, and what is looked at in results: for the tests of evendraw.sklearn."""

import collections
import time

import numpy as np
from sklearn.datasets import make_classification
from sklearn.neighbors import NearestNeighbors

from evendraw.sklearn import Sampler
from evendraw.sklearn._methods import method_of

DRAWN = ["oversampled", "smote", "borderline-1", "adasyn", "undersampled"]
"""Strategies of the daemon that are classes of imbalanced-learn."""


class Tagged(Sampler):
    """With what imbalanced-learn's checks ask an estimator for, to know which of them it must pass."""

    def _more_tags(self):
        method = method_of(self.strategy, self.k_neighbors)
        copies = not method.measures and method.categories is None
        types = ["2darray", "dataframe", *["string", "sparse"] * copies]
        return {"X_types": types, "sample_indices": True, "allow_nan": copies}


def table(seed=0, weights=(0.15, 0.3, 0.55), n=300):
    """A set with some overlap between its classes."""
    return make_classification(
        n,
        6,
        n_informative=4,
        n_classes=len(weights),
        weights=list(weights),
        class_sep=0.6,
        n_clusters_per_class=1,
        random_state=seed,
    )


def counts(y):
    return dict(sorted(collections.Counter(np.asarray(y).tolist()).items()))


def nothing_left(client):
    return client.jobs() == [] and client.datasets() == []


def eligible(X, y, k):
    """(base, neighbour) of which SMOTE may make points, by scikit-learn."""
    pairs = set()
    for c in np.unique(y):
        of = np.flatnonzero(y == c)
        near = NearestNeighbors(n_neighbors=k + 1).fit(X[of]).kneighbors(X[of], return_distance=False)
        pairs |= {(of[i], of[j]) for i, row in enumerate(near) for j in row[1:]}
    return pairs


def until(condition):
    """The daemon drops what a connection leaves when it sees that it has ended."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
