"""What the daemon serves is what SAMPLING.md says: sampling.py, written from that page alone, draws
the same batches, for every strategy, how the last batch is made, ranks, epochs, and after changes in
mid-epoch."""

import pathlib
import random
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "python"))
from conftest import client, daemon  # noqa: E402, F401

import evendraw  # noqa: E402
from evendraw import _attachments  # noqa: E402
import sampling as s  # noqa: E402

CASES = [  # kind, parameters as the daemon takes them, engine, strategy
    ("uniform", {}, s.Epoch, s.uniform),
    ("uniform", {"repeats": 3}, s.Epoch, s.uniform),
    ("uniform", {"repeats": 5, "num_samples": 1400}, s.Epoch, s.uniform),
    ("uniform", {"num_samples": 70}, s.Epoch, s.uniform),
    ("undersampled", {}, s.Epoch, s.undersampled),
    ("undersampled", {"sampling_strategy": "majority", "replacement": True}, s.Epoch, s.undersampled),
    ("undersampled", {"subset": "fixed"}, s.Epoch, s.undersampled),
    ("undersampled", {"subset": "fixed", "replacement": True}, s.Epoch, s.undersampled),
    ("oversampled", {}, s.Epoch, s.oversampled),
    ("oversampled", {"members": "balanced-repeat"}, s.Epoch, s.oversampled),
    ("resampled", {}, s.Epoch, s.resampled),
    ("resampled", {"target": "median", "members": "balanced-repeat"}, s.Epoch, s.resampled),
    ("resampled", {"target": 17}, s.Epoch, s.resampled),
    ("repeat-factor", {"threshold": 0.2}, s.Epoch, s.repeat_factor),
    ("repeat-factor", {"threshold": 0.3, "sqrt": False}, s.Epoch, s.repeat_factor),
    ("ensemble", {"member": 2, "members": 5}, s.Epoch, s.ensemble),
    ("ensemble", {"member": 1, "members": 3, "parts": "bootstrap"}, s.Epoch, s.ensemble),
    ("stratified", {}, s.Quota, s.stratified),
    ("stratified", {"proportions": "equal", "num_samples": 700}, s.Quota, s.stratified),
    ("stratified", {"proportions": "explicit", "weights": [5, 0, 1.5, 2, 0.01]}, s.Quota, s.stratified),
    ("stratified", {"min_per_class": 3}, s.Quota, s.stratified),
    ("weighted", {}, s.Independent, s.weighted),
    ("weighted", {"weight": "sqrt-inverse", "num_samples": 90}, s.Independent, s.weighted),
    ("weighted", {"weight": "power", "alpha": 0.3}, s.Independent, s.weighted),
    ("weighted", {"weight": "effective", "beta": 0.99}, s.Independent, s.weighted),
    ("weighted", {"weight": "explicit", "weights": [0, 0, 3, 2, 1]}, s.Independent, s.weighted),
    ("weighted", {"column": "w"}, s.BySample, s.weighted_column),
    ("weighted", {"weight": "sqrt-inverse", "replacement": False}, s.Ordered, s.weighted_once),
    ("weighted", {"replacement": False, "orders": 2, "num_samples": 100}, s.Ordered, s.weighted_once),
    ("weighted", {"column": "w", "replacement": False}, s.Ordered, s.weighted_column_once),
    ("progressive", {"start": 1, "epochs": 3, "max_ratio": 3.5}, s.Independent, s.progressive),
    ("progressive", {"schedule": "cosine", "from": 0.9, "to": 0.1}, s.Independent, s.progressive),
    ("progressive", {"schedule": "step", "epochs": 4, "stages": 2}, s.Independent, s.progressive),
    ("progressive", {"schedule": "exponential", "decay": 0.5}, s.Independent, s.progressive),
    ("adaptive", {}, s.Independent, s.adaptive),
    ("adaptive", {"weights": [1, 0, 2, 3, 4.5]}, s.Independent, s.adaptive),
    ("p-by-k", {"k": 16}, s.Cycle, s.p_by_k),
    ("p-by-k", {"p": 2}, s.Cycle, s.p_by_k),
    ("class-aware", {}, s.Cycle, s.class_aware),
    ("class-aware", {"num_samples": 77}, s.Cycle, s.class_aware),
]
MIX = ["mix_index", "mix_label", "mix_lambda", "mix_label_lambda"]
C, G = 5, 48


def make_dataset(client):
    """Labels in no order, every tenth sample without one, no sample of class 1, some of weight 0."""
    rng = random.Random(1)
    labels = rng.choices([0, 2, 3, 4, None], [50, 30, 8, 5, 10], k=250)
    values = [rng.choice([0, rng.random(), rng.expovariate(0.3)]) for _ in labels]
    client.create_dataset("d", labels, classes=list(range(C)), weights={"w": values})
    return labels, values


def compare(client, job, plans, steps, rank, W, replicas=1):
    """The batches of a rank (None: a shared job), against plans by revision."""
    some = [row for step in range(3) for row in plans[-1].batch(1, step)]
    columns = ["label", "augment_seed"]
    if all(row[2] is not None for row in some):
        columns += ["repeat", "augment_strength"]
    columns += ["probability"] * all(row[4] is not None for row in some)
    columns += MIX * bool(plans[-1].pairs)
    with client.open(job, rank=rank, world_size=W, columns=columns) as stream:
        while steps:
            batch = stream.next(timeout=10)
            if batch is None:
                continue
            steps -= 1
            rows = plans[batch.revision].batch(batch.epoch, batch.step, (rank or 0) // replicas,
                                               (W or 1) // replicas)
            where = job, batch.revision, batch.epoch, batch.step
            assert (*where, batch.index.tolist()) == (*where, [row[0] for row in rows])
            assert batch.label.tolist() == [row[1] for row in rows]
            assert [seed % 2**64 for seed in batch.augment_seed.tolist()] == [row[3] for row in rows]
            if batch.repeat is not None:
                assert (*where, batch.repeat.tolist()) == (*where, [row[2] for row in rows])
                strengths = [float(np.float32(s.strength(row[2]))) for row in rows]
                assert batch.augment_strength.tolist() == strengths
            if batch.probability is not None:
                chances = [row[4] for row in rows]
                assert batch.probability.tolist() == pytest.approx(chances, rel=1e-6)
            if batch.mix_index is not None:
                mixed = zip(*(getattr(batch, column).tolist() for column in MIX))
                assert (*where, list(mixed)) == (*where, [row[5:] for row in rows])


def make_plan(case, values, labels, last, seed, revision=0):
    kind, given, engine, strategy = case
    plan = engine(labels, C, G, last, seed, revision)
    more = {k: v for k, v in given.items() if k != "column" and (k, v) != ("replacement", False)}
    strategy(plan, **more, **({"values": values} if "column" in given else {}))
    return plan


ENDS = [("short", None), ("drop", 4), ("pad", 8)]


@pytest.mark.parametrize("last, W", ENDS)
def test_batches(client, last, W):
    labels, values = make_dataset(client)
    for number, case in enumerate(CASES):
        job, seed = f"{number} {case[0]}", 2**63 - 1 - number
        info = client.create_job(job, "d", G, {"kind": case[0], **case[1]}, seed=seed,
                                 last_batch=last, mode="ranked" if W else "shared")
        plan = make_plan(case, values, labels, last, seed)
        assert (job, info["steps"]) == (job, plan.steps())
        compare(client, job, [plan], 2 * plan.steps() + 1, number % W if W else None, W)


@pytest.mark.parametrize("last, W", ENDS)
def test_batches_of_a_part(client, last, W):
    """As if what is left out had no label."""
    labels, values = make_dataset(client)
    folds = [65535 if label is None else 1 if label > 2 else i % 5 for i, label in enumerate(labels)]
    kept = [label if fold != 3 else None for label, fold in zip(labels, folds)]
    _attachments.attach(client, np.array(folds), dataset="d", name="cv", kind="folds", folds=5)
    for number, case in enumerate(CASES):
        job, seed = f"{number} {case[0]}", 2**62 + number
        given = {"alpha" if key == "from" else key: value for key, value in case[1].items()}
        strategy = {"kind": case[0], **given, "from": {"folds": "cv", "without": 3}}
        info = client.create_job(job, "d", G, strategy, seed=seed, last_batch=last,
                                 mode="ranked" if W else "shared")
        plan = make_plan(case, values, kept, last, seed)
        assert (job, info["steps"]) == (job, plan.steps())
        compare(client, job, [plan], plan.steps() + 1, number % W if W else None, W)


@pytest.mark.parametrize("last, W", ENDS)
def test_batches_after_a_change_in_mid_epoch(client, last, W):
    labels, values = make_dataset(client)
    for number, case in enumerate(CASES):
        job = f"{number} {case[0]}"
        steps = client.create_job(job, "d", G, seed=number, last_batch=last,
                                  mode="ranked" if W else "shared")["steps"]
        at = 1 + number % 2
        client.update_job(job, {"kind": case[0], **case[1]}, when="at", epoch=0, step=at)
        before = make_plan(CASES[0], values, labels, last, number)
        after = make_plan(case, values, labels, last, number, 1)
        after.began, after.shape = (0, at), (steps, before.size(0, steps - 1))
        compare(client, job, [before, after], steps + after.steps() + 1,
                number % W if W else None, W)


def test_every_sample_once_on_ranks_of_any_number(client):
    labels, values = make_dataset(client)
    plan = make_plan(CASES[0], values, labels, "exact", 7)
    for W in (3, 16):
        client.create_job(f"j{W}", "d", G, seed=7, last_batch="exact", mode="ranked")
        for rank in range(W):
            compare(client, f"j{W}", [plan], plan.steps() + 1, rank, W)


def test_ratios(client):
    """In binary 28 / 0.28 is just below 100, and 100 * 0.29 just below 29."""
    cases = [("undersampled", 0.28, 28), ("undersampled", 0.3, 28), ("ensemble", 0.28, 28),
             ("oversampled", 0.29, 28), ("oversampled", 0.999, 100)]
    for number, (kind, ratio, least) in enumerate(cases):
        labels = [0] * 100 + [2] * least
        client.create_dataset(f"d{number}", labels, classes=list(range(C)))
        case = (kind, {"sampling_strategy": ratio}, s.Epoch, getattr(s, kind))
        if kind == "oversampled" and ratio == 0.999:
            with pytest.raises(evendraw.Error, match="as well or better"):
                client.create_job("no", f"d{number}", G, {"kind": kind, **case[1]})
            continue
        client.create_job(f"j{number}", f"d{number}", G, {"kind": kind, **case[1]}, seed=number,
                          last_batch="short")
        compare(client, f"j{number}", [make_plan(case, None, labels, "short", number)], 5, None, None)


def test_replicas(client):
    labels, values = make_dataset(client)
    case = ("stratified", {}, s.Quota, s.stratified)
    client.create_job("j", "d", G, {"kind": "stratified"}, seed=3, mode="ranked", world_size=8,
                      replicas=2)
    for rank in (2, 3, 7):
        compare(client, "j", [make_plan(case, values, labels, "drop", 3)], 5, rank, 8, replicas=2)


def below_turned(count, limit):
    """How many u < count have u * 0x9E3779B97F4A7C15 mod 2^64 < limit: a sum of floors, by Euclid."""

    def floors(n, m, a, b):
        total = 0
        while True:
            total += n * (n - 1) // 2 * (a // m) + n * (b // m)
            n, rest = divmod(a % m * n + b % m, m)
            if n == 0:
                return total
            m, a, b = a % m, m, rest

    golden, whole = 0x9E3779B97F4A7C15, 2**64
    return floors(count, whole, golden, whole) - floors(count, whole, golden, whole - limit)


def test_members_have_the_same_part_of_any_run_of_numbers():
    rng = random.Random(1)
    for _ in range(3000):
        n = rng.choice([3, 10, 1000, 10**6, 10**8, 2**40])
        j, first, length = rng.randrange(n), rng.randrange(2**63), rng.randrange(2 ** rng.randrange(10, 63))
        low, high = -(-j * 2**64 // n), -(-(j + 1) * 2**64 // n)
        last = first + length
        part = (below_turned(last, high) - below_turned(last, low)
                - below_turned(first, high) + below_turned(first, low))
        assert abs(part * n - length) <= 450 * n
