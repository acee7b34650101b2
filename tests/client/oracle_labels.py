"""Classes of `evendraw load` against pandas, NumPy and Python's csv module: which class number does a
sample of the same file get?"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas._libs.parsers import STR_NA_VALUES


def load(path: Path, **options: str) -> tuple[list[str], list[int]]:
    given = [f"{key}={value}" for key, value in options.items()]
    done = subprocess.run(
        [os.environ["LABELS_PRINT"], str(path), *given], capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    classes, codes = done.stdout.decode().split("\n\n")
    return classes.split("\n"), [int(code) for code in codes.split()]


def plain(value: Any) -> str:
    """A class's name: whole numbers in the shortest form."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def same_as_pandas(path: Path, column: pd.Series) -> None:
    codes, uniques = pd.factorize(column, sort=True)
    classes, numbers = load(path, column="y")
    assert numbers == codes.tolist()
    assert classes == [plain(value) for value in uniques]


def table(path: Path, cells: list[str]) -> pd.Series:
    path.write_text("id,y\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))
    return pd.read_csv(path)["y"]


RANDOM = random.Random(9)
COLUMNS = {
    "whole": [str(RANDOM.randrange(-30, 200)) for _ in range(500)],
    "signs": [RANDOM.choice(["+1", "-1"]) for _ in range(50)],
    "gaps": [RANDOM.choice(["1.0", "10.0", "2.0", "", "-1.0", "0.0"]) for _ in range(80)],
    "spellings": [RANDOM.choice(["1.0", "+1", "1", "1e0", "10", "1e1", "-0", "0"]) for _ in range(80)],
    "fractions": [RANDOM.choice(["0.5", "0.25", "1.5", "-2.5", "10.5", "NaN"]) for _ in range(80)],
    "wide": [str(RANDOM.randrange(2**62, 2**64)) for _ in range(60)],
    "negative": [str(-RANDOM.randrange(2**61, 2**63)) for _ in range(60)],
    "text": [RANDOM.choice(["b", "a", "10", "9", "B", "é", "z", "😀", "ａ", "NA"]) for _ in range(90)],
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_has_pandas_classes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "y.csv"
    same_as_pandas(path, table(path, COLUMNS[kind]))


def test_what_pandas_writes(tmp_path: Path) -> None:
    """A column of whole numbers with a gap is written as 1.0, 10.0, ..."""
    path = tmp_path / "y.csv"
    pd.DataFrame({"id": range(4), "y": [10, 1, None, 2]}).to_csv(path, index=False)
    assert "10.0" in path.read_text()
    assert load(path, column="y") == (["1", "2", "10"], [2, 0, -1, 1])


def test_numbers_of_any_size(tmp_path: Path) -> None:
    values = [RANDOM.choice([-1, 1]) * RANDOM.randrange(10 ** RANDOM.randrange(1, 100)) for _ in range(300)]
    spelled = [RANDOM.choice([f"{v}", f"{v}.0", f"{v}." if v else "0", f"{v:+d}"]) for v in values]
    path = tmp_path / "y.txt"
    path.write_text("\n".join(spelled) + "\n")
    order = sorted(set(values))
    assert load(path) == ([str(v) for v in order], [order.index(v) for v in values])


def test_missing_values_are_those_of_pandas(tmp_path: Path) -> None:
    path = tmp_path / "y.csv"
    cells = sorted(STR_NA_VALUES) + ["None", "a", "na", "nAn", "NONE", "missing"]
    path.write_text("id,y\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))
    classes, codes = load(path, column="y")
    assert classes == sorted(["a", "na", "nAn", "NONE", "missing"])
    assert codes[: len(STR_NA_VALUES) + 1] == [-1] * (len(STR_NA_VALUES) + 1)


@pytest.mark.parametrize(
    "dtype", ["b1", "i1", "u1", "<i2", ">i4", "<i8", ">u8", "<f2", "<f4", ">f8", "<U5", ">U5", "S4"]
)
def test_arrays_have_numpys_classes(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(4)
    array = rng.integers(-3 if dtype[-2] in "if" else 0, 120, 400).astype(dtype)
    path = tmp_path / "y.npy"
    np.save(path, array)
    uniques, codes = np.unique(array, return_inverse=True)
    if array.dtype.kind in "US":  # texts of whole numbers are in numeric order
        uniques, codes = np.unique(array.astype("i8"), return_inverse=True)
    if array.dtype.kind == "b":
        uniques = uniques.astype("u1")
    assert load(path) == ([plain(value) for value in uniques], codes.tolist())


def test_text_arrays(tmp_path: Path) -> None:
    array = np.array(["zebra", "ä", "Zebra", "😀", "a", "zebra"])
    path = tmp_path / "y.npy"
    np.save(path, array)
    uniques, codes = np.unique(array, return_inverse=True)
    assert load(path) == (uniques.tolist(), codes.tolist())


def test_nan_is_no_label(tmp_path: Path) -> None:
    array = np.array([0, 1, np.nan, 10, 2])
    path = tmp_path / "y.npy"
    np.save(path, array)
    codes, uniques = pd.factorize(array, sort=True)
    assert load(path) == ([plain(value) for value in uniques], codes.tolist())


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives(tmp_path: Path, save: Any) -> None:
    labels = np.random.default_rng(1).integers(0, 50, 300000)
    one, several = tmp_path / "one.npz", tmp_path / "several.npz"
    save(one, y=labels)
    save(several, x=np.zeros((3, 4)), y=labels, names=np.array(["b", "a"]))
    wanted = ([str(value) for value in range(50)], labels.tolist())
    assert load(one) == wanted
    assert load(several, column="y") == wanted
    assert load(several, column="names") == (["a", "b"], [1, 0])
    for path, column, says in [
        (several, "z", b"x, y, names"),
        (several, "", b"no array ''"),
        (several, "x", b"argmax(axis=1)"),
    ]:
        done = subprocess.run(
            [os.environ["LABELS_PRINT"], path, "column=" + column], capture_output=True
        )
        assert done.returncode == 4 and says in done.stderr
    done = subprocess.run([os.environ["LABELS_PRINT"], several], capture_output=True)
    assert done.returncode == 4 and b"say with --column which array" in done.stderr


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_archive_is_refused(tmp_path: Path, save: Any) -> None:
    """Cut anywhere, or with any byte changed: refused, or the same labels."""
    labels = np.random.default_rng(1).integers(0, 5, 60).astype("u1")
    path = tmp_path / "y.npz"
    save(path, y=labels)
    whole = path.read_bytes()
    wanted = load(path)[1]
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at])
        done = subprocess.run([os.environ["LABELS_PRINT"], path], capture_output=True)
        assert done.returncode == 4, at
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        done = subprocess.run([os.environ["LABELS_PRINT"], path], capture_output=True)
        assert done.returncode in (0, 4), at
        if done.returncode == 0:
            assert [int(n) for n in done.stdout.decode().split("\n\n")[1].split()] == wanted


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "y.jsonl"
    frame = pd.DataFrame({"text": ['a "b"', "c\nd", "é", "e"], "y": ["cat", "dog", None, "cat"]})
    frame.to_json(path, orient="records", lines=True)
    codes, uniques = pd.factorize(pd.read_json(path, lines=True)["y"], sort=True)
    assert load(path, column="y") == (uniques.tolist(), codes.tolist())
    path.write_text("".join(json.dumps({"y": n}) + "\n" for n in [0.1, 2.0, -1, 1e22, 0.30000000000000004]))
    assert load(path, column="y")[0] == ["-1", "0.1", "0.30000000000000004", "2", "1" + 22 * "0"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_quoted_cells_are_those_of_the_csv_module(tmp_path: Path, delimiter: str) -> None:
    parts = ["a", "b", delimiter, '"', '""', "\n", "\r\n", "x y", "'"]
    rows = [
        [str(i), "".join(RANDOM.choices(parts, k=RANDOM.randrange(6))), RANDOM.choice(["cat", "dog"])]
        for i in range(400)
    ]
    path = tmp_path / "y.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([["id", "text", "y"], *rows])
    classes, codes = load(path, column="y", delimiter=delimiter, quote="double")
    assert [classes[code] for code in codes] == [row[2] for row in rows]


def test_tables_without_quotes(tmp_path: Path) -> None:
    """As pandas reads them with quoting=csv.QUOTE_NONE."""
    cells = [RANDOM.choice(['"It', 'no"', '5" disk', "x"]) for _ in range(60)]
    path = tmp_path / "y.tsv"
    path.write_text("id\ty\n" + "".join(f"{i}\t{cell}\n" for i, cell in enumerate(cells)))
    column = pd.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE)["y"]
    codes, uniques = pd.factorize(column, sort=True)
    assert load(path, column="y", quote="none") == (uniques.tolist(), codes.tolist())
