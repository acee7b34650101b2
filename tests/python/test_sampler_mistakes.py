"""`evendraw.sklearn` with what users get wrong, and in surroundings that are not made for it: each either works
or says what to do, and nothing is left in the daemon."""

import gc
import os
import threading

import numpy as np
import pandas
import pytest
import torch
from imblearn.pipeline import make_pipeline
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

import evendraw
from evendraw.sklearn import Sampler, balanced_batch_generator
from tables import counts, nothing_left, table, until

X, Y = table()
KINDS = ["oversampled", "undersampled", "smote", "smoten", "enn", "nearmiss-1"]


# ---- parameters ----


@pytest.mark.parametrize(
    "more, said",
    [
        ({"strategy": {"kind": ["smote"]}}, r"kind \['smote'\], and a name is needed"),
        ({"strategy": {}}, "kind None, and a name is needed"),
        ({"address": 7}, "address: 7 is of type int, not a text"),
        ({"strategy": "nearmiss-1", "sampling_strategy": {}}, "names no class"),
        *[
            ({"strategy": strategy, "sampling_strategy": given}, "sampling_strategy is .*: it is a word")
            for strategy in ("smote", "enn", "undersampled", "nearmiss-1")
            for given in (None, object(), float("nan"), True, lambda y: None)
        ],
        *[
            ({"strategy": strategy, "sampling_strategy": {0: count}}, "sampling_strategy of class 0 is .*number")
            for strategy in ("smote", "undersampled")
            for count in ("a", None, True, float("nan"), float("inf"))
        ],
        ({"sampling_strategy": {(1, 2): 3}}, r"names \(1, 2\), and y has no such class"),
        ({"sampling_strategy": {0: 100.5}}, "is 100.5: give a whole number"),
        ({"sampling_strategy": lambda y: {9: 300}}, "names 9, and y has no such class"),
        ({"strategy": "smote", "sampling_strategy": {0: 10**12}}, r"at most 1073741824 can: ask for fewer"),
        ({"k_neighbors": 10**20, "strategy": "smote"}, "from 1 to 64"),
    ],
)
def test_parameters(daemon, client, more, said):
    with pytest.raises(ValueError, match=said):
        Sampler(**more).fit_resample(X, Y)
    until(lambda: nothing_left(client))


def test_numbers_of_any_type(daemon):
    for targets in {0: 100.0}, {np.int64(0): np.int32(100)}, {0.0: np.float32(100)}, lambda y: {int(min(y)): 100}:
        assert counts(Sampler("smote", sampling_strategy=targets).fit_resample(X, Y)[1])[0] == 100
    for seed in np.uint8(3), np.int64(3):
        wanted = Sampler("smote", random_state=3, k_neighbors=4).fit_resample(X, Y)[0]
        found = Sampler("smote", random_state=seed, k_neighbors=np.int32(4)).fit_resample(X, Y)[0]
        np.testing.assert_array_equal(found, wanted)


# ---- X and y ----


def missing(kind):
    return lambda: (X, pandas.Series(np.where(Y == 0, None, Y), dtype=kind))


@pytest.mark.parametrize(
    "given, said",
    [
        (lambda: (X[:1], Y[:1]), "Got 1 class"),
        (lambda: (X[:0], Y[:0]), "Got 0 class"),
        (lambda: ([], []), "Got 0 class"),
        (lambda: (X, Y + 0.5), "Unknown label type"),
        (lambda: (X, np.where(Y == 0, np.nan, Y)), "NaN"),
        (lambda: (X, np.array(["a", "b", None], object)[Y]), "no label in row .*None.*leave out"),
        (lambda: (X, np.array(["a", "b", np.nan], object)[Y]), "no label in row .*nan.*leave out"),
        (missing("Int64"), "no label in row .*NA.*leave out"),
        (missing("category"), "NaN|no label in row .*nan.*leave out"),
        (lambda: (X, pandas.Categorical(np.array(["a", "b", None], object)[Y])), "no label in row"),
        (lambda: (np.ma.array(X, mask=X > 1), Y), "X is masked"),
        (lambda: (X, np.ma.array(Y, mask=Y > 1)), "y is masked"),
        (lambda: (None, Y), "X is of type NoneType: pass an array"),
        (lambda: (X, None), "y is of type NoneType"),
        (lambda: ("abc", [0, 0, 1]), "X is of type str"),
        (lambda: ({"a": 1}, [0]), "X is of type dict"),
        (lambda: (iter(X), Y), "X is of type .*iterator"),
        (lambda: (7, [0]), "X is of type int"),
    ],
)
def test_wrong_tables(daemon, client, given, said):
    for strategy in KINDS:
        with pytest.raises(ValueError, match=said):
            Sampler(strategy).fit_resample(*given())
    until(lambda: nothing_left(client))


@pytest.mark.parametrize("strategy", KINDS)
def test_kinds_of_pandas(daemon, strategy):
    """Categories that nobody has stay categories, several levels and names that come twice stay as they are."""
    letters = np.array(["a", "b", "c"])[Y]
    wanted = counts(Sampler(strategy).fit_resample(X, letters)[1])
    kinds = pandas.Categorical(letters, categories=["c", "unused", "b", "a"])
    for given in kinds, pandas.Series(kinds), pandas.Series(letters, dtype="string"):
        y_new = Sampler(strategy).fit_resample(X, given)[1]
        assert type(y_new) is type(given) and y_new.dtype == given.dtype and counts(y_new) == wanted
    y_new = Sampler(strategy).fit_resample(X, pandas.Series(Y, dtype="Int64"))[1]
    assert y_new.dtype == "Int64" and list(counts(y_new).values()) == list(wanted.values())
    levels = pandas.MultiIndex.from_product([range(30), range(10)])
    for columns in pandas.MultiIndex.from_product([["a", "b"], [1, 2, 3]]), pandas.Index(list("aabbcc")):
        frame = pandas.DataFrame(X, index=levels, columns=columns)
        X_new, y_new = Sampler(strategy).fit_resample(frame, pandas.Series(letters, index=levels))
        assert X_new.columns.equals(columns) and X_new.shape == (len(y_new), 6) and counts(y_new) == wanted
        np.testing.assert_array_equal(X_new, Sampler(strategy).fit_resample(X, letters)[0])


def test_tensors_come_as_arrays(daemon):
    X_new, y_new = Sampler("smote").fit_resample(torch.from_numpy(X), torch.from_numpy(Y))
    np.testing.assert_array_equal(X_new, Sampler("smote").fit_resample(X, Y)[0])
    assert isinstance(y_new, np.ndarray)


def test_class_of_two(daemon, client):
    y = np.where(np.arange(300) < 2, 0, 1)
    for strategy in "smote", "smoten", "adasyn":
        with pytest.raises(evendraw.StrategyError, match='class "0" has 2 samples, and k = 5 needs more'):
            Sampler(strategy).fit_resample(X, y)
    X_new, _ = Sampler("smote", k_neighbors=1).fit_resample(X, y)
    a, b = X[:2]
    share = (X_new[300:] - a) / (b - a)
    np.testing.assert_allclose(share, share[:, :1].repeat(6, axis=1), atol=1e-9)
    assert len(X_new) == 596 and (share >= 0).all() and (share <= 1).all()
    until(lambda: nothing_left(client))


@pytest.mark.parametrize("weight", [[None] * 300, np.full(300, np.nan), ["a"] * 300, np.ones((300, 1)), 0.5, {}])
def test_wrong_weights(daemon, weight):
    with pytest.raises(evendraw.BadValue, match="sample_weight has"):
        balanced_batch_generator(X, Y, sample_weight=weight)


# ---- surroundings ----


def pipeline(**more):
    return make_pipeline(Sampler("smote", random_state=3), LogisticRegression(max_iter=1000), **more)


def test_no_daemon(daemon):
    """Whoever looks at neighbours only needs none."""
    daemon.end()
    for use in Sampler().fit_resample, balanced_batch_generator:
        with pytest.raises(evendraw.ConnectError, match="start evendrawd, or say where it listens"):
            use(X, Y)
    assert len(Sampler("enn").fit_resample(X, Y)[0]) < 300


def test_restart_between_fits(daemon):
    """Also of a daemon that has forgotten all."""
    sampler = Sampler("smote")
    wanted = sampler.fit_resample(X, Y)[0]
    daemon.end()
    os.remove(f"{daemon.folder}/evendraw.db")
    daemon.start()
    np.testing.assert_array_equal(sampler.fit_resample(X, Y)[0], wanted)


def test_memory_of_a_pipeline(daemon, tmp_path):
    """The second fit takes what the first one drew, without a daemon."""
    first = pipeline(memory=str(tmp_path)).fit(X, Y)
    daemon.end()
    second = pipeline(memory=str(tmp_path)).fit(X, Y)
    np.testing.assert_array_equal(first[-1].coef_, second[-1].coef_)
    assert len(second[0].sample_indices_) == 3 * max(counts(Y).values())


def test_candidates_that_fail(daemon, client):
    grid = GridSearchCV(pipeline(), {"sampler__k_neighbors": [3, 1000]}, cv=3, error_score=-1)
    with pytest.warns(Warning, match="k is 1000: it can be from 1 to 64"):
        scores = grid.fit(X, Y).cv_results_["mean_test_score"]
    assert scores[0] > 0.5 and scores[1] == -1
    until(lambda: nothing_left(client))


def test_fork(daemon, client):
    """A child fits by itself; the parent's generator is not the child's, and lives on when the child ends."""
    sampler = Sampler("smote")
    wanted = sampler.fit_resample(X, Y)[0]
    generator, _ = balanced_batch_generator(X, Y, sampler="smote", random_state=0)
    next(generator)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if np.array_equal(sampler.fit_resample(X, Y)[0], wanted):
                with pytest.raises(evendraw.UsageError):
                    next(generator)
                del generator
                gc.collect()
                code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert next(generator)[0].shape == (32, 6) and len(client.jobs()) == 1
    generator.close()
    assert nothing_left(client)


def test_generators_at_once(daemon, client):
    """Each is its own, goes when nobody has it, and may be used by another thread than the one that made it."""
    alone = [
        [next(balanced_batch_generator(X, Y, sampler="smote", random_state=seed)[0])[0]] for seed in range(4)
    ]
    until(lambda: nothing_left(client))
    generators = [balanced_batch_generator(X, Y, sampler="smote", random_state=seed)[0] for seed in range(4)]
    found = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda i=i: found[i].extend(next(generators[i])[0] for _ in range(20)))
        for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, wanted in zip(found, alone):
        assert len(one) == 20
        np.testing.assert_array_equal(one[0], wanted[0])
    assert len(client.jobs()) == 4
    generators.pop().close()
    assert len(client.jobs()) == 3
    del generators, threads
    gc.collect()
    until(lambda: nothing_left(client))
    balanced_batch_generator(X, Y)  # that nobody begins
    gc.collect()
    until(lambda: nothing_left(client))


def test_job_that_somebody_drops(daemon, client):
    generator, steps = balanced_batch_generator(X, Y, batch_size=8)
    next(generator)
    client.drop_job(client.jobs()[0]["job"], force=True)
    with pytest.raises(evendraw.NotFound, match="the job was dropped"):
        for _ in range(100 * steps):
            next(generator)
