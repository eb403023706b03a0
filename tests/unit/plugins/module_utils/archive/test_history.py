# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The archives that came before: kept as they were, found by time, whatever happened in between."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.archive import (
    backup,
    destination,
    gz,
    history,
    manifest,
    restore_in_place,
)
from ansible_collections.proven.upkeep.plugins.module_utils.archive._closing import closing_of
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

DAYS = ("2026-11-20T08:00:00Z", "2026-11-21T08:00:00Z", "2026-11-22T08:00:00Z")


@pytest.fixture
def top(tmp_path):
    folder = tmp_path / "top"
    folder.mkdir()
    return folder


@pytest.fixture
def take(top, back_up, monkeypatch):
    """take("2026-11-20T08:00:00Z", "content") -> the document of a backup at that time of a file with that content."""

    def run(when, content, **more):
        monkeypatch.setattr(times, "now", lambda: times.parse(when))
        (top / "file").write_text(content)
        for path in (top / "file", top):  # so that the same content is the same archive
            os.utime(path, (0, 0))
        return back_up(top, history=True, **more)["data"]

    return run


def content_at(archive, at, folder):
    """What the file was, by a restore beside."""
    request = restore_in_place.Request(history.chosen(str(archive), at), dest=str(folder))
    assert restore_in_place.run(request).failure is None
    return (folder / "file").read_text()


def listing(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_what_is_replaced_is_kept_and_found_by_time(take, top, tmp_path, valid, restore_test):
    documents = [take(day, day) for day in DAYS]
    archive = documents[-1]["archive"]
    valid("backup", documents[-1])
    told = documents[-1]["history"]
    assert told["archives"] == 2 and told["bytes"] == documents[0]["bytes"] + documents[1]["bytes"]
    assert [one["created"] for one in told["newest"]] == [DAYS[1], DAYS[0]]
    assert [one["sha256"] for one in told["newest"]] == [documents[1]["sha256"], documents[0]["sha256"]]
    there = history.listed(archive)
    assert [(one["created"], one["current"]) for one in there] == [
        (DAYS[2], True), (DAYS[1], False), (DAYS[0], False),
    ]  # fmt: skip
    assert listing(tmp_path / "out/a.history") == [
        "20261120T080000Z.tar.gz", "20261120T080000Z.tar.gz.manifest.jsonl.gz",
        "20261121T080000Z.tar.gz", "20261121T080000Z.tar.gz.manifest.jsonl.gz",
    ]  # fmt: skip
    for one in there:
        assert restore_test(one["archive"]).document["status"] == "ok"
    for at, content in {
        "latest": DAYS[2], "2026-11-20": DAYS[0], "20261121T080000Z": DAYS[1], "2026-11-21T07:59Z": DAYS[0],
        "2026-11-21T08:00Z": DAYS[1], "2026-11-22T07:59:59Z": DAYS[1], "2030-01-01": DAYS[2],
        "2026-11-21 08:00:00+00:00": DAYS[1],
    }.items():  # fmt: skip
        assert content_at(archive, at, tmp_path / "beside" / at) == content, at
    # Nothing new: nothing moves.
    again = take("2026-11-23T08:00:00Z", DAYS[2])
    assert again["unchanged"] and again["history"] == told


@pytest.mark.parametrize(
    "at, code, words",
    [
        ("2026-11-19", "archive_missing", "there are 2026-11-21T08:00:00Z, 2026-11-20T08:00:00Z"),
        ("yesterday", "bad_parameter", "is no time"),
        ("2026-13-01", "bad_parameter", "is no time"),
    ],
)
def test_no_such_time(take, at, code, words):
    archive = [take(day, day) for day in DAYS[:2]][-1]["archive"]
    with pytest.raises(UpkeepError) as raised:
        history.chosen(archive, at)
    assert raised.value.code == code and words in raised.value.message


def test_a_lost_archive_leaves_its_history_to_choose_from(take, tmp_path):
    archive = [take(day, day) for day in DAYS[:2]][-1]["archive"]
    os.unlink(archive)
    with pytest.raises(UpkeepError, match=r"choose one with at. There are 2026-11-20T08:00:00Z"):
        history.chosen(archive, "latest")
    assert content_at(archive, DAYS[1], tmp_path / "beside") == DAYS[0]
    assert history.chosen(str(tmp_path / "none.tar.gz"), "latest") == str(tmp_path / "none.tar.gz")


def test_a_tree_that_went_back_keeps_its_time_between(take, tmp_path):
    first, _second, third = (take(day, content) for day, content in zip(DAYS, "aba"))
    assert first["sha256"] == third["sha256"]
    assert [content_at(third["archive"], day, tmp_path / day) for day in DAYS] == ["a", "b", "a"]


def test_one_second_and_a_clock_that_went_back(take, tmp_path):
    take(DAYS[1], "one")
    take(DAYS[1], "two")
    take(DAYS[1], "three")
    archive = take(DAYS[0], "four")["archive"]
    there = history.listed(archive)
    assert [(one["created"], one["current"]) for one in there] == [(DAYS[1], False)] * 3 + [(DAYS[0], True)]
    assert [os.path.basename(one["archive"])[16:] for one in there[:3]] == ["-3.tar.gz", "-2.tar.gz", ".tar.gz"]
    assert content_at(archive, DAYS[1], tmp_path / "b") == "three"
    assert content_at(archive, DAYS[0], tmp_path / "c") == content_at(archive, "latest", tmp_path / "d") == "four"


def test_names_with_dots_and_suffixes_that_change(take, tmp_path):
    take(DAYS[0], "gz", dest="db.main-2.tar.gz")
    take(DAYS[1], "gz again", dest="db.main-2.tar.gz")
    archive = take(DAYS[2], "tar", dest="db.main-2.tar")["archive"]
    there = history.listed(archive)
    assert [os.path.relpath(one["archive"], tmp_path / "out") for one in there] == [
        "db.main-2.tar", "db.main-2.tar.gz", "db.main-2.history/20261120T080000Z.tar.gz",
    ]  # fmt: skip
    assert [one["current"] for one in there] == [True, False, False]
    assert [content_at(archive, day, tmp_path / day) for day in DAYS] == ["gz", "gz again", "tar"]
    assert history.dest_of(there[-1]["archive"]) == str(tmp_path / "out/db.main-2.tar.gz")
    assert history.dest_of(archive) == archive


def test_only_complete_and_whole_archives_of_the_same_backup_enter(take, top, back_up, tmp_path):
    archive = take(DAYS[0], "zero")["archive"]
    Path(archive).write_bytes(Path(archive).read_bytes()[:-9] + b"something")
    document = take(DAYS[1], "one")
    assert "is not in the history" in str(document["warnings"]) and document["history"]["archives"] == 0
    # Another backup's, that force replaces.
    other = backup.Request("other", ["."], archive, root=str(top), force=True, history=True)
    assert backup.run(other)["data"]["history"]["archives"] == 0
    # An incomplete one neither enters nor makes the last complete one enter.
    os.mkfifo(top / "x")
    assert take(DAYS[2], "two", force=True)["history"]["archives"] == 0
    for kind in ("", ".incomplete"):
        assert not os.path.exists(tmp_path / f"out/a{kind}.history/20261121T080000Z.tar.gz")


@pytest.mark.parametrize("obstacle", ["file", "link", "no links"])
def test_a_history_that_cannot_be_kept_leaves_all_as_it_is(take, tmp_path, obstacle, monkeypatch):
    first = take(DAYS[0], "zero")
    folder = tmp_path / "out/a.history"
    if obstacle == "file":
        folder.write_text("in the way")
    elif obstacle == "link":
        folder.symlink_to(tmp_path)
    else:

        def refuse(*_names):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(UpkeepError) as raised:
        take(DAYS[1], "one")
    assert raised.value.code == "history_unwritable" and "nothing was replaced" in raised.value.message
    assert [one["sha256"] for one in history.listed(first["archive"])] == [first["sha256"]]
    assert not [name for name in os.listdir(tmp_path / "out") if name.startswith(".")]


def test_a_history_without_write_permission(open_dir, as_nobody):
    top = open_dir / "top"
    top.mkdir()
    request = backup.Request("set", ["."], str(open_dir / "out/a.tar.gz"), root=str(top), history=True)

    def go():
        backup.run(request)
        os.mkdir(open_dir / "out/a.history", 0o500)
        (top / "file").write_text("changed")
        try:
            backup.run(request)
        except UpkeepError as error:
            return error.code
        return None

    os.chmod(top, 0o777)
    assert as_nobody(go) == "history_unwritable"
    os.chmod(open_dir / "out/a.history", 0o700)


def test_the_history_is_in_no_backup(top, tmp_path, restore_test):
    (top / "file").write_text("1")
    request = backup.Request("set", ["top"], str(top / "a.tar.gz"), root=str(tmp_path), history=True, force=True)
    for _run in range(3):
        document = backup.run(request)["data"]
    assert document["files"] == 1 and document["history"]["archives"] == 2
    names = [entry.path for entry in manifest.load(document["manifest"]).entries()]
    assert names == [b"top", b"top/file"]
    for one in history.listed(document["archive"]):
        drift = restore_test(one["archive"], compare="live").document
        assert drift["extra_files"] == drift["missing_files"] == []


def test_a_path_that_only_an_older_archive_has(take, top, tmp_path):
    (top / "lost").write_text("x")
    take(DAYS[0], "zero")
    (top / "lost").unlink()
    take(DAYS[1], "one")
    archive = take(DAYS[2], "two")["archive"]
    with pytest.raises(UpkeepError) as raised:
        restore_in_place.run(restore_in_place.Request(archive, paths=[str(top / "lost"), "never"]))
    assert raised.value.code == "path_missing"
    assert raised.value.message.endswith(f"nothing was restored. Give at: {DAYS[0]}, which has lost.")


RUN = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup, history
state.state_dir = lambda: sys.argv[4]
calls = 0

def counted(real):
    def call(*arguments, **more):
        global calls
        calls += 1
        if calls > int(sys.argv[5]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **more)
    return call

real_keep = history.keep

def keep(*arguments):
    for name in ("mkdir", "link", "rename"):
        setattr(os, name, counted(getattr(os, name)))
    return real_keep(*arguments)

history.keep = keep
backup.run(backup.Request("set", ["."], sys.argv[3], root=sys.argv[2], history=True))
"""


@pytest.mark.parametrize("steps", range(7))
def test_killed_at_every_step(take, top, tmp_path, state_dir, restore_test, steps):
    """Before: the folder, the manifest's link, the archive's, the archive's rename, the manifest's, the cache's."""
    first = take(DAYS[0], "first")
    (top / "file").write_text("second")
    collections = str(Path(backup.__file__).parents[6])
    command = [sys.executable, "-c", RUN, collections, str(top), first["archive"], str(state_dir), str(steps)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    # As the kill left it: the first archive is there exactly once, and nothing that is no archive is taken for one.
    there = history.listed(first["archive"])
    assert [one["sha256"] for one in there].count(first["sha256"]) == 1
    assert len(there) == (2 if steps > 3 else 1) and there[0]["current"]
    for one in there:
        assert restore_test(one["archive"]).document["status"] == "ok"
    if steps < 4:
        assert take(DAYS[1], "first")["unchanged"]
        assert len(set(listing(tmp_path / "out/a.history")) if steps else ()) != 1, "the manifest's link is swept"
    last = take("2099-01-01T00:00:00Z", "third")
    there = history.listed(last["archive"])
    assert [one["sha256"] for one in there].count(first["sha256"]) == 1 and there[0]["sha256"] == last["sha256"]
    assert len(there) == (3 if steps > 3 else 2)
    names = set(listing(tmp_path / "out/a.history"))
    assert {name for name in names if not name.endswith(manifest.SUFFIX)} == {
        name[: -len(manifest.SUFFIX)] for name in names if name.endswith(manifest.SUFFIX)
    }


def test_two_runs_at_once(take, top):
    archive = take(DAYS[0], "zero")["archive"]
    with destination.Destination(archive).locked(), pytest.raises(UpkeepError, match="another run is at work"):
        take(DAYS[1], "one")
    assert len(history.listed(archive)) == 1 and not os.path.exists(history.folder_of(archive))


@pytest.mark.long
def test_the_closing_line_is_read_from_the_end(tmp_path, top, back_up, monkeypatch):
    for number in range(3000):  # more than one block of lines
        (top / f"{number:0200d}").touch()
    path = back_up(top)["data"]["manifest"]
    wanted = manifest.load(path).closing
    assert closing_of(path) == wanted
    with Path(path).open("rb") as stored:
        lines = b"".join(gz.stream(stored))
    # Also where the closing line stands in a block with others, as older versions wrote it, or over several of them.
    rewritten = tmp_path / "rewritten.manifest.jsonl.gz"
    for size in (1 << 20, 30000, 300):
        begin = max(0, len(lines) - 50 * size)
        pieces = [lines[:begin], *(lines[at : at + size] for at in range(begin, len(lines), size))]
        stored = b"".join(gz.compress(piece, 6) for piece in pieces if piece)
        rewritten.write_bytes(gz.header() + stored + gz.trailer(0, len(lines), []))
        assert closing_of(str(rewritten)) == wanted
    for damage in (b"", b"x" * 100, Path(path).read_bytes()[:-1], Path(path).read_bytes()[:40]):
        rewritten.write_bytes(damage)
        with pytest.raises(UpkeepError):
            closing_of(str(rewritten))


def test_what_is_no_archive_is_none(take, tmp_path):
    archive = [take(day, day) for day in DAYS][-1]["archive"]
    folder = Path(history.folder_of(archive))
    (folder / "notes.tar.gz").write_text("no manifest")
    (folder / "x.manifest.jsonl.gz").write_text("no archive")
    os.symlink(archive, folder / "y.tar.gz")
    shutil.copy(archive + manifest.SUFFIX, folder / "y.tar.gz.manifest.jsonl.gz")
    cut = folder / "20261120T080000Z.tar.gz"
    cut.write_bytes(cut.read_bytes()[:-1])
    there = history.listed(archive)
    assert [one["created"] for one in there] == [DAYS[2], DAYS[1]]
    assert len(history.foreign(archive, there)) == 6
