# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kills, full disks, two runs at once: the last archive stays, leftovers go."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup, destination, previous
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

RUN = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup, destination, writer, previous
state.state_dir = lambda: sys.argv[4]

def die(*_arguments, **_more):
    os.kill(os.getpid(), signal.SIGKILL)

def dying_rename(source, target, rename=os.rename):
    if source.endswith(".manifest.jsonl.gz"):
        die()
    rename(source, target)

point = sys.argv[5]
if point == "entries":
    writer.ArchiveWriter.finish = die
elif point == "read back":
    writer.read_back = die
elif point == "manifest":
    destination.Destination.publish = die
elif point == "between renames":
    os.rename = dying_rename
elif point == "remember":
    previous.remember = die
backup.run(backup.Request("set", ["."], sys.argv[3], root=sys.argv[2]))
"""


def names(folder):
    return sorted(name for name in os.listdir(str(folder)) if name.startswith("."))


@pytest.mark.parametrize("point", ["entries", "read back", "manifest", "between renames", "remember"])
def test_a_killed_run(tree, back_up, restore_test, tmp_path, state_dir, point):
    first = back_up(tree)["data"]
    (tree / "small").write_text("changed since")
    collections = str(Path(backup.__file__).parents[6])
    command = [sys.executable, "-c", RUN, collections, str(tree), first["archive"], str(state_dir), point]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL

    document = restore_test(first["archive"]).document
    assert document["status"] == "ok", document["failures"]
    published = point in ("between renames", "remember")
    assert (document["archive_sha256"] != first["sha256"]) == published

    second = back_up(tree)
    assert second["changed"] or published
    assert names(tmp_path / "out") == []
    assert restore_test(first["archive"]).document["status"] == "ok"
    assert not back_up(tree)["changed"]


def test_killed_at_any_moment(tree, back_up, restore_test, tmp_path, state_dir):
    first = back_up(tree)["data"]
    collections = str(Path(backup.__file__).parents[6])
    for milliseconds in (60, 90, 120, 150, 180):
        (tree / "small").write_text(f"changed {milliseconds}")
        command = [sys.executable, "-c", RUN, collections, str(tree), first["archive"], str(state_dir), ""]
        run = subprocess.Popen(command)
        time.sleep(milliseconds / 1000)
        run.kill()
        run.wait()
        assert restore_test(first["archive"]).document["status"] == "ok"
    back_up(tree)
    assert names(tmp_path / "out") == []


def test_two_runs_at_once(tree, back_up, tmp_path):
    data = back_up(tree)["data"]
    (tree / "small").write_text("changed")
    with destination.Destination(data["archive"]).locked():
        for more in ({}, {"force": True}):
            with pytest.raises(UpkeepError) as caught:
                back_up(tree, **more)
            assert caught.value.code == "dest_locked"
    assert back_up(tree)["changed"] and names(tmp_path / "out") == []


def test_no_other_run_comes_between_a_closer_look_and_its_record(tree, back_up, state_dir, monkeypatch):
    first = back_up(tree)["data"]
    shutil.rmtree(str(state_dir))
    original = previous.remember

    def remember(*arguments):
        monkeypatch.setattr(previous, "remember", original)
        with pytest.raises(UpkeepError) as caught:
            back_up(tree, exclude=("sub",))
        assert caught.value.code == "dest_locked"
        return original(*arguments)

    monkeypatch.setattr(previous, "remember", remember)
    assert not back_up(tree)["changed"]
    assert previous.remember is original
    assert back_up(tree)["data"]["sha256"] == first["sha256"]
    assert back_up(tree, exclude=("sub",))["changed"] and back_up(tree)["changed"]
    assert not [name for name in os.listdir(str(state_dir / "cache")) if name.endswith(".tmp")]


def test_a_full_disk(tree, small_disk, restore_test, state_dir):
    (tree / "more").write_bytes(os.urandom(200000))
    dest = str(small_disk / "a.tar.gz")
    good = backup.run(backup.Request("set", [str(tree / "more")], dest))["data"]
    before = sorted(os.listdir(str(small_disk)))
    (tree / "noise").write_bytes(os.urandom(3000000))
    with pytest.raises(UpkeepError) as caught:
        backup.run(backup.Request("set", [str(tree)], dest))
    assert caught.value.code == "no_space" and "\n" not in caught.value.message
    assert sorted(os.listdir(str(small_disk))) == before
    assert restore_test(good["archive"]).document["archive_sha256"] == good["sha256"]


@pytest.mark.parametrize(
    "number, code",
    [(errno.ENOSPC, "no_space"), (errno.EDQUOT, "no_space"), (errno.EROFS, "dest_unwritable"), (errno.EIO, "io_error")],
)
@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_errors_of_the_file_system(tree, back_up, restore_test, tmp_path, monkeypatch, number, code, call):
    good = back_up(tree)["data"]
    (tree / "small").write_text("changed")

    def fail(*_arguments, **_more):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(UpkeepError) as caught:
        back_up(tree)
    monkeypatch.undo()
    assert caught.value.code == code
    assert names(tmp_path / "out") == []
    assert restore_test(good["archive"]).document["archive_sha256"] == good["sha256"]


def test_what_is_read_back_must_be_what_was_written(tree, back_up, tmp_path, monkeypatch):
    """A disk that loses a write is noticed before the archive is published."""
    from ansible_collections.proven.upkeep.plugins.module_utils.archive import writer

    original = os.fsync

    def forgetful(fd):
        original(fd)
        if os.fstat(fd).st_size > 3000:
            os.pwrite(fd, b"\0" * 64, 1000)

    monkeypatch.setattr(writer.os, "fsync", forgetful)
    with pytest.raises(UpkeepError) as caught:
        back_up(tree)
    assert caught.value.code == "io_error" and "read back" in caught.value.message
    assert os.listdir(str(tmp_path / "out")) == []


def test_a_state_folder_that_cannot_be_written(tree, back_up, monkeypatch):
    monkeypatch.setattr(previous.state, "state_dir", lambda: str(tree / "small" / "no-folder"))
    data = back_up(tree)["data"]
    assert data["complete"] and "cache" in data["warnings"][0]
    assert not back_up(tree)["changed"]
