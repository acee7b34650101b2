"""Folds of arrays and folds attached to datasets, from Python and on the command line, against a real
daemon. That they are the right ones, tests/client/oracle_folds.py compares."""

import json
import os
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
    with pytest.raises(evendraw.Exists, match="differs in (seed|values).*name="):
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
    with pytest.warns(UserWarning, match="1 of 3 folds have no sample of label 1, which has 2 samples:"):
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
        ({"probabilities": [2] * n}, evendraw.BadValue, "row 0 has probability 2"),
        ({"probabilities": [np.nan] * n}, evendraw.BadValue, "row 0 has probability nan"),
        ({"probabilities": np.ones((n, 3))}, evendraw.BadValue, r"p\[np.arange\(n\), y\]"),
        ({"probabilities": ["a"] * n}, evendraw.BadValue, "numbers from 0 to 1"),
        ({"labels": np.zeros((4, 2))}, evendraw.BadValue, "labels has 4 rows, and 69 are needed"),
        ({"labels": np.full((n, 2), 2)}, evendraw.BadValue, "another number than 0 and 1"),
        ({"labels": Y}, evendraw.BadValue, "pass them as y"),
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
