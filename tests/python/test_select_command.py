"""`evendraw select`: what client.select does, on the command line."""

import json
import os
import pty
import signal
import subprocess
import typing

import numpy as np
import pytest

import evendraw
from test_select import (  # noqa: F401 (animals is a fixture)
    CASES,
    NUMBER,
    PROBABILITIES,
    SMALLEST,
    X,
    Y,
    animals,
    few,
    kept,
    large,
    with_value,
)


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
