"""Datasets, errors, statistics and feedback of the Python package, against a real daemon."""

import pathlib
import re
import signal

import numpy as np
import pytest
import torch

import evendraw
from evendraw import _library

ROOT = pathlib.Path(__file__).parents[2]


# ---- lists ----


def test_lists_of_more_than_one_page(client):
    rows = client.call("server.info")["limits"]["rows"]
    client.create_dataset("d", [0, 1])
    names = [f"job-{i:03}" for i in range(rows + 3)]
    for name in names:
        client.create_job(name, "d", 1)
    assert client.call("job.list")["more"] is True
    assert [job["job"] for job in client.jobs()] == names
    streams = client.call("server.info")["limits"]["streams"]
    clients = [evendraw.connect() for _ in range(rows // streams + 1)]
    opened = [c.open("job-000", window=1) for c in clients for _ in range(streams)]
    workers = client.workers("job-000")
    assert len(opened) == len({w["worker"] for w in workers}) == len(workers) > rows
    assert {w["session"] for w in workers} == {w["session"] for w in workers if w["stream"] == 1}
    for c in clients:
        c.close()
    assert client.workers("job-001") == []
    with pytest.raises(evendraw.NotFound):
        client.workers("none")


def test_versions_in_pages(client):
    for name in ("a", "b"):
        for _ in range(2):
            client.create_dataset(name, [0, 1])
    want = [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert [(d["dataset"], d["version"]) for d in client.datasets()] == want
    rows = client._rows(
        "dataset.list", "datasets", {"count": 1}, dataset="after", version="after_version"
    )
    assert [(d["dataset"], d["version"]) for d in rows] == want


def test_strategies(client):
    strategies = client.strategies()
    assert [s["kind"] for s in strategies][0] == "uniform"
    for strategy in strategies:
        common = {p["name"]: p for p in strategy["common"]}
        assert common["pairs.how"]["required"] and "mixup" in common["pairs.how"]["help"]
        own = {p["name"] for p in strategy["parameters"]}
        assert common.keys() & own <= {"from"}  # a number of progressive; a name or a map is the part
    assert client.call("strategy.list")["common"] == strategies[-1]["common"]


# ---- errors ----


def test_every_error_has_a_class():
    text = (ROOT / "proto" / "evendraw_errors.h").read_text()
    errors = dict(re.findall(r'X\(\w+, (\d+), "(\w+)"\)', text))
    assert set(errors.values()) == set(evendraw.errors.BY_NAME)
    for code, name in errors.items():
        assert _library.lib.evd_error_name(int(code)).decode() == name
    for kind in evendraw.errors.BY_NAME.values():
        assert getattr(evendraw, kind.__name__) is kind
        assert kind.__name__ in evendraw.__all__
        error = kind("what to do", "where")
        assert (str(error), error.detail) == ("what to do", "where")


@pytest.mark.parametrize(
    "name, builtin",
    [("not_found", LookupError), ("timeout", TimeoutError), ("connect", ConnectionError)]
    + [("closed", ConnectionError), ("bad_value", ValueError), ("bad_type", TypeError)],
)
def test_builtin_bases(name, builtin):
    assert issubclass(evendraw.errors.BY_NAME[name], builtin)


def test_daemon_away(tmp_path):
    with pytest.raises(ConnectionError, match="(?s)evendrawd.*EVENDRAW_SERVER|start") as caught:
        evendraw.connect(f"unix:{tmp_path}/nobody")
    assert isinstance(caught.value, evendraw.ConnectError)
    with pytest.raises(evendraw.BadValue):
        evendraw.connect("ftp:somewhere")


def test_daemon_ends(daemon, client):
    client.create_dataset("d", [0, 1])
    client.create_job("j", "d", 1)
    with evendraw.connect(reconnect=0.2) as impatient, impatient.open("j") as stream:
        assert stream.next() is not None
        daemon.end()
        with pytest.raises(ConnectionError):
            while stream.next(timeout=10):
                pass


def test_daemon_is_restarted(daemon, client):
    client.create_dataset("d", np.arange(100))
    client.create_job("j", "d", 10)
    with client.open("j", window=2) as stream:
        seen = stream.next().tolist()
        daemon.end(signal.SIGKILL)
        daemon.start()
        seen += [i for batch in stream for i in batch]
    assert sorted(seen) == list(range(100))
    assert client.counters["reconnects"] == 1


# ---- datasets ----


def test_create_dataset(client):
    info = client.create_dataset("pets", ["dog", "cat", None, "dog"])
    assert (info["version"], info["samples"], info["labelled"], info["classes"]) == (1, 4, 3, 2)
    stats = client.dataset_stats("pets")
    assert stats["class"] == ["cat", "dog"]
    assert stats["count"].tolist() == [1, 2]
    assert stats["share"] == pytest.approx([1 / 3, 2 / 3])
    assert client.create_dataset("pets", torch.tensor([0, 1, 1]))["version"] == 2
    assert client.labels("pets").tolist() == [0, 1, 1]
    assert client.labels("pets", 1).tolist() == [1, 0, -1, 1]
    assert client.dataset("pets")["samples"] == 3
    assert [d["version"] for d in client.datasets()] == [1, 2]
    client.drop_dataset("pets", 2)
    assert client.dataset("pets")["version"] == 1


def test_dataset_of_a_dataset(client):
    class Folder:
        samples = [("a", 1), ("b", 1), ("c", 0)]
        classes = ["cat", "dog", "fox"]

        def __getitem__(self, i):
            return self.samples[i]

    client.create_dataset("folder", Folder())
    stats = client.dataset_stats("folder")
    assert stats["class"] == ["cat", "dog", "fox"]
    assert stats["count"].tolist() == [1, 2, 0]


def test_many_classes_in_pages(client):
    labels = np.arange(10000).repeat(2)
    client.create_dataset("many", labels)
    stats = client.dataset_stats("many")
    assert stats["class"] == [str(c) for c in range(10000)]
    assert stats["count"].tolist() == [2] * 10000
    weights = np.zeros(10000)
    weights[7] = 1
    strategy = {"kind": "weighted", "weight": "explicit", "weights": weights}
    client.create_job("j", "many", 8, strategy)
    with client.open("j") as stream:
        assert set(stream.next().tolist()) == {14, 15}
    assert client.job_stats("j")["asked"].argmax() == 7


# ---- statistics ----


def test_class_weights(client):
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([0] * 50 + [1] * 30 + [2] * 5)
    client.create_dataset("d", labels)
    balanced = client.class_weights("d")
    assert balanced == pytest.approx(
        compute_class_weight("balanced", classes=np.arange(3), y=labels), rel=1e-12
    )
    assert client.class_weights("d", "inverse") == pytest.approx([1 / 50, 1 / 30, 1 / 5])
    effective = client.class_weights("d", "effective", beta=0.9)
    assert effective.sum() == pytest.approx(3) and (np.diff(effective) > 0).all()
    weight = client.class_weights("d", like="torch")
    assert weight.dtype == torch.float32
    loss = torch.nn.CrossEntropyLoss(weight=weight)
    assert loss(torch.zeros(3, 3), torch.tensor([0, 1, 2])).isfinite()
    pos_weight = client.class_weights("d", "pos-weight", like="torch")
    assert pos_weight[2] == 16
    torch.nn.BCEWithLogitsLoss(pos_weight=pos_weight)(torch.zeros(1, 3), torch.ones(1, 3))
    client.create_dataset("gap", [0, 0, 2], classes=[0, 1, 2])
    assert client.class_weights("gap")[1] == 0
    assert client.class_weights("gap", "log-prior")[1] == -np.inf
    assert client.logit_adjustment("gap")[1] == client.logit_adjustment("gap", post_hoc=True)[1]
    assert client.logit_adjustment("gap")[1] == -np.inf
    client.create_job("j", "d", 5, "weighted")
    assert client.class_weights(job="j") == pytest.approx(np.ones(3))
    with pytest.raises(evendraw.UsageError, match="one of them"):
        client.class_weights()
    with pytest.raises(evendraw.BadValue):
        client.class_weights("d", "blanced")


def test_preview(client):
    client.create_dataset("d", [0] * 300 + [1] * 100)
    answer = client.preview("weighted", dataset="d", batch_size=8)
    assert answer["steps"] == 50 and answer["class"] == ["0", "1"]
    assert answer["drawn"] == pytest.approx([200, 200])
    assert answer["per_batch"] == pytest.approx([4, 4])
    assert client.jobs() == []
    with pytest.raises(evendraw.StrategyError):
        client.preview({"kind": "p-by-k", "p": 3, "k": 4}, dataset="d", batch_size=8)


def test_sample_weights(client):
    weights = np.array([0.0, 1.0, 0.0, 2.0])
    client.create_dataset("d", ["a", "a", "b", "b"], weights={"mine": weights})
    client.create_job("j", "d", 30, {"kind": "weighted", "column": "mine", "num_samples": 300})
    with client.open("j") as stream:
        drawn = np.bincount([i for batch in stream for i in batch], minlength=4)
    assert drawn[0] == drawn[2] == 0 and drawn[3] > drawn[1] > 50
    with pytest.raises(evendraw.BadValue):
        client.create_dataset("d", [0, 1], weights={"mine": [1.0]})
    with pytest.raises(evendraw.BadValue):
        client.create_dataset("d", [0, 1], weights={"mine": [1.0, -1.0]})


# ---- feedback ----


def test_report_and_confusion(client):
    from sklearn import metrics

    labels = np.random.default_rng(3).choice(4, 200, p=[0.5, 0.3, 0.15, 0.05])
    client.create_dataset("d", labels)
    client.create_job("j", "d", 20, mode="ranked")
    with pytest.raises(evendraw.NotFound, match="nothing was reported"):
        client.confusion("j")
    true, predicted = [], []
    with client.open("j", rank=0, world_size=1, columns=["label"]) as stream:
        for batch in stream:
            guess = torch.from_numpy((batch.index * 7 // 3) % 4)
            answer = client.report("j", batch, guess, rank=0, loss=np.full(20, 0.5))
            assert answer["counted"]
            true += batch.label.tolist()
            predicted += guess.tolist()
        assert not client.report("j", batch, guess, rank=0)["counted"]  # once is enough
    answer = client.confusion("j")
    assert answer["class"] == ["0", "1", "2", "3"] and answer["samples"] == 200
    assert (answer["matrix"] == metrics.confusion_matrix(true, predicted)).all()
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        true, predicted, zero_division=0
    )
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert answer[name] == pytest.approx(expected, rel=1e-12)
    assert answer["support"].tolist() == support.tolist()
    assert answer["macro"]["f1"] == pytest.approx(f1.mean())
    assert answer["accuracy"] == pytest.approx(metrics.accuracy_score(true, predicted))
    assert answer["balanced_accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(true, predicted)
    )
    assert answer["mean_loss"] == pytest.approx(0.5)
    assert client.confusion("j", every=True)["samples"] == 200
    with pytest.raises(evendraw.BadValue):
        client.report("j", batch, guess[:5], rank=0)


def test_thresholds(client):
    from sklearn import metrics

    client.create_dataset("d", [0, 1, 1] * 50, classes=["ham", "spam"])
    client.create_job("j", "d", 30)
    true, scores = [], []
    with client.open("j", columns=["label"]) as stream:
        for batch in stream:
            score = torch.sigmoid(torch.from_numpy(np.sin(batch.index) + batch.label))
            client.report("j", batch, score > 0.5, score=score)
            true += batch.label.tolist()
            scores += score.tolist()
    answer = client.confusion("j")["thresholds"]
    f1 = []
    for k, threshold in enumerate(answer["threshold"]):
        predicted = np.array(scores) >= threshold
        _, false_positive, _, true_positive = metrics.confusion_matrix(true, predicted).ravel()
        assert (answer["false_positive"][k], answer["true_positive"][k]) == (
            false_positive,
            true_positive,
        )
        f1.append(metrics.f1_score(true, predicted, zero_division=0))
    assert answer["best"]["f1"] == pytest.approx(max(f1), rel=1e-12)
    assert answer["best"]["threshold"] == np.argmax(np.round(f1, 12)) / 1000
