#!/usr/bin/python3
"""`evendraw confusion` over real reports: terminal, JSON, CSV, SVG.
cli_confusion.py EVENDRAWD EVENDRAW"""
import csv, itertools, json, os, random, socket, subprocess, sys, tempfile
import xml.etree.ElementTree as ElementTree
import msgpack

EVENDRAWD, EVENDRAW = sys.argv[1:3]
SVG = "{http://www.w3.org/2000/svg}"
NAMES = ["cat", "a <b> & \"c\"", "über, größer", "it's\uffff", "x" * 100]


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.unpacker, self.ids = msgpack.Unpacker(), itertools.count()
        self.call("hello", protocol=1, client="cli_confusion.py")

    def call(self, method, **params):
        self.socket.sendall(msgpack.packb([0, next(self.ids), method, [params]]))
        while (message := next(self.unpacker, None)) is None:
            self.unpacker.feed(self.socket.recv(65536) or sys.exit("the daemon hung up"))
        if message[2] is not None:
            raise RuntimeError(message[2])
        return message[3]

    def job(self, name, classes, samples):
        """A job whose reports are mostly right; returns its matrix."""
        rng = random.Random(name)
        labels = [i % len(classes) for i in range(samples)]
        draft = self.call("dataset.create", name=name, classes=classes)["draft"]
        self.call("dataset.append", draft=draft, labels=labels)
        self.call("dataset.commit", draft=draft)
        self.call("job.create", name=name, dataset=name, batch_size=samples)
        predicted = [c if rng.random() < 0.7 else rng.randrange(len(classes)) for c in labels]
        assert self.call("job.report", job=name, epoch=0, step=0, index=list(range(samples)),
                         predicted=predicted, loss=[0.5] * samples)["counted"]
        matrix = [[0] * len(classes) for _ in classes]
        for label, guess in zip(labels, predicted):
            matrix[label][guess] += 1
        return matrix


def run(*args, status=0, width=80, locale="C.UTF-8"):
    done = subprocess.run([EVENDRAW, "confusion", *args], capture_output=True, text=True,
                          env={**os.environ, "COLUMNS": str(width), "LC_ALL": locale})
    assert done.returncode == status, done
    return done.stdout if status == 0 else done.stderr


def check_files(folder, name, classes, matrix):
    paths = [os.path.join(folder, name + end) for end in (".csv", ".svg")]
    answer = json.loads(run(name, "--json", "--csv", paths[0], "--svg", paths[1]))
    assert answer["matrix"] == matrix and answer["class"] == classes
    assert len(answer["recall"]) == len(answer["loss"]) == len(classes)
    with open(paths[0], newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0][1:] == classes
    assert [row[0] for row in rows[1:]] == classes
    assert [[int(cell) for cell in row[1:]] for row in rows[1:]] == matrix
    return ElementTree.parse(paths[1]).getroot()


def texts(svg):
    return ["".join(text.itertext()) for text in svg.iter(SVG + "text")]


def check_few(client, folder):
    matrix = client.job("few", NAMES, 500)
    svg = check_files(folder, "few", NAMES, matrix)
    shown = texts(svg)
    for name in [*NAMES[:3], "it's\ufffd", "x" * 24 + "…"]:
        assert shown.count(name) == 2, name
    filled = [cell for row in matrix for cell in row if cell]
    assert len(svg.findall(SVG + "rect")) == 2 + len(filled)
    assert all(str(cell) in shown for cell in filled)
    out = run("few")
    assert "accuracy" in out and "mean loss 0.5000" in out and "▓" in out
    assert f"{matrix[0][0]}" in out  # percent: every class has 100 samples
    assert not any(block in run("few", locale="C") for block in "░▒▓█")
    assert all(len(line) <= 80 for line in out.splitlines() if line.startswith("  "))
    assert "epochs together" in run("few", "--together")
    assert "nothing is known of epoch 3" in run("few", "--epoch", "3", status=1)
    assert "cannot write" in run("few", "--csv", folder + "/none/x.csv", status=4)
    assert "exclude" in run("few", "--epoch", "0", "--together", status=2)


def check_many(client, folder):
    classes = [f"c{i}" for i in range(600)]
    matrix = client.job("many", classes, 6000)
    svg = check_files(folder, "many", classes, matrix)  # comes in two pages
    assert "c0" not in texts(svg)
    assert "Confused most" in run("many")
    narrow = client.job("narrow", classes[:60], 600)
    assert len(narrow) == 60
    lines = run("narrow", width=80).splitlines()
    assert any(line.startswith("  c59 59  ") for line in lines)
    assert all(len(line) <= 80 for line in lines)


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "socket")
    os.environ["EVENDRAW_SERVER"] = "unix:" + path
    read_end, write_end = os.pipe()
    daemon = subprocess.Popen([EVENDRAWD, "--listen", "unix:" + path, "--database",
                               os.path.join(folder, "db"), "--ready-fd", str(write_end)],
                              pass_fds=[write_end])
    os.close(write_end)
    try:
        assert os.read(read_end, 6) == b"ready\n", "the daemon did not start"
        peer = Client(path)
        check_few(peer, folder)
        check_many(peer, folder)
        if len(sys.argv) > 3:  # leaves the files, to be looked at
            subprocess.run(["cp", "-r", folder, sys.argv[3]], check=False)
    finally:
        daemon.terminate()
        assert daemon.wait() == 0
