"""client/python/README.md and the five minutes of README.md: every block of code runs, in order, and does
what the text around it says."""

import gzip
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import evendraw
import evendraw.torch
from pages import PYTHON, ROOT, sections, torchrun

PAGE = sections(PYTHON / "README.md")
EVENDRAW = pathlib.Path(os.environ["EVENDRAW"])

# What the page says that the reader has.
READERS = """
import torch
import evendraw
import evendraw.torch

def samples(*counts):
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    return torch.utils.data.TensorDataset(torch.randn(len(labels), 8), labels)

dataset = samples(900, 90, 10)
valid = samples(300, 200, 50)
model = torch.nn.Linear(8, 3)
trained = []

def train(x, y):
    trained.append(y)
"""
STEPS = 31  # of 32, in a thousand samples


# ---- client/python/README.md ----


def three_lines(scope, client, printed):
    assert len(scope["trained"]) == 10 * STEPS
    drawn = torch.cat(scope["trained"]).bincount(minlength=3)
    assert drawn.min() > 0.3 * drawn.sum()
    (row,) = client.jobs()
    assert row["ephemeral"] == 5 * 60 * 1000 and row["job"] == scope["sampler"].job


def a_name(scope, client, printed):
    assert "job train: revision 1 from epoch 0 step 0" in printed
    assert "batch_size is 32 and not 64" in printed
    assert client.job("train")["batch_size"] == scope["sampler"].batch_size == 64


def loops(scope, client, printed):
    assert len(scope["trained"]) == 2 * STEPS
    assert scope["sampler"].state_dict()["epoch"] == 8


def checkpoints(scope, client, printed):
    assert (scope["saved"]["data"]["epoch"], scope["saved"]["data"]["step"]) == (8, 5)
    assert len(scope["trained"]) == STEPS - 5
    assert scope["sampler"].state_dict()["epoch"] == 9


def evaluation(scope, client, printed):
    assert 0 <= scope["right"] <= 550
    assert [len(y) for _, y in scope["valid_loader"]] == [256, 256, 38]


def augmentation(scope, client, printed):
    assert len(scope["trained"]) == STEPS and scope["sampler"].columns == ("augment_seed",)
    assert (len(scope["x"]), len(scope["y"])) == (32, 32)
    x, _ = scope["dataset"][5]
    one, same, other = (
        scope["augmented"][evendraw.torch.Item(5, augment_seed=seed)][0] for seed in (1, 1, 2)
    )
    assert torch.equal(one, same) and not torch.equal(one, other) and (one - x).abs().max() < 1


def pairs(scope, client, printed):
    targets = torch.cat(scope["trained"])
    assert targets.shape == (32 * STEPS, 3) and torch.allclose(targets.sum(1), torch.ones(32 * STEPS))
    assert ((targets > 0.05).sum(1) > 1).sum() > 100  # are of two classes


def neighbours(scope, client, printed):
    index, distance = scope["index"], scope["distance"]
    x, labels = (tensor.numpy() for tensor in scope["dataset"].tensors)
    assert index.shape == distance.shape == (1000, 5)
    assert (labels[index] == labels[:, None]).all()
    assert np.allclose(distance, np.linalg.norm(x[:, None] - x[index], axis=2), atol=1e-5)


def selections(scope, client, printed):
    keep, labels = scope["keep"], scope["dataset"].tensors[1].numpy()
    assert keep.shape == (1000,) and 0 < keep.sum() < 1000 and keep[labels == 2].all()
    mask, _ = client.attachment("pets", "enn")
    assert np.array_equal(mask.astype(bool), keep)
    fewer, _ = client.attachment("pets", "fewer")
    assert np.array_equal(np.bincount(labels[fewer.astype(bool)]), [100, 90, 10])
    mine, _ = client.attachment("pets", "mine")
    assert np.array_equal(mine.astype(bool), keep & (labels != 2))


def scikit_learn(scope, client, printed):
    assert np.bincount(scope["y_more"]).tolist() == [900] * 3 and len(scope["X_more"]) == 2700
    assert scope["scores"].shape == (3,) and (scope["scores"] > 0).all()
    assert scope["steps"] == 6 and [len(y) for y in scope["trained"]] == [5] * 60
    assert np.bincount(np.concatenate(scope["trained"])).tolist() == [100] * 3


def several_processes(scope, client, printed):
    """Of two processes, each with half of the steps of one."""
    jobs, lengths = zip(*(line.split() for line in printed.splitlines()))
    assert len(jobs) == 2 and len(set(jobs)) == 1 and lengths == ("15", "15")


def several_runs(scope, client, printed):
    infos = [client.job(sampler.job) for sampler in scope["samplers"]]
    assert len({info["job"] for info in infos}) == 3
    assert len({(info["dataset"], info["version"]) for info in infos}) == 1
    first = [next(iter(sampler)) for sampler in scope["samplers"]]
    assert first[0] != first[1] != first[2]


def ensembles(scope, client, printed):
    assert scope["classes"].shape == (550,) and set(scope["classes"].tolist()) <= {0, 1, 2}
    assert scope["ensemble"].state_dict()["members"][2]["epoch"] == 5
    assert [client.job(job)["strategy"]["member"] for job in scope["ensemble"].jobs] == [0, 1, 2]


def class_weights(scope, client, printed):
    pets = client.class_weights("pets", "balanced")
    assert pets == pytest.approx([1000 / (3 * n) for n in (900, 90, 10)])
    assert scope["weight"].tolist() == pytest.approx([1, 1, 1], rel=0.01)
    assert scope["loss"].pos_weight == 3
    assert scope["error"].isfinite() and len(scope["predicted"]) == len(scope["x"])
    assert scope["adjust"].tolist() == pytest.approx([np.log(1000 / n) for n in (900, 90, 10)])


def feedback(scope, client, printed):
    assert client.confusion(scope["each_once"].job)["samples"] == 550
    assert scope["f1"].shape == (3,) and np.all(scope["f1"] >= 0)
    assert client.job(scope["sampler"].job)["strategy"]["feedback"] == "validation"
    assert 0 <= scope["at"] <= 2 and 0 < scope["curve"]["area"] <= 1


CHECKS = {
    "In three lines": three_lines,
    "A name, to steer and to resume": a_name,
    "What a loop begins with": loops,
    "Checkpoints": checkpoints,
    "Evaluation": evaluation,
    "Augmentation": augmentation,
    "Pairs": pairs,
    "Neighbours": neighbours,
    "Selections": selections,
    "scikit-learn": scikit_learn,
    "Several processes": several_processes,
    "Several runs at once": several_runs,
    "Ensembles": ensembles,
    "Class weights in the loss": class_weights,
    "Feedback": feedback,
}


def run(language, code, scope, folder):
    """One block of that page; what a script or command printed."""
    if language == "sh":
        return subprocess.check_output(
            ["bash", "-euc", f'PATH={EVENDRAW.parent}:$PATH\n{code}'], text=True
        )
    if code.startswith("# torchrun"):
        after = "\nprint(f'{sampler.job} {len(loader)}\\n', end='')\n"  # one write
        return "\n".join(torchrun(READERS + code + after, folder)) + "\n"
    exec(code, scope)
    return ""


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_python(daemon, client, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(READERS, scope)
    tested = [(name, blocks) for name, blocks in PAGE if {"python", "sh"} & dict(blocks).keys()]
    assert [name for name, _ in tested] == list(CHECKS)
    for name, blocks in tested:
        if name == "Checkpoints":  # one is written within an epoch
            for _, _ in zip(range(5), scope["loader"]):
                pass
        scope["trained"].clear()
        printed = "".join(run(*block, scope, tmp_path) for block in blocks)
        CHECKS[name](scope, client, printed + capsys.readouterr().out)


# ---- the five minutes of README.md ----

FASHION = "/usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz"


class Shell:
    """A reader's, in which commands are typed one after the other."""

    def __init__(self, folder, environment):
        self.errors = open(folder / "errors", "w+")
        self.process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            bufsize=1,
        )

    def type(self, command):
        """What it printed. One that goes on behind the scenes has begun to write its file."""
        self.process.stdin.write(f"{command}\necho; echo =done $?\n")
        printed = []
        while not (line := self.process.stdout.readline()).startswith("=done"):
            assert line, self.said()
            printed.append(line)
        assert line == "=done 0\n", f"{command}: {printed} {self.said()}"
        if command.endswith(" &"):
            file = re.search(r"> (\S+) &$", command)
            ready = f"[ -s {file[1]} ]" if file else "evendraw info >/dev/null 2>&1"
            self.type(f"until {ready}; do kill -0 $! || break; sleep 0.02; done")
        return "".join(printed)[:-1]  # without echo's line

    def folder(self):
        return pathlib.Path(self.type("pwd").strip())

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def end(self):
        self.process.stdin.write("kill $(jobs -p); wait\n")
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()


@pytest.fixture
def shell(tmp_path):
    """In a clone in which installing and building are done; with a home and sockets of its own."""
    (tmp_path / "clone" / "build" / "release").mkdir(parents=True)
    (tmp_path / "clone" / "client").symlink_to(ROOT / "client")
    for name, program in ("daemon", os.environ["EVENDRAWD"]), ("client", EVENDRAW):
        (tmp_path / "clone" / "build" / "release" / name).symlink_to(pathlib.Path(program).parent)
    # As many of each class, in any order.
    labels = np.random.default_rng(0).permutation(np.arange(60000) % 10).astype(np.uint8)
    idx = b"\0\0\x08\x01" + len(labels).to_bytes(4, "big") + labels.tobytes()
    (tmp_path / "labels.gz").write_bytes(gzip.compress(idx))
    run_time = tmp_path / "run"
    run_time.mkdir(mode=0o700)
    keep = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    keep["PATH"] = f"{pathlib.Path(sys.executable).parent}:{keep['PATH']}"
    shell = Shell(
        tmp_path, {**keep, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(run_time), "TMPDIR": str(tmp_path)}
    )
    shell.type("cd clone; deploy/packages() { :; }; cmake() { :; }")
    yield shell
    shell.end()


def shown(block):
    """(command, what it prints) of a block."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def is_as_shown(printed, output):
    """A line of "..." stands for any; where a change falls depends on the reader's haste."""
    printed, output = (
        re.sub(r"epoch \d+ step \d+", "epoch E step S", text.strip("\n") + "\n") for text in (printed, output)
    )
    lines = output.splitlines(keepends=True)
    pattern = "".join("(?:.*\n)+" if line.strip() == "..." else re.escape(line) for line in lines)
    return re.fullmatch(pattern, printed)


def steps_of(printed):
    return [tuple(map(int, line.split()[:2])) for line in printed.splitlines()]


def test_five_minutes(shell):
    tour = itertools.dropwhile(lambda section: section[0] != "Five minutes", sections(ROOT / "README.md"))
    names, printed = [], {}
    for name, blocks in itertools.takewhile(lambda section: section[0] != "How it is built", tour):
        names.append(name)
        for language, code in blocks:
            if language == "python":
                (shell.folder() / code.split()[1]).write_text(code)
            for command, output in shown(code) if language == "console" else ():
                printed[command] = shell.type(command.replace(FASHION, "../labels.gz"))
                assert not output or is_as_shown(printed[command], output), printed[command]
                if command == "python3 named.py > steps &":
                    shell.type("kill -STOP $!")  # within its epoch, however slow what follows is
    assert names == ["Five minutes", "Three lines", "A name, to steer and to resume", "Without Python"]
    before = steps_of((shell.folder() / "steps").read_text())
    after = steps_of(printed["python3 named.py"])
    assert before[0] == (0, 0) and after == [(0, step) for step in range(after[0][1], 31)]
    assert (0, 0) <= after[0] <= (0, before[-1][1] + 1)
    batches = [json.loads(line) for line in open(shell.folder() / "batches.jsonl")]
    assert batches[0]["epoch"] == 0 and len(batches[0]["label"]) == 256
