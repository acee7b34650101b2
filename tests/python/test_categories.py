"""`evendraw.sklearn.Sampler("smotenc")` and `"smoten"`, against imbalanced-learn's SMOTENC and SMOTEN."""

import itertools

import numpy as np
import pandas
import pytest
import scipy.sparse
import scipy.stats
from imblearn.metrics.pairwise import ValueDifferenceMetric
from imblearn.over_sampling import SMOTEN, SMOTENC
from imblearn.utils.estimator_checks import parametrize_with_checks
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

import evendraw
from evendraw.sklearn import Sampler, balanced_batch_generator
from evendraw._nominal import encoded, in_order, most_frequent, value_differences
from tables import Tagged, counts, nothing_left, table, until

COLOURS = np.array(["red", "green", "blue", "grey"])


def mixed(seed=0, weights=(0.15, 0.3, 0.55), n=300):
    """Columns 1 and 3 are categories, which have to do with the class."""
    X, y = table(seed, weights, n)
    generator = np.random.default_rng(seed)
    X[:, 1] = (y + generator.integers(0, 3, n)) % 4
    X[:, 3] = generator.integers(0, 3, n) * (y > 0)
    return X, y


def nominal(seed=0, n=300):
    _, y = table(seed, n=n)
    generator = np.random.default_rng(seed)
    columns = [(y * (f % 2) + generator.integers(0, f + 2, n)) % (f + 2) for f in range(6)]
    return COLOURS.astype(object)[np.stack(columns, axis=1) % 4], y


@parametrize_with_checks([Tagged("smotenc", categorical_features=[0])])
def test_checks_of_imbalanced_learn(daemon, estimator, check):
    check(estimator)


def theirs_of(X, y, k=5):
    """imbalanced-learn's encoding of these features, by its own estimator."""
    smote = SMOTENC([1, 3], k_neighbors=k, random_state=0)
    smote.fit_resample(X, y)
    one_hot = smote.ohe_.transform(X[:, [1, 3]]).toarray() * smote.median_std_ / 2
    return np.hstack([X[:, [0, 2, 4, 5]], one_hot])


@pytest.mark.parametrize("k", [3, 5])
def test_smotenc(daemon, client, k):
    """Bases and neighbours are theirs; numbers are between the two, categories those of most neighbours."""
    tied = clear = 0
    for seed in range(6):
        X, y = mixed(seed)
        sampler = Sampler("smotenc", categorical_features=[1, 3], k_neighbors=k, random_state=seed)
        X_new, y_new = sampler.fit_resample(X, y)
        _, y_theirs = SMOTENC([1, 3], k_neighbors=k).fit_resample(X, y)
        assert counts(y_new) == counts(y_theirs)
        np.testing.assert_array_equal(X_new[:300], X)
        base, second, share = sampler.sample_indices_, sampler.mix_index_, sampler.mix_lambda_
        np.testing.assert_array_equal(y_new, y[base])
        wanted = X[base] + share[:, None].astype(float) * (X[second] - X[base])
        np.testing.assert_allclose(X_new[:, [0, 2, 4, 5]], wanted[:, [0, 2, 4, 5]], rtol=1e-12)
        space = theirs_of(X, y, k)
        for c in 0, 1, 2:
            of = np.flatnonzero(y == c)
            near = NearestNeighbors(n_neighbors=k + 1).fit(space[of]).kneighbors(space[of], return_distance=False)
            near = dict(zip(of, of[near[:, 1:]]))
            for i in range(300, len(X_new)):
                if y_new[i] != c:
                    continue
                assert second[i] in near[base[i]]
                for f in 1, 3:
                    values, votes = np.unique(X[near[base[i]], f], return_counts=True)
                    assert X_new[i, f] in values[votes == votes.max()]
                    tied += (votes == votes.max()).sum() > 1
                    clear += (votes == votes.max()).sum() == 1
    assert tied > 50 and clear > 500
    assert nothing_left(client)


def test_ties_fall_at_random():
    values = np.tile([7, 7, 2, 2, 5], (6000, 1))
    found = most_frequent(values, np.random.default_rng(0).random(values.shape))
    votes = np.bincount(values[0, found], minlength=8)
    assert votes[5] == 0 and 2800 < votes[7] < 3200 and votes[2] + votes[7] == 6000
    assert (most_frequent(values) == 0).all() and (most_frequent(values, in_order(values)) == 2).all()


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_most_frequent(monkeypatch, k):
    """The first in order, as scipy's mode, or the first in the row, in blocks of any size."""
    values = np.random.default_rng(k).integers(0, 4, (200, k))
    wanted = scipy.stats.mode(values, axis=1, keepdims=False).mode
    first = [max(range(k), key=lambda i: (row.count(row[i]), -i)) for row in values.tolist()]
    for block in 1, 700, 1 << 22:
        monkeypatch.setattr("evendraw._nominal._BLOCK", block)
        assert values[np.arange(200), most_frequent(values, in_order(values))].tolist() == wanted.tolist()
        assert most_frequent(values).tolist() == first
    assert most_frequent(np.empty((0, k), int)).shape == (0,)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_encoded(kind):
    """In the type of the numbers; of two smallest classes, the first in y says how far categories are."""
    numbers = np.array([[0], [1], [5], [9], [2], [3], [4]], kind)
    codes = np.array([[0, 1], [1, 0], [2, 0], [0, 0], [0, 0], [0, 0], [0, 0]])
    rows = encoded(numbers, codes, np.array([2, 2, 1, 1, 0, 0, 0], np.uint32))
    assert rows.dtype == kind and rows.flags.c_contiguous and rows.shape == (7, 6)
    assert rows[:3].tolist() == [[0, 0.25, 0, 0, 0, 0.25], [1, 0, 0.25, 0, 0.25, 0], [5, 0, 0, 0.25, 0.25, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_value_differences(monkeypatch, seed):
    """Distances of the neighbours are those of imbalanced-learn's metric; which of equal ones comes is open."""
    X, y = nominal(seed)
    codes = np.stack([np.unique(column, return_inverse=True)[1] for column in X.T.astype(str)], axis=1)
    apart = ValueDifferenceMetric().fit(codes, y).pairwise(codes)
    labels = y.astype(np.uint32)
    for block in 500, 1 << 22:
        monkeypatch.setattr("evendraw._nominal._BLOCK", block)
        index, distance = value_differences(codes, labels, labels, 5)
        for i, (row, far) in enumerate(zip(index, distance)):
            of = np.flatnonzero((y == y[i]) & (np.arange(300) != i))
            assert (y[row] == y[i]).all() and i not in row and len(set(row)) == 5
            np.testing.assert_allclose(far, np.sort(apart[i, of])[:5], rtol=1e-6, atol=1e-12)
            np.testing.assert_allclose(far, apart[i, row], rtol=1e-6, atol=1e-12)
    few = np.where(y == 0, labels, np.uint32(0xFFFFFFFF))
    index, distance = value_differences(codes, labels, few, 64)
    assert (index[y > 0] == 0xFFFFFFFF).all() and np.isinf(distance[y > 0]).all()
    members = int((y == 0).sum())
    assert ((index[y == 0] != 0xFFFFFFFF).sum(axis=1) == min(64, members - 1)).all()


def test_smoten(daemon, client):
    """Each feature of a new row is what most of its base and the base's neighbours have."""
    for seed in range(5):
        X, y = nominal(seed)
        sampler = Sampler("smoten", random_state=seed)
        X_new, y_new = sampler.fit_resample(X, y)
        _, y_theirs = SMOTEN().fit_resample(X, y)
        assert counts(y_new) == counts(y_theirs) and X_new.dtype == object
        np.testing.assert_array_equal(X_new[:300], X)
        codes = np.stack([np.unique(column, return_inverse=True)[1] for column in X.T.astype(str)], axis=1)
        index, _ = value_differences(codes, y.astype(np.uint32), y.astype(np.uint32), 5)
        for row, i, share in list(zip(X_new, sampler.sample_indices_, sampler.mix_lambda_))[300:]:
            assert share > 0
            wanted = scipy.stats.mode(codes[[i, *index[i]]], axis=0, keepdims=False).mode
            assert row.tolist() == [np.unique(X[:, f])[wanted[f]] for f in range(6)]
    assert nothing_left(client)


def test_frames(daemon):
    X, y = mixed(1)
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    frame["b"] = pandas.Categorical(COLOURS[X[:, 1].astype(int)], categories=[*COLOURS, "none"])
    frame["d"] = COLOURS[X[:, 3].astype(int)]
    frame["a"] = frame["a"].astype(np.float32)
    frame["c"] = (10 * frame["c"]).astype(int)
    found = []
    for chosen in None, ["b", "d"], [1, 3], [-5, -3], [False, True, False, True, False, False]:
        sampler = Sampler("smotenc", categorical_features=chosen)
        X_new, _ = sampler.fit_resample(frame, y)
        assert list(X_new.columns) == list("abcdef") and X_new.index.tolist() == list(range(len(X_new)))
        assert X_new.dtypes.astype(str).tolist() == ["float32", "category", "float64", "object", "float64", "float64"]
        assert X_new["b"].dtype == frame["b"].dtype
        pandas.testing.assert_frame_equal(X_new[:300].astype({"c": int}), frame)
        found.append(X_new)
    for other in found[1:]:
        pandas.testing.assert_frame_equal(found[0], other)
    kinds = frame[["b", "d"]].assign(e=y % 2 == 0)
    X_new, _ = Sampler("smoten").fit_resample(kinds, y)
    assert X_new.dtypes.tolist() == kinds.dtypes.tolist()
    pandas.testing.assert_frame_equal(X_new[:300], kinds)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, object, list])
def test_types(daemon, kind):
    X, y = mixed(2)
    given = (10 * X).round().astype(int).astype(object).tolist() if kind is list else (10 * X).astype(kind)
    for strategy, more in ("smotenc", {"categorical_features": [1, 3]}), ("smoten", {}):
        X_new, y_new = Sampler(strategy, **more).fit_resample(given, y)
        assert len(X_new) == len(y_new) == 3 * max(counts(y).values())
        if kind is list:
            assert isinstance(X_new, list) and X_new[:300] == given
        else:
            assert X_new.dtype == (np.float64 if kind is np.int64 and strategy == "smotenc" else kind)


def test_seeds(daemon):
    X, y = mixed(3)
    sampler = Sampler("smotenc", categorical_features=[1, 3])
    fits = [clone(sampler).set_params(random_state=seed).fit_resample(X, y)[0] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])


def test_batches(daemon):
    """Made once, and then in another order in each epoch."""
    X, y = mixed(4)
    sampler = Sampler("smotenc", categorical_features=[1, 3])
    X_new, _ = sampler.fit_resample(X, y)
    generator, steps = balanced_batch_generator(X, y, sampler=sampler, batch_size=1)
    rows = [tuple(X_batch[0]) for X_batch, _ in itertools.islice(generator, steps)]
    assert sorted(rows) == sorted(map(tuple, X_new))


NC = {"strategy": "smotenc", "categorical_features": [1, 3]}


@pytest.mark.parametrize(
    "more, change, said",
    [
        ({"strategy": "smotenc"}, None, "smotenc needs categorical_features="),
        ({**NC, "categorical_features": [9]}, None, "has 9: columns are 0 to 5"),
        ({**NC, "categorical_features": ["b"]}, None, "has 'b': columns are 0 to 5"),
        ({**NC, "categorical_features": []}, None, "no column is a category: take smote"),
        ({**NC, "categorical_features": list(range(6))}, None, "take smoten"),
        ({**NC, "strategy": {"kind": "smotenc", "variant": "adasyn"}}, None, "has no variants"),
        ({"strategy": "smoten", "categorical_features": [1]}, None, "categorical_features is for smotenc"),
        ({**NC, "k_neighbors": 60}, None, "n_neighbors = 61"),
        ({"strategy": "smoten", "k_neighbors": 60}, None, "n_neighbors = 61"),
        (NC, scipy.sparse.csr_matrix, "X is sparse"),
        (NC, lambda X: np.where(X == 1, np.nan, X), "column 1 of X has a missing value"),
        (NC, lambda X: np.where(np.arange(6) == 2, np.inf, X), "infinity.*finite numbers"),
        (NC, lambda X: X[:, :, None], "and .n, d. is needed"),
        ({"strategy": "smoten"}, lambda X: np.array([[1, "a"], ["b", 2]] * 150, dtype=object), "several kinds"),
    ],
)
def test_refused(daemon, client, more, change, said):
    X, y = mixed()
    with pytest.raises(ValueError, match=f"(?s){said}"):
        Sampler(**more).fit_resample(change(X) if change else X, y)
    until(lambda: nothing_left(client))
    with pytest.raises(evendraw.BadValue, match="X has 299 rows"):
        Sampler(**NC).fit_resample(X[1:], y)
