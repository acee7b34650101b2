"""Positions: saved, loaded, after a crash, with another number of ranks."""

import json
import subprocess
import sys
import time

import pytest
import torch
import torch.utils.data

import evendraw
import evendraw.torch
from test_torch import N, Dataset, flat, indices, workers

STEPS = N // 8


def sampler_of(dataset, **more):
    return evendraw.torch.BatchSampler("train", 8, dataset=dataset, **more)


def test_state_is_local_and_plain(daemon, client):
    sampler = sampler_of(Dataset())
    assert sampler.state_dict() == {
        "job": "train", "dataset": "train", "version": 1, "generation": 0, "epoch": 0, "step": 0,
        "checksum": client.dataset("train")["checksum"], "revision": 0,
        "digest": client.job("train")["revisions"][0]["digest"], "batch_size": 8, "seed": 0,
    }  # fmt: skip
    iterator = iter(sampler)
    for step in range(1, 4):
        next(iterator)
        assert iterator.state_dict() == sampler.state_dict()
        assert sampler.state_dict()["step"] == step
    daemon.end()
    assert json.loads(json.dumps(sampler.state_dict()))["step"] == 3


@pytest.mark.parametrize("loading", [workers(0), workers(2, "fork"), workers(1, "spawn")])
def test_position_of_the_loop_not_of_the_workers(daemon, loading):
    """However far the DataLoader has read ahead."""
    dataset = Dataset()
    loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler_of(dataset), **loading)
    for step, _ in enumerate(loader, 1):
        assert (loader.state_dict()["epoch"], loader.state_dict()["step"]) == (0, step)
    assert (loader.state_dict()["epoch"], loader.state_dict()["step"]) == (1, 0)


@pytest.mark.parametrize("at", [1, 5, STEPS - 1, STEPS])
def test_rewinding(daemon, at):
    dataset = Dataset()
    loader = evendraw.torch.DataLoader(
        dataset, batch_sampler=sampler_of(dataset), **workers(2, "fork")
    )
    first = []
    for batch, _ in loader:
        first.append(batch.tolist())
        if len(first) == at:
            state = loader.state_dict()
    second = indices(loader)
    loader.load_state_dict(state)
    assert loader.state_dict() == state
    assert indices(loader) == first[at:]
    assert indices(loader) == second


def test_crash_and_resume(daemon, client, tmp_path):
    """Killed with batches read ahead: another process goes on behind the last batch trained on."""
    script = tmp_path / "train.py"
    script.write_text(
        f"""
import json, sys
sys.path.insert(0, {sys.path[0]!r})
from test_checkpoints import *
dataset = Dataset()
loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler_of(dataset), num_workers=2)
for batch, _ in loader:
    print(json.dumps([batch.tolist(), loader.state_dict()]), flush=True)
    if loader.current.step == 4:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True, timeout=60)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 5
    dataset = Dataset()
    loader = evendraw.torch.DataLoader(
        dataset, batch_sampler=sampler_of(dataset), **workers(2, "fork")
    )
    loader.load_state_dict(lines[-1][1])
    rest = indices(loader)
    assert sorted(flat([batch for batch, _ in lines] + rest)) == list(range(N))
    # From an older checkpoint: what was trained on after it comes again, as the model has lost it.
    loader.load_state_dict(lines[1][1])
    assert indices(loader) == [batch for batch, _ in lines[2:]] + rest


def test_another_number_of_ranks(daemon):
    """The same global batches, whatever the number of ranks; without torch.distributed."""
    dataset = Dataset()
    whole = list(sampler_of(dataset))
    state = None
    seen = []
    for world, steps in ((2, 3), (4, 5), (1, STEPS - 8)):
        ranks = [
            evendraw.torch.BatchSampler("train", rank=rank, world_size=world, dataset=dataset)
            for rank in range(world)
        ]
        if state is None:
            state = {**ranks[0].state_dict(), "epoch": 0, "step": 0}
        for sampler in ranks:
            sampler.load_state_dict(state)
        iterators = [iter(sampler) for sampler in ranks]
        for _ in range(steps):
            seen.append(sorted(flat(next(iterator) for iterator in iterators)))
        state = ranks[0].state_dict()
        for sampler in ranks:
            sampler.close()
    assert seen == [sorted(batch) for batch in whole]


def test_index_sampler(daemon):
    dataset = Dataset()
    sampler = evendraw.torch.Sampler(dataset, job="train", strategy="uniform")
    whole = list(sampler)
    sampler.set_epoch(0)
    iterator = iter(sampler)
    assert [next(iterator) for _ in range(50)] == whole[:50]
    state = sampler.state_dict()
    list(iterator)
    sampler.load_state_dict(json.loads(json.dumps(state)))
    assert list(sampler) == whole[50:]


def test_set_epoch(daemon):
    sampler = sampler_of(Dataset())
    epochs = [list(sampler) for _ in range(3)]
    for epoch in (1, 0, 2):
        sampler.set_epoch(epoch)
        iterator = iter(sampler)
        seen = [next(iterator)]
        sampler.set_epoch(epoch)  # in the middle of it: nothing
        assert seen + list(iterator) == epochs[epoch]


@pytest.mark.parametrize(
    "labels, more, refused",
    [
        (Dataset().targets, {}, None),
        ([0] * N, {}, "of job 'train'.*other labels"),
        (Dataset().targets, {"seed": 1}, "with seed of 0, and job.*has 1"),
        (Dataset().targets, {"batch_size": 4}, "with a global batch of 8, and job.*has 4.*set_epoch"),
        (Dataset().targets, {"strategy": "stratified"}, "drew by another strategy"),
    ],
)
@pytest.mark.parametrize("name", ["train", "other", None])
def test_state_of_another_job(daemon, client, name, labels, more, refused):
    """Whatever its name: only one that draws the same will do."""
    sampler = sampler_of(None, labels=Dataset().targets)
    first = list(sampler)
    sampler.set_epoch(0)
    next(iter(sampler))
    state = sampler.state_dict()
    sampler.close()
    client.drop_job("train")
    again = evendraw.torch.BatchSampler(name, **{"batch_size": 8, "labels": labels} | more)
    if refused:
        with pytest.raises(evendraw.BadValue, match=refused):
            again.load_state_dict(state)
    else:
        again.load_state_dict(state)
        assert list(again) == first[1:]


def test_revisions_in_states(daemon, client):
    """A state names the strategy before it; one of long ago is known from the history."""
    sampler = sampler_of(Dataset())
    batches = iter(sampler)
    next(batches)
    old = sampler.state_dict()
    for number in range(70):  # more than job.info tells
        at = {"when": "at", "epoch": 0, "step": 9} if number == 0 else {"when": "now"}
        client.update_job("train", {"kind": "weighted", "num_samples": N}, **at)
        if number == 0:
            list(batches)
            new = sampler.state_dict()
    assert (old["revision"], new["revision"]) == (0, 1) and old["digest"] != new["digest"]
    again = sampler_of(Dataset())
    again.load_state_dict(old)
    with pytest.raises(evendraw.BadValue, match="another strategy"):
        again.load_state_dict({**old, "digest": new["digest"]})


def test_another_epoch_from_within_a_step(daemon):
    sampler = evendraw.torch.Sampler(Dataset(), job="train", strategy="uniform")
    epochs = [list(sampler) for _ in range(2)]
    sampler.set_epoch(0)
    assert next(iter(sampler)) == epochs[0][0]
    sampler.set_epoch(1)
    assert list(sampler) == epochs[1]


class StatefulLoader:
    """The calls of torchdata's StatefulDataLoader, in its order: it loads the batch sampler's state,
    calls iter(), loads the iterator's state; takes the iterator's state when it hands a batch to a
    worker, and returns that one once the batch is yielded. (torchdata is not in Debian 12.)"""

    def __init__(self, sampler, ahead):
        self.sampler = sampler
        self.ahead = ahead
        self.loaded = None
        self.state = None

    def load_state_dict(self, state):
        self.loaded = state

    def state_dict(self):
        return self.state

    def __iter__(self):
        loaded, self.loaded = self.loaded, None
        if loaded is not None:
            self.sampler.load_state_dict(loaded["sampler"])
        iterator = iter(self.sampler)
        if loaded is not None:
            iterator.load_state_dict(loaded["iterator"])
        waiting = []
        ended = False
        while True:
            while not ended and len(waiting) < self.ahead:
                try:
                    batch = next(iterator)
                except StopIteration:
                    ended = True
                    break
                state = {"sampler": self.sampler.state_dict(), "iterator": iterator.state_dict()}
                waiting.append((batch, state))
            if not waiting:
                return
            batch, self.state = waiting.pop(0)
            yield batch


@pytest.mark.parametrize("ahead", [1, 4])
@pytest.mark.parametrize("at", [1, 6, STEPS])
def test_stateful_data_loader(daemon, ahead, at):
    dataset = Dataset()
    whole = list(sampler_of(dataset))
    job_start = {**sampler_of(dataset).state_dict(), "epoch": 0, "step": 0}
    sampler = sampler_of(dataset)
    loader = StatefulLoader(sampler, ahead)
    sampler.load_state_dict(job_start)
    seen = []
    for batch in loader:
        seen.append(batch)
        if len(seen) == at:
            break
    state = json.loads(json.dumps(loader.state_dict()))
    sampler.close()

    again = StatefulLoader(sampler_of(dataset), ahead)
    again.load_state_dict(state)
    assert seen + list(again) == whole
    assert len(list(again)) == STEPS


def test_without_the_counting_loader(daemon):
    """A sampler that such a loader has had is read directly: then asking acknowledges again."""
    dataset = Dataset()
    sampler = evendraw.torch.BatchSampler(dataset, 4)
    loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler, **workers(2, "fork"))
    first = next(iter(loader))[0].tolist()
    assert sorted(flat(sampler)) == list(range(N))  # more than a window
    assert first not in indices(loader)
    assert sorted(flat(sampler)) == list(range(N))
