"""Work that was asked for and left behind keeps nobody waiting, and a stopping daemon does not wait for
it. Usage: heavy_work.py EVENDRAWD"""

import array
import socket
import subprocess
import sys
import tempfile
import time

import msgpack

SAMPLES = 400_000
# Some seconds of one processor, each.
PREVIEW = {
    "dataset": "d",
    "batch_size": 100,
    "strategy": {"kind": "weighted", "weight": "inverse", "replacement": False, "orders": 100},
}


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.unpacker = msgpack.Unpacker()
        self.last = 0
        self.call("hello", protocol=1, client="heavy_work")

    def send(self, method, **fields):
        self.last += 1
        self.socket.sendall(msgpack.packb([0, self.last, method, [fields]]))

    def call(self, method, **fields):
        self.send(method, **fields)
        while True:
            for answer in self.unpacker:
                if answer[:2] == [1, self.last]:
                    assert answer[2] is None, answer[2]
                    return answer[3]
            self.unpacker.feed(self.socket.recv(65536))


def load(client):
    client.call("dataset.create", name="d", classes=["a", "b"])
    labels = array.array("I", [0, 1] * (SAMPLES // 4)).tobytes()
    for _ in range(2):
        client.call("dataset.append", draft=1, labels=labels)
    client.call("dataset.commit", draft=1)


def busy_clients(path):
    clients = [Client(path) for _ in range(4)]
    for client in clients:
        client.send("job.preview", **PREVIEW)
        client.send("job.preview", **PREVIEW)
    time.sleep(0.3)
    return clients


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/socket"
        daemon = subprocess.Popen(
            [sys.argv[1], "--listen", "unix:" + path, "--database", folder + "/db"],
            stdout=subprocess.PIPE,
        )
        try:
            daemon.stdout.readline()
            client = Client(path)
            load(client)
            for left in busy_clients(path):
                left.socket.close()
            began = time.monotonic()
            client.call("job.create", name="j", dataset="d", batch_size=10)
            assert time.monotonic() - began < 5
            waiting = busy_clients(path)
            began = time.monotonic()
            daemon.terminate()
            assert daemon.wait(timeout=8) == 0
            assert time.monotonic() - began < 8
            del waiting
        finally:
            daemon.kill()
            daemon.wait()


main()
