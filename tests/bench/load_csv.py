#!/usr/bin/python3
"""Rows a second of `evendraw load` of a CSV column, its daemon included, and of pandas' reader of that
column (C engine), one after the other in one run: the ratio is what counts, the machine does not.

    tests/bench/load_csv.py BUILD [ROWS]"""

import os
import random
import subprocess
import sys
import tempfile
import time

import pandas

BUILD, ROWS = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3_000_000
ROUNDS = 3


def two(i, rng):
    return f"images/{i:08d}.jpg,class{rng.randrange(1000)}"


def ten(i, rng):
    return f"{i},{rng.random():.6f},{i % 7},2024-01-{i % 28 + 1:02d},c{rng.randrange(10)},abc,,17,{i * 3},x y z"


def quoted(i, rng):
    return f'{i},"a title, with a comma {i}",class{rng.randrange(100)}'


FILES = {"2 columns": ("path,y", two), "10 columns": ("a,b,c,d,y,f,g,h,i,j", ten),
         "3, one in quotes": ("a,b,y", quoted)}


def seconds(work):
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def measure(folder, name, header, row):
    path, rng = os.path.join(folder, "t.csv"), random.Random(1)
    with open(path, "w", encoding="ascii") as file:
        file.write(header + "\n" + "".join(row(i, rng) + "\n" for i in range(ROWS)))
    load = [os.path.join(BUILD, "client", "evendraw"), "load", "d", path, "--column", "y"]
    ours = seconds(lambda: subprocess.run(load, check=True, capture_output=True))
    theirs = seconds(lambda: pandas.read_csv(path, usecols=["y"], engine="c"))
    size = os.path.getsize(path) / 1e6
    print(f"| {name} | {size / ours:.0f} | {ROWS / ours / 1e6:.1f} | {ROWS / theirs / 1e6:.1f} "
          f"| {theirs / ours:.2f} |", flush=True)


with tempfile.TemporaryDirectory() as folder:
    address = "unix:" + os.path.join(folder, "socket")
    os.environ["EVENDRAW_SERVER"] = address
    daemon = subprocess.Popen([os.path.join(BUILD, "daemon", "evendrawd"), "--listen", address,
                               "--database", os.path.join(folder, "db")], stdout=subprocess.DEVNULL)
    try:
        print("| file | MB/s | million rows/s | pandas | times pandas |\n| --- | --- | --- | --- | --- |")
        for name, (header, row) in FILES.items():
            measure(folder, name, header, row)
    finally:
        daemon.terminate()
        daemon.wait()
