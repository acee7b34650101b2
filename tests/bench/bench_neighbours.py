#!/usr/bin/python3
"""evd_neighbours and scikit-learn's NearestNeighbors, one after the other in one run: the ratio is what
counts, the machine does not. scikit-learn searches for some of the rows, and its time is scaled: it is
linear in them. Its speed is that of the BLAS which NumPy and SciPy were given, so that is printed. Then
the approximate search beside the exact one, of rows with and without clusters.

    tests/bench/bench_neighbours.py BUILD [ROWS [COLUMNS [ROUNDS]]]

EVD_LONG=1: also 10^6 rows of 64 and of 128 columns from a mapped file, on two threads, with the memory
that was resident at most (some minutes each)."""

import os
import resource
import statistics
import sys
import tempfile
import time

BUILD = sys.argv[1]
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path[:0] = [os.path.join(TOP, "tests", "client"), os.path.join(TOP, "client", "python")]
os.environ.setdefault("EVENDRAW_LIBRARY", os.path.join(BUILD, "client", "libevendraw.so"))

import numpy as np  # noqa: E402
from neighbours import neighbours  # noqa: E402

K = 5


def seconds(work):
    """Wall time, processor time, result."""
    def used():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    began, before = time.perf_counter(), used()
    result = work()
    return time.perf_counter() - began, used() - before, result


def peak():
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def side_by_side(rows, columns, rounds):
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_info, threadpool_limits

    x = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32)
    queries = max(rows // 20, 1)
    blas = [f"{i['internal_api']} {i['version']} ({i.get('architecture')})" for i in threadpool_info()
            if i["user_api"] == "blas"]
    print(f"{rows} x {columns}, k = {K}, {rounds} rounds; scikit-learn: {queries} rows, scaled; "
          f"its BLAS: {', '.join(blas) or 'the reference BLAS (no threads, no kernels)'}")
    print("| threads | wall s | CPU s | scikit-learn wall s | CPU s | times by wall | by CPU |\n"
          "| --- | --- | --- | --- | --- | --- | --- |")
    for threads in 1, 2:
        seen = []
        for _ in range(rounds):
            wall, cpu, (index, _, _) = seconds(lambda: neighbours(x, K, threads=threads))
            with threadpool_limits(threads):
                search = NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(x)
                their_wall, their_cpu, (_, theirs) = seconds(lambda: search.kneighbors(x[:queries]))
            assert (theirs[:, 1:] == index[:queries]).all(axis=1).mean() > 0.999
            scale = rows / queries
            seen.append((wall, cpu, their_wall * scale, their_cpu * scale,
                         their_wall * scale / wall, their_cpu * scale / cpu))
        print(f"| {threads} | " + " | ".join(f"{statistics.median(c):.1f}" for c in zip(*seen)) + " |",
              flush=True)


def shapes(rows, columns):
    """Rows that lists suit more or less: what decides is how many numbers it takes to say where in its
    neighbourhood a row is."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((rows, columns))
    yield "200 clusters, 3 widths apart", 3 * rng.standard_normal((200, columns))[
        rng.integers(0, 200, rows)] + noise
    bend = rng.standard_normal((256, columns)) / 16
    yield "a bent surface of 10 dimensions", np.tanh(
        rng.standard_normal((rows, 10)) @ rng.standard_normal((10, 256)) / 2) @ bend + noise / 100
    yield "gaussian", noise


def approximately(rows, columns, rounds):
    print(f"\n{rows} x {columns}, k = {K}, 2 threads, {rounds} rounds: the approximate search beside the exact one\n"
          "| features | asked for | recall measured | of all rows | CPU s | exact, CPU s | times by CPU | by wall |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, x in shapes(rows, columns):
        x = np.ascontiguousarray(x, np.float32)
        for least in 0.8, 0.9, 0.95, 0.99:
            seen = []
            for _ in range(rounds):
                wall, cpu, (exact, _, _) = seconds(lambda: neighbours(x, K, threads=2))
                near_wall, near_cpu, (near, _, said) = seconds(
                    lambda: neighbours(x, K, threads=2, recall=least))
                seen.append((near_cpu, cpu, cpu / near_cpu, wall / near_wall))
            found = np.mean([(near[:, [i]] == exact).any(axis=1).mean() for i in range(K)])
            recall = f"{said.recall:.3f} ({said.recall_low:.3f} to {said.recall_high:.3f})"
            print(f"| {name} | {least} | {recall if said.approximate else 'searched exactly'} | {found:.4f} | "
                  + " | ".join(f"{statistics.median(c):.1f}" for c in zip(*seen)) + " |", flush=True)


def large(rows, columns):
    """In a process of its own, so that its peak is of this search alone."""
    with tempfile.TemporaryDirectory() as folder:
        path, rng = os.path.join(folder, "x.npy"), np.random.default_rng(0)
        x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, columns))
        for first in range(0, rows, 10_000):
            x[first:first + 10_000] = rng.standard_normal((min(10_000, rows - first), columns))
        x.flush()
        del x
        x = np.load(path, mmap_mode="r")
        wall, cpu, (_, _, result) = seconds(lambda: neighbours(x, K, threads=2))
        print(f"{rows} x {columns} on two threads: {wall:.0f} s, {cpu:.0f} s of processors; resident at "
              f"most {peak():.0f} MiB, the mapped features among them (the search says "
              f"{result.memory / 2**20:.0f} MiB)", flush=True)


def main():
    if sys.argv[2:3] == ["--large"]:
        return large(int(sys.argv[3]), int(sys.argv[4]))
    given = [int(word) for word in sys.argv[2:]]
    shape = (*given, *(100_000, 64, 3)[len(given):])
    side_by_side(*shape)
    approximately(*shape)
    if os.environ.get("EVD_LONG") == "1":
        for columns in "64", "128":
            arguments = [sys.executable, __file__, BUILD, "--large", "1000000", columns]
            os.waitpid(os.spawnv(os.P_NOWAIT, sys.executable, arguments), 0)
    return None


main()
