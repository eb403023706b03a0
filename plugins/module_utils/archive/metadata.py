# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An `Entry` from what lies on disk: type, owner, time, link, extended attributes; everything but the content."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from functools import lru_cache
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

from .model import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, HARDLINK, SOCKET, SYMLINK, Entry
from .walk import Node

_TYPES = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFIFO: FIFO,
    stat.S_IFCHR: CHARACTER,
    stat.S_IFBLK: BLOCK,
    stat.S_IFSOCK: SOCKET,
}
_NO_XATTRS = (errno.ENOTSUP, errno.ENOSYS, errno.ENODATA)
_DENIED = (errno.EPERM, errno.EACCES)


class Leader(NamedTuple):
    """The name and attributes a file was first stored with: all its names must agree on them."""

    path: bytes
    mode: int
    uid: int
    gid: int
    mtime_ns: int


def state_of(info: os.stat_result) -> Tuple[int, ...]:
    """What tells a file, in one state of it, from all others: dev, inode, size, mtime_ns, ctime_ns."""
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


class Links:
    """The leader of every file that has more than one name; forgets a file when all its names were seen."""

    def __init__(self) -> None:
        self._seen: Dict[Tuple[int, int], list] = {}

    def leader(self, info: os.stat_result) -> Optional[Leader]:
        """What this very state of the file was stored as before, if it was."""
        if info.st_nlink < 2:
            return None
        key = (info.st_dev, info.st_ino)
        known = self._seen.get(key)
        if known is None or known[2] != state_of(info):
            return None
        known[1] -= 1
        if known[1] <= 0:
            del self._seen[key]
        return known[0]

    def lead(self, info: os.stat_result, entry: Entry) -> None:
        """`entry` was stored from the file that `info` is of: later names of that file are links to it."""
        if info.st_nlink > 1:
            leader = Leader(entry.path, entry.mode, entry.uid, entry.gid, entry.mtime_ns)
            self._seen[(info.st_dev, info.st_ino)] = [leader, info.st_nlink - 1, state_of(info)]

    def meet(self, node: Node) -> Optional[Leader]:
        """The leader of a node in a walk that only looks; the first name met becomes one."""
        if node.fd >= 0 or node.stat.st_nlink < 2:
            return None
        leader = self.leader(node.stat)
        if leader is None:
            self.lead(node.stat, from_stat(node.path, node.stat))
        return leader


def describe(
    node: Node, with_xattrs: bool, leader: Optional[Leader] = None, denied: Optional[List[str]] = None
) -> Entry:
    """The entry of a node, without content hash, sparse map and offset.

    A regular file's extended attributes are left to whoever opens it. Raises OSError when it has gone meanwhile.
    """
    entry = from_stat(node.path, node.stat)
    if leader is not None:
        entry.type, entry.leader, entry.size, entry.rdev = HARDLINK, leader.path, 0, None
        entry.mode, entry.uid, entry.gid, entry.mtime_ns = leader[1:]
        entry.user, entry.group = user_name(entry.uid), group_name(entry.gid)
        return entry
    if entry.type == SYMLINK:
        entry.link = _target(node)
    if with_xattrs and entry.type != FILE:
        entry.xattrs = read_xattrs(node.fd if node.fd >= 0 else beneath(node.dir_fd, node.name), denied)
    return entry


def _target(node: Node) -> bytes:
    try:
        return os.readlink(node.name, dir_fd=node.dir_fd)
    except OSError as error:
        if error.errno == errno.EINVAL:  # something else took the link's place
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        raise


def from_stat(path: bytes, info: os.stat_result) -> Entry:
    """What `lstat` alone tells."""
    kind = _TYPES[stat.S_IFMT(info.st_mode)]
    entry = Entry(
        path, kind, info.st_mode & 0o7777, info.st_uid, info.st_gid,
        user_name(info.st_uid), group_name(info.st_gid), info.st_mtime_ns,
    )  # fmt: skip
    if kind == FILE:
        entry.size = info.st_size
    elif kind in (CHARACTER, BLOCK):
        entry.rdev = (os.major(info.st_rdev), os.minor(info.st_rdev))
    return entry


def read_xattrs(target: Union[int, bytes], denied: Optional[List[str]] = None) -> Dict[str, bytes]:
    """All extended attributes of a descriptor or path, ACLs, capabilities and labels included; a link's own.

    Those that this user may not read go to `denied` instead. Raises OSError.
    """
    follow = isinstance(target, int)
    found = {}
    for name in _permitted(lambda: os.listxattr(target, follow_symlinks=follow), "all", denied) or ():
        value = _permitted(lambda name=name: os.getxattr(target, name, follow_symlinks=follow), name, denied)
        if value is not None:
            found[name] = value
    return found


def _permitted(read: Callable[[], Any], what: str, denied: Optional[List[str]]) -> Any:
    try:
        return read()
    except OSError as error:
        if error.errno in _DENIED and denied is not None:
            denied.append(what)
        elif error.errno not in _NO_XATTRS + _DENIED:
            raise
    return None


def beneath(dir_fd: int, name: bytes) -> bytes:
    """A path for the calls that take no folder descriptor: the kernel's own link to the folder, then the name."""
    return b"/proc/self/fd/%d/%s" % (dir_fd, name)


@lru_cache(maxsize=None)
def user_name(uid: int) -> str:
    """The account's name on this host, empty where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return ""


@lru_cache(maxsize=None)
def group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return ""
