"""smote as the daemon serves it is that of SAMPLING.md (sampling.py draws the same), and makes what
imbalanced-learn makes: as many of each class, next to the same bases, with the same neighbours."""

import collections
import re

import numpy as np
import pytest
import sampling as s
import scipy.stats
from imblearn.over_sampling import ADASYN, SMOTE, SVMSMOTE, BorderlineSMOTE, _adasyn
from sklearn.neighbors import NearestNeighbors
from test_sampling import ENDS, G, client, compare, daemon  # noqa: F401

import evendraw
from evendraw._attachments import attach

VARIANTS = [
    {"variant": "regular"},
    {"variant": "regular", "k": 3, "sampling_strategy": "all"},
    {"variant": "borderline-1", "k": 4, "m": 8},
    {"variant": "borderline-1"},
    {"variant": "borderline-2", "k": 3, "m": 7},
    {"variant": "borderline-2"},
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


NONE = 2**32 - 1


def tables(X, y, k):
    """Neighbours within the class, and of any; NONE where there are fewer."""
    of_class, of_all = (np.full((len(X), k), NONE, np.uint32) for _ in range(2))
    for c in set(y):
        where = np.flatnonzero(y == c)
        found = min(k, len(where) - 1)
        of_class[where, :found] = where[nearest(X[where], found)]
    found = min(k, len(X) - 1)
    of_all[:, :found] = nearest(X, found)
    return of_class, of_all


def send(client, name, X, y, k=10):
    client.create_dataset(name, y.tolist(), classes=list(range(5)))
    both = tables(X, y, k)
    for scope, rows in zip(("class", "all"), both):
        near = np.minimum(rows, len(X) - 1)
        far = np.where(rows == NONE, np.inf, np.linalg.norm(X[:, None] - X[near], axis=2))
        far = np.maximum.accumulate(far.astype(np.float32), axis=1)
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


class Theirs:
    """What imbalanced-learn makes, seed after seed: how many of each class, every pair of base and second
    sample that is met, and the way between them; of ADASYN, how often each base gives."""

    def __init__(self, monkeypatch, X, y, given, seeds):
        self.counts, self.pairs, self.shares, self.gives = [], collections.Counter(), [], {}
        self.at = {tuple(row): i for i, row in enumerate(X)}
        for seed in range(seeds):
            with monkeypatch.context() as patch:
                sampler = estimator(given, seed)
                if isinstance(sampler, ADASYN):
                    patch.setattr(_adasyn, "np", Spy(self.gives))
                else:
                    self.original = type(sampler)._generate_samples
                    patch.setattr(SMOTE.__mro__[1], "_generate_samples", self.noted())
                self.counts.append(collections.Counter(sampler.fit_resample(X, y)[1].tolist()))

    def noted(theirs):
        def generate(self, bases, nn_data, nn_num, rows, cols, steps):
            for row, col, step in zip(rows, cols, steps.ravel()):
                pair = theirs.at[tuple(bases[row])], theirs.at[tuple(nn_data[nn_num[row, col]])]
                theirs.pairs[pair] += 1
                theirs.shares.append((pair, step))
            return theirs.original(self, bases, nn_data, nn_num, rows, cols, steps)

        return generate


class Spy:
    """numpy, as ADASYN sees it: which it repeats how often are its bases."""

    def __init__(self, gives):
        self.gives = gives

    def __getattr__(self, name):
        return getattr(np, name)

    def repeat(self, what, times):
        self.gives[len(what)] = [int(t) for t in times]
        return np.repeat(what, times)


def estimator(given, seed):
    variant, k = given["variant"], given.get("k", 5)
    more = {"random_state": seed, "sampling_strategy": given.get("sampling_strategy", "auto")}
    if variant == "adasyn":
        return ADASYN(n_neighbors=k, **more)
    if variant == "regular":
        return SMOTE(k_neighbors=k, **more)
    return BorderlineSMOTE(k_neighbors=k, m_neighbors=given.get("m", 10), kind=variant, **more)


def drawn(client, job, epochs):
    """What an epoch has of each class; the pairs that were made, each with how often it came; their shares."""
    steps, counts, pairs = client.job(job)["steps"], collections.Counter(), collections.Counter()
    shares = []
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
                    shares.append(((i, j), share))
    assert all(n % epochs == 0 for n in counts.values())
    return {c: n // epochs for c, n in counts.items()}, pairs, shares


def bases_of(pairs):
    bases = collections.Counter()
    for (i, _), times in pairs.items():
        bases[i] += times
    return bases


def alike(ours, theirs):
    """Two counts of the same things could come from one distribution; the seeds are fixed."""
    keys = sorted(ours | theirs)
    table = np.array([[ours[key] for key in keys], [theirs[key] for key in keys]])
    assert scipy.stats.chi2_contingency(table)[1] > 1e-3


def same_way(ours, theirs):
    assert scipy.stats.ks_2samp(ours, theirs).pvalue > 1e-3


@pytest.mark.parametrize("number", range(len(VARIANTS)))
def test_imbalanced_learn(client, monkeypatch, number):
    given, epochs = VARIANTS[number], 60
    X, y = make_samples(10 + number)
    both = send(client, "d", X, y)
    client.create_job("j", "d", G, {"kind": "smote", **given}, seed=1, last_batch="short")
    counts, pairs, shares = drawn(client, "j", epochs)
    theirs = Theirs(monkeypatch, X, y, given, 1 if given["variant"] == "adasyn" else 60)
    if given["variant"] == "adasyn":
        assert all(made == counts for made in theirs.counts)
        for c in set(y):
            members, n = np.flatnonzero(y == c).tolist(), (y == c).sum()
            if n in theirs.gives:
                ours = [bases_of(pairs)[member] for member in members]
                assert ours == [g * epochs for g in theirs.gives[n]]
        return
    if given["variant"] == "borderline-2":
        compare_borderline_2(y, both[1], counts, pairs, shares, theirs)
        return
    assert all(made == counts for made in theirs.counts)
    assert set(pairs) == set(theirs.pairs)
    alike(pairs, theirs.pairs)
    same_way([share for _, share in shares], [share for _, share in theirs.shares])


def compare_borderline_2(y, of_all, counts, pairs, shares, theirs):
    """The second samples from other classes are not compared: theirs are no neighbours. Here each is the
    nearest one, as Han, Wang and Mao have it. Which part goes which way is a random number there, once for a
    class, and a half on average; and one may be missing."""

    def part(counted, same):
        return collections.Counter({p: n for p, n in counted.items() if (y[p[0]] == y[p[1]]) == same})

    def way(listed, same):
        return [share for (i, j), share in listed if (y[i] == y[j]) == same]

    for made in theirs.counts:
        assert all(0 <= counts[c] - made[c] <= 1 for c in counts)
    assert all(counts[c] == max(made[c] for made in theirs.counts) for c in counts)
    assert set(part(pairs, True)) == set(part(theirs.pairs, True))
    assert set(bases_of(part(pairs, False))) == set(bases_of(part(theirs.pairs, False)))
    for i, j in part(pairs, False):
        assert j == next(j for j in of_all[i] if y[j] != y[i])
    for same in True, False:
        alike(bases_of(part(pairs, same)), bases_of(part(theirs.pairs, same)))
        same_way(way(shares, same), way(theirs.shares, same))
    assert 0.45 < len(way(shares, True)) / len(shares) < 0.55


# ---- errors ----


def refused(client, given):
    with pytest.raises(evendraw.StrategyError) as ours:
        client.create_job("refused", "d", G, {"kind": "smote", **given})
    assert re.search("give a smaller [km]|take variant regular", str(ours.value)), ours.value
    return str(ours.value)


@pytest.mark.parametrize("given", [{"variant": "regular"}, {"variant": "adasyn"},
                                   {"variant": "borderline-1", "m": 6}, {"variant": "borderline-2", "m": 6}])
def test_a_class_that_is_too_small(client, given):
    """imbalanced-learn says the same, and we say what to do."""
    X, y = make_samples(30, sizes=(30, 5))
    send(client, "d", X, y, k=6)
    with pytest.raises(ValueError) as theirs:
        estimator(given, 0).fit_resample(X, y)
    assert "Expected n_neighbors <= n_samples" in str(theirs.value)
    assert str(theirs.value) in refused(client, given)
    client.create_job("smaller", "d", G, {"kind": "smote", **given, "k": 4})
    client.create_job("left out", "d", G, {"kind": "smote", **given, "sampling_strategy": {0: 30}})


@pytest.mark.parametrize("given", [{"variant": "adasyn", "k": 3},
                                   {"variant": "borderline-1", "k": 3, "m": 9}])
def test_a_dataset_that_is_too_small(client, given):
    X, y = make_samples(31, sizes=(5, 4) if given["variant"] != "adasyn" else (2, 1))
    send(client, "d", X, y, k=9)
    with pytest.raises(ValueError, match="Expected n_neighbors <= n_samples") as theirs:
        estimator(given, 0).fit_resample(X, y)
    assert str(theirs.value) in refused(client, given)


def test_adasyn_that_has_nothing_to_do(client):
    X, y = make_samples(32, sizes=(40, 20))
    X[y == 1] += 100  # nobody of another class is near
    send(client, "d", X, y)
    with pytest.raises(RuntimeError, match="Not any neigbours belong to the majority class") as theirs:
        estimator({"variant": "adasyn"}, 0).fit_resample(X, y)
    assert str(theirs.value).split(".")[0] in refused(client, {"variant": "adasyn"})
    X, y = make_samples(33, sizes=(41, 40))
    send(client, "d", X, y)
    with pytest.raises(ValueError, match="No samples will be generated") as theirs:
        estimator({"variant": "adasyn"}, 0).fit_resample(X, y)
    assert str(theirs.value) in refused(client, {"variant": "adasyn"})


def test_nobody_in_danger(client):
    """imbalanced-learn leaves the class as it is, without a word."""
    X, y = make_samples(34, sizes=(40, 20))
    X[y == 1] += 100
    send(client, "d", X, y)
    for variant in "borderline-1", "borderline-2":
        assert len(estimator({"variant": variant}, 0).fit_resample(X, y)[1]) == 60
        assert "no sample in danger" in refused(client, {"variant": variant})


def test_svm(client):
    assert len(SVMSMOTE(random_state=0).fit_resample(*make_samples(35))[1]) > 185
    X, y = make_samples(35)
    send(client, "d", X, y)
    with pytest.raises(evendraw.StrategyError, match="support vectors.*borderline-1"):
        client.create_job("refused", "d", G, {"kind": "smote", "variant": "svm"})
