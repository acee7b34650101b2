"""Curves, areas, calibration and best thresholds against scikit-learn.

Points and thresholds are equal to the last bit: each is one score, or one quotient of counts. Areas,
means of bins and squared distances are sums, which NumPy takes in another order and of numbers that it
has rounded before (differences of recalls): over 3,000 samples that may part two results by 3,000 x 1e-16,
so they are compared to a relative 1e-12."""
import os
import subprocess
import warnings

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import (average_precision_score, balanced_accuracy_score, brier_score_loss,
                             confusion_matrix, f1_score, fbeta_score, precision_recall_curve,
                             precision_score, recall_score, roc_auc_score, roc_curve)

CLOSE = {"rtol": 1e-12, "atol": 1e-15}


def printed(label, score, *what):
    lines = "".join(f"{a} {float(b)!r}\n" for a, b in zip(label, score))
    text = subprocess.run([os.environ["CURVE_PRINT"], *map(str, what)], input=lines, check=True,
                          capture_output=True, text=True).stdout
    return [line.split() for line in text.splitlines()]


def numbers(lines):
    return np.array([[float(x) for x in line] for line in lines])


def scores(form, n=3000, seed=8):
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < 0.1).astype(int)
    label[:2] = 0, 1
    score = np.clip(rng.normal(0.35 + 0.3 * label, 0.2), 0, 1)
    return label, {
        "doubles": lambda: score,
        "floats": lambda: score.astype(np.float32).astype(np.float64),
        "ties": lambda: np.round(score * 20) / 20,
        "edges": lambda: np.round(score * 1000) / 1000,
        "equal": lambda: np.full(n, 0.25),
        "ends": lambda: np.round(score),
        "perfect": lambda: label * 0.5 + 0.25,
        "worst": lambda: 1.0 - label,
        "tiny": lambda: score * 1e-300,
        "close": lambda: 0.5 + rng.integers(0, 5, n) * 2.0 ** -53,
        "minus": lambda: np.where(score < 0.4, -0.0, score),
    }[form]()


FORMS = ["doubles", "floats", "ties", "edges", "equal", "ends", "perfect", "worst", "tiny", "close",
         "minus"]


@pytest.mark.parametrize("form", FORMS)
def test_precision_recall(form):
    label, score = scores(form)
    (area,), *points = printed(label, score, "precision-recall")
    threshold, recall, precision = numbers(points).T
    want_precision, want_recall, want_threshold = precision_recall_curve(label, score)
    np.testing.assert_array_equal(precision, want_precision)
    np.testing.assert_array_equal(recall, want_recall)
    np.testing.assert_array_equal(threshold[:-1], want_threshold)
    assert np.isnan(threshold[-1])
    np.testing.assert_allclose(float(area), average_precision_score(label, score), **CLOSE)


@pytest.mark.parametrize("form", FORMS)
def test_roc(form):
    label, score = scores(form)
    (area,), *points = printed(label, score, "roc")
    threshold, false_positive, true_positive = numbers(points).T
    want = roc_curve(label, score)
    np.testing.assert_array_equal(false_positive, want[0])
    np.testing.assert_array_equal(true_positive, want[1])
    np.testing.assert_array_equal(threshold, want[2])
    np.testing.assert_allclose(float(area), roc_auc_score(label, score), **CLOSE)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("seed", range(8))
def test_few_samples(n, seed):
    """Where ROC leaves out points; the first and the last stay."""
    rng = np.random.default_rng(seed)
    label = np.r_[0, 1, rng.integers(0, 2, n - 2)]
    score = rng.integers(0, 4, n) / 4
    for what, want in (("roc", roc_curve(label, score)),
                       ("precision-recall", precision_recall_curve(label, score)[::-1])):
        points = numbers(printed(label, score, what)[1:]).T
        if what == "roc":
            np.testing.assert_array_equal(points, [want[2], want[0], want[1]])
        else:
            np.testing.assert_array_equal(points[1:], want[1:])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bins", [1, 2, 5, 10, 15, 1000])
@pytest.mark.parametrize("binning", ["uniform", "quantile"])
def test_calibration(form, bins, binning):
    label, score = scores(form)
    score = score + 0.0  # np.percentile of -0 and 0 depends on their order
    (brier, error), *points = printed(label, score, binning, bins)
    predicted, observed, samples = numbers(points).T
    want_observed, want_predicted = calibration_curve(label, score, n_bins=bins, strategy=binning)
    np.testing.assert_array_equal(observed, want_observed)
    np.testing.assert_allclose(predicted, want_predicted, rtol=1e-12, atol=1e-315)
    np.testing.assert_allclose(float(brier), brier_score_loss(label, score), **CLOSE)
    assert samples.sum() == len(label)
    np.testing.assert_allclose(
        float(error), (samples / len(label) * abs(want_observed - want_predicted)).sum(), **CLOSE)


def test_calibration_of_one_class():
    label, score = np.ones(50, int), np.linspace(0, 1, 50)
    (brier, _), *points = printed(label, score, "uniform", 5)
    assert numbers(points)[:, 1].tolist() == [1] * 5
    np.testing.assert_allclose(float(brier), ((1 - score) ** 2).mean(), **CLOSE)


def best(label, score, rate):
    """Over all candidates from above, the last of equal ones: (value, threshold)."""
    found = None
    for threshold in [score.max() + 1, *np.unique(score)[::-1]]:
        rank = rate(label, (score >= threshold).astype(int))
        if rank is not None and (found is None or rank >= found[0]):
            found = rank, threshold
    return found


def cost(label, predicted):
    return -(confusion_matrix(label, predicted, labels=[0, 1]) * [[-0.5, 1], [10, 0.25]]).sum()


RATES = {
    "f1": lambda a, b: f1_score(a, b, zero_division=0),
    "f-beta": lambda a, b: fbeta_score(a, b, beta=2, zero_division=0),
    "balanced-accuracy": balanced_accuracy_score,
    "cost": cost,
    "precision-at-recall": lambda a, b: (
        (precision_score(a, b, zero_division=0), recall_score(a, b))
        if recall_score(a, b) >= 0.8 else None),
    "recall-at-precision": lambda a, b: (
        (recall_score(a, b), precision_score(a, b, zero_division=0))
        if precision_score(a, b, zero_division=0) >= 0.6 else None),
}


@pytest.mark.parametrize("form", ["doubles", "floats", "ties", "equal", "perfect", "worst", "ends"])
def test_thresholds(form):
    label, score = scores(form, n=200)
    for name, *found in printed(label, score, "thresholds"):
        want = best(label, score, RATES[name])
        if found == ["none"]:
            assert want is None, name
            continue
        threshold, value, *given = map(float, found)
        predicted = (score >= threshold).astype(int)
        rank = want[0][0] if isinstance(want[0], tuple) else want[0]
        np.testing.assert_allclose(-value * len(label) if name == "cost" else value, rank, **CLOSE)
        # Another threshold only where rounding parts what is equal.
        np.testing.assert_allclose(RATES[name](label, predicted), want[0], **CLOSE)
        np.testing.assert_allclose(given[:4], [
            precision_score(label, predicted, zero_division=0), recall_score(label, predicted),
            f1_score(label, predicted, zero_division=0),
            balanced_accuracy_score(label, predicted)], **CLOSE)
        assert given[4:] == confusion_matrix(label, predicted, labels=[0, 1]).ravel().tolist()


def test_ties_take_the_lowest():
    found = {name: rest for name, *rest in printed([0, 1, 0, 1, 0], [.9, .8, .7, .6, .5],
                                                   "thresholds")}
    # By F1 and balanced accuracy 0.6 is best alone; no precision reaches 0.6.
    assert float(found["f1"][0]) == 0.6 and found["recall-at-precision"] == ["none"]
    found = {name: rest for name, *rest in printed([0, 1], [.5, .5], "thresholds")}
    assert float(found["balanced-accuracy"][0]) == 0.5  # as good as taking none


@pytest.mark.parametrize("form", ["doubles", "ties", "equal", "ends"])
def test_bins_are_scores_rounded_down(form):
    label, score = scores(form)
    thresholds = np.arange(1001) / 1000
    lower = thresholds[np.searchsorted(thresholds, score, side="right") - 1]
    for what in ("precision-recall", "roc", "thresholds", "uniform", "quantile"):
        assert printed(label, score, "bins-" + what) == printed(label, lower, what), what


def test_order_of_many():
    """Each block of scores, and numbers that differ in any digit that is sorted by."""
    rng = np.random.default_rng(5)
    n = 20000
    label = rng.integers(0, 2, n)
    score = rng.random(n) ** rng.integers(1, 60, n)
    points = numbers(printed(label, score, "precision-recall")[1:])
    np.testing.assert_array_equal(points[:-1, 0], np.unique(score))
