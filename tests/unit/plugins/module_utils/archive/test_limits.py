# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host may lack or be full of: room for the cache, descriptors, rights; and files that are mostly holes."""

from __future__ import annotations

import errno
import gzip
import json
import os
import resource
import time

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import atomic, state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import (
    _store,
    backup,
    cache,
    content,
    destination,
    metadata,
    restore,
    scratch,
)
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


@pytest.fixture
def top(tmp_path):
    folder = tmp_path / "top"
    for number in range(3):
        (folder / f"d{number}").mkdir(parents=True)
        (folder / f"d{number}" / "file").write_text("x")
    return folder


@pytest.mark.parametrize("cut", [1, 10, 40, 83, 120, 200, 10000])
def test_a_cut_cache_vouches_for_nothing(top, back_up, state_dir, monkeypatch, cut):
    monkeypatch.setattr(cache, "_FRESH_NS", 0)
    time.sleep(0.02)
    back_up(top)
    (path,) = (state_dir / "cache").glob("*.paths")
    os.truncate(str(path), max(0, path.stat().st_size - cut))
    (top / "d0" / "file").write_text("y")
    assert back_up(top, diff=True)["diff"]["after"] == "~ d0/file\n"
    assert not back_up(top)["changed"]


def test_a_record_of_nonsense():
    records = type("Records", (), {"take": lambda self, key: b"\5\0\0\0abc"})()
    assert cache.known_names(records, b"key", [], [], None) == set()


@pytest.mark.parametrize("fails", ["opening", "writing"])
def test_no_room_for_the_records(top, back_up, state_dir, monkeypatch, fails):
    back_up(top)
    for path in (state_dir / "cache").iterdir():
        path.unlink()

    class Full:
        def write(self, *_data):
            raise OSError(errno.ENOSPC, "No space left on device")

        seek = close = flush = write

    def spool(_self):
        return Full() if fails == "writing" else Full().write()

    with monkeypatch.context() as patch:
        patch.setattr(destination.Destination, "spool", spool)
        assert not back_up(top, check=True)["changed"]
        result = back_up(top)
    assert not result["changed"] and "cache" in result["data"]["warnings"][0]


def test_an_unexpected_error_is_one_sentence(top, back_up, monkeypatch):
    def broken(*_arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(backup.previous, "find", broken)
    with pytest.raises(UpkeepError) as caught:
        back_up(top)
    assert caught.value.code == "io_error"


def test_every_made_folder_is_private(tmp_path, monkeypatch):
    os.umask(os.umask(0o022))
    monkeypatch.setattr(state, "state_dir", lambda: str(tmp_path / "a" / "b"))
    state.ensure("c", "d")
    atomic.write_text(str(tmp_path / "e" / "f" / "file"), "x")
    for name in ("a", "a/b", "a/b/c", "a/b/c/d", "e", "e/f"):
        assert os.stat(str(tmp_path / name)).st_mode & 0o777 == 0o700, name
    assert state.ensure("c", "d") == str(tmp_path / "a/b/c/d")


def test_the_scratch_folder_stays_private_while_checks_run(top, back_up, restore_test, tmp_path):
    os.chmod(str(top), 0o755)
    if os.geteuid() == 0:
        os.chown(str(top), 1000, 1000)
    archive = back_up(top)["data"]["archive"]
    command = ["sh", "-c", 'test "$(stat -c %a-%u .)" = "700-$(id -u)"']
    there = tmp_path / "made" / "there"
    document = restore_test(archive, mode="extract", dest=str(there), keep=True, checks=[command]).document
    assert document["status"] == "ok", document["failures"]
    assert "." in [item["what"] for item in document["not_checked"]]
    assert os.stat(str(there.parent)).st_mode & 0o777 == 0o700


def test_emptying_never_follows_a_link(tmp_path, monkeypatch):
    """A folder swapped for a link between the look at it and the step into it."""
    there, victim = tmp_path / "there", tmp_path / "victim"
    (there / "d").mkdir(parents=True)
    victim.mkdir()
    victim.chmod(0o755)
    (victim / "file").write_text("precious")
    original = os.stat

    def stat(path, *arguments, **more):
        info = original(path, *arguments, **more)
        if path == b"d":
            (there / "d").rename(there / "e")
            (there / "d").symlink_to(victim)
        return info

    fd = os.open(str(there), os.O_RDONLY)
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", stat)
        with pytest.raises(OSError):
            scratch.empty(fd)
    os.close(fd)
    assert victim.stat().st_mode & 0o777 == 0o755 and (victim / "file").exists()


@pytest.mark.parametrize("mode", [0, 0o500, 0o300])
def test_emptying_folders_that_are_shut(open_dir, as_nobody, mode):
    def run():
        os.makedirs(str(open_dir / "a" / "b"))
        (open_dir / "a" / "b" / "file").write_text("x")
        for name in ("a/b", "a"):
            os.chmod(str(open_dir / name), mode)
        fd = os.open(str(open_dir), os.O_RDONLY)
        scratch.empty(fd)
        os.close(fd)
        return os.listdir(str(open_dir))

    assert as_nobody(run) == []


def test_a_tree_deeper_than_there_are_descriptors(tmp_path, back_up, restore_test):
    deep = tmp_path / "top" / "/".join(["d"] * 150)
    deep.mkdir(parents=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        archive = back_up(tmp_path / "top")["data"]["archive"]
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
        result = restore_test(archive, mode="extract", dest=str(tmp_path / "there"))
        assert result.document["status"] == "ok", result.document["failures"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def hollow(top):
    """16 TiB, or as near to it as this file system goes, with three bytes in it."""
    path = top / "hollow"
    path.write_bytes(b"")
    for size in (16 << 40, 4 << 40, 1 << 40):
        try:
            os.truncate(str(path), size)
            break
        except OSError:
            continue
    else:
        pytest.skip("no large files here")
    with path.open("r+b") as stream:
        stream.seek(1 << 35)
        stream.write(b"abc")
    with path.open("rb") as stream:
        if content.regions(stream.fileno(), os.fstat(stream.fileno())) is None:
            pytest.skip("no sparse files here")
    return path


def test_mostly_holes(top, hollow, back_up, restore_test, tmp_path, valid):
    data = back_up(top)["data"]
    with gzip.open(data["manifest"], "rt") as lines:
        documents = [json.loads(line) for line in lines]
    (line,) = [one for one in documents if one.get("path") == "hollow"]
    valid("manifest", line)
    assert line["sha256_of"] == "map+data" and line["size"] == hollow.stat().st_size
    assert not back_up(top)["changed"]
    for more in ({}, {"mode": "extract", "dest": str(tmp_path / "s"), "keep": True}, {"compare": "live"}):
        document = restore_test(data["archive"], **more).document
        assert document["status"] == "ok", document["failures"]
    info = hollow.stat()
    for place in (1 << 35, 1 << 36):  # in a region that was archived, and in a hole
        with hollow.open("r+b") as stream:
            stream.seek(place)
            stream.write(b"X")
        os.utime(str(hollow), ns=(info.st_atime_ns, info.st_mtime_ns))
        assert restore_test(data["archive"], compare="live").document["corrupt_files"] == ["hollow"]
        with hollow.open("r+b") as stream:
            stream.seek(place)
            stream.write(b"a" if place == 1 << 35 else b"\0")
        os.utime(str(hollow), ns=(info.st_atime_ns, info.st_mtime_ns))
        assert restore_test(data["archive"], compare="live").document["status"] == "ok"


def test_a_hash_by_map_is_of_map_and_data(tmp_path, monkeypatch):
    import hashlib

    monkeypatch.setattr(content, "MAX_HOLES", 10)
    sha = content.SparseHash(100, [(5, 3), (50, 2)])
    for offset, data in ((5, b"abc"), (50, b"de")):
        sha.region(offset, len(data))
        sha.update(data)
    assert sha.hexdigest() == hashlib.sha256(b"5 3\nabc50 2\nde100\n").hexdigest()


@pytest.mark.parametrize("threads", [-1, 0, 257, 100000])
def test_threads_out_of_range(top, back_up, restore_test, threads):
    archive = back_up(top)["data"]["archive"]
    with pytest.raises(UpkeepError) as caught:
        restore_test(archive, threads=threads)
    assert caught.value.code == "bad_parameter"


def test_a_check_that_takes_the_marker_away(top, back_up, restore_test, tmp_path, valid):
    archive = back_up(top)["data"]["archive"]
    remove = [["rm", "-f", ".upkeep-restore"]]
    document = restore_test(archive, mode="extract", dest=str(tmp_path / "s"), keep=True, checks=remove).document
    valid("restore", document)
    assert document["status"] == "ok" and any("marker" in item["why"] for item in document["not_checked"])


@pytest.mark.parametrize("number", [errno.EIO, errno.ERANGE])
def test_attributes_that_cannot_be_read_are_the_files_fault(top, back_up, monkeypatch, number):
    def broken(target, denied=None):
        if isinstance(target, int) and os.fstat(target).st_size == 1:
            raise OSError(number, os.strerror(number))
        return {}

    monkeypatch.setattr(_store, "read_xattrs", broken)
    with pytest.raises(UpkeepError) as caught:
        back_up(top)
    assert caught.value.code == "unreadable"
    data = back_up(top, on_unreadable="mark")["data"]
    assert data["unreadable"] == ["d0/file", "d1/file", "d2/file"]


def test_attributes_that_are_denied_are_told_of(top, back_up, monkeypatch):
    try:
        os.setxattr(str(top / "d1" / "file"), "user.secret", b"x")
    except OSError:
        pytest.skip("no attributes here")

    def denied(*_arguments, **_more):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(metadata.os, "getxattr", denied)
    warnings = back_up(top)["data"]["warnings"]
    assert len(warnings) == 1 and "d1/file: user.secret" in warnings[0]


def test_attributes_of_a_file_that_its_owner_may_not_write(open_dir, as_nobody):
    def run():
        (open_dir / "top").mkdir()
        path = open_dir / "top" / "file"
        path.write_text("x")
        try:
            os.setxattr(str(path), "user.note", b"n")
        except OSError:
            return "no attributes here"
        os.chmod(str(path), 0o400)
        archive = backup.run(backup.Request("set", [str(path)], str(open_dir / "a.tar.gz")))["data"]["archive"]
        request = restore.Request(archive, mode="extract", dest=str(open_dir / "s"), keep=True)
        document = restore.run(request).document
        (restored,) = (open_dir / "s").rglob("file")
        return [i for i in document["not_checked"] if "user." in i["what"]], os.getxattr(str(restored), "user.note")

    answer = as_nobody(run)
    if isinstance(answer, str):
        pytest.skip(answer)
    assert answer == ([], b"n")
