"""kill -9 of the daemon while clients send attachments: what was confirmed stays as it was sent, what was
not is there as a whole or not at all, and the same command run again goes through."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np

import evendraw
from evendraw import _attachments

N, K, FEATURES, NEAR = 40000, 6, 1500, 60
LABELS = np.arange(N) % 3
ROUNDS = 30 if os.environ.get("EVD_LONG") else 6

SENDER = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
import evendraw
from test_killed import send
with evendraw.connect() as client:
    print(send(client, int(sys.argv[1]))["digest"])
"""


def table(seed):
    """Neighbours of each sample, of its class, and how far away they are: others for each seed."""
    rows = np.arange(N, dtype=np.uint32)[:, None] + 3 * (1 + seed % 50 + np.arange(K, dtype=np.uint32))
    far = np.where(rows < N, np.arange(K, dtype=np.float32) + seed, np.float32(np.inf))
    rows[rows >= N] = 0xFFFFFFFF
    return rows, far


def send(client, seed):
    return _attachments.attach(
        client, *table(seed), dataset="sent", name=f"sent-{seed}", kind="neighbours", k=K,
        scope="class", metric="euclidean", terms={"seed": seed},
    )  # fmt: skip


class Command:
    """One that attaches something, run again until it says that it did."""

    def __init__(self, arguments, name):
        self.arguments, self.name = arguments, name

    def start(self):
        self.process = subprocess.Popen(
            self.arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def finish(self):
        """Whether it said that it is done; otherwise it said why not."""
        self.said, error = self.process.communicate(timeout=60)
        assert self.process.returncode == 0 or error.strip(), self.name
        return self.process.returncode == 0


def sender(seed):
    return Command([sys.executable, "-c", SENDER, str(seed)], f"sent-{seed}")


def searcher(folder, number):
    tool = [os.environ["EVENDRAW"], "neighbours", "found", f"{folder}/features.npy", "-k", str(NEAR)]
    return Command([*tool, "--all", "-n", f"found-{number}", "-t", "1"], f"found-{number}")


def left_in(folder, query):
    """Of the database as the daemon left it."""
    copy = f"{folder}/copy"
    shutil.rmtree(copy, ignore_errors=True)
    os.mkdir(copy)
    for name in ("evendraw.db", "evendraw.db-wal"):
        if os.path.exists(f"{folder}/{name}"):
            shutil.copy(f"{folder}/{name}", copy)
    database = sqlite3.connect(f"{copy}/evendraw.db")
    answer = database.execute(query).fetchone()[0]
    database.close()
    return answer


def look(sure, maybe):
    """Confirmed ones are there; of others only whole ones. Those that may be there: by name."""
    with evendraw.connect() as client:
        there = {info["name"]: info for d in ("sent", "found") for info in _attachments.attachments(client, d)}
        assert set(sure) <= set(there) <= set(sure) | set(maybe)
        found = {}
        for name, info in there.items():
            assert "damage" not in info
            rows, far = _attachments.read(client, info, distances=True)
            if name.startswith("sent"):
                for ours, theirs in zip(table(int(name[5:])), (rows, far), strict=True):
                    assert ours.tobytes() == theirs.tobytes(), name
            else:
                found[name] = (rows.tobytes(), far.tobytes())
        assert len(set(found.values())) <= 1  # all of the same features
        for name, digest in sure.items():
            assert there[name]["digest"] == digest, name
    return {name: info["digest"] for name, info in there.items()}


def wait_for_a_draft(commands):
    with evendraw.connect() as client:
        while client.call("server.info")["holds"]["drafts"] == 0:
            if all(command.process.poll() is not None for command in commands):
                break
            time.sleep(0.001)


def tidied(daemon):
    """Stops it, and starts it again: whether nothing was left of drafts."""
    daemon.end()
    hidden = left_in(daemon.folder, "SELECT count(*) FROM attachment WHERE state <> 1")
    pieces = "SELECT count(*) FROM attachment_chunk WHERE attachment NOT IN (SELECT id FROM attachment)"
    hidden += left_in(daemon.folder, pieces)
    daemon.start()
    return hidden == 0


def test_attachments(daemon):
    dice = random.Random(20261128)
    folder, waiting, sure, cut, number = daemon.folder, [], {}, 0, 0
    np.save(f"{folder}/features.npy", np.random.default_rng(0).random((FEATURES, 4)))
    with evendraw.connect() as client:
        client.create_dataset("sent", LABELS)
        client.create_dataset("found", np.arange(FEATURES) % 3)
    while number < ROUNDS or cut < 3:
        waiting += [sender(2 * number), sender(2 * number + 1), searcher(folder, number)]
        for command in waiting:
            command.start()
        wait_for_a_draft(waiting)
        time.sleep(dice.random() * 0.04)  # anywhere: nothing is expected of when it is
        daemon.end(signal.SIGKILL)
        cut += left_in(folder, "SELECT count(*) FROM attachment WHERE state <> 1")
        daemon.start()
        done = [command for command in waiting if command.finish()]
        waiting = [command for command in waiting if command not in done]
        there = look(sure, [command.name for command in done + waiting])
        for command in done:
            sure[command.name] = there[command.name]
            assert command.name.startswith("found") or command.said.strip() == there[command.name]
        number += 1
    print(f"{number} kills, {cut} drafts cut off, {len(waiting)} commands to be run again")
    for command in waiting:
        command.start()
    assert all(command.finish() for command in waiting)
    there = look(sure, [command.name for command in waiting])
    assert len(there) == 3 * number
    while not tidied(daemon):
        pass
    assert look(there, []) == there
