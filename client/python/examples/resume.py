#!/usr/bin/env python3
"""Two ranks under torch.distributed are killed in the middle of an epoch, and the run goes on with one
rank, is killed again, and ends with four: together the ranks train on every sample of the epoch once.
Needs a running evendrawd.

    ./resume.py

Each rank is a process with a DataLoader of two workers. After every step rank 0 writes a checkpoint
(here: only the loader's state); a restarted run reads it, as a training script would.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import torch
import torch.distributed
import torch.utils.data

import evendraw
import evendraw.torch

SAMPLES = 4096
GLOBAL_BATCH = 32
STEPS = SAMPLES // GLOBAL_BATCH


class Samples(torch.utils.data.Dataset):
    """Says which sample it is, and takes a little time for it."""

    targets = torch.arange(SAMPLES) % 10

    def __len__(self):
        return SAMPLES

    def __getitem__(self, i):
        time.sleep(0.0005)
        return i


def train(folder, job, rank, world, generation):
    """One rank of one run, for one epoch or until it is killed. Writes down what it trained on."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/run-{generation}", rank=rank, world_size=world
    )
    dataset = Samples()
    sampler = evendraw.torch.BatchSampler(job, GLOBAL_BATCH // world, dataset=dataset, seed=1)
    loader = evendraw.torch.DataLoader(dataset, batch_sampler=sampler, num_workers=2)
    checkpoint = folder / "checkpoint.json"
    if checkpoint.exists():
        loader.load_state_dict(json.loads(checkpoint.read_text())["data"])
    with open(folder / f"trained-{generation}-{rank}", "a", buffering=1) as trained:
        for indices in loader:
            print(loader.current.step, *indices.tolist(), file=trained)
            # As the gradients' all-reduce would: no checkpoint says that a step is done before all
            # ranks have trained on their part of it.
            torch.distributed.barrier()
            if rank == 0:
                new = folder / "checkpoint.new"
                new.write_text(json.dumps({"data": loader.state_dict()}))
                new.rename(checkpoint)  # a checkpoint is whole, or is not there
    torch.distributed.destroy_process_group()


def start(folder, job, world, generation):
    return [
        subprocess.Popen(
            [sys.executable, __file__, "--rank", str(rank), "--world", str(world)]
            + ["--run", str(generation), "--folder", folder, "--job", job]
        )
        for rank in range(world)
    ]


def next_step(folder):
    """The step that the checkpoint would go on with."""
    checkpoint = folder / "checkpoint.json"
    return json.loads(checkpoint.read_text())["data"]["step"] if checkpoint.exists() else 0


def kill_at(folder, ranks, step):
    """Kills all ranks, as a lost machine would, once the checkpoint is at that step."""
    while next_step(folder) < step:
        if any(rank.poll() is not None for rank in ranks):
            raise SystemExit("a rank ended before it was to be killed")
        time.sleep(0.01)
    for rank in ranks:
        rank.kill()
    for rank in ranks:
        rank.wait()


def counted(folder, generation, since, until):
    """Samples that the run trained on in these steps: the model of a killed run is lost from its
    last checkpoint on, and so is what it had trained on after that."""
    samples = []
    for path in sorted(folder.glob(f"trained-{generation}-*")):
        for line in path.read_text().splitlines():
            step, *indices = map(int, line.split())
            if since <= step < until:
                samples += indices
    return samples


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--job", default=f"resume-{os.getpid()}")
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--rank", type=int)
    parser.add_argument("--world", type=int)
    parser.add_argument("--run", type=int)
    arguments = parser.parse_args()
    if arguments.rank is not None:
        train(arguments.folder, arguments.job, arguments.rank, arguments.world, arguments.run)
        return

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        seen = []
        for run, (world, kill) in enumerate([(2, STEPS // 3), (1, 2 * STEPS // 3), (4, None)]):
            first = next_step(folder)
            ranks = start(folder, arguments.job, world, run)
            if kill is not None:
                kill_at(folder, ranks, kill)
            elif any(rank.wait() for rank in ranks):
                raise SystemExit("a rank failed")
            last = next_step(folder)
            seen += counted(folder, run, first, last)
            how = "ended" if kill is None else "killed"
            print(f"{world} rank(s): steps {first} to {last - 1}, then {how}", flush=True)
    print(f"{len(seen)} samples trained on, {len(set(seen))} different, of {SAMPLES}")
    with evendraw.connect() as client:
        client.drop_job(arguments.job, force=True)
    if sorted(seen) != list(range(SAMPLES)):
        raise SystemExit("not every sample once")


if __name__ == "__main__":
    main()
