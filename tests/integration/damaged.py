"""For damage.py and damage_files.py: a daemon, the tool, and a database with something in every table."""
import contextlib
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile

import msgpack

EVENDRAWD, EVENDRAW = sys.argv[1:3]
os.environ["PATH"] = f"{os.path.dirname(EVENDRAWD)}:{os.environ['PATH']}"  # for EVENDRAW
PATIENCE = 60  # seconds for what takes milliseconds
STEPS = 12  # of each job that are handed out, and compared
LABELS = 24000


class Peer:
    """A connection that speaks MessagePack-RPC; one thing after another."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.unpacker = msgpack.Unpacker(max_buffer_size=1 << 26)
        self.notes = []
        self.call("hello", protocol=1, client="damage.py")

    def receive(self):
        while True:
            for message in self.unpacker:
                return message
            received = self.socket.recv(1 << 20)
            assert received, "the daemon hung up"
            self.unpacker.feed(received)

    def ask(self, method, **params):
        """(error, result)."""
        self.socket.sendall(msgpack.packb([0, 1, method, [params]]))
        while True:
            message = self.receive()
            if message[0] == 1:
                return message[2], message[3]
            self.notes.append(message)

    def call(self, method, **params):
        error, result = self.ask(method, **params)
        assert error is None, (method, params, error)
        return result

    def note(self, method):
        """The next notification of that name."""
        while True:
            for i, message in enumerate(self.notes):
                if message[1] == method:
                    return self.notes.pop(i)[2][0]
            self.notes.append(self.receive())


@contextlib.contextmanager
def daemon(database):
    """(peer, None) of a daemon on it, which is killed in the end; or (None, what it said)."""
    ready, told = os.pipe()
    path = f"{database}.socket"
    process = subprocess.Popen(
        [EVENDRAWD, "--listen", f"unix:{path}", "--database", database, "--ready-fd", str(told)],
        pass_fds=[told],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    os.close(told)
    serves = os.read(ready, 6) == b"ready\n"
    os.close(ready)
    try:
        if not serves:
            said = process.stderr.read().decode()
            assert process.wait(PATIENCE) == 1, said
            yield None, said
        else:
            yield Peer(path), None
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def tool(*arguments, status=None, **options):
    """(exit status, what it printed as JSON, what it said)."""
    done = subprocess.run(
        [EVENDRAW, *arguments, "--json"], capture_output=True, timeout=PATIENCE, **options
    )
    said = done.stderr.decode()
    assert done.returncode in ((0, 1, 4) if status is None else (status,)), (arguments, done)
    return done.returncode, json.loads(done.stdout), said


def content(path):
    with open(path, "rb") as file:
        return file.read()


def prints(folder):
    """All files there, each by its content and when it was written."""
    return {
        entry.name: (hashlib.sha256(content(entry.path)).hexdigest(), entry.stat().st_mtime_ns)
        for entry in os.scandir(folder)
        if entry.is_file()
    }


# ---- a database ----


def labels(seed, classes):
    draw = random.Random(seed)
    return b"".join(draw.randrange(classes).to_bytes(4, "little") for _ in range(LABELS))


def load(peer, name, seed, classes):
    draft = peer.call("dataset.create", name=name, classes=[f"{name}-{i}" for i in range(classes)])
    data = labels(seed, classes)
    for at in range(0, len(data), 4 * 4000):
        peer.call("dataset.append", draft=draft["draft"], labels=data[at : at + 4 * 4000])
    if seed == 2:
        peer.call("dataset.append", draft=draft["draft"], column="w", weights=[1.5] * LABELS)
    peer.call("dataset.commit", draft=draft["draft"])


def attach(peer, name, dataset, rows, size, **fields):
    """`rows`, of so many bytes a sample, in pieces."""
    draft = peer.call("attachment.create", name=name, dataset=dataset, **fields)["draft"]
    for at in range(0, len(rows), 4000 * size):
        piece = rows[at : at + 4000 * size]
        far = {"distances": b"\0\0\x80?" * (len(piece) // 4)} if "k" in fields else {}
        peer.call("attachment.append", draft=draft, rows=piece, **far)
    peer.call("attachment.commit", draft=draft, samples=LABELS)


def take(peer, job, count, **options):
    stream = peer.call("stream.open", job=job, window=4, **options)["stream"]
    for _ in range(count):
        batch = peer.note("batch")
        peer.call("stream.ack", stream=stream, epoch=batch["epoch"], step=batch["step"])
    peer.call("stream.close", stream=stream)
    peer.notes.clear()


def fill(peer):
    for seed, (name, classes) in enumerate([("ant", 3), ("bee", 40), ("cat", 200)], 1):
        load(peer, name, seed, classes)
    folds = b"".join((i % 5).to_bytes(2, "little") for i in range(LABELS))
    attach(peer, "cv", "ant", folds, 2, kind="folds", folds=5)
    near = b"".join(((i + 1) % LABELS).to_bytes(4, "little") for i in range(LABELS))
    attach(peer, "near", "bee", near, 4, kind="neighbours", k=1, scope="all", metric="m")
    terms = {"batch_size": 16, "seed": 7}
    peer.call("job.create", name="shared", dataset="ant", **terms)
    peer.call("job.create", name="moved", dataset="bee", strategy={"kind": "weighted"}, **terms)
    peer.call("job.create", name="once", dataset="bee", guarantee="at-most-once", **terms)
    peer.call("job.create", name="ranked", dataset="cat", mode="ranked", last_batch="drop", **terms)
    for job in ("shared", "moved", "once"):
        take(peer, job, STEPS)
    take(peer, "ranked", STEPS, rank=0, world_size=1)
    for kind in ("stratified", "class-aware", "uniform"):
        peer.call("job.update", job="moved", strategy={"kind": kind})
        take(peer, "moved", STEPS)
    peer.call("job.seek", job="moved", epoch=0, step=STEPS)
    take(peer, "moved", STEPS)
    peer.call("job.update", job="ranked", strategy={"kind": "weighted", "weight": "inverse"})
    take(peer, "ranked", STEPS, rank=0, world_size=1)


def make(folder):
    """A database with something in every table, closed in order."""
    path = f"{folder}/made.db"
    process = subprocess.Popen(
        [EVENDRAWD, "--listen", f"unix:{folder}/s", "--database", path],
        stdout=subprocess.PIPE,
    )
    try:
        process.stdout.readline()
        fill(Peer(f"{folder}/s"))
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    return path


def run(tests):
    with tempfile.TemporaryDirectory() as folder:
        made = make(folder)
        for name, test in list(tests.items()):
            if not name.startswith("test_") or (sys.argv[3:] and name not in sys.argv[3:]):
                continue
            test(*([made] if test.__code__.co_argcount else []))
            print(f"{name}: passed", flush=True)
