# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Back up, extract, compare: any tree comes back as it was."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import (
    backup,
    manifest,
    reader,
    restore,
    verify,
    zst,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize("dest", ["a.tar.gz", "a.tar.zst", "a.tar"])
@pytest.mark.parametrize("beside", [True, False])
def test_one_of_everything(tree, back_up, restore_test, tmp_path, valid, dest, beside):
    if dest.endswith("zst") and zst.unavailable():
        pytest.skip(zst.unavailable())
    data = back_up(tree, dest)["data"]
    if not beside:
        os.unlink(data["manifest"])
    result = restore_test(data["archive"], mode="extract", dest=str(tmp_path / "there"), keep=True)
    document = result.document
    valid("restore", document)
    assert result.failure is None and document["status"] == "ok" and result.changed
    assert document["entries_verified"] == document["entries_expected"] == data["entries"]
    assert (document["files_verified"], document["bytes_verified"]) == (data["files"], data["input_bytes"])
    assert [item["what"] for item in document["not_checked"]] == (
        ["."] if beside else ["the manifest beside the archive", "the archive file's own hash", "."]
    )
    assert os.stat(str(tmp_path / "there")).st_mode & 0o7777 == 0o700
    again = backup.Request("set", ["."], str(tmp_path / "again" / dest), root=str(tmp_path / "there"))
    os.unlink(str(tmp_path / "there" / ".upkeep-restore"))
    os.chmod(str(tmp_path / "there"), os.stat(str(tree)).st_mode & 0o7777)
    os.utime(str(tmp_path / "there"), ns=(0, os.stat(str(tree)).st_mtime_ns))
    assert backup.run(again)["data"]["sha256"] == data["sha256"]  # byte for byte the same archive again


def test_as_an_ordinary_user(open_dir, as_nobody):
    top = open_dir / "top"
    top.mkdir()
    (top / "file").write_text("x")
    (top / "locked").mkdir()
    (top / "locked" / "below").write_text("y")
    (top / "locked").chmod(0o555)

    def run():
        backup.run(backup.Request("set", ["top"], str(open_dir / "a.tar.gz"), root=str(open_dir)))
        there = str(open_dir / "there")
        return restore.run(restore.Request(str(open_dir / "a.tar.gz"), mode="extract", dest=there)).document

    document = as_nobody(run)
    assert document["status"] == "ok", document["failures"]
    assert not (open_dir / "there").exists()
    if os.geteuid() == 0:
        assert document["not_checked"] == [
            {"what": "owner and group of every entry", "why": "only root can restore it"}
        ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices and give files away")
def test_devices_and_owners(tmp_path, back_up, restore_test):
    top = tmp_path / "top"
    top.mkdir()
    try:
        os.mknod(str(top / "null"), 0o20666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this environment forbids device nodes")
    (top / "owned").write_text("x")
    os.chown(str(top / "owned"), 3000000000, 3000000001)
    archive = back_up(top)["data"]["archive"]
    there = str(tmp_path / "there")
    plain = restore_test(archive, mode="extract", dest=there).document
    assert plain["status"] == "ok" and plain["not_checked"][0]["what"] == "null"
    asked = restore_test(archive, mode="extract", dest=there, devices=True, keep=True).document
    assert asked["status"] == "ok" and [item["what"] for item in asked["not_checked"]] == ["."]
    assert os.stat(there + "/null").st_rdev == os.makedev(1, 3) and os.stat(there + "/owned").st_uid == 3000000000


NAMES = st.binary(min_size=1, max_size=60).filter(
    lambda name: (
        b"/" not in name and b"\0" not in name and name not in (b".", b"..") and not name.startswith(b".upkeep")
    )
)
NODES = st.recursive(
    st.one_of(
        st.tuples(st.just("file"), st.binary(max_size=3000), st.sampled_from([0o600, 0o644, 0o4755])),
        st.tuples(st.just("link"), st.binary(min_size=1, max_size=200).filter(lambda t: b"\0" not in t)),
        st.tuples(st.just("hole"), st.integers(4096, 200000), st.integers(0, 5000)),
        st.tuples(st.just("fifo")),
        st.tuples(st.just("again")),
    ),
    lambda below: st.dictionaries(NAMES, below, max_size=4).map(lambda names: ("folder", names)),
    max_leaves=12,
)


def build(path, node, first):
    kind = node[0]
    if kind == "folder":
        os.mkdir(path)
        for name, below in node[1].items():
            build(path + b"/" + name, below, first)
        os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    elif kind == "link":
        os.symlink(node[1], path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "again" and first:
        os.link(first[0], path)
    else:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        if kind == "file":
            os.write(fd, node[1])
            os.fchmod(fd, node[2])
        elif kind == "hole":
            os.lseek(fd, node[1], os.SEEK_SET)
            os.write(fd, b"d" * node[2])
            os.ftruncate(fd, node[1] + 2 * node[2])
        os.close(fd)
        first[:] = first or [path]


@pytest.mark.long
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(NAMES, NODES, max_size=5), st.sampled_from(["a.tar.gz", "a.tar"]))
def test_any_tree(names, dest):
    folder = tempfile.mkdtemp()
    try:
        build(os.fsencode(folder) + b"/top", ("folder", names), [])
        archive = folder + "/" + dest
        backup.run(backup.Request("set", ["top"], archive, root=folder))
        document = restore.run(
            restore.Request(archive, mode="extract", dest=folder + "/there", compare="live")
        ).document
        assert document["status"] == "ok", document["failures"]
        assert not backup.run(backup.Request("set", ["top"], archive, root=folder))["changed"]
    finally:
        shutil.rmtree(folder)


def test_one_entry_is_read_without_what_stands_before_it(tree, back_up):
    data = back_up(tree, "a.tar.gz")["data"]
    archive = verify.open_archive(data["archive"], None, verify.Findings())
    try:
        entries = {entry.path: entry for entry in archive.manifest.entries()}

        def content(path):
            parts = reader.read_entry(archive.fd, archive.codec, archive.manifest.index, entries[path])
            return b"".join(parts)

        assert content(b"big") == (tree / "big").read_bytes()
        assert content(b"sub.txt") == (tree / "sub.txt").read_bytes()
        assert content(b"empty") == b""
        with pytest.raises(Exception, match="is a link to small"):
            content(b"zz-hard")
    finally:
        archive.close()


def test_the_manifest_is_read_as_a_stream(tree, back_up):
    known = manifest.load(back_up(tree)["data"]["manifest"])
    assert iter(known.entries()) is not None and len(list(known.entries())) == known.closing["entries"]
