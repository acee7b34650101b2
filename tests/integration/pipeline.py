#!/usr/bin/python3
"""Scripts that write all their requests, shut their side and read (`printf ... | nc -N`): each is
answered in full, and the connection ends.  pipeline.py EVENDRAWD"""
import os, socket, subprocess, sys, tempfile
import msgpack

PATIENCE = 30  # seconds; more than anything here takes


def start(folder):
    got, says = os.pipe()
    daemon = subprocess.Popen(
        [sys.argv[1], "--listen", f"unix:{folder}/s", "--listen", "tcp:127.0.0.1:0",
         "--database", f"{folder}/db", "--ready-fd", str(says)],
        pass_fds=[says], stdout=subprocess.PIPE, text=True)
    os.close(says)
    assert os.read(got, 6) == b"ready\n"
    os.close(got)
    lines = [daemon.stdout.readline().split()[-1] for _ in range(2)]
    return daemon, [line for line in lines if line.startswith("tcp:")][0].rsplit(":", 1)[1]


def script(address, calls):
    """Everything that comes back, after all calls were sent at once."""
    peer = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    peer.settimeout(PATIENCE)
    peer.connect(address)
    requests = [("hello", {"protocol": 1, "client": "script"})] + calls
    peer.sendall(b"".join(msgpack.packb([0, i, method, [fields]])
                          for i, (method, fields) in enumerate(requests)))
    peer.shutdown(socket.SHUT_WR)
    unpacker = msgpack.Unpacker()
    while received := peer.recv(65536):
        unpacker.feed(received)
    peer.close()
    return list(unpacker)


def answers(messages, count):
    """The results by id; all there, and none an error."""
    found = {m[1]: m for m in messages if m[0] == 1}
    assert sorted(found) == list(range(count)), sorted(found)
    assert all(m[2] is None for m in found.values()), found
    return [found[i][3] for i in range(count)]


def build(name):
    labels = [i % 10 for i in range(50000)]
    return [("dataset.create", {"name": name, "classes": [str(c) for c in range(10)]}),
            ("dataset.append", {"draft": 1, "labels": labels}),
            ("dataset.commit", {"draft": 1, "samples": len(labels)}),
            ("server.info", {})]


def main(folder):
    daemon, port = start(folder)
    try:
        for n in range(20):
            address = f"{folder}/s" if n % 2 else ("127.0.0.1", int(port))
            name = f"d{n}"
            got = answers(script(address, build(name)), 5)
            assert got[3]["samples"] == 50000, got[3]
            # A job, whose plan is built and stored, and a stream, whose batches are redelivered.
            got = answers(script(address, [
                ("job.create", {"name": name, "dataset": name, "batch_size": 100, "grace": 0})]), 2)
            assert got[1]["steps"] == 500, got[1]
            messages = script(address, [("stream.open", {"job": name, "window": 3}),
                                        ("stream.ack", {"stream": 1, "epoch": 0, "step": 0})])
            answers(messages, 3)
            batches = [m[2][0]["step"] for m in messages if m[0] == 2 and m[1] == "batch"]
            assert batches[:3] == [0, 1, 2], batches
            info = answers(script(address, [("job.info", {"job": name})]), 2)[1]
            assert info["acked"] == {"epoch": 0, "step": 1}, info["acked"]
            assert info["streams"] == 0 and info["outstanding"] == 0, info
        # As many again, with everything in one script but the answers that later ones need.
        many = answers(script(f"{folder}/s", [("dataset.info", {"dataset": "d0"})] * 2000), 2001)
        assert all(got["samples"] == 50000 for got in many[1:])
    finally:
        daemon.terminate()
        assert daemon.wait(PATIENCE) == 0


with tempfile.TemporaryDirectory() as folder:
    main(folder)
