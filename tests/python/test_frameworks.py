"""What frameworks do to samplers, as FRAMEWORKS.md has it: their calls, in their order, by classes made
after theirs (their packages are not in Debian 12)."""

import itertools
import re

import pytest
import torch
import torch.utils.data
from torch.utils.data.distributed import DistributedSampler

import evendraw
import evendraw.torch
from pages import PYTHON, sections, torchrun

PAGE = PYTHON / "FRAMEWORKS.md"
SCRIPTS = {
    heading: code for heading, blocks in sections(PAGE) for language, code in blocks if language == "python"
}
# What its scripts are about.
READERS = """
import torch

def samples(*counts):
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    return torch.utils.data.TensorDataset(labels[:, None] + torch.randn(len(labels), 8) / 10, labels)

dataset, valid = samples(900, 90, 10), samples(300, 200, 50)

def Net():
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
"""
SAMPLES = 80
DATASET = torch.utils.data.TensorDataset(torch.arange(SAMPLES), torch.arange(SAMPLES) % 4)


# ---- classes after theirs ----


class BatchSamplerShard(torch.utils.data.BatchSampler):
    """Accelerate's: process i of n passes on the i-th of every n batches (or its part of each), once
    all n are there. All that it knows of the batch sampler are two attributes."""

    def __init__(self, batch_sampler, num_processes, process_index, split_batches=False):
        self.batch_sampler = batch_sampler
        self.num_processes = num_processes
        self.process_index = process_index
        self.split_batches = split_batches
        self.batch_size = getattr(batch_sampler, "batch_size", None)
        self.drop_last = getattr(batch_sampler, "drop_last", False)

    def __len__(self):
        n = 1 if self.split_batches else self.num_processes
        return len(self.batch_sampler) // n

    def __iter__(self):
        mine = None
        for i, batch in enumerate(self.batch_sampler):
            if self.split_batches:
                part = len(batch) // self.num_processes
                yield batch[part * self.process_index : part * (self.process_index + 1)]
                continue
            if i % self.num_processes == self.process_index:
                mine = batch
            if i % self.num_processes == self.num_processes - 1:
                yield mine


class SkipBatchSampler(torch.utils.data.BatchSampler):
    """Accelerate's skip_first_batches, which the Trainer resumes with."""

    def __init__(self, batch_sampler, skip_batches):
        self.batch_sampler = batch_sampler
        self.skip_batches = skip_batches

    def __len__(self):
        return len(self.batch_sampler) - self.skip_batches

    def __iter__(self):
        return itertools.islice(self.batch_sampler, self.skip_batches, None)


class WholeEpoch(torch.utils.data.Dataset):
    """Lightning's _DatasetSamplerWrapper: all that a sampler gives in an epoch."""

    def __init__(self, sampler):
        self._sampler = sampler

    def __len__(self):
        return len(self._sampler)

    def reset(self):
        self.given = list(self._sampler)


class DistributedSamplerWrapper(DistributedSampler):
    """Lightning's: rank i of n passes on every n-th."""

    def __init__(self, sampler, num_replicas, rank):
        super().__init__(WholeEpoch(sampler), num_replicas, rank, shuffle=False)

    def __iter__(self):
        self.dataset.reset()
        return (self.dataset.given[i] for i in super().__iter__())


def one_ahead(loader):
    """Accelerate's DataLoaderShard: reads a batch before it gives the one before."""
    iterator = iter(loader)
    for batch in iterator:
        for following in iterator:
            yield batch
            batch = following
        yield batch


# ---- the page ----


def test_scripts():
    """One for each framework, of about thirty lines. Those of which the framework is not in Debian 12 are
    Python, at least."""
    assert len(SCRIPTS) == len(re.findall(r"^\| \[", PAGE.read_text(), re.MULTILINE)) == 6
    for name, script in SCRIPTS.items():
        compile(script, name, "exec")
        assert len(script.splitlines()) <= 36 and "evendraw.torch.BatchSampler(" in script


def accuracies(lines):
    found = [re.fullmatch(r"epoch (\d): (0\.\d{3}|1\.000)", line) for line in lines]
    assert [int(match[1]) for match in found] == [0, 1, 2]
    return [float(match[2]) for match in found]


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_script_of_one_process(daemon, client, capsys):
    torch.manual_seed(0)
    scope = {}
    exec(READERS + SCRIPTS["PyTorch, one process"], scope)
    assert accuracies(capsys.readouterr().out.splitlines())[-1] > 0.5
    assert client.job_stats(scope["sampler"].job)["steps"] == 3 * 31
    assert scope["sampler"].state_dict()["epoch"] == 3


def test_script_of_two_processes(daemon, client, tmp_path):
    """Rank 0 says what both of them together had right; the checkpoint is at the end of the last epoch."""
    lines = torchrun(READERS + SCRIPTS["torchrun"], tmp_path)
    assert all(0 <= accuracy <= 1 for accuracy in accuracies(lines))
    (train, validation) = sorted(client.jobs(), key=lambda row: row["batch_size"])
    assert (train["world_size"], train["batch_size"]) == (2, 64)
    assert (validation["world_size"], validation["batch_size"]) == (2, 512)
    assert client.job_stats(train["job"])["samples"] == 3 * 15 * 64
    assert client.job_stats(validation["job"])["samples"] == 3 * 550
    at = torch.load(tmp_path / "last.pt")["at"]
    assert (at["job"], at["epoch"], at["step"]) in [(train["job"], 2, 15), (train["job"], 3, 0)]


# ---- divided once ----


def batch_sampler(job=None, **more):
    return evendraw.torch.BatchSampler(
        job, 4, **{"dataset": DATASET, "rank": 0, "world_size": 1, **more}
    )


def drawn(loader):
    return [x for batch, _ in loader for x in batch.tolist()]


def test_loaders_that_are_not_prepared(daemon):
    """Accelerate, Trainer, Lightning with use_distributed_sampler=False: the ranks' own parts."""
    samplers = [batch_sampler("train", rank=rank, world_size=2) for rank in range(2)]
    loaders = [evendraw.torch.DataLoader(DATASET, batch_sampler=s) for s in samplers]
    parts = [drawn(loader) for loader in loaders]
    assert [len(part) for part in parts] == [40, 40]
    assert sorted(parts[0] + parts[1]) == list(range(SAMPLES))


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_prepared_loaders(daemon, split, workers):
    """A sampler that is rank 0 of 1 in every process leaves the dividing to Accelerate: jobs of one
    seed draw the same."""
    parts = []
    for process in range(2):
        shard = BatchSamplerShard(batch_sampler(), 2, process, split)
        loader = torch.utils.data.DataLoader(DATASET, batch_sampler=shard, num_workers=workers)
        parts.append(drawn(one_ahead(loader)))
        assert len(parts[-1]) == 40
    assert sorted(parts[0] + parts[1]) == list(range(SAMPLES))


@pytest.mark.parametrize("workers", [0, 2])
def test_wrapped_samplers(daemon, workers):
    """Likewise with Lightning and a sampler of single indices."""
    parts = []
    for rank in range(2):
        sampler = evendraw.torch.Sampler(
            DATASET, strategy="uniform", rank=0, num_replicas=1
        )
        wrapper = DistributedSamplerWrapper(sampler, 2, rank)
        loader = torch.utils.data.DataLoader(DATASET, 4, sampler=wrapper, num_workers=workers)
        parts.append(drawn(loader))
    assert sorted(parts[0] + parts[1]) == list(range(SAMPLES))


@pytest.mark.parametrize("workers", [0, 2])
def test_ranks_are_not_divided_again(daemon, workers):
    """By Accelerate's class and by Lightning's."""
    batches = BatchSamplerShard(batch_sampler("batches", rank=0, world_size=2), 2, 0)
    sampler = evendraw.torch.Sampler(DATASET, job="indices", rank=0, num_replicas=2)
    indices = DistributedSamplerWrapper(sampler, 2, 0)
    for outer, arguments in (batches, {"batch_sampler": batches}), (indices, {"sampler": indices}):
        loader = torch.utils.data.DataLoader(DATASET, num_workers=workers, **arguments)
        wanted = f"{type(outer).__name__} would give each.*Lightning.*Accelerate"
        with pytest.raises(evendraw.UsageError, match=wanted):
            next(iter(loader))


def test_what_frameworks_ask_for(daemon):
    """Lightning leaves a DistributedSampler alone; Accelerate reads two attributes of a BatchSampler."""
    ours = evendraw.torch.DistributedSampler(DATASET, 2, 0, job="train")
    assert isinstance(ours, DistributedSampler)
    sampler = batch_sampler()
    assert isinstance(sampler, torch.utils.data.BatchSampler)
    assert (sampler.batch_size, sampler.drop_last) == (4, True)
    assert len(sampler.sampler) == SAMPLES and not hasattr(sampler.sampler, "set_epoch")


def test_lightning_cannot_make_it_anew(daemon):
    """It tries, if use_distributed_sampler was left True; that must not go well silently."""
    sampler = batch_sampler()
    injected = DistributedSampler(DATASET, num_replicas=2, rank=0)
    with pytest.raises((TypeError, evendraw.Error)):
        type(sampler)(injected, batch_size=sampler.batch_size, drop_last=True)
    assert sorted(x for batch in sampler for x in batch) == list(range(SAMPLES))


# ---- epochs ----


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("ours", [False, True])
def test_loops_that_count(daemon, workers, ours):
    """Lightning and the Trainer take len(loader) batches and never hear that there are no more."""
    kind = evendraw.torch.DataLoader if ours else torch.utils.data.DataLoader
    loader = kind(DATASET, batch_sampler=batch_sampler(), num_workers=workers)
    epochs = []
    for epoch in range(3):
        iterator = iter(loader)
        epochs.append([next(iterator)[0] for _ in range(len(loader))])
        if ours:
            assert (loader.current.epoch, loader.current.step) == (epoch, 19)
        del iterator
    for epoch in epochs:
        assert sorted(torch.cat(epoch).tolist()) == list(range(SAMPLES))
    assert not torch.equal(torch.cat(epochs[0]), torch.cat(epochs[1]))


def test_set_epoch_before_every_epoch(daemon):
    sampler = batch_sampler()
    loader = evendraw.torch.DataLoader(DATASET, batch_sampler=sampler)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        places = [(loader.current.epoch, loader.current.step) for _ in loader]
        assert places == [(epoch, step) for step in range(20)]


def test_resuming_by_skipping(daemon):
    """The Trainer's order in a new process: set_epoch, then all but the batches that were used."""
    straight = batch_sampler()
    wanted = [list(straight) for _ in range(3)]
    loader = evendraw.torch.DataLoader(DATASET, batch_sampler=batch_sampler())
    loader.set_epoch(1)
    rest = SkipBatchSampler(loader.batch_sampler, 4)
    assert [x.tolist() for x, _ in torch.utils.data.DataLoader(DATASET, batch_sampler=rest)] == wanted[1][4:]
    loader.set_epoch(2)
    assert [x.tolist() for x, _ in loader] == wanted[2]


def test_resuming_without_skipping(daemon):
    """With ignore_data_skip and a state that was kept, of a job that is gone."""
    loader = evendraw.torch.DataLoader(DATASET, batch_sampler=batch_sampler())
    for epoch in range(2):
        loader.set_epoch(epoch)
        for _, (x, _) in zip(range(20 if epoch == 0 else 4), loader):
            pass
    state = loader.state_dict()
    straight = batch_sampler()
    wanted = [list(straight) for _ in range(3)]
    resumed = evendraw.torch.DataLoader(DATASET, batch_sampler=batch_sampler())
    resumed.load_state_dict(state)
    for epoch, rest in (1, wanted[1][4:]), (2, wanted[2]):
        resumed.set_epoch(epoch)
        assert [x.tolist() for x, _ in resumed] == rest
