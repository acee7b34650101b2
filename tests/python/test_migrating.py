"""MIGRATING.md: the lines of every change run, before and after it."""

import pathlib
import re

import pytest
import torch
import torch.utils.data

import evendraw.torch

PAGE = pathlib.Path(__file__).parents[2] / "client" / "python" / "MIGRATING.md"
CHANGES = re.findall(r"```diff\n(.*?)```", PAGE.read_text(), re.DOTALL)
LABELS = [0] * 80 + [1] * 15 + [2] * 5


def side(change, sign):
    """The lines as they were ("-") or as they are now ("+")."""
    return "\n".join(line[1:] for line in change.splitlines() if line[:1] in (sign, " "))


def run(code):
    """What is there before the lines, and after them; torchsampler is not in Debian."""
    trained = []
    scope = {
        "evendraw": evendraw,
        "DataLoader": torch.utils.data.DataLoader,
        "dataset": torch.utils.data.TensorDataset(torch.arange(100), torch.tensor(LABELS)),
        "labels": LABELS,
        "count": {label: LABELS.count(label) for label in LABELS},
        "rank": 0,
        "train": lambda x, y: trained.append(y),
    }
    exec(code, scope)
    return scope, trained


def test_all_are_here():
    assert len(CHANGES) == 5


def test_weighted_random_sampler(daemon):
    lengths = [len(run(side(CHANGES[0], sign))[0]["loader"]) for sign in "-+"]
    assert lengths == [4, 4]
    loader = run(side(CHANGES[0], "+"))[0]["loader"]
    drawn = torch.cat([y for _, y in loader]).bincount(minlength=3)
    assert drawn.sum() == 100 and drawn.min() > 15


def test_weights_of_classes(daemon):
    sampler = run(side(CHANGES[1], "+"))[0]["sampler"]
    assert len(list(sampler)) == 100


def test_distributed_sampler(daemon):
    before, after = (run(side(CHANGES[2], sign))[1] for sign in "-+")
    assert [len(y) for y in before] == [len(y) for y in after] == [25] * 10


def test_imbalanced_dataset_sampler(daemon):
    loader = run(side(CHANGES[3], "+"))[0]["loader"]
    drawn = torch.cat([y for _, y in loader]).bincount(minlength=3)
    assert drawn.sum() == 100 and drawn.min() > 15


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_batch_sampler(daemon):
    scope = run(side(CHANGES[4], "+"))[0]
    batches = [y.bincount(minlength=3).tolist() for _, y in scope["loader"]]
    assert batches and all(max(b) - min(b) <= 1 for b in batches) and len(scope["loader"]) == len(batches)
