# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Retention on real archives: only what is ours goes, only while the archive at dest is whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup, history, manifest, prune
from ansible_collections.proven.upkeep.plugins.module_utils.archive.destination import Destination
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


@pytest.fixture
def archive(tmp_path, back_up, monkeypatch):
    """Five days of backups; the path of the last."""
    top = tmp_path / "top"
    top.mkdir()
    for day in range(1, 6):
        monkeypatch.setattr(times, "now", lambda day=day: times.parse(f"2026-11-0{day}T08:00:00Z"))
        (top / "file").write_text(str(day))
        document = back_up(top, history=True)["data"]
    return document["archive"]


def days(archives):
    return [int(one["created"][8:10]) for one in archives]


def kept_in(archive):
    return days(history.listed(archive))


def test_check_mode_says_what_and_why_and_the_run_does_it(archive, valid):
    before = sorted(os.listdir(history.folder_of(archive)))
    planned = prune.run("set", archive, {"last": 2, "daily": 2}, check=True)
    valid("pruned", planned)
    assert (days(planned["kept"]), days(planned["removed"])) == ([5, 4], [3, 2, 1]) and planned["predicted"]
    assert sorted(os.listdir(history.folder_of(archive))) == before
    shown = prune.diff(planned)["after"].splitlines()
    assert shown[0] == f"= {archive} of 2026-11-05T08:00:00Z: the current one, last 1, daily 2026-11-05"
    assert shown[4].startswith("- ") and shown[4].endswith("of 2026-11-01T08:00:00Z: no rule keeps it")
    done = prune.run("set", archive, {"last": 2, "daily": 2})
    valid("pruned", done)
    assert (done["kept"], done["removed"]) == (planned["kept"], planned["removed"])
    assert done["freed"] == sum(one["bytes"] for one in done["removed"]) and done["history"]["archives"] == 1
    assert kept_in(archive) == [5, 4] and len(os.listdir(history.folder_of(archive))) == 2
    again = prune.run("set", archive, {"last": 2, "daily": 2})
    assert not again["removed"] and again["status"] == "ok"


@pytest.mark.parametrize("rules", [{"last": 2}, {"daily": 3}, {"last": 1}, {"monthly": 1}])
def test_check_mode_before_a_backup_says_what_goes_after_it(archive, rules, tmp_path, back_up, valid):
    planned = prune.run("set", archive, rules, check=True, ahead=True)
    valid("pruned", planned)
    (tmp_path / "top/file").write_text("6")
    back_up(tmp_path / "top", history=True)
    done = prune.run("set", archive, rules)
    assert planned["removed"] == done["removed"] and planned["freed"] == done["freed"] > 0
    kept = [one["archive"] for one in done["kept"] if not one["current"]]
    assert [one["archive"] for one in planned["kept"]] == kept


def test_before_a_backup_that_replaces_no_whole_archive(archive):
    os.unlink(archive)
    assert days(prune.run("set", archive, {"last": 2}, check=True, ahead=True)["removed"]) == [3, 2, 1]


def test_the_last_verified_one_stays(archive):
    verified = history.listed(archive)[-1]["sha256"]
    prune.run("set", archive, {"last": 1}, verified=[verified])
    assert kept_in(archive) == [5, 1]


def test_what_is_not_ours_stays_and_is_named(archive, tmp_path, back_up):
    folder = Path(history.folder_of(archive))
    (folder / "notes.txt").write_text("mine")
    (folder / "other.tar.gz").write_text("no archive")
    (folder / "folder.tar.gz").mkdir()
    other = back_up(tmp_path / "top", dest="other.tar.gz")["data"]
    request = backup.Request("another", ["."], str(tmp_path / "out/another.tar.gz"), root=str(tmp_path / "top"))
    other = backup.run(request)["data"]
    for kind in ("archive", "manifest"):
        shutil.copy(other[kind], folder)
    damaged = folder / "20261102T080000Z.tar.gz"
    damaged.write_bytes(b"cut")
    done = prune.run("set", archive, {"last": 1})
    names = {"notes.txt", "other.tar.gz", "folder.tar.gz", "another.tar.gz", damaged.name}
    names |= {"another.tar.gz" + manifest.SUFFIX, damaged.name + manifest.SUFFIX}
    assert set(done["foreign"]) == set(os.listdir(folder)) == names
    assert days(done["removed"]) == [4, 3, 1]


@pytest.mark.parametrize("harm", ["missing", "damaged", "no manifest", "another's"])
def test_nothing_goes_unless_the_archive_at_dest_is_whole(archive, harm, state_dir, valid):
    name = "another" if harm == "another's" else "set"
    if harm == "missing":
        os.unlink(archive)
    elif harm == "damaged":
        content = bytearray(Path(archive).read_bytes())
        content[len(content) // 2] ^= 1
        Path(archive).write_bytes(content)
    elif harm == "no manifest":
        os.unlink(archive + manifest.SUFFIX)
    done = prune.run(name, archive, {"last": 1})
    valid("pruned", done)
    assert done["status"] == "skipped" and "nothing is removed" in done["reason"] and not done["removed"]
    assert len(os.listdir(history.folder_of(archive))) == 8


def test_without_the_record_its_hash_says_that_it_is_whole(archive, state_dir):
    shutil.rmtree(state_dir)
    assert days(prune.run("set", archive, {"last": 1})["removed"]) == [4, 3, 2, 1]


def test_while_a_backup_runs(archive):
    with Destination(archive).locked(), pytest.raises(UpkeepError) as raised:
        prune.run("set", archive, {"last": 1})
    assert raised.value.code == "dest_locked" and len(kept_in(archive)) == 5


@pytest.mark.parametrize("wrong", [{"rules": {"last": -1}}, {"max_size": -1}, {"at_least": 0}])
def test_bad_numbers(archive, wrong):
    with pytest.raises(UpkeepError) as raised:
        prune.run("set", archive, **{"rules": {"last": 1}, **wrong})
    assert raised.value.code == "bad_parameter" and len(kept_in(archive)) == 5


def test_a_folder_that_nothing_can_be_removed_from(archive, monkeypatch):
    real, removed = os.unlink, []

    def unlink(path):
        if len(removed) == 2:
            raise PermissionError(13, "Permission denied", path)
        removed.append(path)
        real(path)

    monkeypatch.setattr(os, "unlink", unlink)
    with pytest.raises(UpkeepError) as raised:
        prune.run("set", archive, {"last": 1})
    assert raised.value.code == "history_unwritable" and "1 archive was removed before that" in raised.value.message
    assert days(raised.value.details["data"]["removed"]) == [1] and kept_in(archive) == [5, 4, 3, 2]


RUN = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import prune
state.state_dir = lambda: sys.argv[3]
left = int(sys.argv[4])

def unlink(path, real=os.unlink):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(path)

os.unlink = unlink
prune.run("set", sys.argv[2], {"last": 2})
"""


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_killed(archive, state_dir, restore_test, steps):
    collections = str(Path(backup.__file__).parents[6])
    command = [sys.executable, "-c", RUN, collections, archive, str(state_dir), str(steps)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    folder = Path(history.folder_of(archive))
    # Each archive that is left has its manifest: nothing looks like a good one and is none.
    left = [name for name in os.listdir(folder) if name.endswith(".tar.gz")]
    assert kept_in(archive) == list(range(5, (steps + 1) // 2, -1)) and len(left) == len(kept_in(archive)) - 1
    for name in left:
        assert restore_test(folder / name).document["not_checked"] == []
    done = prune.run("set", archive, {"last": 2})
    assert len(done["swept"]) == steps % 2 and done["foreign"] == []
    assert kept_in(archive) == [5, 4] and len(os.listdir(folder)) == 2
