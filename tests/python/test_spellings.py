"""The same column on the command line and in Python: class names and numbers, and pandas' numbers."""

import io
import os
import random
import subprocess

import numpy as np
import pandas
import pytest

import evendraw

RANDOM = random.Random(4)


def some(*cells, n=120):
    return [*cells, *RANDOM.choices(cells, k=n)]


TEXT = {
    "whole": some("+1", "-1", "1.0", "10", "1", "-1.", "2e0", "1E1", "+0", "-0.0", "0e5"),
    "fractions": some("0.5", ".5", "+.50", "5e-1", "1e3", "1000", "-2.5", "-2.50", "10.25", "7."),
    "small": some("1e-05", "0.00001", "0.001", "1e-3", ".0001", "0.0001", "-1e-7", "1E-5", "0"),
    "huge": some("1e200", "10e199", "1e20", "100000000000000000000", "1e999999999", "-1e300", "1e-999999999"),
    "beyond 2^63": some(*(str(RANDOM.randrange(-(2**70), 2**70)) for _ in range(9)), "9223372036854775808"),
    "long": some("1" * 124, "1" * 125, "1" * 126, "1" * 128, "1." + "0" * 126, "0." + "1" * 124, "2"),
    "zeros in front": some("007", "7", "7.0", "08", "0", "00", "000", "+0", "+00", "-00", "-07", "+07", "-7"),
    "fractions with zeros": some("00.5", "0.5", ".5", "+00.5", "-00.5", "-0.5", "000.00001", "1e-5", "01e3", "1000"),
    "not numbers": some("1e3", "1000", "0.5", ".5", "1.0", "1", "x", "e5", ".", "+", "1e", "1e1234567890", "inf"),
    "blanks and others": some("1 ", " 1", "1_0", "0x1", "1,", "١", "1\u00a0", "--1", "1.2.3", "1"),
}  # fmt: skip
FLOATS = [0.5, -2.5, 1e3, 10.25, 7.0, -1e-7, 1e-5, 0.001, 1e20, 123456.789, 1 / 3, -0.0]


def loaded(client, tmp_path, cells):
    """Classes of the daemon, and each sample's, as `evendraw load` makes them of a table."""
    path = tmp_path / "labels.csv"
    path.write_text("".join(f'"{cell}"\n' for cell in ["y", *cells]))
    subprocess.run([os.environ["EVENDRAW"], "load", "cli", path, "-c", "y"], check=True)
    return of_dataset(client, "cli", len(cells))


def of_dataset(client, name, n):
    """By drawing each sample once."""
    client.create_job(f"of {name}", name, n, last_batch="short")
    with client.open(f"of {name}", columns=["label"]) as stream:
        batch = stream.next()
    codes = np.full(n, -1)
    codes[batch.index] = batch.label
    return client.dataset_stats(name)["class"], codes.tolist()


@pytest.mark.parametrize("kind", TEXT)
def test_text(client, tmp_path, kind):
    column = TEXT[kind]
    here = evendraw.encode(column)
    assert loaded(client, tmp_path, column) == (here[0], here[1].tolist())
    client.create_dataset("python", column)
    assert of_dataset(client, "python", len(column)) == (here[0], here[1].tolist())


def test_floats(client, tmp_path):
    """As Python writes them, and as they are (up to 2^53, or else their digits are not those written)."""
    column = some(*FLOATS)
    names, codes = evendraw.encode(column)
    assert loaded(client, tmp_path, [str(x) for x in column]) == (names, codes.tolist())
    expected, _ = pandas.factorize(np.array(column), sort=True)
    assert codes.tolist() == expected.tolist()


@pytest.mark.parametrize("kind", ["whole", "fractions", "small"])
def test_as_pandas_reads_it(kind):
    read = pandas.read_csv(io.StringIO("\n".join(["y", *TEXT[kind]])))["y"]
    expected, values = pandas.factorize(read, sort=True)
    names, codes = evendraw.encode(TEXT[kind])
    assert codes.tolist() == expected.tolist()
    assert [float(name) for name in names] == values.tolist()
    again, codes = evendraw.encode(read)
    assert [float(name) for name in again] == values.tolist()
    assert np.unique(np.array(TEXT[kind], dtype=float), return_inverse=True)[1].tolist() == codes.tolist()


def test_help_and_readmes_say_the_same():
    """The rule, each with what only it has."""
    help_text = subprocess.run([os.environ["EVENDRAW"], "load", "--help"], capture_output=True, text=True).stdout
    said = " ".join(help_text.split())
    rule = " ".join(evendraw.labels.__doc__.split()).replace("`", "")
    rule = rule.replace("; as integers, floats or text; booleans are not numbers here but False, True", "")
    first = rule.index("Classes are the values that occur.")
    assert rule[first : rule.index("Missing (None")] in said
