#!/usr/bin/python3
"""A whole worker in plain MessagePack-RPC, without libevendraw: creates a job, and prints the samples
of each batch of its first epoch.  plain_client.py SOCKET DATASET JOB"""
import socket, sys
import msgpack

path, dataset, job = sys.argv[1:]
daemon = socket.socket(socket.AF_UNIX)
daemon.connect(path)


def messages():
    unpacker = msgpack.Unpacker()
    while received := daemon.recv(65536):
        unpacker.feed(received)
        yield from unpacker
    sys.exit("the daemon hung up")


def call(method, **params):
    daemon.sendall(msgpack.packb([0, 1, method, [params]]))
    _, _, error, result = next(inbox)  # batches come only after the answer to stream.open
    return result if error is None else sys.exit(error[1])


inbox = messages()
call("hello", protocol=1, client="plain_client.py")
call("job.create", name=job, dataset=dataset, batch_size=32, strategy={"kind": "uniform"})
call("stream.open", job=job)
for _, method, [event] in inbox:
    if method == "batch":
        print(*event["index"])
        used = {key: event[key] for key in ("stream", "epoch", "step")}
        daemon.sendall(msgpack.packb([2, "stream.ack", [used]]))
    elif method == "epoch_end":
        break
