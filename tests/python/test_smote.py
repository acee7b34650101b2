"""SMOTE as Python has it: `Pairs` and `synthesise` of jobs of kind smote, and what is for categories, which
is compared with imbalanced-learn's SMOTENC and SMOTEN."""

import collections
import types

import numpy as np
import pandas
import pytest
import torch
from imblearn.over_sampling import SMOTEN, SMOTENC

import evendraw
import evendraw.torch
from evendraw.torch import Pairs

SIZES = 60, 25, 12
N = sum(SIZES)
Y = np.random.default_rng(0).permutation(np.repeat(np.arange(3), SIZES))
X = np.random.default_rng(1).normal(size=(N, 4)) + Y[:, None]


def smote_job(client, features, variant="regular"):
    """The dataset, its neighbours and the job; the neighbours within the class."""
    client.create_dataset("pets", Y)
    client.neighbours("pets", features)
    client.create_job("train", "pets", 8, {"kind": "smote", "variant": variant}, last_batch="short")
    return client.attachment("pets", "class")[0]


def epoch_of(client):
    with client.open("train", columns=["label", "mix_index", "mix_lambda"]) as stream:
        return list(stream)


# ---- Pairs ----


@pytest.mark.parametrize("variant", ["regular", "borderline-1", "borderline-2", "adasyn"])
def test_pairs(daemon, client, variant):
    """A run with any number of workers is the same to the bit, and is what imbalanced-learn's formula says."""
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    strategy = {"kind": "smote", "variant": variant} | ({"m": 5} if "borderline" in variant else {})
    near = smote_job(client, X)
    runs = []
    for number, workers in enumerate((0, 1, 2, 2)):
        client.create_job(f"run {number}", "pets", 12, strategy, mode="ranked", seed=3)
        train = Pairs(data, "smote")
        loader = evendraw.torch.DataLoader(
            train, batch_sampler=evendraw.torch.BatchSampler(f"run {number}", dataset=train),
            num_workers=workers)
        runs.append([])
        for _ in range(2):
            for x, y in loader:
                batch = loader.current
                runs[-1].append((x, y, batch.index, batch.mix_index, batch.mix_lambda))
    for run in runs[1:]:
        assert len(run) == len(runs[0])
        for (x, y, *numbers), (x_0, y_0, *numbers_0) in zip(run, runs[0]):
            assert torch.equal(x, x_0) and torch.equal(y, y_0)
            assert all((a == b).all() for a, b in zip(numbers, numbers_0))
    made = collections.Counter()
    for x, y, index, partner, share in runs[0]:
        share = share[:, None].astype(float)
        np.testing.assert_array_equal(x.numpy(), X[index] + share * (X[partner] - X[index]))
        np.testing.assert_array_equal(y.numpy(), Y[index])
        for i, j, s in zip(index, partner, share):
            made[variant, bool(s), Y[i] == Y[j]] += 1
            assert s == 0 or j in near[i] or variant == "borderline-2" and Y[i] != Y[j] and s < 0.5
    if variant != "adasyn":  # of which an epoch's end is dropped
        assert made[variant, False, True] == 2 * N
        assert made[variant, True, True] + made[variant, True, False] == 2 * (3 * SIZES[0] - N)
    assert (made[variant, True, False] > 0) == (variant == "borderline-2")


def test_a_dataset_without_neighbours(daemon):
    train = Pairs(torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), "smote")
    with pytest.raises(evendraw.NotFound, match='no attachment "class".*client.neighbours.*create_job'):
        evendraw.torch.BatchSampler(train, 8, strategy="smote")


# ---- SMOTE-NC ----

COLORS = np.array(["blue", "green", "red", "yellow"])


def mixed_table(seed, dtype=object):
    """Columns 0 and 2 are numbers, 1 and 3 categories, which depend on the class."""
    generator = np.random.default_rng(seed)
    color = (Y + generator.integers(0, 3, N)) % 4
    size = (Y + generator.integers(0, 2, N)) % 3
    table = np.empty((N, 4), dtype)
    table[:, [0, 2]] = X[:, :2]
    table[:, 1] = COLORS[color] if dtype is object else color
    table[:, 3] = size
    return table


def spied_smotenc(monkeypatch, table, seed, **more):
    """What SMOTENC makes; and as batches, of which bases, partners and shares."""
    batches, of_class = [], {}
    original = SMOTENC._generate_samples

    def generate(self, X_class, nn_data, nn_num, rows, cols, steps):
        new = original(self, X_class, nn_data, nn_num, rows, cols, steps)
        where = np.flatnonzero(np.isin(Y, [c for c in range(3) if (Y == c).sum() == X_class.shape[0]]))
        batches.append(types.SimpleNamespace(
            index=where[rows], mix_index=where[nn_num[rows, cols]], mix_lambda=steps.ravel()))
        for row, near in zip(where, nn_num):
            of_class[row] = where[near]
        return new

    with monkeypatch.context() as patch:
        patch.setattr(SMOTENC, "_generate_samples", generate)
        made = SMOTENC([1, 3], random_state=seed, **more).fit_resample(table, Y)
    return made, batches, of_class


@pytest.mark.parametrize("seed", range(4))
def test_smotenc_as_imbalanced_learn(client, monkeypatch, seed):
    """The same neighbours in the encoded features, and of the same bases, partners and shares the same new
    samples, but for categories that come equally often: there imbalanced-learn takes any of them."""
    table = mixed_table(seed)
    encoded = evendraw.encode_nominal(table, Y, categorical=[1, 3])
    (_, made_y), batches, of_class = spied_smotenc(monkeypatch, table, seed)
    made_X = spied_smotenc(monkeypatch, table, seed)[0][0]
    near = smote_job(client, encoded, "smotenc")
    assert encoded.shape == (N, 2 + 4 + 3) and len(of_class) == SIZES[1] + SIZES[2]
    for row, rows in of_class.items():
        assert sorted(near[row]) == sorted(rows)  # equally near: not in these tables
    at, ties, compared = N, 0, 0
    for batch in batches:
        ours = evendraw.synthesise(table, batch, categorical=[1, 3], neighbours=near)
        theirs = made_X[at : at + len(ours)]
        at += len(ours)
        np.testing.assert_allclose(ours[:, [0, 2]].astype(float), theirs[:, [0, 2]].astype(float), rtol=1e-6)
        for base, our, their in zip(batch.index, ours, theirs):
            for column in 1, 3:
                values = collections.Counter(table[near[base], column])
                most = [value for value, n in values.items() if n == max(values.values())]
                assert our[column] in most and their[column] in most
                assert our[column] == next(v for v in table[near[base], column] if v in most)
                ties += len(most) > 1
                compared += 1
                assert len(most) > 1 or our[column] == their[column]
    assert at == len(made_X) and ties < 0.4 * compared
    # As many of each class, each in turn.
    counts = collections.Counter(np.concatenate([batch.label for batch in epoch_of(client)]).tolist())
    assert counts == collections.Counter(made_y.tolist())


@pytest.mark.parametrize("smallest", [0, 2])
def test_the_smallest_class_sets_the_scale(smallest):
    """Of several it is the first in y, as in imbalanced-learn."""
    y = np.array([1, 1, 1, smallest, smallest, 2 - smallest, 2 - smallest])
    table = np.random.default_rng(4).normal(size=(7, 3))
    table[:, 1] = [0, 1, 2, 0, 1, 2, 0]
    encoded = evendraw.encode_nominal(table, y, categorical=[1])
    sampler = SMOTENC([1], k_neighbors=1)
    sampler.fit_resample(table, y)
    assert encoded[0, 2] == pytest.approx(sampler.median_std_ / 2)
    assert (encoded[:, 2:] > 0).sum(axis=1).tolist() == [1] * 7
    np.testing.assert_array_equal(encoded[:, :2], table[:, [0, 2]])


def test_kinds_of_tables(client):
    """Numbers, objects, DataFrames, lists and tensors give the same; columns by name, mask or position."""
    table = mixed_table(7, np.float64)
    near = smote_job(client, evendraw.encode_nominal(table, Y, categorical=[1, 3]))
    batches = epoch_of(client)
    frame = pandas.DataFrame({"a": table[:, 0], "color": COLORS[table[:, 1].astype(int)], "b": table[:, 2],
                              "size": table[:, 3].astype(int)})
    for categorical in ["color", "size"], [3, 1], np.array([False, True, False, True]):
        np.testing.assert_array_equal(evendraw.encode_nominal(frame, Y, categorical=categorical),
                                      evendraw.encode_nominal(table, Y, categorical=[1, 3]))
    for batch in batches:
        wanted = evendraw.synthesise(table, batch, categorical=[1, 3], neighbours=near)
        assert wanted.dtype == np.float64 and wanted.shape == (len(batch), 4)
        alone = batch.mix_lambda == 0
        np.testing.assert_array_equal(wanted[alone], table[batch.index[alone]])
        share = batch.mix_lambda.astype(float)[:, None]
        between = table[batch.index] + share * (table[batch.mix_index] - table[batch.index])
        np.testing.assert_array_equal(wanted[:, [0, 2]], between[:, [0, 2]])
        got = evendraw.synthesise(frame, batch, categorical=["color", "size"], neighbours=near)
        assert got[:, 1].tolist() == COLORS[wanted[:, 1].astype(int)].tolist()
        assert got[:, [0, 2, 3]].tolist() == wanted[:, [0, 2, 3]].tolist()
        got = evendraw.synthesise(table.tolist(), batch, categorical=[1, 3], neighbours=torch.from_numpy(near.astype(int)))
        assert got.tolist() == wanted.tolist()
        tensor = evendraw.synthesise(torch.from_numpy(table).float(), batch, categorical=[1, 3], neighbours=near)
        assert tensor.dtype == torch.float32 and np.allclose(tensor.numpy(), wanted, atol=1e-6)


def test_what_is_missing_is_a_category():
    table = np.array([[0.0, None], [1.0, np.nan], [2.0, "a"], [3.0, pandas.NA], [4.0, "a"]], dtype=object)
    near = np.array([[1, 2, 4], [0, 2, 4], [1, 3, 4], [2, 0, 1], [3, 1, 0]])
    batch = types.SimpleNamespace(index=[0, 4], mix_index=[1, 0], mix_lambda=[0.5, 0.5])
    made = evendraw.synthesise(table, batch, categorical=[1], neighbours=near)
    assert made[:, 0].tolist() == [0.5, 2.0] and made[0, 1] == "a" and made[1, 1] is pandas.NA
    assert evendraw.encode_nominal(table, [0, 0, 0, 1, 1], categorical=[1]).shape == (5, 3)


# ---- SMOTE-N ----


def nominal_table(seed, columns=12):
    generator = np.random.default_rng(seed)
    return np.stack([(Y * generator.integers(0, 2) + generator.integers(0, 5, N)) % 6
                     for _ in range(columns)], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_smoten_as_imbalanced_learn(client, monkeypatch, seed):
    """The same rows are made of the same bases, where no other sample is as near as the k-th."""
    table = COLORS.repeat(2)[nominal_table(seed)] if seed == 2 else nominal_table(seed)
    client.create_dataset("pets", Y)
    info = evendraw.nominal_neighbours(client, "pets", table)
    assert info["metric"] == "vdm" and info["name"] == "class" and info["lacking"] == 0
    near, far = client.attachment("pets", "class")
    theirs = {}

    def make(self, X_class, klass, dtype, nn_indices, n):
        where = np.flatnonzero(Y == klass)
        theirs.update({row: set(where[rows].tolist()) for row, rows in zip(where, nn_indices)})
        return original(self, X_class, klass, dtype, nn_indices, n)

    original = SMOTEN._make_samples
    monkeypatch.setattr(SMOTEN, "_make_samples", make)
    rows = collections.defaultdict(set)
    for number in range(80):
        made_X, made_y = SMOTEN(random_state=number).fit_resample(table, Y)
        for x, y in zip(made_X[N:].tolist(), made_y[N:].tolist()):
            rows[y].add(tuple(x))
    assert all((far[:, 1:] >= far[:, :-1]).tolist()[i] for i in range(N))
    same = [row for row, found in theirs.items() if found == {row, *near[row].tolist()}]
    assert len(same) > 0.8 * len(theirs)  # the others are ties
    batch = types.SimpleNamespace(index=same, mix_index=near[same, 0], mix_lambda=np.full(len(same), 0.5))
    made = evendraw.synthesise(table, batch, categorical=range(table.shape[1]), neighbours=near)
    assert made.dtype == table.dtype
    for row, new in zip(same, made.tolist()):
        assert tuple(new) in rows[Y[row]]
    # A job of that variant: as many of each class, of bases that are all equally likely.
    client.create_job("train", "pets", 8, {"kind": "smote", "variant": "smoten"}, last_batch="short")
    found = epoch_of(client)
    assert collections.Counter(np.concatenate([batch.label for batch in found]).tolist()) == \
        collections.Counter(made_y.tolist())


def test_value_differences(monkeypatch):
    """Each distance, by imbalanced-learn's metric."""
    from imblearn.metrics.pairwise import ValueDifferenceMetric

    from evendraw import _nominal

    table = nominal_table(5)
    for labels in Y, np.where(Y == 2, 0, Y):  # three classes, and two
        theirs = ValueDifferenceMetric().fit(table, labels).pairwise(table)
        codes = labels.astype(np.uint32)
        index, far = _nominal.value_differences(table, codes, codes, 4)
        for row in range(N):
            where = np.flatnonzero(labels == labels[row])
            where = where[where != row]
            np.testing.assert_allclose(far[row], np.sort(theirs[row, where])[:4], rtol=1e-6)
            np.testing.assert_allclose(far[row], theirs[row, index[row]], rtol=1e-6)
    # In pieces it is the same.
    monkeypatch.setattr(_nominal, "_BLOCK", 7)
    pieces = _nominal.value_differences(table, codes, codes, 4)
    np.testing.assert_array_equal(pieces[0], index)


def test_samples_without_a_label(client):
    labels = [None if i % 5 == 0 else int(y) for i, y in enumerate(Y)]
    client.create_dataset("pets", labels)
    evendraw.nominal_neighbours(client, "pets", nominal_table(6), k=3)
    near, far = client.attachment("pets", "class")
    for i in range(N):
        if labels[i] is None:
            assert (near[i] == 2**32 - 1).all() and np.isinf(far[i]).all()
        else:
            assert all(labels[j] == labels[i] and j != i for j in near[i])
    client.create_job("j", "pets", 8, {"kind": "smote", "variant": "smoten", "k": 3})


# ---- mistakes ----

BATCH = types.SimpleNamespace(index=[0], mix_index=[1], mix_lambda=[0.5])
NEAR = np.array([[1, 2], [0, 2], [1, 0]])
TABLE = [[0.5, "a"], [1.5, "b"], [2.5, "a"]]


@pytest.mark.parametrize("given, error, said", [
    ({"categorical": [1]}, evendraw.UsageError, "go together"),
    ({"neighbours": NEAR}, evendraw.UsageError, "go together"),
    ({"categorical": [2], "neighbours": NEAR}, evendraw.BadValue, r"categorical\[0\] is 2, .* from 0 to 1"),
    ({"categorical": [-1], "neighbours": NEAR}, evendraw.BadValue, r"categorical\[0\] is -1"),
    ({"categorical": [True], "neighbours": NEAR}, evendraw.BadValue, "X has 2 columns"),
    ({"categorical": ["color"], "neighbours": NEAR}, evendraw.BadValue, "no column 'color'"),
    ({"categorical": "color", "neighbours": NEAR}, evendraw.BadValue, "give a list of columns"),
    ({"categorical": 1, "neighbours": NEAR}, evendraw.BadValue, "give a list of columns"),
    ({"categorical": [0], "neighbours": NEAR}, evendraw.BadValue, "not of numbers.*name all"),
    ({"categorical": [1], "neighbours": NEAR[:2]}, evendraw.BadValue, r"shape \(2, 2\).*of shape \(3, k\)"),
    ({"categorical": [1], "neighbours": NEAR[:, 0]}, evendraw.BadValue, r"shape \(3,\)"),
    ({"categorical": [1], "neighbours": NEAR + 0.5}, evendraw.BadValue, "float64.*whole numbers"),
    ({"categorical": [1], "neighbours": np.where(NEAR == 2, 2**32 - 1, NEAR)}, evendraw.BadValue,
     "none for sample 0"),
])
def test_mistakes(given, error, said):
    with pytest.raises(error, match=f"(?s){said}"):
        evendraw.synthesise(TABLE, BATCH, **given)


def test_mistakes_in_tables():
    whole = np.array([[1, 2], [3, 4], [5, 6]])
    with pytest.raises(evendraw.BadValue, match="X is of int64.*floating point"):
        evendraw.synthesise(whole, BATCH, categorical=[1], neighbours=NEAR)
    assert evendraw.synthesise(whole, BATCH, categorical=[0, 1], neighbours=NEAR).tolist() == [[1, 2]]
    with pytest.raises(evendraw.BadValue, match="several kinds, which have no order"):
        evendraw.synthesise([[1.0, "a"], [2.0, 3], [3.0, "b"]], BATCH, categorical=[1], neighbours=NEAR)
    for wrong, given, said in [
        (TABLE, {"y": [0, 1]}, "y has 2 labels, and X 3 rows"),
        (TABLE, {"y": [None] * 3}, "no sample has a label"),
        ([[1.0, "a"], [np.inf, "b"], [0.0, "a"]], {}, "X has inf in row 1, column 0"),
        ([["a", "a"], ["b", "b"], ["c", "a"]], {}, "not of numbers"),
        ([["a", "a"], ["b", "b"], ["c", "a"]], {"categorical": [0, 1]}, "nominal_neighbours.*smoten"),
        (np.ones(3), {}, r"X has shape \(3,\)"),
    ]:
        with pytest.raises(evendraw.BadValue, match=said):
            evendraw.encode_nominal(wrong, **{"y": [0, 0, 1], "categorical": [1], **given})


def test_mistakes_with_nominal_neighbours(client):
    client.create_dataset("pets", Y)
    table = nominal_table(0)
    with pytest.raises(evendraw.BadValue, match=f"X has 5 rows, and pets, version 1, has {N} samples"):
        evendraw.nominal_neighbours(client, "pets", table[:5])
    with pytest.raises(evendraw.BadValue, match="class number 2 has 12 samples, and 13 are needed for 12"):
        evendraw.nominal_neighbours(client, "pets", table, k=12)
    for k in 0, 65, True, 2.5:
        with pytest.raises(evendraw.LimitError, match="from 1 to 64"):
            evendraw.nominal_neighbours(client, "pets", table, k=k)
    with pytest.raises(evendraw.NotFound, match="cats"):
        evendraw.nominal_neighbours(client, "cats", table)
    evendraw.nominal_neighbours(client, "pets", table)
    evendraw.nominal_neighbours(client, "pets", table)  # the same
    with pytest.raises(evendraw.Exists):
        evendraw.nominal_neighbours(client, "pets", table[::-1])
