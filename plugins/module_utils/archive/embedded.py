# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Finding the manifest that an archive carries inside, without any help from beside it: one pass from the start."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from types import ModuleType
from typing import Any, Dict, Iterator, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import manifest
from .model import EMBEDDED_NAME, END_OF_TAR, RECORD, padding
from .writer import embedded_header

_MAX_PAX = 1 << 26


def find(path: str, codec: ModuleType) -> manifest.Manifest:
    """The embedded manifest of the archive at `path`, which is proven to fit the tar bytes before it.

    Raises UpkeepError `archive_unreadable`, `manifest_damaged`.
    """
    with open(path, "rb") as source:  # noqa: PTH123
        tar = _Tar(codec.stream(source))
        try:
            spool, sha, start = _spool(tar)
        except (ValueError, OSError) as error:
            raise UpkeepError("archive_unreadable", f"The archive {path} cannot be read: {error}.", archive=path)
    try:
        found = manifest.load(f"inside {path}", spool)
        if found.closing["tar_bytes"] != start or found.closing["tar_sha256"] != sha:
            raise manifest.damaged(f"inside {path}", "the bytes before it are not those that it describes")
    except BaseException:
        spool.close()
        raise
    return found


class _Tar:
    """Exact reads from a stream of pieces, with a running hash."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._ahead = pieces, b""
        self.sha, self.position = hashlib.sha256(), 0

    def some(self, most: int) -> bytes:
        """At least one byte unless the stream has ended."""
        if not self._ahead:
            self._ahead = next(self._pieces, b"")
        piece, self._ahead = self._ahead[:most], self._ahead[most:]
        self.sha.update(piece)
        self.position += len(piece)
        return piece

    def parts(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self.some(size)
            if not piece:
                raise ValueError("it is cut short")
            size -= len(piece)
            yield piece

    def exactly(self, size: int) -> bytes:
        return b"".join(self.parts(size))


def _spool(tar: _Tar) -> Tuple[Any, str, int]:
    """(the manifest in a temporary file, hash of the tar bytes before it, their number)."""
    pax: Dict[bytes, bytes] = {}
    while True:
        start, before = tar.position, tar.sha.copy()
        head = tar.exactly(RECORD)
        name, size, kind = _ustar(head)
        if kind == b"x":
            if size > _MAX_PAX:
                raise ValueError("an extended header is too large")
            pax = _pax(tar.exactly(size + padding(size))[:size])
            continue
        if name == EMBEDDED_NAME and not pax:
            break
        size = int(pax.get(b"size", size))
        if size < 0:
            raise ValueError("a size is negative")
        pax = {}
        for _piece in tar.parts(size + padding(size)):
            pass
    if head != embedded_header(size):
        raise ValueError("the header of its manifest is damaged")
    _require_room(size)
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - the manifest keeps it
    for piece in tar.parts(size):
        spool.write(piece)
    if tar.exactly(padding(size) + len(END_OF_TAR)).strip(b"\0") or tar.some(1):
        spool.close()
        raise ValueError("something stands behind its manifest")
    return spool, before.hexdigest(), start


def _require_room(size: int) -> None:
    """A few bytes can unpack to gigabytes: the folder for temporary files keeps half of what it has free."""
    info = os.statvfs(tempfile.gettempdir())
    if size > info.f_bavail * info.f_frsize // 2:
        raise ValueError(f"its manifest has {size} bytes, and there is no room for that in {tempfile.gettempdir()}")


def _ustar(head: bytes) -> Tuple[bytes, int, bytes]:
    """(name, size, typeflag). ValueError when it is no sound ustar header."""
    if head == bytes(RECORD):
        raise ValueError("it holds no Upkeep manifest")
    blank = head[:148] + b"        " + head[156:]
    total = (zlib.adler32(blank[:256]) & 0xFFFF) + (zlib.adler32(blank[256:]) & 0xFFFF) - 2
    if head[257:265] != b"ustar\x0000" or head[148:156] != b"%06o\0 " % total:
        raise ValueError("a tar header is damaged, or it is not an archive of this tool")
    name, prefix = head[:100].rstrip(b"\0"), head[345:500].rstrip(b"\0")
    return (prefix + b"/" + name if prefix else name), int(head[124:135], 8), head[156:157]


def _pax(body: bytes) -> Dict[bytes, bytes]:
    records = {}
    while body:
        length, _space, _rest = body.partition(b" ")
        end = int(length)
        key, equals, value = body[len(length) + 1 : end].partition(b"=")
        if end <= len(length) or end > len(body) or not equals or not value.endswith(b"\n"):
            raise ValueError("an extended header is damaged")
        records[key] = value[:-1]
        body = body[end:]
    return records
