"""Pairs as the daemon serves them are those of SAMPLING.md: sampling.py draws the same second samples and
shares, to the last bit, on every engine, by ranks, and after a change in mid-epoch."""

import pytest
import sampling as s
from test_sampling import CASES, ENDS, G, client, compare, daemon, make_dataset, make_plan  # noqa: F401

PAIRS = [
    {"how": "mixup"},
    {"how": "mixup", "alpha": 0.01},
    {"how": "cutmix"},
    {"how": "remix", "alpha": 2.5, "kappa": 1.7, "tau": 0.75},
    {"how": "balanced-mixup"},
    {"how": "balanced-mixup", "alpha": 30},
    {"how": "none"},
]


def paired(case, number):
    """One of each engine, all kinds of pairs in turn."""
    pairs = PAIRS[number % len(PAIRS)]
    return (case[0], {**case[1], "pairs": pairs}, *case[2:]), s.Pairs(**pairs)


@pytest.mark.parametrize("last, W", ENDS)
def test_pairs(client, last, W):
    labels, values = make_dataset(client)
    for number, case in enumerate(CASES[::3]):
        told, pairs = paired(case, number)
        client.create_job(str(number), "d", G, {"kind": told[0], **told[1]}, seed=number,
                          last_batch=last, mode="ranked" if W else "shared")
        plan = make_plan(case, values, labels, last, number)
        plan.pairs = pairs
        compare(client, str(number), [plan], plan.steps() + 2, number % W if W else None, W)


def test_pairs_after_a_change_in_mid_epoch(client):
    labels, values = make_dataset(client)
    for number, case in enumerate(CASES[1::4]):
        told, pairs = paired(case, number)
        start = {"kind": "uniform", "pairs": {"how": "mixup", "alpha": 1}}
        steps = client.create_job(str(number), "d", G, start, seed=number, last_batch="short")["steps"]
        client.update_job(str(number), {"kind": told[0], **told[1]}, when="at", epoch=0, step=2)
        before = make_plan(CASES[0], values, labels, "short", number)
        before.pairs = s.Pairs("mixup", 1)
        after = make_plan(case, values, labels, "short", number, 1)
        after.pairs = pairs
        after.began, after.shape = (0, 2), (steps, before.size(0, steps - 1))
        compare(client, str(number), [before, after], steps + after.steps() + 1, None, None)
