# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Damage of any kind is found, named, and never a traceback."""

from __future__ import annotations

import os
import random
import shutil

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import manifest, zst


@pytest.fixture
def small(tmp_path, back_up):
    """An archive of some 20 KB, with text and noise."""
    top = tmp_path / "top"
    (top / "sub").mkdir(parents=True)
    noise = random.Random(1)
    for number in range(12):
        (top / "sub" / f"f{number}").write_bytes(bytes(noise.randrange(256) for _byte in range(1200)))
    (top / "text").write_text("text\n" * 300)
    os.symlink("text", str(top / "link"))

    def make(dest):
        if dest.endswith("zst") and zst.unavailable():
            pytest.skip(zst.unavailable())
        return back_up(top, dest)["data"]

    return make


def checked(result):
    """The failure of a failed test, which must have one line and a code."""
    assert result.failure is not None and result.document["status"] == "failed"
    assert result.failure.code and "\n" not in result.failure.message and len(result.failure.message) < 600
    return result.failure


@pytest.mark.long
@pytest.mark.parametrize("dest", ["a.tar.gz", "a.tar.zst"])
def test_a_flipped_bit_anywhere(small, restore_test, dest):
    """Each byte in both ends, and a spread of those between; all of them with UPKEEP_TESTS_EXHAUSTIVE=1 (minutes)."""
    step = 1 if os.environ.get("UPKEEP_TESTS_EXHAUSTIVE") else 41
    data = small(dest)
    with open(data["archive"], "r+b") as stream:  # noqa: PTH123
        good = stream.read()
        assert 10000 < len(good) < 30000
        ends = [*range(40), *range(len(good) - 60, len(good))]
        for position in sorted({*ends, *range(0, len(good), step)}):
            bit = 1 << position % 8
            stream.seek(position)
            stream.write(bytes([good[position] ^ bit]))
            stream.flush()
            failure = checked(restore_test(data["archive"], threads=1))
            assert failure.code == "archive_damaged", (position, failure.message)
            stream.seek(position)
            stream.write(good[position : position + 1])
            stream.flush()
    assert restore_test(data["archive"]).document["status"] == "ok"


@pytest.mark.parametrize("dest", ["a.tar.gz", "a.tar.zst", "a.tar"])
@pytest.mark.parametrize("beside", [True, False])
def test_cut_short_anywhere(small, restore_test, dest, beside):
    data = small(dest)
    size = data["bytes"]
    if not beside:
        os.unlink(data["manifest"])
    for length in sorted({0, 1, 9, 10, 11, size - 1, size - 8, size - 9, *range(0, size, size // 40)}):
        copy = data["archive"] + ".cut-" + dest
        shutil.copy(data["archive"], copy)
        os.truncate(copy, length)
        if beside:
            shutil.copy(data["manifest"], copy + manifest.SUFFIX)
        failure = checked(restore_test(copy))
        assert failure.code in ("archive_damaged", "archive_unreadable"), (length, failure.message)


@pytest.mark.parametrize("dest", ["a.tar.gz", "a.tar.zst", "a.tar"])
def test_more_bytes_behind_the_end(small, restore_test, dest):
    data = small(dest)
    with open(data["archive"], "ab") as stream:  # noqa: PTH123
        stream.write(b"\0" * 512)
    assert checked(restore_test(data["archive"])).code == "archive_damaged"
    os.unlink(data["manifest"])
    assert checked(restore_test(data["archive"])).code in ("archive_damaged", "archive_unreadable")


@pytest.mark.parametrize("dest", ["a.tar.gz", "a.tar.zst", "a.tar"])
def test_without_its_manifest_no_content_changes_unseen(small, restore_test, dest):
    """The embedded manifest alone finds every flip that changes what the archive holds."""
    data = small(dest)
    os.unlink(data["manifest"])
    with open(data["archive"], "r+b") as stream:  # noqa: PTH123
        good = stream.read()
        for position in range(0, len(good), 97):
            stream.seek(position)
            stream.write(bytes([good[position] ^ 0x55]))
            stream.flush()
            checked(restore_test(data["archive"]))
            stream.seek(position)
            stream.write(good[position : position + 1])
            stream.flush()


def test_a_damaged_manifest(small, restore_test):
    data = small("a.tar.gz")
    with open(data["manifest"], "r+b") as stream:  # noqa: PTH123
        good = stream.read()
        for position in range(10, len(good) - 8, 13):
            stream.seek(position)
            stream.write(bytes([good[position] ^ 0x55]))
            stream.flush()
            assert checked(restore_test(data["archive"])).code == "manifest_damaged"
            stream.seek(position)
            stream.write(good[position : position + 1])
            stream.flush()
    for length in (0, 5, 10, 500, len(good) - 1):
        copy = data["manifest"] + ".cut"
        shutil.copy(data["manifest"], copy)
        os.truncate(copy, length)
        assert checked(restore_test(data["archive"], manifest=copy)).code == "manifest_damaged"


def test_the_other_blocks_are_verified_all_the_same(tree, back_up, restore_test, tmp_path, valid):
    noise = random.Random(2)
    for name in ("aaa", "mmm", "yyy"):
        (tree / name).write_bytes(bytes(noise.getrandbits(8) for _byte in range(1500000)))
    data = back_up(tree)["data"]
    block = manifest.load(data["manifest"]).index[1]
    with open(data["archive"], "r+b") as stream:  # noqa: PTH123
        stream.seek(block.at + block.stored // 2)
        stream.write(b"damage")
    result = restore_test(data["archive"], mode="extract", dest=str(tmp_path / "there"), keep=True)
    failure, document = checked(result), result.document
    valid("restore", document)
    assert failure.code == "archive_damaged" and "entry aaa" in failure.message and "block 1" in failure.message
    assert document["damaged_blocks"] == [1]
    assert {item["block"] for item in document["damage"]} == {1}
    assert "aaa" in document["corrupt_files"] and "yyy" not in document["corrupt_files"]
    assert document["entries_verified"] == document["entries_expected"] - len(document["damage"])
    assert (tmp_path / "there" / "yyy").read_bytes() == (tree / "yyy").read_bytes()
    assert not (tmp_path / "there" / "aaa").exists()  # nothing half restored


def test_a_manifest_of_another_archive(tree, small, back_up, restore_test):
    first, second = small("a.tar.gz"), back_up(tree, "b.tar.gz")["data"]
    for given in ({"manifest": second["manifest"]}, {}):
        if not given:
            shutil.copy(second["manifest"], first["manifest"])
        failure = checked(restore_test(first["archive"], **given))
        assert failure.code == "manifest_mismatch"


def test_yesterdays_manifest(tree, back_up, restore_test, tmp_path):
    first = back_up(tree)["data"]
    shutil.copy(first["manifest"], str(tmp_path / "yesterday"))
    (tree / "zzzz").write_text("one more file at the end")
    second = back_up(tree)["data"]
    assert checked(restore_test(second["archive"], manifest=str(tmp_path / "yesterday"))).code == "manifest_mismatch"


@pytest.mark.parametrize(
    "content, code",
    [(b"", "archive_unreadable"), (b"no archive at all", "archive_unreadable"), (None, "archive_missing")],
)
def test_what_is_no_archive(tmp_path, restore_test, content, code, valid):
    path = tmp_path / "a.tar.gz"
    if content is not None:
        path.write_bytes(content)
    result = restore_test(path)
    assert checked(result).code == code
    valid("restore", result.document)


@pytest.mark.parametrize("maker", ["gzip", "tarfile", "folder", "fifo"])
def test_archives_of_others(tmp_path, restore_test, maker):
    import gzip
    import tarfile

    path = tmp_path / "a.tar.gz"
    if maker == "gzip":
        path.write_bytes(gzip.compress(b"just text"))
    elif maker == "tarfile":
        with tarfile.open(str(path), "w:gz") as tar:
            tar.add("/etc/hostname")
    elif maker == "folder":
        path.mkdir()
    else:
        os.mkfifo(str(path))
    assert checked(restore_test(path)).code == "archive_unreadable"


def test_a_plain_tar_of_others(tmp_path, restore_test):
    import tarfile

    with tarfile.open(str(tmp_path / "a.tar"), "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add("/etc/hostname")
    failure = checked(restore_test(tmp_path / "a.tar"))
    assert failure.code == "archive_unreadable"


def test_zst_where_libzstd_is_missing(small, restore_test, monkeypatch):
    data = small("a.tar.zst")
    monkeypatch.setattr(zst, "_library", lambda: None)
    assert checked(restore_test(data["archive"])).code == "compression_unavailable"
