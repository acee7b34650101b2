#!/usr/bin/python3
"""Databases that are damaged: what is sound is served and is right, what is not is named; verify finds
it, repair leaves it out, and neither changes the file.  damage.py EVENDRAWD EVENDRAW"""
import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile

from damaged import EVENDRAW, STEPS, content, daemon, prints, run, tool

PARTS = ("datasets", "attachments", "jobs")
ROUNDS = 5000 if os.environ.get("EVD_LONG") else 200


def batch(peer, job, epoch, step):
    """The global batch, or the daemon's refusal."""
    error, result = peer.ask("job.batch", job=job, epoch=epoch, step=step)
    return result["index"] if error is None else tuple(error)[2]


def attachments(peer, dataset, version):
    """The same of what is attached to a dataset."""
    things, bad = {}, 0
    where = {"dataset": dataset, "version": version}
    for row in peer.call("attachment.list", **where)["attachments"]:
        far = {"distances": True} if row["kind"] == "neighbours" else {}
        error, read = peer.ask("attachment.read", name=row["name"], **where, **far)
        if "damage" in row:
            bad += 1
            assert error and error[2] == "store", (row, error)
        else:
            what = (row["digest"], read["rows"], read.get("distances"))
            things["attachment", dataset, version, row["name"]] = what
    return things, bad


def served(peer):
    """What is served of everything that is not out of service: {name: content}."""
    things, bad = {}, 0
    for row in peer.call("dataset.list")["datasets"]:
        key = ("dataset", row["dataset"], row["version"])
        if "damage" in row:
            bad += 1
            error, _ = peer.ask("dataset.stats", dataset=row["dataset"], version=row["version"])
            assert error and error[2] == "store", (key, error)
        else:
            stats = peer.call("dataset.stats", dataset=row["dataset"], version=row["version"])
            things[key] = (row["checksum"], stats["class"], stats["count"])
            attached, damaged = attachments(peer, *key[1:])
            things.update(attached)
            bad += damaged
    for row in peer.call("job.list")["jobs"]:
        if row["failed"]:
            bad += 1
            assert "failure" in peer.call("job.info", job=row["job"])
            error, _ = peer.ask("stream.open", job=row["job"])
            assert error and error[2] in ("store", "no_memory"), error
        else:
            steps = range(0, 5 * STEPS)
            things["job", row["job"]] = {n: batch(peer, row["job"], 0, n) for n in steps}
    info = peer.call("server.info")
    assert info["damaged"] == bad and len(info["damage"]) == min(bad, 16), info
    return things, bad


def rows(path):
    """The columns that no checksum or digest covers, by job and dataset; None: not readable."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as database:
            database.text_factory = bytes
            return {
                "job": sorted(database.execute("SELECT id, name, seed FROM job").fetchall()),
                "dataset": sorted(
                    database.execute("SELECT id, name, version FROM dataset").fetchall()
                ),
            }
    except sqlite3.DatabaseError:
        return None


def compare(things, whole, path, made, what):
    """Nothing is served otherwise than it was. Of names and seeds alone nobody can tell that they
    were others: a thing that has another is another."""
    for key, now in things.items():
        if key in whole and key[0] != "job":
            assert now == whole[key], (what, key)
        elif key in whole and rows(path) and rows(path)["job"] == rows(made)["job"]:
            # How far it was handed out is a number in the database.
            for step, index in now.items():
                before = whole[key][step]
                refused = isinstance(index, str) or isinstance(before, str)
                assert refused or index == before, (what, key, step)


# ---- damage at random ----


def wound(data, draw):
    """Some bytes are others; what was done."""
    data = bytearray(data)
    page = 4096
    kind = draw.choice(["bit", "byte", "byte", "few", "sector", "zeros", "page", "swap", "cut"])
    at = draw.randrange(len(data))
    if kind == "bit":
        data[at] ^= 1 << draw.randrange(8)
    elif kind == "byte":
        data[at] = draw.randrange(256)
    elif kind == "few":
        for _ in range(draw.randrange(2, 9)):
            data[draw.randrange(len(data))] = draw.randrange(256)
    elif kind == "sector":
        data[at // 512 * 512 : at // 512 * 512 + 512] = draw.randbytes(512)
    elif kind == "zeros":
        data[at // 512 * 512 : at // 512 * 512 + 512] = bytes(512)
    elif kind == "page":
        data[at // page * page : at // page * page + page] = draw.randbytes(page)
    elif kind == "swap":
        other = draw.randrange(len(data)) // page * page
        at = at // page * page
        data[at : at + page], data[other : other + page] = (
            data[other : other + page],
            data[at : at + page],
        )
    else:
        del data[at:]
    return bytes(data), (kind, at)


def serve(path, whole, made, what, report, status):
    """What a daemon does with it."""
    with daemon(path) as (peer, said):
        if not peer:
            assert status != 0, (what, said)
            assert any(word in said for word in ("repair", "backup", "another file")), (what, said)
            return
        things, bad = served(peer)
        assert status in (0, 1) and (bad == 0) == report["sound"] or report["findings"], what
        assert bad == 0 or status == 1, (what, report)
        compare(things, whole, path, made, what)


def mend(folder, path, whole, made, what, report):
    """What repair makes of it."""
    new = f"{folder}/new.db"
    before = prints(folder)
    status, told, said = tool("repair", "-d", path, "-o", new)
    if not os.path.exists(new):
        assert report["sound"] if "sound" in report and status == 0 else status == 4, (what, told)
        assert status == 0 or said, what
        assert prints(folder) == before, what
        return
    assert status == 0 and told["repaired"] == new and not told["sound"], (what, told)
    assert {k: v for k, v in prints(folder).items() if k != "new.db"} == before, what
    _, after, _ = tool("verify", "-d", new, status=0)
    kept = {json.dumps(thing) for part in PARTS for thing in after[part]}
    for part in PARTS:
        sound = [json.dumps(thing) for thing in report[part] if not thing["damage"]]
        assert kept.issuperset(sound), (what, sound, kept)
    with daemon(new) as (peer, said):
        assert peer, (what, said)
        things, bad = served(peer)
        assert bad == 0, what
        compare(things, whole, new, made, what)
    for end in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new + end)


def test_random_damage(made):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(made, f"{folder}/whole.db")
        with daemon(f"{folder}/whole.db") as (peer, said):
            assert peer, said
            whole, bad = served(peer)
    assert bad == 0 and len(whole) == 9
    data = content(made)
    told = {0: 0, 1: 0, 4: 0}
    for seed in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/db"
            hurt, what = wound(data, random.Random(seed))
            what = (seed, *what)
            with open(path, "wb") as file:
                file.write(hurt)
            before = prints(folder)
            status, report, _ = tool("verify", "-d", path)
            told[status] += 1
            assert prints(folder) == before, what
            if status != 4:
                mend(folder, path, whole, made, what, report)
            serve(path, whole, made, what, report, status)
    print(f"  {ROUNDS} rounds: {told[0]} unharmed, {told[1]} damaged, {told[4]} no database any more")
    assert told[1] > ROUNDS / 4


# ---- every kind of row ----

WOUNDS = [
    # (SQL, datasets dropped, jobs dropped)
    ("UPDATE dataset SET checksum = checksum + 1 WHERE name = 'ant'", {"ant"}, {"shared"}),
    ("UPDATE dataset SET state = 0 WHERE name = 'ant'", {"ant"}, {"shared"}),
    ("UPDATE dataset SET labelled = 7 WHERE name = 'cat'", {"cat"}, {"ranked"}),
    ("UPDATE class_chunk SET names = x'6100' WHERE dataset = 1", {"ant"}, {"shared"}),
    ("UPDATE label_chunk SET n = n - 1 WHERE id = 1", {"ant"}, {"shared"}),
    ("UPDATE weight_chunk SET weights = zeroblob(length(weights))", {"bee"}, {"moved", "once"}),
    ("DELETE FROM weight_chunk WHERE id = 1", {"bee"}, {"moved", "once"}),
    ("UPDATE job SET replicas = 0 WHERE name = 'once'", set(), {"once"}),
    ("UPDATE job SET dataset = 99 WHERE name = 'once'", set(), {"once"}),
    ("UPDATE revision SET strategy = x'c1' WHERE revision = 0 AND generation = 0", set(), None),
    ("UPDATE seek SET parent = 3", set(), {"moved"}),
    ("UPDATE world SET world_size = 0", set(), {"ranked"}),
    ("UPDATE progress SET generation = 9", set(), None),
]


def test_rows(made):
    """Each kind of row: named, left out, and nothing else."""
    for sql, datasets, jobs in WOUNDS:
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/db"
            shutil.copy(made, path)
            with contextlib.closing(sqlite3.connect(path)) as database:
                assert database.execute(sql).rowcount > 0, sql
                database.commit()
            jobs = {"shared", "moved", "once", "ranked"} if jobs is None else jobs
            _, report, _ = tool("verify", "-d", path, status=1)
            assert {d["dataset"] for d in report["datasets"] if d["damage"]} == datasets, sql
            assert {j["job"] for j in report["jobs"] if j["damage"]} == jobs, (sql, report)
            with daemon(path) as (peer, said):
                assert peer, (sql, said)
                _, bad = served(peer)
                assert bad == len(datasets) + len(jobs), sql
            _, report, _ = tool("repair", "-d", path, status=0)
            _, report, _ = tool("verify", "-d", path + ".repaired", status=0)
            left = {"ant", "bee", "cat"} - datasets
            assert {d["dataset"] for d in report["datasets"]} == left, sql
            left = {"shared", "moved", "once", "ranked"} - jobs
            assert {j["job"] for j in report["jobs"]} == left, sql


ATTACHMENT_WOUNDS = [
    "UPDATE attachment SET digest = digest + 1 WHERE name = 'near'",
    "UPDATE attachment SET dataset = 3 WHERE name = 'near'",
    "UPDATE attachment SET state = 0 WHERE name = 'near'",
    "UPDATE attachment_chunk SET rows = zeroblob(length(rows)) WHERE distances <> x''",
    "UPDATE attachment_chunk SET distances = zeroblob(length(rows)) WHERE distances <> x''",
]


def test_attachments(made):
    """One that is damaged is named and left out, and its dataset and jobs are not."""
    for sql in ATTACHMENT_WOUNDS:
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/db"
            shutil.copy(made, path)
            with contextlib.closing(sqlite3.connect(path)) as database:
                assert database.execute(sql).rowcount > 0, sql
                database.commit()
            _, report, _ = tool("verify", "-d", path, status=1)
            bad = [a["attachment"] for a in report["attachments"] if a["damage"]]
            assert bad == ["near"] and len(report["attachments"]) == 2, (sql, report)
            assert not [x for p in ("datasets", "jobs") for x in report[p] if x["damage"]], report
            done = subprocess.run([EVENDRAW, "verify", "-d", path], capture_output=True, text=True)
            assert "attachment near of dataset " in done.stdout, done
            assert "1 of 2 attachments, 0 of 4 jobs" in done.stdout, done
            _, report, _ = tool("repair", "-d", path, status=0)
            _, report, _ = tool("verify", "-d", path + ".repaired", status=0)
            assert [a["attachment"] for a in report["attachments"]] == ["cv"], report
            with daemon(path + ".repaired") as (peer, said):
                assert peer, (sql, said)
                things, bad = served(peer)
                assert len(things) == 8 and bad == 0, sql


def test_rows_of_nothing(made):
    """A revision whose job is not there: a job may have one less, so no daemon starts on it."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/db"
        shutil.copy(made, path)
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute(
                "UPDATE revision SET job = 99 WHERE job = (SELECT id FROM job WHERE name = "
                "'moved') AND revision = (SELECT max(revision) FROM revision)"
            )
            database.commit()
        with daemon(path) as (peer, said):
            assert not peer and "evendraw repair" in said, said
        _, report, _ = tool("verify", "-d", path, status=1)
        assert "revision" in report["findings"][0], report
        tool("repair", "-d", path, status=0)
        _, report, _ = tool("verify", "-d", path + ".repaired", status=0)
        assert "shared" in {j["job"] for j in report["jobs"]}, report


def test_pages(made):
    """What is found of a page is told to its end; and of many rows alike once."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/db"
        data = bytearray(content(made))
        data[4096 + 3 : 4096 + 5] = b"\0\1"  # so many cells, of the table of datasets
        with open(path, "wb") as file:
            file.write(data)
        _, report, _ = tool("verify", "-d", path, status=1)
        assert any(f.endswith("on page 2") for f in report["findings"]), report
        assert len(set(report["findings"])) == len(report["findings"]), report
        chunks = [f for f in report["findings"] if "label_chunk" in f]
        assert len(chunks) == 1 and " rows " in chunks[0], report


run(globals())
