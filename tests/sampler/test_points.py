"""smote as the daemon serves it is that of SAMPLING.md (sampling.py draws the same), and makes what
imbalanced-learn makes: as many of each class, next to the same bases, with the same neighbours."""

import collections

import numpy as np
import pytest
import sampling as s
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE, _adasyn
from sklearn.neighbors import NearestNeighbors
from test_sampling import ENDS, G, client, compare, daemon  # noqa: F401

from evendraw._attachments import attach

VARIANTS = [
    {"variant": "regular"},
    {"variant": "regular", "k": 3, "sampling_strategy": "all"},
    {"variant": "borderline-1", "k": 4, "m": 8},
    {"variant": "borderline-1"},
    {"variant": "adasyn"},
    {"variant": "adasyn", "k": 3, "sampling_strategy": "not majority"},
]


def make_samples(seed, sizes=(120, 40, 25)):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return rng.normal(size=(len(y), 3)) + 0.6 * y[:, None], y


def nearest(X, k):
    """Of each row the k nearest others; there are no two of equal distance."""
    return NearestNeighbors(n_neighbors=k + 1).fit(X).kneighbors(X, return_distance=False)[:, 1:]


def tables(X, y, k=10):
    of_class = np.empty((len(X), k), np.uint32)
    for c in set(y):
        where = np.flatnonzero(y == c)
        of_class[where] = where[nearest(X[where], k)]
    return of_class, nearest(X, k).astype(np.uint32)


def send(client, name, X, y):
    client.create_dataset(name, y.tolist(), classes=list(range(5)))
    both = tables(X, y)
    for scope, rows in zip(("class", "all"), both):
        far = np.linalg.norm(X[:, None] - X[rows], axis=2).astype(np.float32)
        far = np.maximum.accumulate(far, axis=1)
        attach(client, rows, far, dataset=name, name=scope, kind="neighbours", k=rows.shape[1],
               scope=scope, metric="euclidean")
    return [rows.tolist() for rows in both]


@pytest.mark.parametrize("last, W", ENDS)
def test_batches(client, last, W):
    X, y = make_samples(1)
    both = send(client, "d", X, y)
    for number, given in enumerate(VARIANTS):
        info = client.create_job(str(number), "d", G, {"kind": "smote", **given}, seed=number,
                                 last_batch=last, mode="ranked" if W else "shared")
        plan = s.Smote(y.tolist(), 5, G, last, number)
        s.smote(plan, *both, **given)
        assert info["steps"] == plan.steps()
        compare(client, str(number), [plan], 2 * plan.steps() + 1, number % W if W else None, W)


def test_after_a_change_in_mid_epoch(client):
    X, y = make_samples(2)
    both = send(client, "d", X, y)
    start = {"kind": "uniform", "pairs": {"how": "none"}}
    for number, given in enumerate(VARIANTS):
        steps = client.create_job(str(number), "d", G, start, seed=number, last_batch="short")["steps"]
        client.update_job(str(number), {"kind": "smote", **given}, when="at", epoch=0, step=1)
        before = s.Epoch(y.tolist(), 5, G, "short", number)
        after = s.Smote(y.tolist(), 5, G, "short", number, 1)
        s.uniform(before)
        before.pairs = s.Pairs("none")
        s.smote(after, *both, **given)
        after.began, after.shape = (0, 1), (steps, before.size(0, steps - 1))
        compare(client, str(number), [before, after], steps + after.steps() + 1, None, None)


# ---- imbalanced-learn ----


def theirs(monkeypatch, X, y, given, seeds):
    """How many of each class are made, and every pair of base and neighbour that is met; of ADASYN, how
    often each base gives."""
    variant, k = given.get("variant"), given.get("k", 5)
    strategy, pairs, gives, made = given.get("sampling_strategy", "auto"), set(), {}, None

    at = {tuple(row): i for i, row in enumerate(X)}

    def noted(self, bases, nn_data, nn_num, rows, cols, steps):
        for row, col in zip(rows, cols):
            pairs.add((at[tuple(bases[row])], at[tuple(nn_data[nn_num[row, col]])]))
        return original(self, bases, nn_data, nn_num, rows, cols, steps)

    class Spy:
        """numpy, as ADASYN sees it: which it repeats how often are its bases."""

        def __getattr__(self, name):
            return getattr(np, name)

        def repeat(self, what, times):
            gives[len(what)] = [int(t) for t in times]
            return np.repeat(what, times)

    for seed in range(seeds):
        with monkeypatch.context() as patch:
            if variant == "adasyn":
                patch.setattr(_adasyn, "np", Spy())
                sampler = ADASYN(n_neighbors=k, random_state=seed, sampling_strategy=strategy)
            else:
                base = SMOTE.__mro__[1]
                original = base._generate_samples
                patch.setattr(base, "_generate_samples", noted)
                more = {"random_state": seed, "k_neighbors": k, "sampling_strategy": strategy}
                sampler = (SMOTE(**more) if variant == "regular" else
                           BorderlineSMOTE(m_neighbors=given.get("m", 10), kind="borderline-1", **more))
            counts = collections.Counter(sampler.fit_resample(X, y)[1].tolist())
        assert made in (None, counts)
        made = counts
    return made, pairs, gives


def drawn(client, job, epochs):
    """What an epoch has of each class; the pairs that were made, each with how often it came."""
    steps, counts, pairs = client.job(job)["steps"], collections.Counter(), collections.Counter()
    with client.open(job, columns=["label", "mix_index", "mix_lambda"]) as stream:
        for _ in range(steps * epochs + epochs - 1):
            batch = stream.next(timeout=10)
            if batch is None:
                continue
            counts.update(batch.label.tolist())
            for i, j, share in zip(batch.index.tolist(), batch.mix_index.tolist(),
                                   batch.mix_lambda.tolist()):
                if share:
                    pairs[i, j] += 1
    assert all(n % epochs == 0 for n in counts.values())
    return {c: n // epochs for c, n in counts.items()}, pairs


@pytest.mark.parametrize("number", range(len(VARIANTS)))
def test_imbalanced_learn(client, monkeypatch, number):
    given, epochs = VARIANTS[number], 60
    X, y = make_samples(10 + number)
    send(client, "d", X, y)
    client.create_job("j", "d", G, {"kind": "smote", **given}, seed=1, last_batch="short")
    counts, pairs = drawn(client, "j", epochs)
    made, met, gives = theirs(monkeypatch, X, y, given, 1 if given["variant"] == "adasyn" else 60)
    assert counts == made
    if given["variant"] != "adasyn":
        assert set(pairs) == met
        return
    for c in set(y):
        members, n = np.flatnonzero(y == c).tolist(), (y == c).sum()
        if n in gives:
            ours = [sum(t for (i, _), t in pairs.items() if i == member) for member in members]
            assert ours == [g * epochs for g in gives[n]]
