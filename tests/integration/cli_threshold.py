#!/usr/bin/python3
"""`evendraw threshold` over real reports: terminal, JSON, CSV, SVG.
cli_threshold.py EVENDRAWD EVENDRAW [FOLDER to leave the files in]"""
import csv, itertools, json, os, random, socket, stat, subprocess, sys, tempfile
import xml.etree.ElementTree as ElementTree
import msgpack

EVENDRAWD, EVENDRAW = sys.argv[1:3]
SVG = "{http://www.w3.org/2000/svg}"
SPAM = "<spam> & \"ham\""


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.unpacker, self.ids = msgpack.Unpacker(), itertools.count()
        self.call("hello", protocol=1, client="cli_threshold.py")

    def call(self, method, **params):
        self.socket.sendall(msgpack.packb([0, next(self.ids), method, [params]]))
        while (message := next(self.unpacker, None)) is None:
            self.unpacker.feed(self.socket.recv(65536) or sys.exit("the daemon hung up"))
        if message[2] is not None:
            raise RuntimeError(message[2])
        return message[3]

    def job(self, name, classes, labels, scores=None):
        """A job whose one step was reported."""
        draft = self.call("dataset.create", name=name, classes=classes)["draft"]
        self.call("dataset.append", draft=draft, labels=labels)
        self.call("dataset.commit", draft=draft)
        self.call("job.create", name=name, dataset=name, batch_size=len(labels))
        more = {} if scores is None else {"score": scores}
        self.call("job.report", job=name, epoch=0, step=0, index=list(range(len(labels))),
                  predicted=[0] * len(labels), **more)


def run(*args, status=0, width=100):
    done = subprocess.run([EVENDRAW, "threshold", *args], capture_output=True, text=True,
                          env={**os.environ, "COLUMNS": str(width), "LC_ALL": "C.UTF-8"})
    assert done.returncode == status, done
    return done.stdout if status == 0 else done.stderr


def counts(labels, scores, threshold):
    above = [label for label, score in zip(labels, scores) if score >= threshold]
    return sum(above), len(above) - sum(above)


def best_f1(labels, scores):
    """(F1, the lowest threshold of it)"""
    rates = []
    for threshold in sorted(set(scores)):
        hits, alarms = counts(labels, scores, threshold)
        rates.append((2 * hits / (hits + alarms + sum(labels)), -threshold))
    f1, threshold = max(rates)
    return f1, -threshold


def texts(svg):
    return ["".join(text.itertext()) for text in svg.iter(SVG + "text")]


def classed(svg, name):
    return [e for e in svg.iter() if e.get("class") == name]


def check_table(labels, scores):
    f1, threshold = best_f1(labels, scores)
    answer = json.loads(run("spam", "--json"))
    rows = {row["objective"]: row for row in answer["objectives"]}
    assert list(rows) == ["f1", "f-beta", "balanced-accuracy", "precision-at-recall",
                          "recall-at-precision"]
    assert rows["f1"]["threshold"] == threshold and abs(rows["f1"]["value"] - f1) < 1e-12
    assert (rows["f1"]["true_positive"], rows["f1"]["false_positive"]) == counts(
        labels, scores, threshold)
    assert rows["f-beta"]["beta"] == 2 and rows["precision-at-recall"]["least"] == 0.9
    assert answer["exact"] is True and "curve" not in answer
    out = run("spam")
    assert f"f1 {threshold}." in out.replace("\n", " ") and repr(threshold) in out
    assert "f-beta, beta 2" in out and SPAM in out and "all epochs" in run("spam", "--together")
    only = json.loads(run("spam", "--objective", "cost", "--cost", "0,1,-0.5,0.25", "--json"))
    assert [row["cost"] for row in only["objectives"]] == [[[0, 1], [-0.5, 0.25]]]
    assert "No threshold keeps" in run("never", "-o", "recall-at-precision", "--precision", "1")


def check_curve(folder, kind, labels, scores):
    paths = [os.path.join(folder, kind + end) for end in (".csv", ".svg")]
    answer = json.loads(run("spam", "--curve", kind, "--csv", paths[0], "--svg", paths[1], "--json"))
    curve = answer["curve"]
    with open(paths[0], newline="", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file))
    assert len(rows) == curve["points"] > 5
    for key, column in zip(head, zip(*rows)):
        assert [float(cell) if cell else None for cell in column] == curve[key], key
    svg = ElementTree.parse(paths[1]).getroot()
    assert len(classed(svg, "curve")) == len(classed(svg, "baseline")) == 1
    shown = texts(svg)
    assert any(text.startswith("spam, epoch 0: ") for text in shown)
    assert shown.count("0.4") == 2  # ticks of both axes
    assert any(SPAM in text for text in shown)
    for name in ("chosen", "bin", "curve", "baseline"):
        for shape in classed(svg, name):
            if shape.get("cx"):
                assert 70 <= float(shape.get("cx")) <= 510 and 50 <= float(shape.get("cy")) <= 490
    if kind == "calibration":
        assert len(classed(svg, "bin")) == curve["points"] and not classed(svg, "chosen")
        return
    chosen, = classed(svg, "chosen")
    row = answer["objectives"][0]
    assert f"f1: threshold {row['threshold']!r}" in shown
    x, y = row["recall"], row["precision"]
    if kind == "roc":
        x, y = row["false_positive"] / (len(labels) - sum(labels)), x
    assert abs(float(chosen.get("cx")) - (70 + 440 * x)) < 0.06
    assert abs(float(chosen.get("cy")) - (50 + 440 * (1 - y))) < 0.06


def check_files(folder):
    """A file is replaced whole, with its rights, or stays; what is no file is written to."""
    path = os.path.join(folder, "kept.csv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("before")
    os.chmod(path, 0o640)
    run("spam", "--csv", path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    with open(path, encoding="utf-8") as file:
        assert file.read().startswith("threshold,recall,precision\n")
    link = os.path.join(folder, "link.csv")
    os.symlink(path, link)
    run("spam", "--csv", link, "--curve", "roc")
    assert os.path.islink(link)
    with open(path, encoding="utf-8") as file:
        assert file.read().startswith("threshold,false_positive_rate,true_positive_rate\n")
    assert "threshold,recall" in run("spam", "--csv", "/dev/stdout")
    assert "cannot write" in run("spam", "--svg", "/dev/full", status=4)
    assert "cannot write" in run("spam", "--csv", folder + "/none/x.csv", status=4)
    assert "cannot write" in run("spam", "--csv", folder, status=4)
    assert not [name for name in os.listdir(folder) if name.endswith(".partial")]


def check_refused():
    assert "nothing was reported" in run("silent", status=1)
    assert "evendraw.thresholds" in run("three", status=1)
    assert "\"score\"" in run("scoreless", status=1)
    assert "no sample of class" in run("one", status=1)
    assert "kept from epoch 0 on" in run("spam", "--epoch", "7", status=1)
    assert "there are f1" in run("spam", "-o", "accuracy", status=1)
    assert "needs \"cost\"" in run("spam", "-o", "cost", status=1)
    assert "from 0 to 1" in run("spam", "--recall", "2", status=1)
    assert "exclude" in run("spam", "--epoch", "0", "--together", status=2)
    assert "none of pr" in run("spam", "--curve", "lift", "--json", status=2)
    assert "where is it to go" in run("spam", "--curve", "roc", status=2)
    assert "four numbers" in run("spam", "--cost", "1,2,3", status=2)
    assert "four numbers" in run("spam", "--cost", "1,2,3,4,5", status=2)
    assert "not a number" in run("spam", "--beta", "much", status=2)
    assert "name the job" in run(status=2)


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
        peer, rng = Client(path), random.Random(3)
        labels = [int(i % 5 == 0) for i in range(400)]
        scores = [rng.betavariate(2 + 3 * label, 4) for label in labels]
        peer.job("spam", ["ham", SPAM], labels, scores)
        peer.job("never", ["a", "b"], [0, 1], [0.9, 0.1])
        peer.job("one", ["a", "b"], [0, 0], [0.9, 0.1])
        peer.job("scoreless", ["a", "b"], [0, 1])
        peer.job("three", ["a", "b", "c"], [0, 1, 2])
        peer.call("job.create", name="silent", dataset="spam", batch_size=4)
        check_table(labels, scores)
        for kind in ("pr", "roc", "calibration"):
            check_curve(folder, kind, labels, scores)
        check_files(folder)
        check_refused()
        if len(sys.argv) > 3:
            subprocess.run(["cp", "-r", folder, sys.argv[3]], check=False)
    finally:
        daemon.terminate()
        assert daemon.wait() == 0
