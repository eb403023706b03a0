# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The quick proof that a whole archive is intact, by several processes, each with a range of the entries.

It proves or it doubts; it names nothing. Whoever doubts is to read everything again in one row (`verify`), which finds
out what is damaged, in the same words whether or not this came before. So nothing here can turn damage into a pass:
each entry's header, content and padding are compared as there; the archive file has the hash that the manifest says,
which makes hashing the tar stream as well a matter of course; and ranges are only trusted where each begins where the
one before ends.
"""

from __future__ import annotations

import hashlib
from types import ModuleType
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import _lines, embedded
from ._pool import Pending, Pool
from ._processes import Died, how_many, in_processes
from ._tarheader import header, stored_size
from .blocks import BlockIndex
from .content import SparseHash, sha256_from_start
from .extract import Extractor
from .findings import CANNOT_TELL, Findings
from .manifest import BESIDE, UNUSABLE, Manifest
from .model import FILE, Entry, padding, shown
from .reader import BlockReader, DamagedBlock, read_block


class Different(Exception):
    """Something is not what the manifest says."""


class Range(NamedTuple):
    """What one process looks at: the chunks of the manifest from `first` up to `last`."""

    first: int
    last: int


class Seen(NamedTuple):
    """What it saw: where its stored entries begin and end in the tar stream (-1 for none); its first and last entry as
    (path, type, leader); the counts of a `Findings`, and what it leaves out; what an `Extractor` says of it."""

    begin: int
    end: int
    outer: tuple
    numbers: tuple
    not_checked: list
    skipped: dict
    limits: dict


def prove(
    fd: int, codec: ModuleType, known: Manifest, threads: int, findings: Findings, extractor: Optional[Extractor] = None
) -> str:
    """Empty when every entry is intact: then `findings` is complete, and what `extractor` makes in its first pass is
    made. Else why there is doubt: then `findings` is as it was, and what was made is to be taken away again."""
    if known.kind != BESIDE or known.kept is not None:
        return CANNOT_TELL
    try:
        ranges = ranges_of(known, threads)

        def look(part: Range) -> tuple:
            try:
                return "", tuple(_look(fd, codec, known, part, 1 if len(ranges) > 1 else threads, extractor))
            except (DamagedBlock, Different) as error:
                return str(error), ()

        if len(ranges) > 1:
            with in_processes(look, ranges) as answers:
                sha = sha256_from_start(fd)
                found = answers()
        else:
            hasher = Pool(1)
            try:
                whole = hasher.submit(sha256_from_start, fd)
                found = [look(part) for part in ranges]
                sha = whole.result()
            finally:
                hasher.close()
        for why, _seen in found:
            if why:
                return why
        seen = [Seen(*part) for _why, part in found]
        if sha != known.closing["archive_sha256"] or not _joined(seen, known.closing["tar_bytes"]):
            return CANNOT_TELL
        _tail(fd, codec, known)
    except (DamagedBlock, Different) as error:
        return str(error)
    except (UpkeepError, Died, OSError, EOFError, RuntimeError, *UNUSABLE):
        return CANNOT_TELL
    for part in seen:
        findings.add(part.numbers, part.not_checked)
        if extractor is not None:
            extractor.skipped.update(part.skipped)
            extractor.limits.update(part.limits)
    findings.archive_sha256 = sha
    return ""


def ranges_of(known: Manifest, threads: int) -> List[Range]:
    chunks = len(known.starts)
    count = min(how_many(threads, known.closing["entries"]), chunks)
    cuts = [chunks * number // count for number in range(count + 1)]
    return [Range(first, last) for first, last in zip(cuts, cuts[1:])]


def _joined(seen: List[Seen], tar_bytes: int) -> bool:
    """Do the ranges follow each other without a gap, and in order?"""
    end, outer = 0, []
    for part in seen:
        if part.begin >= 0:
            if part.begin != end:
                return False
            end = part.end
        outer += [Entry(path, type, 0, 0, 0, "", "", 0, leader=leader) for path, type, leader in part.outer]
    return end == tar_bytes and len(list(_lines.checked(iter(outer)))) == len(outer)


def _tail(fd: int, codec: ModuleType, known: Manifest) -> None:
    wanted = bytearray(len(known.index))
    first = known.index.holding(known.closing["tar_bytes"])
    wanted[first:] = b"\1" * (len(wanted) - first)
    reader = BlockReader(fd, codec, known.index, 1, wanted)
    try:
        found = embedded.difference(known, reader)
        reader.drain()
    finally:
        reader.close()
    if found is not None or reader.damaged:
        raise Different("the manifest inside is not that beside the archive")


# -- one range -------------------------------------------------------------------------------------------------------


def _look(
    fd: int, codec: ModuleType, known: Manifest, part: Range, threads: int, extractor: Optional[Extractor]
) -> Seen:
    """Check every entry of a range. Raises Different, DamagedBlock, and what bad lines raise."""
    findings = Findings()
    begin, end = -1, 0
    first: Optional[Entry] = None
    last: Optional[Entry] = None
    stream = _Stream(fd, codec, known.index, threads)
    try:
        for entry in _lines.checked(known.parsed(*part)):
            first, last = first or entry, entry
            if entry.offset is None:
                findings.not_stored(entry)
                continue
            if begin < 0:
                begin = end = entry.offset
            if entry.offset != end:
                raise ValueError("a gap")
            findings.met(entry, True)
            end = stream.check(entry, extractor)
            findings.intact(entry, True)
    finally:
        stream.close()
    told = ({}, {}) if extractor is None else (extractor.skipped, extractor.limits)
    outer = tuple((entry.path, entry.type, entry.leader) for entry in (first, last) if entry is not None)
    return Seen(begin, end, outer if first is not last else outer[:1], findings.numbers(), findings.not_checked, *told)


class _Stream:
    """The tar stream by its blocks, forwards. With several `threads` blocks are unpacked ahead."""

    def __init__(self, fd: int, codec: ModuleType, index: BlockIndex, threads: int) -> None:
        self._fd, self._codec, self._index = fd, codec, index
        self._number, self._start, self._raw = -1, 0, b""
        self._pool = Pool(threads) if threads > 1 else None
        self._ahead: Dict[int, Pending] = {}
        self._room = threads + 2

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()

    def check(self, entry: Entry, extractor: Optional[Extractor]) -> int:
        """Where the next entry begins, when this one is what was archived; made by `extractor` then, if there is one.

        Raises Different, DamagedBlock, EOFError, and OSError from what is made.
        """
        start, head, size = entry.offset or 0, header(entry), stored_size(entry)
        content = start + len(head)
        end = content + size + padding(size)
        if self._bytes(start, len(head)) != head:
            raise Different(f"the header of {shown(entry.path)} differs")
        target = extractor.entry(entry) if extractor is not None else None
        if entry.type != FILE:
            return end
        try:
            digest = self._hashed(entry, content, size, target)
            if digest != entry.sha256 or self._bytes(content + size, padding(size)).strip(b"\0"):
                raise Different(f"the content of {shown(entry.path)} differs")
        except BaseException:
            if target is not None:
                target.done(False)
            raise
        if target is not None:
            target.done(True)
        return end

    def _hashed(self, entry: Entry, offset: int, size: int, target: Any) -> str:
        sha = SparseHash(entry.size, entry.sparse) if entry.sparse is not None else hashlib.sha256()
        regions = entry.sparse if entry.sparse is not None else [(0, size)]
        for start, length in regions:
            if entry.sparse is not None:
                sha.region(start, length)
            for piece in self._pieces(offset, length):
                sha.update(piece)
                if target is not None:
                    target.write(piece)
            offset += length
        return sha.hexdigest()

    def _bytes(self, offset: int, size: int) -> bytes:
        at = offset - self._start
        if at >= 0 and at + size <= len(self._raw):
            return self._raw[at : at + size]
        return b"".join(self._pieces(offset, size))

    def _pieces(self, offset: int, size: int) -> Iterator[memoryview]:
        while size:
            at = offset - self._start
            if not 0 <= at < len(self._raw):
                self._load(offset)
                continue
            piece = memoryview(self._raw)[at : at + size]
            offset += len(piece)
            size -= len(piece)
            yield piece

    def _load(self, offset: int) -> None:
        if offset >= self._index.raw_end:
            raise EOFError
        number = self._index.holding(offset)
        self._raw = self._block(number)
        self._number, self._start = number, self._index[number].offset

    def _block(self, number: int) -> bytes:
        if self._pool is None:
            return read_block(self._fd, self._codec, self._index[number])
        for ahead in range(number, min(number + self._room, len(self._index))):
            if ahead not in self._ahead:
                self._ahead[ahead] = self._pool.submit(read_block, self._fd, self._codec, self._index[ahead])
        return self._ahead.pop(number).result()
