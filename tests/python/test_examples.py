"""The examples, in a short form."""

import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import xml.dom.minidom

import numpy as np
import pytest
import torch

EXAMPLES = pathlib.Path(__file__).parents[2] / "client" / "python" / "examples"
BENCH = EXAMPLES.parent / "bench"
DATA = "/usr/share/datasets/fashion-mnist"


def run(*command):
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with what the examples train on of Fashion-MNIST, and a fifth of what they test on."""
    sys.path.insert(0, str(EXAMPLES))
    import fashion

    folder = tmp_path_factory.mktemp("fashion-mnist")
    training, test = fashion.load(DATA)
    of_each = np.concatenate([np.flatnonzero(test.targets == c)[:200] for c in range(10)])
    for part, images, labels in (
        ("train", training.images, training.targets),
        ("t10k", test.images[of_each], test.targets[of_each]),
    ):
        pixels = (images.squeeze(1) * 255).round().numpy()
        for what, values in ("images-idx3", pixels), ("labels-idx1", labels.numpy()):
            head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            with gzip.open(folder / f"{part}-{what}-ubyte.gz", "wb", compresslevel=1) as file:
                file.write(head + values.astype(np.uint8).tobytes())
    again, _ = fashion.load(folder)
    assert torch.equal(again.images, training.images) and torch.equal(again.targets, training.targets)
    return folder


@pytest.mark.skipif(not os.path.exists(DATA), reason="needs dataset-fashion-mnist")
def test_longtail(daemon, data, tmp_path):
    """Two strategies, one seed."""
    results, figure = tmp_path / "results.json", tmp_path / "figure.svg"
    printed = run(
        EXAMPLES / "longtail.py",
        *("--strategies", "none", "weighted", "--seeds", "1", "--steps", "150"),
        *("--data", data, "--json", results, "--figure", figure),
    )
    assert "| boot (60) |" in printed and "| balanced accuracy |" in printed
    (none,), (weighted,) = json.loads(results.read_text()).values()
    assert none["scores"][-1] + 0.1 < weighted["scores"][-1]
    assert sum(none["drawn"]) == 150 * 64
    assert np.std(weighted["drawn"]) < 60 < np.std(none["drawn"])

    from sklearn.metrics import f1_score

    matrix = np.array(weighted["matrix"])
    true, predicted = (i.ravel().repeat(matrix.ravel()) for i in np.indices((10, 10)))
    assert weighted["scores"][-2] == pytest.approx(f1_score(true, predicted, average="macro"))
    drawing = xml.dom.minidom.parse(str(figure))
    assert len(drawing.getElementsByTagName("rect")) == 1 + 2 * (10 + 100)


@pytest.mark.skipif(not os.path.exists(DATA), reason="needs dataset-fashion-mnist")
def test_live_change(daemon):
    printed = run(EXAMPLES / "live_change.py", "--steps", "75")
    shares = [line.split(": ")[1].split() for line in printed.splitlines() if "drawn" in line]
    assert int(shares[0][0]) > 30
    assert shares[-1] == ["10"] * 10
    assert re.search(r"revision 1 from epoch 0 step \d+", printed)


@pytest.mark.skipif(not os.path.exists(DATA), reason="needs dataset-fashion-mnist")
def test_augmented(daemon):
    """Four runs that are one, and as many without evendraw that are not."""
    lines = run(EXAMPLES / "augmented.py", "--steps", "8").splitlines()
    digests = [re.fullmatch(r"(.*), .*: images (\w{16}), weights (\w{16})", line).groups() for line in lines]
    assert len(digests) == 8
    assert len({d for d in digests if d[0] == "Augmented"}) == 1
    assert len({d[1] for d in digests if d[0] == "by itself"}) == 4


@pytest.mark.skipif(not os.path.exists(DATA), reason="needs dataset-fashion-mnist")
def test_ensemble(daemon, data, tmp_path):
    """Two members, one seed: all ways are better than chance, and several models than one of them."""
    results = tmp_path / "results.json"
    printed = run(
        EXAMPLES / "ensemble.py",
        *("--members", "2", "--steps", "60", "--seeds", "1", "--data", data, "--json", results),
    )
    (scores,) = json.loads(results.read_text())
    table = [line.split(" | ") for line in printed.splitlines() if line.startswith("| ")][2:]
    assert {name[2:]: cell[:-2] for name, cell in table} == {k: f"{v:.1f}" for k, v in scores.items()}
    assert len(scores) == 6 and min(scores.values()) > 15
    assert scores["ensemble, mean"] > scores["a member by itself"] - 2


@pytest.mark.skipif(not os.path.exists(DATA), reason="needs dataset-fashion-mnist")
def test_classical(daemon, data, tmp_path):
    """One seed: logits that are adjusted, and last layers that are trained again, find rare classes."""
    results = tmp_path / "results.json"
    printed = run(
        EXAMPLES / "classical.py", *("--seeds", "1", "--steps", "40", "--data", data, "--json", results)
    )
    (matrices,) = json.loads(results.read_text())
    rows = [line.split(" | ")[0][2:] for line in printed.splitlines() if line.startswith("| ")][2:]
    assert rows == list(matrices) and len(rows) == 12
    few = {}
    for name, matrix in matrices.items():
        counts = np.array(matrix)
        assert (counts.sum(axis=1) == 200).all()
        few[name] = counts.diagonal()[5:].sum() / 1000
    assert few["none"] < min(few["logit adjustment of `none`"], few["last layer again, SMOTE"])


def test_tabular(daemon, tmp_path):
    """One seed: rare cases are found by SMOTE and by moving the threshold, and what no threshold moves is
    what it was."""
    results = tmp_path / "results.json"
    run(EXAMPLES / "tabular.py", "--samplers", "none", "SMOTE", "--seeds", "1", "--json", results)
    (models,) = json.loads(results.read_text())
    for rates in models.values():
        none, adjusted, smote = rates.values()
        assert none[0] + 0.05 < min(adjusted[0], smote[0])
        assert none[2] == adjusted[2]


def test_resume(daemon):
    """Two ranks, killed; one, killed; four: it fails unless every sample was trained on once."""
    printed = run(EXAMPLES / "resume.py")
    assert "4096 samples trained on, 4096 different, of 4096" in printed


def test_bench(daemon):
    printed = run(BENCH / "loader.py", "--samples", "100000")
    assert printed.count("\n") == 8 and "cannot" not in printed
