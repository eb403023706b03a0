# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts a walk's nodes into the tar stream: one entry after the other, each honest about whether it held still."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from typing import Callable, Dict, List, Optional, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import content
from ._tarheader import header
from .blocks import BlockWriter
from .metadata import Links, describe, from_stat, read_xattrs, state_of
from .model import (
    BLOCK_SIZE,
    CHANGED,
    FILE,
    SOCKET,
    UNREADABLE,
    VANISHED,
    Entry,
    padding,
    shown,
)  # fmt: skip
from .walk import Node, describe_error

_TRIES = 3
_PAUSE_S = 0.05  # between tries: long enough for a short write to end
_ZEROS = bytes(512)
_REPLACED = (errno.ELOOP, errno.ENXIO)  # what opening says of a link, or a socket, that took a file's place


class Gone(Exception):
    """The path vanished between the walk's look and ours."""


class Store:
    """Stores nodes, and keeps the lists of what could not be stored faithfully (archive paths)."""

    def __init__(
        self, sink: BlockWriter, on_line: Callable[[Entry], None], xattrs: bool, sparse: bool, on_changed: str
    ):
        self._sink, self._on_line = sink, on_line
        self._xattrs, self._sparse, self._on_changed = xattrs, sparse, on_changed
        self._tries = _TRIES if on_changed == "retry" else 1
        self._links = Links()
        self.entries = self.files = self.input_bytes = 0
        self.changed: List[bytes] = []
        self.unreadable: List[bytes] = []
        self.vanished: List[bytes] = []
        self.sockets: List[bytes] = []
        self.denied: List[str] = []  # "path: attribute" of what this user may not read
        self.why_unreadable = ""

    def add(self, node: Node) -> None:
        """Store one node. Raises UpkeepError `changed_during_backup` under on_changed: fail; OSError from the archive's
        own file only."""
        now = self._as_it_is_now(node)
        leader = self._links.leader(now) if now is not None else None
        if stat.S_ISREG(node.stat.st_mode):
            if leader is None:
                self._file(node)
                return
            self.files += 1
        try:
            denied: List[str] = []
            entry = describe(node, self._xattrs and node.error is None, leader, denied)
            self._note_denied(node, denied)
        except FileNotFoundError:
            self._gone(node)
            return
        except OSError as error:
            self._not_readable(node, error)
            return
        if entry.type == SOCKET:
            self.sockets.append(node.path)
            self._on_line(entry)
            return
        if node.error is not None:  # the folder's own entry is stored, what it holds is not
            entry.state = UNREADABLE
            self._remember_unreadable(node, node.error)
        self._emit(entry)
        if leader is None and now is not None and state_of(now) == state_of(node.stat):
            self._links.lead(now, entry)

    @staticmethod
    def _as_it_is_now(node: Node) -> Optional[os.stat_result]:
        """A second look at what has several names: a path that was replaced since the walk's look is no such name."""
        if node.stat.st_nlink < 2 or stat.S_ISDIR(node.stat.st_mode):
            return None
        try:
            return os.stat(node.name, dir_fd=node.dir_fd, follow_symlinks=False)
        except OSError:
            return None  # reading it will say why

    def _note_denied(self, node: Node, names: List[str]) -> None:
        self.denied += [f"{shown(node.path)}: {name}" for name in names]

    def _file(self, node: Node) -> None:
        try:
            entry, info = self._tried(node)
        except (Gone, FileNotFoundError):
            self._gone(node)
            return
        except _Unreadable as error:
            self._not_readable(node, error.cause)
            return
        if entry.state == CHANGED:
            if self._on_changed == "fail":
                raise UpkeepError(
                    "changed_during_backup",
                    f"paths: {shown(node.path)} changed while it was read; nothing was replaced. Stop its writer, "
                    "exclude it, or set on_changed to retry or mark.",
                )
            self.changed.append(node.path)
        self.files += 1
        self.input_bytes += entry.size
        self._finish(entry)
        self._links.lead(info, entry)  # the file that was read, which need not be the one that the walk saw

    def _tried(self, node: Node) -> Tuple[Entry, os.stat_result]:
        """The stored entry and its file, from the first try in which it held still, else from the last."""
        for attempt in range(1, self._tries + 1):
            last = attempt == self._tries
            with _Reading(node) as source:
                info = source.info
                entry = from_stat(node.path, info)
                if entry.type != FILE:
                    raise Gone
                denied: List[str] = []
                entry.xattrs = source.xattrs(denied) if self._xattrs else {}
                entry.sparse = source.regions() if self._sparse else None
                small = info.st_size <= BLOCK_SIZE and entry.sparse is None
                if self._small(source, entry, last) if small else self._large(source, entry, last):
                    self._note_denied(node, denied)
                    return entry, info
            time.sleep(_PAUSE_S)
        raise AssertionError("the last try always stores")

    def _small(self, source: _Reading, entry: Entry, last: bool) -> bool:
        """Read it whole first, so that nothing has to be taken back when it changed."""
        data = source.read_small()
        if len(data) != entry.size or not source.held_still():
            entry.state = CHANGED
            if not last:
                return False
            data = data[: entry.size].ljust(entry.size, b"\0")
        entry.sha256 = hashlib.sha256(data).hexdigest()
        self._begin(entry)
        if data:
            self._sink.write(data)
        return True

    def _large(self, source: _Reading, entry: Entry, last: bool) -> bool:
        """Store it as it is read, and take it back when it changed or could not be read to its end."""
        point = self._sink.checkpoint()
        sha = content.SparseHash(entry.size, entry.sparse)
        self._begin(entry)
        sink, there = self._sink, 0

        def take(data: bytes) -> None:
            sha.update(data)
            sink.write(data)

        wanted = entry.sparse if entry.sparse is not None else [(0, entry.size)]
        try:
            for offset, length in wanted:
                sha.region(offset, length)
                there += source.copy(offset, length, sink.room, take)
            held = source.held_still()
        except _Unreadable:
            sink.rollback(point)
            raise
        if there != sum(length for _offset, length in wanted) or not held:
            entry.state = CHANGED
            if not last:
                sink.rollback(point)
                return False
        entry.sha256, entry.sha256_of = sha.hexdigest(), sha.of
        return True

    def _begin(self, entry: Entry) -> None:
        entry.offset = self._sink.position
        self._sink.write(header(entry))

    def _emit(self, entry: Entry) -> None:
        self._begin(entry)
        self._finish(entry)

    def _finish(self, entry: Entry) -> None:
        rest = padding(self._sink.position)
        if rest:
            self._sink.write(_ZEROS[:rest])
        self.entries += 1
        self._on_line(entry)

    def _gone(self, node: Node) -> None:
        self.vanished.append(node.path)
        entry = from_stat(node.path, node.stat)
        entry.state = VANISHED
        self._on_line(entry)

    def _not_readable(self, node: Node, error: OSError) -> None:
        self._remember_unreadable(node, error)
        entry = from_stat(node.path, node.stat)
        entry.state = UNREADABLE
        self._on_line(entry)

    def _remember_unreadable(self, node: Node, error: OSError) -> None:
        self.unreadable.append(node.path)
        self.why_unreadable = self.why_unreadable or describe_error(error)


class _Unreadable(Exception):
    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Reading:
    """A file open for reading. Its own errors come as `_Unreadable`, so that they are not taken for the archive's."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __enter__(self) -> _Reading:
        try:
            self.fd = content.open_file(self._node.name, self._node.dir_fd)
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in _REPLACED:
                raise Gone
            raise _Unreadable(error)
        try:
            self.info = os.fstat(self.fd)
            if content.outwait(self.info):
                self.info = os.fstat(self.fd)
        except OSError as error:
            os.close(self.fd)
            raise _Unreadable(error)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def xattrs(self, denied: List[str]) -> Dict[str, bytes]:
        return self._guard(read_xattrs, self.fd, denied)

    def regions(self) -> Optional[list]:
        return self._guard(content.regions, self.fd, self.info)

    def read_small(self) -> bytes:
        return self._guard(content.read_small, self.fd, self.info.st_size)

    def held_still(self) -> bool:
        return content.same(self.info, self._guard(os.fstat, self.fd))

    def copy(self, offset: int, length: int, room: Callable[[], int], take: Callable[[bytes], None]) -> int:
        self._guard(os.lseek, self.fd, offset, os.SEEK_SET)
        return content.copy(lambda size: self._guard(os.read, self.fd, size), length, room, take)

    @staticmethod
    def _guard(function, *arguments):
        try:
            return function(*arguments)
        except OSError as error:
            raise _Unreadable(error)
