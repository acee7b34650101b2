"""Datasets of evendraw.torch in worker processes of every kind, with other datasets inside and around, and
ensembles that several processes train at once."""

import copy
import json
import os
import pickle
import random
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
import torch.utils.data

import evendraw
import evendraw.torch
from evendraw.torch import Augmented, Ensemble, Item, Pairs

N = 48
LABELS = np.repeat(np.arange(3), [30, 12, 6])
MIXUP = {"kind": "weighted", "pairs": {"how": "mixup", "alpha": 0.4}}


class Plain(torch.utils.data.Dataset):
    classes = ["a", "b", "c"]
    targets = torch.from_numpy(LABELS)

    def __len__(self):
        return N

    def __getitem__(self, index):
        return torch.full((1, 2, 2), float(index)), self.targets[index]


class Columns(Plain):
    """Like one of Hugging Face: an int gives a sample, a list many; PyTorch's fetcher asks for batches."""

    def __getitem__(self, key):
        if isinstance(key, int):
            return super().__getitem__(key)
        return torch.stack([super(Columns, self).__getitem__(i)[0] for i in key]), self.targets[key]

    def __getitems__(self, keys):
        assert isinstance(keys, list)
        return [super(Columns, self).__getitem__(key) for key in keys]


def noise(x):
    return x + torch.rand(x.shape) + random.random() + np.random.rand()


class Own(Plain):
    """Applies its transform itself."""

    evendraw_columns = ("augment_seed",)

    def __init__(self):
        self.augment = evendraw.torch.augment(noise)

    def __getitem__(self, item):
        x, y = super().__getitem__(item)
        return self.augment(x, item), y


def loader_of(dataset, strategy="weighted", kind=evendraw.torch.DataLoader, **loading):
    sampler = evendraw.torch.BatchSampler(dataset, 8, strategy=strategy)
    return kind(dataset, batch_sampler=sampler, **loading)


def epochs(loader, count=2):
    return [[(x.tolist(), y.tolist()) for x, y in loader] for _ in range(count)]


# ---- worker processes ----

MADE = {
    "augmented": (lambda: Augmented(Columns(), noise), "weighted"),
    "pairs": (lambda: Pairs(Augmented(Columns(), noise)), MIXUP),
    "own": (Own, "weighted"),
}


@pytest.mark.parametrize("made", MADE)
def test_processes_of_every_kind(daemon, made):
    """The same to the bit, with workers that stay too; a loop that is broken off in between."""
    make, strategy = MADE[made]
    straight = epochs(loader_of(make(), strategy))
    kinds = {"fork": 3, "spawn": 1, "forkserver": 1} if made == "pairs" else {"fork": 2}
    for context, workers in kinds.items():
        loading = {"num_workers": workers, "multiprocessing_context": context, "persistent_workers": True}
        loader = loader_of(make(), strategy, **loading)
        for _ in zip(range(2), loader):
            pass
        assert epochs(loader) == straight, context
    plain = loader_of(make(), strategy, torch.utils.data.DataLoader, num_workers=2)
    assert epochs(plain) == straight


# ---- datasets inside and around ----


def test_inside(daemon):
    """Labels and samples of the part, whatever it is made of."""
    rest, _ = torch.utils.data.random_split(Columns(), [40, 8], torch.Generator().manual_seed(0))
    both = torch.utils.data.ConcatDataset([Plain(), torch.utils.data.Subset(Columns(), range(20, 40))])
    for part in torch.utils.data.Subset(Plain(), np.arange(0, N, 2)), rest, both:
        samples = [part[i] for i in range(len(part))]
        for x, y in epochs(loader_of(Augmented(part, noise)), 1)[0]:
            numbers = [int(image[0][0][0]) for image in x]
            there = {(int(image[0, 0, 0]) + more, int(label)) for image, label in samples for more in range(3)}
            assert set(zip(numbers, y)) <= there
        batches = epochs(loader_of(Pairs(part), MIXUP), 1)[0]
        assert all(np.allclose(np.sum(y, 1), 1) and np.shape(y)[1] == 3 for _, y in batches)


@pytest.mark.parametrize("kind", [torch.utils.data.DataLoader, evendraw.torch.DataLoader])
def test_around(daemon, kind):
    """What takes the columns away is told, with what to do instead."""
    subset, concat = torch.utils.data.Subset, torch.utils.data.ConcatDataset
    around = "ConcatDataset around {} makes plain numbers of it, and belongs inside"
    for dataset, said in [
        (subset(Augmented(Plain(), noise), range(20)), around.format("Augmented")),
        (concat([Pairs(Plain())] * 2), around.format("Pairs")),
        (subset(Own(), range(20)), r"leave augment\(\) out, and wrap that in Augmented"),
        (Augmented(subset(Own(), range(20))), r"leave augment\(\) out"),
    ]:
        for workers in 0, 1:
            with pytest.raises(evendraw.UsageError, match=said):
                next(iter(loader_of(dataset, "uniform", kind, num_workers=workers)))


class Endless(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter(range(N))


class Long(Endless):
    def __len__(self):
        return N


@pytest.mark.parametrize("dataset", [Endless(), Long(), torch.utils.data.ChainDataset([Long()])])
def test_iterable(daemon, dataset):
    made = loader_of(Plain()).batch_sampler
    for use in [
        lambda: Augmented(dataset),
        lambda: Pairs(dataset),
        lambda: evendraw.torch.BatchSampler(dataset, 2),
        lambda: Ensemble(dataset, 2, members=2),
        lambda: evendraw.torch.DataLoader(dataset, batch_sampler=made),
    ]:
        with pytest.raises(evendraw.BadValue, match="no numbers that could be drawn: use a map-style"):
            use()


# ---- what an index and a label can be ----


@pytest.mark.parametrize("number", [np.array(3), np.int32(3), torch.tensor(3), Item(3)])
def test_numbers(number):
    """Whole ones of any kind, for all that an Item has."""
    wanted = Item(3, augment_seed=-5, mix_index=3, mix_lambda=0.25)
    item = Item(number, augment_seed=number - 8, mix_index=number, mix_lambda=np.float32(0.25))
    for dataset in Augmented(Plain(), noise), Pairs(Augmented(Plain(), noise)):
        assert all(torch.equal(a, b) for a, b in zip(dataset[item], dataset[wanted]))
    assert Augmented(Plain(), noise)[Item(3, augment_seed=np.uint64(2**64 - 5))][0].equal(
        Augmented(Plain(), noise)[wanted][0]
    )


@pytest.mark.parametrize(
    "columns, said",
    [
        ({"augment_seed": 1.5}, "augment_seed is 1.5, and a whole number"),
        ({"augment_seed": None}, "augment_seed is None"),
        ({"mix_index": "4"}, "mix_index is '4', and a whole number"),
        ({"mix_index": -1}, "mix_index is -1, and the number of a sample"),
        ({"mix_index": 1.0}, "mix_index is 1.0"),
        ({"mix_lambda": "x"}, "mix_lambda is 'x', and a share"),
        ({"mix_lambda": float("nan")}, "mix_lambda is nan"),
        ({"mix_lambda": np.array([0.1, 0.2])}, "mix_lambda is array"),
        ({"mix_label_lambda": None}, "mix_label_lambda is None"),
    ],
)
def test_numbers_that_are_none(columns, said):
    item = Item(3, **({"augment_seed": 1, "mix_index": 5, "mix_lambda": 0.5} | columns))
    with pytest.raises(evendraw.BadValue, match=said):
        Pairs(Augmented(Plain(), noise), "cutmix")[item]
    with pytest.raises(evendraw.BadValue, match="the number of a sample is 2.5"):
        Item(2.5)


def test_labels_of_every_kind(daemon):
    tensors = [torch.tensor(int(label)) for label in LABELS]
    batches = list(evendraw.torch.BatchSampler(None, 8, labels=LABELS))
    for labels in [
        tensors,
        tuple(label[None] for label in tensors),
        torch.from_numpy(LABELS)[:, None],
        [np.array(label) for label in LABELS],
        np.array(tensors, dtype=object),
    ]:
        assert list(evendraw.torch.BatchSampler(None, 8, labels=labels)) == batches


def test_copies():
    item = Item(3, augment_seed=5, mix_index=7, mix_lambda=0.3)
    for dataset in Augmented(Columns(), noise), Pairs(Augmented(Own(), noise), "cutmix"):
        for same in pickle.loads(pickle.dumps(dataset)), copy.copy(dataset), copy.deepcopy(dataset):
            assert same.evendraw_columns == dataset.evendraw_columns
            assert all(torch.equal(a, b) for a, b in zip(same[item], dataset[item]))


def test_copies_of_an_ensemble(daemon):
    """In the middle of a member's epoch; they go on by themselves, at the same place."""
    ensemble = Ensemble(Plain(), 5, members=2)
    straight = [epochs(loader, 1)[0] for loader in ensemble.loaders()]
    again = Ensemble(Plain(), 5, members=2)
    next(iter(again.loaders()[1]))
    state = again.state_dict()
    for copied in pickle.loads(pickle.dumps(again)), copy.deepcopy(again):
        assert copied.jobs == again.jobs and copied.state_dict() == state
        copied.load_state_dict(state)
        assert epochs(copied.loaders(Plain())[1], 1)[0] == straight[1][1:]


# ---- several processes ----

MEMBERS = 3

TRAIN = """
import json, os, sys
sys.path.insert(0, {here!r})
from test_processes import *
member, stop = int(sys.argv[1]), int(sys.argv[2])
ensemble = Ensemble("forest", 5, dataset=Plain(), members=MEMBERS)
loader = ensemble.loaders(num_workers=member % 2)[member]
place = os.path.join({folder!r}, f"place-{{member}}")
if os.path.exists(place):
    loader.load_state_dict(json.load(open(place)))
while loader.batch_sampler.state_dict()["epoch"] < 2:
    for x, y in loader:
        print(json.dumps([x.tolist(), y.tolist()]), flush=True)
        json.dump(loader.state_dict(), open(place + "-", "w"))
        os.replace(place + "-", place)
        stop -= 1
        if stop == 0:
            os._exit(3)
"""


def script(folder, text, *arguments):
    path = folder / "script.py"
    path.write_text(textwrap.dedent(text).format(here=os.path.dirname(__file__), folder=str(folder)))
    return subprocess.Popen(
        [sys.executable, path, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def said(process):
    return process.communicate(timeout=90)[0].splitlines()


@pytest.mark.parametrize("together", [True, False])
def test_a_member_each(daemon, tmp_path, together):
    """At once, or one after the other; each ends in the middle, as a crash would, and is run again."""
    count = MEMBERS if together else 2
    straight = [
        [batch for epoch in epochs(loader) for batch in epoch]
        for loader in Ensemble(Plain(), 5, members=MEMBERS).loaders()[:count]
    ]
    assert len({json.dumps(one) for one in straight}) == count
    seen = [[] for _ in range(count)]
    for stop, code in (2, 3), (0, 0):
        processes = []
        for member in range(count):
            processes.append(script(tmp_path, TRAIN, member, stop + member if stop else 0))
            if not together:
                processes[-1].wait(timeout=90)
        for member, process in enumerate(processes):
            seen[member] += said(process)
            assert process.returncode == code
    assert [[tuple(json.loads(line)) for line in lines] for lines in seen] == straight


RUN = """
import sys
sys.path.insert(0, {here!r})
from test_processes import *
loader = loader_of(Augmented(Plain(), noise), num_workers=1)
for _ in zip(range(2), loader):
    pass
print(json.dumps(epochs(loader)))
"""


def test_four_at_once(daemon, tmp_path):
    """The same script: each has a job of its own, and draws the same."""
    processes = [script(tmp_path, RUN) for _ in range(4)]
    outputs = {"".join(said(process)) for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    assert outputs == {json.dumps(epochs(loader_of(Augmented(Plain(), noise))))}
