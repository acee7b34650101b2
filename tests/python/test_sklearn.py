"""`evendraw.sklearn.Sampler`: what it takes and gives, in scikit-learn's hands, and what is left of it."""

import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pandas
import pytest
import scipy.sparse
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import StandardScaler

import evendraw
import evendraw.stream
from evendraw.sklearn import Sampler, _draw
from tables import DRAWN, counts, nothing_left, table, until


# ---- X and y ----


@pytest.mark.parametrize("strategy", DRAWN)
def test_frames(daemon, strategy):
    X, y = table(6)
    frame = pandas.DataFrame(X, columns=list("abcdef"), index=np.arange(300) * 7 + 1000)
    frame["b"] = frame["b"].astype(np.float32)
    frame["c"] = (frame["c"] * 10).astype(int)
    names = pandas.Series(np.array(["x", "y", "z"])[y], name="kind", index=frame.index)
    sampler = Sampler(strategy)
    X_new, y_new = sampler.fit_resample(frame, names)
    assert X_new.index.tolist() == y_new.index.tolist() == list(range(len(X_new)))
    assert list(X_new.columns) == list("abcdef") and y_new.name == "kind"
    assert sampler.feature_names_in_.tolist() == list("abcdef") and sampler.n_features_in_ == 6
    assert sampler.get_feature_names_out().tolist() == list("abcdef")
    kept = strategy in ("oversampled", "undersampled")
    assert X_new.dtypes.astype(str).tolist() == ["float64", "float32", "int64" if kept else "float64"] + ["float64"] * 3
    wanted, _ = sampler.fit_resample(frame.to_numpy(), names)
    np.testing.assert_allclose(X_new.to_numpy(), wanted, rtol=1e-6)
    assert y_new.tolist() == names.iloc[sampler.sample_indices_].tolist()
    if not kept:  # nothing is rounded
        assert (X_new["c"] % 1 != 0).any()
    assert not hasattr(sampler, "feature_names_in_")


@pytest.mark.parametrize("strategy", ["oversampled", "undersampled"])
def test_copies_take_anything(daemon, strategy):
    """Categories, missing values, dates, sparse matrices, images, in what they are."""
    _, y = table(7)
    frame = pandas.DataFrame(
        {
            "colour": pandas.Categorical(np.array(["red", "green"])[np.arange(300) % 2]),
            "when": pandas.date_range("2020-01-01", periods=300),
            "size": pandas.array([None, 1, 2] * 100, dtype="Int64"),
        }
    )
    sampler = Sampler(strategy)
    X_new, _ = sampler.fit_resample(frame, y)
    pandas.testing.assert_frame_equal(X_new, frame.iloc[sampler.sample_indices_].reset_index(drop=True))
    dense = np.where(np.random.default_rng(0).random((300, 9)) < 0.8, 0, 1.5)
    for form in scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.coo_matrix:
        X_new, _ = sampler.fit_resample(form(dense), y)
        assert scipy.sparse.issparse(X_new)
        np.testing.assert_array_equal(X_new.toarray(), dense[sampler.sample_indices_])
    images = np.arange(300 * 12).reshape(300, 3, 4).astype(np.uint8)
    X_new, _ = sampler.fit_resample(images, y)
    np.testing.assert_array_equal(X_new, images[sampler.sample_indices_])
    X_new, y_new = sampler.fit_resample([[i, "a"] for i in range(300)], y.tolist())
    assert X_new == [[i, "a"] for i in sampler.sample_indices_] and isinstance(y_new, list)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int64, np.uint8, bool])
def test_types_of_points(daemon, kind):
    X, y = table(8)
    X = (10 * np.abs(X)).astype(kind)
    X_new, _ = Sampler("smote").fit_resample(X, y)
    assert X_new.dtype == (kind if np.dtype(kind).kind == "f" else np.float64)


@pytest.mark.parametrize(
    "classes",
    [["b", "a", "c"], [10, 9, 100], [-1, 1, 0], [2.0, 1.0, 0.0], ["10", "9", "1e3"], ["-", " ", "ü"], ["", "a" * 200, "two\nlines"]],
)
def test_classes(daemon, classes):
    """Whatever y holds it holds afterwards, and maps of classes are by it."""
    X, y = table(9)
    numbers = isinstance(classes[0], (int, float))  # which scikit-learn does not take as objects
    for values in [np.array(classes)] + [np.array(classes, dtype=object)] * (not numbers):
        given = values[y]
        targets = {classes[0]: 70, classes[1]: 100}
        _, y_new = Sampler("oversampled", sampling_strategy=targets).fit_resample(X, given)
        assert y_new.dtype == values.dtype
        assert counts(y_new) == {**counts(given), **targets}


def test_truth(daemon):
    X, y = table(9, (0.2, 0.8))
    sampler = Sampler("undersampled", sampling_strategy={True: 65})
    _, y_new = sampler.fit_resample(X, y == 1)
    assert y_new.dtype == bool and counts(y_new)[True] == 65 and sampler.sampling_strategy_ == {True: 65}


@pytest.mark.parametrize("kind", ["category", "string", "object", "bool", "float"])
def test_kinds_of_labels(daemon, kind):
    """Columns of pandas keep their type, and class maps are by what they hold."""
    X, y = table(10, (0.2, 0.8))
    values = np.array(["a", "b"])[y] if kind in ("category", "string", "object") else y
    given = pandas.Series(values).astype(kind)
    smaller = given[y == 0].iloc[0]
    for strategy in "oversampled", "smote":
        _, y_new = Sampler(strategy, sampling_strategy={smaller: 99}).fit_resample(X, given)
        assert y_new.dtype == given.dtype and (y_new == smaller).sum() == 99
    _, y_new = Sampler("enn").fit_resample(X, given)
    assert y_new.dtype == given.dtype and set(y_new) == set(given)


def test_one_hot(daemon):
    X, y = table(10)
    sampler = Sampler("smote")
    for one_hot in np.eye(3, dtype=int)[y], pandas.DataFrame(np.eye(3)[y], columns=list("abc")):
        X_new, y_new = sampler.fit_resample(X, one_hot)
        assert type(y_new) is type(one_hot) and y_new.shape == (len(X_new), 3)
        assert set(np.asarray(y_new).sum(axis=0)) == {max(counts(y).values())}


# ---- in scikit-learn ----


def pipeline_of(sampler):
    return make_pipeline(StandardScaler(), sampler, LogisticRegression())


@pytest.mark.parametrize("strategy", DRAWN)
def test_pipeline(daemon, client, strategy):
    X, y = table(11)
    pipeline = pipeline_of(Sampler(strategy)).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    by_hand = LogisticRegression().fit(*Sampler(strategy).fit_resample(scaled, y))
    np.testing.assert_array_equal(pipeline[-1].coef_, by_hand.coef_)
    assert pipeline.predict(X).shape == y.shape  # nothing is resampled when it predicts
    assert nothing_left(client)


def test_cross_validation(daemon, client):
    """In processes of joblib as in this one."""
    X, y = table(12)
    scores = [
        cross_val_score(pipeline_of(Sampler("smote", address=daemon.address)), X, y, n_jobs=jobs)
        for jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*scores)
    assert nothing_left(client)


def test_grid_search(daemon, client):
    """The labels of all candidates are the same, their neighbours are not."""
    X, y = table(13)
    grid = {
        "sampler__strategy": ["smote", "borderline-1", {"kind": "smote", "variant": "adasyn"}],
        "sampler__k_neighbors": [2, 3, 5],
    }
    found = []
    for jobs in 1, 2:
        pipeline = pipeline_of(Sampler(address=daemon.address))
        search = GridSearchCV(pipeline, grid, cv=3, n_jobs=jobs, error_score="raise").fit(X, y)
        found.append(search.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*found)
    assert len(set(found[0])) > 1
    assert nothing_left(client)


def test_parameters(daemon):
    sampler = Sampler("smote", k_neighbors=3, random_state=7)
    assert sampler.get_params() == {
        "strategy": "smote",
        "sampling_strategy": "auto",
        "k_neighbors": 3,
        "categorical_features": None,
        "estimator": None,
        "random_state": 7,
        "address": None,
    }
    sampler.set_params(k_neighbors=4, strategy={"kind": "smote", "variant": "borderline-1", "m": 8})
    X, y = table(14)
    for again in clone(sampler), pickle.loads(pickle.dumps(sampler)):
        assert again.get_params() == sampler.get_params()
        np.testing.assert_array_equal(again.fit_resample(X, y)[0], sampler.fit_resample(X, y)[0])
    fitted = pickle.loads(pickle.dumps(sampler))
    np.testing.assert_array_equal(fitted.sample_indices_, sampler.sample_indices_)
    assert "k_neighbors=4" in repr(sampler)
    assert clone(sampler).fit(X, y).n_features_in_ == 6
    with pytest.raises((NotFittedError, AttributeError)):
        clone(sampler).sample_indices_


def test_seeds(daemon):
    X, y = table(15)
    for strategy in DRAWN:
        fit = lambda seed: Sampler(strategy, random_state=seed).fit_resample(X, y)[0]
        np.testing.assert_array_equal(fit(3), fit(np.int64(3)))
        assert not np.array_equal(fit(3), fit(4))
        assert not np.array_equal(fit(None), fit(None))
        np.testing.assert_array_equal(fit(np.random.RandomState(1)), fit(np.random.RandomState(1)))
    for wrong in -1, 2**63, "a", 1.5, True:
        with pytest.raises(ValueError):
            Sampler(random_state=wrong).fit_resample(X, y)


def test_without_imbalanced_learn(daemon):
    code = """
import sys
sys.modules["imblearn"] = None
import numpy as np
import evendraw.sklearn
X, y = np.arange(40.0).reshape(20, 2), [0] * 6 + [1] * 14
for strategy in "smote", "undersampled":
    print(len(evendraw.sklearn.Sampler(strategy).fit_resample(X, y)[0]))
assert "torch" not in sys.modules
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout.split() == ["28", "12"], run.stderr


# ---- at once, broken off, and what is left ----


def test_at_once(daemon, client):
    """Several threads, the same labels, other features; and a dataset of these labels that is the user's."""
    X, y = table(16)
    client.create_dataset("mine", y)
    shifted = [X * np.arange(1, 7) ** (i / 4) for i in range(8)]
    alone = [Sampler("borderline-1").fit_resample(one, y)[0] for one in shifted]
    found = [None] * 8

    def fit(i):
        for _ in range(3):
            found[i] = Sampler("borderline-1").fit_resample(shifted[i], y)[0]

    threads = [threading.Thread(target=fit, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, wanted in zip(found, alone):
        np.testing.assert_array_equal(one, wanted)
    Sampler("oversampled").fit_resample(X, y)
    assert client.jobs() == [] and [row["dataset"] for row in client.datasets()] == ["mine"]
    assert client.attachments("mine") == []


@pytest.mark.parametrize("strategy", ["oversampled", "smote"])
def test_broken_off(daemon, client, monkeypatch, strategy):
    """Wherever a fit ends, nothing is left, and the next one works."""
    X, y = table(17)
    sampler = Sampler(strategy)
    wanted = sampler.fit_resample(X, y)[0]
    places = [(evendraw.stream.Stream, "next"), (evendraw.Client, "create_job"), (evendraw.Client, "open")]
    if strategy == "smote":
        places.append((_draw.NeighbourSearch, "run"))
    for owner, method in places:

        def interrupted(*_, **__):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(owner, method, interrupted)
            with pytest.raises(KeyboardInterrupt):
                sampler.fit_resample(X, y)
        until(lambda: nothing_left(client))
        np.testing.assert_array_equal(sampler.fit_resample(X, y)[0], wanted)
    with pytest.raises(evendraw.StrategyError):
        Sampler(strategy, sampling_strategy={0: 1}).fit_resample(X, y)
    until(lambda: nothing_left(client))


def test_killed(daemon, client):
    """A process that is killed within a fit leaves a job that goes by itself, with its labels."""
    code = """
import os, signal, numpy as np, evendraw.stream, evendraw.sklearn
evendraw.stream.Stream.next = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
evendraw.sklearn._draw.EPHEMERAL = 0.2
evendraw.sklearn.Sampler("smote").fit_resample(np.random.random((20, 2)), [0] * 6 + [1] * 14)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert run.returncode == -signal.SIGKILL
    until(lambda: nothing_left(client))
    assert _draw.EPHEMERAL <= 300


def test_daemon_that_is_restarted(daemon, monkeypatch):
    """Between labels and job: they are sent again."""
    X, y = table(18)
    wanted = Sampler("smote").fit_resample(X, y)[0]
    create, calls = evendraw.Client.create_job, []

    def restarting(*args, **more):
        if not calls:
            daemon.end()
            daemon.start()
        calls.append(1)
        return create(*args, **more)

    monkeypatch.setattr(evendraw.Client, "create_job", restarting)
    np.testing.assert_array_equal(Sampler("smote").fit_resample(X, y)[0], wanted)
    assert len(calls) >= 2


def test_daemon_that_is_restarted_within_an_epoch(daemon, monkeypatch):
    """What comes again counts once."""
    X, y = table(18)
    monkeypatch.setattr(evendraw.sklearn._sampler, "BATCH", 16)
    wanted = Sampler("smote").fit_resample(X, y)[0]
    take, calls = evendraw.stream.Stream._take, []

    def restarting(stream):
        calls.append(1)
        if len(calls) == 12:
            daemon.end(signal.SIGKILL)
            daemon.start()
        return take(stream)

    monkeypatch.setattr(evendraw.stream.Stream, "_take", restarting)
    np.testing.assert_array_equal(Sampler("smote").fit_resample(X, y)[0], wanted)


def test_where_the_daemon_is(daemon, monkeypatch):
    X, y = table()
    monkeypatch.setenv("EVENDRAW_SERVER", "unix:/nowhere/evendraw")
    with pytest.raises(evendraw.ConnectError, match="/nowhere/evendraw"):
        Sampler().fit_resample(X, y)
    assert len(Sampler(address=daemon.address).fit_resample(X, y)[0]) > 300


def test_threads_of_a_search(monkeypatch):
    """Workers of joblib do not all take all processors."""
    for said, wanted in ("", 0), ("2", 2), ("99999", 1024), ("4,2", 0):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert _draw.threads() == wanted
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert _draw.threads() == 0


# ---- what cannot be ----


def with_a_nan(X):
    X = X.copy()
    X[3, 2] = np.nan
    return X


@pytest.mark.parametrize(
    "sampler, change, said",
    [
        (Sampler("svm"), None, "variant svm needs the support vectors"),
        (Sampler("stratified"), None, "about what each batch holds: use balanced_batch_generator"),
        (Sampler("p-by-k"), None, "about what each batch holds"),
        (Sampler("smotes"), None, 'no strategy "smotes"'),
        (Sampler("RandomOverSampler"), None, "is strategy 'oversampled' here"),
        (Sampler("KMeansSMOTE"), None, "not offered: it needs clusters"),
        (Sampler(None), None, "strategy is None: it is a name"),
        (Sampler({"kind": "weighted", "pairs": {"how": "mixup"}}), None, "mix the labels of two samples"),
        (Sampler({"kind": "smote", "neighbours": "x"}), None, "the sampler finds the neighbours in X"),
        (Sampler({"kind": "smote", "k": 3}, k_neighbors=3), None, "k is given by k_neighbors"),
        (Sampler("smote", k_neighbors=0), None, "k is 0: it can be from 1 to 64"),
        (Sampler("smote", k_neighbors=True), None, "k is True"),
        (Sampler("smote", k_neighbors=2.0), None, "k is 2.0"),
        (Sampler({"kind": "smote", "variant": "borderline-1", "m": 65}), None, "m is 65: it can be"),
        (Sampler("smote", k_neighbors=60), None, "has .* samples, and k = 60 needs more.*give a smaller k"),
        (Sampler(sampling_strategy="majority"), None, "means nothing when classes are made larger"),
        (Sampler(sampling_strategy={7: 300}), None, "names 7, and y has no such class: it has 0, 1, 2"),
        (Sampler(sampling_strategy={0: 1}), None, "can only be made larger"),
        (Sampler(sampling_strategy=[0]), None, "a list, which is for strategies that clean"),
        (Sampler(sampling_strategy=0.5), None, "for two classes"),
        (Sampler("enn", sampling_strategy={0: 3}), None, "pass a list of the classes"),
        (Sampler("enn", sampling_strategy=[7]), None, "has 7, and the classes are '0', '1', '2'"),
        (Sampler("tomek", sampling_strategy="minority"), None, "is one of auto, not minority"),
        (Sampler("tomek", k_neighbors=3), None, "does not look at k"),
        (Sampler("enn", k_neighbors=300), None, "k"),
        (Sampler("nearmiss-1", sampling_strategy=0.5), None, "y has 3 classes: a number is for two"),
        (Sampler({"kind": "enn", "votes": 1}), None, "no option 'votes'"),
        (Sampler({"kind": "smoteenn", "clean": {"votes": 1}}), None, "no option 'votes'"),
        (Sampler({"kind": "smoteenn", "clean": "mode"}), None, "clean is 'mode': it is a map"),
        (Sampler("smote", categorical_features=[0]), None, "categorical_features is for smotenc"),
        (Sampler("enn", estimator=LogisticRegression()), None, "estimator is for instance-hardness"),
        (Sampler("smote", estimator=LogisticRegression()), None, "estimator is for instance-hardness"),
        (Sampler("instance-hardness", estimator=StandardScaler()), None, "classifier with predict_proba"),
        (Sampler("enn"), lambda X, y: (with_a_nan(X), y), "NaN.*finite numbers"),
        (
            Sampler({"kind": "oversampled", "sampling_strategy": "all"}, sampling_strategy="all"),
            None,
            "leave one out",
        ),
        (Sampler(), lambda X, y: (X[:-1], y), "X has 299 rows and y 300"),
        (Sampler(), lambda X, y: (X[:, 0], y), r"X.reshape\(-1, 1\)"),
        (Sampler(), lambda X, y: (X, np.zeros(300)), "more than 1 class. Got 1"),
        (Sampler(), lambda X, y: (X, np.linspace(0, 1, 300)), "Unknown label type"),
        (Sampler(), lambda X, y: (X, np.ones((300, 2), int)), "Multilabel and multioutput"),
        (Sampler(), lambda X, y: (X, np.stack([y, y], 1)), "1d array, got an array of shape"),
        (Sampler(), lambda X, y: (X, [None, *y[1:].astype(object)]), "no label in row 0 .None."),
        (Sampler("smote"), lambda X, y: (scipy.sparse.csr_matrix(X), y), "X is sparse.*X.toarray"),
        (Sampler("smote"), lambda X, y: (with_a_nan(X), y), "NaN.*finite numbers: fill in or encode"),
        (Sampler("smote"), lambda X, y: (X.astype(str).astype(object) + "x", y), "fill in or encode"),
        (Sampler("smote"), lambda X, y: (X.reshape(300, 2, 3), y), "dim 3"),
    ],
)
def test_refused(daemon, client, sampler, change, said):
    X, y = table()
    with pytest.raises((ValueError, TypeError), match=f"(?s){said}"):
        sampler.fit_resample(*(change(X, y) if change else (X, y)))
    until(lambda: nothing_left(client))


def test_classes_that_stay_may_be_small(daemon):
    """Only those that are filled up need k + 1 samples."""
    X, y = table(19)
    y[y == 0] = 1
    y[:3] = 0
    with pytest.raises(evendraw.StrategyError, match="3 samples, and k = 5 needs more"):
        Sampler("smote").fit_resample(X, y)
    _, ours = Sampler("smote", sampling_strategy={1: 300}).fit_resample(X, y)
    _, theirs = SMOTE(sampling_strategy={1: 300}).fit_resample(X, y)
    assert counts(ours) == counts(theirs)


def test_already_balanced(daemon):
    X, y = load_iris(return_X_y=True)
    for strategy in "oversampled", "smote", "undersampled":
        X_new, y_new = Sampler(strategy).fit_resample(X, y)
        np.testing.assert_array_equal(X_new, X)
        np.testing.assert_array_equal(y_new, y)
