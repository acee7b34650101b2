"""`evendraw.sklearn.Sampler` against imbalanced-learn's samplers: numbers by class, points, what is left out."""

import inspect
from collections import Counter

import imblearn.combine
import imblearn.over_sampling
import imblearn.under_sampling
import numpy as np
import pandas
import pytest
import scipy.stats
from imblearn.utils.estimator_checks import parametrize_with_checks
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestNeighbors

import evendraw
from evendraw.sklearn import Sampler, _methods
from tables import DRAWN, Tagged, counts, eligible, nothing_left, table

# What a method could not do as it was asked, of which theirs warns in other words.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

OVER = [strategy for strategy in DRAWN if strategy != "undersampled"]
THEIRS = {
    "oversampled": imblearn.over_sampling.RandomOverSampler,
    "smote": imblearn.over_sampling.SMOTE,
    "borderline-1": imblearn.over_sampling.BorderlineSMOTE,
    "adasyn": imblearn.over_sampling.ADASYN,
    "undersampled": imblearn.under_sampling.RandomUnderSampler,
}


# ---- as imbalanced-learn ----


CHECKED = [Tagged(strategy) for strategy in [*DRAWN, "weighted", "smoteenn", "tomek", "enn", "nearmiss-3", "oss"]]
CHECKED.append(Tagged("instance-hardness", estimator=LogisticRegression()))


@parametrize_with_checks(CHECKED)
def test_checks_of_imbalanced_learn(daemon, estimator, check):
    """Those that it has for its own samplers."""
    check(estimator)


def test_all_names_are_here():
    """Every sampler that imbalanced-learn has is in the table, with what it is here."""
    modules = imblearn.over_sampling, imblearn.under_sampling, imblearn.combine
    names = {name for module in modules for name in module.__all__}
    assert names == _methods.IMBLEARN.keys() | _methods.REFUSED.keys()
    for name in names:
        assert name in inspect.getdoc(Sampler)
        with pytest.raises(evendraw.BadValue, match=name):
            Sampler(name).fit_resample(*table())
    for strategy in _methods.IMBLEARN.values():
        assert f'``"{strategy}"``' in inspect.getdoc(Sampler)


def targets_of(strategy):
    """What imbalanced-learn takes as sampling_strategy ("minority" it forgets in 0.10)."""
    if strategy in OVER:
        by_hand = {0: 90, 1: 120}, lambda y: {0: int((y == 2).sum())}
        return ["auto", "all", "not minority", "not majority", *by_hand]
    by_hand = {1: 20, 2: 31}, lambda y: {2: int((y == 0).sum())}
    return ["auto", "all", "not minority", "not majority", "majority", *by_hand]


@pytest.mark.parametrize("strategy", DRAWN)
def test_numbers_by_class(daemon, strategy):
    compared = 0
    for seed in range(10):
        X, y = table(seed)
        for targets in targets_of(strategy):
            theirs = THEIRS[strategy](sampling_strategy=targets, random_state=0)
            ours = Sampler(strategy, sampling_strategy=targets)
            try:
                _, y_ours = ours.fit_resample(X, y)
            except evendraw.StrategyError as error:
                check_refused_there(error, theirs, X, y)
                continue
            _, y_theirs = theirs.fit_resample(X, y)
            assert counts(y_ours) == counts(y_theirs)
            changed = {c for c, n in counts(y).items() if counts(y_ours)[c] != n}
            assert ours.sampling_strategy_.keys() == changed
            if strategy != "adasyn":  # theirs tells what was asked for
                assert ours.sampling_strategy_ == {c: theirs.sampling_strategy_[c] for c in changed}
            compared += 1
    assert compared > 30


def check_refused_there(error, theirs, X, y):
    """What is refused here for a reason imbalanced-learn refuses for the same, or leaves a class as it is
    without a word."""
    if "No samples will be generated" in str(error):
        with pytest.raises(ValueError, match="No samples will be generated"):
            theirs.fit_resample(X, y)
        return
    c = int(str(error).split('"')[1])
    assert "has no sample in danger" in str(error)
    assert counts(theirs.fit_resample(X, y)[1])[c] == counts(y)[c]


@pytest.mark.parametrize("strategy", ["oversampled", "smote", "undersampled"])
def test_ratios(daemon, strategy):
    """But where the product is whole, and the double next to it is not (SAMPLING.md, Ratios)."""
    for ratio in 0.5, 0.75, 0.37, 1.0, 1:
        X, y = table(1, (0.2, 0.8), 200)
        _, ours = Sampler(strategy, sampling_strategy=ratio).fit_resample(X, y)
        _, theirs = THEIRS[strategy](sampling_strategy=float(ratio)).fit_resample(X, y)
        assert counts(ours) == counts(theirs)


@pytest.mark.parametrize("strategy", ["smote", "borderline-1", "adasyn"])
@pytest.mark.parametrize("k", [3, 5])
def test_points(daemon, strategy, k):
    """All originals first, then points on segments between a base and one of its neighbours."""
    made = 0
    for seed in range(5):
        X, y = table(seed)
        sampler = Sampler(strategy, k_neighbors=k, random_state=seed)
        X_new, y_new = sampler.fit_resample(X, y)
        np.testing.assert_array_equal(X_new[: len(X)], X)
        np.testing.assert_array_equal(y_new[: len(X)], y)
        base, second, share = sampler.sample_indices_, sampler.mix_index_, sampler.mix_lambda_
        assert base[: len(X)].tolist() == second[: len(X)].tolist() == list(range(len(X)))
        assert (share[: len(X)] == 0).all()
        np.testing.assert_array_equal(y_new, y[base])
        np.testing.assert_array_equal(y_new, y[second])
        assert (np.diff(y_new[len(X) :]) >= 0).all()
        wanted = X[base] + share[:, None].astype(float) * (X[second] - X[base])
        np.testing.assert_allclose(X_new, wanted, rtol=1e-13)
        points = slice(len(X), None)
        pairs = {(i, j) for i, j, s in zip(base[points], second[points], share[points]) if s > 0}
        assert pairs <= eligible(X, y, k)
        assert ((share[points] >= 0) & (share[points] < 1)).all()
        made += len(share[points])
    assert made > 500


def test_borderline_2(daemon, client):
    """Half of the points go from a base in danger less than half of the way to its nearest sample of another class."""
    to_others = to_own = 0
    for seed in range(8):
        X, y = table(seed)
        sampler = Sampler("borderline-2", k_neighbors=3, random_state=seed)
        X_new, y_new = sampler.fit_resample(X, y)
        theirs = imblearn.over_sampling.BorderlineSMOTE(k_neighbors=3, kind="borderline-2", random_state=seed)
        made = counts(theirs.fit_resample(X, y)[1])  # which may lack one that was asked for
        assert counts(y_new) == dict.fromkeys(range(3), max(counts(y).values()))
        assert all(n - made[c] in (0, 1) for c, n in counts(y_new).items())
        base, second = sampler.sample_indices_[300:], sampler.mix_index_[300:]
        share = sampler.mix_lambda_[300:].astype(float)
        np.testing.assert_array_equal(X_new[:300], X)
        np.testing.assert_allclose(X_new[300:], X[base] + share[:, None] * (X[second] - X[base]), rtol=1e-12)
        np.testing.assert_array_equal(y_new[300:], y[base])
        near = NearestNeighbors(n_neighbors=11).fit(X).kneighbors(X, return_distance=False)[:, 1:]
        others = (y[near] != y[:, None]).sum(axis=1)
        assert ((others[base] >= 5) & (others[base] < 10)).all()
        other = y[second] != y[base]
        nearest = np.array([row[y[row] != c][0] for row, c in zip(near[base], y[base])])
        assert (second[other] == nearest[other]).all() and (share[other] < 0.5).all()
        pairs = eligible(X, y, 3)
        assert all(pair in pairs for pair in zip(base[~other], second[~other]))
        assert (share < 1).all() and (share[~other] > 0.5).any()
        to_others, to_own = to_others + other.sum(), to_own + (~other).sum()
    assert 0.45 < to_others / (to_others + to_own) < 0.55
    assert nothing_left(client)


def test_distribution_of_points(daemon):
    """Cells of base and neighbour alike, shares uniform, as imbalanced-learn's."""
    X, y = table(3, (0.1, 0.9), 220)
    cells, shares = Counter(), []
    for seed in range(40):
        sampler = Sampler("smote", random_state=seed)
        sampler.fit_resample(X, y)
        cells.update(zip(sampler.sample_indices_[220:].tolist(), sampler.mix_index_[220:].tolist()))
        shares += sampler.mix_lambda_[220:].tolist()
    possible = {pair for pair in eligible(X, y, 5) if y[pair[0]] == np.argmin(np.bincount(y))}
    assert cells.keys() <= possible
    assert scipy.stats.chisquare([cells[pair] for pair in possible]).pvalue > 0.001
    assert scipy.stats.kstest(shares, "uniform").pvalue > 0.001


def test_order_and_rows(daemon):
    X, y = table(5)
    sampler = Sampler("undersampled")
    X_new, y_new = sampler.fit_resample(X, y)
    assert (np.diff(sampler.sample_indices_) > 0).all()
    np.testing.assert_array_equal(X_new, X[sampler.sample_indices_])
    sampler = Sampler({"kind": "undersampled", "replacement": True})
    _, y_new = sampler.fit_resample(X, y)
    assert counts(y_new) == dict.fromkeys(range(3), min(counts(y).values()))
    assert len(set(sampler.sample_indices_)) < len(y_new)
    sampler = Sampler("oversampled")
    X_new, y_new = sampler.fit_resample(X, y)
    np.testing.assert_array_equal(X_new[: len(X)], X)
    np.testing.assert_array_equal(X_new, X[sampler.sample_indices_])
    assert (sampler.mix_lambda_ == 0).all() and (sampler.mix_index_ == sampler.sample_indices_).all()


def test_other_strategies(daemon):
    """All that make sense where everything is drawn at once."""
    X, y = table()
    for strategy, most in (
        ("weighted", 100),
        ({"kind": "weighted", "weight": "explicit", "weights": {0: 1, 1: 0, 2: 0}}, 300),
        ("class-aware", 100),
        ("resampled", 100),
        ({"kind": "ensemble", "members": 3, "member": 1}, None),
    ):
        _, y_new = Sampler(strategy).fit_resample(X, y)
        if most:
            assert len(y_new) == 300 and abs(counts(y_new)[0] - most) < 25
    assert counts(y_new) == dict.fromkeys(range(3), min(counts(y).values()))


# ---- cleaning ----

REMOVING = imblearn.under_sampling
CLEANING = {
    "tomek": REMOVING.TomekLinks(),
    "enn": REMOVING.EditedNearestNeighbours(),
    "renn": REMOVING.RepeatedEditedNearestNeighbours(),
    "allknn": REMOVING.AllKNN(),
    "nearmiss-1": REMOVING.NearMiss(version=1),
    "nearmiss-2": REMOVING.NearMiss(version=2),
    "nearmiss-3": REMOVING.NearMiss(version=3),
    "instance-hardness": REMOVING.InstanceHardnessThreshold(estimator=GaussianNB(), random_state=4),
}


def same_rows(ours, theirs, X, y):
    """Both keep the same samples; ours in their order."""
    X_ours, y_ours = ours.fit_resample(X, y)
    theirs.fit_resample(X, y)
    assert ours.sample_indices_.tolist() == sorted(theirs.sample_indices_)
    np.testing.assert_array_equal(X_ours, X[ours.sample_indices_])
    np.testing.assert_array_equal(y_ours, y[ours.sample_indices_])
    return len(y_ours)


@pytest.mark.parametrize("strategy", CLEANING)
def test_sets(strategy):
    """Without a daemon, and without ties, since the features are random."""
    counting = strategy in ("nearmiss-1", "nearmiss-2", "nearmiss-3", "instance-hardness")
    changed = 0
    for seed in range(10):
        X, y = table(seed)
        targets = ["auto", "all", "majority", "not minority", "not majority"]
        targets += [{1: 50, 2: 60}, lambda y: {2: 70}] if counting else [[0, 2], [1]]
        for one in targets:
            estimator = GaussianNB() if strategy == "instance-hardness" else None
            ours = Sampler(strategy, sampling_strategy=one, estimator=estimator, random_state=4)
            theirs = clone(CLEANING[strategy]).set_params(sampling_strategy=one)
            changed += same_rows(ours, theirs, X, y) < len(y)
    assert changed > 30


def test_sets_with_parameters():
    for seed in range(5):
        X, y = table(seed)
        for strategy, k, theirs in (
            ({"kind": "enn", "vote": "mode"}, 5, REMOVING.EditedNearestNeighbours(n_neighbors=5, kind_sel="mode")),
            ({"kind": "renn", "max_iterations": 2}, 2, REMOVING.RepeatedEditedNearestNeighbours(n_neighbors=2, max_iter=2)),
            ({"kind": "allknn", "allow_minority": True}, None, REMOVING.AllKNN(allow_minority=True)),
            ("nearmiss-1", 4, REMOVING.NearMiss(n_neighbors=4)),
            ({"kind": "nearmiss-3", "candidates": 6}, None, REMOVING.NearMiss(version=3, n_neighbors_ver3=6)),
        ):
            same_rows(Sampler(strategy, k_neighbors=k), theirs, X, y)
    for ratio in 0.5, 0.8, 0.37:
        X, y = table(1, (0.8, 0.2), 200)
        y_two = 1 - y
        for strategy in "nearmiss-1", "nearmiss-2":
            theirs = clone(CLEANING[strategy]).set_params(sampling_strategy=ratio)
            same_rows(Sampler(strategy, sampling_strategy=ratio), theirs, X, y_two)
    X, y = table(2, (0.7, 0.3))
    same_rows(Sampler("ncr"), REMOVING.NeighbourhoodCleaningRule(), X, y)
    forest = REMOVING.InstanceHardnessThreshold(random_state=3, cv=3)
    same_rows(Sampler({"kind": "instance-hardness", "cv": 3}, random_state=3), forest, X, y)


@pytest.mark.parametrize("strategy, name", [("oss", "OneSidedSelection"), ("cnn", "CondensedNearestNeighbour")])
def test_sets_that_grow_from_seeds(strategy, name):
    for seed in range(5):
        X, y = table(seed)
        drawn = np.random.RandomState(0)
        of = [np.flatnonzero(y == c) for c in (1, 2)]
        first = [int(rows[drawn.randint(len(rows))]) for rows in of]
        if strategy == "oss":  # of cnn, theirs skips samples by mistake
            theirs = getattr(REMOVING, name)(random_state=0)
            same_rows(Sampler({"kind": "oss", "first": first}), theirs, X, y)
        kept = [Sampler(strategy, random_state=i).fit(X, y).sample_indices_.tolist() for i in (1, 1, 2)]
        assert kept[0] == kept[1] != kept[2]
        wanted = evendraw.select(X, y, strategy, seed=1)
        assert kept[0] == np.flatnonzero(wanted).tolist()


@pytest.mark.parametrize("strategy, theirs", [("smoteenn", "enn"), ("smotetomek", "tomek")])
def test_combined(daemon, client, strategy, theirs):
    """Points by SMOTE, then what imbalanced-learn removes of these, of all classes."""
    cleaned = 0
    for seed in range(10):
        X, y = table(seed)
        combined = Sampler(strategy, k_neighbors=4, random_state=seed)
        X_new, y_new = combined.fit_resample(X, y)
        smote = Sampler("smote", k_neighbors=4, random_state=seed)
        X_more, y_more = smote.fit_resample(X, y)
        cleaner = clone(CLEANING[theirs]).set_params(sampling_strategy="all")
        cleaner.fit_resample(X_more, y_more)
        rows = np.sort(cleaner.sample_indices_)
        np.testing.assert_array_equal(X_new, X_more[rows])
        np.testing.assert_array_equal(y_new, y_more[rows])
        for name in "sample_indices_", "mix_index_", "mix_lambda_":
            np.testing.assert_array_equal(getattr(combined, name), getattr(smote, name)[rows])
        cleaned += len(X_more) - len(X_new)
    assert cleaned > 30
    assert nothing_left(client)


def test_combined_with_parameters(daemon):
    X, y = table(3)
    strategy = {"kind": "smoteenn", "variant": "borderline-1", "clean": {"k": 5, "vote": "mode"}}
    X_new, _ = Sampler(strategy).fit_resample(X, y)
    X_more, y_more = Sampler("borderline-1").fit_resample(X, y)
    cleaner = REMOVING.EditedNearestNeighbours(n_neighbors=5, kind_sel="mode", sampling_strategy="all")
    cleaner.fit_resample(X_more, y_more)
    np.testing.assert_array_equal(X_new, X_more[np.sort(cleaner.sample_indices_)])
    frame = pandas.DataFrame(X.astype(np.float32), columns=list("abcdef"))
    X_new, y_new = Sampler("smotetomek").fit_resample(frame, pandas.Series(y))
    assert X_new.dtypes.unique().tolist() == [np.float32] and len(X_new) == len(y_new)


def test_cleaned_frames():
    """Rows as they are, and classes by name."""
    X, y = table(4)
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    frame["b"] = (frame["b"] * 10).astype(int)
    names = pandas.Series(np.array(["x", "y", "z"])[y])
    sampler = Sampler("enn", sampling_strategy=["x", "y"])
    X_new, y_new = sampler.fit_resample(frame, names)
    pandas.testing.assert_frame_equal(X_new, frame.iloc[sampler.sample_indices_].reset_index(drop=True))
    assert counts(y_new)["z"] == counts(names)["z"] and counts(y_new)["y"] < counts(names)["y"]
    assert sampler.sampling_strategy_.keys() == {"x", "y"}
    kept = sampler.sample_indices_.tolist()
    for classes in ["", "two\nlines", "z"], [2.0, 1.0, 3.0], [20, 10, 5]:
        other = Sampler("enn", sampling_strategy=classes[:2]).fit(frame, np.array(classes)[y])
        assert other.sample_indices_.tolist() == kept
    assert counts(Sampler("nearmiss-1", sampling_strategy={"z": 60}).fit_resample(frame, names)[1])["z"] == 60
