# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file system in memory that answers EIO where it is told to: real errors, through the kernel, on any machine.

It speaks the kernel's FUSE protocol (linux/fuse.h, 7.31) itself, over /dev/fuse: neither libfuse nor a daemon is
needed, only root. `Disk.break_after(n, operations)` lets n more of these operations pass and fails all that follow.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
import stat
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path

LOOKUP, FORGET, GETATTR, SETATTR, READLINK, SYMLINK = 1, 2, 3, 4, 5, 6
MKNOD, MKDIR, UNLINK, RMDIR, RENAME, LINK, OPEN, READ, WRITE, STATFS, RELEASE = 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
FSYNC, LISTXATTR, INIT, OPENDIR, READDIR, FSYNCDIR, CREATE, BATCH_FORGET, RENAME2 = 20, 23, 26, 27, 28, 30, 35, 42, 45
READING = (OPEN, OPENDIR, READ, READDIR, READLINK)
LOOKING = (LOOKUP, GETATTR)
WRITING = (CREATE, WRITE, FSYNC, SETATTR, RENAME, RENAME2, MKDIR, UNLINK)
_SILENT = (FORGET, BATCH_FORGET)
_EMPTY = (18, 25, 29)  # RELEASE, FLUSH, RELEASEDIR
_HEAD, _ANSWER = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
_ATTR = struct.Struct("<QQQQQQIIIIIIIIII")


@dataclass
class _Node:
    """Exactly one of `names` (a folder), `data` (a file) and `link` is in use, by the type in `mode`."""

    number: int
    mode: int
    times: list = field(default_factory=lambda: [time.time_ns()] * 3)  # of access, content, inode
    names: dict = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    link: bytes = b""
    count: int = 1

    def attributes(self) -> bytes:
        size = len(self.data) or len(self.link)
        seconds, rest = zip(*(divmod(moment, 1_000_000_000) for moment in self.times))
        return _ATTR.pack(
            self.number, size, (size + 511) // 512, *seconds, *rest, self.mode, self.count, 0, 0, 0, 4096, 0
        )


class _Problem(Exception):
    pass


class _Server:
    def __init__(self, device: int, fault: mmap.mmap) -> None:
        self.device, self.fault = device, fault
        self.nodes = {1: _Node(1, stat.S_IFDIR | 0o755)}
        self.next = 2

    def serve(self) -> None:
        while True:
            try:
                request = os.read(self.device, 1 << 18)
            except OSError:  # unmounted
                return
            _length, operation, unique, number, *_who = _HEAD.unpack_from(request)
            if operation in _SILENT:
                continue
            try:
                self.perhaps_fail(operation)
                answer, error = self.answer(operation, number, request[_HEAD.size :]), 0
            except _Problem as problem:
                answer, error = b"", -problem.args[0]
            os.write(self.device, _ANSWER.pack(_ANSWER.size + len(answer), error, unique) + answer)

    def perhaps_fail(self, operation: int) -> None:
        left, mask = struct.unpack("<qQ", self.fault[:16])
        if mask >> operation & 1:
            if left <= 0:
                raise _Problem(errno.EIO)
            self.fault[:8] = struct.pack("<q", left - 1)

    def answer(self, operation: int, number: int, body: bytes) -> bytes:
        if operation == INIT:
            return struct.pack("<IIIIHHIIHHII6I", 7, 31, 1 << 17, 0, 12, 9, 1 << 17, 1, 0, 0, 0, 0, *[0] * 6)
        node = self.nodes[number]
        if operation == LOOKUP:
            return self.entry(self.named(node, body[:-1]))
        if operation == GETATTR:
            return struct.pack("<QII", 0, 0, 0) + node.attributes()
        if operation == SETATTR:
            return self.change(node, body)
        if operation in (OPEN, OPENDIR):
            return struct.pack("<QII", 0, 0, 0)
        if operation in (READ, READDIR):
            offset, size = struct.unpack_from("<8xQI", body)
            return bytes(node.data[offset : offset + size]) if operation == READ else self.listed(node, offset, size)
        if operation == READLINK:
            return node.link
        if operation == WRITE:
            offset, size = struct.unpack_from("<8xQI", body)
            node.data.extend(bytes(max(0, offset - len(node.data))))
            node.data[offset : offset + size] = body[40 : 40 + size]
            node.times[1:] = [time.time_ns()] * 2
            return struct.pack("<II", size, 0)
        if operation == CREATE:
            mode = struct.unpack_from("<4xI", body)[0]
            return self.entry(self.make(node, body[16:-1], stat.S_IFREG | mode & 0o7777)) + struct.pack("<QII", 0, 0, 0)
        if operation == MKNOD:
            return self.entry(self.make(node, body[16:-1], struct.unpack_from("<I", body)[0]))
        if operation == MKDIR:
            return self.entry(self.make(node, body[8:-1], stat.S_IFDIR | struct.unpack_from("<I", body)[0]))
        if operation == SYMLINK:
            name, link = body[:-1].split(b"\0")
            made = self.make(node, name, stat.S_IFLNK | 0o777)
            made.link = link
            return self.entry(made)
        if operation == LINK:
            target = self.nodes[struct.unpack_from("<Q", body)[0]]
            node.names[body[8:-1]] = target.number
            target.count += 1
            return self.entry(target)
        if operation in (UNLINK, RMDIR):
            self.named(node, body[:-1]).count -= 1
            del node.names[body[:-1]]
            return b""
        if operation in (RENAME, RENAME2):
            folder = self.nodes[struct.unpack_from("<Q", body)[0]]
            old, new = body[8 if operation == RENAME else 16 : -1].split(b"\0")
            folder.names[new] = self.named(node, old).number
            del node.names[old]
            return b""
        if operation == STATFS:
            return struct.pack("<QQQQQIIII24x", 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 4096, 255, 4096, 0)
        if operation in (FSYNC, FSYNCDIR, *_EMPTY):
            return b""
        raise _Problem(errno.ENOSYS)

    def named(self, folder: _Node, name: bytes) -> _Node:
        if name not in folder.names:
            raise _Problem(errno.ENOENT)
        return self.nodes[folder.names[name]]

    def make(self, folder: _Node, name: bytes, mode: int) -> _Node:
        node = self.nodes[self.next] = _Node(self.next, mode)
        folder.names[name] = node.number
        folder.times[1:] = [time.time_ns()] * 2
        self.next += 1
        return node

    def change(self, node: _Node, body: bytes) -> bytes:
        what, size, atime, mtime, atime_ns, mtime_ns, mode = struct.unpack_from("<I12xQ8xQQ8xII4xI", body)
        if what & 1:
            node.mode = stat.S_IFMT(node.mode) | mode & 0o7777
        if what & 8:
            node.data[:] = node.data[:size].ljust(size, b"\0")
        if what & 32:
            node.times[:2] = [atime * 1_000_000_000 + atime_ns, mtime * 1_000_000_000 + mtime_ns]
        node.times[2] = time.time_ns()
        return struct.pack("<QII", 0, 0, 0) + node.attributes()

    @staticmethod
    def entry(node: _Node) -> bytes:
        return struct.pack("<QQQQII", node.number, 0, 0, 0, 0, 0) + node.attributes()

    def listed(self, folder: _Node, offset: int, size: int) -> bytes:
        out = b""
        for place, (name, number) in enumerate(list(folder.names.items())[offset:], start=offset + 1):
            entry = struct.pack("<QQII", number, place, len(name), stat.S_IFMT(self.nodes[number].mode) >> 12) + name
            entry += bytes(-len(entry) % 8)
            if len(out) + len(entry) > size:
                break
            out += entry
        return out


class Disk:
    """The file system, mounted at `place` by `mount`. OSError where this user or kernel cannot."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._fault = mmap.mmap(-1, 16)

    def mount(self) -> None:
        self.place.mkdir(exist_ok=True)
        device = os.open("/dev/fuse", os.O_RDWR)
        try:
            options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % device
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.mount(b"upkeep-test", os.fsencode(self.place), b"fuse", 0, options):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            self._child = os.fork()
            if self._child == 0:
                try:
                    _Server(device, self._fault).serve()
                finally:
                    os._exit(0)
        finally:
            os.close(device)

    def unmount(self) -> None:
        ctypes.CDLL(None).umount2(os.fsencode(self.place), 2)  # MNT_DETACH: a file that was left open must not hold it
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)

    def break_after(self, count: int, operations: tuple) -> None:
        self._fault[:16] = struct.pack("<qQ", count, sum(1 << operation for operation in operations))

    def mend(self) -> None:
        self._fault[:16] = bytes(16)
