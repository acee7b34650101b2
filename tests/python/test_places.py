"""Who has a place in a job: samplers made again, threads, ranks that are not equally fast or do not
do the same."""

import copy
import json
import multiprocessing
import pickle
import threading

import pytest
import torch
import torch.utils.data

import evendraw
import evendraw.torch
from test_names import run_all
from test_torch import N, Dataset, flat, indices, run_ranks, workers

LOADERS = [torch.utils.data.DataLoader, evendraw.torch.DataLoader]


# ---- one rank ----


@pytest.mark.filterwarnings("ignore:.*was broken off twice")
@pytest.mark.parametrize("loading", [workers(0), workers(2, "fork", persistent_workers=True)])
@pytest.mark.parametrize("kind", LOADERS)
def test_a_cell_run_again(daemon, kind, loading):
    """Of a notebook: everything is made anew while the old one is still there, also its iterator."""
    dataset = Dataset()
    for _ in range(3):
        sampler = evendraw.torch.BatchSampler("train", 8, dataset=dataset, resume="epoch")
        loader = kind(dataset, batch_sampler=sampler, **loading)
        iterator = iter(loader)
        first = next(iterator)[0].tolist()
    kept = [sampler, loader, iterator]
    assert indices(kind(dataset, batch_sampler=sampler, **loading))[0] == first
    assert sorted(flat(sampler)) == list(range(N))
    del kept


def test_the_older_of_two_says_so(daemon):
    dataset = Dataset()
    first, second = (evendraw.torch.BatchSampler("train", 8, dataset=dataset) for _ in range(2))
    old = iter(first)
    seen = [next(old)]
    assert sorted(flat(second)) == list(range(N))  # the one returned last was not acknowledged
    with pytest.raises(evendraw.UsageError, match="newer iteration has begun, over this sampler or an"):
        next(old)
    assert sorted(flat(first)) == list(range(N))  # a loop of its own, the next epoch
    assert first.state_dict()["epoch"] == 2 and seen[0] not in list(second)


def test_made_in_one_thread_used_in_another(daemon):
    """Each thread is a rank, and they meet at nothing but the job."""
    dataset = Dataset()
    ranks = [evendraw.torch.BatchSampler("t", 4, dataset=dataset, rank=r, world_size=2) for r in (0, 1)]
    seen = [[], []]

    def train(rank):
        for epoch in (0, 1, 0, 0, 2):
            ranks[rank].set_epoch(epoch)
            seen[rank].append(list(ranks[rank]))

    threads = [threading.Thread(target=train, args=(rank,)) for rank in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mine, others in zip(*seen, strict=True):
        assert sorted(flat(mine + others)) == list(range(N))
    for rank in (0, 1):
        assert seen[rank][0] == seen[rank][2] == seen[rank][3] != seen[rank][1]


def in_child(sampler, to_parent):
    try:
        to_parent.send(list(sampler))
    except evendraw.Error as error:
        to_parent.send(str(error))


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("attached", [False, True])
def test_passed_to_another_process(daemon, monkeypatch, start, attached):
    """By pickling, or by fork while it is attached: that one has a connection of its own, and the
    place if it is free."""
    monkeypatch.setattr(evendraw.torch._attach, "LOST_WORKERS", 0.2)
    sampler = evendraw.torch.BatchSampler(labels=Dataset().targets, batch_size=8)
    if attached:
        next(iter(sampler))
    context = multiprocessing.get_context(start)
    here, there = context.Pipe()
    child = context.Process(target=in_child, args=(sampler, there))
    child.start()
    answer = here.recv()
    child.join()
    if attached:
        assert "rank 0 is attached already" in answer or "other workers of it are at work" in answer
    else:
        assert sorted(flat(answer)) == list(range(N))
    assert sorted(flat(sampler)) == list(range(N))


def test_copies(daemon):
    sampler = evendraw.torch.BatchSampler(Dataset(), 8)
    iterator = iter(sampler)
    next(iterator)
    for other in (pickle.loads(pickle.dumps(sampler)), copy.deepcopy(sampler)):
        assert other.state_dict() == sampler.state_dict()
        assert sorted(flat(other)) == list(range(N))


# ---- ranks without a group ----


@pytest.mark.parametrize("resume", ["position", "epoch"])
def test_ranks_of_several_speeds(daemon, tmp_path, resume):
    """Whoever is first moves the job only when the others have read as far."""
    script = """
        import time
        dataset = Dataset()
        sampler = evendraw.torch.BatchSampler(
            "train", 4, dataset=dataset, rank={rank}, world_size=3, resume="{resume}",
            time_limit=200)  # of a busy machine: the others may be slow to come
        loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler, num_workers={rank})
        seen = []
        for epoch in (0, 1, 0, 2, 2):
            sampler.set_epoch(epoch)
            seen.append(indices(loader))
            time.sleep(0.2 * {rank})
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            seen.append([batch[0].tolist() for _, batch in zip(range(3), loader)])
        sampler.set_epoch(1)
        seen.append(indices(loader))
        print(json.dumps(seen))
    """
    ranks = run_all([script.format(rank=rank, resume=resume) for rank in range(3)], tmp_path)
    for whole in (0, 1, 2, 3, 4, 7):
        assert sorted(flat(sum((rank[whole] for rank in ranks), []))) == list(range(N))
    for rank in ranks:
        assert rank[0] == rank[2] and rank[3] == rank[4] and rank[1] == rank[7]
        assert (rank[5], rank[6]) == (rank[0][:3], rank[1][:3])


def test_a_rank_that_is_not_there(daemon):
    """A job is not moved under a rank that has not read as far; it says what it waits for."""
    dataset = Dataset()
    first, second = (
        evendraw.torch.BatchSampler("t", 4, dataset=dataset, rank=r, world_size=2, time_limit=0.5)
        for r in (0, 1)
    )
    assert len(list(first)) == 12
    first.set_epoch(0)
    with pytest.raises(evendraw.Conflict, match="not read further than epoch 0, step 0.*to epoch 1"):
        next(iter(first))
    assert len(list(second)) == 12
    first.set_epoch(0)
    assert len(list(first)) == 12


def test_moved_by_somebody_else(daemon, client):
    """Between two loops, of which the second says which epoch it is to be."""
    sampler = evendraw.torch.BatchSampler("train", 8, dataset=Dataset())
    epochs = [list(sampler) for _ in range(2)]
    sampler.set_epoch(2)
    client.call("job.seek", job="train", epoch=0, step=0)
    with pytest.raises(evendraw.Conflict, match="moved to epoch 0, step 0, where.*epoch 2.*set_epoch"):
        next(iter(sampler))
    sampler.set_epoch(0)
    assert [list(sampler) for _ in range(2)] == epochs


# ---- ranks of a group ----


def test_group(daemon, client, tmp_path):
    """Sanity check, set_epoch before each epoch, loops broken off: all ranks alike."""
    body = """
        dataset, seen = Dataset(97), []
        for kind in (torch.utils.data.DataLoader, evendraw.torch.DataLoader):
            sampler = evendraw.torch.BatchSampler(dataset, 4, last_batch="exact")
            loader = kind(dataset, batch_sampler=sampler, num_workers=2, persistent_workers=True)
            first = next(iter(loader))[0].tolist()
            epochs = []
            for epoch in range(2):
                sampler.set_epoch(epoch)
                epochs.append(indices(loader))
            assert epochs[0][0] == first
            for at in (1, 11, 12):
                for i, _ in enumerate(loader, 1):
                    if i == at:
                        break
                sampler.set_epoch(1)
                assert indices(loader) == epochs[1]
            seen.append(epochs)
        shared = evendraw.torch.IterableDataset(None, dataset, 4)
        seen.append(shared.job)
        batches = iter(shared)
        part = [next(batches)[0].tolist()]
        dist.barrier()  # who came when the epoch is over would have the next one
        seen.append(part + [batch[0].tolist() for batch in batches])
        print(json.dumps(seen))
        dist.barrier()
    """
    ranks = [json.loads(output) for output in run_ranks(daemon, 2, body, tmp_path)]
    for kind in (0, 1):
        for epoch in (0, 1):
            assert sorted(flat(sum((rank[kind][epoch] for rank in ranks), []))) == list(range(97))
    assert ranks[0][2] == ranks[1][2]  # one job, of which each has a part
    assert sorted(flat(ranks[0][3] + ranks[1][3])) == list(range(97))


def test_resume_with_more_ranks(daemon, tmp_path):
    body = """
        sampler = evendraw.torch.BatchSampler(Dataset(), 24 // world)
        if {state}:
            sampler.load_state_dict({state})
        taken = [batch for _, batch in zip(range({steps}), sampler)]
        print(json.dumps([taken, sampler.state_dict()]))
        dist.barrier()
    """
    seen, state = [], None
    for world, steps in ((2, 1), (3, 2), (1, 1)):
        outputs = run_ranks(daemon, world, body.format(state=state, steps=steps), tmp_path)
        ranks = [json.loads(output) for output in outputs]
        seen += [sorted(flat(step)) for step in zip(*(taken for taken, _ in ranks))]
        state = ranks[0][1]
        assert state["step"] == len(seen)
    assert sorted(flat(seen)) == list(range(N))


def test_a_second_group(daemon, tmp_path):
    """As a script or a framework makes one when it has destroyed the first."""
    body = """
        seen = [list(evendraw.torch.BatchSampler(Dataset(), 4))]
        dist.barrier()
        dist.destroy_process_group()
        dist.init_process_group(
            "gloo", init_method=f"file://{tmp_path}/again", rank=rank, world_size=world)
        seen.append(list(evendraw.torch.BatchSampler(Dataset(), 4)))
        print(json.dumps(seen))
        dist.barrier()
    """
    outputs = run_ranks(daemon, 2, body.replace("{tmp_path}", str(tmp_path)), tmp_path)
    ranks = [json.loads(output) for output in outputs]
    for again in (0, 1):
        assert sorted(flat(ranks[0][again] + ranks[1][again])) == list(range(N))


def test_a_rank_that_breaks_off_alone(daemon, tmp_path):
    """Is told, and does not wait without end; what the other does meanwhile is not disturbed."""
    body = """
        import time
        evendraw.torch._ranks.PATIENCE = 2.0
        dataset = Dataset()
        sampler = evendraw.torch.BatchSampler(dataset, 4)
        if rank == 0:
            print(len(list(sampler)))
            dist.barrier()
        else:
            next(iter(sampler))
            try:
                next(iter(sampler))
            except evendraw.UsageError as error:
                print(error)
            dist.barrier()
    """
    whole, alone = run_ranks(daemon, 2, body, tmp_path)
    assert whole.strip() == "12"
    assert "rank 1 waited for the other ranks" in alone and "break off loops" in alone


@pytest.mark.parametrize("name, started", [(None, False), ("data", True)])
def test_iterable_before_the_group(daemon, monkeypatch, name, started):
    """Without a name the processes could not share it, and each would read everything."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    if started:
        assert evendraw.torch.IterableDataset(name, Dataset(), 8).job == "data"
        return
    with pytest.raises(evendraw.UsageError, match="WORLD_SIZE=2.*needs a name"):
        evendraw.torch.IterableDataset(name, Dataset(), 8)
