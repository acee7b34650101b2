#!/usr/bin/python3
"""What the daemon says of its memory is what the kernel says, within a tenth; it stays within its bounds
while peers do not read, or send requests in part; and afterwards it is given back.
memory.py EVENDRAWD EVENDRAW"""
import contextlib
import os
import re
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import time

import msgpack

PATIENCE = 60  # seconds for what takes two or three
MB = 1 << 20
# What the allocator may keep of what was freed before it is told to give it back.
SLACK = 4 * MB


class Peer:
    def __init__(self, path, hello=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.unpacker = msgpack.Unpacker(max_buffer_size=1 << 26)
        self.id = 0
        if hello:
            self.call("hello", protocol=1, client="memory.py")

    def pack(self, method, **params):
        self.id += 1
        return msgpack.packb([0, self.id, method, [params]])

    def message(self):
        while True:
            for message in self.unpacker:
                return message
            received = self.socket.recv(1 << 16)
            assert received, "the daemon hung up"
            self.unpacker.feed(received)

    def call(self, method, **params):
        self.socket.sendall(self.pack(method, **params))
        while True:
            message = self.message()
            if message[0] == 1:
                assert message[2] is None, (method, message[2])
                return message[3]

    def note(self, method, **params):
        self.socket.sendall(msgpack.packb([2, method, [params]]))

    def push(self, data):
        """Sends what the socket takes at once; returns how much, or None if the peer was ended."""
        self.socket.setblocking(False)
        sent = 0
        try:
            while sent < len(data):
                sent += self.socket.send(data[sent:])
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            return None
        return sent


class Daemon:
    def __init__(self, folder, *options):
        self.path = os.path.join(folder, "socket")
        self.log = open(os.path.join(folder, "log"), "w+")
        self.process = subprocess.Popen(
            [sys.argv[1], "--listen", "unix:" + self.path, "--database",
             os.path.join(folder, "db"), *options],
            stdout=subprocess.PIPE, stderr=self.log)
        assert self.process.stdout.readline().startswith(b"listening")
        self.watch = Peer(self.path)

    def status(self, key):
        """Bytes, of /proc/PID/status."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(rf"^{key}:\s+(\d+) kB", file.read(), re.M).group(1)) << 10

    def info(self):
        return self.watch.call("server.info")

    def agrees(self, what, there=lambda info: True):
        """Waits until all is there, and what is counted is what is resident, within a tenth; returns
        the answer."""
        end = time.monotonic() + PATIENCE
        while True:
            info = self.info()
            resident, said = self.status("VmRSS"), sum(info["holds"].values())
            if there(info) and abs(resident - said) <= resident / 10:
                print(f"{what}: {resident / 1e6:.1f} MB resident, {said / 1e6:.1f} counted")
                assert abs(info["resident"] - resident) <= MB, info
                return info
            assert time.monotonic() < end, (what, resident, info)
            time.sleep(0.1)

    def settles(self, most, what):
        end = time.monotonic() + PATIENCE
        while self.status("VmRSS") > most:
            assert time.monotonic() < end, (what, self.status("VmRSS"), most, self.info())
            time.sleep(0.1)
        print(f"{what}: {self.status('VmRSS') / 1e6:.1f} MB resident")

    def stop(self):
        self.watch.socket.close()
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0


@contextlib.contextmanager
def daemon(*options):
    with tempfile.TemporaryDirectory(prefix="evd-memory-") as folder:
        running = Daemon(folder, *options)
        try:
            yield running
            running.stop()
        finally:
            running.process.kill()
            running.process.wait()
            running.log.seek(0)
            sys.stderr.write(running.log.read())


def load(peer, samples, classes):
    draft = peer.call("dataset.create", name="large",
                      classes=[f"class {c}" for c in range(classes)])["draft"]
    for first in range(0, samples, 50000):
        labels = struct.pack("<50000I", *(i * 7919 % classes for i in range(first, first + 50000)))
        weights = struct.pack("<50000d", *(float(i % 10) for i in range(50000)))
        peer.call("dataset.append", draft=draft, labels=labels, column="w", weights=weights)
    peer.call("dataset.commit", draft=draft, samples=samples)


def unread(daemon, count):
    """Peers that ask for much and read nothing."""
    peers = [Peer(daemon.path) for _ in range(count)]
    wanted = [b"".join(peer.pack("strategy.list") for _ in range(600)) for peer in peers]
    for _ in range(10):
        for i, peer in enumerate(peers):
            sent = peer.push(wanted[i])
            wanted[i] = wanted[i][sent:] if sent is not None else b""
        daemon.info()
    return peers


def what_is_counted():
    """A dataset with a column, tables, drafts, and connections whose buffers are full."""
    with daemon() as running:
        running.agrees("at the start")
        load(running.watch, 1000000, 1000)
        info = running.agrees("a million labels with a column")
        assert info["holds"]["datasets"] >= 1000000 * (2 + 4 + 8), info
        running.watch.call("job.create", name="j", dataset="large", batch_size=32,
                           strategy={"kind": "weighted", "column": "w"})
        info = running.agrees("a job that draws by it")
        assert info["holds"]["strategies"] > 0, info
        before = running.status("VmRSS")

        drafting = Peer(running.path)
        for i in range(20):
            drafting.call("dataset.create", name=f"draft{i}",
                          classes=[f"n{i:05}" for i in range(60000)])
        info = running.agrees("twenty drafts of 60,000 names")
        assert info["holds"]["drafts"] >= 20 * 60000 * (7 + 8 + 8), info
        drafting.socket.close()
        running.settles(before + SLACK, "when they are gone")

        peers = unread(running, 200)
        info = running.agrees("200 connections that do not read",
                              lambda info: info["holds"]["buffers"] > 100 * MB)
        assert info["holds"]["buffers"] <= info["limits"]["buffers"], info
        assert info["shed"] == 0, info
        for peer in peers:
            peer.socket.close()
        running.settles(before + SLACK, "when they are gone")

        running.watch.call("job.drop", job="j")
        running.watch.call("dataset.drop", dataset="large")
        running.settles(before - 14000000 + SLACK, "without the dataset")


class Worker(Peer):
    """Takes batches and acknowledges them: it has to be served all the time. Each batch is more than
    what a connection may have unsent where memory is tight."""

    def __init__(self, daemon):
        super().__init__(daemon.path)
        load(self, 50000, 10)
        self.call("job.create", name="j", dataset="large", batch_size=5000)
        self.call("stream.open", job="j", window=4)

    def work(self, batches):
        while batches > 0:
            message = self.message()
            if message[1] == "batch":
                at = message[2][0]
                self.note("stream.ack", stream=1, epoch=at["epoch"], step=at["step"])
                batches -= 1
            elif message[1] == "epoch_end":
                self.note("stream.credit", stream=1, window=4)


def what_is_bounded():
    """100 peers that do not read, then 100 in the middle of a request of a megabyte, beside a worker:
    all of it in 32 MiB, and the worker goes on. Without a bound it is 100 MB and more, twice."""
    limit = 32 * MB
    part = msgpack.packb([0, 9, "dataset.append", [{"draft": 1, "labels": bytes(MB - 100)}]])[:-99]
    with daemon("--limit", f"buffers={limit}") as running:
        worker = Worker(running)
        before = running.status("VmRSS")
        peers = unread(running, 100)
        worker.work(20)
        info = running.agrees("100 connections that do not read, in 32 MiB",
                              lambda info: info["holds"]["buffers"] > limit / 2)
        assert info["holds"]["buffers"] <= limit, info
        for peer in peers:
            peer.socket.close()
        running.settles(before + SLACK, "when they are gone")

        peers = [Peer(running.path) for _ in range(100)]
        rest = [part] * 100
        while any(rest):
            for i, peer in enumerate(peers):
                sent = peer.push(rest[i][:65536])
                rest[i] = rest[i][sent:] if sent is not None else b""
            worker.work(5)
            info = running.info()
            assert info["holds"]["buffers"] <= limit, info
        info = running.agrees("100 in the middle of a request, in 32 MiB",
                              lambda info: info["shed"] >= 100 - limit // len(part))
        shown = subprocess.run([sys.argv[2], "info", "--server", "unix:" + running.path],
                               capture_output=True, text=True, check=True).stdout
        assert re.search(r"resident: buffers [0-9.]+ MB", shown), shown
        assert f"{info['shed']} connections CLOSED" in shown, shown
        running.log.seek(0)
        assert "the buffers of connections hold" in running.log.read()
        for peer in peers:
            peer.socket.close()
        worker.work(20)
        running.settles(before + SLACK, "when they are gone")
        # A turn of the loop may read some more of each.
        most = running.status("VmHWM")
        assert most <= before + limit + 100 * 65536 + SLACK, (most, before)
        worker.socket.close()


soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
what_is_counted()
what_is_bounded()
