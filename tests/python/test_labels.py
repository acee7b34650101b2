"""Labels of every kind as class names and numbers."""

import array
import collections
import io
import pathlib
from decimal import Decimal

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
        ([0.5, 10.0, 1.5], ["0.5", "1.5", "10"], [0, 2, 1]),
        ([0, 1, float("nan")], ["0", "1"], [0, 1, N]),
        (["+1", "-1", "+1"], ["-1", "1"], [1, 0, 1]),
        (["10.0", "2.0", "1.0"], ["1", "2", "10"], [2, 1, 0]),
        (["1.0", "+1", 1, 1.0, "1", b"1"], ["1"], [0] * 6),
        (["-0", "0", -0.0, 0], ["0"], [0] * 4),
        (["010", "9", "10", "0010"], ["9", "0010", "010", "10"], [2, 0, 3, 1]),
        (["-07", "-8", 0], ["-8", "-07", "0"], [1, 0, 2]),
        ([2**63, -1, 5], ["-1", "5", str(2**63)], [2, 0, 1]),
        ([str(2**64), str(-(2**65)), "7"], [str(-(2**65)), "7", str(2**64)], [2, 0, 1]),
        ([2**53 + 1, 2.0**53, None], [str(2**53), str(2**53 + 1)], [1, 0, N]),
        ([True, 1, 0, "True"], ["0", "1", "True"], [2, 1, 0, 2]),
        (["1.", " 2", "1e3", "10"], [" 2", "1.", "10", "1e3"], [1, 0, 3, 2]),
        (["10", "9", "a"], ["10", "9", "a"], [0, 1, 2]),
        (["\U0001f600", "\uffff", "\u00e9"], ["\u00e9", "\uffff", "\U0001f600"], [2, 1, 0]),
        (["a\0", "a"], ["a", "a\0"], [1, 0]),
        ([Decimal("1.0"), 1, Decimal("0.5")], ["0.5", "1"], [1, 1, 0]),
        ([[2], [1]], ["1", "2"], [1, 0]),
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
    check(np.array([0.1, 10, 5], dtype="f4"), ["0.1", "5", "10"], [0, 2, 1])
    check(np.array([2.0**70, 0.5, np.inf]), ["0.5", str(2**70), "inf"], [1, 0, 2])
    check(np.array([-0.0, 0.0, 2.0**63]), ["0", str(2**63)], [0, 0, 1])
    check(np.array([b"+1", b"-1"]), ["-1", "1"], [1, 0])
    days = np.array(["2020-01-02", "NaT", "2020-01-01"], "M8[D]")
    check(days, ["2020-01-01", "2020-01-02"], [1, N, 0])
    check(np.ma.array([3, 1, 2], mask=[0, 1, 0]), ["2", "3"], [1, N, 0])
    check(torch.tensor([2, 0, 2]), ["0", "2"], [1, 0, 1])
    check(torch.tensor([2.0, 0.0], dtype=torch.bfloat16, requires_grad=True), ["0", "2"], [1, 0])
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
        (["b", None, "a"], pandas.CategoricalDtype(["b", "a", "c"]), ["b", "a", "c"], [0, N, 1]),
        ([3, 1], pandas.CategoricalDtype([3, 2, 1]), ["3", "2", "1"], [0, 2]),
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
    check(["+1", -1, None], ["1", "-1"], [0, 1, N], classes=["1", -1])
    check([0, 1], ["10", "11"], [0, 1], classes=["10", "11"])  # as ImageFolder's
    check([1.0, None], ["cat", "dog"], [1, N], classes=("cat", "dog"))
    check([True, False], ["no", "yes"], [1, 0], classes=["no", "yes"])
    check([True, False], ["0", "1"], [1, 0], classes=[0, 1])
    check(pandas.Categorical(["b", None, "a"]), ["b", "a"], [0, N, 1], classes=["b", "a"])
    for classes, said in [
        (["a", "a"], 'both called "a"'),
        ([1, "1"], 'both called "1"'),
        (["a", None], r"classes\[1\] is None"),
        ("ab", "classes is of type str"),
        ([["a"], ["b", "c"]], "classes"),
    ]:
        with pytest.raises(evendraw.BadValue, match=said):
            evendraw.encode(["a"], classes)
    with pytest.raises(evendraw.BadValue, match="there is no label, pass None"):
        evendraw.encode([-1, 0], ["cat", "dog"])
    with pytest.raises(evendraw.BadValue, match="'fox' is none of the 2 classes"):
        evendraw.encode(["fox"], ["cat", "dog"])
    with pytest.raises(ValueError, match="2 is none of the 2 classes"):
        evendraw.encode([0, 1, 2], ["cat", "dog"])


class Named:
    def __repr__(self):
        return "same"


@pytest.mark.parametrize(
    "labels, said",
    [
        ([Named(), Named()], 'two different labels are both called "same"'),
        (np.eye(3), r"shape \(3, 3\).*one-hot, pass labels.argmax\(1\)"),
        (np.eye(3, dtype=bool), r"pass labels.argmax\(1\)"),
        (torch.eye(2, dtype=torch.int64), r"pass labels.argmax\(1\)"),
        ([[0, 1], [1, 0]], r"pass labels.argmax\(1\)"),
        ([np.array([0, 1]), np.array([1, 0])], r"pass labels.argmax\(1\)"),
        (np.array([[1, 0], [0, 0]]), r"row 1 has no 1.*argmax would be wrong"),
        (np.array([[1, 0], [1, 1]]), r"row 1 has 2 ones.*argmax would be wrong"),
        (np.array([[0.7, 0.3], [0.2, 0.8]]), r"shape \(2, 2\), but one value for each sample"),
        (np.array([[1, 2, 3]]), r"shape \(1, 3\).*pass labels\[0\]"),
        (np.zeros((4, 0)), r"shape \(4, 0\)"),
        (np.zeros((0, 4)), r"shape \(0, 4\), but one value for each sample.*\(n,\)$"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (torch.tensor(3), r"shape \(\)"),
        ({"a": 1}, "labels is of type dict: pass a list"),
        ("abc", "labels is of type str: pass a list"),
        ({1, 2}, "labels is of type set"),
        (3, "labels is of type int"),
        ([0, {"boxes": 1}], r"labels\[1\] is a dict"),
        ([[1, 2], [1]], r"labels\[0\] has 2 values"),
        ([torch.zeros(2), torch.zeros(3)], r"labels\[0\] has 2 values"),
        ([b"\xff"], "not UTF-8"),
        ([10**200], "128 digits"),
        ([1e200], "128 digits"),
        (torch.empty(3, device="meta"), "cannot be read"),
        (torch.eye(3).to_sparse(), "cannot be read"),
    ],
)
def test_refused(labels, said):
    with pytest.raises(evendraw.BadValue, match=said) as caught:
        evendraw.encode(labels)
    assert caught.value.detail == "labels"


@pytest.mark.parametrize(
    "labels",
    [
        list(torch.tensor([1, 0, 1])),
        list(torch.tensor([[1], [0], [1]])),
        list(np.array([1, 0, 1])),
        [np.array([1]), np.array(0), np.array([[1]])],
        [torch.tensor(1.0, requires_grad=True), np.int8(0), 1],
        [np.float32(1), 0, torch.tensor([1])],
        [np.str_("1"), "0", 1],
        pandas.Series([torch.tensor(1), torch.tensor(0), torch.tensor(1)]),
        pandas.DataFrame({"label": [1, 0, 1]}),
        array.array("b", [1, 0, 1]),
        collections.deque([1, 0, 1]),
        {"a": 1, "b": 0, "c": 1}.values(),
    ],
)
def test_single_values(labels):
    check(labels, ["0", "1"], [1, 0, 1])


# ---- the same order as pandas and NumPy ----


def columns():
    """Columns as people have them, of every kind, with gaps."""
    random = np.random.default_rng(7)
    whole = random.integers(-30, 30, 500)
    real = whole / 4
    gaps = np.where(random.random(500) < 0.1, np.nan, whole)
    words = np.array(["cat", "Dog", "\u00e9", "", "10", "9", "\U0001f600", "\uffff"])
    yield pandas.Series(whole)
    yield pandas.Series(whole.astype(np.uint64))
    yield pandas.Series(whole.astype(object) * 2**70)
    yield pandas.Series(gaps)
    yield pandas.Series(gaps).astype("Int64")
    yield pandas.Series(real)
    yield pandas.Series(real.astype(np.float32))
    yield pandas.Series(random.choice(words, 500))
    yield pandas.Series(random.choice(words, 500)).astype("string")
    yield pandas.Series(np.where(random.random(500) < 0.1, None, random.choice(words, 500)))
    yield pandas.Series(whole > 3)
    yield pandas.Series(random.choice(words, 500)).astype("category")


@pytest.mark.parametrize("column", columns(), ids=lambda column: str(column.dtype))
def test_order_of_pandas(column):
    expected, values = pandas.factorize(column, sort=True)
    for labels in (column, column.tolist(), column.to_numpy()):
        names, codes = evendraw.encode(labels)
        assert np.where(codes == N, -1, codes.astype(int)).tolist() == expected.tolist()
        assert len(names) == len(values)
    if not column.isna().any():
        assert codes.tolist() == np.unique(column.to_numpy(), return_inverse=True)[1].tolist()


@pytest.mark.parametrize("write", [str, "{:+d}".format, "{}.0".format, "{}.000".format])
def test_order_of_a_file_that_pandas_reads(write):
    """Text of a file gives the classes of the numbers that pandas makes of it."""
    numbers = np.random.default_rng(8).integers(-1000, 1000, 300)
    text = [write(number) for number in numbers]
    read = pandas.read_csv(io.StringIO("\n".join(["label", *text])))["label"]
    expected, values = pandas.factorize(read, sort=True)
    check(text, [str(int(v)) for v in values], expected.tolist())
    check(read, [str(int(v)) for v in values], expected.tolist())


WHOLE = ["1", "1.0", "+1", 1, 1.0, "007", "7", 7, -3, "-3.00", "0", "-0", 2**70, str(2**70), None]


@pytest.mark.parametrize(
    "values", [WHOLE, [*WHOLE, True, "1e3", "a", 0.5], [2.5, 10, 7.0, 7, -1, np.float32(0.1), None]]
)
def test_the_order_of_samples_does_not_matter(values):
    """Each sample has the same class by name, wherever it stands, and names are labels again."""
    random = np.random.default_rng(9)
    names, codes = evendraw.encode(values)
    classes = [None if code == N else names[code] for code in codes]
    for _ in range(50):
        order = random.permutation(len(values))
        again, codes = evendraw.encode([values[i] for i in order])
        assert again == names
        assert [None if code == N else again[code] for code in codes] == [classes[i] for i in order]
    assert sorted(set(names)) == sorted(evendraw.encode(classes)[0])


def test_readme_has_the_rule():
    """In the same words."""
    readme = pathlib.Path(evendraw.__file__).parents[1] / "README.md"
    rule = evendraw.labels.__doc__.split("\n\n", 2)[2]
    assert rule.startswith("Classes are the values that occur.")
    assert " ".join(rule.split()) in " ".join(readme.read_text().split())


# ---- datasets ----


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


def check_dataset(dataset, names, codes):
    """Found by labels_of, and where a dataset stands for its labels."""
    check(dataset, names, codes)
    labels, classes = evendraw.labels_of(dataset)
    check(labels, names, codes, classes)


def tensors(*labels):
    return torch.utils.data.TensorDataset(torch.zeros(len(labels), 2), torch.tensor(labels))


class Folder(torch.utils.data.Dataset):
    """As ImageFolder."""

    def __init__(self, classes, targets):
        self.classes = classes
        self.samples = [(f"{i}.png", target) for i, target in enumerate(targets)]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        raise AssertionError("a sample was loaded")


def test_parts_of_datasets():
    data = torch.utils.data
    pets = Folder(["cat", "dog", "fox"], [2, 0, 0])
    both = data.ConcatDataset([tensors(3, 1), tensors(2)])
    check_dataset(both, ["1", "2", "3"], [2, 0, 1])
    check_dataset(data.ConcatDataset([pets, pets]), ["cat", "dog", "fox"], [2, 0, 0] * 2)
    check_dataset(data.Subset(data.Subset(pets, [1, 0]), torch.tensor([1])), pets.classes, [2])
    nested = data.ConcatDataset([data.Subset(both, [2, -3]), both])
    check_dataset(nested, ["1", "2", "3"], [1, 2, 2, 0, 1])
    check_dataset(data.Subset(nested, range(1, 3)), ["3"], [0, 0])
    parts = data.random_split(both, [2, 1], generator=torch.Generator().manual_seed(1))
    for part in parts:
        expected = [[3, 1, 2][i] for i in part.indices]
        names = sorted(set(map(str, expected)))
        check_dataset(part, names, [names.index(str(e)) for e in expected])
    mixed = data.ConcatDataset([Sized(targets=["1", None]), Sized(targets=[2.0, 1])])
    check_dataset(mixed, ["1", "2"], [0, N, 1, 0])
    holes = data.ConcatDataset([tensors(1), Sized(targets=np.ma.array([5, 0], mask=[1, 0]))])
    check_dataset(holes, ["0", "1"], [1, N, 0])
    category = Sized(targets=pandas.Categorical(["b", None, "a"], ["b", "c", "a"]))
    check_dataset(category, ["b", "c", "a"], [0, N, 2])
    check_dataset(data.Subset(category, [2, 1]), ["b", "c", "a"], [2, N])
    check_dataset(data.ConcatDataset([category, category]), ["b", "c", "a"], [0, N, 2] * 2)


class Sized(Dataset):
    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        raise AssertionError("a sample was loaded")


class Streamed(torch.utils.data.IterableDataset):
    def __iter__(self):
        raise AssertionError("a sample was loaded")


def test_datasets_refused():
    data = torch.utils.data
    for dataset in (Streamed(), data.ChainDataset([Streamed(), Streamed()])):
        for ask in (evendraw.labels_of, evendraw.encode):
            with pytest.raises(evendraw.BadValue, match="ConcatDataset for ChainDataset"):
                ask(dataset)
    for other in (Folder(["dog", "cat"], [0]), tensors(1)):
        with pytest.raises(evendraw.BadValue, match="parts.*have different classes .cat, dog;"):
            evendraw.labels_of(data.ConcatDataset([Folder(["cat", "dog"], [1]), other]))
    for indices, said in [
        ([0, 2], r"indices\[1\] is 2, but whole numbers from -2 to 1"),
        ([0.5], r"indices\[0\] is 0.5"),
        (np.array([True, False]), "mask.*flatnonzero"),
    ]:
        with pytest.raises(evendraw.BadValue, match=said):
            evendraw.labels_of(data.Subset(tensors(1, 2), indices))
    detection = Sized(targets=[{"boxes": []}])
    with pytest.raises(evendraw.BadValue, match=r"labels\[0\] is a dict"):
        evendraw.encode(detection)
    with pytest.raises(evendraw.BadValue, match="callback_get_label"):
        evendraw.encode(Sized())


# ---- Hugging Face's, imitated ----


class ClassLabel:
    def __init__(self, *names):
        self.names = list(names)


class HuggingFaceColumn(collections.abc.Sequence):
    """As datasets.Column, since version 4: a sequence that knows its feature."""

    def __init__(self, source, name):
        self.source, self.column_name, self.features = source, name, source.features[name]

    def __len__(self):
        return len(self.source)

    def __getitem__(self, key):
        assert isinstance(key, slice), "one by one is slow"
        return self.source.columns[self.column_name][key]


class HuggingFace:
    """What is used of datasets.Dataset: before version 4 a column is a list."""

    def __init__(self, columns, features, lists):
        self.columns, self.lists = columns, lists
        self.features = {name: features.get(name, object()) for name in columns}
        self.column_names = list(columns)

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        assert isinstance(key, str), "a sample was loaded"
        return self.columns[key] if self.lists else HuggingFaceColumn(self, key)


@pytest.mark.parametrize("lists", [True, False])
def test_hugging_face(lists):
    pets = ClassLabel("dog", "cat", "fox")

    def dataset(columns, **features):
        return HuggingFace(columns, features, lists)

    two = dataset({"image": ["", ""], "label": [1, 0]}, label=pets)
    check_dataset(two, pets.names, [1, 0])
    check(two["label"], ["0", "1"] if lists else pets.names, [1, 0])
    check_dataset(torch.utils.data.Subset(two, [1]), pets.names, [0])
    check_dataset(torch.utils.data.ConcatDataset([two, two]), pets.names, [1, 0, 1, 0])
    for missing in ([2, -1, 0], [2, None, 0], np.array([2, np.nan, 0]), torch.tensor([2, -1, 0])):
        gaps = dataset({"animal": missing, "text": [""] * 3}, animal=pets)
        check_dataset(gaps, pets.names, [2, N, 0])
    check_dataset(dataset({"x": [1], "labels": ["+1"]}), ["1"], [0])
    several = dataset({"label": [0, 1], "set": [0, 0]}, set=pets, label=pets)
    check_dataset(several, pets.names, [0, 1])
    fine = dataset({"img": [""], "fine": [1], "coarse": [0]}, fine=pets, coarse=pets)
    with pytest.raises(evendraw.BadValue, match=r"which column.*labels=dataset\['fine'\]"):
        evendraw.labels_of(fine)
    with pytest.raises(evendraw.BadValue, match=r"which column.*img, text.*dataset\['img'\]"):
        evendraw.labels_of(dataset({"img": [""], "text": [""]}))
    with pytest.raises(evendraw.BadValue, match=r"labels\[1\] is 3, but whole.* from -1 to 2"):
        evendraw.labels_of(dataset({"label": [0, 3]}, label=pets))
    with pytest.raises(evendraw.BadValue, match="of type dict"):
        evendraw.encode({"train": two})
