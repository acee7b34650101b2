"""Thresholds and curves of reported scores, and thresholds of each class, against scikit-learn."""

import evendraw
import numpy as np
import pytest
import torch
from evendraw._thresholds import joined
from sklearn import metrics
from sklearn.calibration import calibration_curve

SKLEARN = {
    "f1": lambda a, b: metrics.f1_score(a, b, zero_division=0),
    "f-beta": lambda a, b: metrics.fbeta_score(a, b, beta=2, zero_division=0),
    "balanced-accuracy": metrics.balanced_accuracy_score,
    "cost": lambda a, b: -(metrics.confusion_matrix(a, b, labels=[0, 1]) * COST).sum() / len(a),
    "precision-at-recall": lambda a, b: (
        (metrics.precision_score(a, b, zero_division=0), metrics.recall_score(a, b))
        if metrics.recall_score(a, b) >= 0.7
        else (-1, -1)
    ),
    "recall-at-precision": lambda a, b: (
        (metrics.recall_score(a, b), metrics.precision_score(a, b, zero_division=0))
        if metrics.precision_score(a, b, zero_division=0) >= 0.6
        else (-1, -1)
    ),
}
COST = np.array([[0, 1], [10, 0.5]])
TERMS = {
    "f-beta": {"beta": 2},
    "cost": {"cost": COST},
    "precision-at-recall": {"recall": 0.7},
    "recall-at-precision": {"precision": 0.6},
}


def reported(client, n=300, dtype=np.float64, job="j"):
    """A job whose one epoch was reported: its true classes and scores."""
    rng = np.random.default_rng(n)
    labels = np.r_[0, 1, rng.random(n - 2) < 0.2].astype(int)
    client.create_dataset("d" + job, labels, classes=["ham", "spam"])
    client.create_job(job, "d" + job, 50)
    true, scores = [], []
    with client.open(job, columns=["label"]) as stream:
        for batch in stream:
            score = rng.beta(2 + 3 * batch.label, 4).astype(dtype)
            client.report(job, batch, score > 0.5, score=score)
            true += batch.label.tolist()
            scores += score.tolist()
    return np.array(true), np.array(scores)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_curves_are_scikit_learns(client, dtype):
    true, scores = reported(client, dtype=dtype)
    answer = client.curve("j", "precision-recall")
    precision, recall, threshold = metrics.precision_recall_curve(true, scores)
    np.testing.assert_array_equal(answer["precision"], precision)
    np.testing.assert_array_equal(answer["recall"], recall)
    np.testing.assert_array_equal(answer["threshold"], [*threshold, np.nan])
    assert answer["area"] == pytest.approx(metrics.average_precision_score(true, scores), rel=1e-12)
    assert answer["exact"] and answer["samples"] == 300 and answer["class"] == ["ham", "spam"]
    answer = client.curve("j", "roc", epoch=0)
    for key, want in zip(
        ("false_positive_rate", "true_positive_rate", "threshold"), metrics.roc_curve(true, scores)
    ):
        np.testing.assert_array_equal(answer[key], want)
    assert answer["area"] == pytest.approx(metrics.roc_auc_score(true, scores), rel=1e-12)
    answer = client.curve("j", "calibration", every=True, bins=7, binning="quantile")
    observed, predicted = calibration_curve(true, scores, n_bins=7, strategy="quantile")
    np.testing.assert_array_equal(answer["observed"], observed)
    np.testing.assert_allclose(answer["predicted"], predicted, rtol=1e-12)
    assert answer["count"].sum() == 300 and answer["count"].dtype == np.int64
    assert answer["brier"] == pytest.approx(metrics.brier_score_loss(true, scores), rel=1e-12)


@pytest.mark.parametrize("objective", SKLEARN)
def test_best_threshold(client, objective):
    true, scores = reported(client)
    answer = client.threshold("j", objective=objective, **TERMS.get(objective, {}))
    rate = SKLEARN[objective]
    best = max(rate(true, scores >= t) for t in [*np.unique(scores), 2])
    assert rate(true, scores >= answer["threshold"]) == pytest.approx(best, rel=1e-12)
    counts = [answer[k] for k in ("true_negative", "false_positive", "false_negative", "true_positive")]
    assert counts == metrics.confusion_matrix(true, scores >= answer["threshold"]).ravel().tolist()
    # The same by the array of scores alone, for class 1 against class 0.
    alone = evendraw.thresholds(
        np.stack([1 - scores, scores], 1), true, objective, **TERMS.get(objective, {})
    )
    assert alone[1] == answer["threshold"]


def test_all_objectives(client):
    reported(client)
    answer = client.threshold("j", beta=2, precision=1, every=True)
    assert [row["objective"] for row in answer["objectives"]] == [
        "f1",
        "f-beta",
        "balanced-accuracy",
        "recall-at-precision",
    ]
    assert "threshold" not in answer and "epoch" not in answer


def test_what_there_is_no_threshold_of(client):
    client.create_dataset("three", [0, 1, 2])
    client.create_job("three", "three", 3)
    with pytest.raises(evendraw.BadValue, match="evendraw.thresholds"):
        client.threshold("three")
    client.create_dataset("two", [0, 1])
    client.create_job("two", "two", 1)
    with pytest.raises(evendraw.NotFound, match="nothing was reported"):
        client.curve("two", "roc")
    with client.open("two") as stream:
        client.report("two", stream.next(), [0])
    with pytest.raises(evendraw.NotFound, match='give job.report "score"'):
        client.threshold("two")
    with pytest.raises(evendraw.MissingField, match="beta"):
        client.threshold("two", objective="f-beta")


def test_pages(client):
    reported(client)
    whole = client.curve("j", "precision-recall")

    def call(**fields):
        return client.call("job.curve", job="j", kind="precision-recall", count=7, **fields)

    for key, value in joined(call(), call).items():
        if key != "first":
            np.testing.assert_array_equal(value, whole[key])
    # As if another was reported since, the job was rewound, or the scores went.
    for other in {"samples": 299}, {"generation": 1}, {"exact": False}, {"points": 8}:
        with pytest.raises(evendraw.Conflict, match="ask again"):
            joined({**call(), **other}, call)

    def beyond(first, **fields):
        return call(first=first + 10000, **fields)

    with pytest.raises(evendraw.Conflict, match="ask again"):  # as where bins are fewer than scores
        joined(call(), beyond)


@pytest.mark.parametrize("objective", SKLEARN)
@pytest.mark.parametrize("ties", [False, True])
def test_thresholds_of_each_class(objective, ties):
    rng = np.random.default_rng(4)
    labels = np.r_[0, 1, 2, rng.choice(3, 97, p=[0.7, 0.2, 0.1])]
    scores = torch.softmax(torch.from_numpy(rng.normal(size=(100, 3))), 1).numpy()
    scores[np.arange(100), labels] += 0.2
    scores = np.round(scores * 8) / 8 if ties else scores
    found = evendraw.thresholds(
        torch.from_numpy(scores), torch.from_numpy(labels), objective, **TERMS.get(objective, {})
    )
    assert found.shape == (3,) and found.dtype == np.float64
    for c in range(3):
        rates = [
            (SKLEARN[objective](labels == c, scores[:, c] >= t), t)
            for t in [scores[:, c].max() + 1, *np.unique(scores[:, c])[::-1]]
        ]
        best = max(rate for rate, _ in rates)
        reached = [t for rate, t in rates if rate == pytest.approx(best, rel=1e-12)]
        if isinstance(best, tuple) and best == (-1, -1):
            assert np.isnan(found[c])
        else:
            assert found[c] == reached[-1]


def test_thresholds_of_what_is_not_there():
    scores = [[0.9, 0.1, 0.3], [0.2, 0.8, 0.3]]
    assert np.isnan(evendraw.thresholds(scores, [0, 1])).tolist() == [False, False, True]
    assert np.isnan(evendraw.thresholds(scores, [0, 0])).all()
    beyond = evendraw.thresholds([[1e30, 0], [1e30, 1]], [0, 1], "cost", cost=[[0, 9], [1, 0]])
    assert beyond[0] > 1e30 and beyond[1] == 1


@pytest.mark.parametrize(
    "arguments, says",
    [
        (([0.5, 0.5], [0, 1]), "shape"),
        ((np.array([[0.5, np.nan]]), [0]), "scores.0, 1"),
        (([[0.5, 0.5]], [2]), "labels"),
        (([[0.5, 0.5]], [0, 1]), "labels"),
        (([[0.5, 0.5]], [0], "accuracy"), "f1, f-beta"),
        (([["a", "b"]], [0]), "scores"),
    ],
)
def test_thresholds_refuse(arguments, says):
    with pytest.raises(evendraw.BadValue, match=says):
        evendraw.thresholds(*arguments)


@pytest.mark.parametrize(
    "objective, terms, says",
    [
        ("f-beta", {}, "needs beta"),
        ("f1", {"beta": 2}, "nothing to do with beta"),
        ("f-beta", {"beta": 0}, "beta"),
        ("cost", {"cost": [0, 1]}, "two rows"),
        ("cost", {"cost": [[0, 1], [np.inf, 0]]}, "finite"),
        ("cost", {"cost": [[0, 1e308], [-1e308, 0]]}, "1e[+]100"),
        ("precision-at-recall", {"recall": 1.5}, "recall"),
    ],
)
def test_terms_are_checked(objective, terms, says):
    with pytest.raises(evendraw.BadValue, match=says):
        evendraw.thresholds([[0.5, 0.2], [0.1, 0.9]], [0, 1], objective, **terms)


def test_logit_adjustment(client):
    """Post hoc it is the rule of Bayes with equal priors; in the loss, its opposite."""
    labels = np.repeat([0, 1, 2], [900, 90, 10])
    client.create_dataset("d", labels)
    prior = np.bincount(labels) / len(labels)
    adjust = client.logit_adjustment("d", post_hoc=True)
    assert adjust == pytest.approx(-np.log(prior), rel=1e-12)
    posterior = np.random.default_rng(1).dirichlet(np.ones(3), 50)
    np.testing.assert_array_equal(
        (np.log(posterior) + adjust).argmax(1), (posterior / prior).argmax(1)
    )
    adjust = client.logit_adjustment("d", tau=0.5, like="torch")
    assert adjust.dtype == torch.float32
    assert adjust.numpy() == pytest.approx(0.5 * np.log(prior), rel=1e-6)
    client.create_job("even", "d", 10, "weighted")
    assert np.ptp(client.logit_adjustment(job="even")) == pytest.approx(0, abs=1e-12)
    with pytest.raises(evendraw.BadValue, match="tau"):
        client.logit_adjustment("d", tau=0)
