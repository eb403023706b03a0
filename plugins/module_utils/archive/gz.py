# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""gzip (RFC 1952) as ONE member, cut in blocks by full flushes: blocks deflate and inflate independently of each other.

Several members would be simpler, but Python's `tarfile` in `r|gz` mode and others stop after the first.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO, Iterator

from .model import BLOCK_SIZE

name = "gz"
suffixes = (".tar.gz", ".tgz")
levels = range(0, 10)
default_level = 6
magic = b"\x1f\x8b"

_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # deflate, no name, no time, unknown system: nothing that differs by run
_FINAL_BLOCK = b"\x03\0"
needs_crc = True

_CELL = 1 << 15  # the grain in which noise is told from the rest: as far back as deflate can refer


def unavailable() -> str:
    """Why this codec cannot be used here; empty when it can."""
    return ""


def library() -> str:
    """The compressor that the bytes depend on, for `tool`."""
    return "zlib " + zlib.ZLIB_RUNTIME_VERSION


def header() -> bytes:
    return _HEADER


def compress(raw: bytes, level: int) -> bytes:
    """One block, ending on a byte boundary with an empty dictionary behind it.

    What looks like noise (pictures, packages, keys, archives) is stored, not tried: deflate spends as long on it as on
    text, to no end. What follows it loses nothing: what stands before it is out of deflate's reach.
    """
    noise = [level > 0 and _is_noise(raw, at) for at in range(0, len(raw), _CELL)]
    if True not in noise:
        return _deflated(raw, level)
    parts, start = [], 0
    for number, noisy in enumerate(noise):
        end = min((number + 1) * _CELL, len(raw))
        if number + 1 < len(noise) and noise[number + 1] == noisy:
            continue
        parts.append(_stored(raw, start, end) if noisy else _deflated(raw[start:end], level))
        start = end
    return b"".join(parts)


def _is_noise(raw: bytes, at: int) -> bool:
    """By three looks, each only where the one before leaves it open: nearly all bytes go by at the first."""
    if len(set(raw[at : at + 256])) < 130 or len(raw) - at < _CELL:
        return False
    if len(set(raw[at : at + _CELL : 31])) < 249:
        return False
    middle = at + _CELL // 2
    return len(zlib.compress(raw[middle : middle + 4096], 1)) >= 4096


def _deflated(raw: bytes, level: int) -> bytes:
    engine = zlib.compressobj(level, zlib.DEFLATED, -15)
    return engine.compress(raw) + engine.flush(zlib.Z_FULL_FLUSH)


def _stored(raw: bytes, start: int, end: int) -> bytes:
    """Stored blocks (RFC 1951, 3.2.4): five bytes before up to 65,535 each."""
    parts = []
    for at in range(start, end, 0xFFFF):
        size = min(0xFFFF, end - at)
        parts += [struct.pack("<BHH", 0, size, size ^ 0xFFFF), raw[at : at + size]]
    return b"".join(parts)


def decompress(stored: bytes, size: int) -> bytes:
    """The block's `size` bytes. ValueError when it does not inflate to exactly that."""
    engine = zlib.decompressobj(-15)
    try:
        raw = engine.decompress(stored, size + 1)
    except zlib.error as error:
        raise ValueError(f"it does not inflate ({error})")
    if len(raw) != size or engine.unconsumed_tail or engine.eof:
        raise ValueError(f"it does not inflate to its {size} bytes")
    return raw


def trailer(crc: int, total: int, _blocks: list) -> bytes:
    """What ends the file, given the CRC-32 and length of all raw bytes."""
    return _FINAL_BLOCK + struct.pack("<II", crc, total & 0xFFFFFFFF)


def stream(source: BinaryIO) -> Iterator[bytes]:
    """All raw bytes in order, without an index. ValueError when the file is damaged, cut short or has more behind."""
    if source.read(len(_HEADER)) != _HEADER:
        raise ValueError("it does not start with this format's gzip header")
    source.seek(0)
    engine = zlib.decompressobj(31)
    try:
        while not engine.eof:
            stored = engine.unconsumed_tail or source.read(1 << 16)
            if not stored:
                raise ValueError("it is cut short")
            raw = engine.decompress(stored, BLOCK_SIZE)
            if raw:
                yield raw
    except zlib.error as error:
        raise ValueError(f"it does not inflate near byte {source.tell()} ({error})")
    if engine.unused_data or source.read(1):
        raise ValueError("there are bytes behind its end")
