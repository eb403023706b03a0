# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Disks that are full, broken or read-only, at every point: one sentence, nothing lost, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import atomic, state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup, restore_in_place
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import fuse
from .test_archive_kills import everything_below, listing

ORDERLY = {"no_space", "io_error", "dest_unwritable"}


def one_sentence(error):
    assert error.code and "\n" not in error.message and "Traceback" not in error.message
    return error.code


def tried(function, *arguments, **more):
    """(result, None), or (None, code) of a failure that is told in one sentence."""
    try:
        return function(*arguments, **more), None
    except UpkeepError as error:
        return None, one_sentence(error)


@pytest.fixture
def disk(memory, mounted):
    """A small file system, and a way to make it larger."""
    place = mounted(memory / "disk", "-t", "tmpfs", "-o", "size=4k,mode=0700", "tmpfs")

    resize(place, 64)
    return place


def resize(place, pages):
    subprocess.run(["mount", "-o", f"remount,size={pages * 4}k", str(place)], check=True)


@pytest.fixture
def broken(memory):
    """A file system that can be told to answer EIO."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("needs root, and /dev/fuse")
    disk = fuse.Disk(memory / "broken")
    try:
        disk.mount()
    except OSError as error:
        pytest.skip(f"this kernel mounts no FUSE here ({error})")
    before = descriptors()
    yield disk
    disk.unmount()
    assert descriptors() - before == set(), "files were left open"


def descriptors():
    """What this process has open on a disk."""
    links = (
        os.readlink(path)
        for path in map("/proc/self/fd/{}".format, os.listdir("/proc/self/fd"))
        if os.path.lexists(path)
    )
    return {link for link in links if link.startswith("/")} - {"/proc/self/fd"}


def used(place):
    info = os.statvfs(place)
    return info.f_blocks - info.f_bfree


@pytest.mark.parametrize("state_too", [False, True])
def test_a_backup_to_a_full_disk_of_any_size(disk, small_tree, back_up, drilled, monkeypatch, state_too):
    if state_too:
        monkeypatch.setattr(state, "state_dir", lambda: str(disk / "state"))
    dest = disk / "a.tar.gz"
    good = back_up(dest=dest)["data"]
    layout = everything_below(disk)
    (small_tree / "sub" / "more").write_bytes(os.urandom(20000))
    smallest, refused = used(disk), 0
    for pages in range(smallest, smallest + 40):
        resize(disk, pages)
        result, code = tried(back_up, dest=dest)
        if code is None:
            break
        assert code == "no_space"
        refused += 1
        document = drilled(dest)
        assert (document["status"], document["archive_sha256"]) == ("ok", good["sha256"]), pages
        assert everything_below(disk) == layout, pages
    assert refused > 4 and result["data"]["complete"] and drilled(dest)["archive_sha256"] != good["sha256"]
    resize(disk, 200)
    back_up(dest=dest)
    assert everything_below(disk) == layout and not back_up(dest=dest)["changed"]


def test_a_drill_on_a_full_disk_of_any_size(disk, back_up, drilled, monkeypatch):
    archive = back_up()["data"]["archive"]
    codes = []
    for pages in range(1, 40):
        resize(disk, pages)
        document = drilled(archive, mode="extract", dest=str(disk / "there"))
        codes += [failure["error_code"] for failure in document["failures"][:1]]
        assert everything_below(disk) == [], pages
        if document["status"] == "ok":
            break
        assert document["status"] == "failed"
    assert document["status"] == "ok", document["failures"]
    assert set(codes) == {"no_space"} and len(codes) > 3


def test_a_restore_to_a_full_disk_of_any_size(disk, small_tree, back_up, monkeypatch):
    """Its own look at the room there is set aside: what the kernel refuses must come out as well."""
    monkeypatch.setattr(restore_in_place.Planner, "require_room", lambda self, spare: None)
    archive = back_up()["data"]["archive"]
    request = restore_in_place.Request(archive, dest=str(disk / "here"))
    before, refused = listing(small_tree), 0
    for pages in range(1, 40):
        resize(disk, pages)
        result, code = tried(restore_in_place.run, request)
        failure = result.failure if result else None
        if result and not failure:
            break
        refused += 1
        assert (code or one_sentence(failure)) == "no_space"
        for name, facts in listing(disk).items():
            inside = name.partition("/")[2]
            assert inside == "" or facts[4] in (None, before[inside][4]), (pages, name)
        assert not list(disk.rglob(".upkeep*")), pages
    assert refused > 2 and {name: facts[4] for name, facts in listing(disk / "here").items()} == {
        name: facts[4] for name, facts in before.items()
    }


def test_a_document_on_a_full_disk_of_any_size(disk):
    path = disk / "evidence" / "last_success.json"
    atomic.write_json(str(path), {"number": 0})
    refused = 0
    for pages in range(used(disk), used(disk) + 30):
        resize(disk, pages)
        try:
            atomic.write_json(str(path), {"number": 1, "more": "x" * 20000})
            break
        except OSError:
            refused += 1
            assert json.loads(path.read_text()) == {"number": 0}
            assert os.listdir(path.parent) == ["last_success.json"]
    assert refused > 2 and json.loads(path.read_text())["number"] == 1


@pytest.mark.parametrize("operations", [fuse.READING, fuse.LOOKING])
def test_a_source_that_cannot_be_read(broken, memory, drilled, operations):
    """EIO from the n-th look at the source on, for every n: the backup fails with the reason, or names what it could
    not read and is incomplete. What it holds is true, and the last good archive stays."""
    top = broken.place / "tree"
    (top / "sub").mkdir(parents=True)
    for name in ("a", "sub/b", "sub/c"):
        (top / name).write_bytes(os.urandom(3000))
    (top / "sub" / "long").write_bytes(os.urandom(1_200_000))
    os.symlink("a", top / "link")
    dest = memory / "out" / "a.tar.gz"

    def back_up(**more):
        return backup.run(backup.Request("set", ["."], str(dest), root=str(top), threads=1, force=True, **more))["data"]

    good = back_up()
    total = unreadable = number = 0
    while True:
        broken.break_after(number, operations)
        failed = tried(back_up)[1]
        broken.break_after(number, operations)
        data, code = tried(back_up, on_unreadable="mark")
        broken.mend()
        if data and data["complete"]:
            assert failed is None
            break
        assert failed in ("unreadable", "path_missing"), (number, failed)
        if data:
            unreadable += 1
            assert data["unreadable"] and drilled(data["archive"])["status"] == "incomplete", number
        else:
            assert code in ("nothing_to_back_up", "path_missing", "unreadable"), (number, code)
        assert drilled(dest)["archive_sha256"] == good["sha256"]
        number += 1
        total += 1
    assert total > 8 and unreadable > 4
    assert [name for name in os.listdir(dest.parent) if name.startswith(".")] == []


@pytest.mark.parametrize("operations", [(fuse.WRITE,), (fuse.FSYNC,), (fuse.RENAME, fuse.RENAME2), fuse.WRITING])
def test_a_dest_that_cannot_be_written(broken, small_tree, drilled, operations):
    dest = broken.place / "a.tar.gz"

    def back_up():
        return backup.run(backup.Request("set", ["."], str(dest), root=str(small_tree), threads=1, force=True))["data"]

    good = back_up()
    for number in range(200):
        (small_tree / "note").write_text(f"changed {number}")
        broken.break_after(number, operations)
        data, code = tried(back_up)
        broken.mend()
        document = drilled(dest)
        assert document["status"] == "ok", (number, document["failures"])
        if data:
            assert document["archive_sha256"] == data["sha256"]
            break
        assert code == "io_error"
        # Between its two renames an archive is published already: its manifest waits, and the next run names it.
        if document["archive_sha256"] != good["sha256"]:
            assert operations != (fuse.WRITE,)
        good = back_up()
        assert sorted(os.listdir(broken.place)) == ["a.tar.gz", "a.tar.gz.manifest.jsonl.gz"], number
    assert data and number > 0


def test_an_archive_that_cannot_be_read(broken, small_tree, memory, drilled):
    dest = broken.place / "a.tar.gz"
    request = backup.Request("set", ["."], str(dest), root=str(small_tree), threads=1)
    backup.run(request)
    seen = set()
    for number in range(100):
        broken.break_after(number, (fuse.OPEN, fuse.READ))
        document = drilled(dest, mode="extract", dest=str(memory / "there"))
        result, code = tried(restore_in_place.run, restore_in_place.Request(str(dest), dest=str(memory / "here")))
        broken.mend()
        assert not (memory / "there").exists()
        if document["status"] == "ok":
            break
        seen.add(document["failures"][0]["error_code"])
        assert document["status"] == "failed" and "\n" not in document["failures"][0]["msg"]
        assert code or result.failure, number
        shutil.rmtree(memory / "here", ignore_errors=True)
    assert document["status"] == "ok" and seen <= {
        "archive_unreadable",
        "manifest_damaged",
        "io_error",
        "archive_damaged",
    }


def test_a_read_only_dest(memory, mounted, back_up, small_tree, drilled):
    out = mounted(memory / "out", "-t", "tmpfs", "-o", "mode=0700", "tmpfs")
    good = back_up()["data"]
    before = listing(out)
    subprocess.run(["mount", "-o", "remount,ro", str(out)], check=True)
    (small_tree / "note").write_text("changed")
    for more in ({}, {"force": True}, {"dest": out / "deep" / "b.tar.gz"}):
        _result, code = tried(back_up, **more)
        assert code == "dest_unwritable"
    assert tried(restore_in_place.run, restore_in_place.Request(good["archive"], dest=str(out / "x")))[1] in ORDERLY
    document = drilled(good["archive"], mode="extract", dest=str(out / "there"))
    assert document["failures"][0]["error_code"] == "dest_unwritable"
    assert listing(out) == before and drilled(good["archive"])["status"] == "ok"
    subprocess.run(["mount", "-o", "remount,rw", str(out)], check=True)
    assert back_up()["data"]["complete"]


def test_a_state_folder_that_is_read_only(memory, mounted, back_up, small_tree):
    """No cache then: slower, and said, and the backup as good as ever."""
    mounted(memory / "state", "-t", "tmpfs", "-o", "ro", "tmpfs")
    data = back_up()["data"]
    assert data["complete"] and "cache" in data["warnings"][0]
    assert not back_up()["changed"]
    (small_tree / "note").write_text("changed")
    assert back_up()["changed"]
