"""Selections of arrays, and attached to datasets, from Python and on the command line, against a real
daemon; the oracle is imbalanced-learn. That the sets are its own is tests/client/oracle_select.py's matter."""

import importlib
import json
import os
import pty
import signal
import subprocess
import sys
import typing
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


# ---- on the command line ----


def tool(*arguments, code=0):
    done = subprocess.run(
        [os.environ["EVENDRAW"], "select", *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == code, done
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    np.save("p.npy", PROBABILITIES)
    return tmp_path


def option(name, value):
    """As on the command line."""
    name = name.replace("_", "-")
    if name == "targets" and not isinstance(value, str):
        given = value.items() if isinstance(value, dict) else ((name, None) for name in value)
        return [f"--target={name}" + (f"={n}" if n is not None else "") for name, n in given]
    return [f"--{name}"] if value is True else [f"--{name}={value}"]


@pytest.mark.parametrize("method, options, theirs", CASES)
def test_command(animals, files, monkeypatch, method, options, theirs):
    """It attaches what Python would, which then computes nothing."""
    given = [one for name, value in options.items() for one in option(name, value)]
    answer = json.loads(tool("animals", "x.npy", "--method", method, *given, "--json"))
    keep = evendraw.select(X, Y, method, **options)
    assert (kept(animals, method) == keep).all()
    assert answer.pop("classes") == {
        "class": ["ape", "bee", "cat"],
        "count": [int((Y == name).sum()) for name in ("ape", "bee", "cat")],
        "kept": [int(keep[Y == name].sum()) for name in ("ape", "bee", "cat")],
    }
    assert ("iterations" in answer.pop("warning")) == (method == "renn")
    monkeypatch.setattr("evendraw._select.Selection.run", None)
    assert animals.select("animals", X, method, **options) == answer


def test_too_many_columns(animals, files):
    """Also if 32 bits of their number are few. The header is looked at first."""
    with open("wide.npy", "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (600, 2**32 + 4)}
        np.lib.format.write_array_header_1_0(file, header)
    said = tool("animals", "wide.npy", "--method=enn", code=4)
    assert "has 4294967300 columns, and at most 65536" in said


def test_what_people_read(animals, files):
    said = tool("animals", "x.npy", "--method=nearmiss-1", "--target=ape=40", "--target=bee=30")
    assert said.splitlines() == [
        f"animals, version 1: nearmiss-1 keeps {70 + SMALLEST} of 600 samples with a label",
        "",
        "CLASS  SAMPLES  KEPT",
        f"ape        {(Y == 'ape').sum()}    40",
        f"bee        {(Y == 'bee').sum()}    30",
        f"cat         {SMALLEST}    {SMALLEST}",
    ]
    again = tool("animals", "x.npy", "--method=nearmiss-1", "--target=bee=30", "--target=ape=40")
    assert again.splitlines()[0].endswith("(was there already)")
    assert again.splitlines()[1:] == said.splitlines()[1:]
    said = tool("animals", "x.npy", "--method=nearmiss-1", code=1)
    assert "differs in targets: give this one another --name, or remove that one by " in said
    assert "`evendraw dataset detach animals nearmiss-1`" in said
    tool("animals", "x.npy", "--method=nearmiss-1", "--name=equal", "--targets=not-minority")
    assert kept(animals, "equal").sum() == 3 * SMALLEST


@pytest.mark.parametrize("columns", ["own", "all"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_probabilities_on_the_command_line(animals, files, columns, dtype):
    p = PROBABILITIES.astype(dtype)
    p = p if columns == "all" else p[np.arange(600), NUMBER]
    np.save("p.npy", p)
    tool("animals", "--method=instance-hardness", "--probabilities=p.npy", "--target=ape=50")
    keep = evendraw.select(None, Y, "instance-hardness", probabilities=p, targets={"ape": 50})
    assert (kept(animals, "instance-hardness") == keep).all() and (~keep).any()


def test_rows_on_the_command_line(client, files):
    client.create_dataset("animals", [*Y, None])
    mask = np.append(np.arange(600) % 3 == 0, True)
    rows = np.flatnonzero(mask)
    np.save("mask.npy", mask)
    np.save("rows.npy", rows)
    np.savetxt("mask.txt", mask)
    np.savetxt("rows.txt", rows, fmt="%d")
    for name in ("mask.npy", "rows.npy", "mask.txt", "rows.txt"):
        assert "clean keeps 200 of 600" in tool("animals", "--keep", name, "--name=clean")
        assert (kept(client, "clean") == np.append(mask[:-1], False)).all()
    assert client.select_rows("animals", mask, name="clean")["kept"] == 200
    np.save("other.npy", rows[1:])
    said = tool("animals", "--keep=other.npy", "--name=clean", code=1)
    assert "differs in rows" in said and "--name" in said
    for values, said in {
        "beyond": ([0, 601], "has 601, which is no number of a sample: they are from 0 to 600"),
        "fraction": ([0.5], "has 0.5"),
        "unlabelled": ([600], "names no sample with a label"),
        "text": (["ape"], "holds text"),
    }.values():
        np.save("wrong.npy", values)
        assert said in tool("animals", "--keep=wrong.npy", "--name=w", code=4)
    np.save("wrong.npy", mask[1:])
    assert "holds 600 rows, and animals, version 1 has 601 samples" in tool(
        "animals", "--keep=wrong.npy", "--name=w", code=4
    )
    assert "No such file" in tool("animals", "--keep=nothing", "--name=w", code=4)
    assert [info["name"] for info in client.attachments("animals")] == ["clean"]


LINES = {
    "nothing": ([], "give a --method, or the samples to --keep"),
    "both": (["x.npy", "--method=enn", "--keep=x"], "give a --method, or"),
    "method": (["x.npy", "--method=svm"], "'svm' is none of tomek, enn, renn"),
    "no features": (["--method=enn"], "name the file with the features"),
    "features": (["x.npy", "--method=instance-hardness"], "does not look at it"),
    "no probabilities": (["--method=instance-hardness"], "--probabilities is missing"),
    "probabilities": (["x.npy", "--method=enn", "--probabilities=p.npy"], "--probabilities: enn does"),
    "k": (["x.npy", "--method=tomek", "--k=3"], "--k: tomek does not look at it"),
    "k too large": (["x.npy", "--method=enn", "--k=257"], "from 1 to 256"),
    "vote": (["x.npy", "--method=enn", "--vote=most"], "'most' is none of all, mode"),
    "vote of tomek": (["x.npy", "--method=tomek", "--vote=all"], "--vote: tomek"),
    "metric": (["x.npy", "--method=enn", "--metric=l1"], "'l1' is none of euclidean, cosine"),
    "rounds": (["x.npy", "--method=enn", "--max-iterations=3"], "--max-iterations: enn"),
    "minority": (["x.npy", "--method=enn", "--allow-minority"], "--allow-minority: enn"),
    "candidates": (["x.npy", "--method=nearmiss-1", "--candidates=3"], "--candidates: nearmiss-1"),
    "seed": (["x.npy", "--method=enn", "--seed=3"], "--seed: enn"),
    "seeds": (["x.npy", "--method=enn", "--seeds=3"], "--seeds: enn"),
    "threshold": (["x.npy", "--method=enn", "--threshold=0.3"], "--threshold: enn"),
    "share": (["x.npy", "--method=ncr", "--threshold=1"], "'1' is not a number between 0 and 1"),
    "targets": (["x.npy", "--method=enn", "--targets=minority"], "'minority' is none of not minority"),
    "two targets": (["x.npy", "--method=enn", "--targets=all", "--target=ape"], "give one of them"),
    "counts": (["x.npy", "--method=enn", "--target=ape=3"], "leave out =N"),
    "some": (["x.npy", "--method=nearmiss-1", "--target=ape=3", "--target=bee"], "or for none"),
    "no count": (["x.npy", "--method=nearmiss-1", "--target=ape=x"], "is not CLASS or CLASS=N"),
    "name": (["--keep=x"], "--name is missing"),
    "keep": (["x.npy", "--keep=x", "--name=y"], "give nothing but --name"),
}


@pytest.mark.parametrize("case", LINES)
def test_command_line(animals, files, case):
    arguments, said = LINES[case]
    assert said in tool("animals", *arguments, code=2)
    assert animals.attachments("animals") == []


INPUT = {
    "rows": ({"x": X[:-1]}, [], "holds 599 rows, and animals, version 1 has 600 samples"),
    "nan": ({"x": with_value(np.nan)}, [], "row 17, column 3"),
    "class": ({}, ["--target=dog"], "there is no class 'dog' (`evendraw stats animals`"),
    "shape": ({"x": X[:, 0]}, [], "shape (n, d)"),
}


@pytest.mark.parametrize("case", INPUT)
def test_input_that_is_refused(animals, files, case):
    saved, arguments, said = INPUT[case]
    for name, value in saved.items():
        np.save(f"{name}.npy", value)
    assert said in tool("animals", "x.npy", "--method=enn", *arguments, code=4)
    assert animals.attachments("animals") == []


def test_more_input_that_is_refused(client, files):
    client.create_dataset("animals", few)
    said = tool("animals", "x.npy", "--method=nearmiss-1", code=4)
    assert 'class "dog" is the smallest and has 2 samples, fewer than k = 3' in said
    hard = ["animals", "--method=instance-hardness", "--probabilities=p.npy"]
    assert "has 3 columns, and there are 4 classes" in tool(*hard, code=4)
    np.save("p.npy", np.full(600, 2.0))
    assert "row 0 has probability 2" in tool(*hard, code=4)
    np.save("p.npy", np.zeros((600, 2, 2)))
    assert "shape (n,) or (n, classes)" in tool(*hard, code=4)
    assert "not_found" in tool("nothing", "x.npy", "--method=enn", code=1)
    assert "not_found" in tool("animals", "x.npy", "--method=enn", "--dataset-version=7", code=1)
    client.create_dataset("animals", [*Y, "ape"])
    assert "--dataset-version names an older" in tool("animals", "x.npy", "--method=enn", code=4)
    tool("animals", "x.npy", "--method=enn", "--dataset-version=1")
    assert client.attachments("animals") == []


def test_words_that_completion_offers():
    said = subprocess.run([os.environ["EVENDRAW"], "--completion"], capture_output=True, text=True)
    offered = dict(line.split("\t")[1:] for line in said.stdout.splitlines() if line.startswith("select\t"))
    from evendraw._select import Method, _words

    assert list(typing.get_args(Method)) == _words("method")
    assert offered["--method="].split() == _words("method")
    assert offered["--targets="].split() == [word.replace(" ", "-") for word in _words("targets")]
    assert offered["--vote="].split() == _words("vote")
    assert offered["--metric="].split() == _words("metric")


def read_until(terminal, text):
    seen = b""
    while text not in seen:
        seen += os.read(terminal, 4096)
    return seen


def test_stopped(client, files):
    """The terminal shows how far it is, until Ctrl-C, which leaves nothing behind."""
    np.save("large.npy", large(client, 80000))
    terminal, inside = pty.openpty()
    command = [os.environ["EVENDRAW"], "select", "large", "large.npy", "--method=enn", "--threads=1"]
    with subprocess.Popen(command, stderr=inside) as process:
        read_until(terminal, b"selecting by enn, ")
        process.send_signal(signal.SIGINT)
    assert process.returncode == -signal.SIGINT
    read_until(terminal, b"the same command begins anew")
    os.close(inside)
    os.close(terminal)
    assert client.attachments("large") == []


def test_daemon_that_is_restarted_under_the_command(daemon, files):
    """What was computed meanwhile goes to the daemon that is there in the end."""
    with evendraw.connect() as client:
        np.save("large.npy", large(client, 40000))
    terminal, inside = pty.openpty()
    command = [os.environ["EVENDRAW"], "select", "large", "large.npy", "--method=tomek", "--threads=1"]
    with subprocess.Popen(command, stderr=inside, stdout=subprocess.DEVNULL) as process:
        read_until(terminal, b"selecting by tomek, ")
        daemon.end(signal.SIGKILL)
        daemon.start()
    assert process.returncode == 0
    os.close(inside)
    os.close(terminal)
    with evendraw.connect() as client:
        (info,) = client.attachments("large")
        assert info["name"] == "tomek" and 0 < info["kept"] <= 40000
