"""The structs of the package against those of the library that is loaded."""

import ctypes
import ctypes.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

from evendraw import _library

HEADERS = sorted((pathlib.Path(__file__).parents[2] / "client" / "include").glob("*.h"))


def renamed(fields, name, to):
    return [(to if field[0] == name else field[0], *field[1:]) for field in fields]


def changed(struct, fields):
    return type(struct.__name__, (ctypes.Structure,), {"_fields_": fields})


def check(name, fields):
    struct = changed(_library._STRUCTS[name], fields)
    _library._check(_library.lib, _library._STRUCTS | {name: struct})


@pytest.mark.parametrize("name", _library._STRUCTS)
def test_a_struct_that_differs_is_refused(name):
    fields = list(_library._STRUCTS[name]._fields_)
    first = fields[0][0]
    check(name, fields)
    for wrong in [
        fields[1:],
        fields[:-1],
        fields[::-1],
        [*fields, ("more", ctypes.c_uint64)],
        renamed(fields, first, "other"),
    ]:
        with pytest.raises(ImportError, match=f"{name}.*install both from the same release"):
            check(name, wrong)


def test_members_of_one_kind_that_changed_places_are_noticed():
    fields = renamed(_library.Batch._fields_, "epoch", "new")
    fields = renamed(renamed(fields, "step", "epoch"), "new", "step")
    with pytest.raises(ImportError, match=r"evd_batch\.step .* \(8, 8\) in .* \(0, 8\) here"):
        check("evd_batch", fields)


def test_every_struct_of_the_library_is_compared():
    structs = dict(_library._STRUCTS)
    del structs["evd_counters"]
    with pytest.raises(ImportError, match=r"evd_counters .* \(0, 24\) .* None here"):
        _library._check(_library.lib, structs)


def test_the_library_knows_every_member_that_the_header_declares():
    text = re.sub(r"/\*.*?\*/", "", "".join(h.read_text() for h in HEADERS), flags=re.DOTALL)
    declared = set()
    for name, members in re.findall(r"typedef struct (\w+) \{(.*?)\}", text, flags=re.DOTALL):
        names = re.findall(r"(\w+)(?:\[\w+\])?\s*[,;]", members)
        declared |= {name, *(f"{name}.{member}" for member in names)}
    assert declared == set(_library._layout_there(_library.lib))


def test_an_older_library_is_refused_when_it_is_loaded():
    libc = ctypes.util.find_library("c")  # has nothing of ours
    program = subprocess.run(
        [sys.executable, "-c", "import evendraw"],
        env=os.environ | {"EVENDRAW_LIBRARY": libc},
        capture_output=True,
        text=True,
    )
    assert program.returncode == 1
    assert f"ImportError: libevendraw ({libc}) is older than this package" in program.stderr
