"""Labels of every kind as class names and numbers."""

import numpy as np
import pandas
import pytest
import torch

import evendraw
from evendraw.labels import UNLABELLED


def check(labels, names, codes, classes=None):
    found, numbers = evendraw.encode(labels, classes)
    assert found == names
    assert numbers.dtype == np.uint32
    assert numbers.tolist() == codes


class Series:
    """What is used of pandas.Series."""

    def __init__(self, values):
        self.values = values

    def to_numpy(self):
        return np.array(self.values, dtype=object)


class NotAvailable:
    """As pandas.NA: comparing it gives itself, and it has no truth value."""

    def __ne__(self, other):
        return self

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")


N = UNLABELLED


@pytest.mark.parametrize(
    "labels, names, codes",
    [
        ([3, 1, 3, 2], ["1", "2", "3"], [2, 0, 2, 1]),
        ([10, 9], ["9", "10"], [1, 0]),
        ([-1, 0], ["-1", "0"], [0, 1]),
        (["dog", "cat", "dog"], ["cat", "dog"], [1, 0, 1]),
        ([True, False], ["False", "True"], [1, 0]),
        ([1, None, 0], ["0", "1"], [1, N, 0]),
        (["b", None, float("nan"), "a"], ["a", "b"], [1, N, N, 0]),
        ([1.5, float("nan"), 0.5], ["0.5", "1.5"], [1, N, 0]),
        ([("a", 2), ("a", 1)], ["('a', 1)", "('a', 2)"], [1, 0]),
        ([1, "a", 0], ["0", "1", "a"], [1, 2, 0]),
        ([2**70, 5], ["5", str(2**70)], [1, 0]),
        ([], [], []),
        (range(3), ["0", "1", "2"], [0, 1, 2]),
        ((c for c in "ba"), ["a", "b"], [1, 0]),
    ],
)
def test_lists(labels, names, codes):
    check(labels, names, codes)


@pytest.mark.parametrize("kind", ["u1", "i1", "<i4", ">i4", "i8", "u8"])
def test_integer_arrays(kind):
    check(np.array([7, 3, 7, 5], dtype=kind), ["3", "5", "7"], [2, 0, 2, 1])


def test_other_arrays():
    check(np.array([2.0, np.nan, 1.0]), ["1", "2"], [1, N, 0])  # integers with a gap
    check(np.array(["x", "a"]), ["a", "x"], [1, 0])
    check(np.array([0, 2**62]), ["0", str(2**62)], [0, 1])  # far apart
    check(np.array([0, 2**64 - 1], dtype="u8"), ["0", str(2**64 - 1)], [0, 1])
    check(np.array([250, 255, 0], dtype="u1"), ["0", "250", "255"], [1, 2, 0])
    check(np.array([[1], [0]]), ["0", "1"], [1, 0])
    check(torch.tensor([2, 0, 2]), ["0", "2"], [1, 0, 1])
    check(Series(["b", None, NotAvailable(), "a"]), ["a", "b"], [1, N, N, 0])


@pytest.mark.parametrize(
    "values, dtype, names, codes",
    [
        (["dog", None, "cat"], None, ["cat", "dog"], [1, N, 0]),
        (["dog", None, "cat"], "string", ["cat", "dog"], [1, N, 0]),
        (["dog", None, "cat"], "category", ["cat", "dog"], [1, N, 0]),
        ([3, 1, 3], None, ["1", "3"], [1, 0, 1]),
        ([3, None, 1], None, ["1", "3"], [1, N, 0]),  # floats, in pandas
        ([3, None, 1], "Int64", ["1", "3"], [1, N, 0]),
        ([3, 1, 3], "category", ["1", "3"], [1, 0, 1]),
        ([True, False], None, ["False", "True"], [1, 0]),
        ([True, None], "boolean", ["True"], [0, N]),
    ],
)
def test_pandas(values, dtype, names, codes):
    """Rows count by their place, whatever the index is called."""
    series = pandas.Series(values, dtype=dtype, index=[7, 7, 2][: len(values)])
    check(series, names, codes)
    check(pandas.DataFrame({"label": series})["label"], names, codes)
    labels, classes = evendraw.labels_of(Dataset(targets=series))
    check(labels, names, codes, classes)


def test_classes_given():
    check([1, 0, 1], ["cat", "dog", "fox"], [1, 0, 1], classes=["cat", "dog", "fox"])
    check(["dog", None], ["dog", "cat"], [0, N], classes=["dog", "cat"])
    check([5, 3], ["5", "4", "3"], [0, 2], classes=[5, 4, 3])
    with pytest.raises(evendraw.BadValue, match="'fox' is none of the 2 classes"):
        evendraw.encode(["fox"], ["cat", "dog"])
    with pytest.raises(ValueError, match="2 is none of the 2 classes"):
        evendraw.encode([0, 1, 2], ["cat", "dog"])


def test_refused():
    with pytest.raises(evendraw.BadValue, match=r'two different labels are both called "1"'):
        evendraw.encode([1, "1"])
    with pytest.raises(evendraw.BadValue, match=r"shape \(2, 2\)"):
        evendraw.encode(np.zeros((2, 2), dtype=int))


class Dataset:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def test_datasets():
    folder = Dataset(samples=[("a.png", 1), ("b.png", 0)], classes=["cat", "dog"])
    assert evendraw.labels_of(folder) == ([1, 0], ["cat", "dog"])
    assert evendraw.labels_of(Dataset(targets=[4, 2])) == ([4, 2], None)
    assert evendraw.labels_of(Dataset(get_labels=lambda: [1])) == ([1], None)
    assert evendraw.labels_of(Dataset(), lambda dataset: [9]) == ([9], None)
    tensors = torch.utils.data.TensorDataset(torch.zeros(3, 2), torch.tensor([2, 1, 0]))
    assert evendraw.labels_of(tensors)[0].tolist() == [2, 1, 0]
    subset = torch.utils.data.Subset(tensors, [2, 0])
    assert evendraw.labels_of(subset)[0].tolist() == [0, 2]
    part = torch.utils.data.Subset(folder, [1])
    labels, classes = evendraw.labels_of(part)
    assert (list(labels), classes) == ([0], ["cat", "dog"])
    with pytest.raises(evendraw.BadValue, match="callback_get_label"):
        evendraw.labels_of(Dataset())
