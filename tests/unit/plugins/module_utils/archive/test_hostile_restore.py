# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives made to do harm, extracted for a test and restored for real: nothing beside the destination is ever touched.

The tricks are those of the CVEs of Python's tarfile (CVE-2007-4559, CVE-2024-12718, CVE-2025-4138, -4330, -4435, -4517,
-8194) and of tar programs before it, with manifests that vouch for them.
"""

from __future__ import annotations

import os
import struct
import tracemalloc

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import (
    _lines,
    embedded,
    gz,
    manifest,
    model,
    plain,
    restore_in_place,
    zst,
)
from ansible_collections.proven.upkeep.plugins.module_utils.archive._tarheader import _ustar, header
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from tests.forge import changed, entry, file, folder, forge, hard, link, listing


@pytest.fixture
def canary(tmp_path):
    """What an archive would like to reach, all around the destination."""
    for name in ("victim", "victim/sub"):
        (tmp_path / name).mkdir()
    for name in ("victim/file", "victim/sub/file", "passwd"):
        (tmp_path / name).write_text("precious")
    os.symlink("victim", str(tmp_path / "to-victim"))
    os.setxattr(str(tmp_path / "passwd"), "user.mark", b"1")
    return tmp_path


@pytest.fixture
def both_ways(canary, restore_test):
    """both_ways(archive, prepare) -> the failures of an extraction and of a restore into `dest`, which `prepare` may
    have filled. Fails when anything around was touched."""

    def run(archive, prepare=None, **more):
        failures = []
        kept = ("scratch", "dest", os.path.basename(archive), os.path.basename(archive) + manifest.SUFFIX)
        before = listing(canary, kept)
        failures.append(restore_test(archive, mode="extract", dest=str(canary / "scratch"), keep=True).failure)
        assert listing(canary, kept) == before
        (canary / "dest").mkdir()
        if prepare is not None:
            prepare(canary / "dest")
        for overwrite in ("older", "always"):
            request = restore_in_place.Request(archive, dest=str(canary / "dest"), overwrite=overwrite, **more)
            try:
                failures.append(restore_in_place.run(request).failure)
            except UpkeepError as error:
                failures.append(error)
            assert listing(canary, kept) == before
        for failure in failures:
            assert failure is None or (failure.code and "\n" not in failure.message and len(failure.message) < 900)
        return failures

    return run


DEEP = b"/".join([b"d" * 240] * 17)  # more than the kernel takes as one path
OUT = [
    [file(b"../passwd")],
    [file(b"a/../../passwd")],
    [file(b"/etc/evil")],
    [folder(b".."), file(b"../passwd")],
    [folder(b"a"), folder(b"a/.."), file(b"a/../passwd")],
    [link(b"a", b".."), file(b"a/passwd")],
    [link(b"a", b"../victim"), folder(b"a/sub"), file(b"a/sub/file")],
    [folder(b"a"), link(b"a", b"../victim"), file(b"a/file")],
    [link(b"a", b"../victim"), folder(b"a"), file(b"a/file")],
    [file(b"a"), file(b"a/b")],
    [hard(b"a", b"../passwd")],
    [hard(b"a", b"/etc/passwd")],
    [file(b"a\0b")],
    [file(b"a/./b")],
    [file(b"")],
    [folder(b"."), file(b"./../passwd")],
]


@pytest.mark.parametrize("entries", OUT, ids=[str(n) for n in range(len(OUT))])
def test_what_leads_out_is_no_manifest(canary, both_ways, entries):
    failures = both_ways(forge(canary / "evil.tar.gz", entries))
    assert [failure.code for failure in failures] == ["manifest_damaged"] * 3


@pytest.mark.parametrize("target", [b"..", b"../victim", b"/"])
def test_a_hard_link_through_a_link(canary, both_ways, target):
    failures = both_ways(forge(canary / "evil.tar.gz", [link(b"a", target), hard(b"b", b"a/passwd")]))
    assert all(failure is not None and "b" in failure.message for failure in failures)
    assert os.stat(str(canary / "passwd")).st_nlink == 1


ONLY_LINKS = [
    [link(b"a", b"../victim"), link(b"b", b"a/sub"), link(b"c", b"b/file")],
    [link(b"a", b"../passwd"), hard(b"b", b"a", mode=0o777)],
    [link(b"A", b"../victim"), folder(b"a"), file(b"a/file")],
    [folder(b"d"), link(b"d/up", b".."), link(b"d/up2", b"up/.."), link(b"d/up3", b"up2/victim")],
    [*[folder(DEEP[: 241 * n - 1]) for n in range(1, 18)], link(DEEP + b"/l", b"../" * 17 + b"../victim")],
]


@pytest.mark.parametrize("entries", ONLY_LINKS, ids=[str(n) for n in range(len(ONLY_LINKS))])
def test_links_are_made_and_never_followed(canary, both_ways, entries):
    assert both_ways(forge(canary / "evil.tar.gz", entries)) == [None, None, None]


def a_linked_folder(dest):
    (dest / "a").symlink_to("../victim")


def a_linked_file(dest):
    (dest / "a").mkdir()
    (dest / "a" / "file").symlink_to("../../passwd")


def a_chain(dest):
    (dest / "x").symlink_to("../victim")
    (dest / "a").symlink_to("x")


def a_hard_link(dest):
    (dest / "a").mkdir()
    os.link(str(dest.parent / "passwd"), str(dest / "a" / "file"))


def a_linked_subfolder(dest):
    (dest / "a").mkdir()
    (dest / "a" / "sub").symlink_to("../../victim")


@pytest.mark.parametrize("prepare", [a_linked_folder, a_linked_file, a_chain, a_linked_subfolder])
def test_links_that_lie_at_the_destination(canary, both_ways, prepare):
    """`overwrite: older` refuses what would go through a link, `always` takes the link away; neither follows it."""
    entries = [folder(b"a"), file(b"a/file"), folder(b"a/sub"), file(b"a/sub/file"), hard(b"b", b"a/file")]
    failures = both_ways(forge(canary / "evil.tar.gz", entries), prepare)
    assert failures[0] is None and failures[1].code == "restore_refused" and failures[2] is None
    assert (canary / "dest" / "a" / "sub" / "file").read_bytes() == b"evil"


def test_a_hard_link_at_the_destination_is_replaced_not_written_through(canary, restore_test):
    (canary / "dest").mkdir()
    a_hard_link(canary / "dest")
    archive = forge(canary / "evil.tar.gz", [folder(b"a"), file(b"a/file", mode=0o4777)])
    restore_in_place.run(restore_in_place.Request(archive, dest=str(canary / "dest"), overwrite="always"))
    assert (canary / "passwd").read_text() == "precious" and os.stat(str(canary / "passwd")).st_mode & 0o7777 == 0o644
    assert (canary / "dest" / "a" / "file").read_bytes() == b"evil"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could make one")
@pytest.mark.parametrize("rdev", [(8, 0), ((1 << 32) - 1, 7), (1 << 21, 1 << 20)])
def test_devices(canary, both_ways, rdev):
    """Not made unless asked for; a number that no device has is refused as such."""
    failures = both_ways(forge(canary / "evil.tar.gz", [(entry(b"sda", "block", rdev=rdev), b""), file(b"z")]))
    codes = [failure and failure.code for failure in failures]
    assert codes == ([None, "restore_refused", "restore_refused"] if rdev == (8, 0) else ["manifest_damaged"] * 3)
    assert not os.path.lexists(str(canary / "dest" / "sda")) and not os.path.lexists(str(canary / "scratch" / "sda"))


@pytest.mark.parametrize(
    "one",
    [link(b"long", b"x" * 5000), file(b"n" * 300), folder(b"n" * 300)],
    ids=["link target", "file name", "folder name"],
)
def test_what_no_kernel_takes_is_named(canary, both_ways, one):
    failures = both_ways(forge(canary / "evil.tar.gz", [file(b"a"), one]))
    assert all(failure is not None and one[0].path[:20].decode() in failure.message for failure in failures)


@pytest.mark.parametrize(
    "sparse", [[[5, -1]], [[-5, 2]], [[0, 2], [1, 2]], [[3, 1], [0, 1]], [[0, 5]], [[1 << 62, 1 << 62]], [[0]], [0], {}]
)
def test_sparse_maps_that_lie(canary, both_ways, sparse):
    def lying(one):
        return changed(_lines.entry_line(one), sparse=sparse)

    archive = forge(canary / "evil.tar.gz", [file(b"a")], line=lying)
    assert {failure.code for failure in both_ways(archive)} <= {"manifest_damaged", "archive_damaged"}


def test_a_bomb_whose_manifest_says_too_little(canary, both_ways, monkeypatch):
    """The room that is asked for goes by `tar_bytes`: what the blocks hold must be that."""
    archive = forge(canary / "evil.tar.gz", [file(b"zeros", bytes(5 << 20))], facts={"tar_bytes": 1024})
    assert [failure.code for failure in both_ways(archive)] == ["manifest_damaged"] * 3


def test_a_manifest_that_is_a_fifo_or_a_device(canary, restore_test):
    """Never waited for."""
    archive = forge(canary / "evil.tar.gz", [file(b"a")])
    os.unlink(archive + manifest.SUFFIX)
    os.mkfifo(archive + manifest.SUFFIX)
    assert restore_test(archive).failure.code == "manifest_damaged"
    assert restore_test(archive, manifest="/dev/zero").failure.code == "manifest_damaged"
    os.unlink(archive + manifest.SUFFIX)
    os.mkfifo(os.path.join(os.path.dirname(archive), ".upkeep-tmp-evil.tar.gz" + manifest.SUFFIX))
    assert restore_test(archive).failure is None


# -- tar streams without a manifest beside them -----------------------------------------------------------------------


def pax(body, size=None):
    top = _ustar(b"././@PaxHeader", 0o644, 0, 0, len(body) if size is None else size, 0, b"x", b"", b"", b"", 0, 0, b"")
    return top + body + bytes(model.padding(len(body)))


STREAMS = {
    "negative size": pax(b"17 size=-1048576\n") + header(entry(b"a")),
    "negative size by base 256": header(entry(b"a"))[:124] + b"\xff" * 12 + header(entry(b"a"))[136:],
    "record of no length": pax(b"0 a=b\n") + header(entry(b"a")),
    "record of negative length": pax(b"-5 a=b\n") + header(entry(b"a")),
    "record past its end": pax(b"999999999999 a=b\n") + header(entry(b"a")),
    "record without a length": pax(b"a=b\n") + header(entry(b"a")),
    "a header of 8 GiB": pax(b"", size=0o77777777777),
    "a file of more than there is": pax(b"25 size=9999999999999999\n") + header(entry(b"a")),
    "nothing but zeros": bytes(1 << 20),
    "headers without end": header(entry(b"a")) * 2000,
    "a manifest of 8 GiB": header(entry(model.EMBEDDED_NAME, mode=0o600, uid=0, gid=0, size=0o77777777777)),
}


@pytest.mark.parametrize("codec", [plain, gz, zst])
@pytest.mark.parametrize("name", list(STREAMS))
def test_streams_of_nonsense(tmp_path, restore_test, name, codec):
    if codec.unavailable():
        pytest.skip(codec.unavailable())
    raw = STREAMS[name]
    blocks = [raw[at : at + (1 << 20)] for at in range(0, len(raw), 1 << 20)]
    stored = [codec.compress(block, codec.default_level) for block in blocks]
    trailer = codec.trailer(gz.zlib.crc32(raw), len(raw), [(len(s), len(b)) for s, b in zip(stored, blocks)])
    path = tmp_path / ("a" + codec.suffixes[0])
    path.write_bytes(codec.header() + b"".join(stored) + trailer)
    failure = restore_test(path).failure
    assert failure.code in ("archive_unreadable", "manifest_damaged") and "\n" not in failure.message


@pytest.mark.skipif(bool(zst.unavailable()), reason="needs libzstd")
def test_frames_that_claim_much(tmp_path, restore_test):
    """A seek table with sizes beyond a block's, and a frame whose window is as large as they come."""
    window = b"\x28\xb5\x2f\xfd" + bytes([0b00000000, 0b11111000]) + b"\x01\x00\x00"
    for stored, raw in ((0xFFFFFFFF, 1), (len(window), 0xFFFFFFFF), (len(window), 1 << 20)):
        table = struct.pack("<II", stored, raw) + struct.pack("<IBI", 1, 0, 0x8F92EAB1)
        (tmp_path / "a.tar.zst").write_bytes(window + struct.pack("<II", 0x184D2A5E, len(table)) + table)
        tracemalloc.start()
        assert restore_test(tmp_path / "a.tar.zst").failure.code == "archive_unreadable"
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 << 20


def test_a_block_of_a_huge_hole(tmp_path):
    """A sparse archive of terabytes costs its author nothing: no more of it is read at once than a block can be."""
    if zst.unavailable():
        pytest.skip(zst.unavailable())
    table = struct.pack("<II", 0xF0000000, 1 << 20) + struct.pack("<IBI", 1, 0, 0x8F92EAB1)
    with open(str(tmp_path / "a.tar.zst"), "wb") as stream:  # noqa: PTH123
        stream.write(b"\x28\xb5\x2f\xfd")
        stream.seek(0xF0000000)
        stream.write(struct.pack("<II", 0x184D2A5E, len(table)) + table)
    tracemalloc.start()
    with pytest.raises(UpkeepError) as caught:
        embedded.find(str(tmp_path / "a.tar.zst"), zst)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == "archive_unreadable" and peak < 16 << 20


def test_a_manifest_larger_than_the_room_there_is_for_it(tmp_path, monkeypatch):
    """It is spooled to the folder for temporary files: that folder must not fill up."""
    archive = forge(tmp_path / "evil.tar.gz", [file(b"a")])
    real = os.statvfs
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result([*real(path)[:4], 0, *real(path)[5:]]))
    with pytest.raises(UpkeepError) as caught:
        embedded.find(archive, gz)
    assert caught.value.code == "archive_unreadable" and "room" in caught.value.message
