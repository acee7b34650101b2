#!/usr/bin/python3
"""The files around verify and repair: in use, not ours, in the way; a full disk; a kill.
damage_files.py EVENDRAWD EVENDRAW"""
import contextlib
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import time

from damaged import EVENDRAW, daemon, prints, run, tool


def test_in_use(made):
    """While a daemon has it, neither looks; a copy that it made is looked at."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/db"
        shutil.copy(made, path)
        with daemon(path) as (peer, said):
            assert peer, said
            for command in ("verify", "repair"):
                _, report, said = tool(command, "-d", path, status=4)
                assert "a daemon has" in report["error"] and "backup" in said, said
            peer.call("server.backup", path=f"{folder}/copy")
            tool("verify", "-d", f"{folder}/copy", status=0)


def test_log(made):
    """What is in the log counts, and stays there; without it the file is behind, which is said."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/db"
        shutil.copy(made, path)
        with daemon(path) as (peer, said):
            peer.call("job.create", name="late", dataset="ant", batch_size=8)
        before = prints(folder)
        assert "db-wal" in before, before
        _, report, _ = tool("verify", "-d", path, status=0)
        assert "late" in {j["job"] for j in report["jobs"]}, report
        assert prints(folder) == before
        # Nor does it matter that nothing can be written.
        os.chmod(path, 0o400)
        os.chmod(folder, 0o500)
        tool("verify", "-d", path, status=0)
        os.chmod(folder, 0o700)
        os.unlink(f"{path}-wal")
        _, report, _ = tool("verify", "-d", path, status=1)
        assert "its log" in report["findings"][0], report
        tool("repair", "-d", path, status=0)
        tool("verify", "-d", f"{path}.repaired", status=0)
        with daemon(f"{path}.repaired") as (peer, said):
            assert peer, said


def test_not_a_database():
    with tempfile.TemporaryDirectory() as folder:
        other = f"{folder}/other.db"
        with contextlib.closing(sqlite3.connect(other)) as database:
            database.execute("CREATE TABLE theirs(x)")
            database.commit()
        with open(f"{folder}/text", "w") as file:
            file.write("no database at all\n" * 100)
        os.mkfifo(f"{folder}/pipe")
        with open(f"{folder}/empty", "w"):
            pass
        for path, why in (
            (other, "not an evendraw database"),
            (f"{folder}/text", "not an evendraw database"),
            (f"{folder}/none", "No such file"),
            (folder, "a folder, a pipe or a device"),
            (f"{folder}/pipe", "a folder, a pipe or a device"),
            ("/dev/zero", "a folder, a pipe or a device"),
            (f"{folder}/empty", "is empty"),
        ):
            for command in ("verify", "repair"):
                _, report, said = tool(command, "-d", path, status=4)
                assert why in report["error"] and why in said, (path, said)
        assert len(os.listdir(folder)) == 4
        done = subprocess.run([EVENDRAW, "verify", "--server", "unix:/x"], capture_output=True)
        assert done.returncode == 2


def test_no_file_is_json_too():
    """Also where it is not even known which file."""
    nowhere = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_STATE_HOME")}
    _, report, said = tool("verify", status=4, env=nowhere)
    assert report["database"] is None and "HOME" in report["error"] and "HOME" in said, said
    _, report, _ = tool("repair", "-d", "x" * 5000, status=4)
    assert report["database"] == "x" * 5000 and "too long" in report["error"], report


def test_where_nothing_can_be_printed(made):
    """It is said, and a repair is done all the same."""
    with tempfile.TemporaryDirectory() as folder:
        path = damaged_copy(made, folder)
        for command in ("verify", "repair"):
            with open("/dev/full", "w") as full:
                done = subprocess.run(
                    [EVENDRAW, command, "-d", path], stdout=full, stderr=subprocess.PIPE
                )
            assert done.returncode == 4 and b"could not be printed" in done.stderr, done
        tool("verify", "-d", f"{path}.repaired", status=0)


def test_its_advice_works(made):
    """The commands that a repair prints, as they are, whatever the path."""
    with tempfile.TemporaryDirectory() as folder:
        path = damaged_copy(made, folder, "it's a db")
        open(f"{path}-wal", "w").close()
        done = subprocess.run([EVENDRAW, "repair", "-d", path], capture_output=True, text=True)
        lines = done.stdout[done.stdout.index("place of the old one:") :].splitlines()[1:]
        assert done.returncode == 0 and len(lines) == 3, done
        for line in lines:
            subprocess.run(["sh", "-c", line], check=True)
        tool("verify", "-d", path, status=0)
        tool("verify", "-d", f"{path}.damaged", status=1)


def damaged_copy(made, folder, name="db"):
    path = f"{folder}/{name}"
    shutil.copy(made, path)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE job SET replicas = 0 WHERE name = 'once'")
        database.commit()
    return path


def test_nothing_is_overwritten(made):
    with tempfile.TemporaryDirectory() as folder:
        path = damaged_copy(made, folder)
        for name in ("new", "new.partial"):
            with open(f"{folder}/{name}", "w") as file:
                file.write("mine")
            before = prints(folder)
            _, report, _ = tool("repair", "-d", path, "-o", f"{folder}/new", status=4)
            assert f"{folder}/{name}" in report["error"], report
            assert name == "new" or "interrupted" in report["error"], report
            assert prints(folder) == before, name
            os.unlink(f"{folder}/{name}")


def test_full_disk(made):
    """At whichever byte the disk is full: no new file, and nothing else has changed."""
    with tempfile.TemporaryDirectory() as folder:
        path = damaged_copy(made, folder)
        before = prints(folder)
        size = os.path.getsize(path)
        for most in range(0, size, size // 12):

            def limit():
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

            done = subprocess.run(
                [EVENDRAW, "repair", "-d", path], capture_output=True, preexec_fn=limit
            )
            assert done.returncode == 4, (most, done)
            assert done.stderr, most
            assert prints(folder) == before, most


def test_killed(made):
    """At whichever moment it is killed: the database is as it was, and the next one succeeds."""
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        path = damaged_copy(made, folder)
        before = prints(folder)
        for _ in range(12):
            process = subprocess.Popen([EVENDRAW, "repair", "-d", path], stdout=subprocess.DEVNULL)
            while not os.path.exists(f"{path}.repaired.partial") and process.poll() is None:
                pass
            until = draw.randrange(1, 400000)
            with contextlib.suppress(FileNotFoundError):
                while process.poll() is None:
                    if os.path.getsize(f"{path}.repaired.partial") >= until:
                        break
                    time.sleep(0)
            process.kill()
            process.wait()
            now = prints(folder)
            assert {k: v for k, v in now.items() if k in before} == before
            if "db.repaired" in now:
                tool("verify", "-d", f"{path}.repaired", status=0)
            for name in now.keys() - before.keys():
                os.unlink(f"{folder}/{name}")
        tool("repair", "-d", path, status=0)
        tool("verify", "-d", f"{path}.repaired", status=0)


run(globals())
