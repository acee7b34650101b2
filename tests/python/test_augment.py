"""`augment`, `Augmented` and what carries a position's seed to them: `Item`."""

import collections
import copy
import json
import pickle
import random
import threading

import numpy as np
import pytest
import torch
import torch.utils.data

import evendraw
import evendraw.torch
from evendraw.torch._items import derived
from evendraw.torch.augmented import seeded
from test_frameworks import BatchSamplerShard, DistributedSamplerWrapper, SkipBatchSampler
from test_torch import run_ranks, workers

N = 48
Pair = collections.namedtuple("Pair", "x y")


class Plain(torch.utils.data.Dataset):
    """(number, class), and one random number of its own from each generator."""

    def __init__(self, n=N):
        self.targets = torch.arange(n) % 3

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        return draw(torch.tensor([float(i)])), int(self.targets[i])


def draw(x):
    """One number of each generator behind what is there."""
    drawn = [random.random(), np.random.rand(), torch.rand(()).item()]
    return torch.cat([x.double(), torch.tensor(drawn, dtype=torch.float64)])


def everything(loader):
    return [x.tolist() for x, _ in loader]


def loader_of(data, sampler, number=0, kind=evendraw.torch.DataLoader, **more):
    return kind(data, batch_sampler=sampler, num_workers=number, **more)


# ---- Item ----


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_item(protocol):
    item = evendraw.torch.Item(5, augment_seed=-3, augment_strength=0.5)
    for same in item, pickle.loads(pickle.dumps(item, protocol)), copy.deepcopy(item):
        assert type(same) is evendraw.torch.Item and same == 5 and hash(same) == hash(5)
        assert (same.augment_seed, same.augment_strength) == (-3, 0.5)
        assert not hasattr(same, "mix_index")
    assert torch.arange(9)[item] == np.arange(9)[item] == list(range(9))[item] == {5: 5}[item]
    assert json.dumps([item]) == "[5]" and torch.tensor([item]).tolist() == [5]
    assert type(item + 0) is int


def test_items_of_samplers(daemon, client):
    """Only of those that were asked for columns, or know a dataset that needs them."""
    plain = evendraw.torch.BatchSampler(Plain(), 8)
    assert all(type(i) is int for batch in plain for i in batch)
    asked = evendraw.torch.BatchSampler(Plain(), 8, columns=["label", "augment_seed"])
    same = evendraw.torch.BatchSampler(Plain(), 8)
    with client.open(same.job, rank=0, world_size=1, columns=asked.columns) as stream:
        wanted = [(*zip(b.tolist(), b.label.tolist(), b.augment_seed.tolist()),) for b in stream]
    known = evendraw.torch.BatchSampler(evendraw.torch.Augmented(Plain()), 8)
    got = [tuple((int(i), i.label, i.augment_seed) for i in batch) for batch in asked]
    assert got == wanted
    seeds = [[i.augment_seed for i in batch] for batch in known]
    assert seeds == [[seed for _, _, seed in batch] for batch in wanted]
    assert len({seed for batch in seeds for seed in batch}) == N


# ---- to the bit ----


@pytest.mark.parametrize("kind", [torch.utils.data.DataLoader, evendraw.torch.DataLoader])
def test_any_number_of_workers(daemon, kind):
    train = evendraw.torch.Augmented(Plain(), draw)
    runs = []
    for loading in workers(0), workers(1, "fork"), workers(3, "fork"), workers(2, "spawn"):
        sampler = evendraw.torch.BatchSampler(train, 8, strategy="weighted")
        loader = kind(train, batch_sampler=sampler, **loading)
        runs.append([everything(loader) for _ in range(2)])
        torch.rand(7), np.random.rand(), random.random()
    assert runs[0] == runs[1] == runs[2] == runs[3]
    drawn = np.array(runs[0]).reshape(-1, 7)
    assert len(np.unique(drawn[:, 1:])) == drawn[:, 1:].size  # no two are alike: also not of two generators
    assert (np.abs(drawn[:, 1:].mean(0) - 0.5) < 0.15).all()


def test_resumed(daemon):
    """In the middle of an epoch, by a run with another number of workers."""
    train = evendraw.torch.Augmented(Plain(), draw)
    straight = everything(loader_of(train, evendraw.torch.BatchSampler(train, 8)))
    loader = loader_of(train, evendraw.torch.BatchSampler(train, 8), 2)
    began = [x.tolist() for _, (x, _) in zip(range(2), loader)]
    state = loader.state_dict()
    again = loader_of(train, evendraw.torch.BatchSampler(train, 8), 1)
    again.load_state_dict(state)
    assert began + everything(again) == straight


def test_ranks(daemon, tmp_path):
    """Two ranks see what one would, each its half."""
    outputs = run_ranks(
        daemon,
        2,
        """
        from test_augment import *
        train = evendraw.torch.Augmented(Plain(), draw)
        sampler = evendraw.torch.BatchSampler(train, 4)
        print(json.dumps(everything(loader_of(train, sampler, number=rank))))
        """,
        tmp_path,
    )
    train = evendraw.torch.Augmented(Plain(), draw)
    alone = everything(loader_of(train, evendraw.torch.BatchSampler(train, 8)))
    both = [sorted(a + b) for a, b in zip(*map(json.loads, outputs))]
    assert both == [sorted(batch) for batch in alone]


def test_other_samplers(daemon):
    """Single indices, and whole batches of workers that draw for themselves."""
    train = evendraw.torch.Augmented(Plain(), draw)
    runs = []
    for number in 0, 2:
        sampler = evendraw.torch.Sampler(train, strategy="uniform", seed=4)
        loader = torch.utils.data.DataLoader(train, 8, sampler=sampler, num_workers=number)
        runs.append([x for batch in everything(loader) for x in batch])
        data = evendraw.torch.IterableDataset(None, train, 8, strategy="uniform", seed=4)
        loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=number)
        runs.append([x for batch in everything(loader) for x in batch])
    assert runs[0] == runs[2] and sorted(runs[1]) == sorted(runs[3])
    assert sorted(x[0] for x in runs[0]) == sorted(x[0] for x in runs[1]) == list(range(N))


def test_frameworks_pass_items_on(daemon):
    """What is put around a sampler hands on its indices as they are."""
    train = evendraw.torch.Augmented(Plain(), draw)

    def fresh():
        return evendraw.torch.BatchSampler(train, 8, rank=0, world_size=1)

    straight = everything(loader_of(train, fresh()))
    plain = torch.utils.data.DataLoader
    shards = [everything(loader_of(train, BatchSamplerShard(fresh(), 2, i), 1, plain)) for i in range(2)]
    assert [batch for both in zip(*shards) for batch in both] == straight
    halves = [everything(loader_of(train, BatchSamplerShard(fresh(), 2, i, True), 0, plain)) for i in range(2)]
    assert [a + b for a, b in zip(*halves)] == straight
    assert everything(loader_of(train, SkipBatchSampler(fresh(), 2), 0, plain)) == straight[2:]
    single = evendraw.torch.Sampler(train, rank=0, num_replicas=1)
    wrapped = [torch.cat([x for x, _ in plain(train, 4, sampler=DistributedSamplerWrapper(single, 2, i))])
               for i in range(2)]  # fmt: skip
    assert all(len(part) == N / 2 and part.shape[1] == 7 for part in wrapped)


def test_torchvision(daemon):
    """Its transforms, which draw from torch and from Python."""
    from torchvision import transforms

    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (N, 1, 28, 28), generator=generator, dtype=torch.uint8)
    dataset = torch.utils.data.TensorDataset(images, torch.arange(N) % 3)
    transform = transforms.Compose([
        transforms.RandAugment(),
        transforms.RandomResizedCrop(24),
        transforms.RandomHorizontalFlip(),
        transforms.ConvertImageDtype(torch.float32),
        transforms.RandomErasing(value="random"),
    ])  # fmt: skip
    train = evendraw.torch.Augmented(dataset, transform)
    runs = []
    for number in 0, 1, 3:
        loader = loader_of(train, evendraw.torch.BatchSampler(train, 8, seed=2), number)
        runs.append(torch.cat([x for x, _ in loader]))
    assert torch.equal(runs[0], runs[1]) and torch.equal(runs[0], runs[2])
    other = loader_of(train, evendraw.torch.BatchSampler(train, 8, seed=3))
    assert not torch.equal(runs[0], torch.cat([x for x, _ in other]))


# ---- the generators ----


def states():
    kind, key, *rest = np.random.get_state()
    return random.getstate(), kind, key.tolist(), rest, torch.get_rng_state().tolist()


def test_generators_are_given_back():
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    torch.randn(1), np.random.randn(), random.gauss(0, 1)  # half of a pair is kept
    before = states()
    with seeded(5):
        first = draw(torch.zeros(1))
        assert states() != before
    assert states() == before
    with pytest.raises(ZeroDivisionError), seeded(5):
        draw(torch.zeros(1)) / (1 // 0)
    assert states() == before
    with seeded(5):
        assert torch.equal(draw(torch.zeros(1)), first)
        inside = states()
        with seeded(5):  # of a dataset that augments, in one that does
            assert not torch.equal(draw(torch.zeros(1)), first)
        assert states() == inside
    assert states() == before


def test_generators_of_gpus_are_left_alone(monkeypatch):
    """They are the model's, which without workers runs in the same process."""
    seeded_all = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded_all.append)
    torch.manual_seed(1)
    assert seeded_all == [1]
    with seeded(5):
        torch.rand(())
    assert seeded_all == [1]


def test_seeds():
    """Any 64 bits, signed or not; Python's own would take -5 for 5."""
    drawn = []
    for seed in 5, -5, 2**64 - 5, 2**63, -(2**63), 2**64 - 1, -1, 0:
        with seeded(seed):
            drawn.append(tuple(draw(torch.zeros(1)).tolist()))
    assert drawn[1] == drawn[2] and drawn[3] == drawn[4] and drawn[5] == drawn[6]
    assert len(set(drawn)) == 5
    # SplitMix64 from state 0, as published: the sequence begins with these.
    from evendraw.torch._items import _GOLDEN, _splitmix64

    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [_splitmix64(i * _GOLDEN) for i in range(3)] == published
    assert derived(0, 1) == _splitmix64(published[0] + _GOLDEN)


def test_threads_take_turns():
    """Two that augment at once, as two loaders without workers in two threads do."""
    augment = evendraw.torch.augment(lambda x: [draw(x) for _ in range(20)][-1])
    wanted = {seed: augment(torch.zeros(1), evendraw.torch.Item(0, augment_seed=seed)) for seed in range(40)}
    wrong = []

    def work(seeds):
        for seed in seeds:
            got = augment(torch.zeros(1), evendraw.torch.Item(0, augment_seed=seed))
            if not torch.equal(got, wanted[seed]):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(range(start, 40, 2),)) for start in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_workers_by_fork_of_a_thread_that_augments():
    """While another thread has the turn: the child does not wait for it."""
    began, end = threading.Event(), threading.Event()

    def hold():
        with seeded(1):
            began.set()
            end.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    began.wait()
    try:
        items = [evendraw.torch.Item(i, augment_seed=i) for i in range(4)]
        train = evendraw.torch.Augmented(Plain(4))
        loader = torch.utils.data.DataLoader(train, batch_sampler=[items], **workers(1, "fork"))
        (drawn,) = everything(loader)
    finally:
        end.set()
        thread.join()
    assert drawn == [train[item][0].tolist() for item in items]


# ---- what is augmented ----


def item(seed=1, **columns):
    return evendraw.torch.Item(2, augment_seed=seed, **columns)


class Samples:
    """One sample, whatever it is."""

    def __init__(self, sample):
        self.sample = sample

    def __len__(self):
        return 5

    def __getitem__(self, i):
        return self.sample


def test_which_part_of_a_sample():
    def read(sample):
        return evendraw.torch.Augmented(Samples(sample), lambda x: [x])[item()]

    assert read((1, 2, 3)) == ([1], 2, 3) and read([1, 2]) == [[1], 2]
    assert read(Pair(1, 2)) == Pair([1], 2) and type(read(Pair(1, 2))) is Pair
    assert read({"x": 1}) == [{"x": 1}] and read("text") == ["text"]


class Module(torch.nn.Module):
    def forward(self, x, strength=None):
        return x, strength


def test_strength():
    def by_position(x, strength):
        return x, strength

    def by_name(x, *, strength=9):
        return x, strength

    for transform in by_position, by_name, Module(), Module().forward:
        for read in (
            lambda i: evendraw.torch.Augmented(Samples("x"), transform)[i],
            lambda i: evendraw.torch.augment(transform)("x", i),
        ):
            assert read(item(augment_strength=0.25)) == ("x", 0.25)
            with pytest.raises(evendraw.UsageError, match='needs the augment_strength.*columns=."augment_strength"'):
                read(item())
    for transform in (lambda x, **more: (x, more)), (lambda x, *strength: (x, {})), (lambda x: (x, {})):
        assert evendraw.torch.augment(transform)("x", item(augment_strength=0.25)) == ("x", {})
    assert evendraw.torch.augment(str)(5, item()) == "5"  # has no signature


def test_strength_of_repeats(daemon):
    """0 where a sample comes for the first time in an epoch, then 1/2, 2/3, ...; of a strategy that does not
    count, an error."""

    def transform(x, strength):
        return torch.tensor([x.item(), strength])

    dataset = torch.utils.data.TensorDataset(torch.arange(12.0), torch.arange(12) // 9)
    train = evendraw.torch.Augmented(dataset, transform)
    assert train.evendraw_columns == ("augment_seed", "augment_strength")
    strategy = {"kind": "oversampled", "members": "balanced-repeat"}
    for number in 0, 2:
        sampler = evendraw.torch.BatchSampler(train, 3, strategy=strategy)
        drawn = [x for batch in everything(loader_of(train, sampler, number)) for x in batch]
        assert len(drawn) == 18
        for i in range(12):
            repeats = 1 if i < 9 else 3
            wanted = [float(np.float32(1 - 1 / (1 + repeat))) for repeat in range(repeats)]
            assert sorted(strength for index, strength in drawn if index == i) == wanted
    weighted = evendraw.torch.BatchSampler(train, 3, strategy="weighted")
    with pytest.raises(evendraw.StrategyError, match="augment_strength|repeat"):
        next(iter(weighted))


def test_within_a_dataset_of_the_users(daemon):
    class Pets(Plain):
        evendraw_columns = ("augment_seed",)

        def __init__(self):
            super().__init__()
            self.augment = evendraw.torch.augment(draw)

        def __getitem__(self, item):
            return self.augment(torch.tensor([float(item)]), item), int(self.targets[item])

    pets = Pets()
    runs = []
    for number in 0, 2:
        loader = loader_of(pets, evendraw.torch.BatchSampler(pets, 8), number)
        runs.append(everything(loader))
    asked = evendraw.torch.BatchSampler("by name", 8, labels=pets.targets, columns=["augment_seed"])
    assert runs[0] == runs[1] == everything(loader_of(pets, asked))
    sample, mask = (pets.augment(torch.zeros(1), item()) for _ in range(2))
    assert torch.equal(sample, mask)


def test_labels_are_those_within(daemon, client):
    parts = torch.utils.data.ConcatDataset([Plain(6), torch.utils.data.Subset(Plain(9), [0, 3, 4])])
    parts.classes = ["a", "b", "c"]
    for dataset in parts, evendraw.torch.Augmented(parts), evendraw.torch.Augmented(evendraw.torch.Augmented(parts)):
        labels, classes = evendraw.labels_of(dataset)
        assert (list(labels), classes) == ([0, 1, 2, 0, 1, 2, 0, 0, 1], None)
        assert len(dataset) == 9
        assert client.create_dataset("parts", dataset, owned=True)["classes"] == 3
    train = evendraw.torch.Augmented(parts)
    loader = loader_of(train, evendraw.torch.BatchSampler(train, 3))
    assert sorted(x[0] for batch in everything(loader) for x in batch) == [0, 0, 1, 2, 3, 3, 4, 4, 5]


# ---- mistakes ----


def refused(error, pattern):
    return pytest.raises(error, match=pattern)


def test_indices_that_carry_nothing(daemon):
    train = evendraw.torch.Augmented(Plain(), draw)
    around = torch.utils.data.Subset(train, range(N))
    with refused(evendraw.UsageError, "needs the augment_seed.*got 0, a plain int.*Item"):
        train[0]
    for data in train, around, torch.utils.data.ConcatDataset([train, train]):
        with refused(evendraw.UsageError, "ConcatDataset around Augmented makes plain numbers"):
            next(iter(torch.utils.data.DataLoader(data, 4, shuffle=True)))
    loader = torch.utils.data.DataLoader(around, batch_sampler=evendraw.torch.BatchSampler(train, 8))
    with refused(evendraw.UsageError, "belongs inside"):
        next(iter(loader))
    unaware = evendraw.torch.BatchSampler(None, 8, labels=train.dataset.targets)
    with refused(evendraw.UsageError, r"Augmented needs augment_seed.*columns=\['augment_seed'\]"):
        loader_of(train, unaware)
    with refused(evendraw.UsageError, "needs the augment_seed"):
        next(iter(loader_of(train, unaware, kind=torch.utils.data.DataLoader)))
    for wrong in {"pass_columns": True}, {"indices": "numpy"}, {"indices": "torch"}:
        with refused(evendraw.BadValue, f"leave out {next(iter(wrong))}"):
            evendraw.torch.BatchSampler(train, 8, **wrong)


def test_what_cannot_be_augmented():
    with refused(evendraw.BadValue, "int cannot be called"):
        evendraw.torch.augment(5)
    with refused(evendraw.BadValue, "Compose|list cannot be called"):
        evendraw.torch.Augmented(Plain(), [draw])
    with refused(evendraw.BadValue, "map-style datasets.*function has not"):
        evendraw.torch.Augmented(draw, Plain())
