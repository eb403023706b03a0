# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No compression: blocks are stored as they are."""

from __future__ import annotations

from typing import BinaryIO, Iterator

from .model import BLOCK_SIZE

name = "none"
suffixes = (".tar",)
levels = range(0, 1)
default_level = 0
magic = b""
needs_crc = False


def unavailable() -> str:
    return ""


def library() -> str:
    return "none"


def header() -> bytes:
    return b""


def compress(raw: bytes, _level: int) -> bytes:
    return raw


def decompress(stored: bytes, size: int) -> bytes:
    if len(stored) != size:
        raise ValueError(f"it does not hold its {size} bytes")
    return stored


def trailer(_crc: int, _total: int, _blocks: list) -> bytes:
    return b""


def stream(source: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: source.read(BLOCK_SIZE), b"")
