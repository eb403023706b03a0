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

import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO, Dict, Iterator, Optional

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import _lines, gz
from .blocks import BlockIndex
from .model import BLOCK_SIZE, FORMAT, Entry, whole

SCHEMA = "upkeep.manifest/1"
SUFFIX = ".manifest.jsonl.gz"
MAX_LINE = 1 << 26  # a path, its attributes and a sparse map fit many times over; what is longer is no manifest
EMBEDDED, BESIDE = "embedded", "beside"
UNUSABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)  # what bad lines raise
_CLOSING_KEYS = ("entries", "files", "input_bytes", "tar_bytes", "tar_sha256", "lines_sha256")


@dataclass
class Manifest:
    """A manifest that was read to its end once and found whole; `entries()` reads its entries (again).

    `embedded_sha256` and `embedded_bytes` are what the embedded copy must be, rebuilt from the lines read.
    """

    path: str
    kind: str
    header: Dict[str, Any]
    closing: Dict[str, Any]
    index: BlockIndex
    embedded_sha256: str
    embedded_bytes: int
    spool: Optional[BinaryIO] = None

    def entries(self) -> Iterator[Entry]:
        """All entries in archive order. Raises UpkeepError `manifest_damaged`."""
        lines = _numbered(self.path, self.spool)
        number = 0
        try:
            for entry in _lines.checked(_lines.parse_entry(line) for number, line in lines if _is_entry(line)):
                number += 1
                yield entry
        except UNUSABLE as error:
            raise damaged(self.path, f"entry {number + 1} cannot be used: {error}")

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


def load(path: str, spool: Optional[BinaryIO] = None) -> Manifest:
    """Read a manifest once, to the end: the gzipped one at `path`, or an embedded one from the file `spool`.

    Raises UpkeepError `manifest_missing` or `manifest_damaged`.
    """
    try:
        return _load(path, spool)
    except FileNotFoundError:
        raise UpkeepError("manifest_missing", f"There is no manifest {path}.", manifest=path)
    except UNUSABLE as error:
        raise damaged(path, str(error) or type(error).__name__)
    except OSError as error:
        raise damaged(path, error.strerror or str(error))


def backup_of(path: str) -> str:
    """The name of the backup that the manifest at `path` is of, from its first line. Raises like `load`."""
    try:
        return next((_header(line)["backup"] for _number, line in _numbered(path, None)), "")
    except UNUSABLE as error:
        raise damaged(path, str(error) or type(error).__name__)


def prove(path: str) -> None:
    """Read a new manifest back, every entry of it. UpkeepError `io_error`: an archive with it could not be verified."""
    try:
        for _entry in load(path).entries():
            pass
    except UpkeepError as error:
        raise UpkeepError("io_error", f"The new manifest cannot be read back; nothing was replaced. {error.message}")


def _load(path: str, spool: Optional[BinaryIO]) -> Manifest:
    header: Dict[str, Any] = {}
    closing: Dict[str, Any] = {}
    index = BlockIndex(0)
    sha, size, entries, tail = hashlib.sha256(), 0, 0, 0
    kept = None  # the hash of the lines that the embedded copy has too
    for number, line in _numbered(path, spool):
        if closing:
            raise ValueError(f"line {number}: something stands behind the closing line")
        if number == 1:
            header = _header(line)
            index = BlockIndex(header["start"])
        elif _is_entry(line):
            entries += 1
            if len(index):
                raise ValueError(f"line {number}: an entry behind the blocks")
        elif line.startswith(_lines.BLOCK_START):
            block = _lines.parse_block(line)
            if kept is None and _lines.holds_manifest(line):
                kept, tail = sha.copy(), size
            at_end = (len(index), index.raw_end, index.stored_end)
            if (block.number, block.offset, block.at) != at_end or not 0 < block.size <= BLOCK_SIZE:
                raise ValueError(f"line {number}: block {block.number} does not follow the one before")
            index.append(block.size, block.stored, block.crc32)
        elif line.startswith(_lines.END_START):
            closing = parse_closing(line)
            kept, tail = (sha.copy(), size) if kept is None else (kept, tail)
            if closing["entries"] != entries:
                raise ValueError("it lists {} entries and says {}".format(entries, closing["entries"]))
            if closing["lines_sha256"] != kept.hexdigest():
                raise ValueError("its lines are not those that its closing line has the hash of")
            continue
        else:
            raise ValueError(f"line {number} is none of a manifest")
        sha.update(line)
        size += len(line)
    if not closing:
        raise ValueError("it is cut short: its closing line is missing")
    kind = EMBEDDED if spool else BESIDE
    if closing["end"] != kind:
        raise ValueError("it is the {} copy where the {} one belongs".format(closing["end"], kind))
    last = closing_line(EMBEDDED, closing)
    kept.update(last)
    return Manifest(path, kind, header, closing, index, kept.hexdigest(), tail + len(last), spool)


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


def _numbered(path: str, spool: Optional[BinaryIO]) -> Iterator[tuple]:
    """(number, line) from 1. ValueError when it is no gzip, damaged, cut short, or a line has no end."""
    try:
        if spool is not None:
            spool.seek(0)
            yield from _split(spool)
            return
        with open(path, "rb") as stored:  # noqa: PTH123 - a stream, not a path object
            if stored.read(10) != gz.header():
                raise ValueError("it is not a manifest's gzip file")
            stored.seek(0)
            with gzip.GzipFile(fileobj=stored) as lines:
                yield from _split(lines)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"it does not unpack ({error})")


def _split(lines: Any) -> Iterator[tuple]:
    number = 0
    while True:
        line = lines.readline(MAX_LINE)
        if not line:
            return
        number += 1
        if not line.endswith(b"\n"):
            raise ValueError(f"line {number} is cut short")
        yield number, line
