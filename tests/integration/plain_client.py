#!/usr/bin/python3
"""A client in plain MessagePack-RPC, without libevendraw: creates a dataset and a job, and receives
the batches of an epoch.  plain_client.py EVENDRAWD starts a daemon of its own."""
import collections, itertools, os, socket, struct, subprocess, sys, tempfile
import msgpack


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.unpacker, self.ids = msgpack.Unpacker(), itertools.count()
        self.notifications = collections.deque()
        self.call("hello", protocol=1, client="plain_client.py")

    def receive(self):
        while (message := next(self.unpacker, None)) is None:
            self.unpacker.feed(self.socket.recv(65536) or sys.exit("the daemon hung up"))
        return message

    def call(self, method, **params):
        self.socket.sendall(msgpack.packb([0, next(self.ids), method, [params]]))
        while (message := self.receive())[0] != 1:
            self.notifications.append(message)
        if message[2] is not None:
            raise RuntimeError(message[2])
        return message[3]

    def notification(self):
        return (self.notifications.popleft() if self.notifications else self.receive())[1:]


def work(client):
    labels = [i % 10 if i % 7 else None for i in range(1000)]  # every seventh has none
    draft = client.call("dataset.create", name="d", classes=[f"digit {c}" for c in range(10)])
    client.call("dataset.append", draft=draft["draft"], labels=labels[:500])
    packed = struct.pack("<500I", *[0xFFFFFFFF if c is None else c for c in labels[500:]])
    client.call("dataset.append", draft=draft["draft"], labels=packed)
    client.call("dataset.commit", draft=draft["draft"], samples=1000)
    client.call("job.create", name="j", dataset="d", batch_size=32, strategy={"kind": "uniform"})
    stream = client.call("stream.open", job="j", columns=["label"])["stream"]
    seen = []
    while (event := client.notification())[0] in ("batch", "drained"):
        if event[0] == "drained":
            continue
        batch = event[1][0]
        assert batch["label"] == [labels[i] for i in batch["index"]]
        seen += batch["index"]
        client.call("stream.ack", stream=stream, epoch=batch["epoch"], step=batch["step"])
    assert sorted(seen) == [i for i in range(1000) if labels[i] is not None]
    print(f"{len(seen)} samples of one epoch, each once")


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "socket")
    read_end, write_end = os.pipe()
    daemon = subprocess.Popen([sys.argv[1], "--listen", "unix:" + path, "--database",
                               os.path.join(folder, "db"), "--ready-fd", str(write_end)],
                              pass_fds=[write_end])
    os.close(write_end)
    try:
        assert os.read(read_end, 6) == b"ready\n", "the daemon did not start"
        work(Client(path))
    finally:
        daemon.terminate()
        assert daemon.wait() == 0
