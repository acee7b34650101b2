#!/usr/bin/env python3
"""What a sampler costs within a real DataLoader: evendraw's against PyTorch's own, in one run.

Each sampler runs in a process of its own and reports

    start   seconds from constructing it (labels or weights at hand) to the first batch
    batch   microseconds a batch beyond what the DataLoader costs with batches that are there already
    memory  MiB that this rank's process grew by

Labels reach the daemon once, before; that is a line of its own. Needs a running evendrawd.

    ./loader.py [--huge]        N = 10^5 and 10^7; --huge: 10^8 too (8 GB, some minutes)
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time

import numpy as np
import torch
import torch.utils.data as data

import evendraw
import evendraw.torch

BATCH = 256
BATCHES = 300
CLASSES = 100


class Nothing(data.Dataset):
    """A dataset that costs as little as one can."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i


def labels_of(n):
    """Long-tailed: class c has a share in proportion to 0.95^c."""
    share = 0.95 ** np.arange(CLASSES)
    return np.random.default_rng(1).choice(CLASSES, n, p=share / share.sum()).astype(np.uint8)


def weights_of(n):
    labels = labels_of(n)
    return torch.from_numpy(1.0 / np.bincount(labels, minlength=CLASSES)[labels])


def batched(sampler):
    return data.BatchSampler(sampler, BATCH, drop_last=True)


def torch_weighted(n):
    weights = weights_of(n)
    return lambda: batched(data.WeightedRandomSampler(weights, n))


def torch_distributed(n):
    return lambda: batched(data.DistributedSampler(Nothing(n), num_replicas=1, rank=0))


def ours(strategy):
    def prepare(n):
        return lambda: evendraw.torch.BatchSampler(f"bench-{n}-{strategy}")

    return prepare


SAMPLERS = {
    "torch WeightedRandomSampler": torch_weighted,
    "torch DistributedSampler": torch_distributed,
    "evendraw weighted": ours("weighted"),
    "evendraw uniform": ours("uniform"),
    "evendraw stratified": ours("stratified"),
}


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def first(batch):
    return batch[0]


def per_batch(n, sampler):
    """Seconds a batch: the best of ten times a tenth, so that other work on the machine does not
    count; a tenth is long enough for several round trips. The first batch is not counted."""
    loader = iter(data.DataLoader(Nothing(n), batch_sampler=sampler, collate_fn=first))
    next(loader)
    times = []
    for _ in range(10):
        began = time.perf_counter()
        taken = sum(1 for _ in itertools.islice(loader, BATCHES // 10))
        times.append((time.perf_counter() - began) / taken)
    return min(times)


def measure(name, n):
    prepare = SAMPLERS[name](n)
    before = resident()
    began = time.perf_counter()
    sampler = prepare()
    batches = iter(sampler)
    next(batches)
    start = time.perf_counter() - began
    memory = resident() - before
    del batches
    fixed = [list(range(BATCH))] * (BATCHES + 1)
    cost = per_batch(n, sampler) - per_batch(n, fixed)
    return {"start": start, "batch": 1e6 * cost, "memory": memory / 2**20}


def run(name, n):
    """Measures in a process of its own."""
    command = [sys.executable, __file__, "--one", name, "--samples", str(n)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout)
    return {"error": done.stderr.strip().splitlines()[-1]}


def load(client, n):
    """The jobs; returns the seconds that the labels took."""
    began = time.perf_counter()
    client.create_dataset(f"bench-{n}", labels_of(n))
    taken = time.perf_counter() - began
    for strategy in ("weighted", "uniform", "stratified"):
        client.create_job(f"bench-{n}-{strategy}", f"bench-{n}", BATCH, strategy, mode="ranked")
    return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--huge", action="store_true", help="10^8 samples as well")
    parser.add_argument("--samples", type=int, nargs="+", help="other numbers of samples")
    parser.add_argument("--one", choices=SAMPLERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.samples[0])))
        return
    sizes = arguments.samples or [10**5, 10**7] + [10**8] * arguments.huge
    print("| sampler | samples | start, s | batch, µs | memory, MiB |")
    print("| --- | ---: | ---: | ---: | ---: |")
    with evendraw.connect(time_limit=600) as client:
        for n in sizes:
            print(f"| labels to the daemon, once | {n} | {load(client, n):.2f} | | |")
            for name in SAMPLERS:
                figures = run(name, n)
                if "error" in figures:
                    print(f"| {name} | {n} | cannot: {figures['error']} | | |")
                else:
                    print(
                        f"| {name} | {n} | {figures['start']:.3f} | {figures['batch']:.1f} | "
                        f"{figures['memory']:.1f} |",
                        flush=True,
                    )
            for strategy in ("weighted", "uniform", "stratified"):
                client.drop_job(f"bench-{n}-{strategy}")
            client.drop_dataset(f"bench-{n}")


if __name__ == "__main__":
    main()
