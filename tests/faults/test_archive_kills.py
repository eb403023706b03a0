# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SIGKILL at every step: the last archive stays whole, every file is old or new, the next run sweeps and succeeds."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.archive import content, restore, restore_in_place

from .dying import every_death

OLD = 1_500_000_000


def everything_below(top):
    return sorted(str(path.relative_to(top)) for path in Path(top).rglob("*"))


def test_a_backup(memory, small_tree, back_up, drilled):
    good = back_up()["data"]
    layout = everything_below(memory / "out"), everything_below(memory / "state")
    sha, deaths = good["sha256"], 0
    for number in every_death(lambda: back_up(force=True)):
        deaths += 1
        after = drilled(good["archive"])
        assert after["status"] == "ok", (number, after["failures"])
        assert after["archive_sha256"] == sha or drilled(good["archive"], compare="live")["status"] == "ok"
        data = back_up()["data"]
        assert data["complete"] and drilled(good["archive"])["archive_sha256"] == data["sha256"]
        assert (everything_below(memory / "out"), everything_below(memory / "state")) == layout, number
        sha = data["sha256"]
        (small_tree / "note").write_text(f"changed {number}")
    assert deaths > 15


def test_an_incomplete_backup(memory, small_tree, back_up, drilled, monkeypatch):
    """It never takes the place of a complete one, whenever it dies."""
    good = back_up()["data"]
    unreadable(monkeypatch, b"note")
    for number in every_death(lambda: back_up(force=True, on_unreadable="mark")):
        after = drilled(good["archive"])
        assert (after["status"], after["archive_sha256"]) == ("ok", good["sha256"]), number
        assert back_up(force=True, on_unreadable="mark")["data"]["archive"].endswith("a.incomplete.tar.gz")
        assert sorted(os.listdir(memory / "out")) == [
            "a.incomplete.tar.gz", "a.incomplete.tar.gz.manifest.jsonl.gz", "a.tar.gz", "a.tar.gz.manifest.jsonl.gz",
        ]  # fmt: skip
        assert drilled(memory / "out" / "a.incomplete.tar.gz")["status"] == "incomplete"
    monkeypatch.undo()


def unreadable(monkeypatch, name):
    original = content.open_file

    def open_file(given, dir_fd):
        if given == name:
            raise PermissionError(13, "Permission denied")
        return original(given, dir_fd)

    monkeypatch.setattr(content, "open_file", open_file)


def test_a_confirmation_without_a_cache(memory, back_up, drilled):
    good = back_up()["data"]
    layout = everything_below(memory / "state")

    def confirm():
        shutil.rmtree(memory / "state")
        assert not back_up()["changed"]

    for number in every_death(confirm):
        assert drilled(good["archive"])["archive_sha256"] == good["sha256"]
        assert not back_up()["changed"], number
        assert everything_below(memory / "state") == layout, number


def test_a_drill(memory, back_up, drilled):
    archive, there = back_up()["data"]["archive"], memory / "there"

    def drill():
        request = restore.Request(archive, mode="extract", dest=str(there), threads=1)
        assert restore.run(request).document["status"] == "ok"

    for number in every_death(drill):
        document = drilled(archive, mode="extract", dest=str(there))
        assert document["status"] == "ok", (number, document["failures"])
        assert os.listdir(there) == [] if there.exists() else True
        shutil.rmtree(there, ignore_errors=True)


def test_a_drill_over_a_kept_one(memory, back_up, drilled):
    """The scratch folder is known for ours at every moment of its being emptied."""
    archive, there = back_up()["data"]["archive"], memory / "there"
    drilled(archive, mode="extract", dest=str(there), keep=True)

    def drill():
        request = restore.Request(archive, mode="extract", dest=str(there), threads=1)
        assert restore.run(request).document["status"] == "ok"

    for number in every_death(drill):
        document = drilled(archive, mode="extract", dest=str(there), keep=True)
        assert document["status"] == "ok", (number, document["failures"])


def test_a_restore_in_place(memory, small_tree, back_up):
    archive = back_up()["data"]["archive"]
    before = listing(small_tree)

    def harm():
        (small_tree / "sub" / "file").write_text("broken")
        os.utime(small_tree / "sub" / "file", (OLD, OLD))
        (small_tree / "note").unlink()
        (small_tree / "link").unlink()
        (small_tree / "fifo").unlink()
        (small_tree / "sub" / "noise").unlink()

    def bring_back():
        assert restore_in_place.run(restore_in_place.Request(archive)).failure is None

    harm()
    for number in every_death(bring_back):
        assert (small_tree / "sub" / "file").read_text() in ("broken", "content")
        for name in ("note", "sub/noise"):
            path = small_tree / name
            assert not path.exists() or listing(small_tree)[name][1:] == before[name][1:], (number, name)
        bring_back()
        assert listing(small_tree) == before, number
        harm()


def listing(top):
    found = {}
    for path in [top, *sorted(top.rglob("*"))]:
        info = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        links = info.st_nlink if not path.is_dir() else 0
        found[str(path.relative_to(top))] = (links, info.st_mode, info.st_uid, info.st_mtime_ns, content)
    return found


def test_a_document(memory):
    path = memory / "evidence" / "last_success.json"
    atomic.write_json(str(path), {"number": 0})
    for number in every_death(lambda: atomic.write_json(str(path), {"number": 1})):
        assert json.loads(path.read_text())["number"] in (0, 1)
        atomic.write_json(str(path), {"number": 0})
        assert os.listdir(path.parent) == ["last_success.json"], number
