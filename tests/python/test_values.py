"""Numbers that callers hand over: what is taken, and what is refused before anything is sent."""

import collections
from decimal import Decimal

import numpy as np
import pandas
import pytest
import torch

import evendraw
import evendraw.torch
from evendraw._arrays import numbers, positions
from evendraw._values import as_text

TWO = [
    [1, 2],
    (1, 2),
    range(1, 3),
    [1.0, 2],
    [np.int8(1), torch.tensor(2)],
    [torch.tensor([1]), np.array([[2]])],
    [[1], [2]],
    [Decimal(1), Decimal("2.0")],
    np.array([1, 2], dtype=">i2"),
    np.array([[1], [2]], dtype="u8"),
    np.array([1, 2, 3, 4])[:2],
    np.array([2, 1])[::-1],
    np.array([1, 2], dtype=object),
    np.array([1, 2], dtype="f2"),
    np.ma.array([1, 2], mask=[0, 0]),
    torch.tensor([1, 2]),
    torch.tensor([1, 9, 2])[::2],
    torch.tensor([1.0, 2.0], requires_grad=True),
    torch.tensor([[1.0], [2.0]], dtype=torch.float16),
    torch.tensor([1.0, 2.0], dtype=torch.bfloat16, requires_grad=True),
    pandas.Series([1, 2], index=[7, 7]),
    pandas.Series([1, 2], dtype="Int64"),
    pandas.Series([1, 2], dtype="Float32"),
    collections.deque([1, 2]),
    {"a": 1, "b": 2}.values(),
]


@pytest.mark.parametrize("kind", ["<u4", "i8", "<f8"])
@pytest.mark.parametrize("values", TWO, ids=lambda values: type(values).__name__)
def test_taken(values, kind):
    array = numbers(values, kind, "x", n=2, low=0)
    assert array.dtype == np.dtype(kind) and array.flags.c_contiguous
    assert array.tolist() == [1, 2]


@pytest.mark.parametrize("empty", [[], (), np.array([]), torch.tensor([]), np.zeros((0, 1))])
def test_none_at_all(empty):
    assert numbers(empty, "<u4", "x").shape == (0,)
    assert numbers(empty, "<f8", "x", n=0).shape == (0,)
    with pytest.raises(evendraw.BadValue, match="x has 0 values, but 3 are needed"):
        numbers(empty, "<f8", "x", n=3)


def test_kept_to_the_last_bit():
    assert numbers([2**63 - 1], "i8", "x").tolist() == [2**63 - 1]
    assert numbers([2**64 - 1, 2**53 + 1], "u8", "x").tolist() == [2**64 - 1, 2**53 + 1]
    assert numbers([1e308, 5e-324], "<f8", "x").tolist() == [1e308, 5e-324]
    assert numbers([True, False], "<u4", "x").tolist() == [1, 0]


REFUSED = [  # for every kind
    (np.zeros((4, 2)), r"x has shape \(4, 2\), but one value for each sample"),
    (np.zeros((4, 0)), r"x has shape \(4, 0\)"),
    (np.zeros((1, 4)), r"x has shape \(1, 4\).*pass x\[0\]"),
    (np.zeros((2, 1, 1)), r"x has shape \(2, 1, 1\)"),
    (torch.tensor(1.0), r"x has shape \(\)"),
    ([[1, 2], [3, 4]], r"x has shape \(2, 2\)"),
    ([[1], [2, 3]], r"x\[0\] has 1 values, and others"),
    ([1, None], r"x\[1\] is None"),
    ([1, "2"], r"x\[1\] is '2'"),
    (np.array(["1"]), "x has dtype <U1"),
    (np.array([1j]), "x has dtype complex128"),
    (np.array(["2020-01-01"], dtype="M8[D]"), "x has dtype datetime64"),
    (pandas.Series([1, None], dtype="Int64"), r"x\[1\] is <NA>"),
    (np.ma.array([1, 2], mask=[0, 1]), r"x\[1\] is 2, but it is masked"),
    ([0.0, float("nan")], r"x\[1\] is nan"),
    (np.array([0, np.inf], dtype="f4"), r"x\[1\] is inf"),
    ([0, Decimal("inf")], r"x\[1\] is Infinity"),
    ([0, -1], r"x\[1\] is -1"),
    (np.array([0.0, -0.5]), r"x\[1\] is -0.5"),
    ([0, 10**400], r"x\[1\] is 1000"),
    ({"a": 1}, "x is of type dict"),
    ("12", "x is of type str"),
    ({1, 2}, "x is of type set"),
    (iter([1]), "x is of type list_iterator"),
    (7, "x is of type int"),
    (None, "x is of type NoneType"),
    (torch.empty(2, device="meta"), "x is a tensor that cannot be read"),
]


@pytest.mark.parametrize("kind", ["<u4", "<f8"])
@pytest.mark.parametrize("values, said", REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_refused(values, said, kind):
    with pytest.raises(evendraw.BadValue, match=said) as caught:
        numbers(values, kind, "x", low=0)
    assert caught.value.detail == "x"


@pytest.mark.parametrize(
    "values",
    [[1.5], [-1], [2**32], [2.0**32], np.array([-1], "i1"), np.array([2**63], "u8"), [2**70]]
    + [torch.tensor([0.5], dtype=torch.bfloat16), [0, 1.5, "a"][:2], np.array([1.5], object)],
    ids=str,
)
def test_nothing_is_wrapped(values):
    with pytest.raises(evendraw.BadValue, match="whole numbers from 0 to 4294967295 are needed"):
        numbers(values, "<u4", "x")


def test_positions():
    assert positions([2, 0], 3, "indices").tolist() == [2, 0]
    assert positions([-1], 3, "indices", low=-3).tolist() == [-1]
    for wrong, said in [
        ([3], "is 3, but whole numbers from 0 to 2"),
        ([-1], "is -1"),
        ([0.5], "is 0.5"),
        ([True, False, True], "mask.*numpy.flatnonzero"),
        (np.array([True, False, True]), "mask"),
        (torch.tensor([True, False, True]), "mask"),
    ]:
        with pytest.raises(evendraw.BadValue, match=said):
            positions(wrong, 3, "indices")


def test_text():
    assert as_text("é", "name") == "é".encode()
    for wrong, said in [("a\0b", "NUL"), ("\ud800", "surrogate"), (b"a", "bytes"), (None, "None")]:
        with pytest.raises(evendraw.BadValue, match=said):
            as_text(wrong, "name")


# ---- against the daemon ----


@pytest.mark.parametrize(
    "weights, said",
    [
        ({"w": np.ones((4, 2))}, r"weights\['w'\] has shape \(4, 2\)"),
        ({"w": np.ones((4, 0))}, r"weights\['w'\] has shape \(4, 0\)"),
        ({"w": [1, 2, 3]}, "has 3 values, but 4 are needed"),
        ({"w": [1, 2, 3, -1]}, r"weights\['w'\]\[3\] is -1, but finite numbers >= 0"),
        ({"w": [1, 2, 3, float("nan")]}, r"\[3\] is nan"),
        ({"w\0": [1, 2, 3, 4]}, "NUL"),
        ({7: [1, 2, 3, 4]}, "7 is of type int"),
        ([1, 2, 3, 4], 'pass {"weight": weights}'),
    ],
)
def test_weights_of_a_dataset(client, weights, said):
    with pytest.raises(evendraw.BadValue, match=said):
        client.create_dataset("d", [0, 1, 0, 1], weights=weights)
    assert client.datasets() == []


def test_names_are_not_cut(client):
    for name, labels in [("a\0b", [0]), ("a", ["x\0y", "x\0z"])]:
        with pytest.raises(evendraw.BadValue, match="NUL"):
            client.create_dataset(name, labels)
    assert client.datasets() == []
    with pytest.raises(evendraw.BadValue, match="NUL"):
        client.open("a\0b")


def test_names_of_classes(client):
    client.create_dataset("d", ["1.0", "10.0", "+2", None, "-1"])
    stats = client.dataset_stats("d")
    assert stats["class"] == ["-1", "1", "2", "10"]
    category = pandas.CategoricalDtype(["b", "c", "a"])
    client.create_dataset("e", pandas.Series(["b", "a"], dtype=category))
    assert client.dataset_stats("e")["count"].tolist() == [1, 0, 1]
    with pytest.raises(evendraw.BadValue, match="one-hot, pass labels.argmax"):
        client.create_dataset("f", np.eye(3))


def test_report(client):
    client.create_dataset("d", [0, 1] * 4)
    client.create_job("j", "d", 8)
    with client.open("j") as stream:
        batch = stream.next()
        right = [0, 1] * 4
        for wrong, said in [
            ({"predicted": right[:7]}, "predicted has 7 values, but 8 are needed"),
            ({"predicted": np.ones((8, 2))}, r"predicted has shape \(8, 2\).*argmax\(1\)"),
            ({"predicted": [*right[:7], 1.5]}, r"predicted\[7\] is 1.5"),
            ({"predicted": [-1, *right[1:]]}, r"predicted\[0\] is -1"),
            ({"predicted": [2**32, *right[1:]]}, r"predicted\[0\] is 4294967296"),
            ({"loss": [float("inf")] * 8}, r"loss\[0\] is inf"),
            ({"loss": torch.ones(4)}, "loss has 4 values"),
            ({"loss": torch.tensor(1.0)}, r"loss has shape \(\)"),
            ({"score": [1.5] * 8}, r"score\[0\] is 1.5, but finite numbers from 0 to 1"),
            ({"score": torch.ones(8, 2)}, r"score has shape \(8, 2\)"),
        ]:
            with pytest.raises(evendraw.BadValue, match=said) as caught:
                client.report("j", batch, **{"predicted": right, **wrong})
            assert caught.value.detail == next(iter(wrong))
        loss = torch.full((8, 1), 0.5, dtype=torch.bfloat16, requires_grad=True)
        score = torch.full((8,), 0.25, dtype=torch.float16, requires_grad=True)
        predicted = torch.tensor(batch.index % 2)[:, None]
        assert client.report("j", batch, predicted, loss=loss, score=score)["counted"]
    answer = client.confusion("j")
    assert answer["accuracy"] == 1 and answer["mean_loss"] == 0.5


def test_strategy_of_tensors(client):
    client.create_dataset("d", [0, 1] * 4)
    weights = torch.tensor([0.0, 1.0], dtype=torch.bfloat16, requires_grad=True)
    client.create_job("j", "d", 8, {"kind": "weighted", "weight": "explicit", "weights": weights})
    with client.open("j") as stream:
        assert set(stream.next().index % 2) == {1}


@pytest.mark.parametrize(
    "weights, said",
    [
        (torch.ones(4, 2), r"weights has shape \(4, 2\), but one value for each sample"),
        (torch.ones(4, 0), r"weights has shape \(4, 0\)"),
        ([], "weights is empty"),
        ([1, -1], r"weights\[1\] is -1, but finite numbers >= 0"),
        ([1, float("nan")], r"weights\[1\] is nan"),
        ((w for w in [1, 2]), "weights is of type generator"),
    ],
)
def test_weights_of_a_sampler(client, weights, said):
    with pytest.raises(evendraw.BadValue, match=said):
        evendraw.torch.WeightedRandomSampler(weights, 4, job="train")
    with pytest.raises(evendraw.BadValue, match="has 3 values, but 4 are needed"):
        evendraw.torch.Sampler(weights=[1, 2, 3], labels=[0, 1, 0, 1], job="train")
    assert client.datasets() == client.jobs() == []


def test_weights_with_a_gradient(daemon):
    weights = torch.tensor([[0.0], [1.0], [0.0], [3.0]], dtype=torch.bfloat16, requires_grad=True)
    sampler = evendraw.torch.WeightedRandomSampler(weights, 40, job="train")
    drawn = list(sampler)
    assert len(drawn) == 40 and set(drawn) == {1, 3}


class Pets(torch.utils.data.Dataset):
    targets = [0, 1, 1, 2, 0, 1]
    classes = ["cat", "dog", "fox"]

    def __len__(self):
        return 6


def test_indices_of_a_sampler(client):
    Sampler = evendraw.torch.ImbalancedDatasetSampler
    for indices, said in [
        ([0, 6], r"indices\[1\] is 6, but whole numbers from 0 to 5"),
        ([-1], r"indices\[0\] is -1"),
        ([1.5], r"indices\[0\] is 1.5"),
        (np.array([True] * 6), "mask.*flatnonzero"),
        ([1, 2, 1], "sample 1 more than once"),
        ([], "indices is empty"),
    ]:
        with pytest.raises(evendraw.BadValue, match=said):
            Sampler(Pets(), indices=indices, job="train")
    assert client.datasets() == client.jobs() == []
    sampler = Sampler(Pets(), indices=torch.tensor([1, 3]), num_samples=20, job="train")
    assert set(sampler) == {1, 3}
    stats = client.dataset_stats("train")  # the names are the dataset's
    assert stats["class"] == Pets.classes and stats["count"].tolist() == [0, 1, 1]
    labels = pandas.Series(["b", "a", None, "b"], dtype=pandas.CategoricalDtype(["b", "c", "a"]))
    sampler = Sampler(None, labels, [0, 2], job="category")
    assert set(sampler) == {0}
    assert client.dataset_stats("category")["count"].tolist() == [1, 0, 0]
