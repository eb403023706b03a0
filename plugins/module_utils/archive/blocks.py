# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tar stream as compressed blocks of 1 MiB: an index of them, and a writer that compresses them in parallel."""

from __future__ import annotations

import bisect
import hashlib
import zlib
from array import array
from collections import deque
from types import ModuleType
from typing import Any, BinaryIO, Deque, Dict, List, NamedTuple, Tuple

from . import _crc
from ._pool import Pending, Pool
from .model import BLOCK_SIZE


class Block(NamedTuple):
    """`offset` and `size` in the tar stream, `at` and `stored` in the archive file, `crc32` of the stored bytes."""

    number: int
    offset: int
    size: int
    at: int
    stored: int
    crc32: int


class BlockIndex:
    """Where every block lies; 24 bytes of memory each. Blocks follow each other without a gap, in both coordinates."""

    def __init__(self, start: int) -> None:
        self._offsets = array("Q", [0])
        self._ats = array("Q", [start])
        self._crcs = array("I")

    def __len__(self) -> int:
        return len(self._crcs)

    def __getitem__(self, number: int) -> Block:
        offset, at = self._offsets[number], self._ats[number]
        return Block(
            number, offset, self._offsets[number + 1] - offset, at, self._ats[number + 1] - at, self._crcs[number]
        )

    def append(self, size: int, stored: int, crc32: int) -> None:
        self._offsets.append(self._offsets[-1] + size)
        self._ats.append(self._ats[-1] + stored)
        self._crcs.append(crc32)

    def truncate(self, count: int) -> None:
        del self._offsets[count + 1 :], self._ats[count + 1 :], self._crcs[count:]

    @property
    def raw_end(self) -> int:
        """Length of the tar stream that the blocks cover."""
        return self._offsets[-1]

    @property
    def stored_end(self) -> int:
        """Where the last block ends in the file."""
        return self._ats[-1]

    def holding(self, offset: int) -> int:
        """The number of the block that holds this offset of the tar stream."""
        return bisect.bisect_right(self._offsets, offset) - 1

    def sizes(self) -> List[Tuple[int, int]]:
        """(stored, raw) size of every block."""
        return [(block.stored, block.size) for block in map(self.__getitem__, range(len(self)))]


class Checkpoint(NamedTuple):
    number: int
    pieces: list
    pending: int
    position: int


class BlockWriter:
    """Takes raw bytes, cuts them into blocks, compresses them in threads, writes them in order.

    Memory is bounded by the queue: a few blocks more than there are threads. `stream` is an unbuffered binary file.
    """

    def __init__(self, stream: BinaryIO, codec: ModuleType, level: int, threads: int) -> None:
        self.position = 0  # raw bytes taken so far
        self._stream, self._codec, self._level = stream, codec, level
        self._pieces: List[bytes] = []
        self._pending = 0
        self._number = 0  # of the block being filled
        self._queue: Deque[Pending] = deque()
        self._room = threads + 4
        self._packers = Pool(threads)
        self._writer = Pool(1)  # hash of the stream, order in the file: chains, and so one thread's work
        self._sha = hashlib.sha256()
        self._kept_sha: Dict[int, Any] = {}
        self._crcs = [0]  # CRC-32 of the raw stream before each block, where the codec wants it
        self._write(codec.header())
        self.blocks = BlockIndex(len(codec.header()))

    def write(self, data: bytes) -> None:
        """Append raw bytes. Raises OSError from the file."""
        self._pieces.append(data)
        self._pending += len(data)
        self.position += len(data)
        while self._pending >= BLOCK_SIZE:
            self._submit(BLOCK_SIZE)

    def room(self) -> int:
        """How many bytes fill the current block: reads of this size are never copied again."""
        return BLOCK_SIZE - self._pending

    def cut(self) -> None:
        """End the current block here, and wait until everything so far is written."""
        if self._pending:
            self._submit(self._pending)
        while self._queue:
            self._take()

    def sha256(self) -> str:
        """Hash of all raw bytes so far; only right after `cut`."""
        return self._sha.hexdigest()

    def finish(self) -> bytes:
        """Write the rest and the codec's trailer, which is returned."""
        self.cut()
        trailer = self._codec.trailer(self._crcs[-1], self.position, self.blocks.sizes())
        self._write(trailer)
        return trailer

    def checkpoint(self) -> Checkpoint:
        """A place to `rollback` to; forgets the one before."""
        self._kept_sha = {self._number: None}
        return Checkpoint(self._number, list(self._pieces), self._pending, self.position)

    def rollback(self, point: Checkpoint) -> None:
        """Take back everything written since `point`, in the file too."""
        self.cut_queue()
        if self._number > point.number:
            self._sha = self._kept_sha[point.number]
            self._kept_sha = {point.number: None}
            self.blocks.truncate(point.number)
            del self._crcs[point.number + 1 :]
            self._stream.truncate(self.blocks.stored_end)
            self._stream.seek(self.blocks.stored_end)
        self._number, self._pending, self.position = point.number, point.pending, point.position
        self._pieces = list(point.pieces)

    def cut_queue(self) -> None:
        """Wait for the blocks already submitted, without ending the current one."""
        while self._queue:
            self._take()

    def close(self) -> None:
        """Stop the threads; what is queued is dropped."""
        self._packers.close()
        self._writer.close()

    def _submit(self, size: int) -> None:
        # only the last piece can reach past the block: cut there, so that the block itself is copied once
        last, over = self._pieces.pop(), self._pending - size
        rest = last[len(last) - over :] if over else b""
        self._pieces.append(memoryview(last)[: len(last) - over] if over else last)
        raw = b"".join(self._pieces)
        self._pieces = [rest] if rest else []
        self._pending = over
        while len(self._queue) >= self._room:
            self._take()
        packed = self._packers.submit(self._pack, raw)
        self._queue.append(self._writer.submit(self._append, self._number, raw, packed))
        self._number += 1

    def _pack(self, raw: bytes) -> Tuple[bytes, int, int]:
        stored = self._codec.compress(raw, self._level)
        return stored, zlib.crc32(stored), zlib.crc32(raw) if self._codec.needs_crc else 0

    def _append(self, number: int, raw: bytes, packed: Pending) -> None:
        """In the writer's thread: one block after the other."""
        if number in self._kept_sha:
            self._kept_sha[number] = self._sha.copy()
        self._sha.update(raw)
        stored, stored_crc, raw_crc = packed.result()
        self._write(stored)
        self.blocks.append(len(raw), len(stored), stored_crc)
        if self._codec.needs_crc:
            self._crcs.append(_crc.combine(self._crcs[-1], raw_crc, len(raw)))

    def _take(self) -> None:
        """Wait for the oldest block. Raises what went wrong with it."""
        self._queue.popleft().result()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._stream.write(view) :]
