"""`Pairs` and `synthesise`: what is made of two samples, and what cannot be."""

import collections
import types

import numpy as np
import pytest
import torch
import torch.utils.data

import evendraw
import evendraw.torch
from evendraw.torch import Augmented, Item, Pairs
from evendraw.torch.pairs import cut

N = 40
Sample = collections.namedtuple("Sample", "x y name")


def images(dtype=torch.float32):
    """Sample i is an image of (i + 1), 6 by 10, and of class i % 4."""
    x = (torch.arange(N) + 1).to(dtype)[:, None, None, None].expand(N, 1, 6, 10).clone()
    return torch.utils.data.TensorDataset(x, torch.arange(N) % 4)


class Listed:
    """Samples as they are given."""

    def __init__(self, *samples, classes=None):
        self.samples_ = samples
        self.classes = classes
        self.read = []

    def __len__(self):
        return len(self.samples_)

    def __getitem__(self, i):
        self.read.append(int(i))
        return self.samples_[i]


def item(index=3, partner=9, share=0.25, **more):
    return Item(index, mix_index=partner, mix_lambda=share, **more)


def one_hot(number, classes=4):
    return torch.eye(classes)[number]


# ---- mixup ----


def test_mixup():
    train = Pairs(images(), classes=4)
    assert len(train) == N and train.how == "mixup"
    assert train.evendraw_columns == ("mix_index", "mix_lambda", "mix_label_lambda")
    for i, j, share in (3, 9, 0.25), (0, 1, 0.5), (5, 2, 1.0), (4, 4, 0.75), (7, 7, 0.0):
        x, y = train[item(i, j, share)]
        assert torch.equal(x, torch.full((1, 6, 10), (1 - share) * (i + 1) + share * (j + 1)))
        assert torch.equal(y, (1 - share) * one_hot(i % 4) + share * one_hot(j % 4))
        assert y.dtype == torch.float32


def test_labels_of_another_share():
    """As remix has it: the features are mixed, and the label is one of both."""
    for m in 0.0, 0.25, 1.0:
        x, y = Pairs(images(), classes=4)[item(3, 9, 0.25, mix_label_lambda=m)]
        assert x[0, 0, 0] == 0.75 * 4 + 0.25 * 10
        assert torch.equal(y, (1 - m) * one_hot(3) + m * one_hot(1))


@pytest.mark.parametrize(
    "y", [2, np.int64(2), np.array(2, dtype=np.uint8), torch.tensor(2), torch.tensor(2, dtype=torch.int32)]
)
def test_class_numbers(y):
    data = Listed((torch.zeros(2), y), (torch.ones(2), type(y)(0) if isinstance(y, int) else y * 0), classes="abc")
    data.classes = ["a", "b", "c"]
    assert torch.equal(Pairs(data)[item(0, 1)][1], torch.tensor([0.25, 0, 0.75]))
    assert torch.equal(Pairs(data)[item(0, 0, 0.0)][1], torch.tensor([0.0, 0, 1]))
    assert torch.equal(Pairs(data, classes=4)[item(0, 1)][1], torch.tensor([0.25, 0, 0.75, 0]))


def test_targets_that_are_no_class_numbers():
    """Regression, several labels, labels that are soft already."""
    several = torch.tensor([1.0, 0, 1]), torch.tensor([1.0, 1, 0])
    for (first, second), wanted in (
        ((2.0, 4.0), 2.5),
        ((np.float32(2), np.float32(4)), 2.5),
        ((np.array([2.0, 8]), np.array([4.0, 0])), [2.5, 6]),
        (several, [1, 0.25, 0.75]),
    ):
        data = Listed((torch.zeros(2), first), (torch.ones(2), second))
        got = Pairs(data)[item(0, 1)][1]
        assert np.asarray(got).tolist() == wanted


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_types_of_features(dtype):
    for first, second in (
        (torch.ones(3, dtype=getattr(torch, dtype)), torch.full((3,), 5, dtype=getattr(torch, dtype))),
        (np.ones((2, 3), dtype), np.full((2, 3), 5, dtype)),
    ):
        for how in "mixup", "smote":
            x, _ = Pairs(Listed((first, 0), (second, 1)), how, classes=2)[item(0, 1)]
            assert type(x) is type(first) and x.dtype == first.dtype and x.shape == first.shape
            assert x.tolist() == (0 * first + 2).tolist()
        assert (first == 1).all() and (second == 5).all()


def test_samples_of_more():
    """What else there is belongs to the first; a partner is read only where there is one."""
    data = Listed(Sample(torch.zeros(1), 0, "a"), Sample(torch.ones(1), 1, "b"))
    mixed = Pairs(data, "smote")[item(0, 1)]
    assert type(mixed) is Sample and (mixed.x, mixed.y, mixed.name) == (0.25, 0, "a")
    assert data.read == [0, 1]
    assert Pairs(Listed([torch.zeros(1), 0, "a"], [torch.ones(1), 1]), "smote")[item(0, 1)] == [0.25, 0, "a"]
    Pairs(data, "smote")[item(1, 1, 0.0)]
    assert data.read == [0, 1, 1]


# ---- smote ----


def test_smote():
    train = Pairs(images(torch.float64), "smote")
    assert train.evendraw_columns == ("mix_index", "mix_lambda")
    x, y = train[item(3, 9, 0.3)]
    assert torch.equal(x, torch.full((1, 6, 10), 4 + 0.3 * 6, dtype=torch.float64)) and y == 3
    x, y = train[item(3, 3, 0.0)]
    assert (x == 4).all() and y == 3


# ---- cutmix ----


def box_of(mixed):
    """The rectangle of what is not 0: top, left, height, width; and that all of it is 1."""
    rows, columns = (np.flatnonzero(mixed.max(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return 0, 0, 0, 0
    box = rows[0], columns[0], rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert mixed.sum() == box[2] * box[3]
    return box


@pytest.mark.parametrize("height, width", [(28, 28), (6, 10), (1, 9), (9, 1), (1, 1), (224, 160)])
def test_boxes(height, width):
    """Whole, within the image, of the share that was asked for to half a column, in its proportions."""
    generator = np.random.default_rng(0)
    base, other = np.zeros((height, width), np.uint8), np.ones((height, width), np.uint8)
    for share in (*generator.random(200), *(k / 64 for k in range(65)), 1e-9, 1 - 2**-24):
        mixed, pixels = cut(base, other, share, int(generator.integers(2**64, dtype=np.uint64)))
        top, left, rows, columns = box_of(mixed)
        assert pixels == rows * columns / (height * width) == mixed.mean()
        assert abs(pixels - share) <= 0.5 / width + 0.5 / height / 8
        if columns > 0:
            assert abs(rows - height * share**0.5) <= max(0.5, 1 - height * share**0.5) + 1e-9
    assert base.sum() == 0


def test_places():
    """All that fit, equally often."""
    generator = np.random.default_rng(1)
    base, other = np.zeros((6, 10)), np.ones((6, 10))
    found = collections.Counter(
        box_of(cut(base, other, 0.25, int(generator.integers(2**64, dtype=np.uint64)))[0]) for _ in range(4800)
    )
    assert {box[2:] for box in found} == {(3, 5)}
    assert {box[:2] for box in found} == {(top, left) for top in range(4) for left in range(6)}
    assert 130 < min(found.values()) and max(found.values()) < 275  # 200 expected
    corners = [box_of(cut(base, other, 0.25, place)[0])[:2] for place in (0, 2**64 - 1)]
    assert corners == [(0, 0), (3, 5)]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_cutmix(dtype):
    train = Pairs(images(dtype), "cutmix", classes=4)
    assert train.evendraw_columns == ("mix_index", "mix_lambda", "mix_label_lambda", "augment_seed")
    places = set()
    for seed in range(20):
        x, y = train[item(augment_seed=seed)]
        again, _ = train[item(augment_seed=seed)]
        assert torch.equal(x, again) and x.dtype == dtype and x.shape == (1, 6, 10)
        top, left, *size = box_of((x[0].numpy() == 10).astype(int))
        assert size == [3, 5] and ((x == 4) | (x == 10)).all()
        assert torch.equal(y, 0.75 * one_hot(3) + 0.25 * one_hot(1))
        places.add((top, left))
    assert len(places) > 8
    # The target has the share of the box, which is not just that asked for.
    x, y = train[item(share=0.31, mix_label_lambda=0.3, augment_seed=1)]
    pixels = (x == 10).double().mean().item()
    assert pixels == 0.3 and torch.allclose(y, (1 - pixels) * one_hot(3) + pixels * one_hot(1))
    x, y = train[item(share=0.31, mix_label_lambda=1.0, augment_seed=1)]
    assert torch.equal(y, one_hot(1))
    x, y = train[item(share=1.0, augment_seed=1)]
    assert (x == 10).all() and torch.equal(y, one_hot(1))
    with pytest.raises(evendraw.UsageError, match="Pairs needs the augment_seed"):
        train[item()]


# ---- with others ----


def test_of_augmented_samples():
    """Each of the two by a seed of its own, the partner as what appears first."""
    seen = []

    def transform(x, strength):
        seen.append((strength, torch.rand(()).item()))
        return x + 0

    train = Pairs(Augmented(images(), transform), "smote")
    for seed in 1, 1, 2:
        train[item(augment_seed=seed, augment_strength=0.5)]
    assert [strength for strength, _ in seen] == [0.5, 0.0] * 3
    drawn = [number for _, number in seen]
    assert drawn[:2] == drawn[2:4] and len(set(drawn)) == 4
    around = Augmented(Pairs(images(), "smote"), lambda x: x + torch.rand(()))
    assert around.evendraw_columns == ("augment_seed", "mix_index", "mix_lambda")
    x, _ = around[item(augment_seed=1)]
    assert len(x.unique()) == 1 and 5.5 < x[0, 0, 0] < 6.5


@pytest.mark.parametrize("workers", [0, 2])
def test_in_a_loader(workers):
    """Batches made by hand, of items as samplers hand them out."""
    batches = [[item(i, (3 * i) % N, i / 64, augment_seed=i) for i in range(at, at + 8)] for at in (0, 8)]
    for how in "mixup", "cutmix", "smote":
        train = Pairs(images(), how, classes=4)
        loader = torch.utils.data.DataLoader(train, batch_sampler=batches, num_workers=workers)
        for batch, (x, y) in zip(batches, loader):
            wanted = [train[one] for one in batch]
            assert torch.equal(x, torch.stack([x for x, _ in wanted]))
            assert torch.equal(y, torch.stack([y for _, y in wanted]))
            assert y.shape == ((8,) if how == "smote" else (8, 4))
            if how != "smote":
                assert torch.allclose(y.sum(1), torch.ones(8))


def test_labels_are_those_within():
    train = Pairs(Augmented(images()), classes=4)
    labels, classes = evendraw.labels_of(train)
    assert labels.tolist() == [i % 4 for i in range(N)] and classes is None


# ---- what cannot be mixed ----


def pair(first, second=None, **more):
    return Listed((first, 0), (first if second is None else second, 1), classes=["a", "b"], **more)


@pytest.mark.parametrize(
    "data, how, said",
    [
        (pair(torch.ones(2, dtype=torch.uint8)), "mixup", "torch.uint8.*nothing between whole numbers"),
        (pair(np.ones(2, dtype=np.int64)), "smote", "x is of int64"),
        (pair(torch.ones(2), torch.ones(3)), "mixup", r"\(2,\), torch.float32 and shape \(3,\)"),
        (pair(torch.ones(2), torch.ones(1)), "mixup", "can only be put together if they are alike"),
        (pair(torch.ones(2), torch.ones(2).double()), "smote", "torch.float32 and shape .* torch.float64"),
        (pair(torch.ones(2), np.ones(2)), "cutmix", "if they are alike"),
        (pair([1.0, 2.0]), "mixup", "x is a list, and a tensor or array"),
        (pair(torch.ones(2)), "cutmix", r"shape \(2,\), and cutmix needs \(..., height, width\)"),
        (pair(torch.ones(3, 0, 4)), "cutmix", r"\(3, 0, 4\): an image of 0 rows and 4 columns has no pixels"),
        (pair(np.ones((5, 0))), "cutmix", "5 rows and 0 columns"),
        (pair("text"), "smote", "x is a str"),
        (Listed({"x": 1}, {"x": 2}), "mixup", r"sample 0 is a dict, and \(x, y\) is needed"),
        (Listed((1.0,), (2.0,)), "smote", r"\(x, y\) is needed"),
        (Listed((1.0, 0), (2.0, 1)), "mixup", r"how many classes there are is not known.*classes=K"),
        (Listed((1.0, 4), (2.0, 1), classes=["a"] * 4), "mixup", "y is class 4, and there are 4, from 0 on"),
        (Listed((1.0, -1), (2.0, 1), classes=["a"] * 4), "mixup", "y is class -1"),
        (Listed((1.0, "dog"), (2.0, "cat"), classes=["cat", "dog"]), "mixup", "y is a str"),
        (Listed((1.0, np.array([1, 0])), (2.0, np.array([0, 1])), classes=["a"]), "mixup", "one class number"),
    ],
)
def test_samples_that_do_not_go_together(data, how, said):
    with pytest.raises(evendraw.BadValue, match=f"(?s){said}"):
        Pairs(data, how)[item(0, 1, augment_seed=3)]


def test_mistakes(daemon):
    for how in "mix", None, "remix":
        with pytest.raises(evendraw.BadValue, match='how is "mixup", "cutmix" or "smote"'):
            Pairs(images(), how)
    for classes in 0, -1, True, 2.0, "4":
        with pytest.raises(evendraw.BadValue, match="number of classes is needed"):
            Pairs(images(), classes=classes)
    with pytest.raises(evendraw.BadValue, match="map-style datasets.*int has not"):
        Pairs(5)
    train = Pairs(images(), classes=4)
    for wrong in -0.1, 1.1, float("nan"):
        with pytest.raises(evendraw.BadValue, match="mix_lambda is .* a share from 0 to 1"):
            train[item(share=wrong)]
        with pytest.raises(evendraw.BadValue, match="mix_label_lambda is"):
            train[item(mix_label_lambda=wrong)]
    for index in 0, np.int64(0), Item(0, augment_seed=1):
        with pytest.raises(evendraw.UsageError, match="Pairs needs the mix_index of a position"):
            train[index]


# ---- synthesise ----


def batch_of(index, mix_index, mix_lambda):
    return types.SimpleNamespace(
        index=np.array(index), mix_index=np.array(mix_index), mix_lambda=np.array(mix_lambda, dtype=np.float32)
    )


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_synthesise(shape, dtype):
    """The formula, row by row, of arrays and of tensors."""
    generator = np.random.default_rng(2)
    X = generator.normal(size=(N, *shape)).astype(dtype)
    before = X.copy()
    index, second = generator.integers(0, N, (2, 64))
    share = generator.random(64).astype(np.float32)
    share[::4] = 0
    batch = batch_of(index, second, share)
    wanted = np.stack([X[i] + dtype(s) * (X[j] - X[i]) for i, j, s in zip(index, second, share)])
    made = evendraw.synthesise(X, batch)
    assert made.dtype == dtype and made.shape == (64, *shape)
    np.testing.assert_array_equal(made, wanted)
    tensor = evendraw.synthesise(torch.from_numpy(X), batch)
    assert isinstance(tensor, torch.Tensor) and tensor.numpy().dtype == dtype
    np.testing.assert_allclose(tensor.numpy(), wanted, rtol=1e-6, atol=1e-7)
    as_tensors = types.SimpleNamespace(**{k: torch.from_numpy(v) for k, v in vars(batch).items()})
    np.testing.assert_array_equal(evendraw.synthesise(X, as_tensors), wanted)
    made[:] = 0
    tensor[:] = 0
    np.testing.assert_array_equal(X, before)


def test_synthesise_as_imbalanced_learn():
    """The points that its SMOTE makes of these bases, neighbours and shares."""
    from imblearn.over_sampling import SMOTE

    generator = np.random.default_rng(3)
    X = generator.normal(size=(30, 4))
    bases, partners, share = np.arange(30), generator.integers(0, 5, 30), generator.random(30).astype(np.float32)
    neighbours = generator.integers(0, 30, (30, 5))
    theirs = SMOTE()._generate_samples(X, X, neighbours, bases, partners, share[:, None].astype(np.float64))
    ours = evendraw.synthesise(X, batch_of(bases, neighbours[bases, partners], share))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_synthesise_what_stays():
    """Rows without a partner are as they were, also where there is nothing to calculate with."""
    X = np.array([[np.inf, 1.0], [np.nan, 2.0], [3.0, 4.0]])
    batch = batch_of([0, 1, 2, 2], [0, 1, 2, 1], [0, 0, 0, 0.5])
    for made in evendraw.synthesise(X, batch), evendraw.synthesise(torch.from_numpy(X), batch).numpy():
        np.testing.assert_array_equal(made, [[np.inf, 1], [np.nan, 2], [3, 4], [np.nan, 3]])
    empty = evendraw.synthesise(X, batch_of(np.empty(0, int), np.empty(0, int), []))
    assert empty.shape == (0, 2)
    import pandas

    frame = pandas.DataFrame({"a": [1.0, 3.0], "b": [0.0, 1.0]})
    assert evendraw.synthesise(frame, batch_of([0], [1], [0.5])).tolist() == [[2, 0.5]]
    requires = torch.ones(2, 3, requires_grad=True)
    assert evendraw.synthesise(requires, batch_of([0], [1], [0.5])).requires_grad


X = np.ones((5, 2))


@pytest.mark.parametrize(
    "X, batch, error, said",
    [
        (X.astype(int), batch_of([0], [1], [0.5]), evendraw.BadValue, "is of int64, and floating point"),
        (torch.ones(5, 2).long(), batch_of([0], [1], [0.5]), evendraw.BadValue, "is of torch.int64"),
        (np.array(1.0), batch_of([0], [1], [0.5]), evendraw.BadValue, r"shape \(\)"),
        (np.ma.array(X, mask=X > 0), batch_of([0], [1], [0.5]), evendraw.BadValue, "X is masked"),
        ([["a"]], batch_of([0], [0], [0.5]), evendraw.BadValue, "floating point numbers"),
        (X, batch_of([5], [1], [0.5]), evendraw.BadValue, r"index\[0\] is 5, .* from 0 to 4"),
        (X, batch_of([0], [-1], [0.5]), evendraw.BadValue, r"mix_index\[0\] is -1"),
        (X, batch_of([0], [1], [1.5]), evendraw.BadValue, r"mix_lambda\[0\] is 1.5"),
        (X, batch_of([0], [1], [np.nan]), evendraw.BadValue, r"mix_lambda\[0\] is nan"),
        (X, batch_of([0, 1], [1], [0.5, 0.5]), evendraw.BadValue, "mix_index has 1 values, and index 2"),
        (X, batch_of([0], [1], [0.5, 0.5]), evendraw.BadValue, "mix_lambda has 2 values"),
        (X, types.SimpleNamespace(index=[0]), evendraw.UsageError, "no mix_index: open the stream with columns"),
    ],
)
def test_synthesise_refuses(X, batch, error, said):
    with pytest.raises(error, match=said):
        evendraw.synthesise(X, batch)


def test_synthesise_without_pairs(client):
    """Of a job that makes none."""
    client.create_dataset("d", [0, 1] * 4)
    client.create_job("j", "d", 4)
    with client.open("j") as stream, pytest.raises(evendraw.UsageError, match="has no mix_index"):
        evendraw.synthesise(np.ones((8, 1)), stream.next())


# ---- pairs of a job ----


def batches_of(client, strategy, **more):
    """As a job of that strategy has them."""
    client.create_dataset("again", images().tensors[1])
    client.create_job("again", "again", 8, strategy, mode="ranked")
    columns = ["mix_index", "mix_lambda", "mix_label_lambda", "augment_seed"]
    with client.open("again", rank=0, world_size=1, columns=columns) as stream:
        found = list(stream)
    client.drop_job("again")
    return found


@pytest.mark.parametrize(
    "how, pairs",
    [
        ("mixup", {"how": "mixup", "alpha": 1}),
        ("mixup", {"how": "remix", "kappa": 1}),
        ("mixup", {"how": "balanced-mixup"}),
        ("cutmix", {"how": "cutmix"}),
        ("smote", {"how": "mixup"}),
    ],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_pairs_of_a_job(daemon, client, how, pairs, workers):
    strategy = {"kind": "weighted", "pairs": pairs}
    data = images()
    train = Pairs(data, how, classes=4)
    sampler = evendraw.torch.BatchSampler(train, 8, strategy=strategy)
    loader = evendraw.torch.DataLoader(train, batch_sampler=sampler, num_workers=workers)
    batches = batches_of(client, strategy)
    mixed = 0
    for batch, (x, y) in zip(batches, loader):
        assert loader.current.mix_index.tolist() == batch.mix_index.tolist()
        columns = batch.mix_index, batch.mix_lambda, batch.mix_label_lambda, batch.augment_seed
        rows = zip(batch.index, *(column.tolist() for column in columns))
        for (i, j, share, of_label, seed), got, target in zip(rows, x, y):
            made = train[Item(i, mix_index=j, mix_lambda=share, mix_label_lambda=of_label, augment_seed=seed)]
            assert torch.equal(got, made[0]) and torch.equal(target, torch.as_tensor(made[1]))
            mixed += share > 0
            if how != "cutmix":
                assert torch.allclose(got, (1 - share) * data[i][0] + share * data[j][0])
            if how == "mixup":
                wanted = (1 - of_label) * one_hot(i % 4) + of_label * one_hot(j % 4)
                assert torch.allclose(target, wanted, atol=1e-6)
            if how == "smote":
                assert target == i % 4
    assert mixed > 20


def test_synthesise_of_a_job(daemon, client):
    X = np.random.default_rng(5).normal(size=(N, 3))
    for batch in batches_of(client, {"kind": "uniform", "pairs": {"how": "mixup", "alpha": 1}}):
        share = batch.mix_lambda[:, None].astype(float)
        wanted = (1 - share) * X[batch.index] + share * X[batch.mix_index]
        np.testing.assert_allclose(evendraw.synthesise(X, batch), wanted, rtol=1e-12, atol=1e-14)


def test_resumed(daemon):
    """Augmented pairs, in the middle of an epoch and with another number of workers."""
    train = Pairs(Augmented(images(), lambda x: x + torch.rand_like(x)), "cutmix", classes=4)

    def fresh(workers):
        strategy = {"kind": "uniform", "pairs": {"how": "cutmix"}}
        sampler = evendraw.torch.BatchSampler(train, 8, strategy=strategy)
        return evendraw.torch.DataLoader(train, batch_sampler=sampler, num_workers=workers)

    straight = [x for x, _ in fresh(0)]
    loader = fresh(2)
    began = [x for _, (x, _) in zip(range(2), loader)]
    again = fresh(1)
    again.load_state_dict(loader.state_dict())
    assert torch.equal(torch.cat(began + [x for x, _ in again]), torch.cat(straight))


def test_without_pairs(daemon):
    """A strategy that makes none."""
    sampler = evendraw.torch.BatchSampler(Pairs(images(), classes=4), 8, strategy="weighted")
    with pytest.raises(evendraw.StrategyError, match='cannot answer the column "mix_index"'):
        next(iter(sampler))
