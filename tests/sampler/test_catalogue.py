"""The table of STRATEGIES.md against imbalanced-learn as it is installed: every name that it exports has a row."""

import importlib
import pathlib
import re

import imblearn
import pytest

STRATEGIES = pathlib.Path(__file__).parents[2] / "daemon" / "sampler" / "STRATEGIES.md"
PARTS = ["over_sampling", "under_sampling", "combine", "ensemble", "pipeline", "keras", "tensorflow"]
PARTS += ["metrics", "datasets", "utils"]
MORE = {"FunctionSampler", "ValueDifferenceMetric"}  # exported elsewhere


@pytest.fixture(scope="module")
def rows():
    """What stands beside each name."""
    section = STRATEGIES.read_text().split("\n## From imbalanced-learn\n")[1].split("\n## ")[0]
    found = {}
    for line in section.splitlines():
        cells = line.split("|")
        if len(cells) == 4:
            found |= dict.fromkeys(re.findall(r"`(\w+)`", cells[1]), cells[2].strip())
    return found


@pytest.mark.parametrize("part", PARTS)
def test_every_name_has_a_row(rows, part):
    names = importlib.import_module(f"imblearn.{part}").__all__
    assert names and [name for name in names if len(rows.get(name, "")) < 10] == []


def test_there_is_no_row_for_what_does_not_exist(rows):
    exported = {n for part in PARTS for n in importlib.import_module(f"imblearn.{part}").__all__}
    later = {"InstanceHardnessCV"}  # of imbalanced-learn 0.14
    assert set(rows) - exported - later == MORE, imblearn.__version__
