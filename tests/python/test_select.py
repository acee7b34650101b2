"""Selections of arrays, and attached to datasets, from Python, against a real daemon; the oracle is
imbalanced-learn. That the sets are its own is tests/client/oracle_select.py's matter."""

import importlib
import signal
import subprocess
import sys
import warnings

import imblearn.under_sampling as under
import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

import evendraw

X, NUMBER = make_classification(
    600, 6, n_informative=4, n_classes=3, weights=[0.6, 0.3, 0.1], class_sep=0.7, random_state=4
)
Y = np.array(["ape", "bee", "cat"])[NUMBER]
SMALLEST = int((Y == "cat").sum())
COUNTS = {"ape": 40, "bee": 30}
PROBABILITIES = cross_val_predict(LogisticRegression(), X, Y, method="predict_proba")

# method, options, imbalanced-learn's
CASES = [
    ("tomek", {}, under.TomekLinks()),
    ("enn", {}, under.EditedNearestNeighbours()),
    ("enn", {"k": 5, "vote": "mode"}, under.EditedNearestNeighbours(n_neighbors=5, kind_sel="mode")),
    ("enn", {"targets": "all"}, under.EditedNearestNeighbours(sampling_strategy="all")),
    ("enn", {"targets": ["ape"]}, under.EditedNearestNeighbours(sampling_strategy=["ape"])),
    ("renn", {"max_iterations": 2}, under.RepeatedEditedNearestNeighbours(max_iter=2)),
    ("allknn", {"allow_minority": True}, under.AllKNN(allow_minority=True)),
    ("nearmiss-1", {}, under.NearMiss(version=1)),
    ("nearmiss-2", {"targets": COUNTS}, under.NearMiss(version=2, sampling_strategy=COUNTS)),
    ("nearmiss-3", {"candidates": 5}, under.NearMiss(version=3, n_neighbors_ver3=5)),
]


@pytest.mark.parametrize("method, options, theirs", CASES)
def test_as_imbalanced_learn(method, options, theirs):
    theirs.fit_resample(X, Y)
    keep = evendraw.select(X, Y, method, **options)
    assert keep.dtype == bool and keep.shape == (600,)
    assert set(np.flatnonzero(keep)) == set(theirs.sample_indices_)


@pytest.mark.parametrize("columns", ["own", "all"])
def test_instance_hardness(columns, monkeypatch):
    module = importlib.import_module(under.InstanceHardnessThreshold.__module__)
    seen = []
    plain = module.cross_val_predict
    monkeypatch.setattr(module, "cross_val_predict", lambda *a, **k: seen.append(plain(*a, **k)) or seen[-1])
    theirs = under.InstanceHardnessThreshold(estimator=LogisticRegression(), random_state=0)
    theirs.fit_resample(X, NUMBER)
    p = seen[0] if columns == "all" else seen[0][np.arange(600), NUMBER]
    keep = evendraw.select(None, Y, "instance-hardness", probabilities=p)
    assert set(np.flatnonzero(keep)) == set(theirs.sample_indices_)


def test_seeds():
    first = [int(np.flatnonzero(Y == name)[0]) for name in ("ape", "bee")]
    keep = evendraw.select(X, Y, "cnn", first=first)
    assert keep[first].all() and keep[Y == "cat"].all() and keep.sum() < 600
    drawn = [evendraw.select(X, Y, "oss", seed=seed, seeds=5) for seed in (0, 0, 1)]
    assert (drawn[0] == drawn[1]).all() and (drawn[0] != drawn[2]).any()


def test_labels_of_any_kind():
    """Without a label: not kept, and nobody looks at the features."""
    keep = evendraw.select(X, Y, "enn")
    assert (evendraw.select(X.tolist(), list(Y), "enn") == keep).all()
    assert (evendraw.select(X, NUMBER, "enn", targets=[0, 1]) == keep).all()
    assert (evendraw.select(X, NUMBER.astype(float), "enn", targets=[1.0, 0]) == keep).all()
    x = np.append(X, np.full((1, 6), np.nan), 0)
    assert (evendraw.select(x, [*Y, None], "enn") == np.append(keep, False)).all()


def test_what_may_not_be_meant():
    """A class of which nothing is left is no error, but is said."""
    x = np.array([[0.0], [1], [2], [3.1], [4.3], [2.5], [2.6]])
    y = ["a", "a", "a", "a", "a", "b", "b"]
    with pytest.warns(UserWarning, match='enn: No sample of class "b" is kept.'):
        evendraw.select(x, y, "enn", k=5, vote="mode", targets="all")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evendraw.select(X, Y, "enn")


def with_value(value):
    x = X.copy()
    x[17, 3] = value
    return x


few = np.where(np.arange(600) < 2, "dog", Y)
REFUSED = {
    "rows": ({"X": X[:-1]}, "X has 599 rows, and y 600 labels"),
    "shape": ({"X": X[:, 0]}, r"shape \(600,\)"),
    "nan": ({"X": with_value(np.nan)}, "enn: row 17, column 3"),
    "no features": ({"X": None}, "enn needs features"),
    "one class": ({"y": ["ape"] * 600}, 'all 600 samples are of class "ape"'),
    "too few": ({"y": few, "method": "nearmiss-1"}, 'class "dog" is the smallest and has 2 samples'),
    "fewer than k + 1": ({"X": X[:9], "y": Y[:9], "k": 9}, "k"),
    "method": ({"method": "svm"}, "method is 'svm': it is one of tomek, enn, "),
    "not taken": ({"method": "tomek", "k": 3}, "tomek does not look at k: leave it out .*enn, renn,"),
    "seed of enn": ({"seed": 1}, "enn does not look at seed"),
    "probabilities": ({"probabilities": PROBABILITIES}, "for instance-hardness"),
    "unknown": ({"neighbors": 3}, "there is no option 'neighbors': there are k, metric"),
    "both": ({"method": "cnn", "first": [0], "seed": 1}, "pass first=, or"),
    "first": ({"method": "cnn", "first": [600]}, "first"),
    "k": ({"k": 2**32 + 3}, "k is 4294967299"),
    "k of a half": ({"k": 2.5}, "k is 2.5"),
    "vote": ({"vote": "most"}, "vote is 'most': it is one of all, mode"),
    "threshold": ({"method": "ncr", "threshold": 1.5}, "threshold is 1.5"),
    "threshold of text": ({"method": "ncr", "threshold": "half"}, "threshold is 'half'"),
    "threads": ({"threads": -1}, "threads is -1"),
    "word": ({"targets": "minority"}, r"targets is 'minority': .*\['minority'\]"),
    "share": ({"targets": 0.5}, "targets is 0.5: pass a word, a list"),
    "counts": ({"targets": COUNTS}, r"enn finds itself how many .*\['ape', 'bee'\]"),
    "no such class": ({"targets": ["ape", "dog"]}, "targets has 'dog', and the classes are 'ape', 'bee'"),
    "twice": ({"targets": ["ape", "ape"]}, 'class "ape" is in the list twice'),
    "more": ({"method": "nearmiss-1", "targets": {"bee": 599}}, '599 samples of class "bee"'),
    "half": ({"method": "nearmiss-1", "targets": {"bee": 1.5}}, "1.5"),
    "smallest": ({"method": "cnn", "targets": "all"}, 'class "cat" is the smallest: cnn and oss keep'),
    "targets": ({"targets": object()}, "targets is of type object"),
    "no label": ({"targets": [None]}, "targets has None"),
    "seed": ({"method": "cnn", "seed": 2**63}, "seed is 9223372036854775808"),
    "none": ({"targets": []}, "targets names no class"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    given, said = REFUSED[case]
    with pytest.raises((evendraw.BadValue, evendraw.LimitError, evendraw.UsageError), match=said):
        evendraw.select(**({"X": X, "y": Y, "method": "enn"} | given))


HARDNESS = {
    "none": (None, "instance-hardness needs probabilities="),
    "one": (np.array(0.5), "a single number"),
    "rows": (PROBABILITIES[:-1], "has 599 rows, and there are 600 samples"),
    "columns": (PROBABILITIES[:, :2], "has 2 columns, and there are 3 classes"),
    "range": (PROBABILITIES + 1, "from 0 to 1"),
    "nan": (PROBABILITIES * np.nan, "probabilities"),
}


@pytest.mark.parametrize("case", HARDNESS)
def test_probabilities_that_are_refused(case):
    given, said = HARDNESS[case]
    with pytest.raises((evendraw.BadValue, evendraw.UsageError), match=said):
        evendraw.select(None, Y, "instance-hardness", probabilities=given)


# ---- attached to a dataset ----


@pytest.fixture
def animals(client):
    client.create_dataset("animals", Y)
    return client


def kept(client, name):
    rows, distances = client.attachment("animals", name)
    assert distances is None
    return rows.astype(bool)


@pytest.mark.parametrize("method, options, theirs", CASES)
def test_attached(animals, method, options, theirs):
    info = animals.select("animals", X, method, **options)
    assert (info["name"], info["kind"], info["version"]) == (method, "selection", 1)
    keep = evendraw.select(X, Y, method, **options)
    assert info["kept"] == keep.sum() and (kept(animals, method) == keep).all()
    assert info["terms"]["method"] == method and info["terms"]["n"] == 600
    assert "damage" not in info and animals.attachments("animals") == [info]


def test_attached_by_probabilities(animals):
    info = animals.select("animals", None, "instance-hardness", probabilities=PROBABILITIES)
    own = PROBABILITIES[np.arange(600), NUMBER]
    assert animals.select("animals", None, "instance-hardness", probabilities=own) == info
    keep = evendraw.select(None, Y, "instance-hardness", probabilities=own)
    assert (kept(animals, "instance-hardness") == keep).all()
    with pytest.raises(evendraw.Exists, match="differs in probabilities"):
        animals.select("animals", None, "instance-hardness", probabilities=own / 2)


def test_twice_and_otherwise(animals, monkeypatch):
    options = {"k": 5, "targets": ["bee", "ape"]}
    info = animals.select("animals", X, "enn", **options)
    others = [
        ({"k": 4}, "k"),
        ({"vote": "mode"}, "vote"),
        ({"targets": ["bee"]}, "targets"),
        ({"targets": "all"}, "targets"),
        ({"metric": "cosine"}, "metric"),
    ]
    for other, differs in others:
        with pytest.raises(evendraw.Exists, match=rf"differs in {differs}: .*detach\('animals', 'enn', 1\)"):
            animals.select("animals", X, "enn", **(options | other))
    with pytest.raises(evendraw.Exists, match="differs in features"):
        animals.select("animals", X[::-1], "enn", **options)
    with pytest.raises(evendraw.Exists, match="differs in method"):
        animals.select("animals", X, "tomek", name="enn")
    monkeypatch.setattr("evendraw._select.Selection.run", None)  # nothing is computed
    again = {"k": 5, "targets": ["ape", "bee"]}
    assert animals.select("animals", X, "enn", **again) == info


def test_changed_features(animals, monkeypatch):
    """Nothing is attached by the name of features of which it is not."""
    x = X.copy()
    terms = evendraw._select.Selection.terms
    monkeypatch.setattr(
        "evendraw._select.Selection.terms",
        lambda self: (terms(self), x.__setitem__((3, 3), x[3, 3] + 1))[0],
    )
    with pytest.raises(evendraw.Conflict, match="features were changed meanwhile"):
        animals.select("animals", x, "tomek")
    assert animals.attachments("animals") == []


def test_versions(animals):
    old = animals.select("animals", X, "enn")
    animals.create_dataset("animals", np.append(Y, "ape"))
    with pytest.raises(evendraw.BadValue, match="version 2, has 601 samples.*version= names"):
        animals.select("animals", X, "enn")
    assert animals.select("animals", X, "enn", version=1) == old
    assert animals.select("animals", np.append(X, X[:1], 0), "enn")["version"] == 2
    with pytest.raises(evendraw.NotFound):
        animals.select("dogs", X, "enn")


def test_classes_without_samples(client):
    """They are no smallest class, and can be no target."""
    client.create_dataset("animals", Y, classes=["dog", "cat", "bee", "ape"])
    info = client.select("animals", X, "nearmiss-1")
    assert info["kept"] == 3 * SMALLEST
    with pytest.raises(evendraw.NotFound, match='class "dog" is to lose samples, and has none'):
        client.select("animals", X, "enn", name="b", targets=["dog"])


def test_rows_of_ones_own(client):
    client.create_dataset("animals", [*Y, None])
    mask = np.append(np.arange(600) % 3 == 0, True)
    info = client.select_rows("animals", mask, name="clean")
    assert info["kept"] == 200 and info["terms"] == {"method": "rows"}
    assert (kept(client, "clean") == np.append(mask[:-1], False)).all()
    assert client.select_rows("animals", np.flatnonzero(mask).tolist(), name="clean") == info
    with pytest.raises(evendraw.Exists):
        client.select_rows("animals", [1, 2, 3], name="clean")
    with pytest.raises(evendraw.Exists, match="differs in method"):
        client.select("animals", np.append(X, X[:1], 0), "enn", name="clean")
    # What `attachment` reads back, and other masks of numbers: two samples are two numbers at most.
    back = client.attachment("animals", "clean")[0]
    assert client.select_rows("animals", back, name="clean") == info
    assert client.select_rows("animals", mask.astype(float).tolist(), name="clean") == info
    assert client.select_rows("animals", [0, 1], name="two")["kept"] == 2
    for rows, said in {
        "mask": (mask[:-1], "600 values, and there are 601"),
        "mask of numbers": (back[:-1], "600 values, and there are 601"),
        "masked": (np.ma.array(mask, mask=mask), "rows is masked"),
        "number": ([601], r"rows\[0\] is 601"),
        "none": ([], "no sample with a label"),
        "unlabelled": ([600], "no sample with a label"),
    }.values():
        with pytest.raises(evendraw.BadValue, match=said):
            client.select_rows("animals", rows, name="b")


# ---- computations that take their time ----

LARGE = """
import numpy as np, evendraw
x = np.random.default_rng(0).normal(size=(150000, 64)).astype("f4")
client = evendraw.connect()
client.create_dataset("large", np.arange(len(x)) % 3)
def tell(done, total):
    print("begun", flush=True)
try:
    client.select("large", x, "enn", threads=1, progress=tell)
except KeyboardInterrupt:
    print("interrupted", client.attachments("large"), flush=True)
"""


def test_interrupted(daemon):
    process = subprocess.Popen([sys.executable, "-c", LARGE], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0].splitlines()
    assert said[-1] == "interrupted []" and process.returncode == 0


def large(client, n):
    x = np.random.default_rng(0).normal(size=(n, 64)).astype("f4")
    client.create_dataset("large", np.arange(n) % 3)
    return x


def test_daemon_that_is_restarted(daemon):
    """The selection goes on, and is attached to the daemon that is there."""
    restarted = []

    def restart(done, total):
        if not restarted:
            restarted.append(done)
            daemon.end(signal.SIGKILL)
            daemon.start()

    with evendraw.connect() as client:
        x = large(client, 40000)
        info = client.select("large", x, "tomek", threads=1, progress=restart)
        assert restarted and client.attachments("large") == [info]
