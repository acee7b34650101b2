"""Class weights against scikit-learn and against their formulas in 60 digits."""
import os
import subprocess
from decimal import Decimal, getcontext

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

getcontext().prec = 60

COUNTS = [
    [50, 50],
    [1, 999999],
    [6000, 4000, 0, 120, 7, 1],
    [int(5000 * 0.01 ** (c / 9)) for c in range(10)],
    [3],
]
BETAS = ["0", "0.9", "0.999", "0.9999", "0.999999"]


def printed(form, beta, total, values):
    text = subprocess.run(
        [os.environ["WEIGHTS_PRINT"], form, beta, repr(total), *map(repr, values)],
        check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in text.splitlines())
    return {row[0]: [float(x) for x in row[1:]] for row in rows}


def formulas(counts, beta):
    """Of the classes with samples only; `counts` need not be whole."""
    n = [Decimal(c) for c in counts]
    total, beta = sum(n), Decimal(float(beta))  # the double that C reads
    if beta == 0:
        effective = [Decimal(1) for _ in n]
    else:
        effective = [(1 - beta) / (1 - (x * beta.ln()).exp()) for x in n]
    scale = len(n) / sum(effective)
    return {
        "balanced": [total / (len(n) * x) for x in n],
        "inverse": [1 / x for x in n],
        "sqrt-inverse": [1 / x.sqrt() for x in n],
        "effective": [e * scale for e in effective],
        "pos-weight": [(total - x) / x for x in n],
        "log-prior": [(x / total).ln() for x in n],
        "logit-adjustment": [(beta + Decimal(0.5)) * (x / total).ln() for x in n],
    }


def present(values, counts):
    return [v for v, c in zip(values, counts) if c > 0]


@pytest.mark.parametrize("counts", COUNTS)
def test_balanced_is_scikit_learns(counts):
    y = np.repeat(np.arange(len(counts)), counts)
    want = compute_class_weight("balanced", classes=np.unique(y), y=y)
    got = present(printed("counts", "0.9", 1.0, counts)["balanced"], counts)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=0)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("counts", COUNTS)
def test_counts(counts, beta):
    got = printed("counts", beta, 1.0, counts)
    want = formulas([c for c in counts if c > 0], beta)
    assert sorted(got) == sorted(want)
    for kind, values in want.items():
        np.testing.assert_allclose(present(got[kind], counts), [float(v) for v in values],
                                   rtol=1e-12, atol=0, err_msg=kind)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("counts", COUNTS)
def test_shares_stand_for_counts(counts, beta):
    shares = [c / sum(counts) for c in counts]
    got = printed("shares", beta, float(sum(counts)), shares)
    want = formulas([c for c in counts if c > 0], beta)
    for kind, values in want.items():
        # A share of nearly 1 says little about the rest: pos-weight cancels in it.
        np.testing.assert_allclose(present(got[kind], counts), [float(v) for v in values],
                                   rtol=1e-12, atol=1e-15, err_msg=kind)
