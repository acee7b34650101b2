"""Attachments of datasets, from Python and on the command line, against a real daemon."""

import json
import os
import subprocess

import numpy as np
import pytest

import evendraw
from evendraw import _attachments

N = 60000
LABELS = np.arange(N) % 3


def neighbours():
    """Of each sample the next two of its class, as far as there are any."""
    rows = np.arange(N, dtype=np.uint32)[:, None] + np.array([3, 6], dtype=np.uint32)
    far = np.where(rows < N, np.array([1, 2.5], dtype=np.float32), np.float32(np.inf))
    rows[rows >= N] = 0xFFFFFFFF
    return rows, far


def attach(client, **more):
    rows, far = neighbours()
    fields = {"dataset": "pets", "name": "near", "kind": "neighbours", "k": 2, "scope": "class"}
    fields |= {"metric": "euclidean", "terms": {"exact": True}}
    return _attachments.attach(client, rows, far, **(fields | more))


def test_sent_and_read_back(client):
    client.create_dataset("pets", LABELS)
    info = attach(client)
    rows, far = neighbours()
    assert info["lacking"] == 6 and info["terms"] == {"exact": True}
    assert attach(client) == info  # the same again
    back, distances = _attachments.read(client, info, distances=True)
    assert np.array_equal(back, rows) and np.array_equal(distances, far)
    keep = np.arange(N) % 7 == 0
    kept = _attachments.attach(client, keep, dataset="pets", name="few", kind="selection")
    assert kept["kept"] == keep.sum()
    assert np.array_equal(_attachments.read(client, kept)[0], keep)
    parts = (np.arange(N) % 5).astype(np.uint16)
    folds = _attachments.attach(client, parts, dataset="pets", name="cv", kind="folds", folds=5)
    assert np.array_equal(_attachments.read(client, folds)[0], parts)
    assert _attachments.attachments(client, "pets") == [folds, kept, info]


def test_refused(client):
    client.create_dataset("pets", LABELS)
    attach(client)
    rows, far = neighbours()
    with pytest.raises(evendraw.Exists):
        attach(client, scope="all")
    rows[7, 0] = 8
    with pytest.raises(evendraw.BadValue, match="sample 7: neighbour 8 is of another class"):
        _attachments.attach(
            client, rows, far, dataset="pets", name="b", kind="neighbours", k=2, scope="class",
            metric="m",
        )  # fmt: skip
    with pytest.raises(evendraw.BadValue, match="have no"):
        _attachments.attach(client, rows, dataset="pets", name="b", kind="selection", k=2)
    with pytest.raises(evendraw.UsageError, match="rows are of 8 bytes, and 20 are needed"):
        attach(client, name="b", k=5)
    with pytest.raises(evendraw.BadValue, match="same shape"):
        _attachments.attach(client, rows, far[:, :1], dataset="pets", name="b", kind="neighbours")
    with pytest.raises(evendraw.NotFound):
        _attachments.attachments(client, "none")
    assert len(_attachments.attachments(client, "pets")) == 1


def test_found_by_what_it_is(client):
    """The same fields and terms, but for the library's version; what else differs is named."""
    client.create_dataset("pets", LABELS)
    fields = {"dataset": "pets", "version": 1, "name": "near", "kind": "neighbours", "k": 2}
    fields |= {"scope": "class", "metric": "euclidean"}
    terms = {"features": "0f", "type": "float32", "exact": True, "d": 3, "library": "0.0.9"}
    assert _attachments.find(client, fields | {"terms": terms}) is None
    info = attach(client, terms=terms | {"more": 1})
    assert _attachments.find(client, fields | {"terms": terms | {"library": "9"}}) == info
    assert _attachments.find(client, fields | {"terms": {}}) == info
    # Of another type the digest of the same features is another one; and what is not said there
    # cannot be compared.
    for other in ({"type": "float64", "features": "10"}, {"seed": 3}):
        assert _attachments.find(client, fields | {"terms": terms | other}) is None
    for other in ({"k": 3}, {"scope": "all"}, {"metric": "cosine"}, {"kind": "selection"}):
        with pytest.raises(evendraw.Exists, match=f"differs in {[*other][0]}: .*client.detach"):
            _attachments.find(client, fields | {"terms": terms} | other)
    for other in ({"features": "10"}, {"d": 4}, {"exact": False}):
        with pytest.raises(evendraw.Exists, match=f"differs in {[*other][0]}:"):
            _attachments.find(client, fields | {"terms": terms | other})
    cv = {"dataset": "pets", "version": 1, "name": "cv", "kind": "folds", "folds": 5, "terms": {}}
    _attachments.attach(client, (np.arange(N) % 5).astype(np.uint16), **cv)
    assert _attachments.find(client, cv)["name"] == "cv"
    with pytest.raises(evendraw.Exists, match="differs in folds"):
        _attachments.find(client, cv | {"folds": 4})
    with pytest.raises(evendraw.NotFound):
        _attachments.find(client, fields | {"version": 2})


def test_replaced_while_it_is_read(client):
    client.create_dataset("pets", LABELS)
    info = attach(client)
    client.call("attachment.drop", dataset="pets", name="near")
    _attachments.attach(client, LABELS == 1, dataset="pets", name="near", kind="selection")
    with pytest.raises(evendraw.Conflict, match="is not the one that was expected"):
        _attachments.read(client, info)


# ---- on the command line ----


def evendraw_tool(*arguments):
    done = subprocess.run([os.environ["EVENDRAW"], *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_listed_and_removed(client):
    client.create_dataset("pets", LABELS)
    attach(client)
    _attachments.attach(client, LABELS == 1, dataset="pets", name="few", kind="selection")
    code, said = evendraw_tool("dataset", "attachments", "pets")
    assert code == 0
    assert [line.split()[:2] for line in said.splitlines()] == [
        ["ATTACHMENT", "KIND"],
        ["few", "selection"],
        ["near", "neighbours"],
    ]
    assert "20,000 kept" in said and "2 nearest of its class, euclidean" in said
    code, said = evendraw_tool("--json", "dataset", "attachments", "pets")
    assert json.loads(said)["attachments"] == _attachments.attachments(client, "pets")
    assert evendraw_tool("dataset", "detach", "pets", "few") == (
        0,
        "removed few of pets, version 1\n",
    )
    code, said = evendraw_tool("dataset", "detach", "pets", "few")
    assert code == 1 and "`evendraw dataset attachments` shows" in said
    assert [row["name"] for row in _attachments.attachments(client, "pets")] == ["near"]
