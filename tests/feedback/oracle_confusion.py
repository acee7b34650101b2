"""Metrics against scikit-learn's, to 1e-12; counts and thresholds exactly."""
import os
import subprocess
import warnings

import numpy as np
import pytest
from sklearn.metrics import (accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score,
                             precision_recall_fscore_support)


def printed(classes, label, predicted, loss, score=None):
    score = np.full(len(label), -1.0) if score is None else score
    lines = "".join(f"{a} {b} {float(c)!r} {float(d)!r}\n"
                    for a, b, c, d in zip(label, predicted, loss, score))
    text = subprocess.run([os.environ["CONFUSION_PRINT"], str(classes)], input=lines, check=True,
                          capture_output=True, text=True).stdout
    out = {}
    for line in text.splitlines():
        name, *numbers = line.split()
        out.setdefault(name, []).append([float(x) for x in numbers])
    return out


def sample(classes, n, seed):
    """A long tail, mostly predicted right; some classes never come, and some only as predictions."""
    rng = np.random.default_rng(seed)
    share = 0.7 ** np.arange(classes)
    share[classes // 2] = 0
    label = rng.choice(classes, n, p=share / share.sum())
    predicted = np.where(rng.random(n) < 0.7, label, rng.integers(0, classes, n))
    return label, predicted, rng.random(n) * 3


@pytest.mark.parametrize("classes,n,seed", [(2, 50, 1), (3, 1, 2), (10, 5000, 3), (40, 300, 4),
                                            (100, 20000, 5), (7, 7, 6)])
def test_metrics_are_scikit_learns(classes, n, seed):
    label, predicted, loss = sample(classes, n, seed)
    got = printed(classes, label, predicted, loss)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that were only predicted
        np.testing.assert_allclose(got["balanced"][0][0], balanced_accuracy_score(label, predicted),
                                   rtol=1e-12)
    np.testing.assert_array_equal(got["row"],
                                  confusion_matrix(label, predicted, labels=range(classes)))
    np.testing.assert_allclose(got["accuracy"][0][0], accuracy_score(label, predicted), rtol=1e-12)
    each = precision_recall_fscore_support(label, predicted, labels=range(classes),
                                           zero_division=0)
    np.testing.assert_allclose(np.array(got["class"]).T, each[:3], rtol=1e-12, atol=0)
    for average in ("macro", "weighted"):
        want = precision_recall_fscore_support(label, predicted, average=average, zero_division=0)
        np.testing.assert_allclose(got[average][0], want[:3], rtol=1e-12, atol=0)


def test_loss():
    label, predicted, loss = sample(10, 5000, 7)
    got = printed(10, label, predicted, loss)
    np.testing.assert_allclose(got["mean_loss"][0][0], loss.mean(), rtol=1e-12)
    for c in range(10):
        of = loss[label == c]
        if len(of):
            np.testing.assert_allclose(got["loss"][c][0], of.mean(), rtol=1e-12)
        else:
            assert np.isnan(got["loss"][c][0])


@pytest.mark.parametrize("form", ["uniform", "grid", "narrow", "one"])
def test_thresholds(form):
    rng = np.random.default_rng(8)
    n = 3000
    label = (rng.random(n) < 0.1).astype(int)
    score = np.clip(rng.normal(0.35 + 0.3 * label, 0.2), 0, 1)
    if form == "grid":
        score = np.round(score * 1000) / 1000  # right on the thresholds
    elif form == "narrow":
        score = score.astype(np.float32).astype(np.float64)
    elif form == "one":
        score = label.astype(float)
    got = printed(2, label, (score >= 0.5).astype(int), score, score)
    want = []
    for k, (threshold, true_positive, false_positive, f1) in enumerate(got["threshold"]):
        above = score >= threshold
        assert threshold == k / 1000
        assert true_positive == (above & (label == 1)).sum()
        assert false_positive == (above & (label == 0)).sum()
        want.append(f1_score(label, above, zero_division=0))
        assert abs(f1 - want[-1]) <= 1e-12
    assert abs(want[int(got["best"][0][0])] - max(want)) <= 1e-12
