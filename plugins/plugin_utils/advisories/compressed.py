# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files as streams of what they hold, whatever packs them: .gz, .xz, .bz2 and .zst, by suffix."""

from __future__ import annotations

import bz2
import ctypes
import gzip
import io
import lzma
import tarfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

# What a file of this suffix begins with.
MAGIC = {
    ".gz": b"\x1f\x8b",
    ".xz": b"\xfd7zXZ\x00",
    ".bz2": b"BZh",
    ".zst": b"\x28\xb5\x2f\xfd",
    ".zip": b"PK\x03\x04",
}
_MEMBER_LIMIT = 64 * 2**20  # no document in an archive comes near


def opened(file: Path) -> BinaryIO:
    """What `file` holds, unpacked as it is read. OSError, EOFError, lzma.LZMAError, zlib.error or ValueError."""
    if file.suffix == ".zst":
        return io.BufferedReader(_Zst(file.open("rb")), 2**17)
    unpack: Any = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}.get(file.suffix, open)
    return cast(BinaryIO, unpack(file, "rb"))


def documents(file: Path, suffix: str = ".json") -> Iterator[tuple[str, bytes]]:
    """(name, content) of each such file in a packed tar, in its order; nothing is unpacked to disk.

    tarfile.TarError and what `opened` raises; ValueError for a member that is larger than any document.
    """
    with opened(file) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if not member.isreg() or not member.name.endswith(suffix):
                continue
            if member.size > _MEMBER_LIMIT:
                raise ValueError(f"{member.name} has {member.size} bytes")
            content = archive.extractfile(member)
            if content is not None:
                yield member.name, content.read()
        # tarfile takes the end of a cut file for the end of the archive: only the packing knows better.
        while stream.read(2**20):
            pass


class _Buffer(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer."""

    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("pos", ctypes.c_size_t))


@lru_cache(maxsize=1)
def _libzstd() -> ctypes.CDLL:
    """Until Python 3.14 the standard library has no zstd; the library itself is nearly everywhere."""
    try:
        library = ctypes.CDLL("libzstd.so.1")
    except OSError:
        raise UpkeepError(
            "zstd_missing", "this machine has no libzstd.so.1, which a .zst feed needs: install libzstd1 (libzstd)."
        )
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    for name, result, arguments in (
        ("ZSTD_createDStream", pointer, []),
        ("ZSTD_freeDStream", size, [pointer]),
        ("ZSTD_decompressStream", size, [pointer, ctypes.POINTER(_Buffer), ctypes.POINTER(_Buffer)]),
        ("ZSTD_isError", ctypes.c_uint, [size]),
        ("ZSTD_getErrorName", ctypes.c_char_p, [size]),
    ):
        getattr(library, name).restype, getattr(library, name).argtypes = result, arguments
    return library


class _Zst(io.RawIOBase):
    """The content of a zstd stream, frame after frame."""

    def __init__(self, packed: BinaryIO) -> None:
        self._library = _libzstd()
        self._packed = packed
        self._stream = ctypes.c_void_p(self._library.ZSTD_createDStream())
        self._room = ctypes.create_string_buffer(2**17)
        self._input = _Buffer(ctypes.cast(self._room, ctypes.c_void_p), 0, 0)
        self._open = False  # in the midst of a frame

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        room = (ctypes.c_char * len(target)).from_buffer(target)
        output = _Buffer(ctypes.cast(room, ctypes.c_void_p), len(target), 0)
        while output.pos == 0 and len(target):
            full = False
            if self._input.pos == self._input.size:
                content = self._packed.read(len(self._room))
                full = not content
                ctypes.memmove(self._room, content, len(content))
                self._input.size, self._input.pos = len(content), 0
                if full and not self._open:
                    return 0
            before = self._input.pos
            left = self._library.ZSTD_decompressStream(self._stream, ctypes.byref(output), ctypes.byref(self._input))
            if self._library.ZSTD_isError(left):
                raise ValueError("zstd: " + self._library.ZSTD_getErrorName(left).decode())
            self._open = left != 0
            if full and output.pos == 0 and self._input.pos == before and self._open:
                raise EOFError("zstd: the file ends before its content does")
        return int(output.pos)

    def close(self) -> None:
        if not self.closed:
            self._library.ZSTD_freeDStream(self._stream)
            self._packed.close()
        super().close()
