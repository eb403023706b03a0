# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What packs a file makes no difference to what is read of it; a cut is seen in each."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import shutil
import struct
import subprocess
import tarfile
import zlib

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import compressed

# Larger than every buffer on its way, and half of it does not compress.
CONTENT = random.Random(1).randbytes(300_000) + b"advisory " * 40_000
CUT = (EOFError, OSError, lzma.LZMAError, zlib.error, ValueError)


def zst(content):
    if not shutil.which("zstd"):
        pytest.skip("needs the program zstd (package zstd)")
    return subprocess.run(["zstd", "-q", "--check"], input=content, capture_output=True, check=True).stdout


def skippable(content):
    return struct.pack("<II", 0x184D2A50, len(content)) + content


PACKERS = {
    "feed.json": bytes,
    "feed.json.gz": gzip.compress,
    "feed.json.xz": lzma.compress,
    "feed.json.bz2": bz2.compress,
    "feed.json.zst": zst,
}


@pytest.mark.parametrize("name", PACKERS)
def test_what_is_packed_is_read(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(PACKERS[name](CONTENT))
    with compressed.opened(file) as stream:
        assert stream.read(10) == CONTENT[:10] and stream.read() == CONTENT[10:]
    magic = compressed.MAGIC.get(file.suffix, b"")
    assert file.read_bytes().startswith(magic)


@pytest.mark.parametrize("name", [name for name in PACKERS if name != "feed.json"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.999])
def test_a_cut_is_seen(tmp_path, name, part):
    file = tmp_path / name
    packed = PACKERS[name](CONTENT)
    file.write_bytes(packed[: int(len(packed) * part)])
    with pytest.raises(CUT), compressed.opened(file) as stream:
        stream.read()


def test_zst_of_several_frames_and_what_lies_between(tmp_path):
    file = tmp_path / "x.zst"
    file.write_bytes(zst(b"one ") + skippable(b"not this") + zst(b"") + zst(CONTENT) + skippable(b""))
    with compressed.opened(file) as stream:
        assert stream.read() == b"one " + CONTENT
    file.write_bytes(zst(b"one") + b"and no frame")
    with pytest.raises(ValueError, match="zstd: "), compressed.opened(file) as stream:
        stream.read()
    file.write_bytes(b"")
    with compressed.opened(file) as stream:
        assert stream.read() == b""


def test_zst_with_a_flipped_byte(tmp_path):
    file = tmp_path / "x.zst"
    packed = bytearray(zst(CONTENT))
    packed[len(packed) // 2] ^= 1
    file.write_bytes(packed)
    with pytest.raises(ValueError, match="zstd: "), compressed.opened(file) as stream:
        stream.read()


def packed_tar(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("link.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


def test_documents_of_an_archive(tmp_path, monkeypatch):
    file = tmp_path / "x.tar.gz"
    packed_tar(file, [("a/b.json", b"{}"), ("README", b"no"), ("../../c.json", b"[]")])
    assert list(compressed.documents(file)) == [("a/b.json", b"{}"), ("../../c.json", b"[]")]
    monkeypatch.setattr(compressed, "_MEMBER_LIMIT", 1)
    with pytest.raises(ValueError, match=r"a/b\.json has 2 bytes"):
        list(compressed.documents(file))


def test_an_archive_whose_checksum_is_wrong(tmp_path):
    file = tmp_path / "x.tar.gz"
    packed_tar(file, [("a.json", b"{}")])
    content = bytearray(file.read_bytes())
    content[-6] ^= 1
    file.write_bytes(content)
    with pytest.raises(OSError):
        list(compressed.documents(file))
