"""Strategies that draw from a part of a dataset: cross-validation with folds, selections, lengths of
samplers, and the command line."""

import json
import os
import subprocess

import numpy as np
import pytest
import torch.utils.data

import evendraw
import evendraw.torch
from evendraw import _attachments

N, FOLDS = 103, 5
LABELS = np.arange(N) % 7 % 3  # 45, 30 and 28 or so of each
LABELLED = np.arange(N) % 10 != 4
KEPT = LABELLED & (np.arange(N) % 3 > 0)


@pytest.fixture
def pets(client):
    """A dataset with samples that have no label, folds "cv" and a selection "clean"."""
    client.create_dataset("pets", np.where(LABELLED, LABELS, np.nan))
    parts = np.where(LABELLED, np.arange(N) * 3 % FOLDS, 65535).astype(np.uint16)
    _attachments.attach(client, parts, dataset="pets", name="cv", kind="folds", folds=FOLDS)
    _attachments.attach(client, KEPT, dataset="pets", name="clean", kind="selection")
    return parts


def test_five_folds(client, pets):
    """Each model is trained on what its validation never sees, and every sample is validated once."""
    data = torch.utils.data.TensorDataset(torch.arange(N))
    validated = []
    for k in range(FOLDS):
        seen = {}
        for part in "without", "only":
            job = f"{part}-{k}"
            strategy = {"kind": "uniform", "from": {"folds": "cv", part: np.int64(k)}}
            client.create_job(job, "pets", 8, strategy, mode="ranked", world_size=1, last_batch="exact")
            sampler = evendraw.torch.BatchSampler(job)
            loader = evendraw.torch.DataLoader(data, batch_sampler=sampler)
            batches = [x for (x,) in loader]
            assert len(sampler) == len(loader) == len(batches)
            seen[part] = torch.cat(batches).tolist()
            assert len(set(seen[part])) == len(seen[part])
        assert not set(seen["only"]) & set(seen["without"])
        assert sorted(seen["only"] + seen["without"]) == np.flatnonzero(LABELLED).tolist()
        assert np.array_equal(sorted(seen["only"]), np.flatnonzero(pets == k))
        validated += seen["only"]
    assert sorted(validated) == np.flatnonzero(LABELLED).tolist()


def test_balanced_from_a_selection(client, pets):
    strategy = {"kind": "oversampled", "from": "clean"}
    client.create_job("train", "pets", 16, strategy)
    most = np.bincount(LABELS[KEPT]).max()
    info = client.preview(strategy, job="train")
    assert info["samples"] == 3 * most
    assert np.array_equal(info["count"], np.bincount(LABELS[KEPT]))
    with client.open("train", early_end=True) as stream:
        drawn = np.concatenate([batch.index for batch, _ in zip(stream, range(info["steps"]))])
    assert np.array_equal(np.unique(drawn), np.flatnonzero(KEPT))
    assert np.array_equal(np.bincount(LABELS[drawn]), [most] * 3)
    stats = client.job_stats("train")
    assert np.array_equal(stats["count"], np.bincount(LABELS[KEPT]))


def test_samplers_pass_it(client, pets):
    """Those that make a job themselves find what is attached to the dataset that has their labels."""
    labels = np.where(LABELLED, LABELS, np.nan)
    strategy = {"kind": "uniform", "from": "clean"}
    sampler = evendraw.torch.BatchSampler("pets", 8, labels=labels, strategy=strategy, drop_last=False)
    assert len(sampler) == -(-KEPT.sum() // 8)
    assert set(np.concatenate(list(sampler))) == set(np.flatnonzero(KEPT))
    client.drop_job("pets", force=True)
    one = evendraw.torch.Sampler(job="pets", labels=labels, strategy=strategy)
    assert len(one) == KEPT.sum() and sorted(one) == np.flatnonzero(KEPT).tolist()
    own = evendraw.torch.BatchSampler(batch_size=8, labels=labels, strategy=strategy, drop_last=False)
    assert set(np.concatenate(list(own))) == set(np.flatnonzero(KEPT))
    with pytest.raises(evendraw.NotFound, match='no attachment "clean" of the kind "selection"'):
        evendraw.torch.BatchSampler("other", 8, labels=labels[1:], strategy=strategy)


def test_length_over_ranks(client, pets):
    """As DistributedSampler's, of the part."""
    labels = np.where(LABELLED, LABELS, np.nan)
    strategy = {"kind": "uniform", "from": {"folds": "cv", "without": 1}}
    part = int((LABELLED & (pets != 1)).sum())
    ranks = [
        evendraw.torch.Sampler(
            job="ranks", labels=labels, strategy=strategy, num_replicas=2, rank=rank, drop_last=True
        )
        for rank in range(2)
    ]
    assert [len(rank) for rank in ranks] == [part // 2] * 2


def tool(*arguments):
    done = subprocess.run([os.environ["EVENDRAW"], *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_command_line(client, pets):
    create = ("job", "create", "a", "--dataset", "pets", "--batch-size", "4", "--strategy")
    assert tool(*create, "weighted", "--set", "from=clean")[0] == 0
    strategy = client.job("a")["strategy"]
    assert strategy["kind"] == "weighted" and strategy["from"]["name"] == "clean"
    code, said = tool("dataset", "detach", "pets", "clean")
    assert code == 1 and "in use" in said
    folds = ("--set", "from.folds=cv", "--set", "from.only=2")
    assert tool("job", "set", "a", "--strategy", "uniform", *folds)[0] == 0
    part = client.job("a")["strategy"]["from"]
    assert part["folds"]["name"] == "cv" and part["only"] == 2
    code, said = tool("job", "info", "a")
    assert code == 0 and "cv" in said
    both = ("--set", "from.only=1", "--strategy", '{"kind": "uniform", "from": {"folds": "cv"}}')
    code, said = tool("--json", "preview", "pets", "--batch-size", "4", *both)
    assert json.loads(said)["strategy"]["from"]["only"] == 1
    code, said = tool("preview", "pets", "--batch-size", "4", "--strategy", "uniform", "--set", "from=tidy")
    assert code == 1 and 'it has "clean"' in said
    # What is recorded can be given back.
    again = json.dumps(client.job("a")["strategy"])
    assert tool("job", "set", "a", "--strategy", again)[0] == 0
