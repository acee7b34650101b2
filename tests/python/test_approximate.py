"""Approximate neighbours, from Python and on the command line, against a real daemon; the oracle is the
exact search, which test_neighbours.py compares with scikit-learn's."""

import json
import os
import re
import subprocess

import numpy as np
import pytest

import evendraw

N, D, K = 24_000, 16, 5
RNG = np.random.default_rng(5)
CENTRES = RNG.normal(size=(300, D))
CLUSTERED = (2 * CENTRES[RNG.integers(0, 300, N)] + RNG.normal(size=(N, D))).astype("f4")
SMALL = 2_500  # samples of class 1; of class 0 all others
Y = (np.arange(N) % 9 == 1).astype(int)
Y[np.flatnonzero(Y)[SMALL:]] = 0


@pytest.fixture
def large(client):
    client.create_dataset("large", Y)
    return client


def recall_of(client, name, exact):
    """The share of the exact neighbours; distances are those that belong to the indices."""
    index, distance = client.attachment("large", name)
    far = np.sqrt(((CLUSTERED[:, None].astype("f8") - CLUSTERED[index]) ** 2).sum(2))
    np.testing.assert_allclose(distance, far, rtol=1e-6)
    assert not (index == np.arange(N)[:, None]).any()
    return (index[:, :, None] == exact[:, None, :]).any(2).mean()


@pytest.mark.parametrize("scope", ["class", "all"])
def test_recall(large, scope):
    """What was measured on some is the recall of all, within its interval, which is above what was
    asked for. Small classes are searched exactly."""
    large.neighbours("large", CLUSTERED, K, scope, name="exact")
    exact, _ = large.attachment("large", "exact")
    before = 0
    for least in 0.5, 0.9:
        info = large.neighbours(
            "large", CLUSTERED, K, scope, name=f"of {least}", approximate=True, recall=least
        )[scope]
        terms, recall = info["terms"], recall_of(large, f"of {least}", exact)
        assert terms["exact"] is False
        assert least <= terms["recall_low"] <= recall <= terms["recall_high"] <= 1
        assert terms["recall_low"] < terms["recall"] <= terms["recall_high"]
        assert before < recall < 1 and info["lacking"] == 0
        before = recall
        index, _ = large.attachment("large", f"of {least}")
        assert (scope == "all") != (Y[index] == Y[:, None]).all()
        assert np.array_equal(index[Y == 1], exact[Y == 1]) == (scope == "class")


def test_again(large, monkeypatch):
    """What is there will do if it is exact, or of the wanted recall; but not if exact is wanted."""
    info = large.neighbours("large", CLUSTERED, K, "all", approximate=True, recall=0.8)["all"]
    there = info["terms"]["recall"]
    monkeypatch.setattr("evendraw._neighbours.NeighbourSearch.run", None)  # nothing is searched
    for least in 0.8, 0.5, there:
        assert info == large.neighbours(
            "large", CLUSTERED, K, "all", approximate=True, recall=least
        )["all"]
    with pytest.raises(evendraw.Exists, match="differs in recall"):
        large.neighbours("large", CLUSTERED, K, "all", approximate=True, recall=there + 1e-6)
    with pytest.raises(evendraw.Exists, match="differs in exact"):
        large.neighbours("large", CLUSTERED, K, "all")
    with pytest.raises(evendraw.Exists, match="differs in features"):
        large.neighbours("large", CLUSTERED[::-1], K, "all", approximate=True, recall=0.8)
    monkeypatch.undo()
    large.detach("large", "all")
    exact = large.neighbours("large", CLUSTERED, K, "all")["all"]
    assert exact["terms"]["exact"] is True and "recall" not in exact["terms"]
    monkeypatch.setattr("evendraw._neighbours.NeighbourSearch.run", None)
    assert large.neighbours("large", CLUSTERED, K, "all", approximate=True)["all"] == exact


def test_where_it_is_no_faster(large, client):
    """Rows without clusters, and few: the table is the exact one, and says so."""
    x = np.random.default_rng(0).normal(size=(N, D * 2)).astype("f4")
    info = large.neighbours("large", x, K, "all", approximate=True)["all"]
    assert info["terms"]["exact"] is True and "recall" not in info["terms"]
    assert info == large.neighbours("large", x, K, "all")["all"]
    client.create_dataset("few", Y[:2000])
    info = client.neighbours("few", CLUSTERED[:2000], K, "all", approximate=True, recall=0.5)["all"]
    assert info["terms"]["exact"] is True


@pytest.mark.parametrize("recall", [0, 1, -0.5, float("nan")])
def test_refused(large, recall):
    with pytest.raises(evendraw.BadValue, match="recall is .*: it is a share"):
        large.neighbours("large", CLUSTERED, approximate=True, recall=recall)


# ---- on the command line ----


def tool(*arguments, code=0):
    done = subprocess.run(
        [os.environ["EVENDRAW"], "neighbours", *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == code, done
    return done.stdout if code == 0 else done.stderr


def test_command(large, tmp_path):
    np.save(tmp_path / "x.npy", CLUSTERED)
    arguments = ["large", tmp_path / "x.npy", "--all", "--approximate"]
    said = tool(*arguments).splitlines()
    terms = large.attachments("large")[0]["terms"]
    shown = re.fullmatch(
        r"  all: 5 nearest among all, euclidean, recall (0\.\d{3}) \((0\.\d{3}) to ([01]\.\d{3})\)",
        said[1],
    )
    assert [float(number) for number in shown.groups()] == [
        round(terms[key], 3) for key in ("recall", "recall_low", "recall_high")
    ]
    assert terms["recall_low"] >= 0.95 and terms["exact"] is False
    assert tool(*arguments, "--recall=0.9").splitlines()[1] == said[1] + " (was there already)"
    assert "differs in recall" in tool(*arguments, "--recall=0.9999", code=1)
    assert "differs in exact" in tool(*arguments[:-1], code=1)
    answer = json.loads(tool(*arguments, "--json"))
    assert answer["attachments"] == large.attachments("large")
    assert os.listdir(tmp_path) == ["x.npy"]
    # From Python it is the same table, which Python does not search again.
    info = large.neighbours("large", CLUSTERED, K, "all", approximate=True)
    assert info["all"] == answer["attachments"][0]


def test_command_that_searches_exactly(client, tmp_path):
    client.create_dataset("few", Y[:2000])
    np.save(tmp_path / "x.npy", CLUSTERED[:2000])
    arguments = ["few", tmp_path / "x.npy", "--all", "--approximate"]
    said = tool(*arguments).splitlines()[1]
    assert said.endswith("euclidean, exact: an approximate search would take as long")
    assert tool(*arguments).splitlines()[1].endswith("euclidean, exact (was there already)")


def test_command_line(large, tmp_path):
    np.save(tmp_path / "x.npy", CLUSTERED)
    path = tmp_path / "x.npy"
    assert "give --approximate with it" in tool("large", path, "--recall=0.9", code=2)
    for wrong in "0", "1", "x", "0.9x", "nan", "":
        said = tool("large", path, "--approximate", f"--recall={wrong}", code=2)
        assert "is not a number between 0 and 1" in said
