# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Zstandard through ctypes: one frame a block, then a seek table in a skippable frame.

Frames carry their size and checksum. The seek table is the one of zstd's contrib/seekable_format (without checksums).
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from functools import lru_cache
from typing import BinaryIO, Iterator, Optional

from .model import BLOCK_SIZE

name = "zst"
suffixes = (".tar.zst", ".tzst")
levels = range(1, 20)
default_level = 3
magic = b"\x28\xb5\x2f\xfd"
needs_crc = False

LIBRARY = "libzstd.so.1"
_COMPRESSION_LEVEL, _CHECKSUM_FLAG = 100, 201  # ZSTD_cParameter, stable since 1.4
_SKIPPABLE_MAGIC = 0x184D2A5E
_SEEKABLE_MAGIC = 0x8F92EAB1
_local = threading.local()


class _Context:
    """A compression or decompression context and its output buffer: one a thread, freed with the thread."""

    def __init__(self, create, free, room: int) -> None:
        self.pointer = ctypes.c_void_p(create())
        self._free = free
        self.buffer = ctypes.create_string_buffer(room)

    def __del__(self) -> None:
        self._free(self.pointer)


@lru_cache(maxsize=1)
def _library() -> Optional[ctypes.CDLL]:
    try:
        lib = ctypes.CDLL(LIBRARY)
        size, pointer = ctypes.c_size_t, ctypes.c_void_p
        for function, result, arguments in (
            ("ZSTD_createCCtx", pointer, []),
            ("ZSTD_freeCCtx", size, [pointer]),
            ("ZSTD_CCtx_setParameter", size, [pointer, ctypes.c_int, ctypes.c_int]),
            ("ZSTD_compress2", size, [pointer, pointer, size, ctypes.c_char_p, size]),
            ("ZSTD_compressBound", size, [size]),
            ("ZSTD_createDCtx", pointer, []),
            ("ZSTD_freeDCtx", size, [pointer]),
            ("ZSTD_decompressDCtx", size, [pointer, pointer, size, ctypes.c_char_p, size]),
            ("ZSTD_isError", ctypes.c_uint, [size]),
            ("ZSTD_getErrorName", ctypes.c_char_p, [size]),
            ("ZSTD_versionString", ctypes.c_char_p, []),
        ):
            getattr(lib, function).restype = result
            getattr(lib, function).argtypes = arguments
    except (OSError, AttributeError):  # missing, or older than 1.4
        return None
    return lib


def unavailable() -> str:
    return "" if _library() else f"{LIBRARY} (1.4 or newer) is not installed"


def library() -> str:
    lib = _library()
    return "libzstd " + lib.ZSTD_versionString().decode("ascii") if lib else ""


def header() -> bytes:
    return b""


def compress(raw: bytes, level: int) -> bytes:
    """One block as one frame."""
    lib = _library()
    context = getattr(_local, "compressor", None)
    if context is None:
        context = _local.compressor = _Context(
            lib.ZSTD_createCCtx, lib.ZSTD_freeCCtx, lib.ZSTD_compressBound(BLOCK_SIZE)
        )
        lib.ZSTD_CCtx_setParameter(context.pointer, _CHECKSUM_FLAG, 1)
    lib.ZSTD_CCtx_setParameter(context.pointer, _COMPRESSION_LEVEL, level)
    size = lib.ZSTD_compress2(context.pointer, context.buffer, len(context.buffer), raw, len(raw))
    if lib.ZSTD_isError(size):
        raise OSError(f"zstd: {lib.ZSTD_getErrorName(size).decode()}")
    return ctypes.string_at(context.buffer, size)


def decompress(stored: bytes, size: int) -> bytes:
    """The frame's `size` bytes. ValueError when it does not unpack to exactly that."""
    lib = _library()
    context = getattr(_local, "decompressor", None)
    if context is None:
        context = _local.decompressor = _Context(lib.ZSTD_createDCtx, lib.ZSTD_freeDCtx, BLOCK_SIZE)
    if size > len(context.buffer):
        raise ValueError(f"it claims more than {BLOCK_SIZE} bytes")
    got = lib.ZSTD_decompressDCtx(context.pointer, context.buffer, size, stored, len(stored))
    if lib.ZSTD_isError(got):
        raise ValueError(f"it does not unpack ({lib.ZSTD_getErrorName(got).decode()})")
    if got != size:
        raise ValueError(f"it does not unpack to its {size} bytes")
    return ctypes.string_at(context.buffer, size)


def trailer(_crc: int, _total: int, blocks: list) -> bytes:
    """The seek table for `blocks`, a list of (stored, raw) sizes."""
    table = b"".join(struct.pack("<II", stored, size) for stored, size in blocks)
    body = table + struct.pack("<IBI", len(blocks), 0, _SEEKABLE_MAGIC)
    return struct.pack("<II", _SKIPPABLE_MAGIC, len(body)) + body


def stream(source: BinaryIO) -> Iterator[bytes]:
    """All raw bytes in order, found through the seek table. ValueError when anything does not fit."""
    end = source.seek(0, os.SEEK_END)
    if end < 17:
        raise ValueError("it is cut short")
    source.seek(end - 9)
    count, descriptor, seekable = struct.unpack("<IBI", source.read(9))
    start = end - 17 - 8 * count
    if seekable != _SEEKABLE_MAGIC or descriptor or start < 0:
        raise ValueError("its seek table is missing: it is cut short or not of this format")
    source.seek(start)
    if struct.unpack("<II", source.read(8)) != (_SKIPPABLE_MAGIC, 8 * count + 9):
        raise ValueError("its seek table is damaged")
    position, table = 0, start + 8
    for number in range(count):
        source.seek(table + 8 * number)
        stored, size = struct.unpack("<II", source.read(8))
        if size > BLOCK_SIZE or stored > 2 * BLOCK_SIZE or position + stored > start:
            raise ValueError(f"its seek table is damaged at block {number}")
        source.seek(position)
        try:
            yield decompress(source.read(stored), size)
        except ValueError as error:
            raise ValueError(f"block {number}: {error}")
        position += stored
    if position != start:
        raise ValueError("its seek table does not cover it")
