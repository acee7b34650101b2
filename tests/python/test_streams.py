"""Jobs and the batches of their streams, against a real daemon."""

import os
import re
import threading
import time

import numpy as np
import pytest
import torch

import evendraw


@pytest.fixture
def job(client):
    client.create_dataset("d", np.arange(100) % 4)
    client.create_job("j", "d", 10, {"kind": "weighted", "weight": "inverse"}, seed=3)
    return "j"


def test_pairs(client, job):
    strategy = {"kind": "weighted", "pairs": {"how": "mixup", "alpha": 1}}
    columns = ["label", "mix_index", "mix_label", "mix_lambda", "mix_label_lambda"]
    with pytest.raises(evendraw.Error, match="cannot answer the column"):
        client.open(job, columns=columns)
    client.create_job("pairs", "d", 10, strategy)
    assert client.job("pairs")["strategy"] == strategy
    with client.open("pairs", columns=columns) as stream:
        for batch in stream:
            assert batch.mix_index.dtype == batch.mix_label.dtype == np.int64
            assert batch.mix_lambda.dtype == batch.mix_label_lambda.dtype == np.float32
            assert (batch.mix_label == batch.mix_index % 4).all()
            assert (0 < batch.mix_lambda).all() and (batch.mix_lambda < 1).all()
            assert (batch.mix_lambda == batch.mix_label_lambda).all()
            assert batch.tensor("mix_lambda").dtype == torch.float32
    names = [param["name"] for param in client.call("strategy.list")["common"]]
    assert sum(name.startswith("pairs.") for name in names) == 4


def test_strength(client):
    client.create_dataset("d", [0] * 8)
    client.create_job("j", "d", 24, {"kind": "uniform", "num_samples": 24, "repeats": 3})
    with client.open("j", columns=["repeat", "augment_strength"]) as stream:
        (batch,) = stream
    assert batch.augment_strength.dtype == np.float32
    assert sorted(batch.repeat.tolist()) == [0] * 8 + [1] * 8 + [2] * 8
    assert batch.augment_strength.tolist() == (1 - 1 / (1 + batch.repeat)).astype("f").tolist()


def test_batches(client, job):
    columns = ["label", "probability", "augment_seed"]
    with client.open(job, columns=columns) as stream:
        assert stream.info.samples == 100 and stream.info.steps == 10
        assert stream.info.rank is None and stream.info.window == 8
        batches = list(stream)
        assert [b.step for b in batches] == list(range(10))
        for batch in batches:
            assert batch.index.dtype == np.int64 and len(batch) == 10
            assert batch.tolist() == list(batch) == batch.index.tolist()
            assert (batch.label == batch.index % 4).all()
            assert batch.probability == pytest.approx(1 / 100)
            assert len(set(batch.augment_seed.tolist())) == 10
            assert batch.tensor().tolist() == batch.tolist()
            assert batch.tensor().dtype == torch.int64
            assert batch.tensor("probability").dtype == torch.float32
            with pytest.raises(evendraw.UsageError, match='columns=\\["repeat"\\]'):
                batch.tensor("repeat")
        following = stream.next()
        assert (following.epoch, following.step) == (1, 0)
    first = batches[0].tolist()
    client.create_job("again", "d", 10, {"kind": "weighted", "weight": "inverse"}, seed=3)
    with client.open("again") as stream:
        assert stream.next().tolist() == first


def test_where_a_stream_begins(client, job):
    """Batches that come again come before the first that nobody had."""
    with client.open(job, window=3, manual_ack=True) as stream:
        assert (stream.info.step, stream.info.first_step) == (0, 0)
        batches = [stream.next() for _ in range(3)]
        assert [batch.step for batch in batches] == [0, 1, 2]
        stream.ack(batches[0], confirm=True)
        reached = client.job(job)["step"]
    with client.open(job) as stream:
        info = stream.info
        assert (info.epoch, info.step) == (0, reached) and reached >= 3
        assert (info.first_epoch, info.first_step) == (0, 1)
        batch = stream.next()
        assert (batch.epoch, batch.step) == (info.first_epoch, info.first_step)
        assert batch.redelivered


def test_ranks_of_one_process_make_room_at_once(client):
    """Who closed its stream, or its connection, keeps nobody from moving the job or from its rank."""
    client.create_dataset("d", np.arange(40) % 4)
    client.create_job("r", "d", 4, mode="ranked", world_size=2)
    for end in ("stream", "connection", "stream"):
        workers = [evendraw.connect(client.address) for _ in range(2)]
        streams = [worker.open("r", rank=rank) for rank, worker in enumerate(workers)]
        assert all(stream.next() is not None for stream in streams)
        with pytest.raises(evendraw.Conflict) as refused:
            client.call("job.seek", job="r", epoch=0, step=2)
        assert refused.value.detail == "workers"
        for worker, stream in zip(workers, streams, strict=True):
            (stream if end == "stream" else worker).close()
            # Two connections have no order among them: what was said on the first has been heard
            # when it answers, and its end when nobody is attached.
            if end == "stream":
                worker.call("server.info")
        while client.job("r")["streams"] > 0:
            pass
        assert client.call("job.seek", job="r", epoch=0, step=2)["step"] == 2
    for rank in range(2):
        with client.open("r", rank=rank) as stream:
            assert stream.next().step == 2


def test_batches_keep_their_memory(client, job):
    with client.open(job) as stream:
        batches = [stream.next() for _ in range(10)]
        kept = [b.tolist() for b in batches]
        stream.next()
    assert [b.index.tolist() for b in batches] == kept
    batches[0].index[0] = 5  # its own, and writable


def test_old_strategies_are_forgotten(client):
    client.create_dataset("d", np.arange(20) % 2)
    assert client.create_job("j", "d", 10, retain_epochs=1)["retain_epochs"] == 1
    with client.open("j", window=1) as stream:
        for epoch in range(4):
            assert sum(len(batch) for batch in stream) == 20
            weights = {"0": 1, "1": epoch + 2}
            client.update_job("j", {"kind": "weighted", "weight": "explicit", "weights": weights})
    while client.job_stats("j")["since"]["epoch"] == 0:  # until progress was stored
        pass
    assert client.job("j")["revisions"][0]["forgotten"]
    with pytest.raises(evendraw.NotFound, match="retain_epochs"):
        client.call("job.batch", job="j", epoch=0, step=0)
    with pytest.raises(evendraw.Exists, match="retain_epochs is 1 and not 2"):
        client.create_job("j", "d", 10, if_exists="same", retain_epochs=2)


def test_update_and_stats(client, job):
    with client.open(job, window=1) as stream:
        stream.next()
        answer = client.update_job(job, "uniform", when="epoch")
        assert (answer["epoch"], answer["step"]) == (1, 0)
        list(stream)
        assert sorted(i for b in stream for i in b) == list(range(100))
    assert client.job(job)["strategy"] == {"kind": "uniform"}
    assert client.job_stats(job, epoch=1)["served"].tolist() == [25] * 4
    assert [j["job"] for j in client.jobs()] == [job]
    client.drop_job(job)
    with pytest.raises(evendraw.NotFound):
        client.job(job)


def test_unacknowledged_comes_again(client, job):
    with client.open(job, manual_ack=True, window=4) as stream:
        first, second, third = (stream.next() for _ in range(3))
        stream.ack(second, confirm=True)
    with client.open(job) as stream:
        again = stream.next()
        assert again.redelivered and again.tolist() == first.tolist()
        assert stream.next().tolist() == third.tolist()
    assert not first.redelivered


def test_early_end(client, job):
    """Two workers read in turn: the one without a batch must not wait for the other."""
    with evendraw.connect() as other:
        early = dict(early_end=True, window=1)
        with client.open(job, **early) as a, other.open(job, **early) as b:
            for _ in range(5):
                assert a.next() is not None and b.next() is not None
            assert a.ended is None
            assert a.next(timeout=5) is None  # b holds the last step
            assert a.ended == 0
            assert b.next(timeout=5) is None
            assert a.next().epoch == 1 and b.next().epoch == 1


def test_timeout_and_threads(client, job):
    with client.open(job, window=1) as holder, evendraw.connect() as other:
        with other.open(job, window=1) as stream:
            for _ in range(9):
                holder.next()
            stream.next()
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                stream.next(timeout=0.3)
            assert 0.25 < time.monotonic() - began < 5
            # While one thread waits for a batch, another may call.
            waiter = threading.Thread(target=lambda: stream.next(timeout=1.0))
            waiter.start()
            assert other.job(job)["streams"] == 2
            holder.next(timeout=5)
            waiter.join()


def test_refusals(client, job):
    with pytest.raises(evendraw.NotFound, match="nothing|no job"):
        client.open("nothing")
    with pytest.raises(evendraw.UsageError, match="labels.*there are label, probability"):
        client.open(job, columns=["labels"])
    with pytest.raises(evendraw.StrategyError):
        client.open(job, columns=["repeat"])
    with pytest.raises(evendraw.UnknownField, match="batch_size"):
        client.call("job.create", name="x", dataset="d", batchsize=3)
    with pytest.raises(evendraw.StrategyError):
        client.create_job("x", "d", 10, "wieghted")
    with pytest.raises(evendraw.Exists):
        client.create_job(job, "d", 10)
    stream = client.open(job)
    stream.close()
    with pytest.raises(evendraw.UsageError, match="closed"):
        stream.next()
    client.close()
    with pytest.raises(evendraw.UsageError, match="connect"):
        client.jobs()
    stream.close()


def test_fork(client, job):
    """The child's copy of the connection is closed, so that the daemon sees when the parent ends."""
    stream = client.open(job)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = b"nothing"
        try:
            client.jobs()
        except evendraw.UsageError as error:
            said = str(error).encode()
        stream.close()
        client.close()
        try:
            with evendraw.connect() as own:
                said += b" %d" % len(own.jobs())
        finally:
            os.write(write_end, said)
            os._exit(0)
    os.waitpid(pid, 0)
    assert re.match(rb".*connect.* 1$", os.read(read_end, 1000))
    assert stream.next() is not None
    assert client.jobs()[0]["streams"] == 1
