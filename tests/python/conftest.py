"""A real daemon for every test that wants one. EVENDRAWD and EVENDRAW_LIBRARY come from CMake."""

import faulthandler
import multiprocessing.context
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import pytest

PACKAGE = pathlib.Path(__file__).parents[2] / "client" / "python"
sys.path.insert(0, str(PACKAGE))
# Processes that the tests start find it too.
os.environ["PYTHONPATH"] = f"{PACKAGE}:{os.environ.get('PYTHONPATH', '')}"

import evendraw  # noqa: E402


class Daemon:
    """evendrawd on a socket and a database in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.address = f"unix:{folder}/socket"
        self.process = None
        self.start()

    def start(self):
        read_end, write_end = os.pipe()
        self.process = subprocess.Popen(
            [os.environ["EVENDRAWD"], "--listen", self.address]
            + ["--database", f"{self.folder}/evendraw.db", "--ready-fd", str(write_end)],
            pass_fds=[write_end],
            stderr=subprocess.DEVNULL,
        )
        os.close(write_end)
        assert os.read(read_end, 6) == b"ready\n", "the daemon did not start"
        os.close(read_end)

    def end(self, number=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None


# Ignored in what a shell runs in the background, and processes that the tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = 120  # seconds that a test may take, with other work on the machine

faulthandler.register(signal.SIGUSR1, all_threads=True)  # workers by fork inherit it


def _hangs(*_):
    """Says where every process is, and fails the test."""
    for process in multiprocessing.active_children():
        if isinstance(process, multiprocessing.context.ForkProcess):
            os.kill(process.pid, signal.SIGUSR1)
    time.sleep(0.5)
    raise TimeoutError(f"not done after {LONGEST} s")


@pytest.fixture(autouse=True)
def bounded():
    signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(LONGEST)
    yield
    signal.alarm(0)


@pytest.fixture
def daemon(monkeypatch):
    with tempfile.TemporaryDirectory(prefix="evendraw-python-") as folder:
        daemon = Daemon(folder)
        monkeypatch.setenv("EVENDRAW_SERVER", daemon.address)
        yield daemon
        daemon.end(signal.SIGKILL)  # it would give the clients that are still there time to leave


@pytest.fixture
def client(daemon):
    with evendraw.connect() as client:
        yield client
