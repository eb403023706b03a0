# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A restore for real: what it makes, replaces, leaves alone and refuses; cut short, on damage, seen from outside."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import (
    manifest,
    restore_apply,
    restore_in_place,
    restore_plan,
)
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

THEN, LATER = 1_600_000_000, 4_000_000_000
COUNTS = ("created", "replaced", "unchanged", "refused", "failed")


@pytest.fixture
def bring_back(valid):
    """bring_back(archive, **parameters) -> restore_in_place.Result, its document held against the schema."""

    def run(archive, check=False, **parameters):
        result = restore_in_place.run(restore_in_place.Request(str(archive), **parameters), check=check)
        valid("restored", result.document)
        return result

    return run


@pytest.fixture
def archive(tree, back_up):
    return back_up(tree)["data"]["archive"]


@pytest.fixture
def home(tmp_path):
    """A small tree of plain files, all of one time."""
    top = tmp_path / "home"
    (top / "sub").mkdir(parents=True)
    (top / "one").write_text("one")
    (top / "sub" / "two").write_text("two")
    os.link(str(top / "one"), str(top / "sub" / "zz"))
    settle(top)
    return top


def settle(top, when=THEN):
    for folder, _folders, files in os.walk(str(top), topdown=False):
        for name in files:
            os.utime(os.path.join(folder, name), (when, when), follow_symlinks=False)
        os.utime(folder, (when, when))


def listing(top):
    """What an independent look finds: type, mode, owner, time, link count, content, link, attributes, by path."""
    found = {}
    top = os.fsencode(str(top))
    for folder, folders, files in os.walk(top):
        for name in [b".", *folders, *files]:
            path = os.path.normpath(os.path.join(folder, name))
            info = os.lstat(path)
            content = Path(os.fsdecode(path)).read_bytes() if stat.S_ISREG(info.st_mode) else None
            link = os.readlink(path) if stat.S_ISLNK(info.st_mode) else None
            names = os.listxattr(path, follow_symlinks=False)
            attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
            count = info.st_nlink if not stat.S_ISDIR(info.st_mode) else 0
            owner = (info.st_uid, info.st_gid)
            found[os.path.relpath(path, top)] = (
                info.st_mode, owner, info.st_mtime_ns, count, content, link, attributes,
            )  # fmt: skip
    return found


def counts(result):
    return tuple(result.document["counts"][name] for name in COUNTS)


def test_a_destroyed_folder_comes_back_as_it_was(archive, tree, bring_back):
    before = listing(tree)
    shutil.rmtree(str(tree))
    planned = bring_back(archive, check=True)
    assert not tree.exists() and planned.changed and planned.document["predicted"]
    result = bring_back(archive)
    assert (result.failure, result.document["status"], result.changed) == (None, "ok", True)
    assert listing(tree) == before
    assert os.stat(str(tree / "sparse")).st_blocks * 512 < 3000000
    for name in COUNTS:
        assert planned.document[name] == result.document[name]
    again = bring_back(archive)
    assert not again.changed and counts(again)[:2] == (0, 0)
    assert listing(tree) == before


def test_beside_keeps_the_folder_that_it_goes_into(archive, tree, bring_back, tmp_path):
    beside = tmp_path / "beside"
    beside.mkdir(mode=0o711)
    result = bring_back(archive, dest=str(beside))
    assert result.failure is None and result.document["in_place"] is False
    assert [item["what"] for item in result.document["not_restored"]] == ["."]
    before, after = listing(tree), listing(beside)
    assert before.pop(b".") != after.pop(b".")
    assert before == after and stat.S_IMODE(os.stat(str(beside)).st_mode) == 0o711
    assert not bring_back(archive, dest=str(beside)).changed


@pytest.mark.parametrize("mtime", [THEN - 1, THEN, THEN + 1], ids=["older", "same", "newer"])
@pytest.mark.parametrize("overwrite", ["older", "never", "always"])
def test_what_may_replace_what(home, back_up, bring_back, overwrite, mtime):
    archive = back_up(home)["data"]["archive"]
    (home / "one").write_text("ONE")
    (home / "sub" / "two").unlink()
    settle(home, THEN)
    os.utime(str(home / "one"), (mtime, mtime))
    refused = overwrite == "never" or (overwrite == "older" and mtime > THEN)
    for check in (True, False):
        result = bring_back(archive, check=check, overwrite=overwrite)
        assert [item["path"] for item in result.document["refused"]] == (["one", "sub/zz"] if refused else [])
        assert result.document["created"] == ["sub/two"]
        assert ("one" in result.document["replaced"]) is not refused
        assert result.document["status"] == ("incomplete" if refused else "ok")
    assert (home / "one").read_text() == ("ONE" if refused else "one")
    assert (home / "sub" / "two").read_text() == "two"
    if refused:
        assert result.failure.code == "restore_refused"
        assert "one" in result.failure.message and "overwrite: always" in result.failure.message
        assert "\n" not in result.failure.message
    else:
        assert os.path.samefile(str(home / "one"), str(home / "sub" / "zz"))


def a_link(home, elsewhere):
    shutil.rmtree(str(home / "sub"))
    (home / "sub").symlink_to(elsewhere)


def a_file(home, _elsewhere):
    shutil.rmtree(str(home / "sub"))
    (home / "sub").write_text("in the way")
    os.utime(str(home / "sub"), (LATER, LATER))


def a_folder(home, _elsewhere):
    (home / "sub" / "two").unlink()
    (home / "sub" / "two").mkdir()


@pytest.mark.parametrize(
    "make, first, always",
    [(a_link, "sub", "ok"), (a_file, "sub", "ok"), (a_folder, "sub/two", "incomplete")],
)
def test_something_else_in_the_way(home, back_up, bring_back, tmp_path, make, first, always):
    archive = back_up(home)["data"]["archive"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    make(home, elsewhere)
    result = bring_back(archive)
    assert (result.document["status"], result.failure.code) == ("incomplete", "restore_refused")
    assert result.document["refused"][0]["path"] == first
    assert os.listdir(str(elsewhere)) == []
    result = bring_back(archive, overwrite="always")
    assert result.document["status"] == always
    assert os.listdir(str(elsewhere)) == []
    assert (home / "sub" / "two").is_file() is (always == "ok")


def test_a_link_above_what_is_wanted(home, back_up, bring_back, tmp_path):
    archive = back_up(home.parent, paths=["home/sub"])["data"]["archive"]
    moved = tmp_path / "moved"
    home.rename(moved)
    shutil.rmtree(str(moved / "sub"))
    home.symlink_to(moved)
    result = bring_back(archive, overwrite="always")
    assert counts(result) == (0, 0, 0, 3, 0)
    assert "home is a symbolic link" in result.failure.message
    assert not (moved / "sub").exists()


def test_some_paths_and_the_folders_above_them(home, back_up, bring_back):
    (home / "sub").chmod(0o2750)
    settle(home)
    archive = back_up(home.parent, paths=["home"])["data"]["archive"]
    shutil.rmtree(str(home))
    result = bring_back(archive, paths=[str(home / "sub" / "two")])
    assert result.document["created"] == ["home", "home/sub", "home/sub/two"]
    assert stat.S_IMODE(os.stat(str(home / "sub")).st_mode) == 0o2750
    assert not (home / "one").exists()
    # The other name's content lies under a name that is out of scope.
    result = bring_back(archive, paths=["home/sub/zz"])
    assert (result.document["created"], (home / "sub" / "zz").read_text()) == (["home/sub/zz"], "one")
    with pytest.raises(UpkeepError) as caught:
        bring_back(archive, paths=["nowhere"])
    assert caught.value.code == "path_missing"


def test_only_the_blocks_that_are_needed_are_read(tmp_path, back_up, bring_back):
    top = tmp_path / "top"
    top.mkdir()
    for name in ("a", "b"):
        (top / name).write_bytes(os.urandom(3 << 20))
    archive = Path(back_up(top, "a.tar", compression="none")["data"]["archive"])
    good = (top / "b").read_bytes()
    (top / "b").unlink()
    flip(archive, 1 << 20)  # in a
    assert bring_back(archive, paths=["b"]).document["status"] == "ok"
    assert (top / "b").read_bytes() == good


def flip(archive, at):
    with archive.open("r+b") as stream:
        stream.seek(at)
        byte = stream.read(1)
        stream.seek(at)
        stream.write(bytes([byte[0] ^ 1]))


def test_a_damaged_block_leaves_the_old_file(tmp_path, back_up, bring_back):
    top = tmp_path / "top"
    top.mkdir()
    for name in ("a", "b"):
        (top / name).write_bytes(os.urandom(3 << 20))
    os.link(str(top / "a"), str(top / "c"))
    archive = Path(back_up(top, "a.tar", compression="none")["data"]["archive"])
    good = (top / "b").read_bytes()
    for name in ("a", "b"):
        (top / name).write_text("old")
        os.utime(str(top / name), (THEN, THEN))
    flip(archive, 1 << 20)
    result = bring_back(archive)
    assert (result.document["status"], result.failure.code) == ("failed", "archive_damaged")
    assert "a" in [item["path"] for item in result.document["failed"]]
    assert result.document["replaced"] == ["b"] and (top / "b").read_bytes() == good
    assert ((top / "a").read_text(), (top / "c").read_text()) == ("old", "old")
    assert sorted(os.listdir(str(top))) == ["a", "b", "c"]


@pytest.mark.parametrize("survives", [0, 1, 5, 12])
def test_killed_midway_and_run_again(archive, tree, bring_back, survives):
    before = listing(tree)
    shutil.rmtree(str(tree))
    child = os.fork()
    if child == 0:
        left = [survives]
        put = restore_apply.Restorer.put

        def dying(self, entry):
            if not left[0]:
                os._exit(9)  # as SIGKILL would: no clean-up, with a whole file in staging
            left[0] -= 1
            put(self, entry)

        restore_apply.Restorer.put = dying
        restore_in_place.run(restore_in_place.Request(archive))
        os._exit(0)
    assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 9
    result = bring_back(archive)
    assert result.failure is None and result.changed
    assert counts(result)[2] >= survives
    assert listing(tree) == before


def test_a_file_that_changes_meanwhile_is_left_alone(home, back_up, bring_back, monkeypatch):
    archive = back_up(home)["data"]["archive"]
    (home / "sub" / "two").write_text("edited")
    os.utime(str(home / "sub" / "two"), (THEN - 5, THEN - 5))
    run = restore_plan.Planner.run

    def then_somebody_writes(self):
        plan = run(self)
        (home / "sub" / "two").write_text("edited again")
        return plan

    monkeypatch.setattr(restore_plan.Planner, "run", then_somebody_writes)
    result = bring_back(archive)
    assert (result.failure.code, counts(result)[4]) == ("restore_failed", 1)
    assert "changed on this host" in result.failure.message
    assert (home / "sub" / "two").read_text() == "edited again"


def test_a_leftover_of_somebody_else_is_not_used(home, back_up, bring_back):
    if os.geteuid():
        pytest.skip("only root can give files away")
    archive = back_up(home)["data"]["archive"]
    (home / "sub" / "two").unlink()
    trap = home / "sub" / os.fsdecode(restore_plan.STAGING)
    trap.mkdir()
    os.chown(str(trap), 12345, 12345)
    result = bring_back(archive)
    assert result.failure.code == "restore_failed" and "belongs to somebody else" in result.failure.message
    trap.rmdir()
    assert bring_back(archive).failure is None


def test_metadata_alone_is_brought_back(home, back_up, bring_back):
    archive = back_up(home)["data"]["archive"]
    before = listing(home)
    (home / "sub").chmod(0o777)
    (home / "sub" / "two").chmod(0o600)
    os.setxattr(str(home / "sub"), "user.extra", b"1")
    result = bring_back(archive)
    assert result.document["replaced"] == ["sub", "sub/two"] and listing(home) == before


def test_nothing_that_the_archive_does_not_hold_is_removed(home, back_up, bring_back):
    archive = back_up(home)["data"]["archive"]
    (home / "sub" / "mine").write_text("mine")
    assert bring_back(archive).failure is None
    assert (home / "sub" / "mine").read_text() == "mine"


def test_the_diff_lists_paths(home, back_up, bring_back):
    archive = back_up(home)["data"]["archive"]
    (home / "one").unlink()
    (home / "sub" / "two").write_text("twenty")
    os.utime(str(home / "sub" / "two"), (THEN - 1, THEN - 1))
    diff = bring_back(archive, check=True).diff
    assert "one file" not in diff["before"] and "one file" in diff["after"]
    assert "sub/two file 0644 0:0 6 bytes" in diff["before"].replace(f"{os.getuid()}:{os.getgid()}", "0:0")


def test_room_is_asked_for_first(home, back_up, bring_back):
    archive = back_up(home)["data"]["archive"]
    (home / "one").unlink()
    with pytest.raises(UpkeepError) as caught:
        bring_back(archive, require_free=1 << 60)
    assert caught.value.code == "no_space" and not (home / "one").exists()


def test_a_full_disk_ends_it_and_leaves_the_old(small_disk, tmp_path, back_up, bring_back, monkeypatch):
    top = tmp_path / "top"
    top.mkdir()
    for name in ("a", "b"):
        (top / name).write_bytes(os.urandom(1500000))
    archive = back_up(top)["data"]["archive"]
    dest = small_disk / "dest"
    with pytest.raises(UpkeepError) as caught:
        bring_back(archive, dest=str(dest))
    assert caught.value.code == "no_space"
    dest.mkdir(exist_ok=True)
    (dest / "b").write_text("old")
    os.utime(str(dest / "b"), (THEN, THEN))
    monkeypatch.setattr(restore_plan.Planner, "require_room", lambda self, spare: None)
    result = bring_back(archive, dest=str(dest))
    assert (result.failure.code, result.document["created"]) == ("no_space", ["a"])
    assert (dest / "b").read_text() == "old" and sorted(os.listdir(str(dest))) == ["a", "b"]


def test_device_nodes_are_asked_for(tmp_path, back_up, bring_back):
    top = tmp_path / "top"
    top.mkdir()
    try:
        os.mknod(str(top / "null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this user makes no device nodes")
    archive = back_up(top)["data"]["archive"]
    assert bring_back(archive).document["status"] == "ok"
    (top / "null").unlink()
    result = bring_back(archive)
    assert result.failure.code == "restore_refused" and "devices: true" in result.failure.message
    assert bring_back(archive, devices=True).failure is None
    assert os.stat(str(top / "null")).st_rdev == os.makedev(1, 3)


def test_without_root(archive, tree, as_nobody, open_dir, bring_back):
    shutil.copy(archive, str(open_dir))
    shutil.copy(archive + manifest.SUFFIX, str(open_dir))
    copy, dest = open_dir / os.path.basename(archive), open_dir / "dest"
    os.chmod(str(copy), 0o644)
    os.chmod(str(copy) + manifest.SUFFIX, 0o644)
    result = as_nobody(lambda: bring_back(copy, dest=str(dest)))
    assert (result.failure, result.document["status"]) == (None, "ok")
    assert "owner and group of every entry" in [item["what"] for item in result.document["not_restored"]]
    assert (dest / "small").read_bytes() == (tree / "small").read_bytes()
    assert not as_nobody(lambda: bring_back(copy, dest=str(dest))).changed


def test_without_the_manifest_beside(archive, bring_back, tmp_path):
    os.unlink(archive + manifest.SUFFIX)
    with pytest.raises(UpkeepError) as caught:
        bring_back(archive)
    assert caught.value.code == "manifest_missing" and "dest" in caught.value.message
    result = bring_back(archive, dest=str(tmp_path / "beside"))
    assert (result.failure, result.document["archive_sha256"]) == (None, None)


def test_a_dest_that_cannot_be(archive, bring_back, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(UpkeepError) as caught:
            bring_back(archive, dest=str(tmp_path / name))
        assert caught.value.code == "dest_not_a_folder"
    beside = tmp_path / "beside"
    beside.mkdir()
    fd = os.open(str(beside), os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with pytest.raises(UpkeepError) as caught:
            bring_back(archive, dest=str(beside))
        assert caught.value.code == "dest_locked"
    finally:
        os.close(fd)


def test_check_mode_writes_nothing(archive, bring_back, tmp_path):
    before = listing(tmp_path)
    result = bring_back(archive, check=True, dest=str(tmp_path / "deep" / "beside"))
    assert result.changed and listing(tmp_path) == before


def test_an_incomplete_backup_is_never_an_ok_restore(home, back_up, bring_back, as_nobody, monkeypatch):
    archive = back_up(home)["data"]["archive"]
    entries = manifest.Manifest.entries

    def as_read(self):
        for entry in entries(self):
            if entry.path == b"one":
                entry.state = "changed"
            yield entry

    monkeypatch.setattr(manifest.Manifest, "entries", as_read)
    result = bring_back(archive)
    assert (result.document["status"], result.failure.code) == ("incomplete", "restore_incomplete")


def test_inherited_acls_do_not_stick(home, back_up, bring_back):
    acl = bytes.fromhex("0200000001000700ffffffff02000700e803000004000500ffffffff10000700ffffffff20000500ffffffff")
    archive = back_up(home)["data"]["archive"]
    before = listing(home)
    (home / "sub" / "two").unlink()
    try:
        os.setxattr(str(home / "sub"), "system.posix_acl_default", acl)
    except OSError:
        pytest.skip("this file system has no ACLs")
    result = bring_back(archive)
    assert result.failure is None and listing(home) == before
