"""`evendraw.sklearn.balanced_batch_generator` against imbalanced-learn's."""

import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import types

import imblearn.over_sampling
import imblearn.tensorflow
import imblearn.under_sampling
import numpy as np
import pandas
import pytest
import scipy.sparse
from sklearn.linear_model import SGDClassifier

import evendraw
from evendraw.sklearn import Sampler, balanced_batch_generator
from tables import counts, eligible, nothing_left, table, until


def numbered(seed=0, weights=(0.15, 0.3, 0.55), n=300):
    """A set whose first feature is the number of the sample."""
    X, y = table(seed, weights, n)
    X[:, 0] = np.arange(n)
    return X, y


def epochs(generator, steps, count=1):
    """Numbers of samples, of each epoch."""
    return [
        np.concatenate([X[:, 0] for X, *_ in itertools.islice(generator, steps)]).astype(int)
        for _ in range(count)
    ]


def test_as_imbalanced_learn(daemon):
    """The same steps and sizes; of every epoch the same numbers by class."""
    X, y = numbered()
    for batch_size in 1, 7, 32:
        theirs, their_steps = imblearn.tensorflow.balanced_batch_generator(X, y, batch_size=batch_size)
        ours, steps = balanced_batch_generator(X, y, batch_size=batch_size)
        assert isinstance(ours, types.GeneratorType) and steps == their_steps
        for (X_ours, y_ours), (X_theirs, y_theirs) in itertools.islice(zip(ours, theirs), steps):
            assert X_ours.shape == X_theirs.shape and y_ours.shape == y_theirs.shape
            assert X_ours.dtype == X_theirs.dtype and y_ours.dtype == y_theirs.dtype
            np.testing.assert_array_equal(X_ours, X[X_ours[:, 0].astype(int)])
            np.testing.assert_array_equal(y_ours, y[X_ours[:, 0].astype(int)])
    smallest = min(counts(y).values())
    ours, steps = balanced_batch_generator(X, y, batch_size=1)
    for epoch in epochs(ours, steps, 3):
        assert counts(y[epoch]) == dict.fromkeys(range(3), smallest)
        assert len(set(epoch)) == len(epoch)


def test_every_epoch_is_drawn_anew(daemon):
    """Where imbalanced-learn's repeats the same samples."""
    X, y = numbered()
    theirs, steps = imblearn.tensorflow.balanced_batch_generator(X, y, batch_size=3, random_state=0)
    assert len({frozenset(epoch) for epoch in epochs(theirs, steps, 4)}) == 1
    ours, steps = balanced_batch_generator(X, y, batch_size=3, random_state=0)
    found = epochs(ours, steps, 12)
    assert len({frozenset(epoch) for epoch in found}) == 12
    assert len(set(np.concatenate(found))) > 290  # of 300: nothing stays unseen


def test_seeds(daemon):
    X, y = numbered()

    def first(random_state, sampler=None):
        generator, steps = balanced_batch_generator(X, y, sampler=sampler, random_state=random_state)
        return epochs(generator, steps)[0].tolist()

    assert first(3) == first(3) != first(4)
    assert first(None) != first(None)
    assert first(None, Sampler("undersampled", random_state=3)) == first(3)
    assert first(4, Sampler("undersampled", random_state=3)) == first(4)
    assert first(4, Sampler("tomek")) == first(4, Sampler("tomek")) != first(5, Sampler("tomek"))
    theirs = imblearn.under_sampling.TomekLinks()
    assert first(4, theirs) == first(4, theirs) == first(4, Sampler("tomek"))


def test_batches_that_are_balanced(daemon):
    X, y = numbered()
    equal = {"kind": "stratified", "proportions": "equal"}
    generator, steps = balanced_batch_generator(X, y, sampler=equal, batch_size=30)
    assert steps == 10
    for _, y_batch in itertools.islice(generator, 25):
        assert counts(y_batch) == {0: 10, 1: 10, 2: 10}
    for X_batch, y_batch in itertools.islice(
        balanced_batch_generator(X, y, sampler={"kind": "p-by-k", "p": 2, "k": 5}, batch_size=10)[0], 10
    ):
        assert sorted(counts(y_batch).values()) == [5, 5]
    generator, steps = balanced_batch_generator(X, y, sampler=Sampler(sampling_strategy={0: 100, 1: 110}), batch_size=1)
    assert counts(y[epochs(generator, steps)[0]]) == {**counts(y), 0: 100, 1: 110}


@pytest.mark.parametrize("strategy", ["smote", "borderline-1", "adasyn"])
def test_points(daemon, strategy):
    """New ones in each epoch, with the label and the weight of the sample that they begin at."""
    X, y = table(2)
    weight = np.arange(300.0)
    generator, steps = balanced_batch_generator(X, y, sample_weight=weight, sampler=strategy, batch_size=8)
    pairs, seen = eligible(X, y, 5), set()
    for _ in range(2):
        made = 0
        for X_batch, y_batch, w_batch in itertools.islice(generator, steps):
            base = w_batch.astype(int)
            np.testing.assert_array_equal(y_batch, y[base])
            for row, i in zip(X_batch, base):
                if (row == X[i]).all():
                    continue
                on = [j for a, j in pairs if a == i and is_between(row, X[i], X[j])]
                assert on
                made += 1
                seen.add(row.tobytes())
        assert made > 100
    assert len(seen) > 1.9 * made


def is_between(point, first, second):
    share = (point - first) @ (second - first) / ((second - first) @ (second - first))
    return 0 <= share < 1 and np.allclose(point, first + share * (second - first))


@pytest.mark.parametrize(
    "sampler",
    [
        Sampler("enn"),
        Sampler("smotetomek", random_state=1),
        imblearn.under_sampling.NearMiss(),
        imblearn.over_sampling.SMOTE(random_state=0),
        imblearn.over_sampling.RandomOverSampler(random_state=0),
    ],
)
def test_resampled_once(daemon, sampler):
    """Then each of these rows once in an epoch, in another order each time."""
    X, y = table(3)
    X_new, y_new = sampler.fit_resample(X, y)
    generator, steps = balanced_batch_generator(X, y, sampler=sampler, batch_size=1, random_state=1)
    assert steps == len(X_new)
    wanted = sorted(map(tuple, np.column_stack([X_new, y_new])))
    orders = []
    for _ in range(2):
        rows = [(*X_batch[0], y_batch[0]) for X_batch, y_batch in itertools.islice(generator, steps)]
        assert sorted(rows) == wanted
        orders.append(rows)
    assert orders[0] != orders[1]


def test_weights(daemon):
    X, y = numbered()
    weight = np.arange(300, dtype=np.float32) / 2
    for sampler in None, "smote", Sampler("tomek"), imblearn.under_sampling.NearMiss(), Sampler("smoteenn"):
        generator, _ = balanced_batch_generator(X, y, sample_weight=weight.tolist(), sampler=sampler)
        X_batch, y_batch, w_batch = next(generator)
        assert w_batch.shape == (32,)
        np.testing.assert_array_equal(y_batch, y[(2 * w_batch).astype(int)])
    with pytest.raises(evendraw.BadValue, match="SMOTE, which does not say of which samples"):
        balanced_batch_generator(X, y, sample_weight=weight, sampler=imblearn.over_sampling.SMOTE())


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.coo_matrix])
def test_sparse(daemon, form, keep):
    X, y = numbered()
    for sampler in None, imblearn.under_sampling.RandomUnderSampler():
        generator, _ = balanced_batch_generator(form(X), y, sampler=sampler, keep_sparse=keep)
        X_batch, y_batch = next(generator)
        assert scipy.sparse.issparse(X_batch) == keep
        X_batch = X_batch.toarray() if keep else X_batch
        np.testing.assert_array_equal(X_batch, X[X_batch[:, 0].astype(int)])
        np.testing.assert_array_equal(y_batch, y[X_batch[:, 0].astype(int)])


def test_types(daemon):
    """Batches are arrays, whatever X and y are."""
    X, y = numbered()
    frame, names = pandas.DataFrame(X), pandas.Series(np.array(["a", "b", "c"])[y], index=np.arange(300) + 9)
    images = X[:, :, None].astype(np.float32)
    one_hot = scipy.sparse.csr_matrix(np.eye(3)[y])
    for given, labels in (frame, names), (X.tolist(), y.tolist()), (images, np.eye(3)[y]), (X, one_hot):
        generator, _ = balanced_batch_generator(given, labels)
        labels = labels.toarray() if labels is one_hot else labels
        X_batch, y_batch = next(generator)
        assert isinstance(X_batch, np.ndarray) and isinstance(y_batch, np.ndarray)
        index = X_batch.reshape(32, -1)[:, 0].astype(int)
        np.testing.assert_array_equal(X_batch, np.asarray(given)[index])
        np.testing.assert_array_equal(y_batch, np.asarray(labels)[index])


def test_sparse_one_hot_that_is_cleaned(daemon):
    X, y = numbered()
    generator, _ = balanced_batch_generator(X, scipy.sparse.csr_matrix(np.eye(3)[y]), sampler="tomek")
    X_batch, y_batch = next(generator)
    np.testing.assert_array_equal(y_batch.argmax(axis=1), y[X_batch[:, 0].astype(int)])


def test_trains(daemon, client):
    """A model of scikit-learn, batch after batch, by another thread."""
    X, y = table(5)
    model = SGDClassifier(random_state=0)
    generator, steps = balanced_batch_generator(X, y, random_state=0)

    def train():
        for X_batch, y_batch in itertools.islice(generator, 20 * steps):
            model.partial_fit(X_batch, y_batch, classes=[0, 1, 2])
        generator.close()

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert model.score(X, y) > 0.5
    assert nothing_left(client)


# ---- its job ----


def test_goes_with_its_job(daemon, client):
    """Closed, forgotten, never begun; several at once do not meet."""
    X, y = numbered()
    for sampler in None, "smote", "tomek":
        generators = [balanced_batch_generator(X, y, sampler=sampler)[0] for _ in range(3)]
        for generator in generators[:2]:
            next(generator)
        assert len(client.jobs()) == 3
        generators[0].close()
        assert len(client.jobs()) == 2
        with pytest.raises(StopIteration):
            next(generators[0])
        del generator, generators
        gc.collect()
        assert nothing_left(client)


@pytest.mark.parametrize("begun", [True, False])
def test_end_of_the_process(daemon, client, begun):
    code = f"""
import numpy as np, evendraw.sklearn
batches, steps = evendraw.sklearn.balanced_batch_generator(np.random.random((20, 2)), [0] * 6 + [1] * 14, batch_size=2)
if {begun}:
    print(next(batches)[1].shape)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "(2,)\n" * begun, "")
    assert nothing_left(client)


def test_a_job_that_is_paused(daemon, client):
    """No time after which a batch would go to somebody else, while a model is evaluated; nobody else reads it."""
    X, y = numbered()
    generator, _ = balanced_batch_generator(X, y)
    next(generator)
    (row,) = client.jobs()
    assert client.job(row["job"])["time_to_run"] == 0
    with pytest.raises(evendraw.Conflict):
        client.open(row["job"])


def test_daemon_that_is_restarted(daemon):
    """A pause; some batches may come again."""
    X, y = numbered()
    wanted, steps = balanced_batch_generator(X, y, batch_size=4, random_state=0)
    wanted = [X_batch.tobytes() for X_batch, _ in itertools.islice(wanted, 3 * steps)]
    generator, _ = balanced_batch_generator(X, y, batch_size=4, random_state=0)
    found = [next(generator)[0].tobytes() for _ in range(5)]
    daemon.end(signal.SIGKILL)
    daemon.start()
    while found[-1] != wanted[-1]:
        found.append(next(generator)[0].tobytes())
    assert list(dict.fromkeys(found)) == wanted


def test_in_another_process(daemon):
    X, y = numbered()
    generator, _ = balanced_batch_generator(X, y)
    next(generator)
    read_end, write_end = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            next(generator)
            os.write(write_end, b"a batch")
        except evendraw.UsageError as error:
            os.write(write_end, str(error).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert b"evendraw.connect()" in os.read(read_end, 1000)
    os.close(read_end)
    os.close(write_end)
    assert len(next(generator)[1]) == 32


@pytest.mark.parametrize(
    "more, said",
    [
        ({"sampler": 3}, "sampler is 3: it is a strategy"),
        ({"sampler": Sampler}, "sampler is <class"),
        ({"sampler": "smotes"}, 'no strategy "smotes"'),
        ({"sampler": "SMOTE"}, "is strategy 'smote' here"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 500}, "not one whole batch of 500"),
        ({"batch_size": 70000}, "batch"),
        ({"sample_weight": [1.0]}, r"sample_weight has shape \(1,\)"),
        ({"sampler": {"kind": "p-by-k", "p": 2, "k": 5}}, "p"),
        ({"random_state": -1}, "random_state is -1"),
        ({"sampler": {"kind": "uniform", "pairs": {"how": "mixup"}}}, "labels of two samples"),
    ],
)
def test_refused(daemon, client, more, said):
    X, y = numbered()
    with pytest.raises(ValueError, match=f"(?s){said}"):
        balanced_batch_generator(X, y, **more)
    until(lambda: nothing_left(client))
    with pytest.raises(evendraw.BadValue, match="X has 300 rows and y 299"):
        balanced_batch_generator(X, y[1:], **more)
