# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The manifest: what an archive holds, in a form that can be checked line by line without holding it in memory.

Lines, in this order: a header, one an entry, one a block, a closing line. It stands twice:
- embedded, as the archive's last entry, in uncompressed form. Its blocks are those before its own tar header; its
  closing line has the hash of those tar bytes (`tar_sha256`) and of its own lines before the closing one.
- beside the archive, gzipped. The same lines, then the blocks that hold the embedded copy, then a closing line that
  adds the hash of the whole tar stream, of the archive file, and what the backup reported.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import stat
from typing import Any, BinaryIO, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import _lines, gz
from ._wanted import Wanted
from .blocks import BlockIndex
from .model import BLOCK_SIZE, FORMAT, Entry, whole

SCHEMA = "upkeep.manifest/1"
SUFFIX = ".manifest.jsonl.gz"
MAX_LINE = 1 << 26  # a path, its attributes and a sparse map fit many times over; what is longer is no manifest
EMBEDDED, BESIDE = "embedded", "beside"
UNUSABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)  # what bad lines raise
_CLOSING_KEYS = ("entries", "files", "input_bytes", "tar_bytes", "tar_sha256", "lines_sha256")


class Manifest(NamedTuple):
    """A manifest that was read to its end once and found whole; `entries()` reads its entries (again).

    `embedded_sha256` and `embedded_bytes` are what the embedded copy must be, rebuilt from the lines read. `kept` are
    the lines of the few entries that were asked for, where that is so: the others are proven whole, but not parsed.
    """

    path: str
    kind: str
    header: Dict[str, Any]
    closing: Dict[str, Any]
    index: BlockIndex
    embedded_sha256: str
    embedded_bytes: int
    spool: Optional[BinaryIO] = None
    kept: Optional[List[bytes]] = None
    starts: Sequence[bytes] = ()  # the first path in each of the chunks that `parsed` can be asked for
    links: int = 0  # how many hard links it lists
    stored: int = 0  # how many entries of which something is in the archive
    fd: int = -1  # the file at `path`, where it is kept open: that of the caller to close

    def entries(self, files: bool = True, chunks: Optional[range] = None) -> Iterator[Entry]:
        """All entries in archive order, or those that were `kept`; without `files` only what is no regular one.

        Raises UpkeepError `manifest_damaged`.
        """
        number = 0
        ends = (0, None) if chunks is None else (chunks.start, chunks.stop)
        try:
            for entry in _lines.checked(self.parsed(*ends, files)):
                number += 1
                yield entry
        except UNUSABLE as error:
            raise damaged(self.path, f"entry {number + 1} cannot be used: {error}")

    def parsed(self, first: int = 0, last: Optional[int] = None, files: bool = True) -> Iterator[Entry]:
        """The entries in the chunks of lines from `first` up to `last`, their order unproven. Raises UNUSABLE."""
        if self.kept is not None:
            yield from _lines.parse_entries(b"".join(self.kept))
            return
        for number, chunk in itertools.islice(_chunks(self.path, self.spool, self.fd), first, last):
            last = chunk.rfind(b"\n", 0, -1) + 1  # `load` has seen that entries stand in one row
            if not (chunk.startswith(_lines.ENTRY_START) and chunk.startswith(_lines.ENTRY_START, last)):
                chunk = b"".join(line for _number, line in _split(number, chunk) if _is_entry(line))
            yield from _lines.parse_entries(chunk if files else _lines.but_files(chunk))

    @property
    def complete(self) -> bool:
        """Did the backup store everything? Both copies say so."""
        return self.closing.get("complete", True) is True


def closing_line(kind: str, facts: Dict[str, Any], **more: Any) -> bytes:
    """The closing line; `facts` holds entries, files, input_bytes, tar_bytes, tar_sha256, lines_sha256, and where the
    backup is incomplete `complete` (false)."""
    keys = [*_CLOSING_KEYS, "complete"] if "complete" in facts else _CLOSING_KEYS
    return _lines.dump({"end": kind, **{key: facts[key] for key in keys}, **more})


def damaged(path: str, why: str) -> UpkeepError:
    return UpkeepError("manifest_damaged", f"The manifest {path} cannot be used: {why}.", manifest=path)


def load(path: str, spool: Optional[BinaryIO] = None, wanted: Optional[Wanted] = None, fd: int = -1) -> Manifest:
    """Read a manifest once, to the end: the gzipped one at `path`, or an embedded one from the file `spool`.

    With `wanted`, only those entries are kept for `entries()`, unless they are too many to hold in memory. With
    `fd` (`open_file`), that very file is read, and again by `entries()`, whatever a backup puts in its place.
    Raises UpkeepError `manifest_missing` or `manifest_damaged`.
    """
    try:
        return _load(path, spool, wanted, fd)
    except FileNotFoundError:
        raise UpkeepError("manifest_missing", f"There is no manifest {path}.", manifest=path)
    except UNUSABLE as error:
        raise damaged(path, str(error) or type(error).__name__)
    except OSError as error:
        raise damaged(path, error.strerror or str(error))


def open_file(path: str) -> int:
    """A descriptor for `load`. Raises UpkeepError `manifest_missing` or `manifest_damaged`."""
    try:
        return _regular(path, os.O_RDONLY)
    except FileNotFoundError:
        raise UpkeepError("manifest_missing", f"There is no manifest {path}.", manifest=path)
    except ValueError as error:
        raise damaged(path, str(error))
    except OSError as error:
        raise damaged(path, error.strerror or str(error))


def backup_of(path: str) -> str:
    """The name of the backup that the manifest at `path` is of, from its first line. Raises like `load`."""
    try:
        for number, chunk in _chunks(path, None):
            return _header(next(_split(number, chunk))[1])["backup"]
        return ""
    except UNUSABLE as error:
        raise damaged(path, str(error) or type(error).__name__)


def prove(path: str) -> None:
    """Read a new manifest back whose entries were proven before. UpkeepError `io_error`: nothing could be verified."""
    try:
        load(path)
    except UpkeepError as error:
        raise _unprovable(error.message)


def prove_entries(spool: BinaryIO) -> None:
    """Read the entries of a manifest to be back from its `spool`, every one of them. UpkeepError `io_error`."""
    number = 0
    try:
        for _entry in _lines.checked(_entries_of(spool)):
            number += 1
    except UNUSABLE as error:
        raise _unprovable(f"Entry {number + 1} cannot be used: {error}.")


def _entries_of(spool: BinaryIO) -> Iterator[Entry]:
    for number, chunk in _chunks("", spool):
        if not _only_entries(chunk):
            chunk = b"".join(line for _number, line in _split(number, chunk) if _is_entry(line))
        yield from _lines.parse_entries(chunk)


def _unprovable(why: str) -> UpkeepError:
    return UpkeepError("io_error", f"The new manifest cannot be read back; nothing was replaced. {why}")


def _load(path: str, spool: Optional[BinaryIO], wanted: Optional[Wanted], fd: int) -> Manifest:
    reading, links, offsets = _Reading(), 0, 0
    starts: List[bytes] = []
    for number, chunk in _chunks(path, spool, fd):
        links += chunk.count(b',"leader":')
        offsets += chunk.count(b',"offset":')  # of what was stored, and of every block
        starts.append(_lines.first_path(chunk) or b".")
        if wanted is not None:
            wanted.look(chunk)
        if reading.takes_entries and _only_entries(chunk):
            reading.take_entries(chunk)
        else:
            for line_number, line in _split(number, chunk):
                reading.take(line_number, line)
    closing, kept = reading.closing, reading.kept
    if not closing:
        raise ValueError("it is cut short: its closing line is missing")
    kind = EMBEDDED if spool else BESIDE
    if closing["end"] != kind:
        raise ValueError("it is the {} copy where the {} one belongs".format(closing["end"], kind))
    last = closing_line(EMBEDDED, closing)
    kept.update(last)
    size = reading.tail + len(last)
    lines = wanted.found() if wanted is not None else None
    return Manifest(
        path, kind, reading.header, closing, reading.index, kept.hexdigest(), size, spool, lines, starts, links,
        offsets - len(reading.index), fd,
    )  # fmt: skip


class _Reading:
    """The lines as they come; ValueError for one that does not belong where it is."""

    def __init__(self) -> None:
        self.header: Dict[str, Any] = {}
        self.closing: Dict[str, Any] = {}
        self.index = BlockIndex(0)
        self.raw_end = 0  # of the blocks that the embedded copy has too
        self.tail = 0  # bytes of the lines that the embedded copy has too
        self.kept: Any = None  # and their hash
        self._sha, self._size, self._entries = hashlib.sha256(), 0, 0

    @property
    def takes_entries(self) -> bool:
        return bool(self.header) and not self.closing and not len(self.index)

    def take_entries(self, chunk: bytes) -> None:
        self._entries += chunk.count(b"\n" + _lines.ENTRY_START) + 1  # several times faster than to count line ends
        self._sha.update(chunk)
        self._size += len(chunk)

    def take(self, number: int, line: bytes) -> None:
        if self.closing:
            raise ValueError(f"line {number}: something stands behind the closing line")
        if number == 1:
            self.header = _header(line)
            self.index = BlockIndex(self.header["start"])
        elif _is_entry(line):
            if len(self.index):
                raise ValueError(f"line {number}: an entry behind the blocks")
            self._entries += 1
        elif line.startswith(_lines.BLOCK_START):
            self._block(number, line)
        elif line.startswith(_lines.END_START):
            self._end(line)
            return
        else:
            raise ValueError(f"line {number} is none of a manifest")
        self._sha.update(line)
        self._size += len(line)

    def _block(self, number: int, line: bytes) -> None:
        block, index = _lines.parse_block(line), self.index
        if self.kept is None and _lines.holds_manifest(line):
            self.kept, self.tail = self._sha.copy(), self._size
        at_end = (len(index), index.raw_end, index.stored_end)
        if (block.number, block.offset, block.at) != at_end or not 0 < block.size <= BLOCK_SIZE:
            raise ValueError(f"line {number}: block {block.number} does not follow the one before")
        index.append(block.size, block.stored, block.crc32)
        if self.kept is None:
            self.raw_end = index.raw_end

    def _end(self, line: bytes) -> None:
        closing = self.closing = parse_closing(line)
        if self.kept is None:
            self.kept, self.tail = self._sha.copy(), self._size
        if closing["entries"] != self._entries:
            raise ValueError("it lists {} entries and says {}".format(self._entries, closing["entries"]))
        if closing["tar_bytes"] != self.raw_end:
            said = closing["tar_bytes"]
            raise ValueError(f"its blocks hold {self.raw_end} bytes of tar and it says {said}")
        if closing["lines_sha256"] != self.kept.hexdigest():
            raise ValueError("its lines are not those that its closing line has the hash of")


def _header(line: bytes) -> Dict[str, Any]:
    header = json.loads(line)
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        raise ValueError("it does not start with the header of an Upkeep manifest")
    if header["format"] != FORMAT:
        raise ValueError("its format is {}; this version reads format {}".format(header["format"], FORMAT))
    roots = header["roots"]
    sound = isinstance(header["backup"], str) and isinstance(header["xattrs"], bool) and isinstance(roots, list)
    if not sound or not all(isinstance(root, str) for root in roots):
        raise ValueError("its header has a value of the wrong type")
    if not whole(header["start"]) or not 0 <= header["start"] < 1 << 16:
        raise ValueError("its first block begins nowhere in the file")
    return header


def parse_closing(line: bytes) -> Dict[str, Any]:
    """A closing line of the right shape; raises one of UNUSABLE for what is none."""
    closing = json.loads(line)
    numbers, hashes = _CLOSING_KEYS[:4], _CLOSING_KEYS[4:]
    if not all(whole(closing[key]) for key in numbers) or not all(isinstance(closing[key], str) for key in hashes):
        raise ValueError("its closing line has a value of the wrong type")
    if not all(isinstance(closing.get(key, {}), dict) for key in ("document", "parameters")):
        raise ValueError("its closing line has a value of the wrong type")
    return closing


def _is_entry(line: bytes) -> bool:
    return line.startswith(_lines.ENTRY_START)


def _only_entries(chunk: bytes) -> bool:
    return chunk.startswith(_lines.ENTRY_START) and chunk.count(b"\n" + _lines.ENTRY_START) + 1 == chunk.count(b"\n")


def _chunks(path: str, spool: Optional[BinaryIO], fd: int = -1) -> Iterator[Tuple[int, bytes]]:
    """(number of the first line, whole lines), about a mebibyte at once, lines counted from 1.

    ValueError when it is no gzip, damaged, cut short, or a line has no end.
    """
    number, begun = 1, b""
    for piece in _pieces(path, spool, fd):
        cut = piece.rfind(b"\n") + 1
        chunk, begun = (begun + piece[:cut], piece[cut:]) if cut else (b"", begun + piece)
        if len(chunk) > MAX_LINE:
            for line_number, line in _split(number, chunk):
                if len(line) > MAX_LINE:
                    raise ValueError(f"line {line_number} is cut short")
        if chunk:
            yield number, chunk
            number += chunk.count(b"\n")
        if len(begun) > MAX_LINE:
            break
    if begun:
        raise ValueError(f"line {number} is cut short")


class _Again:
    """An open file from its start, whoever else reads it at the same time."""

    def __init__(self, fd: int) -> None:
        self._fd, self._at = fd, 0

    def read(self, size: int) -> bytes:
        data = os.pread(self._fd, size, self._at)
        self._at += len(data)
        return data

    def seek(self, at: int) -> None:
        self._at = at

    def tell(self) -> int:
        return self._at


def _pieces(path: str, spool: Optional[BinaryIO], fd: int) -> Iterator[bytes]:
    if spool is not None:
        spool.seek(0)
        yield from iter(lambda: spool.read(BLOCK_SIZE), b"")
        return
    if fd >= 0:
        yield from _unpacked(_Again(fd))
        return
    with open(path, "rb", opener=_regular) as stored:
        yield from _unpacked(stored)


def _unpacked(stored: Any) -> Iterator[bytes]:
    try:
        yield from gz.stream(stored)
    except ValueError as error:
        raise ValueError(f"it does not unpack ({error})")


def _regular(path: str, flags: int) -> int:
    """An opener that never waits: what is no regular file is no manifest. ValueError."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError("it is not a regular file")
    return fd


def _split(number: int, chunk: bytes) -> Iterator[Tuple[int, bytes]]:
    """(number, line) of each line of a chunk."""
    start = 0
    while start < len(chunk):
        end = chunk.index(b"\n", start) + 1
        yield number, chunk[start:end]
        start, number = end, number + 1
