# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The closing line of a manifest, read from the end of its file: what an archive is, without reading what it holds.

A manifest is gzip cut by full flushes, so what follows a flush inflates by itself. What is read here was checked when
it was written, and is checked again, whole, by whoever restores; for a list of archives it is enough.
"""

from __future__ import annotations

import os
import zlib
from typing import Any, Dict

from . import gz, manifest
from ._lines import END_START

_FLUSHED = b"\0\0\xff\xff"
_TRAILER = 10  # an empty last block, CRC-32, length
_TAILS = (1 << 16, 1 << 22)  # the closing line stands in a block of its own; in older manifests among others


def closing_of(path: str) -> Dict[str, Any]:
    """The closing line of the manifest beside an archive. Raises like `manifest.load`, and OSError."""
    with open(path, "rb") as stream:  # noqa: PTH123
        size = os.fstat(stream.fileno()).st_size
        if stream.read(len(gz.header())) != gz.header():
            raise manifest.damaged(path, "it is not a manifest's gzip file")
        for length in _TAILS:
            stream.seek(max(len(gz.header()), size - length))
            found = _last_line(stream.read(), whole=size - length <= len(gz.header()))
            if found.startswith(END_START):
                try:
                    return manifest.parse_closing(found)
                except manifest.UNUSABLE as error:
                    raise manifest.damaged(path, str(error) or type(error).__name__)
            if size <= length:
                break
    return manifest.load(path).closing


def _last_line(tail: bytes, whole: bool) -> bytes:
    """From the last place where inflating can start and gives all of the last line; empty where there is none."""
    at = len(tail) - _TRAILER - len(_FLUSHED)
    while at > 0:
        at = tail.rfind(_FLUSHED, 0, at)
        begin = at + len(_FLUSHED) if at >= 0 else 0
        if at < 0 and not whole:
            return b""
        engine = zlib.decompressobj(-15)
        try:
            lines = engine.decompress(tail[begin:])
        except zlib.error:  # these bytes stood in the middle of a block
            continue
        if engine.eof and len(engine.unused_data) == 8 and lines.endswith(b"\n"):
            before, newline, last = lines[:-1].rpartition(b"\n")
            del before
            if newline or last.startswith(END_START):
                return last
    return b""
