# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading the tar stream back by its blocks: in order, unpacked ahead in threads, going on behind a damaged block."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections import deque
from types import ModuleType
from typing import Any, Deque, Dict, Iterator, Optional, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from ._pool import Pending, Pool
from ._tarheader import header, stored_size
from .blocks import Block, BlockIndex
from .model import FILE, HARDLINK, Entry, shown


class DamagedBlock(Exception):
    """A block that cannot be had as it was written."""

    def __init__(self, block: Block, why: str) -> None:
        super().__init__(f"block {block.number} (bytes {block.at} to {block.at + block.stored} of the file) {why}")
        self.number = block.number


def read_block(fd: int, codec: ModuleType, block: Block) -> bytes:
    """The raw bytes of one block. Raises `DamagedBlock`."""
    stored = os.pread(fd, block.stored, block.at)
    if len(stored) != block.stored:
        raise DamagedBlock(block, "is cut off")
    if zlib.crc32(stored) != block.crc32:
        raise DamagedBlock(block, "is damaged: its checksum differs")
    try:
        return codec.decompress(stored, block.size)
    except ValueError as error:
        raise DamagedBlock(block, f"is damaged: {error}")


class BlockReader:
    """A forward reader. Every wanted block is read and checked, also those that a `seek` jumps over.

    `wanted` has a byte per block, zero for those to leave alone; without it all are read. `damaged` maps the number of
    each block that could not be had to what is wrong with it. Bounded memory: a few blocks more than there are threads.
    """

    def __init__(
        self, fd: int, codec: ModuleType, index: BlockIndex, threads: int, wanted: Optional[bytearray] = None
    ) -> None:
        self.position = 0
        self.damaged: Dict[int, DamagedBlock] = {}
        self._fd, self._codec, self._index = fd, codec, index
        self._numbers = iter(n for n in range(len(index)) if wanted is None or wanted[n])
        self._queue: Deque[Tuple[int, Pending]] = deque()
        self._pool = Pool(threads)
        self._hasher = Pool(1)
        self._hashed: Deque[Pending] = deque()
        self._sha = hashlib.sha256()
        self._whole = wanted is None  # is the hash still one of the whole stream?
        self._hash_at: Dict[int, Any] = {}
        self._number, self._start, self._raw = -1, 0, b""
        self._room = threads + 3
        self._fill()

    def keep_hash_at(self, offset: int) -> None:
        """Remember the hash of all that stands before `offset`, which is where a block begins (or the end)."""
        self._hash_at[offset] = None

    def sha256(self, offset: Optional[int] = None) -> Optional[str]:
        """Hash of the stream (up to `offset`) after `drain`; None when parts of it were not read, or are damaged."""
        for pending in self._hashed:
            pending.result()
        sha = self._hash_at.get(offset) if offset is not None and offset != self._index.raw_end else self._sha
        return sha.hexdigest() if sha is not None and self._whole else None

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises `DamagedBlock`, and EOFError past the last block."""
        begin = self.position - self._start
        if begin + size <= len(self._raw):
            self.position += size
            return self._raw[begin : begin + size]
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> Iterator[memoryview]:
        """The same in pieces, without copies."""
        while size:
            begin = self.position - self._start
            if begin >= len(self._raw):
                self._load()
                begin = self.position - self._start
            piece = memoryview(self._raw)[begin : begin + size]
            self.position += len(piece)
            size -= len(piece)
            yield piece

    def seek(self, offset: int) -> None:
        """Go on from `offset`, which lies ahead."""
        self.position = offset

    def drain(self) -> None:
        """Read and check whatever wanted blocks are left."""
        while self._queue:
            self._next()

    def close(self) -> None:
        self._pool.close()
        self._hasher.close()

    def _load(self) -> None:
        number = self._index.holding(self.position)
        if self.position >= self._index.raw_end:
            raise EOFError
        while self._queue and self._queue[0][0] <= number:
            self._next()
        if number in self.damaged:
            raise self.damaged[number]
        if number != self._number:
            raise RuntimeError("the reader went backwards, or to a block that was not asked for")

    def _next(self) -> None:
        number, pending = self._queue.popleft()
        self._fill()
        try:
            raw = pending.result()
        except DamagedBlock as error:
            self.damaged[number] = error
            self._whole = False
            return
        self._number, self._start, self._raw = number, self._index[number].offset, raw
        if self._whole:
            if len(self._hashed) >= self._room:
                self._hashed.popleft().result()
            self._hashed.append(self._hasher.submit(self._hash, self._start, raw))

    def _hash(self, offset: int, raw: bytes) -> None:
        if offset in self._hash_at:
            self._hash_at[offset] = self._sha.copy()
        self._sha.update(raw)

    def _fill(self) -> None:
        while len(self._queue) < self._room:
            number = next(self._numbers, None)
            if number is None:
                return
            self._queue.append((number, self._pool.submit(read_block, self._fd, self._codec, self._index[number])))


def read_entry(fd: int, codec: ModuleType, index: BlockIndex, entry: Entry) -> Iterator[bytes]:
    """The stored content of one regular file, from the blocks that hold it and no others.

    For a sparse file these are its data regions in a row. Raises UpkeepError `archive_damaged`, `bad_parameter`.
    """
    if entry.type != FILE or entry.offset is None:
        what = f"is a link to {shown(entry.leader)}" if entry.type == HARDLINK and entry.leader else "holds no content"
        raise UpkeepError("bad_parameter", f"{shown(entry.path)} {what} in this archive.")
    expected, left, offset = header(entry), stored_size(entry), entry.offset
    number = index.holding(offset)
    try:
        raw = read_block(fd, codec, index[number])
        while expected or left:
            begin = offset - index[number].offset
            if begin >= len(raw):
                number += 1
                raw = read_block(fd, codec, index[number])
                continue
            piece = raw[begin : begin + (len(expected) or left)]
            offset += len(piece)
            if expected:
                if not expected.startswith(piece):
                    raise UpkeepError(
                        "archive_damaged", f"{shown(entry.path)}: its header is not what the manifest says."
                    )
                expected = expected[len(piece) :]
            else:
                left -= len(piece)
                yield piece
    except DamagedBlock as error:
        raise UpkeepError("archive_damaged", f"{shown(entry.path)}: {error}.", block=error.number)
    except IndexError:
        raise UpkeepError("archive_damaged", f"{shown(entry.path)} lies behind the archive's last block.")
