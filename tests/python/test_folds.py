"""Folds of arrays and folds attached to datasets, from Python and on the command line, against a real
daemon. That they are the right ones, tests/client/oracle_folds.py compares."""

import json
import os
import shlex
import subprocess
import warnings

import numpy as np
import pytest

import evendraw

Y = np.repeat([0, 1, 2], [40, 20, 9])
NO_FOLD = 65535


@pytest.fixture
def pets(client):
    client.create_dataset("pets", [["cat", "dog", "eel"][y] for y in Y])
    return client


def sizes(y, fold, k):
    found = np.zeros((k, 3), int)
    np.add.at(found, (fold, y), 1)
    return found


def test_attached(pets):
    info = pets.folds("pets", 5, seed=3)
    assert (info["name"], info["kind"], info["folds"], info["samples"]) == ("cv5", "folds", 5, len(Y))
    assert info["terms"] | {"values": 0} == {
        "how": "stratified", "seed": 3, "values": 0, "library": evendraw.__version__,
    }
    fold, distances = pets.attachment("pets", "cv5")
    assert distances is None
    assert np.array_equal(fold, evendraw.folds(Y, 5, seed=3))
    assert np.ptp(sizes(Y, fold, 5), axis=0).max() <= 1
    assert pets.folds("pets", 5, seed=3) == info
    assert pets.folds("pets", 9)["name"] == "cv9"
    with pytest.raises(evendraw.Exists, match="differs in seed.*name="):
        pets.folds("pets", 5, seed=4)
    assert pets.folds("pets", 5, seed=4, name="again")["digest"] != info["digest"]
    assert [a["name"] for a in pets.attachments("pets")] == ["again", "cv5", "cv9"]


def test_each_way(pets):
    groups = [f"owner {i // 4}" for i in range(len(Y))]
    sets = np.stack([Y == 0, np.arange(len(Y)) % 4 == 0], axis=1)
    hard = np.linspace(0, 1, len(Y))
    for how, given in (
        ("grouped", {"groups": groups}),
        ("multi-label", {"labels": sets}),
        ("instance-hardness", {"probabilities": hard}),
    ):
        info = pets.folds("pets", 3, name=how, **given)
        assert info["terms"]["how"] == how
        fold, _ = pets.attachment("pets", how)
        assert np.array_equal(fold, evendraw.folds(Y, 3, **given))
        assert pets.folds("pets", 3, name=how, **given)["digest"] == info["digest"]
    each = np.zeros((len(Y), 3))
    each[np.arange(len(Y)), Y] = hard  # of each class
    assert np.array_equal(evendraw.folds(Y, 3, probabilities=each), fold)
    pets.detach("pets", "grouped")
    pets.folds("pets", 3, name="grouped", groups=groups)
    with pytest.raises(evendraw.Exists, match="differs in values"):
        pets.folds("pets", 3, name="grouped", groups=range(len(Y)))


def test_without_a_label(client):
    labels = [None if i % 7 == 0 else int(y) for i, y in enumerate(Y)]
    client.create_dataset("pets", labels)
    client.folds("pets", 4)
    fold, _ = client.attachment("pets", "cv4")
    assert (fold[::7] == NO_FOLD).all()
    ours = evendraw.folds(labels, 4)
    assert np.array_equal(np.where(fold == NO_FOLD, -1, fold.astype(int)), ours)
    assert ours.dtype == np.int64 and (ours[::7] == -1).all()


def test_an_older_version(pets):
    pets.create_dataset("pets", [0, 1] * 8)
    assert pets.folds("pets", 4, version=1)["samples"] == len(Y)
    assert pets.folds("pets", 4)["samples"] == 16


def test_warns_of_a_class_that_is_missing(pets):
    with pytest.warns(UserWarning, match=r"2 of 11 folds have no sample of class 'eel', which has 9 samples:"):
        pets.folds("pets", 11)
    with pytest.warns(UserWarning, match="'eel', which has 1 sample: .* there; 1 other class is not in"):
        evendraw.folds(["cat"] * 9 + ["dog"] * 2 + ["eel"], 3)
    with pytest.warns(UserWarning, match="1 of 3 folds has no sample of label 1, which has 2 samples:"):
        evendraw.folds(None, 3, labels=[[1, 0]] * 9 + [[1, 1]] * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pets.folds("pets", 9, name="enough")


def test_mistakes(pets):
    n = len(Y)
    for given, kind, words in (
        ({"k": 1}, evendraw.LimitError, "k is 1: it is a whole number from 2 to 1024"),
        ({"k": 1025}, evendraw.LimitError, "from 2 to 1024"),
        ({"k": 2.5}, evendraw.LimitError, "whole number"),
        ({"k": True}, evendraw.LimitError, "whole number"),
        ({"k": 41}, evendraw.BadValue, "every class has fewer samples .* 40 at most for 41"),
        ({"seed": -1}, evendraw.LimitError, "seed is -1"),
        ({"groups": [0] * n, "probabilities": [0] * n}, evendraw.UsageError, "groups or probabilities"),
        ({"groups": [0] * 5}, evendraw.BadValue, "5 values, but 69 are needed"),
        ({"groups": [1.5, np.nan] + [0.5] * (n - 2)}, evendraw.BadValue, r"groups\[1\] is nan"),
        ({"groups": ["a", None] + ["b"] * (n - 2)}, evendraw.BadValue, r"groups\[1\] is None"),
        ({"groups": np.zeros((n, 2))}, evendraw.BadValue, "one value for each sample"),
        ({"groups": [0, 1] * 34 + [0]}, evendraw.BadValue, "2 groups, which cannot be in 5 folds"),
        ({"groups": [{1}] * n}, evendraw.BadValue, "groups cannot be compared"),
        ({"probabilities": [2] * n}, evendraw.BadValue, r"probabilities\[0\] is 2"),
        ({"probabilities": [np.nan] * n}, evendraw.BadValue, r"probabilities\[0\] is nan"),
        ({"probabilities": [0] * 5}, evendraw.BadValue, "5 rows"),
        ({"probabilities": np.array(0.5)}, evendraw.BadValue, "a single number"),
        ({"probabilities": np.ones((n, 2))}, evendraw.BadValue, "2 columns, and there are 3 classes"),
        ({"probabilities": ["a"] * n}, evendraw.BadValue, "from 0 to 1 are needed"),
        ({"labels": np.zeros((4, 2))}, evendraw.BadValue, "labels has 4 rows, and 69 are needed"),
        ({"labels": np.full((n, 2), 2)}, evendraw.BadValue, "another number than 0 and 1"),
        ({"labels": Y}, evendraw.BadValue, "pass them as y"),
        ({"labels": [[1], [0, 1]]}, evendraw.BadValue, "rows of several lengths"),
        ({"labels": [["a", "b"]] * n}, evendraw.BadValue, "matrix of 0 and 1"),
        ({"labels": np.zeros((n, 0))}, evendraw.LimitError, "labels: there can be"),
    ):
        with pytest.raises(kind, match=words):
            pets.folds("pets", **given)
        with pytest.raises(kind, match=words):
            evendraw.folds(Y, **given)
    with pytest.raises(evendraw.NotFound):
        pets.folds("dogs")
    with pytest.raises(evendraw.NotFound, match="no sample has a label"):
        evendraw.folds([None] * 9)
    assert pets.attachments("pets") == []


# ---- the command ----


def command(*args, rc=0):
    run = subprocess.run([os.environ["EVENDRAW"], *map(str, args)], capture_output=True, text=True)
    assert run.returncode == rc, run.stderr
    return run


def test_command(pets):
    run = command("folds", "pets", "--seed", 3)
    assert "pets, version 1: cv5 puts 69 samples into 5 folds\n" in run.stdout
    head, cat, dog, eel = (line.split() for line in run.stdout.splitlines()[2:6])
    assert head == "CLASS SAMPLES FOLD 0 FOLD 1 FOLD 2 FOLD 3 FOLD 4".split()
    fold, _ = pets.attachment("pets", "cv5")
    assert np.array_equal(fold, evendraw.folds(Y, 5, seed=3))
    assert cat[1:] + dog[1:] == ["40", *"88888", "20", *"44444"]
    assert eel[1:] == ["9", *map(str, np.bincount(fold[Y == 2], minlength=5))]
    assert '"from": {"folds": "cv5", "without": 0}' in run.stdout
    assert run.stderr == ""
    assert "(was there already)" in command("folds", "pets", "--seed", 3).stdout
    assert pets.folds("pets", 5, seed=3)["name"] == "cv5"  # Python's is the same
    run = command("folds", "pets", "--seed", 4, rc=1)
    assert "another attachment 'cv5' already, which differs in seed" in run.stderr and "--name" in run.stderr
    told = json.loads(command("folds", "pets", "--seed", 4, "--name", "b", "--json").stdout)
    assert (told["name"], told["folds"], told["absent"]) == ("b", 5, 0)
    assert told["classes"]["class"] == ["cat", "dog", "eel"]
    assert told["classes"]["count"] == [40, 20, 9]
    assert told["classes"]["folds"][:2] == [[8] * 5, [4] * 5]


@pytest.mark.parametrize("name", ["cv 5", "it's", 'a "b"', "-k"])
def test_command_suggests(pets, name):
    """What it suggests can be typed, whatever the folds are called."""
    run = command("folds", "pets", f"--name={name}")
    words = shlex.split(run.stdout.splitlines()[-1].replace(", from fold 0 alone", ""))
    strategy = json.loads(words[words.index("--strategy") + 1])
    assert strategy["from"] == {"folds": name, "without": 0}
    said = command("folds", "pets", f"--name={name}", "--seed=1", rc=1).stderr
    words = shlex.split(said[said.index("`evendraw dataset") + 1 : said.rindex("`")])
    assert words[:4] == ["evendraw", "dataset", "detach", "pets"] and words[4:] == [name]


def test_command_refuses_files(pets, tmp_path):
    os.mkfifo(tmp_path / "p.npy")
    said = command("folds", "pets", "--probabilities", tmp_path / "p.npy", rc=4).stderr
    assert "p.npy: is no plain file: store" in said
    for shape in (len(Y), 0), (len(Y), 2, 2):
        np.save(tmp_path / "l.npy", np.zeros(shape))
        said = command("folds", "pets", "--labels", tmp_path / "l.npy", rc=4).stderr
        assert f"has the shape {shape}, but a row of numbers for each sample" in said


def test_command_many(pets):
    run = command("folds", "pets", "--k", 12)
    head, cat, _, eel = (line.split() for line in run.stdout.splitlines()[2:6])
    assert head == "CLASS SAMPLES FEWEST MOST".split()
    assert cat == ["cat", "40", "3", "4"] and eel == ["eel", "9", "0", "1"]
    assert run.stderr == (
        'evendraw: warning: 3 of 12 folds have no sample of class "eel", which has 9 samples: measures of '
        "it are missing there\n"
    )


def test_command_reads_files(pets, tmp_path):
    groups = [f"owner {i // 4}" for i in range(len(Y))]
    (tmp_path / "g.txt").write_text("\n".join(groups) + "\n")
    np.save(tmp_path / "g.npy", np.arange(len(Y)) // 4)
    table = "".join(f'{i},"{g}"\n' for i, g in enumerate(groups))
    (tmp_path / "g.csv").write_text("row,owner\n" + table)
    expected = evendraw.folds(Y, 4, groups=groups)
    (tmp_path / "bare.csv").write_text("".join(f"{i};{g}\n" for i, g in enumerate(groups)))
    bare = ["bare.csv", "--no-header", "-d", ";", "-c", "2"]
    for i, given in enumerate((["g.txt"], ["g.npy"], ["g.csv", "--column", "owner"], bare)):
        given[0] = tmp_path / given[0]
        run = command("folds", "pets", "--k", 4, "--name", f"g{i}", "--groups", *given)
        assert "69 samples of 18 groups into 4 folds" in run.stdout
        assert np.array_equal(pets.attachment("pets", f"g{i}")[0], expected)

    sets = np.stack([Y == 0, np.arange(len(Y)) % 4 == 0, np.arange(len(Y)) == 5], axis=1)
    for name, dtype in (("b", bool), ("u", np.uint8), ("d", np.float64), ("i", ">i4")):
        np.save(tmp_path / f"{name}.npy", sets.astype(dtype))
        run = command("folds", "pets", "--labels", tmp_path / f"{name}.npy", "--name", name, "--seed", 2)
        assert np.array_equal(pets.attachment("pets", name)[0], evendraw.folds(Y, 5, labels=sets, seed=2))
    assert run.stdout.splitlines()[2].split()[:2] == ["LABEL", "SAMPLES"]
    assert 'no sample of label "2", which has 1 sample:' in run.stderr

    own = np.linspace(0, 1, len(Y))
    each = np.zeros((len(Y), 3), np.float32)
    each[np.arange(len(Y)), Y] = own
    for name, p in (("own", own), ("each", each)):
        np.save(tmp_path / f"{name}.npy", p)
        command("folds", "pets", "--probabilities", tmp_path / f"{name}.npy", "--name", name)
        assert np.array_equal(pets.attachment("pets", name)[0], evendraw.folds(Y, 5, probabilities=own))


def test_command_without_labels(client, tmp_path):
    """Who is in no fold needs no group."""
    labels = [None if i % 3 == 0 else "ab"[i % 2] for i in range(30)]
    client.create_dataset("pets", labels)
    (tmp_path / "g.csv").write_text("g\n" + "".join(f"{'' if y is None else i // 5}\n" for i, y in enumerate(labels)))
    command("folds", "pets", "--k", 2, "--groups", tmp_path / "g.csv")
    fold, _ = client.attachment("pets", "cv2")
    assert (fold[::3] == NO_FOLD).all()
    ours = evendraw.folds(labels, 2, groups=np.arange(30) // 5)
    assert np.array_equal(np.where(fold == NO_FOLD, -1, fold.astype(int)), ours)


def test_command_mistakes(pets, tmp_path):
    n = len(Y)
    files = {
        "short.npy": np.zeros(5, int), "two.npy": np.zeros((n, 2)), "rows.npy": np.zeros((4, 2)),
        "three.npy": np.full((n, 2), 3), "fortran.npy": np.zeros((n, 2), order="F"), "ok.npy": np.arange(n),
        "wide.npy": np.zeros((n, 4)), "beyond.npy": np.full(n, 1.5), "texts.npy": np.full((n, 2), "a"),
    }
    for name, array in files.items():
        np.save(tmp_path / name, array)
    (tmp_path / "gap.csv").write_text("g\n" + "a\n" * 3 + '""\n' + "b\n" * (n - 4))
    for given, rc, words in (
        (["--k", 1], 2, "--k"),
        (["--k", 1025], 2, "--k"),
        (["--k", 41], 4, "every class has fewer samples than there are folds, 40 at most for 41"),
        (["--groups", "short.npy"], 4, "5 rows, and pets, version 1 has 69 samples"),
        (["--groups", "two.npy"], 4, "--column"),
        (["--groups", "gap.csv"], 4, "sample 3 has a label and no group"),
        (["--groups", "missing.txt"], 4, "missing.txt"),
        (["--groups", "ok.npy", "--k", 70], 4, "69 samples cannot be in 70 folds"),
        (["--labels", "ok.npy"], 4, "shape (n, m)"),
        (["--labels", "rows.npy"], 4, "4 rows, and"),
        (["--labels", "three.npy"], 4, "sample 0 has 3 for label 0"),
        (["--labels", "fortran.npy"], 4, "ascontiguousarray"),
        (["--labels", "texts.npy"], 4, "holds text"),
        (["--labels", "gap.csv"], 4, "NPY"),
        (["--probabilities", "wide.npy"], 4, "4 columns, and there are 3 classes"),
        (["--probabilities", "beyond.npy"], 4, "row 0 has probability 1.5"),
        (["--probabilities", "ok.npy"], 4, "probabilities are float32 or float64"),
        (["--probabilities", "beyond.npy", "--groups", "ok.npy"], 2, "exclude each other"),
        (["--column", 1], 2, "--groups"),
        (["--no-header"], 2, "say how the file of --groups is read"),
    ):
        given = [tmp_path / a if str(a).endswith((".npy", ".csv", ".txt")) else a for a in given]
        run = command("folds", "pets", *given, rc=rc)
        assert words in " ".join(run.stderr.split()), (given, run.stderr)
        assert run.stdout == ""
    assert "dogs" in command("folds", "dogs", rc=1).stderr
    assert pets.attachments("pets") == []
