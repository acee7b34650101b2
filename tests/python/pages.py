"""The documents for readers as tests see them: blocks of code under their headings, and scripts that are
run as a reader would run them. Used by test_readme.py, test_migrating.py and test_frameworks.py."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).parents[2]
PYTHON = ROOT / "client" / "python"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
_HEADING_OR_INDENTED = re.compile(r"^#+ (.*)$|((?:^ {4}.*\n|^\n(?= {4}))+)", re.MULTILINE)


def sections(page):
    """(heading, [(language, code)]) of each heading that has code, in order. The language of an indented
    block is "console" if it shows commands ("$ ..."), or else "text"."""
    found = []
    parts = _FENCE.split(page.read_text())
    for text, language, code in zip(parts[0::3], [*parts[1::3], ""], [*parts[2::3], ""]):
        for heading, indented in _HEADING_OR_INDENTED.findall(text):
            if heading:
                found.append((heading, []))
            elif lines := textwrap.dedent(indented).strip("\n"):
                found[-1][1].append(("console" if lines.startswith("$ ") else "text", lines))
        if code:
            found[-1][1].append((language, code))
    return [section for section in found if section[1]]


def torchrun(script, folder, processes=2):
    """Runs it in so many processes, as torchrun does; the lines that they printed. FRAMEWORKS.md says what
    -r and -t are for."""
    path = folder / "train.py"
    path.write_text(script)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={processes}"]
        + ["-r", "1", "-t", "1", "--master_addr=127.0.0.1", f"--master_port={port}", path],
        cwd=folder,
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return [re.sub(r"^\[\w+\]:", "", line) for line in done.stdout.splitlines()]
