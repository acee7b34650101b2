"""Neighbours attached to datasets, from Python and on the command line, against a real daemon; the
oracle is scikit-learn."""

import json
import os
import pty
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

import evendraw
from evendraw import _attachments
from evendraw._library import PROGRESS

NONE = 0xFFFFFFFF
X, Y = load_digits(return_X_y=True)
X = X.astype(np.float32)


def nearest(x, k, metric):
    """Distances of each row's k nearest others, ascending."""
    near = NearestNeighbors(n_neighbors=k + 1, metric=metric, algorithm="brute").fit(x)
    return near.kneighbors(x)[0][:, 1:]


def distances_of(x, rows, metric):
    x = x.astype(np.float64)
    a, b = x[:, None, :], x[rows]
    if metric == "euclidean":
        return np.sqrt(((a - b) ** 2).sum(2))
    return 1 - (a * b).sum(2) / np.linalg.norm(a, axis=2) / np.linalg.norm(b, axis=2)


def check(client, name, metric="euclidean", scope="all", k=5):
    """Equal to scikit-learn's; where several are equally near, in their distances."""
    index, distance = client.attachment("digits", name)
    assert index.shape == distance.shape == (len(X), k)
    groups = [np.arange(len(X))] if scope == "all" else [np.flatnonzero(Y == c) for c in range(10)]
    for rows in groups:
        assert np.allclose(distance[rows], nearest(X[rows], k, metric), atol=1e-5)
        assert np.isin(index[rows], rows).all()
    assert np.allclose(distance, distances_of(X, index, metric), atol=1e-5)
    assert not (index == np.arange(len(X))[:, None]).any()


@pytest.fixture
def digits(client):
    client.create_dataset("digits", Y)
    return client


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_as_scikit_learn(digits, metric):
    found = digits.neighbours("digits", X, metric=metric)
    assert list(found) == ["class", "all"]
    for scope, info in found.items():
        name = scope if metric == "euclidean" else scope + "-cosine"
        assert (info["name"], info["scope"], info["k"]) == (name, scope, 5)
        assert info["metric"] == metric and info["lacking"] == 0
        terms = info["terms"]
        assert (terms["n"], terms["d"], terms["exact"]) == (len(X), 64, True)
        assert terms["library"] == evendraw.__version__ and terms["type"] == "float32"
        check(digits, name, metric, scope)
    assert sorted(found.values(), key=lambda info: info["name"]) == digits.attachments("digits")


def test_without_a_label(client):
    labels = [None if i % 7 == 0 else int(y) for i, y in enumerate(Y)]
    client.create_dataset("digits", labels)
    x = X.copy()
    x[::7] = np.nan  # nobody looks at them
    client.neighbours("digits", x, 3, "all")
    index, distance = client.attachment("digits", "all")
    assert (index[::7] == NONE).all() and np.isinf(distance[::7]).all()
    rows = np.flatnonzero(np.arange(len(X)) % 7)
    assert np.isin(index[rows], rows).all()
    assert np.allclose(distance[rows], nearest(X[rows], 3, "euclidean"), atol=1e-5)


def kinds_of_features():
    import pandas

    small = X.astype(np.int64)
    requiring = torch.tensor(X, requires_grad=True)
    return {
        "float64": X.astype(np.float64),
        "int64": small,
        "uint8": X.astype(np.uint8),
        "float16": X.astype(np.float16),
        "Fortran": np.asfortranarray(X),
        "big": X.astype(">f4"),
        "strided": np.repeat(X, 2, axis=0)[::2],
        "list": small.tolist(),
        "torch": torch.tensor(X),
        "double": torch.tensor(X).double(),
        "bfloat16": torch.tensor(X).bfloat16(),
        "grad": requiring,
        "frame": pandas.DataFrame(X),
        "masked": np.ma.array(X),
        "objects": X.astype(object),
    }


@pytest.mark.parametrize("kind", kinds_of_features())
def test_kinds_of_features(digits, kind):
    info = digits.neighbours("digits", X, 4, "class", name="near")["class"]
    features = kinds_of_features()[kind]
    again = digits.neighbours("digits", features, 4, "class", name="near")["class"]
    assert again == info  # the numbers are those of float32, so it is the same table


def test_features_are_not_copied(digits):
    info = digits.dataset("digits")
    from evendraw._neighbours import as_features

    for x in (X, X.astype(np.float64)):
        assert np.shares_memory(as_features(x, info), x)
        tensor = torch.from_numpy(x)
        assert np.shares_memory(as_features(tensor, info), x)


def with_value(value):
    x = X.copy()
    x[17, 3] = value
    return x


REFUSED = {
    "rows": (X[:-1], {}, "has 1796 rows, and digits, version 1, has 1797 samples"),
    "shape": (X[:, 0], {}, r"shape \(1797,\)"),
    "images": (X.reshape(-1, 8, 8), {}, r"X.reshape\(len\(X\), -1\)"),
    "nan": (with_value(np.nan), {}, "row 17, column 3"),
    "infinite": (with_value(np.inf), {}, "row 17, column 3"),
    "text": (X.astype(str), {}, "numbers are needed"),
    "objects": (np.full(X.shape, "a", dtype=object), {}, "numbers are needed"),
    "complex": (X.astype(complex), {}, "complex128"),
    "ragged": ([[1.0], [1.0, 2.0]], {}, "several lengths"),
    "masked": (np.ma.array(X, mask=X == 3), {}, "masked"),
    "k": (X, {"k": 65}, "from 1 to 64"),
    "k of a half": (X, {"k": 2.5}, "from 1 to 64"),
    "threads": (X, {"threads": -1}, "threads"),
    "threads of text": (X, {"threads": "2"}, "threads"),
    "recall": (X, {"recall": 1.0}, "recall is 1.0"),
    "recall of text": (X, {"recall": "0.9"}, "recall is '0.9'"),
    "a list of metrics": (X, {"metric": ["cosine"]}, "cosine"),
    "a list of scopes": (X, {"scope": ["all"]}, "scope is"),
    "metric": (X, {"metric": "manhattan"}, "manhattan"),
    "scope": (X, {"scope": "nobody"}, "nobody"),
    "name": (X, {"name": "near"}, "one search"),
    "direction": (X * (np.arange(len(X)) != 9)[:, None], {"metric": "cosine"}, "row 9"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(digits, case):
    features, options, said = REFUSED[case]
    with pytest.raises(ValueError, match=said) as error:
        digits.neighbours("digits", features, **options)
    assert isinstance(error.value, evendraw.Error)
    assert digits.attachments("digits") == []


def test_changed_features(digits, monkeypatch):
    x = X.copy()
    call = evendraw._neighbours.run

    def run(search, options, _):
        """The library's last progress is before it looks whether they are as they were."""
        options.progress = change = PROGRESS(lambda *_: x.__setitem__((3, 3), 99))
        code = search()
        del change
        return code

    monkeypatch.setattr("evendraw._neighbours.run", run)
    with pytest.raises(evendraw.Conflict, match="changed while they were searched"):
        digits.neighbours("digits", x)
    assert digits.attachments("digits") == []
    monkeypatch.setattr("evendraw._neighbours.run", call)
    digits.neighbours("digits", x)


def test_sparse(digits):
    from scipy.sparse import csr_matrix

    with pytest.raises(evendraw.BadValue, match="toarray"):
        digits.neighbours("digits", csr_matrix(X))


def test_classes_that_are_too_small(client):
    y = np.where(np.arange(len(Y)) < 3, 10, Y)
    client.create_dataset("digits", [f"digit {label}" for label in y])
    with pytest.raises(evendraw.BadValue, match="class 'digit 10' has only 3 samples.*give k=2"):
        client.neighbours("digits", X)
    assert client.attachments("digits") == []
    assert client.neighbours("digits", X, 2)["class"]["lacking"] == 0
    info = client.neighbours("digits", X, scope="class", name="five", allow_short=True)["class"]
    assert info["lacking"] == 3
    index, distance = client.attachment("digits", "five")
    assert (index[:3, 2:] == NONE).all() and np.isinf(distance[:3, 2:]).all()
    assert np.array_equal(np.sort(index[0, :2]), [1, 2])
    assert client.neighbours("digits", X, scope="all", name="far")["all"]["lacking"] == 0


def test_twice_and_other_features(digits, monkeypatch):
    found = digits.neighbours("digits", X)
    other = X + np.float32(1) * (np.arange(64) == 3)
    other[:, 5] *= 3
    cosine = {"metric": "cosine", "scope": "class", "name": "class"}
    for options in ({"features": other}, {"k": 4}, cosine):
        with pytest.raises(evendraw.Exists, match=r"name=.*client.detach\('digits', 'class', 1\)"):
            digits.neighbours("digits", **({"features": X, "k": 5} | options))
    monkeypatch.setattr("evendraw._neighbours.NeighbourSearch.run", None)  # nothing is searched
    assert digits.neighbours("digits", X) == found
    monkeypatch.undo()
    digits.detach("digits", "class")
    assert [row["name"] for row in digits.attachments("digits")] == ["all"]
    with pytest.raises(evendraw.NotFound):
        digits.attachment("digits", "class")
    assert digits.neighbours("digits", other, scope="class")["class"]["digest"] != (
        found["class"]["digest"]
    )


def test_taken_by_who_says_nothing(digits):
    """Without the features' digest the tables themselves are compared."""
    index, distance = digits.neighbours("digits", X, 3, "all") and digits.attachment("digits", "all")
    fields = {"dataset": "digits", "kind": "neighbours", "k": 3, "scope": "all"}
    silent = _attachments.attach(
        digits, index, distance, metric="euclidean", name="silent", **fields
    )
    assert digits.neighbours("digits", X, 3, "all", name="silent")["all"] == silent
    with pytest.raises(evendraw.Exists):
        digits.neighbours("digits", np.roll(X, 1, 0), 3, "all", name="silent")


def test_versions(digits):
    old = digits.neighbours("digits", X, 3, "all")["all"]
    digits.create_dataset("digits", np.append(Y, 0))
    assert digits.attachments("digits") == []  # those are of the older version
    with pytest.raises(evendraw.BadValue, match="version 2, has 1798 samples.*version= names"):
        digits.neighbours("digits", X, 3, "all")
    assert digits.neighbours("digits", X, 3, "all", version=1)["all"] == old
    new = digits.neighbours("digits", np.append(X, X[:1], 0), 3, "all")["all"]
    assert new["version"] == 2 and new["digest"] != old["digest"]
    with pytest.raises(evendraw.NotFound):
        digits.neighbours("digits", X, version=9)


# ---- searches that take their time ----

LARGE = """
import os, sys, numpy as np, evendraw
x = np.random.default_rng(0).normal(size=(150000, 64)).astype("f4")
client = evendraw.connect()
client.create_dataset("large", np.zeros(len(x), int))
def tell(done, total):
    print("begun", flush=True)
try:
    client.neighbours("large", x, scope="all", threads=1, progress=tell)
except KeyboardInterrupt:
    print("interrupted", client.attachments("large"), flush=True)
"""


def test_interrupted(daemon):
    process = subprocess.Popen([sys.executable, "-c", LARGE], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0].splitlines()
    assert said[-1] == "interrupted []" and process.returncode == 0


def test_error_in_progress(client):
    x = np.random.default_rng(0).normal(size=(150000, 64)).astype("f4")
    client.create_dataset("large", np.zeros(len(x), int))
    told = []

    def tell(done, total):
        told.append((done, total))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client.neighbours("large", x, scope="all", progress=tell)
    (done, total) = told[0]
    assert 0 <= done < total and client.attachments("large") == []


def test_gone_on_with(client, tmp_path):
    """A search that was ended goes on from its file, to what a whole one finds."""
    x = np.random.default_rng(0).normal(size=(30000, 48)).astype("f4")
    client.create_dataset("large", np.zeros(len(x), int))
    partial, told = tmp_path / "x.partial", []

    def tell(done, total):
        told.append(done / total)
        if len(told) == 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client.neighbours("large", x, scope="all", progress=tell, partial=partial)
    assert os.listdir(tmp_path) == ["x.partial"]
    with pytest.raises(evendraw.Conflict, match="something else"):
        client.neighbours("large", x, 6, "all", partial=partial)
    client.neighbours("large", x, scope="all", progress=tell, partial=partial)
    assert told[1] >= told[0] and os.listdir(tmp_path) == []
    client.neighbours("large", x, scope="all", name="whole")
    for ours, whole in zip(client.attachment("large", "all"), client.attachment("large", "whole"), strict=True):
        assert np.array_equal(ours, whole)
    with pytest.raises(evendraw.StoreError, match="is a folder"):
        client.neighbours("large", x, 6, "all", name="six", partial=tmp_path)
    with pytest.raises(evendraw.BadValue, match="NUL"):
        client.neighbours("large", x, 6, "all", name="six", partial="a\0b")


def test_daemon_that_is_restarted(daemon):
    """The search does not know, and what it found is attached to the daemon that is there."""
    x = np.random.default_rng(0).normal(size=(60000, 64)).astype("f4")
    restarted = []

    def restart(done, total):
        if not restarted:
            restarted.append(done)
            daemon.end(signal.SIGKILL)
            daemon.start()

    with evendraw.connect() as client:
        client.create_dataset("large", np.arange(len(x)) % 2)
        info = client.neighbours("large", x, scope="class", threads=1, progress=restart)["class"]
        assert restarted and client.attachments("large") == [info]


# ---- on the command line ----


def tool(*arguments, code=0, **options):
    done = subprocess.run(
        [os.environ["EVENDRAW"], "neighbours", *map(str, arguments)],
        capture_output=True,
        text=True,
        **options,
    )
    assert done.returncode == code, done
    return done.stdout if code == 0 else done.stderr


def saved(folder, x, name="x.npy"):
    np.save(folder / name, x)
    return folder / name


def test_command(digits, tmp_path):
    path = saved(tmp_path, X)
    said = tool("digits", path)
    assert said.splitlines() == [
        "digits, version 1: 1,797 samples of 64 features",
        "  class: 5 nearest within the class, euclidean",
        "  all: 5 nearest among all, euclidean",
    ]
    check(digits, "class", scope="class")
    check(digits, "all")
    assert tool("digits", path).count("(was there already)") == 2
    assert digits.neighbours("digits", X)["all"] in digits.attachments("digits")
    answer = json.loads(tool("digits", path, "--json"))
    assert sorted(answer["attachments"], key=lambda info: info["name"]) == digits.attachments("digits")
    tool("digits", saved(tmp_path, X.astype("f8")), "--k=3", "--all", "--metric=cosine", "--name=c")
    check(digits, "c", "cosine", k=3)
    said = tool("digits", path, "--metric=cosine")  # beside those of the other metric
    assert "  class-cosine: 5 nearest within the class, cosine\n" in said
    check(digits, "all-cosine", "cosine")
    assert tool("digits", path, "--metric=cosine").count("(was there already)") == 2
    assert os.listdir(tmp_path) == ["x.npy"]
    other = saved(tmp_path, X[::-1].copy(), "y.npy")
    said = tool("digits", other, "--all", code=1)
    assert "`evendraw dataset detach digits all`" in said and "--name" in said
    said = tool("digits", other, "--all", "--dataset-version=1", code=1)
    assert "`evendraw dataset detach digits all --dataset-version 1`" in said


def test_nothing_is_lost_silently(digits, tmp_path):
    """Neither where the next search follows, nor at the end."""
    path = saved(tmp_path, X)
    for options in ["--k=3"], ["--k=3", "--all"], ["--k=3", "--json"]:
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [os.environ["EVENDRAW"], "neighbours", "digits", str(path), *options],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert done.returncode == 4 and "cannot write the answer: No space left" in done.stderr


FILES = {
    "rows": (X[:-1], "holds 1,796 rows, and digits, version 1 has 1,797 samples"),
    "whole numbers": (X.astype("i4"), 'X.astype("float32")'),
    "halves": (X.astype("f2"), 'X.astype("float32")'),
    "big": (X.astype(">f4"), 'X.astype("float32")'),
    "Fortran": (np.asfortranarray(X), "numpy.ascontiguousarray(X)"),
    "shape": (X[:, 0], "shape (n, d)"),
    "images": (X.reshape(-1, 8, 8), "X.reshape(len(X), -1)"),
    "nan": (with_value(np.nan), "row 17, column 3"),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_are_refused(digits, tmp_path, case):
    x, said = FILES[case]
    assert said in tool("digits", saved(tmp_path, x), code=4)
    assert digits.attachments("digits") == [] and os.listdir(tmp_path) == ["x.npy"]


def test_files_that_are_no_features(digits, tmp_path):
    path = saved(tmp_path, X)
    whole = path.read_bytes()
    for data, said in {
        whole[:-1]: "is cut off: its header promises 1797 rows of 64 numbers",
        whole[:50]: "ends within its header",
        whole[:8] + b"\0\0" + whole[10:]: "its NPY header is damaged",
        whole[:8] + b"\xff\xff" + whole[10:]: "at an odd place",
        b"a,b\n1,2\n": "is no NPY file",
    }.items():
        path.write_bytes(data)
        assert said in tool("digits", path, code=4)
    path.unlink()
    assert "No such file" in tool("digits", path, code=4)
    assert "s a directory" in tool("digits", tmp_path, code=4)
    assert "name an .npy file" in tool("digits", "-", code=4)
    subprocess.run(["gzip", saved(tmp_path, X)], check=True)
    assert "gunzip" in tool("digits", f"{path}.gz", code=4)


def test_command_line(digits, tmp_path):
    path = saved(tmp_path, X)
    assert "--name is for one search" in tool("digits", path, "--name=a", code=2)
    assert "--name is for one search" in tool(
        "digits", path, "--name=a", "--all", "--within-class", code=2
    )
    assert "neither euclidean nor cosine" in tool("digits", path, "--metric=l1", code=2)
    assert "from 1 to 64" in tool("digits", path, "--k=65", code=2)
    assert "name the file with the features" in tool("digits", code=2)
    assert "not_found" in tool("nothing", path, code=1)
    assert "not_found" in tool("digits", path, "--dataset-version=7", code=1)


def test_four_commands_at_once(digits, tmp_path):
    """Of the same features: one of them keeps a file of its state, and all find the same."""
    np.save(tmp_path / "x.npy", X)
    tool = [os.environ["EVENDRAW"], "neighbours", "digits", str(tmp_path / "x.npy"), "--all", "--name"]
    commands = [
        subprocess.Popen([*tool, f"near-{i}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for i in range(4)
    ]
    for command in commands:
        said, error = command.communicate(timeout=100)
        assert command.returncode == 0 and error == "", said
    for i in range(4):
        check(digits, f"near-{i}")
    assert os.listdir(tmp_path) == ["x.npy"]


def test_short_classes_on_the_command_line(client, tmp_path):
    y = np.where(np.arange(len(Y)) < 3, 10, np.where(np.arange(len(Y)) == 9, 11, Y))
    client.create_dataset("digits", y)
    path = saved(tmp_path, X)
    said = tool("digits", path, code=4)
    assert 'class "11" has only 1 sample (and another class has too few)' in said
    assert "--allow-short" in said and "--k" not in said
    assert "all: 5 nearest" in tool("digits", path, "--all")
    assert "4 samples with fewer" in tool("digits", path, "--within-class", "--allow-short")


def test_file_that_is_cut_while_it_is_read(client, tmp_path):
    x = np.random.default_rng(0).normal(size=(80000, 64)).astype("f4")
    client.create_dataset("large", np.zeros(len(x), int))
    path = saved(tmp_path, x)
    terminal, inside = pty.openpty()
    command = [os.environ["EVENDRAW"], "neighbours", "large", str(path), "--all", "--threads=1"]
    with subprocess.Popen(command, stderr=inside) as process:
        read_until(terminal, b"searching among all, ")
        os.truncate(path, 4096)
        read_until(terminal, b"was cut off")
    os.close(inside)
    os.close(terminal)
    assert process.returncode == 4 and client.attachments("large") == []


def read_until(terminal, text):
    seen = b""
    while text not in seen:
        seen += os.read(terminal, 4096)
    return seen


def test_stopped_and_gone_on(client, tmp_path):
    """The terminal shows how far it is. Ctrl-C leaves a file from which the same command goes on; at
    its end there is nothing left."""
    x = np.random.default_rng(0).normal(size=(80000, 64)).astype("f4")
    client.create_dataset("large", np.zeros(len(x), int))
    path = saved(tmp_path, x)
    terminal, inside = pty.openpty()
    command = [os.environ["EVENDRAW"], "neighbours", "large", str(path), "--all", "--threads=1"]
    with subprocess.Popen(command, stderr=inside) as process:
        read_until(terminal, b"searching among all, ")
        process.send_signal(signal.SIGINT)
    assert process.returncode == -signal.SIGINT
    said = read_until(terminal, b".partial").decode().replace("\r", "").replace("\n", "")
    assert "the same command goes on" in said
    os.close(inside)
    os.close(terminal)
    (partial,) = tmp_path.glob("x.npy.*.partial")
    assert said.endswith(str(partial))
    assert client.attachments("large") == []
    before = partial.read_bytes()
    tool("large", path, "--all")
    assert os.listdir(tmp_path) == ["x.npy"] and len(before) > len(x) * 5 * 8
    index, distance = client.attachment("large", "all")
    some = np.arange(0, len(x), 500)
    near = NearestNeighbors(n_neighbors=6, algorithm="brute").fit(x)
    far, rows = near.kneighbors(x[some])
    assert np.array_equal(index[some], rows[:, 1:])
    assert np.allclose(distance[some], far[:, 1:], atol=1e-4)
