# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writing one archive into an open file: entries, embedded manifest, end of tar, and the manifest beside it."""

from __future__ import annotations

import hashlib
import os
import zlib
from types import ModuleType
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, NamedTuple, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import _lines, gz, manifest
from ._pool import Pool
from ._store import Store
from ._tarheader import embedded_header
from .blocks import BlockIndex, BlockWriter
from .model import BLOCK_SIZE, END_OF_TAR, FORMAT, Entry, padding
from .walk import Node

_LINES_AT_ONCE = 512


class Settings(NamedTuple):
    """How an archive is written; with the tree, this fixes its bytes (threads do not)."""

    codec: ModuleType
    level: int
    threads: int
    xattrs: bool
    sparse: bool
    on_changed: str


class ArchiveWriter:
    """One archive. `add` every node, then `finish`, then `write_manifest`; `close` in any case.

    `stream` is the archive's file, unbuffered, open for reading too; `spool` makes a nameless one for the manifest.
    """

    def __init__(
        self, stream: BinaryIO, spool: Callable[[], BinaryIO], settings: Settings, manifest_header: Dict[str, Any]
    ) -> None:
        self._stream, self._settings = stream, settings
        self._sink = BlockWriter(stream, settings.codec, settings.level, settings.threads)
        try:
            self._spool = spool()
        except BaseException:
            self._sink.close()
            raise
        self._lines: List[bytes] = []  # not yet in the spool
        self._lines_sha = hashlib.sha256()
        self._facts: Dict[str, Any] = {}
        self._entry_lines = 0
        self._embedded_blocks = 0
        self.store = Store(self._sink, self._entry, settings.xattrs, settings.sparse, settings.on_changed)
        self._line(_lines.dump({**manifest_header, "format": FORMAT, "start": len(settings.codec.header())}))

    def add(self, node: Node) -> None:
        self.store.add(node)

    def finish(self, complete: bool = True) -> Dict[str, Any]:
        """Write what stands behind the entries, make it durable, read it back. `complete`: was everything stored?

        Returns the closing facts: entries, files, input_bytes, tar_bytes, tar_sha256, lines_sha256, stream_bytes,
        stream_sha256, archive_bytes, archive_sha256. Raises OSError, UpkeepError `io_error`.
        """
        sink, store = self._sink, self.store
        sink.cut()  # the embedded manifest lists the blocks before it, so none may reach into it
        self._facts = {
            "entries": self._entry_lines,  # lines: sockets and what could not be stored have one too
            "files": store.files,
            "input_bytes": store.input_bytes,
            "tar_bytes": sink.position,
            "tar_sha256": sink.sha256(),
        }
        if not complete:
            self._facts["complete"] = False
        self._embedded_blocks = len(sink.blocks)
        for number in range(self._embedded_blocks):
            self._line(_lines.block_line(sink.blocks[number]))
        self._flush_lines()
        self._facts["lines_sha256"] = self._lines_sha.hexdigest()
        self._embed(manifest.closing_line(manifest.EMBEDDED, self._facts))
        trailer = sink.finish()
        self._facts.update(stream_bytes=sink.position, stream_sha256=sink.sha256())
        pool = Pool(1)
        try:
            archive = pool.submit(self._read_back, trailer)
            manifest.prove_entries(self._spool)  # while the disk is busy with the archive
            size, sha = archive.result()
        finally:
            pool.close()
        self._facts.update(archive_bytes=size, archive_sha256=sha)
        return self._facts

    def _read_back(self, trailer: bytes) -> tuple:
        os.fsync(self._stream.fileno())
        return read_back(self._stream, self._settings.codec.header(), self._sink.blocks, trailer)

    def write_manifest(self, path: str, more: Dict[str, Any]) -> None:
        """The manifest beside the archive, as one gzip member, fsynced. `more` goes into its closing line."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "r+b", buffering=0) as stream:
            sink = BlockWriter(stream, gz, gz.default_level, self._settings.threads)
            try:
                self._copy_spool(sink.write)
                for number in range(self._embedded_blocks, len(self._sink.blocks)):
                    sink.write(_lines.block_line(self._sink.blocks[number], of_manifest=True))
                sink.cut()  # the closing line is read by itself, too (_closing.py)
                sizes = {
                    key: self._facts[key]
                    for key in ("stream_bytes", "stream_sha256", "archive_bytes", "archive_sha256")
                }
                sink.write(manifest.closing_line(manifest.BESIDE, self._facts, **sizes, **more))
                sink.finish()
            finally:
                sink.close()
            os.fsync(stream.fileno())

    def close(self) -> None:
        self._sink.close()
        self._spool.close()

    def _entry(self, entry: Entry) -> None:
        self._entry_lines += 1
        self._line(_lines.entry_line(entry))

    def _line(self, line: bytes) -> None:
        self._lines.append(line)
        if len(self._lines) >= _LINES_AT_ONCE:
            self._flush_lines()

    def _flush_lines(self) -> None:
        lines = b"".join(self._lines)
        self._lines.clear()
        self._lines_sha.update(lines)
        self._spool.write(lines)

    def _embed(self, closing: bytes) -> None:
        size = self._spool.tell() + len(closing)
        self._sink.write(embedded_header(size))
        self._copy_spool(self._sink.write)
        self._sink.write(closing)
        self._sink.write(bytes(padding(size)) + END_OF_TAR)

    def _copy_spool(self, take: Callable[[bytes], None]) -> None:
        self._spool.flush()
        self._spool.seek(0)
        for piece in iter(lambda: self._spool.read(BLOCK_SIZE), b""):
            take(piece)


def read_back(stream: BinaryIO, head: bytes, blocks: BlockIndex, trailer: bytes) -> tuple:
    """(size, sha256) of the archive file as it is on disk now, every part of it compared with what was meant.

    The pages are dropped from memory first, where the kernel lets us. Raises UpkeepError `io_error`.
    """
    os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    stream.seek(0)
    sha = hashlib.sha256()
    pool = Pool(1)
    try:
        for what, size, crc in _parts(head, blocks, trailer):
            data = _exactly(stream, size)
            found = pool.submit(zlib.crc32, data)
            sha.update(data)
            if len(data) != size or found.result() != crc:
                raise UpkeepError(
                    "io_error", f"What was read back from the new archive is not what was written ({what})."
                )
    finally:
        pool.close()
    size = stream.tell()
    if stream.read(1):
        raise UpkeepError("io_error", "There is more in the new archive than was written.")
    return size, sha.hexdigest()


def _parts(head: bytes, blocks: BlockIndex, trailer: bytes) -> Iterator[Tuple[str, int, int]]:
    """(what, size, CRC-32) of everything in the file, in order."""
    yield "its header", len(head), zlib.crc32(head)
    for number in range(len(blocks)):
        block = blocks[number]
        yield f"block {number}", block.stored, block.crc32
    yield "its trailer", len(trailer), zlib.crc32(trailer)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size) if size else b""
    while 0 < len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            break
        data += more
    return data
