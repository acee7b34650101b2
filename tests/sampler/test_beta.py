"""The shares of pairs against SciPy's Beta distribution: the table of quantiles that SAMPLING.md describes
(test_sampling.py compares it with the daemon's, to the bit), and what the daemon draws from it."""

import pathlib
import sys

import numpy as np
import pytest
from scipy import special, stats

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "python"))
from conftest import client, daemon  # noqa: E402, F401

import sampling_pairs as s  # noqa: E402

PARAMETERS = [(a, b) for a in (0.01, 0.1, 0.2, 0.5, 1, 2.5, 8, 32, 100) for b in (a, 1)]
UNIT = 2.0**-24


@pytest.mark.parametrize("a, b", PARAMETERS)
def test_quantiles(a, b):
    got = np.array(s.quantiles(a, b), dtype=float)
    want = special.betaincinv(a, b, np.arange(4097) / 4096) / UNIT
    assert np.abs(got - want)[1:-1].max() < 0.5 + 1e-6
    assert (np.diff(got) >= 0).all() and 0 <= got[0] and got[-1] <= 2**24


def moments(a, b):
    """Of the distribution as it is drawn: straight between quantiles."""
    x = np.array(s.quantiles(a, b), dtype=float) * UNIT
    low, high = x[:-1], x[1:]
    mean = ((low + high) / 2).mean()
    return mean, ((low**2 + low * high + high**2) / 3).mean() - mean**2


@pytest.mark.parametrize("a, b", PARAMETERS)
def test_straight_lines_are_close_enough(a, b):
    """Mean and variance of the lines between the quantiles are those of the distribution."""
    mean, variance = moments(a, b)
    assert mean == pytest.approx(a / (a + b), abs=1e-6)
    assert variance == pytest.approx(stats.beta.var(a, b), rel=5e-4)


HOWS = [("mixup", alpha) for alpha in (None, 0.05, 0.5, 1, 4, 50)]
HOWS += [("balanced-mixup", alpha) for alpha in (None, 0.1, 0.3, 1, 3)]
HOWS += [("cutmix", None), ("remix", None), ("remix", 0.3)]


def test_what_is_drawn(client):
    """Mean, variance and the distance of Kolmogorov and Smirnov, each within what chance allows in
    999 of 1,000 such tests; and no word of the second sample in its share."""
    labels = np.arange(200_000) % 10
    client.create_dataset("d", labels)
    for number, (how, alpha) in enumerate(HOWS):
        pairs = {"how": how, **({"alpha": alpha} if alpha else {})}
        client.create_job(str(number), "d", 50_000, {"kind": "uniform", "pairs": pairs}, seed=number)
        columns = ["mix_lambda", "mix_label", "mix_index"]
        with client.open(str(number), columns=columns) as stream:
            batches = list(stream)
        share = np.concatenate([batch.mix_lambda for batch in batches]).astype(float)
        a = alpha or (1 if how in ("cutmix", "remix") else 0.2)
        b = 1 if how == "balanced-mixup" else a
        n, law = len(share), stats.beta(a, b)
        assert n == len(labels)
        off = (share.mean() - law.mean()) / np.sqrt(law.var() / n)
        assert abs(off) < 3.3, (how, alpha, off)
        fourth = law.moment(4) - 4 * law.moment(3) * law.mean() + 6 * law.moment(2) * law.mean() ** 2
        fourth -= 3 * law.mean() ** 4
        off = (share.var() - law.var()) / np.sqrt((fourth - law.var() ** 2) / n)
        assert abs(off) < 3.3, (how, alpha, off)
        # Shares and quantiles are multiples of the unit.
        values, last = np.unique(share, return_counts=True)
        part = np.cumsum(last) / n
        most, least = law.cdf(values + 1.5 * UNIT), law.cdf(values - 0.5 * UNIT)
        distance = max((part - most).max(), (least - part).max())
        assert distance * np.sqrt(n) < 1.95, (how, alpha, distance)
        some = share > 0
        index = np.concatenate([batch.mix_index for batch in batches])
        for other in (index, index % 10, np.concatenate([batch.index for batch in batches])):
            off = np.corrcoef(share[some], other[some])[0, 1] * np.sqrt(some.sum())
            assert abs(off) < 4, (how, alpha, off)
