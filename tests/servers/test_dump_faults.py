# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps that go wrong: kills, full disks, cut files, other counts; and secrets, which nobody may see on the way."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup, restore
from ansible_collections.proven.upkeep.plugins.module_utils.dumps import _pg_session, load, processes, restored, take
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from tests.servers import databases
from tests.servers.databases import SECRETS
from tests.support import ROOT


def shown() -> list[str]:
    """What the process list and the processes' environments show."""
    return [_read(file) for file in (*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ"))]


def children(parent: int) -> dict[int, str]:
    """The command line of each process that this one started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if _read(folder / "stat").rpartition(")")[2].split()[1:2] == [str(parent)]:
            found[int(folder.name)] = _read(folder / "cmdline")
    return found


def _read(file: Path) -> str:
    try:
        return file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def await_(what, seconds: float = 30):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return found


@pytest.fixture
def small(postgres, maria, redis):
    """A database with an empty table in each server."""
    postgres.sql("DROP DATABASE IF EXISTS small; CREATE DATABASE small")
    postgres.sql("CREATE TABLE full_ (i int); INSERT INTO full_ VALUES (1), (2); CREATE TABLE empty (i int)", "small")
    maria.sql("CREATE OR REPLACE DATABASE small; CREATE TABLE small.a (i int); INSERT INTO small.a VALUES (1)")
    redis.cli(given="FLUSHALL\nSET a 1\n")
    return [
        postgres.dump(databases=["small"], name="pg"), maria.dump(databases=["small"], name="my"), redis.dump(),
    ]  # fmt: skip


PROGRAMS = ("psql", "pg_dump", "pg_dumpall", "pg_restore", "mariadb", "mariadb-dump")


@pytest.fixture
def told(tmp_path_factory, monkeypatch):
    """A file to which each program says what the process list shows of it, before it becomes what it is."""
    folder = tmp_path_factory.mktemp("bin")
    for name in PROGRAMS:
        real = databases.PG / name if (databases.PG / name).exists() else shutil.which(name)
        (folder / name).write_text(
            f'#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ >> {folder}/told\nexec {real} "$@"\n'
        )
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(_pg_session, "_PLACES", ())
    return folder / "told"


def test_no_secret_is_seen_anywhere(small, told, tmp_path, state):
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            seen.update(shown())

    request = backup.Request("set", [], str(tmp_path / "a/set.tar.gz"), dumps=small, secrets=SECRETS)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = backup.run(request)
        again = restored.Request(str(tmp_path / "a/set.tar.gz"), dumps=small, secrets=SECRETS, overwrite="always")
        result = [result, restored.run(again).document]
    finally:
        done.set()
        watcher.join()
    seen.add(_read(told))
    assert all(f"/{name} " in _read(told) for name in PROGRAMS)
    for value in SECRETS.values():
        assert not [line for line in seen if value in line]
        assert value not in str(result) and json.dumps(value)[1:-1] not in json.dumps(result)
        for file in filter(Path.is_file, tmp_path.rglob("*")):
            assert value.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_server_that_is_down_is_a_sentence(small, tmp_path, state, which):
    down = {**small[which], "port": 1, "socket": None, "host": "127.0.0.1"}
    with pytest.raises(UpkeepError) as caught, take.taken([small[0], down], SECRETS, str(tmp_path / "spool")):
        pass
    assert caught.value.code in ("dump_failed", "bad_parameter") and not (tmp_path / "spool").exists()


@pytest.mark.parametrize(
    ("which", "damage"), [(0, "cut"), (1, "cut"), (2, "cut"), (0, "counts"), (2, "counts"), (2, "gone")]
)
def test_a_dump_that_is_not_what_was_taken_does_not_pass(small, tmp_path, state, which, damage):
    with take.taken([small[which]], SECRETS, str(tmp_path / "spool")) as (documents, folder):
        file = Path(folder, documents[-1]["file"])
        if damage == "cut":
            os.truncate(file, file.stat().st_size * 3 // 4)
        elif damage == "gone":
            file.unlink()
        else:
            listed = json.loads(Path(folder, "dumps.json").read_text())
            table = next(iter(listed["dumps"][-1]["counts"]))
            listed["dumps"][-1]["counts"][table] += 1
            Path(folder, "dumps.json").write_text(json.dumps(listed))
        results = load.tested(folder, str(tmp_path), [small[which]])
    assert results[-1]["status"] == "failed" and load.failures(results), results
    if damage == "counts":
        assert "were dumped" in results[-1]["why"]


def test_an_empty_table_counts(small, tmp_path, state):
    with take.taken([small[0]], SECRETS, str(tmp_path / "spool")) as (_documents, folder):
        listed = json.loads(Path(folder, "dumps.json").read_text())["dumps"][-1]["counts"]
        assert listed == {"public.full_": 2, "public.empty": 0}
        results = load.tested(folder, str(tmp_path), [small[0]])
    assert results[-1]["ok"] and results[-1]["tables"] == 2


def test_without_the_server_the_drill_is_incomplete(small, tmp_path, state, monkeypatch):
    dest = str(tmp_path / "a/set.tar.gz")
    backup.run(backup.Request("set", [], dest, dumps=[small[2]], secrets=SECRETS))
    found = processes.find
    monkeypatch.setattr(processes, "find", lambda *names: None if "redis-server" in names else found(*names))
    request = restore.Request(dest, mode="extract", dest=str(tmp_path / "try"), dumps=[small[2]])
    result = restore.run(request)
    assert result.document["status"] == "incomplete" and result.failure is None
    assert "install redis-server" in result.document["not_checked"][-1]["why"]
    unwanted = restore.run(request._replace(dumps=[{**small[2], "load_test": False}]))
    assert unwanted.document["status"] == "ok" and unwanted.document["dumps"][0]["status"] == "not_wanted"


CHILD = """
import json, sys
from ansible_collections.proven.upkeep.plugins.module_utils.dumps import load, take
what, dumps, secrets, spool, scratch = json.loads(sys.argv[1])
with take.taken(dumps, secrets, spool) as (documents, folder):
    if what == "load":
        load.tested(folder, scratch, dumps)
"""


@pytest.mark.parametrize(("what", "program"), [("take", "pg_dump"), ("load", "postgres -D")])
def test_a_kill_leaves_no_process_and_the_next_run_no_file(small, postgres, tmp_path, state, what, program):
    dump = small[0]
    spool, scratch = tmp_path / "spool", tmp_path
    locked = None
    if what == "take":  # a table that somebody holds: pg_dump waits for it
        locked = subprocess.Popen(
            [databases.PG / "psql", "-h", postgres.folder, "-p", str(postgres.port), "-U", "boss", "-Xq", "small"],
            stdin=subprocess.PIPE, text=True,
        )  # fmt: skip
        locked.stdin.write("BEGIN; LOCK TABLE full_ IN ACCESS EXCLUSIVE MODE;\n")
        locked.stdin.flush()
        locks = "SELECT mode FROM pg_locks WHERE relation = 'full_'::regclass"
        await_(lambda: "AccessExclusive" in postgres.sql(locks, "small"))
    secrets = {name: value for name, value in SECRETS.items() if name == dump["secret"]}
    given = json.dumps([what, [dump], secrets, str(spool), str(scratch)])
    child = subprocess.Popen([sys.executable, "-c", CHILD, given], cwd=ROOT,
                             env={**os.environ, "PYTHONPATH": f"{ROOT}/collections"})  # fmt: skip

    try:
        pid = await_(lambda: next((pid for pid, line in children(child.pid).items() if program in line), None))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        await_(lambda: program not in _read(Path(f"/proc/{pid}/cmdline")))
    finally:
        child.kill()
        child.wait()
        if locked:
            locked.kill()
            locked.wait()
    assert (spool / ".upkeep-dumps").exists()
    with take.taken([dump], SECRETS, str(spool)) as (_documents, folder):
        results = load.tested(folder, str(scratch), [dump])
        assert results[-1]["ok"], results
    assert not spool.exists()
    assert not [left for left in Path("/var/tmp").glob("upkeep-load-*") if not _held(left)]


def _held(folder: Path) -> bool:
    """Whether another drill on this machine is at work there."""
    import fcntl

    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
    return False


def test_a_full_disk_replaces_nothing(postgres, tmp_path, monkeypatch):
    place = tmp_path / "little"
    place.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("only root, where the kernel lets it, can mount a file system of its own")
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(place / "state"))
    try:
        postgres.sql("DROP DATABASE IF EXISTS big; CREATE DATABASE big")
        postgres.sql("CREATE TABLE t AS SELECT repeat(md5(i::text), 50) FROM generate_series(1, 5000) i", "big")
        dump = postgres.dump(databases=["big"])
        request = backup.Request("set", [], str(tmp_path / "a/set.tar.gz"), dumps=[dump], secrets=SECRETS)
        with pytest.raises(UpkeepError) as caught:
            backup.run(request)
        assert caught.value.code == "no_space" and "the dumps take about" in caught.value.message
        filling = {"name": "fill", "engine": "command", "argv": ["head", "-c", "5M", "/dev/zero"]}
        with pytest.raises(UpkeepError) as caught:
            backup.run(request._replace(dumps=[filling]))
        assert caught.value.code == "dump_failed" and "No space left" in caught.value.message
        assert not list((tmp_path / "a").glob("*.tar.gz*")) and not list(place.glob("state/dumps/*/*"))
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
