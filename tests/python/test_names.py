"""Samplers with a name and without: two of them, one that exists, four runs at once, what is left behind."""

import json
import socket
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import evendraw
import evendraw.torch
from test_torch import N, Dataset, flat, run_ranks


@pytest.mark.parametrize(
    "make",
    [
        lambda d: evendraw.torch.BatchSampler(d, 8),
        lambda d: evendraw.torch.BatchSampler(batch_size=8, dataset=d),
        lambda d: evendraw.torch.BatchSampler(batch_size=8, labels=d.targets),
        lambda d: evendraw.torch.BatchSampler(None, 8, dataset=d),
    ],
)
def test_two_without_a_name(daemon, client, make):
    """Two samplers have nothing to do with one another, and both are whole."""
    first, second = make(Dataset()), make(Dataset())
    assert first.job != second.job
    next(iter(first))
    assert len(second) == 12
    assert sorted(flat(second)) == list(range(N))
    rows = {row["job"]: row for row in client.jobs()}
    assert rows[first.job]["ephemeral"] == 300000
    assert len(client.datasets()) == 1  # of the same labels


@pytest.mark.parametrize(
    "make",
    [
        lambda: evendraw.torch.Sampler(Dataset()),
        lambda: evendraw.torch.DistributedSampler(Dataset(), 1, 0),
        lambda: evendraw.torch.WeightedRandomSampler([1.0] * N, N),
        lambda: evendraw.torch.ImbalancedDatasetSampler(Dataset()),
    ],
)
def test_two_drop_ins(daemon, make):
    first, second = make(), make()
    next(iter(first))
    assert len(second) == N == len(list(second))


def test_two_drop_ins_of_one_name(daemon, monkeypatch):
    """The newer one reads, whole; the older one says so if it goes on, and so does another thread."""
    monkeypatch.setattr(evendraw.torch._attach, "LOST_WORKERS", 0.2)
    first, second = (evendraw.torch.Sampler(Dataset(), job="train") for _ in range(2))
    old = iter(first)
    next(old)
    new = iter(second)
    seen = [next(new) for _ in range(len(second) - 1)]
    with pytest.raises(evendraw.UsageError, match="newer iteration.*leave the name out"):
        next(old)
    with ThreadPoolExecutor(1) as other:
        with pytest.raises(evendraw.Conflict, match="reads this job alone.*Leave the name out"):
            other.submit(next, iter(first)).result()
    assert len(set([*seen, *new])) > 30  # drawn with repeats; none of it went elsewhere
    assert len(list(second)) == N


def test_folds(daemon):
    """Training and validation parts of each fold, one after the other, as scikit-learn gives them."""
    dataset, drawn = Dataset(50), []
    for fold in range(5):
        part = set(range(fold * 10, fold * 10 + 10))
        rest = [i for i in range(50) if i not in part]
        sampler = evendraw.torch.ImbalancedDatasetSampler(dataset, indices=rest)
        assert not part & set(sampler)
        drawn += list(evendraw.torch.ImbalancedDatasetSampler(dataset, indices=sorted(part)))
    assert len(drawn) == 50
    evendraw.torch.Sampler(dataset, job="fold", indices=range(25))
    with pytest.raises(evendraw.Exists, match="25 samples with a label and not 10|other labels"):
        evendraw.torch.Sampler(dataset, job="fold", indices=range(40, 50), num_samples=25)


@pytest.mark.parametrize(
    "more, difference",
    [
        ({"seed": 3}, "seed is 0 and not 3"),
        ({"last_batch": "pad"}, "last_batch is drop and not pad"),
        ({"labels": [0] * N}, "other labels"),
        ({"strategy": "stratified"}, "never drawn by that strategy"),
        ({"batch_size": 32}, "batch_size is 64 and not 32"),
    ],
)
def test_a_name_that_exists(daemon, client, more, difference):
    """By default it must be the same; or the caller says what is to happen."""
    arguments = {"batch_size": 64, "dataset": Dataset(), "seed": 0}
    first = evendraw.torch.BatchSampler("train", **arguments)
    next(iter(first))
    first.close()
    evendraw.torch.BatchSampler("train", **arguments).close()
    changed = arguments | more
    with pytest.raises(evendraw.Exists, match=f"(?s){difference}.*attach.*restart"):
        evendraw.torch.BatchSampler("train", **changed)
    with pytest.raises(evendraw.Exists):
        evendraw.torch.BatchSampler("train", **arguments, exists="refuse")
    if "batch_size" not in more:
        attached = evendraw.torch.BatchSampler("train", **changed, exists="attach")
        assert client.job("train")["seed"] == 0
        attached.close()
    evendraw.torch.BatchSampler("train", **changed, exists="restart").close()
    info = client.job("train")
    assert (info["epoch"], info["step"], info["generation"]) == (0, 0, 0)
    evendraw.torch.BatchSampler("train", **changed).close()
    with pytest.raises(ValueError, match="exists is"):
        evendraw.torch.BatchSampler("train", **arguments, exists="yes")


def wait_until(true):
    """Bounded by the test's time."""
    while not true():
        time.sleep(0.02)


def run_all(scripts, tmp_path):
    """Runs scripts at the same time; what each printed."""
    processes = []
    for i, script in enumerate(scripts):
        path = tmp_path / f"script_{i}.py"
        path.write_text(
            "import sys, json\n"
            f"sys.path.insert(0, {sys.path[0]!r})\n"
            "from test_torch import *\n" + textwrap.dedent(script)
        )
        processes.append(
            subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, text=True)
        )
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [json.loads(output) for output in outputs]


def test_four_runs_at_once(daemon, client, tmp_path):
    """Of one script without a name: each has every epoch whole, and the same batches."""
    script = """
        sampler = evendraw.torch.BatchSampler(Dataset(), 8)
        print(json.dumps([list(sampler) for _ in range(2)]))
    """
    runs = run_all([script] * 4, tmp_path)
    assert all(run == runs[0] for run in runs)
    assert sorted(flat(runs[0][0])) == list(range(N))
    assert len({job["job"] for job in client.jobs()}) == 4
    assert all(job["job"].startswith("script_") for job in client.jobs())


def _gate(path, processes, rounds):
    """Lets all processes that connect go on together, so many times."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        gates = [listener.accept()[0] for _ in range(processes)]
        for _ in range(rounds):
            assert [gate.recv(1) for gate in gates] == [b"r"] * processes
            for gate in gates:
                gate.sendall(b"g")
        for gate in gates:
            gate.close()


def test_one_name_created_at_once(daemon, client, tmp_path):
    """All find it, whoever was first, however often. They are let go at one moment."""
    script = f"""
        import socket
        with socket.socket(socket.AF_UNIX) as gate:
            gate.connect("{tmp_path}/gate")
            for number in range(10):
                gate.sendall(b"r")
                assert gate.recv(1) == b"g"
                evendraw.torch.IterableDataset(f"train-{{number}}", Dataset(), 8).close()
        print(1)
    """
    with ThreadPoolExecutor(1) as other:
        opened = other.submit(_gate, f"{tmp_path}/gate", 4, 10)
        assert run_all([script] * 4, tmp_path) == [1] * 4
        opened.result()
    assert sorted(job["job"] for job in client.jobs()) == [f"train-{i}" for i in range(10)]


def test_gone_after_a_while(daemon, client, monkeypatch):
    """Job and dataset, when nobody uses them."""
    monkeypatch.setattr(evendraw.torch._attach, "EPHEMERAL", 0.05)
    sampler = evendraw.torch.BatchSampler(Dataset(), 8)
    next(iter(sampler))
    assert client.job(sampler.job)["streams"] == 1
    sampler.close()
    wait_until(lambda: client.jobs() == [] == client.datasets())


def test_wrong_labels_leave_nothing(daemon, client):
    """The corrected script works at once."""
    for name in (None, "train"):
        with pytest.raises(ValueError, match="90 labels for a dataset of 96"):
            evendraw.torch.BatchSampler(name, 8, dataset=Dataset(), labels=[0] * 90)
        assert client.jobs() == client.datasets() == []
    with pytest.raises(evendraw.StrategyError):
        evendraw.torch.BatchSampler("train", 8, dataset=Dataset(), strategy="balanced?")
    sampler = evendraw.torch.BatchSampler("train", 8, dataset=Dataset())
    assert sorted(flat(sampler)) == list(range(N))
    sampler.close()
    client.drop_job("train")
    wait_until(lambda: client.datasets() == [])


def test_before_the_group(daemon, monkeypatch):
    """One of two processes, and torch.distributed is not initialised yet."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    for make in (
        lambda: evendraw.torch.BatchSampler(Dataset(), 8),
        lambda: evendraw.torch.Sampler(Dataset()),
        lambda: evendraw.torch.BatchSampler("train", 8, dataset=Dataset()),
    ):
        with pytest.raises(evendraw.UsageError, match="WORLD_SIZE=2.*init_process_group"):
            make()
    with pytest.raises(evendraw.UsageError, match="job=.*init_process_group"):
        evendraw.torch.BatchSampler(Dataset(), 8, rank=1, world_size=2)
    assert len(evendraw.torch.BatchSampler("t", 8, dataset=Dataset(), rank=0, world_size=2)) == 6


def test_ranks_of_one_run(daemon, client, tmp_path):
    """Have one job, without a name; a loop that is broken off begins again on all of them."""
    outputs = run_ranks(
        daemon,
        2,
        """
        dataset = Dataset()
        sampler = evendraw.torch.BatchSampler(dataset, 4)
        loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler, num_workers=1)
        sanity = next(iter(loader))[0].tolist()
        print(json.dumps([sampler.job, sanity] + [indices(loader) for _ in range(2)]))
        dist.barrier()
        """,
        tmp_path,
    )
    ranks = [json.loads(output) for output in outputs]
    assert ranks[0][0] == ranks[1][0]
    for epoch in (2, 3):
        assert sorted(flat(ranks[0][epoch] + ranks[1][epoch])) == list(range(N))
    for rank in ranks:
        assert rank[1] == rank[2][0]
