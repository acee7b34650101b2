"""Samplers within real DataLoaders: workers by fork and spawn, ranks, checkpoints, mistakes."""

import collections
import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
import torch.utils.data

import evendraw
import evendraw.torch

N = 96
CLASSES = 4


class Dataset(torch.utils.data.Dataset):
    """Says which sample it is, and its label."""

    def __init__(self, n=N):
        self.targets = torch.arange(n) % CLASSES

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        return i, int(self.targets[i])


def indices(loader):
    return [batch[0].tolist() for batch in loader]


def flat(batches):
    return [i for batch in batches for i in batch]


def workers(number, start=None, **more):
    return dict(num_workers=number, multiprocessing_context=start if number else None, **more)


WORKERS = [
    workers(0),
    workers(2, "fork"),
    workers(2, "fork", persistent_workers=True),
    workers(1, "spawn", persistent_workers=True),
]


# ---- BatchSampler ----


@pytest.mark.parametrize("loading", WORKERS)
@pytest.mark.parametrize("kind", [torch.utils.data.DataLoader, evendraw.torch.DataLoader])
def test_batch_sampler(daemon, client, kind, loading):
    dataset = Dataset()
    sampler = evendraw.torch.BatchSampler("train", 8, dataset=dataset)
    loader = kind(dataset, batch_sampler=sampler, **loading)
    assert len(loader) == len(sampler) == 12
    epochs = [indices(loader) for _ in range(3)]
    for epoch in epochs:
        assert len(epoch) == 12 and sorted(flat(epoch)) == list(range(N))
    assert epochs[0] != epochs[1]
    # The same as the job says by itself.
    client.create_job("again", "train", 8, mode="ranked")
    with client.open("again", rank=0, world_size=1) as stream:
        assert [batch.tolist() for batch in stream] == epochs[0]
    sampler.close()


def test_attaches_to_what_is_there(daemon, client):
    client.create_dataset("d", Dataset().targets)
    client.create_job("j", "d", 12, {"kind": "weighted"}, mode="ranked", seed=4)
    sampler = evendraw.torch.BatchSampler("j")
    assert sampler.batch_size == 12 and len(sampler) == 8
    assert len(list(sampler)) == 8
    assert len(client.datasets()) == 1


@pytest.mark.parametrize(
    "indices, kind", [("list", list), ("numpy", np.ndarray), ("torch", torch.Tensor)]
)
def test_forms_of_indices(daemon, indices, kind):
    sampler = evendraw.torch.BatchSampler("train", 8, labels=[0, 1] * 8, indices=indices)
    batches = list(sampler)
    assert all(type(batch) is kind for batch in batches)
    assert sorted(int(i) for batch in batches for i in batch) == list(range(16))


def test_columns(daemon):
    class Seeded(Dataset):
        def __getitem__(self, key):
            index, label, seed = key
            assert label == int(self.targets[index])
            return index, seed

    dataset = Seeded()
    sampler = evendraw.torch.BatchSampler(
        "train", 8, dataset=dataset, columns=["label", "augment_seed"], pass_columns=True
    )
    loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler, num_workers=1)
    seeds = []
    for index, seed in loader:
        assert loader.current.tolist() == index.tolist()
        assert loader.current.augment_seed.tolist() == seed.tolist()
        seeds += seed.tolist()
    assert len(set(seeds)) == N


def test_strategy_changes_while_it_runs(daemon, client):
    dataset = Dataset()
    sampler = evendraw.torch.BatchSampler("train", 8, dataset=dataset)
    loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler)
    only = {"kind": "weighted", "weight": "explicit", "weights": {"0": 0, "1": 0, "2": 0, "3": 1}}
    first = None
    for _, labels in loader:
        if first is None:
            first = client.update_job("train", only)["step"]
        if loader.current.step >= first:
            assert labels.tolist() == [3] * 8
    assert 0 < first <= 10


def test_left_early(daemon):
    """The counting DataLoader goes on right after what the loop has had."""
    dataset = Dataset()
    sampler = evendraw.torch.BatchSampler("train", 8, dataset=dataset)
    loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler, **workers(2, "fork"))
    seen = []
    for batch, _ in loader:
        seen.append(batch.tolist())
        if len(seen) == 5:
            break
    assert loader.state_dict()["step"] == 5
    seen += indices(loader)
    assert len(seen) == 12 and sorted(flat(seen)) == list(range(N))
    for i, (batch, _) in enumerate(loader):
        if i + 1 == len(loader):
            break  # at the very end
    assert len(indices(loader)) == 12


@pytest.mark.parametrize("n", [96, 97, 99, 103])
@pytest.mark.parametrize("kind", [torch.utils.data.DataLoader, evendraw.torch.DataLoader])
def test_exact(daemon, kind, n):
    """For evaluation: every sample once, though some ranks get less of the last step, or nothing."""
    dataset = Dataset(n)
    loaders = [
        kind(dataset, batch_sampler=evendraw.torch.BatchSampler(
            "test", 2, dataset=dataset, last_batch="exact", rank=rank, world_size=4))
        for rank in range(4)
    ]  # fmt: skip
    for _ in range(2):
        ranks = [indices(loader) for loader in loaders]
        assert sorted(flat(map(flat, ranks))) == list(range(n))
        for loader, batches in zip(loaders, ranks):
            assert len(loader) == -(-n // 8) and len(loader) - len(batches) <= (n % 8 in (1, 2, 3))
            assert all(batches)


def test_adaptive_follows_validation(daemon, client):
    """Each validation, every sample once over four ranks, moves the training job's weights."""
    train, validation = Dataset(), Dataset(97)  # of its last step three ranks get nothing
    adaptive = {"kind": "adaptive", "feedback": "validation", "smoothing": 0.5, "max_ratio": 9}
    sampler = evendraw.torch.BatchSampler("train", 8, dataset=train, strategy=adaptive)
    loaders = [
        evendraw.torch.DataLoader(validation, batch_sampler=evendraw.torch.BatchSampler(
            "validation", 2, dataset=validation, last_batch="exact", rank=rank, world_size=4))
        for rank in range(4)
    ]  # fmt: skip
    weight = 1.0
    for epoch in range(3):
        list(sampler)
        for rank, loader in enumerate(loaders):
            for _, labels in loader:  # class 3 is never found
                assert loader.report(labels % 3)["rank"] == rank
        assert client.confusion("validation", epoch)["recall"].tolist() == [1, 1, 1, 0]
        newest = client.job("train")["revisions"][-1]
        weight = 0.5 * weight + 0.5 * 9
        assert (newest["revision"], newest["author"]) == (epoch + 1, "adaptive")
        assert newest["strategy"]["weights"] == {"0": 1, "1": 1, "2": 1, "3": weight}
        assert (newest["epoch"], newest["step"]) == (epoch + 1, 0)
    served = client.job_stats("train", epoch=0)["served"]
    list(sampler)
    assert client.job_stats("train", epoch=3)["served"][3] > 1.5 * served[3]


# ---- ranks ----


def run_ranks(daemon, world, body, tmp_path):
    """Runs `body` (which sees rank, world, dist) in `world` processes joined by gloo."""
    script = tmp_path / "rank.py"
    script.write_text(
        textwrap.dedent(
            """
            import json, sys, torch, torch.distributed as dist
            sys.path.insert(0, {here!r})
            import evendraw, evendraw.torch
            from test_torch import *
            rank, world = int(sys.argv[1]), {world}
            dist.init_process_group("gloo", init_method="file://{tmp}/rendezvous", rank=rank,
                                    world_size=world)
            """
        ).format(here=os.path.dirname(__file__), world=world, tmp=tmp_path)
        + textwrap.dedent(body)
    )
    processes = [
        subprocess.Popen([sys.executable, script, str(rank)], stdout=subprocess.PIPE, text=True)
        for rank in range(world)
    ]
    try:
        outputs = [process.communicate(timeout=60)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    (tmp_path / "rendezvous").unlink(missing_ok=True)
    assert [process.returncode for process in processes] == [0] * world
    return outputs


def test_two_ranks(daemon, client, tmp_path):
    outputs = run_ranks(
        daemon,
        2,
        """
        dataset = Dataset()
        sampler = evendraw.torch.BatchSampler("train", 4, dataset=dataset)
        loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler, num_workers=1)
        assert sampler.batch_size == 4 and len(loader) == 12
        print(json.dumps([indices(loader) for _ in range(2)]))
        """,
        tmp_path,
    )
    import json

    ranks = [json.loads(output) for output in outputs]
    assert client.job("train")["world_size"] == 2 and client.job("train")["batch_size"] == 8
    client.create_job("one", "train", 8, mode="ranked")
    with client.open("one", rank=0, world_size=1) as stream:
        for epoch in range(2):
            assert sorted(flat(ranks[0][epoch] + ranks[1][epoch])) == list(range(N))
            for step, batch in enumerate(stream):
                assert sorted(batch) == sorted(ranks[0][epoch][step] + ranks[1][epoch][step])


# ---- IterableDataset ----


@pytest.mark.parametrize("loading", WORKERS + [workers(3, "fork", prefetch_factor=1)])
def test_iterable_dataset(daemon, client, loading):
    dataset = Dataset()
    data = evendraw.torch.IterableDataset("train", dataset, 10)
    loader = torch.utils.data.DataLoader(data, batch_size=None, **loading)
    assert len(loader) == 10
    for _ in range(3):
        epoch = indices(loader)
        assert sorted(map(len, epoch)) == [6] + [10] * 9
        assert sorted(flat(epoch)) == list(range(N))
    data.close()
    del loader


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_few_steps_for_many_workers(daemon, steps):
    """The worker that is read first may have no step at all, and another hold the last."""
    data = evendraw.torch.IterableDataset("train", None, 2, labels=[0] * 2 * steps)
    loader = torch.utils.data.DataLoader(
        data, batch_size=None, num_workers=3, prefetch_factor=1, persistent_workers=True
    )
    for epoch in range(4):
        batches = list(loader)
        assert {b.epoch for b in batches} == {epoch}
        assert sorted(flat(b.tolist() for b in batches)) == list(range(2 * steps))


def test_reports_of_workers(daemon, client):
    """What an item was made of comes with it, so that predictions can be reported."""
    dataset = Dataset()
    data = evendraw.torch.IterableDataset("train", dataset, 10, with_batch=True)
    loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=2)
    for (_, labels), batch in loader:
        client.report("train", batch, (labels > 1).long())
    answer = client.confusion("train", epoch=0)
    assert answer["samples"] == N
    assert answer["accuracy"] == 0.25
    assert answer["matrix"].tolist() == [[24, 0, 0, 0]] * 2 + [[0, 24, 0, 0]] * 2


class Late(evendraw.torch.IterableDataset):
    """Its workers are ready after so many seconds each."""

    late = ()

    def __iter__(self):
        if self._iterations == 0:
            time.sleep(self.late[torch.utils.data.get_worker_info().id])
        return super().__iter__()


@pytest.mark.parametrize(
    "late, persistent",
    [((0, 0.8, 0.4), True), ((0, 0.4, 0.8), True), ((0.4, 0.8, 0), True), ((0, 0.8, 0.4), False)],
)
def test_workers_that_come_late(daemon, late, persistent):
    """Of those who miss the first epoch one holds the only step of the next, and another hears that
    none is left of it. In the next iteration that one is read first, and must not wait. Where each
    iteration has workers of its own, what one of them held when it ended goes to the next."""
    data = Late("train", None, 2, labels=[0, 1])
    data.late = late
    loader = torch.utils.data.DataLoader(
        data, batch_size=None, num_workers=3, prefetch_factor=1, persistent_workers=persistent
    )
    for epoch in range(3):
        assert [(b.epoch, sorted(b)) for b in loader] == [(epoch, [0, 1])]


@pytest.mark.parametrize("loading", [WORKERS[0], WORKERS[2], workers(3, "fork", prefetch_factor=1,
                                     persistent_workers=True)])  # fmt: skip
@pytest.mark.parametrize("at", range(1, 7))
def test_iterations_left_early(daemon, loading, at):
    """The next goes on with the epoch (of what was read ahead nothing comes again) or begins one."""
    data = evendraw.torch.IterableDataset("train", None, 2, labels=[0] * 12)
    loader = torch.utils.data.DataLoader(data, batch_size=None, **loading)
    iterator = iter(loader)
    seen = [next(iterator) for _ in range(at)]
    assert {b.epoch for b in seen} == {0}
    for _ in range(4):
        batches = list(loader)
        (epoch,) = {b.epoch for b in batches}
    assert epoch > 1 and sorted(flat(b.tolist() for b in batches)) == list(range(12))


def test_two_loaders_share_a_job(daemon):
    dataset = Dataset()
    first = evendraw.torch.IterableDataset("train", dataset, 4)
    second = evendraw.torch.IterableDataset("train", dataset)
    seen = []
    readers = [iter(first), iter(second)]
    while readers:
        for reader in list(readers):
            batch = next(reader, None)
            if batch is None:
                readers.remove(reader)
            else:
                seen += batch[0].tolist()
    assert sorted(seen) == list(range(N))


# ---- Sampler, and those it replaces ----


def check_length(sampler, expected):
    assert len(sampler) == expected
    drawn = list(sampler)
    assert len(drawn) == expected and all(type(i) is int for i in drawn)
    return drawn


@pytest.mark.parametrize("loading", WORKERS[:2])
def test_sampler(daemon, loading):
    dataset = Dataset()
    sampler = evendraw.torch.Sampler(dataset, job="train", strategy="uniform")
    loader = torch.utils.data.DataLoader(dataset, 10, sampler=sampler, **loading)
    for _ in range(2):
        epoch = indices(loader)
        assert [len(batch) for batch in epoch] == [10] * 9 + [6] == [10] * (len(loader) - 1) + [6]
        assert sorted(flat(epoch)) == list(range(N))


def test_weighted_random_sampler(daemon):
    weights = [0.0, 1.0, 3.0] * 40
    sampler = evendraw.torch.WeightedRandomSampler(weights, 3000, job="with")
    drawn = check_length(sampler, 3000)
    by_weight = np.bincount(np.array(drawn) % 3, minlength=3)
    assert by_weight[0] == 0 and 650 < by_weight[1] < 850  # 750 expected
    once = evendraw.torch.WeightedRandomSampler(
        torch.tensor(weights), 60, replacement=False, job="without"
    )
    assert len(set(check_length(once, 60))) == 60


def test_imbalanced_dataset_sampler(daemon):
    dataset = Dataset(300)
    dataset.targets = torch.tensor([0] * 280 + [1] * 20)
    drawn = check_length(evendraw.torch.ImbalancedDatasetSampler(dataset, job="a"), 300)
    assert 110 < sum(i >= 280 for i in drawn) < 190
    sampler = evendraw.torch.ImbalancedDatasetSampler(dataset, None, range(270, 290), job="b")
    drawn = check_length(sampler, 20)
    assert set(drawn) <= set(range(270, 290))
    sampler = evendraw.torch.ImbalancedDatasetSampler(
        dataset, num_samples=1000, callback_get_label=lambda d: [i % 3 for i in range(len(d))], job="c"
    )
    drawn = check_length(sampler, 1000)
    assert 270 < sum(i % 3 == 0 for i in drawn) < 400
    drawn = check_length(
        evendraw.torch.ImbalancedDatasetSampler(dataset, ["x"] * 299 + ["y"], job="d"), 300
    )
    assert 100 < drawn.count(299) < 200


@pytest.mark.parametrize("n, world", [(96, 2), (97, 2), (100, 3), (101, 4), (8, 3), (5, 2)])
@pytest.mark.parametrize("drop_last", [False, True])
def test_distributed_sampler(daemon, n, world, drop_last):
    """As long as torch's on every rank, each sample as often over all ranks."""
    dataset = Dataset(n)
    torchs = [
        torch.utils.data.DistributedSampler(dataset, world, rank, drop_last=drop_last)
        for rank in range(world)
    ]
    ours = [
        evendraw.torch.DistributedSampler(dataset, world, rank, drop_last=drop_last, job="train")
        for rank in range(world)
    ]
    for epoch in range(2):
        counts = []
        for samplers in (torchs, ours):
            drawn = []
            for sampler in samplers:
                sampler.set_epoch(epoch)
                drawn += check_length(sampler, len(torchs[0]))
            counts.append(sorted(collections.Counter(drawn).values()))
        assert counts[0] == counts[1]
    with pytest.raises(ValueError, match="always shuffled"):
        evendraw.torch.DistributedSampler(dataset, world, 0, shuffle=False, job="train")


def test_repeated_augmentation(daemon):
    """As timm's RepeatAugSampler: of three draws of a sample each of three ranks has one, at one place
    of its order or at the next."""
    ranks = [
        evendraw.torch.DistributedSampler(Dataset(900), 3, rank, job="train",
                                          strategy={"kind": "uniform", "repeats": 3})
        for rank in range(3)
    ]
    drawn = [list(sampler) for sampler in ranks]
    assert [len(set(mine)) for mine in drawn] == [len(mine) for mine in drawn] == [300] * 3
    assert set(drawn[0]) == set(drawn[1]) == set(drawn[2])
    apart = [abs(drawn[0].index(i) - drawn[2].index(i)) for i in drawn[0]]
    assert sum(places <= 1 for places in apart) >= 298  # a batch's last is its first's neighbour


def test_sampler_of_a_dataset_without_labels(daemon):
    sampler = evendraw.torch.DistributedSampler(range(50), 1, 0, job="train")
    assert sorted(check_length(sampler, 50)) == list(range(50))
    with pytest.raises(ValueError, match="callback_get_label"):
        evendraw.torch.ImbalancedDatasetSampler(range(50), job="other")


class Named(Dataset):
    """As ImageFolder: of one of its classes there is no sample."""

    classes = ["cat", "dog", "eel", "fox", "gnu"]


@pytest.mark.parametrize(
    "dataset",
    [
        torch.utils.data.Subset(Named(), range(50)),
        torch.utils.data.ConcatDataset([Named(20), torch.utils.data.Subset(Named(), range(30))]),
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        evendraw.torch.Sampler,
        evendraw.torch.ImbalancedDatasetSampler,
        lambda data: evendraw.torch.ImbalancedDatasetSampler(data, indices=range(40)),
        lambda data: evendraw.torch.WeightedRandomSampler([1.0] * 50, 50, dataset=data),
        lambda data: evendraw.torch.DistributedSampler(data, 1, 0),
        lambda data: evendraw.torch.BatchSampler(data, 5),
        lambda data: evendraw.torch.BatchSampler(data, 5, labels=[2] * 50),
    ],
)
def test_classes_of_what_a_dataset_is_made_of(daemon, client, dataset, make):
    sampler = make(dataset)
    info = client.job(sampler.job)
    assert client.dataset_stats(info["dataset"])["class"] == Named.classes


def test_uniform_needs_no_labels(daemon):
    """Targets of regression, or of several columns, are no labels; other strategies say so."""
    data = torch.utils.data.TensorDataset(torch.zeros(40, 3), torch.zeros(40, 5))
    for more in ({}, {"strategy": {"kind": "uniform"}}):
        sampler = evendraw.torch.DistributedSampler(data, 1, 0, **more)
        assert sorted(check_length(sampler, 40)) == list(range(40))
    with pytest.raises(ValueError, match=r"labels has shape \(40, 5\)"):
        evendraw.torch.DistributedSampler(data, 1, 0, strategy="weighted")
