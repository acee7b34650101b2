"""`evendraw.torch.Ensemble`: the jobs of several models, their places, and what the models say together."""

import json

import numpy as np
import pytest
import torch
import torch.utils.data

import evendraw
import evendraw.torch
from evendraw.torch import Ensemble
from test_torch import run_ranks

SIZES = 60, 25, 10
LABELS = np.repeat(np.arange(3), SIZES)
DATASET = torch.utils.data.TensorDataset(torch.arange(len(LABELS)), torch.from_numpy(LABELS))


def epoch(loader):
    return [x.tolist() for x, _ in loader]


def flat(batches):
    return [x for batch in batches for x in batch]


# ---- jobs ----


@pytest.mark.parametrize("workers", [0, 2])
def test_parts(daemon, workers):
    """Of every class as many as the smallest has, in every epoch the same; those of a cut class in one part
    only, until it is used up."""
    ensemble = Ensemble(DATASET, 5, members=6)
    loaders = ensemble.loaders(num_workers=workers)
    assert len(loaders) == len(ensemble.samplers) == len(set(ensemble.jobs)) == 6
    parts = [sorted(flat(epoch(loader))) for loader in loaders]
    assert parts == [sorted(flat(epoch(loader))) for loader in loaders]
    for part in parts:
        assert np.bincount(LABELS[part]).tolist() == [10, 10, 10] and len(set(part)) == 30
    assert sorted(i for part in parts for i in part if i < 60) == list(range(60))
    assert len({i for part in parts[:2] for i in part if 60 <= i < 85}) == 20


def test_is_what_the_strategy_says(daemon, client):
    """Side by side, and the same as of jobs made by hand."""
    ensemble = Ensemble(DATASET, 6, members=3, parts="bootstrap", sampling_strategy={"0": 20}, seed=7)
    steps = [[x.tolist() for x, _ in batches] for batches in zip(*ensemble.loaders())]
    for member in range(3):
        strategy = {"kind": "ensemble", "member": member, "members": 3, "parts": "bootstrap"}
        strategy["sampling_strategy"] = {"0": 20}
        sampler = evendraw.torch.BatchSampler(DATASET, 6, strategy=strategy, seed=7)
        assert [batches[member] for batches in steps] == list(sampler)
    assert len({len(loader) for loader in ensemble.loaders()}) == 1


def test_resumed(daemon):
    """Some members are done, one is in the middle, others have not begun; in a new process, whose jobs are
    others."""
    straight = [[epoch(loader) for _ in range(2)] for loader in Ensemble(DATASET, 5, members=4).loaders()]
    began = Ensemble(DATASET, 5, members=4)
    loaders = began.loaders(num_workers=1)
    seen = [[epoch(loaders[0]), epoch(loaders[0])], [epoch(loaders[1])], [], []]
    rest = [x.tolist() for _, (x, _) in zip(range(2), loaders[2])]
    state = json.loads(json.dumps(began.state_dict()))
    began.drop()
    again = Ensemble(DATASET, 5, members=4)
    again.load_state_dict(state)  # before the loaders are made
    loaders = again.loaders()
    again.load_state_dict(again.state_dict())
    seen[1].append(epoch(loaders[1]))
    seen[2] += [rest + epoch(loaders[2]), epoch(loaders[2])]
    seen[3] += [epoch(loaders[3]) for _ in range(2)]
    assert seen == straight
    with pytest.raises(evendraw.BadValue, match="no state of an Ensemble"):
        again.load_state_dict(again.samplers[0].state_dict())
    with pytest.raises(evendraw.BadValue, match="of 4 members, and the ensemble has 3"):
        Ensemble(DATASET, 5, members=3).load_state_dict(state)
    with pytest.raises(evendraw.BadValue, match="another strategy"):
        Ensemble(DATASET, 5, members=4, parts="bootstrap").load_state_dict(state)


def test_names(daemon, client):
    with Ensemble("forest", 5, dataset=DATASET, members=3) as ensemble:
        assert ensemble.jobs == ["forest-0", "forest-1", "forest-2"]
        straight = epoch(ensemble.loaders()[1])
    assert [row["job"] for row in client.jobs()] == ensemble.jobs
    assert len({(row["dataset"], row["version"]) for row in client.jobs()}) == 1
    with Ensemble("forest", 5, dataset=DATASET, members=3) as same:
        assert [s.state_dict()["epoch"] for s in same.samplers] == [0, 1, 0]
    with pytest.raises(evendraw.Exists, match="(?s)forest-0.*strategy"):
        Ensemble("forest", 5, dataset=DATASET, members=4)
    anew = Ensemble("forest", 5, dataset=DATASET, members=3, exists="restart")
    assert epoch(anew.loaders()[1]) == straight
    other = Ensemble("forest", 5, dataset=DATASET, members=3)
    anew.drop()
    other.drop()  # are gone already
    assert client.jobs() == [] and client.datasets() == []


def test_cleaned_up(daemon, client):
    """Jobs without a name are removed at once if that is asked for."""
    ensemble = Ensemble(DATASET, 5, members=3)
    assert len(client.jobs()) == 3
    next(iter(ensemble.samplers[2]))
    ensemble.drop()
    assert client.jobs() == [] and client.datasets() == []


def test_ranks(daemon, client, tmp_path):
    """Two ranks share each member's job, and remove them together."""
    outputs = run_ranks(
        daemon,
        2,
        """
        from test_ensemble import *
        ensemble = Ensemble(DATASET, 5, members=2)
        print(json.dumps([epoch(loader) for loader in ensemble.loaders()]))
        ensemble.drop()
        """,
        tmp_path,
    )
    ranks = [json.loads(output) for output in outputs]
    for member, alone in enumerate(map(epoch, Ensemble(DATASET, 10, members=2).loaders())):
        assert sorted(flat(ranks[0][member] + ranks[1][member])) == sorted(flat(alone))
    assert len(client.jobs()) == 2  # those made last


@pytest.mark.parametrize("members", [0, -1, True, 1.5, "3", None])
def test_how_many(daemon, members):
    with pytest.raises(evendraw.BadValue, match="number of models"):
        Ensemble(DATASET, 5, members=members)


def test_mistakes(daemon, client):
    with pytest.raises(evendraw.UsageError, match="leave strategy= out"):
        Ensemble(DATASET, 5, strategy="weighted")
    with pytest.raises(evendraw.Error, match="members"):
        Ensemble(DATASET, 5, members=10**12)
    with pytest.raises(evendraw.Error, match="thirds"):
        Ensemble(DATASET, 5, parts="thirds")
    assert client.jobs() == [] and client.datasets() == []
    with pytest.raises(evendraw.UsageError, match="pass the dataset"):
        Ensemble(None, 5, labels=LABELS).loaders()
    with pytest.raises(TypeError):
        Ensemble(DATASET, 5, sieve=3)


# ---- predictions ----


def say(*rows):
    """A model that returns just that."""
    return lambda x: torch.tensor(rows, dtype=torch.float64)


@pytest.fixture
def three(daemon):
    return Ensemble(DATASET, 5, members=3)


def by_hand(probabilities, how):
    """As `predict`, with NumPy and in words: probabilities of shape (members, n, classes)."""
    classes = []
    for sample in range(probabilities.shape[1]):
        mean = probabilities[:, sample].mean(0)
        votes = np.bincount(probabilities[:, sample].argmax(1), minlength=len(mean))
        candidates = np.flatnonzero(votes == votes.max()) if how == "vote" else np.arange(len(mean))
        classes.append(max(candidates, key=lambda c: (mean[c], -c)))
    return classes


def test_against_numpy(three):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(3, 400, 4)) * 3
    scaled = np.exp(logits)
    probabilities = scaled / scaled.sum(2, keepdims=True)
    for given, outputs in (logits, "logits"), (probabilities, "probabilities"):
        models = [lambda x, one=one: one[x] for one in given]  # arrays, as scikit-learn's predict_proba
        x = np.arange(400)
        mean = three.probabilities(models, x, outputs=outputs)
        assert mean.dtype == torch.float64
        np.testing.assert_allclose(mean.numpy(), probabilities.mean(0), rtol=1e-12)
        differs = 0
        for how in "mean", "vote":
            said = three.predict(models, x, how, outputs=outputs)
            assert said.dtype == torch.int64 and said.tolist() == by_hand(probabilities, how)
            differs += sum(said.tolist() != probabilities.mean(0).argmax(1))
        assert differs > 0  # the two ways are not one


def test_as_scikit_learn(three):
    """Its VotingClassifier, soft and hard (which breaks ties by the lower class only)."""
    from sklearn.ensemble import VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.tree import DecisionTreeClassifier

    generator = np.random.default_rng(1)
    y = generator.integers(0, 3, 300)
    x = generator.normal(size=(300, 4)) + y[:, None] * 0.7
    kinds = [("a", LogisticRegression()), ("b", GaussianNB()), ("c", DecisionTreeClassifier(max_depth=2))]
    for how, voting in ("mean", "soft"), ("vote", "hard"):
        theirs = VotingClassifier(kinds, voting=voting).fit(x, y)
        models = [one.predict_proba for one in theirs.estimators_]
        ours = three.predict(models, x, how, outputs="probabilities").numpy()
        votes = np.stack([one.predict(x) for one in theirs.estimators_])
        tied = [len(set(column)) == 3 for column in votes.T]
        agree = ours == theirs.predict(x)
        assert agree.all() if how == "mean" else agree[~np.array(tied)].all() and any(tied)


def test_ties(three):
    """Of votes by the mean, and of means by the lower number."""
    models = [say([0.6, 0.3, 0.1]), say([0.0, 0.55, 0.45]), say([0.2, 0.2, 0.6])]
    assert three.predict(models, None, "vote", outputs="probabilities").tolist() == [2]
    models = [say([0.5, 0.25, 0.25]), say([0.25, 0.5, 0.25]), say([0.25, 0.25, 0.5])]
    for how in "vote", "mean":
        assert three.predict(models, None, how, outputs="probabilities").tolist() == [0]
    # Two votes are more than one that is surer.
    models = [say([0.0, 0.51, 0.49]), say([0.0, 0.51, 0.49]), say([1.0, 0.0, 0.0])]
    assert three.predict(models, None, "vote", outputs="probabilities").tolist() == [1]


def test_modules(three):
    """In eval mode, without gradients, as they were; half precision is averaged in single."""
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3)).eval()
    x = torch.randn(7, 4)
    wanted = model(x).softmax(1)
    got = three.probabilities([model] * 3, x)
    assert not got.requires_grad and torch.allclose(got, wanted) and wanted.requires_grad
    assert three.probabilities([lambda x: model(x).bfloat16()] * 3, x).dtype == torch.float32
    assert three.predict([model] * 3, x[:0]).shape == (0,)
    model[1].train()
    assert three.predict([model] * 3, x).shape == (7,)  # what is in it is the caller's affair
    model.train()
    with pytest.raises(evendraw.UsageError, match=r"models\[1\] is in training mode"):
        three.predict([model.eval(), torch.nn.Linear(4, 3), model], x)


LOGITS, LIKELY = say([1.0, -2.0, 3.0]), say([0.5, 0.25, 0.25])


@pytest.mark.parametrize(
    "models, more, said",
    [
        ([LOGITS] * 2, {}, "2 models, and the ensemble has 3 members"),
        ([LOGITS, LOGITS, say([1.0, 2.0])], {}, r"models\[2\] returned shape \(1, 2\), and models\[0\] \(1, 3\)"),
        ([lambda x: torch.zeros(4)] * 3, {}, r"shape \(4,\), and \(n, classes\).*torch.stack"),
        ([lambda x: torch.zeros(4, 1)] * 3, {}, r"shape \(4, 1\)"),
        ([lambda x: {"logits": 1}] * 3, {}, r"returned a dict.*model\(x\).logits"),
        ([LIKELY] * 3, {}, 'softmax would make others: pass outputs="probabilities"'),
        ([LOGITS] * 3, {"outputs": "probabilities"}, "are no probabilities"),
        ([say([0.7, 0.7, -0.4])] * 3, {"outputs": "probabilities"}, "are no probabilities"),
        ([say([float("nan"), 0.0, 0.0])] * 3, {"outputs": "probabilities"}, "are no probabilities"),
        ([LOGITS, say([float("nan"), 0.0, 0.0]), LOGITS], {}, r"models\[1\] returned NaN"),
        ([LOGITS] * 3, {"how": "median"}, '"mean" or "vote", not .median'),
        ([LOGITS] * 3, {"outputs": "scores"}, '"logits" or "probabilities", not .scores'),
    ],
)
def test_what_models_may_not_say(three, models, more, said):
    with pytest.raises(evendraw.BadValue, match=said):
        three.predict(models, None, **more)
