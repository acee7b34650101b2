#!/usr/bin/python3
"""Workers that block: they write all that they have to say before they read again, over sockets that
hold little.  blocking_client.py EVENDRAWD"""
import os
import socket
import subprocess
import sys
import tempfile

import msgpack

WINDOW = 256
BATCH = 20000  # a window of these is many times the daemon's send_buffer
PATIENCE = 30  # seconds until a write that nobody takes is a deadlock


class Worker:
    """A connection that speaks MessagePack-RPC; one thing after another."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.unpacker = msgpack.Unpacker(max_buffer_size=1 << 26)
        self.call("hello", protocol=1, client="blocking_client.py")

    def send(self, *message):
        self.socket.sendall(msgpack.packb(message))

    def receive(self):
        while True:
            for message in self.unpacker:
                return message
            received = self.socket.recv(65536)
            assert received, "the daemon hung up"
            self.unpacker.feed(received)

    def call(self, method, **params):
        self.send(0, 1, method, [params])
        while True:
            message = self.receive()
            if message[0] == 1:
                assert message[2] is None, message[2]
                return message[3]

    def batches(self, n):
        """The next n of them, read and nothing written meanwhile."""
        out = []
        while len(out) < n:
            kind, method, [event] = self.receive()
            assert (kind, method) == (2, "batch"), (method, event)
            out.append({key: event[key] for key in ("stream", "epoch", "step")})
        return out


def test_all_acknowledgements_before_reading(path):
    worker = Worker(path)
    worker.call("stream.open", job="j", window=WINDOW, encoding="packed")
    steps = []
    for _ in range(3):
        batches = worker.batches(WINDOW)
        steps += [batch["step"] for batch in batches]
        for batch in batches:
            worker.send(2, "stream.ack", [batch])
            worker.send(2, "stream.touch", [{"stream": batch["stream"]}])
    assert steps == list(range(3 * WINDOW))
    worker.batches(WINDOW)
    worker.call("stream.close", stream=1)


def test_all_requests_before_reading(path):
    """As above, and each acknowledgement is answered when it is durable."""
    worker = Worker(path)
    worker.call("stream.open", job="j", window=WINDOW, encoding="packed")
    batches = worker.batches(WINDOW)
    for i, batch in enumerate(batches):
        worker.send(0, i, "stream.ack", [batch])
    answered, steps = set(), []
    while len(answered) < WINDOW or len(steps) < WINDOW:
        message = worker.receive()
        if message[0] == 1:
            assert message[2] is None, message
            answered.add(message[1])
        else:
            assert message[1] == "batch", message
            steps.append(message[2][0]["step"])
    assert answered == set(range(WINDOW))
    assert steps == [batch["step"] + WINDOW for batch in batches]


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        ready, told = os.pipe()
        daemon = subprocess.Popen(
            [sys.argv[1], "--listen", f"unix:{path}", "--database", f"{folder}/db"]
            + ["--ready-fd", str(told)],
            pass_fds=[told],
        )
        try:
            os.read(ready, 1)
            owner = Worker(path)
            owner.call("dataset.create", name="d")
            owner.call("dataset.append", draft=1, labels=bytes(4 * BATCH))
            owner.call("dataset.commit", draft=1)
            strategy = {"kind": "weighted", "num_samples": 8 * WINDOW * BATCH}
            owner.call("job.create", name="j", dataset="d", batch_size=BATCH, strategy=strategy)
            for name, test in list(globals().items()):
                if name.startswith("test_"):
                    test(path)
                    print(f"{name}: passed")
        finally:
            daemon.terminate()
            daemon.wait()


main()
