# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lets an unchanged tree be seen without reading it: (dev, inode, ctime_ns, size) of every path, kept on the host.

ctime cannot be set by a user, so an edit that keeps size and mtime is seen too. One record holds up to 4,096 names of
one folder, in walk order, so that a scan compares whole records. A name whose ctime is too fresh to tell a later edit
in the same tick gets zeros, which match nothing. The cache is never needed: without it everything is hashed again.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import time
from array import array
from typing import BinaryIO, Callable, Dict, Iterator, List, Optional, Set, Tuple

from .model import order

_MAGIC = b"upkeep-cache-1\n"
_LENGTHS = struct.Struct("<II")
_COUNT = struct.Struct("<I")
_FRESH_NS = 2_000_000_000
_NOTHING = (0, 0, 0, 0)
Stat = Optional[os.stat_result]


def _numbers(stats: List[Stat], own: Stat, horizon: Optional[int]) -> array:
    """Four numbers for the folder itself (zeros past the first chunk), then four a name (zeros for folders: they are
    compared where they are entered)."""
    values: list = list(_NOTHING)
    if own is not None and (horizon is None or own.st_ctime_ns < horizon):
        values = [own.st_dev, own.st_ino, own.st_ctime_ns, 0]
    add = values.extend
    for seen in stats:
        if seen is None or seen.st_mode & 0o170000 == stat.S_IFDIR:
            add(_NOTHING)
        elif horizon is not None and seen.st_ctime_ns >= horizon:
            add((0, 1, 0, 0))  # matches nothing, not even a folder of that name
        else:
            add((seen.st_dev, seen.st_ino, seen.st_ctime_ns, seen.st_size))
    try:
        return array("q", values)
    except OverflowError:  # a number beyond 63 bits: an odd file system, which is then hashed each time
        return array("q", [-1] * len(values))


def _pack(names: List[bytes], numbers: array) -> bytes:
    return _COUNT.pack(len(names)) + b"\0".join(names) + numbers.tobytes()


def _unpack(payload: bytes) -> Dict[bytes, tuple]:
    """The recorded numbers of each name."""
    (count,) = _COUNT.unpack_from(payload)
    cut = len(payload) - 32 * (count + 1)
    numbers = array("q", payload[cut:])
    names = payload[_COUNT.size : cut].split(b"\0") if count else []
    return {name: tuple(numbers[4 * i + 4 : 4 * i + 8]) for i, name in enumerate(names)}


class Recorder:
    """Writes the records of one walk to `stream`. It never fails: `error` says why what it wrote is of no use."""

    def __init__(self, stream: Optional[BinaryIO], error: Optional[OSError] = None) -> None:
        self.token = os.urandom(16).hex().encode("ascii")
        self.error = error
        self.stream = stream
        self._put(_MAGIC + self.token + b"\n")

    def __call__(self, key: bytes, names: List[bytes], stats: List[Stat], own: Stat) -> None:
        payload = _pack(names, _numbers(stats, own, time.time_ns() - _FRESH_NS))
        self._put(_LENGTHS.pack(len(key), len(payload)) + key + payload)

    def _put(self, data: bytes) -> None:
        if self.error is None and self.stream is not None:
            try:
                self.stream.write(data)
            except OSError as error:
                self.error = error


@contextlib.contextmanager
def recording(spool: Callable[[], BinaryIO]) -> Iterator[Recorder]:
    """A recorder over the nameless file that `spool` makes."""
    try:
        stream = spool()  # closed below, where a full disk must not matter
    except OSError as error:
        yield Recorder(None, error)
        return
    try:
        yield Recorder(stream)
    finally:
        with contextlib.suppress(OSError):
            stream.close()


class Records:
    """Reads the records of an earlier walk back, in order. ValueError when the file is not the one of `token`."""

    def __init__(self, stream: BinaryIO, token: bytes) -> None:
        self._stream = stream
        self.dropped = 0
        if stream.read(len(_MAGIC)) != _MAGIC or stream.readline(256) != token + b"\n":
            raise ValueError("not the cache of the last backup")
        self._ahead: Optional[Tuple[bytes, bytes]] = self.next()

    def next(self) -> Optional[Tuple[bytes, bytes]]:
        head = self._stream.read(_LENGTHS.size)
        if len(head) < _LENGTHS.size:
            return None
        key_length, length = _LENGTHS.unpack(head)
        key, payload = self._stream.read(key_length), self._stream.read(length)
        return (key, payload) if len(payload) == length else None  # cut short by a crash: it ends here

    def take(self, key: bytes) -> Optional[bytes]:
        """The payload of the record `key`, if there is one; records before it are dropped."""
        if self._ahead is not None and self._ahead[0] != key:
            wanted = order(key)
            while self._ahead is not None and order(self._ahead[0]) < wanted:
                self._ahead = self.next()
                self.dropped += 1
        if self._ahead is None or self._ahead[0] != key:
            return None
        payload, self._ahead = self._ahead[1], self.next()
        return payload

    @property
    def ended(self) -> bool:
        return self._ahead is None


def all_known(records: Records, walk: Callable[..., Iterator]) -> bool:
    """Does a walk meet exactly the recorded names, each in its recorded state? Stops at the first difference."""
    differs: List[bytes] = []

    def compare(key, names, stats, own) -> None:
        if records.take(key) != _pack(names, _numbers(stats, own, None)):
            differs.append(key)

    for node in walk(on_chunk=compare, folders_only=True):
        if differs or records.dropped or node.error is not None:
            return False
    return not differs and not records.dropped and records.ended


def known_names(records: Optional[Records], key: bytes, names: List[bytes], stats: List[Stat], own: Stat) -> Set[bytes]:
    """The names of a chunk that are in their recorded state."""
    payload = records.take(key) if records is not None else None
    if payload is None:
        return set()
    try:
        before = _unpack(payload)
    except (ValueError, struct.error):  # damaged: it vouches for nothing
        return set()
    now = _numbers(stats, own, None)
    return {
        name
        for i, name in enumerate(names)
        if before.get(name, _NOTHING) != _NOTHING and before[name] == tuple(now[4 * i + 4 : 4 * i + 8])
    }
