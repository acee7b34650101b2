"""What is done wrong with the classes of evendraw.torch, and what they say."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.utils.data

import evendraw
import evendraw.torch
from test_torch import N, Dataset

def test_another_length(daemon):
    evendraw.torch.BatchSampler("train", 8, dataset=Dataset()).close()
    with pytest.raises(evendraw.Exists, match="96 samples and not 90.*exists="):
        evendraw.torch.BatchSampler("train", 8, dataset=Dataset(90))
    with pytest.raises(evendraw.Exists, match="96 samples and not 90"):
        evendraw.torch.BatchSampler("train", labels=[0] * 90)
    with pytest.raises(ValueError, match="has 90 samples, but job 'train'.*with 96.*exists="):
        evendraw.torch.BatchSampler("train", 8, dataset=Dataset(90), exists="attach")


def test_another_strategy(daemon, client, recwarn):
    """One that the job has had is no mistake: it may have been changed since, by somebody else."""
    weights = {"kind": "weighted", "weight": "explicit", "weights": {0: np.float32(2), 1: 1, 2: 1, 3: 1}}
    evendraw.torch.BatchSampler("train", 8, dataset=Dataset(), strategy=weights)
    client.update_job("train", "uniform")
    evendraw.torch.BatchSampler("train", 8, dataset=Dataset(), strategy=weights)
    evendraw.torch.BatchSampler("train", 8, dataset=Dataset(), strategy="uniform")
    assert not recwarn.list
    with pytest.raises(evendraw.Exists, match="never drawn by that strategy"):
        evendraw.torch.BatchSampler("train", 8, dataset=Dataset(), strategy="stratified")


def test_another_batch_size(daemon):
    evendraw.torch.BatchSampler("train", 8, dataset=Dataset()).close()
    with pytest.raises(ValueError, match="global batch of 8.*asked for 4 on each of 1.*it is 8"):
        evendraw.torch.BatchSampler("train", 4)
    with pytest.raises(ValueError, match="batch of 8.*cannot be divided among 3 ranks"):
        evendraw.torch.BatchSampler("train", rank=0, world_size=3)


@pytest.fixture
def impatient(monkeypatch):
    """Does not wait for the workers of a killed run to be given up."""
    monkeypatch.setattr(evendraw.torch._attach, "LOST_WORKERS", 0.2)


def test_wrong_rank_or_world(daemon, impatient):
    with pytest.raises(ValueError, match="rank 2 of world size 2 does not exist"):
        evendraw.torch.BatchSampler("train", 8, dataset=Dataset(), rank=2, world_size=2)
    first = evendraw.torch.BatchSampler("train", 4, dataset=Dataset(), rank=0, world_size=2)
    next(iter(first))
    other = evendraw.torch.BatchSampler("train", rank=1, world_size=4)
    with pytest.raises(evendraw.Conflict, match="world_size 2, not 4.*end the others first"):
        next(iter(other))


def test_two_samplers_on_one_rank(daemon, impatient):
    """In two threads, both at work. (In one, the newer takes the place: test_places.py.)"""
    first = evendraw.torch.BatchSampler("train", 8, dataset=Dataset())
    second = evendraw.torch.BatchSampler("train")
    next(iter(first))
    with ThreadPoolExecutor(1) as other:
        with pytest.raises(
            evendraw.Conflict, match="attached already.*Validation needs a job of its own"
        ):
            other.submit(next, iter(second)).result()
    first.close()
    assert next(iter(second))


def test_two_iterations_at_once(daemon):
    sampler = evendraw.torch.BatchSampler("train", 8, dataset=Dataset())
    old = iter(sampler)
    next(old)
    next(iter(sampler))
    with pytest.raises(evendraw.UsageError, match="two samplers"):
        next(old)


def test_nothing_to_create_from(daemon):
    with pytest.raises(LookupError, match="train.*dataset="):
        evendraw.torch.BatchSampler("train", 8)
    with pytest.raises(ValueError, match="batch_size is needed"):
        evendraw.torch.BatchSampler("train", dataset=Dataset())
    with pytest.raises(LookupError, match="waited 0 s for rank 0"):
        evendraw.torch.BatchSampler(
            "train", 8, dataset=Dataset(), rank=1, world_size=2, time_limit=0.4
        )


def test_wrong_mode(daemon, client):
    client.create_dataset("d", Dataset().targets)
    client.create_job("shared", "d", 8)
    client.create_job("ranked", "d", 8, mode="ranked")
    with pytest.raises(ValueError, match="is shared.*IterableDataset"):
        evendraw.torch.BatchSampler("shared")
    with pytest.raises(ValueError, match="is ranked.*BatchSampler"):
        evendraw.torch.IterableDataset("ranked")


def test_report_of_nothing(daemon):
    dataset = Dataset()
    sampler = evendraw.torch.BatchSampler("train", 8, dataset=dataset)
    with pytest.raises(evendraw.UsageError, match="within the loop"):
        evendraw.torch.DataLoader(dataset, batch_sampler=sampler).report([0] * 8)


def test_wrong_loader_arguments(daemon):
    dataset = Dataset()
    sampler = evendraw.torch.BatchSampler("train", 8, dataset=dataset)
    for name in ("shuffle", "drop_last"):
        with pytest.raises(evendraw.UsageError, match=f"{name}=True cannot be used"):
            evendraw.torch.DataLoader(dataset, batch_sampler=sampler, **{name: True})
    with pytest.raises(evendraw.UsageError, match="torch.utils.data.DataLoader"):
        evendraw.torch.DataLoader(dataset)
    with pytest.raises(evendraw.BadValue, match="reads 300 batches ahead.*lower"):
        loader = evendraw.torch.DataLoader(
            dataset, batch_sampler=sampler, num_workers=3, prefetch_factor=100
        )
        next(iter(loader))


def test_daemon_away(tmp_path):
    with pytest.raises(ConnectionError):
        evendraw.torch.BatchSampler("train", 8, dataset=Dataset(), address=f"{tmp_path}/nobody")
