# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading a file: whole when small, in pieces when not, by data regions when sparse; and whether it held still."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from typing import Callable, List, Optional, Tuple

from .model import BLOCK_SIZE

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ZEROS = bytes(BLOCK_SIZE)
_REALTIME_COARSE = 5  # linux/time.h; Python has no name for it
_TICKS_NS = 20_000_000  # two of the longest, at 100 Hz
MAX_HOLES = 16 << 30  # a quarter of a minute's hashing; `truncate -s 16T` would take hours
MAP_AND_DATA = "map+data"


def open_file(name: bytes, dir_fd: int) -> int:
    """A descriptor for reading; never waits on a FIFO that took the file's place, never follows a link."""
    return os.open(name, _OPEN, dir_fd=dir_fd)


def same(before: os.stat_result, after: os.stat_result) -> bool:
    """Did the file hold still between two looks at it?"""
    return (
        before.st_size == after.st_size
        and before.st_mtime_ns == after.st_mtime_ns
        and before.st_ctime_ns == after.st_ctime_ns
    )


def tick() -> int:
    """The clock by which a kernel before 6.13 stamps changes, in ns: it moves every few milliseconds only."""
    return time.clock_gettime_ns(_REALTIME_COARSE)


def outwait(info: os.stat_result) -> bool:
    """Wait until the tick is over in which the file was last changed, if it is that fresh; whether it was.

    A change behind this look, but still in that tick, would leave the file looking the same.
    """
    waited = False
    # What lies further ahead was stamped before the clock was set back: any change now looks different.
    while 0 <= info.st_ctime_ns - tick() < _TICKS_NS:
        time.sleep(0.002)
        waited = True
    return waited


def read_small(fd: int, size: int) -> bytes:
    """Up to `size` + 1 bytes: a longer answer than `size` shows that the file grew."""
    data = os.read(fd, size + 1)
    while len(data) < size:
        more = os.read(fd, size + 1 - len(data))
        if not more:
            break
        data += more
    return data


def regions(fd: int, info: os.stat_result) -> Optional[List[Tuple[int, int]]]:
    """The data regions of a sparse file as (offset, length); None for a file without holes."""
    size = info.st_size
    if info.st_blocks * 512 >= size:
        return None
    found, offset = [], 0
    try:
        while offset < size:
            start = _seek(fd, offset, os.SEEK_DATA)
            if start is None or start >= size:  # only a hole is left
                break
            end = _seek(fd, start, os.SEEK_HOLE)
            offset = size if end is None else min(end, size)  # None: cut short meanwhile, which reading it will show
            if offset > start:  # else it became a hole between the two questions
                found.append((start, offset - start))
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOTSUP):
            return None
        raise
    finally:
        os.lseek(fd, 0, os.SEEK_SET)
    return None if found == [(0, size)] else found


def _seek(fd: int, offset: int, whence: int) -> Optional[int]:
    """The next data or hole; None where there is none."""
    try:
        return os.lseek(fd, offset, whence)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


def copy(read: Callable[[int], bytes], length: int, room: Callable[[], int], take: Callable[[bytes], None]) -> int:
    """Hand exactly `length` bytes from `read` to `take`, zeros where the file ends early.

    `room` says how much fits best at once. Returns how many bytes were really there.
    """
    left = length
    while left:
        data = read(min(left, room()))
        if not data:
            break
        take(data)
        left -= len(data)
    missing = left
    while left:
        data = _ZEROS[: min(left, room())]
        take(data)
        left -= len(data)
    return length - missing


def hashed(size: int, found: Optional[List[Tuple[int, int]]]) -> Optional[str]:
    """What a file's hash covers: None for its whole content, MAP_AND_DATA where that has too much of nothing in it."""
    if found is None or size - sum(length for _offset, length in found) <= MAX_HOLES:
        return None
    return MAP_AND_DATA


class SparseHash:
    """SHA-256 of a file by its data regions: of its logical content, holes as zeros, which is what `sha256sum` says.

    Where the holes exceed MAX_HOLES in all, which anybody can have for nothing: of `<offset> <length>\\n` and the data
    for each region, and `<size>\\n` at the end.
    """

    def __init__(self, size: int, found: Optional[List[Tuple[int, int]]]) -> None:
        self.of = hashed(size, found)
        self._sha = hashlib.sha256()
        self._size, self._at = size, 0

    def region(self, offset: int, length: int) -> None:
        """The next data belong here."""
        if self.of is None:
            self._hole_to(offset)
        else:
            self._sha.update(b"%d %d\n" % (offset, length))

    def update(self, data: bytes) -> None:
        self._sha.update(data)
        self._at += len(data)

    def hexdigest(self) -> str:
        """After the last region."""
        if self.of is None:
            self._hole_to(self._size)
        else:
            self._sha.update(b"%d\n" % self._size)
        return self._sha.hexdigest()

    def _hole_to(self, offset: int) -> None:
        while self._at < offset:
            step = min(offset - self._at, BLOCK_SIZE)
            self._sha.update(memoryview(_ZEROS)[:step])
            self._at += step


def sha256_by_map(fd: int, size: int, found: List[Tuple[int, int]]) -> Optional[str]:
    """The `SparseHash` of a live file by the regions that an archive has of it; None when it has data outside them.

    Bounded by the data there are: its holes are not read.
    """
    sha = SparseHash(size, found)
    for offset, length in found:
        sha.region(offset, length)
        _each(fd, offset, length, sha.update)
    outside: List[bytes] = []
    gaps = zip([0] + [sum(region) for region in found], [offset for offset, _length in found] + [size])
    for start, end in gaps:
        while start < end and not outside:
            at = _seek(fd, start, os.SEEK_DATA)
            if at is None or at >= end:
                break
            start = min(_seek(fd, at, os.SEEK_HOLE) or end, end)
            _each(fd, at, start - at, lambda data: outside.append(data) if data.strip(b"\0") else None)
    return None if outside else sha.hexdigest()


def _each(fd: int, offset: int, length: int, take: Callable[[bytes], object]) -> None:
    end = offset + length
    while offset < end:
        data = os.pread(fd, min(BLOCK_SIZE, end - offset), offset)
        if not data:
            return
        take(data)
        offset += len(data)


def sha256_of(fd: int) -> str:
    """Hash of what a descriptor reads to its end."""
    sha = hashlib.sha256()
    for data in iter(lambda: os.read(fd, BLOCK_SIZE), b""):
        sha.update(data)
    return sha.hexdigest()


def sha256_from_start(fd: int) -> str:
    """Hash of the whole of an open file, wherever its descriptor stands."""
    sha = hashlib.sha256()
    _each(fd, 0, os.fstat(fd).st_size, sha.update)
    return sha.hexdigest()
