"""Whole epochs of an `IterableDataset` that has its job for itself, however its loops are broken off."""

import time

import pytest
import torch
import torch.utils.data

import evendraw
import evendraw.torch
from test_torch import N, Dataset, flat, indices, workers

LOADING = [
    workers(0),
    workers(2, "fork"),
    workers(3, "fork", persistent_workers=True),
    workers(2, "spawn", persistent_workers=True),
]
SPAWNED_ANEW = workers(1, "spawn")  # for each iteration, which takes long

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def loader_of(loading, batch_size=4, **more):
    data = evendraw.torch.IterableDataset(None, Dataset(), batch_size, **more)
    return data, torch.utils.data.DataLoader(data, batch_size=None, **loading)


def begun(loader, count):
    iterator = iter(loader)
    return iterator, [next(iterator)[0].tolist() for _ in range(count)]


def is_whole(batches):
    return sorted(flat(batches)) == list(range(N))


@pytest.mark.parametrize("loading", [*LOADING, SPAWNED_ANEW])
def test_broken_off(daemon, loading):
    """The same epoch begins again; after one that was read, the next."""
    _, loader = loader_of(loading)
    seen = [begun(loader, 3)[1] for _ in range(2)]
    first = indices(loader)
    assert is_whole(first) and all(batch in first for batch in flat(seen))
    second = indices(loader)
    assert is_whole(second) and sorted(second) != sorted(first)


@pytest.mark.parametrize("loading", LOADING)
def test_what_the_last_iteration_holds(daemon, loading):
    """Is given up, although its workers still wait to be asked."""
    _, loader = loader_of(loading)
    old, seen = begun(loader, 2)
    whole = indices(loader)
    assert is_whole(whole) and all(batch in whole for batch in seen)
    if not loading.get("persistent_workers"):  # they are the same, and so is the iterator
        with pytest.raises(evendraw.UsageError, match="newer iteration over this dataset"):
            list(old)
    assert is_whole(indices(loader))


@pytest.mark.parametrize("loading", LOADING)
def test_set_epoch_and_rewind(daemon, loading):
    data, loader = loader_of(loading)
    epochs = [sorted(indices(loader)) for _ in range(3)]
    for epoch in (1, 0, 0, 2):
        data.set_epoch(epoch)
        assert sorted(indices(loader)) == epochs[epoch]
    for i, _ in enumerate(loader):  # epoch 3
        if i == 0:
            data.set_epoch(1)  # of the next loop: this one goes on
    assert i == 23
    begun(loader, 2)
    data.rewind()
    assert sorted(indices(loader)) == epochs[1]
    data.rewind()  # what would come next
    assert sorted(indices(loader)) == epochs[2]
    with pytest.raises(ValueError, match="no epoch -1"):
        data.set_epoch(-1)


@pytest.mark.parametrize("loading", LOADING)
def test_loops_that_count(daemon, loading):
    """And never ask for one batch more than there are: each is an epoch."""
    _, loader = loader_of(loading)
    epochs = [begun(loader, len(loader))[1] for _ in range(3)]
    assert all(map(is_whole, epochs))
    assert len({str(sorted(epoch)) for epoch in epochs}) == 3


@pytest.mark.parametrize("name", [None, "train"])
@pytest.mark.parametrize("loading", LOADING[:3])
def test_the_same_seed_for_every_loop(daemon, name, loading):
    """torch.manual_seed does not make workers of one iteration those of another."""
    data = evendraw.torch.IterableDataset(name, Dataset(), 4)
    loader = torch.utils.data.DataLoader(data, batch_size=None, **loading)
    for _ in range(3):
        torch.manual_seed(0)
        assert is_whole(indices(loader))


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("persistent", [False, True])
def test_few_steps(daemon, steps, persistent):
    """Some workers have nothing of an epoch, and come when it is over."""
    data = evendraw.torch.IterableDataset(labels=[0] * 2 * steps, batch_size=2)
    loader = torch.utils.data.DataLoader(
        data, batch_size=None, num_workers=3, persistent_workers=persistent
    )
    for epoch in range(4):
        batches = list(loader)
        assert {batch.epoch for batch in batches} == {epoch}
        assert sorted(flat(batches)) == list(range(2 * steps))
        next(iter(loader))
        data.set_epoch(epoch + 1)


class Slow(Dataset):
    def __getitem__(self, i):
        time.sleep(0.05)
        return super().__getitem__(i)


def test_workers_that_are_busy(daemon):
    """They let go while they load samples for an iteration that is over."""
    data = evendraw.torch.IterableDataset(Slow(24), batch_size=4, columns=["label"])
    loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=2)
    old, _ = begun(loader, 1)
    assert sorted(flat(indices(loader))) == list(range(24))
    del old


def test_who_may_have_it(daemon, monkeypatch):
    """A job with a name is shared: nobody moves it by himself."""
    make = evendraw.torch.IterableDataset
    with pytest.raises(ValueError, match="is shared: leave the name out"):
        make("train", Dataset(), 8, resume="epoch")
    with pytest.raises(ValueError, match="resume is"):
        make(Dataset(), batch_size=8, resume="never")
    named = make("train", Dataset(), 8)
    named.set_epoch(0)  # where it is
    with pytest.raises(evendraw.UsageError, match="epoch 0, and is shared.*job seek train --epoch 2"):
        named.set_epoch(2)
    with pytest.raises(evendraw.UsageError, match="is shared.*job seek train"):
        named.rewind()
    rest = make(Dataset(), batch_size=8, resume="position")
    first = next(iter(rest))[0].tolist()
    assert sorted(flat([first, *indices(rest)])) in (list(range(N)), sorted([*first, *range(N)]))
    monkeypatch.setattr(evendraw.torch._whole, "LOST_WORKERS", 0.2)
    whole = make(Dataset(), batch_size=8, time_limit=0.2)
    other = make(whole.job)
    reader = iter(other)
    next(reader)
    with pytest.raises(evendraw.Conflict, match='others are attached.*resume="position"'):
        next(iter(whole))
    other.close()
    assert is_whole(indices(whole))
