#!/usr/bin/python3
"""The daemon as whoever runs it sees it: its log, its exit, signals, limits of the system, and what
`evendraw info` says of it.  operating.py EVENDRAWD EVENDRAW"""
import contextlib
import ctypes
import json
import os
import re
import resource
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

import msgpack

xxhash = ctypes.CDLL("libxxhash.so.0")
xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
xxhash.XXH3_64bits.restype = ctypes.c_int64

PATIENCE = 30  # seconds for what takes milliseconds


class Peer:
    """A connection, to a path or a port, that speaks MessagePack-RPC; one thing after another."""

    def __init__(self, place):
        tcp = isinstance(place, int)
        self.socket = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", place) if tcp else place)
        self.unpacker = msgpack.Unpacker(max_buffer_size=1 << 26)
        self.id = 0
        self.call("hello", protocol=1, client="operating.py")

    def send(self, method, **params):
        self.id += 1
        self.socket.sendall(msgpack.packb([0, self.id, method, [params]]))

    def receive(self):
        while True:
            for message in self.unpacker:
                return message
            received = self.socket.recv(65536)
            assert received, "the daemon hung up"
            self.unpacker.feed(received)

    def answer(self):
        """(error, result) of the next answer; notifications before it are passed over."""
        while True:
            message = self.receive()
            if message[0] == 1:
                return message[2], message[3]

    def call(self, method, **params):
        self.send(method, **params)
        error, result = self.answer()
        assert error is None, (method, error)
        return result

    def refused(self, method, **params):
        self.send(method, **params)
        error, _ = self.answer()
        assert error is not None, method
        return error


class Log:
    """The daemon's standard error, a pipe that is read when the test wants."""

    def __init__(self, fd):
        self.fd = fd
        self.rest = b""
        self.lines = []

    def read(self):
        assert select.select([self.fd], [], [], PATIENCE)[0], f"no more comes: {self.lines[-20:]}"
        received = os.read(self.fd, 65536)
        *lines, self.rest = (self.rest + received).split(b"\n")
        self.lines += [line.decode() for line in lines]
        return bool(received)

    def until(self, pattern):
        """The match in the first line that has one."""
        while True:
            for line in self.lines:
                found = re.search(pattern, line)
                if found:
                    return found
            assert self.read(), f"the log ends without {pattern}: {self.lines[-20:]}"

    def all(self):
        while self.read():
            pass
        return self.lines


@contextlib.contextmanager
def daemon(*options, folder=None, files=None, verbose=True):
    """A daemon that listens, killed in the end if it has not ended."""
    with tempfile.TemporaryDirectory() as own:
        folder = folder or own
        ready, told = os.pipe()
        reader, writer = os.pipe()

        def limit():
            if files:
                resource.setrlimit(resource.RLIMIT_NOFILE, files)

        process = subprocess.Popen(
            [sys.argv[1], "--listen", f"unix:{folder}/socket", "--database", f"{folder}/db"]
            + ["--ready-fd", str(told), *(["-v"] if verbose else []), *options],
            pass_fds=[told],
            stdout=subprocess.PIPE,
            stderr=writer,
            preexec_fn=limit,
        )
        os.close(told)
        os.close(writer)
        process.ready = os.read(ready, 6) == b"ready\n"
        os.close(ready)
        # The port of its second address.
        process.tcp = lambda: int(re.search(rb"tcp:.*:(\d+)", process.stdout.peek())[1])
        process.path = f"{folder}/socket"
        process.folder = folder
        process.log = Log(reader)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            os.close(reader)
            process.stdout.close()


def job(peer, batch_size=10):
    """A job with enough steps for all tests."""
    peer.call("dataset.create", name="d")
    peer.call("dataset.append", draft=1, labels=bytes(4 * 10000))
    peer.call("dataset.commit", draft=1)
    strategy = {"kind": "weighted", "num_samples": 64 * batch_size}
    peer.call("job.create", name="j", dataset="d", batch_size=batch_size, strategy=strategy)


def end(process):
    """SIGTERM; how long the end takes, which must be a good one."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 0
    return time.monotonic() - began


def test_log_that_nobody_reads():
    """Requests are answered while the log is stuck, and the log says how many lines it lost."""
    count, at_once = 20000, 200
    with daemon() as process:
        peer = Peer(process.path)
        for first in range(0, count, at_once):
            for i in range(first, first + at_once):
                peer.send("job.info", job=f"flood-{i}-" + "x" * 100)
            for i in range(at_once):
                assert peer.answer()[0][2] == "not_found"
        missing = int(process.log.until(r"(\d+) lines are missing here")[1])
        peer.refused("job.info", job="afterwards")
        process.log.until("job.info afterwards")
        lines = process.log.lines
        flood = [int(n) for line in lines for n in re.findall(r"job\.info flood-(\d+)-", line)]
        assert flood == list(range(len(flood))), "lines are out of order, or missing within"
        assert len(flood) + missing == count
        gap = next(i for i, line in enumerate(lines) if "missing here" in line)
        assert f"flood-{len(flood) - 1}-" in lines[gap - 1], lines[gap - 1 : gap + 2]


def test_end_while_nobody_reads_the_log():
    with daemon() as process:
        peer = Peer(process.path)
        for _ in range(100):
            for i in range(200):
                peer.send("job.info", job="x" * 120)
            for i in range(200):
                peer.answer()
        peer.socket.close()
        assert end(process) < 10
        assert not os.path.exists(process.path)


def test_last_lines_are_written():
    with daemon() as process:  # so few fit into the pipe
        peer = Peer(process.path)
        for i in range(200):
            peer.send("job.info", job=f"last-{i}-")
        for i in range(200):
            peer.answer()
        peer.socket.close()
        process.send_signal(signal.SIGABRT)  # as an assertion that fails
        assert process.wait(timeout=PATIENCE) == -signal.SIGABRT
        assert len([line for line in process.log.all() if "job.info last-" in line]) == 200


def test_what_peers_send_is_escaped():
    with daemon() as process:
        peer = Peer(process.path)
        peer.refused("job.info", job="a\u202eb\u009bc\nd\u200be")
        peer.send("job.info", job="caf\u00e9")
        peer.answer()
        message = msgpack.packb([0, 9, "job.info", [{"job": "broken XY"}]])
        peer.socket.sendall(message.replace(b"XY", b"\xc3\xff"))
        peer.answer()
        process.log.until(r"job\.info a\\u{202e}b\\u{9b}c\\x0ad\\u{200b}e")
        process.log.until("job.info caf\u00e9")
        process.log.until(r"job\.info broken \\xc3\\xff")
        error = peer.refused("dataset.create", name="a\u202eb")
        assert error[2] == "bad_value" and "U+202E" in error[1], error
        peer.call("dataset.create", name="d")
        error = peer.refused("dataset.append", draft=2, labels=b"", classes=["ok", "a\u2066b"])
        assert error[2] in ("bad_value", "not_found"), error


def test_signals():
    with daemon() as process:
        fatal = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGQUIT, signal.SIGILL,
                 signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV,
                 signal.SIGSYS, signal.SIGXCPU)
        stopping = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
        for number in signal.valid_signals() - {*fatal, *stopping}:
            process.send_signal(number)
            Peer(process.path).call("server.info")
        end(process)
        assert not os.path.exists(process.path)


def test_open_files():
    """The soft limit is raised; a hard one that is too low is refused, with numbers."""
    with daemon(files=(64, 2000)) as process:
        assert process.ready
        limits = open(f"/proc/{process.pid}/limits").read()
        assert re.search(r"Max open files +1104 +2000 ", limits), limits
    with daemon(files=(64, 64)) as process:
        assert process.wait(timeout=PATIENCE) == 1 and not process.ready
        text = " ".join(process.log.all())
        assert "at most 64 files" in text and "81 are needed" in text and "1104" in text, text
    for files in range(4, 10):  # too few for an event loop
        with daemon(files=(files, files)) as process:
            assert process.wait(timeout=PATIENCE) == 1, files
            assert f"at most {files} files" in " ".join(process.log.all()), files
    with daemon(files=(200, 200)) as process:
        assert process.ready
        assert process.log.until(r"allows (\d+) connections")[1] == "120"


def test_end_with_idle_workers():
    """Who does nothing is not waited for: neither a worker that holds batches, nor peers that do
    not read, nor those that do not close."""
    for batch_size in (10, 20000):  # the large ones do not fit into a socket
        with daemon() as process:
            peer = Peer(process.path)
            job(peer, batch_size)
            worker = Peer(process.path)
            worker.send("stream.open", job="j", window=8, encoding="packed")
            while peer.call("job.info", job="j")["outstanding"] < 8:
                pass
            took = end(process)
            assert took < 3, took
            process.log.until("waiting for workers to acknowledge 8 batches")
            process.log.until("8 batches were not acknowledged")
            process.log.until("2 connections did not close")


def test_end_with_a_worker_that_works():
    """What it acknowledges after the signal is stored."""
    with tempfile.TemporaryDirectory() as folder:
        with daemon(folder=folder) as process:
            worker = Peer(process.path)
            job(worker)
            worker.call("stream.open", job="j", window=4)
            process.send_signal(signal.SIGTERM)
            process.log.until("SIGTERM: stopping")
            for step in range(4):
                worker.call("stream.ack", stream=1, epoch=0, step=step)
            worker.socket.close()
            assert process.wait(timeout=PATIENCE) == 0
            assert not [line for line in process.log.all() if "not acknowledged" in line]
        with daemon(folder=folder) as process:
            assert Peer(process.path).call("job.info", job="j")["acked"]["step"] == 4


def info(path, *options):
    return subprocess.run(
        [sys.argv[2], "info", "--server", f"unix:{path}", *options], capture_output=True, text=True
    )


def test_info_while_writes_fail():
    with daemon() as process:
        peer = Peer(process.path)
        job(peer)
        assert info(process.path).returncode == 0
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        error = peer.refused("job.update", job="j", strategy={"kind": "stratified"})
        assert error[2] == "store", error
        shown = info(process.path)
        assert shown.returncode == 1 and "WRITES FAIL" in shown.stdout, shown
        assert "cannot write its database" in shown.stderr, shown
        shown = info(process.path, "--json")
        assert shown.returncode == 1 and json.loads(shown.stdout)["store"]["failing"], shown
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (-1, resource.RLIM_INFINITY))
        process.log.until("can be written again")
        assert info(process.path).returncode == 0


def test_backups():
    """The daemon's own user may name any file, who comes by TCP only one in the folder for it."""
    with tempfile.TemporaryDirectory() as other:
        with daemon("--listen", "tcp:127.0.0.1:0") as process:
            peer, far = Peer(process.path), Peer(process.tcp())
            assert peer.call("server.backup", path=f"{other}/own.db")["bytes"] > 0
            process.log.until(f"process {os.getpid()} of user {os.getuid()}.*, operating.py: "
                              f"backup of [0-9]+ bytes to {other}/own.db")
            for path in (f"{other}/far.db", "far.db"):
                error = far.refused("server.backup", path=path)
                assert error[2] == "denied" and "--backup-dir" in error[1], error
        with daemon("--listen", "tcp:127.0.0.1:0", "--backup-dir", f"{other}/") as process:
            far = Peer(process.tcp())
            assert far.call("server.backup", path="far.db")["path"] == f"{other}/far.db"
            process.log.until(f"tcp:127.0.0.1:.*, operating.py: backup of .* to {other}/far.db")
            error = far.refused("server.backup", path=f"{process.folder}/far.db")
            assert error[2] == "denied" and other in error[1], error
            peer = Peer(process.path)
            assert peer.call("server.backup", path=f"{process.folder}/own.db")["bytes"] > 0
        assert sorted(os.listdir(other)) == ["far.db", "own.db"]
        with tempfile.TemporaryDirectory() as folder:
            for wrong in (folder, f"{other}/own.db", "/no/such/folder"):
                with daemon("--backup-dir", wrong, folder=folder) as process:
                    assert process.wait(timeout=PATIENCE) == 1 and not process.ready
                    process.log.until(f"--backup-dir: .*{wrong}")
        with daemon("--backup-dir", "relative") as process:
            assert process.wait(timeout=PATIENCE) == 2


def test_names_of_before():
    """A database with names that are refused as new ones is served as it is."""
    name = "a\u202eb"
    with tempfile.TemporaryDirectory() as folder:
        with daemon(folder=folder) as process:
            peer = Peer(process.path)
            peer.call("dataset.create", name="d", classes=["X"])
            peer.call("dataset.append", draft=1, labels=bytes(40), column="w", weights=bytes(80))
            peer.call("dataset.commit", draft=1)
            peer.call("job.create", name="j", dataset="d", batch_size=2)
            peer.socket.close()
            end(process)
        with contextlib.closing(sqlite3.connect(f"{folder}/db")) as database:
            for table in ("dataset", "job", "weight_chunk"):
                database.execute(f"UPDATE {table} SET name = ?", [name])
            ended = name.encode() + b"\0"
            database.execute("UPDATE class_chunk SET names = ?", [ended])
            # daemon/dataset/dataset.c says of what: classes, samples, names, labels, weights.
            content = struct.pack("<IQ", 1, 10) + ended + bytes(40) + ended + bytes(80)
            checksum = xxhash.XXH3_64bits(content, len(content))
            database.execute("UPDATE dataset SET checksum = ?", [checksum])
            database.commit()
        with daemon(folder=folder) as process:
            assert process.ready, process.log.all()
            peer = Peer(process.path)
            assert peer.call("job.info", job=name)["dataset"] == name
            assert peer.call("dataset.stats", dataset=name)["class"] == [name]
            peer.call("stream.open", job=name, window=1)
            process.log.until(r"stream\.open a\\u{202e}b")
            # Nor does it steer the terminal of whoever asks, and JSON is as it was.
            for options in ([], ["--json"]):
                command = [sys.argv[2], "job", "ls", "--server", f"unix:{process.path}", *options]
                shown = subprocess.run(command, capture_output=True, check=True).stdout.decode()
                assert "\u202e" not in shown, shown
            assert json.loads(shown)["jobs"][0]["job"] == name, shown


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"{name}: passed", flush=True)


main()
