"""What the daemon answers about strategies: previews against what is then served, class weights against
scikit-learn on the labels of the dataset, and on those that a job serves."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight
from test_sampling import CASES, C, G, client, daemon, make_dataset, make_plan  # noqa: F401

FORMULAS = {
    "inverse": lambda n, N, beta: 1 / n,
    "sqrt-inverse": lambda n, N, beta: 1 / np.sqrt(n),
    "effective": lambda n, N, beta: -1 / np.expm1(n * np.log(beta)),
    "pos-weight": lambda n, N, beta: (N - n) / n,
    "log-prior": lambda n, N, beta: np.log(n / N),
    "logit-adjustment": lambda n, N, beta: np.log(n / N),
}


def close(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=0)


def check_statistics(stats, counts, unlabelled):
    n = counts[counts > 0]
    p = n / n.sum()
    assert np.array_equal(stats["count"], counts)
    assert (stats["samples"], stats["labelled"]) == (len(unlabelled), n.sum())
    assert (stats["unlabelled"], stats["empty_classes"]) == (unlabelled.sum(), (counts == 0).sum())
    close(stats["share"], counts / n.sum())
    close(stats["imbalance_ratio"], n.max() / n.min())
    close(stats["entropy"], -(p * np.log2(p)).sum())
    close(stats["balance"], -(p * np.log2(p)).sum() / np.log2(len(n)))
    assert stats["largest"]["count"] == n.max() and stats["smallest"]["count"] == n.min()


@pytest.mark.parametrize("seed", range(8))
def test_class_weights_of_random_labels(client, seed):
    rng = np.random.default_rng(seed)
    classes = int(rng.choice([2, 7, 100, 6000]))  # the last in more than one page
    shares = rng.exponential(size=classes) ** 3
    labels = rng.choice(classes, size=30000, p=shares / shares.sum())
    unlabelled = rng.random(len(labels)) < 0.1
    client.create_dataset("d", np.where(unlabelled, np.nan, labels), list(range(classes)))
    labels = labels[~unlabelled]
    present = np.unique(labels)
    got = client.class_weights("d")
    close(got[present], compute_class_weight("balanced", classes=present, y=labels))
    assert np.count_nonzero(got) == len(present)
    n, beta = np.bincount(labels)[present].astype(float), float(rng.choice([0.9, 0.99999]))
    check_statistics(client.dataset_stats("d"), np.bincount(labels, minlength=classes), unlabelled)
    for kind, formula in FORMULAS.items():
        want = formula(n, len(labels), beta)
        if kind == "effective":
            want *= len(present) / want.sum()
        more = {"beta": beta} if kind == "effective" else {}
        close(client.class_weights("d", kind, **more)[present], want)


def serve_epoch(client, job):
    with client.open(job, columns=["label"]) as stream:
        batches = []
        while (batch := stream.next(timeout=10)) is not None:
            batches.append(batch)
    return batches


def check_counts(preview, batches):
    """Exact where they are not left to chance; else within 5 standard deviations."""
    drawn = np.bincount(np.concatenate([b.label for b in batches]), minlength=C)
    kind, said = preview["strategy"]["kind"], preview["drawn"]
    slack = 1e-6
    if kind in ("weighted", "progressive", "adaptive"):
        if preview["strategy"].get("replacement", True):
            slack = 5 * np.sqrt(said * (1 - said / preview["samples"]))
    elif kind == "uniform" and len(preview["strategy"]) > 1:
        # without replacement, but repeats at once
        slack = 5 * np.sqrt(preview["strategy"].get("repeats", 1) * said) + 1e-6
    elif kind in ("p-by-k", "class-aware"):
        slack = 1 if kind == "class-aware" else G  # a turn more or less; groups may go without a class
    assert (np.abs(drawn - said) <= slack).all()


def check_coverage(preview, batches, n):
    came = np.unique(np.concatenate([b.index for b in batches]), return_index=True)[1]
    label = np.concatenate([b.label for b in batches])[came]
    n = np.maximum(n, 1)
    said = preview["coverage"]
    seen = np.bincount(label, minlength=C) / n
    assert (np.abs(seen - said) <= 5 * np.sqrt(said * (1 - said) / n) + 1e-12).all(), (seen, said)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_previews_and_weights_of_what_is_served(client, number):
    labels, values = make_dataset(client)
    kind, given = CASES[number][:2]
    strategy = {"kind": kind, **given}
    n = np.array([labels.count(c) for c in range(C)])
    before = client.info()["jobs"], client.info()["datasets"]
    preview = client.preview(strategy, dataset="d", batch_size=G, seed=number)
    assert (client.info()["jobs"], client.info()["datasets"]) == before
    for key, value in strategy.items():  # recorded as given: 3 is not 3.0
        assert isinstance(value, list) or repr(preview["strategy"][key]) == repr(value)
    client.create_job("j", "d", G, strategy, seed=number)
    again = client.preview(strategy, job="j")
    # A job also holds what is recorded of it.
    assert 0 < client.job("j")["memory"] - preview["memory"] < 4096
    ordered = kind == "weighted" and not given.get("replacement", True)
    for key in ["strategy", "steps", "samples", "memory", "columns"] + ["drawn"] * (not ordered):
        assert np.array_equal(again[key], preview[key]), key  # ordered: a revision has orders of its own
    share = np.array(make_plan(CASES[number], values, labels, "short", number).share(0))
    close(preview["drawn"], share * preview["samples"])
    close(preview["repeats"], share * preview["samples"] / np.maximum(n, 1))
    close(preview["per_batch"], share * min(G, preview["samples"]))

    for last in ("drop", "pad"):
        steps = make_plan(CASES[number], values, labels, last, number).steps()
        said = client.preview(strategy, dataset="d", batch_size=G, seed=number, last_batch=last)
        assert (said["steps"], said["samples"]) == (steps, steps * G)

    some = share > 0
    weights = client.class_weights(job="j")
    close(weights[some], 1 / (some.sum() * share[some]))
    assert not weights[~some].any()
    weights = client.class_weights(job="j", kind="pos-weight")
    close(weights[some], (1 - share[some]) / share[some])

    batches = serve_epoch(client, "j")
    assert len(batches) == preview["steps"]
    assert sum(len(batch) for batch in batches) == preview["samples"]
    check_counts(preview, batches)
    if kind != "p-by-k" and given != {"column": "w"}:  # what they leave out is not left to chance
        check_coverage(preview, batches, n)
    if strategy == {"kind": "uniform"} or kind in ("undersampled", "oversampled", "stratified"):
        served = np.concatenate([batch.label for batch in batches])
        want = compute_class_weight("balanced", classes=np.unique(served), y=served)
        close(client.class_weights(job="j")[np.unique(served)], want)
