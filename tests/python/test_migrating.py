"""MIGRATING.md: the lines of every change run, before and after it."""

import numpy as np
import pytest
import torch
import torch.utils.data
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import evendraw.torch
from pages import PYTHON, sections, torchrun

CHANGES = [
    code for _, blocks in sections(PYTHON / "MIGRATING.md") for language, code in blocks if language == "diff"
]
LABELS = [0] * 80 + [1] * 15 + [2] * 5
# Around the lines for several ranks.
RANK = """
import torch
import evendraw.torch
from torch.utils.data import DataLoader
torch.distributed.init_process_group("gloo")
dataset = torch.utils.data.TensorDataset(torch.arange(100), torch.arange(100) % 3)
trained = []
def train(x, y):
    trained.append(x)
"""


def side(change, sign):
    """The lines as they were ("-") or as they are now ("+")."""
    return "\n".join(line[1:] for line in change.splitlines() if line[:1] in (sign, " "))


def run(code, **scope):
    """What is there after the lines; torchsampler is not in Debian."""
    scope |= {
        "StandardScaler": StandardScaler,
        "LogisticRegression": LogisticRegression,
        "evendraw": evendraw,
        "DataLoader": torch.utils.data.DataLoader,
        "dataset": torch.utils.data.TensorDataset(torch.arange(100), torch.tensor(LABELS)),
        "labels": LABELS,
        "folds": [],
        "count": {label: LABELS.count(label) for label in LABELS},
    }
    exec(code, scope)
    return scope


def test_all_are_here():
    assert len(CHANGES) == 7


def test_weighted_random_sampler(daemon):
    lengths = [len(run(side(CHANGES[0], sign))["loader"]) for sign in "-+"]
    assert lengths == [4, 4]
    loader = run(side(CHANGES[0], "+"))["loader"]
    drawn = torch.cat([y for _, y in loader]).bincount(minlength=3)
    assert drawn.sum() == 100 and drawn.min() > 15


def test_weights_of_classes(daemon):
    sampler = run(side(CHANGES[1], "+"))["sampler"]
    assert len(list(sampler)) == 100


def test_distributed_sampler(daemon, tmp_path):
    """On two ranks, each of which has half of every epoch."""
    after = """
lengths = [len(x) for x in trained]
epochs = [sorted(torch.cat(trained[i : i + 2]).tolist()) for i in range(0, 20, 2)]
parts = [None] * 2
torch.distributed.all_gather_object(parts, epochs)
whole = all(sorted(a + b) == list(range(100)) for a, b in zip(*parts))
print(f"{type(sampler).__module__.split('.')[0]} {lengths} {whole} {len(set(map(str, epochs)))}\\n", end="")
"""
    for sign, module in ("-", "torch"), ("+", "evendraw"):
        printed = torchrun(RANK + side(CHANGES[2], sign) + after, tmp_path)
        assert printed == [f"{module} {[32, 18] * 10} True 10"] * 2


def test_imbalanced_dataset_sampler(daemon):
    loader = run(side(CHANGES[3], "+"))["loader"]
    drawn = torch.cat([y for _, y in loader]).bincount(minlength=3)
    assert drawn.sum() == 100 and drawn.min() > 15


def test_imbalanced_learn(daemon):
    X, y = np.random.default_rng(0).normal(size=(100, 4)), np.array(LABELS)
    before, after = (run(side(CHANGES[4], sign), X=X, y=y) for sign in "-+")
    assert np.bincount(after["y_more"]).tolist() == np.bincount(before["y_more"]).tolist() == [80] * 3
    assert after["X_more"].shape == before["X_more"].shape and after["pipeline"].predict(X).shape == (100,)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_batch_sampler(daemon):
    scope = run(side(CHANGES[5], "+"))
    batches = [y.bincount(minlength=3).tolist() for _, y in scope["loader"]]
    assert batches and all(max(b) - min(b) <= 1 for b in batches) and len(scope["loader"]) == len(batches)


def test_folds():
    labels = np.array(LABELS)
    counts = [
        [np.bincount(labels[test]).tolist() for _, test in run(side(CHANGES[6], sign))["folds"]] for sign in "-+"
    ]
    assert counts[0] == counts[1] == [[16, 3, 1]] * 5
    for train, test in run(side(CHANGES[6], "+"))["folds"]:
        assert sorted([*train, *test]) == list(range(100))
