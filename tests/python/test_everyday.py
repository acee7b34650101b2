"""What users do by habit: a second loop, one that is broken off, and torch's classes and their arguments."""

import json

import numpy as np
import pytest
import torch
import torch.utils.data

import evendraw
import evendraw.torch
from test_torch import N, Dataset, flat, indices, workers

LOADING = [workers(0), workers(2, "fork"), workers(2, "fork", persistent_workers=True)]
LOADERS = [torch.utils.data.DataLoader, evendraw.torch.DataLoader]


# ---- loops ----


@pytest.mark.parametrize("loading", LOADING)
@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("name", [None, "val"])
def test_sanity_check_then_validation(daemon, kind, loading, name):
    """Two batches are looked at, and then every sample comes once."""
    dataset = Dataset(100)
    sampler = evendraw.torch.BatchSampler(name, 10, dataset=dataset, last_batch="exact")
    loader = kind(dataset, batch_sampler=sampler, **loading)
    for i, _ in enumerate(loader):
        if i == 1:
            break
    for _ in range(2):
        assert sorted(flat(indices(loader))) == list(range(100))


@pytest.mark.parametrize("loading", LOADING)
def test_first_batch_again(daemon, loading):
    dataset = Dataset()
    loader = evendraw.torch.DataLoader(
        dataset, batch_sampler=evendraw.torch.BatchSampler(dataset, 8), **loading
    )
    first = next(iter(loader))[0].tolist()
    epochs = [indices(loader) for _ in range(2)]
    assert epochs[0][0] == first
    assert all(sorted(flat(epoch)) == list(range(N)) for epoch in epochs)


def test_always_broken_off(daemon):
    """Whoever never sees the end of an epoch is told that the same batches come."""
    dataset = Dataset()
    sampler = evendraw.torch.BatchSampler(dataset, 8)
    for _ in range(2):
        first = next(iter(sampler))
    with pytest.warns(UserWarning, match="broken off twice.*set_epoch"):
        assert next(iter(sampler)) == first
    seen = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        seen.append(next(iter(sampler)))
    assert seen[0] == first and seen[1] != first and seen[2] not in seen[:2]


def test_at_the_very_end(daemon):
    """A loop that is left with the last batch has had all of it."""
    dataset = Dataset()
    for kind in LOADERS:
        sampler = evendraw.torch.BatchSampler(dataset, 8)
        loader = kind(dataset, batch_sampler=sampler)
        for i, batch in enumerate(loader, 1):
            if i == len(loader):
                break
        if kind is not torch.utils.data.DataLoader:
            assert loader.state_dict()["step"] == 12
        assert sorted(flat(indices(loader))) == list(range(N))
        assert sampler.state_dict()["epoch"] == 2


@pytest.mark.parametrize("at", [1, 10, 255, 256, 257, 299, 300])
def test_indices_left_early(daemon, at):
    """Within a step, at its end, and at the end of all."""
    dataset = Dataset(300)
    rest = evendraw.torch.Sampler(dataset, job="rest", strategy="uniform")
    iterator = iter(rest)
    first = [next(iterator) for _ in range(at)]
    assert sorted(first + (list(rest) if at < 300 else [])) == list(range(300))
    assert len(list(rest)) == 300
    whole = evendraw.torch.Sampler(dataset, strategy="uniform")
    iterator = iter(whole)
    assert [next(iterator) for _ in range(at)] == first
    again = list(whole)
    assert sorted(again) == list(range(300))
    assert (again[:at] == first) == (at < 300)


def test_resume_says_what_comes(daemon):
    dataset = Dataset()
    rest = evendraw.torch.BatchSampler(dataset, 8, resume="position")
    first = next(iter(rest))
    assert sorted(flat([first, *rest])) == list(range(N))
    whole = evendraw.torch.BatchSampler("train", 8, dataset=dataset, resume="epoch")
    next(iter(whole))
    assert sorted(flat(whole)) == list(range(N))
    next(iter(whole))
    whole.close()
    again = evendraw.torch.BatchSampler("train", 8, dataset=dataset, resume="epoch")
    assert sorted(flat(again)) == list(range(N))
    with pytest.raises(ValueError, match="resume is"):
        evendraw.torch.BatchSampler(dataset, 8, resume="never")


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("name", [None, "train"])
@pytest.mark.parametrize("loading", LOADING)
def test_set_epoch_in_the_middle(daemon, kind, name, loading):
    """It is that epoch, from its beginning, however far workers had read ahead."""
    dataset = Dataset(80)
    sampler = evendraw.torch.BatchSampler(name, 8, dataset=dataset)
    loader = kind(dataset, batch_sampler=sampler, **loading)
    epochs = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        epochs.append(indices(loader))
    assert epochs[0] != epochs[1]
    for epoch in (0, 2, 2, 1):
        for i, _ in enumerate(loader):
            if i == 2:
                break
        sampler.set_epoch(epoch)
        assert indices(loader) == epochs[epoch]
    for _ in loader:
        sampler.set_epoch(0)  # of the next one: this one goes on
    assert indices(loader) == epochs[0]


def test_rewind(daemon):
    sampler = evendraw.torch.BatchSampler("train", 8, dataset=Dataset())
    iterator = iter(sampler)
    first = [next(iterator) for _ in range(4)]
    sampler.rewind()
    whole = list(sampler)
    assert whole[:4] == first and len(whole) == 12
    sampler.rewind()  # the one that would come next
    assert sampler.state_dict()["epoch"] == 1


def test_resume_as_hugging_face_does(daemon):
    """set_epoch, then the batches of before are skipped by reading them."""
    dataset = Dataset(80)
    sampler = evendraw.torch.BatchSampler("train", 8, dataset=dataset)
    epochs = [list(sampler) for _ in range(2)]
    sampler.set_epoch(1)
    iterator = iter(sampler)
    for _ in range(4):
        next(iterator)
    sampler.close()

    again = evendraw.torch.BatchSampler("train", 8, dataset=dataset)
    again.set_epoch(1)
    seen = [batch for i, batch in enumerate(again) if i >= 4]
    assert seen == epochs[1][4:]


def test_a_loaded_state_and_set_epoch(daemon):
    """The loop of a resumed run says which epoch it is in, and goes on within it."""
    dataset = Dataset()
    sampler = evendraw.torch.BatchSampler(dataset, 8)
    epochs = [list(sampler) for _ in range(3)]
    sampler.set_epoch(1)
    iterator = iter(sampler)
    for _ in range(5):
        next(iterator)
    state = json.loads(json.dumps(sampler.state_dict()))
    sampler.close()
    again = evendraw.torch.BatchSampler(dataset, 8)
    again.load_state_dict(state)
    seen = []
    for epoch in range(state["epoch"], 3):
        again.set_epoch(epoch)
        seen.append(list(again))
    assert seen == [epochs[1][5:], epochs[2]]


# ---- as torch's own classes ----


def test_are_torch_classes(daemon):
    dataset = Dataset()
    batches = evendraw.torch.BatchSampler(dataset, 8)
    assert isinstance(batches, torch.utils.data.BatchSampler)
    assert batches.batch_size == 8 and batches.drop_last is True
    assert isinstance(batches.sampler, torch.utils.data.Sampler)
    exact = evendraw.torch.BatchSampler(dataset, 8, last_batch="exact")
    assert exact.drop_last is False
    weights = [1.0, 2.0] * 48
    weighted = evendraw.torch.WeightedRandomSampler(weights, 50)
    assert isinstance(weighted, torch.utils.data.WeightedRandomSampler)
    assert weighted.weights.tolist() == weights and weighted.num_samples == 50 == len(weighted)
    assert weighted.replacement is True
    ours = evendraw.torch.DistributedSampler(dataset, 5, 0, job="d", drop_last=True, seed=3)
    torchs = torch.utils.data.DistributedSampler(dataset, 5, 0, drop_last=True, seed=3)
    assert isinstance(ours, torch.utils.data.DistributedSampler)
    for name in ("num_replicas", "rank", "num_samples", "total_size", "drop_last", "seed", "epoch", "shuffle"):
        assert getattr(ours, name) == getattr(torchs, name), name
    assert ours.dataset is dataset
    with pytest.raises(ValueError, match="pass seed="):
        evendraw.torch.WeightedRandomSampler(weights, 50, generator=torch.Generator())


class Shard(torch.utils.data.Sampler):
    """As Accelerate's BatchSamplerShard, put around a sampler by every process."""

    def __init__(self, inner, num_processes, process_index):
        self.inner, self.num_processes, self.process_index = inner, num_processes, process_index

    def __iter__(self):
        for i, batch in enumerate(self.inner):
            if i % self.num_processes == self.process_index:
                yield batch


@pytest.mark.parametrize("count", [0, 2])
def test_divided_a_second_time(daemon, count):
    """A rank's part is not divided among the ranks again; what is whole may be."""
    dataset = Dataset()
    make = evendraw.torch.BatchSampler
    ranks = make("r", 4, dataset=dataset, rank=0, world_size=2)
    indices = evendraw.torch.Sampler(dataset, job="s", rank=0, num_replicas=2)
    shared = evendraw.torch.IterableDataset("i", dataset, 4)
    for inner in (ranks, indices, shared):
        outer = Shard(inner, 2, 0)
        loader = torch.utils.data.DataLoader(dataset, batch_sampler=outer, num_workers=count)
        with pytest.raises(evendraw.UsageError, match="Shard would give each only one in 2.*Lightning"):
            next(iter(loader))
    whole = [make(dataset, 8) for _ in range(2)]
    seen = [list(Shard(sampler, 2, i)) for i, sampler in enumerate(whole)]
    assert sorted(flat(seen[0] + seen[1])) == list(range(N))
    with pytest.raises(evendraw.UsageError, match="DistributedSampler was passed.*use_distributed_sampler"):
        type(ranks)(torch.utils.data.DistributedSampler(dataset, 2, 0), batch_size=4, drop_last=True)


def test_arguments_in_another_order(daemon):
    with pytest.raises(evendraw.UsageError, match="name of a job .text. or the dataset, not 32"):
        evendraw.torch.BatchSampler(32, labels=[0, 1])
    with pytest.raises(evendraw.UsageError, match="a SequentialSampler was passed"):
        evendraw.torch.BatchSampler(torch.utils.data.SequentialSampler(Dataset()), 8)
    assert len(evendraw.torch.BatchSampler(Dataset(97), 8, True)) == 12
    assert len(evendraw.torch.BatchSampler(Dataset(97), 8, drop_last=False)) == 13
    with pytest.raises(evendraw.BadValue, match="give one"):
        evendraw.torch.BatchSampler(Dataset(), 8, drop_last=True, last_batch="pad")
    with pytest.raises(evendraw.UsageError, match="nothing to draw from"):
        evendraw.torch.BatchSampler(batch_size=8)
    with pytest.raises(evendraw.UsageError, match="first argument is the name"):
        evendraw.torch.IterableDataset(Dataset(), Dataset(), 8)
    whole = evendraw.torch.IterableDataset(None, Dataset(), 8)
    assert sum(len(batch[0]) for batch in whole) == N


def test_stratified_indices(daemon):
    """Of a sampler that gives one index at a time nobody asked for batches of 256."""
    sampler = evendraw.torch.Sampler(Dataset(), strategy="stratified")
    assert np.bincount([i % 4 for i in sampler], minlength=4).tolist() == [24] * 4
