# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Extraction that trusts nothing: every folder is entered by descriptor without following links, every file is new.

Order: folders and contents first; then links; a folder's own owner, mode and time when everything in it is done. For
each path: owner before mode (a chown clears setuid), mode before attributes other than the user's (an ACL has the mode
in it), time last.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Callable, Dict, Iterable, List, Optional, Set, Tuple

from . import model
from .metadata import beneath
from .model import DIRECTORY, HARDLINK, SYMLINK, Entry

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NODES = {model.FIFO: stat.S_IFIFO, model.CHARACTER: stat.S_IFCHR, model.BLOCK: stat.S_IFBLK}


def enter(parent: int, name: bytes) -> int:
    """The descriptor of a folder that is there, never through a link. Raises OSError."""
    return os.open(name, _FOLDER, dir_fd=parent)


def enter_or_make(parent: int, name: bytes) -> int:
    """The same; a missing one is made, for us alone. Raises OSError."""
    try:
        return enter(parent, name)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):  # another process of ours was quicker
            os.mkdir(name, 0o700, dir_fd=parent)
        return enter(parent, name)


class Folders:
    """Descriptors of the folders from the root to where we are. Quick where paths come in archive order.

    `way` opens a folder by its name in another one; `leave` is called for each but the root before it is closed.
    """

    def __init__(
        self,
        root: int,
        leave: Optional[Callable[[bytes, int], None]] = None,
        way: Callable[[int, bytes], int] = enter_or_make,
    ) -> None:
        self._stack: List[Tuple[bytes, int]] = []
        self._root, self._leave, self._way = root, leave, way

    def at(self, path: bytes) -> int:
        """The descriptor of this folder (`b""` is the root). Raises OSError."""
        while self._stack and not (path + b"/").startswith(self._stack[-1][0] + b"/"):
            self._pop()
        known = self._stack[-1][0] if self._stack else b""
        fd = self._stack[-1][1] if self._stack else self._root
        rest = path[len(known) :].strip(b"/")
        for name in rest.split(b"/") if rest else ():
            known = known + b"/" + name if known else name
            fd = self._way(fd, name)
            self._stack.append((known, fd))
        return fd

    def close(self) -> None:
        while self._stack:
            self._pop()

    def _pop(self) -> None:
        path, fd = self._stack.pop()
        try:
            if self._leave is not None:
                self._leave(path, fd)
        finally:
            os.close(fd)


class Extractor:
    """Puts entries under the folder `root`. `skipped` says what was not restored, and why; `limits` which attributes
    this user or file system could not take (they are left out of a comparison); `current` is the path at work."""

    def __init__(self, root: int, devices: bool = False) -> None:
        self.skipped: Dict[bytes, str] = {}
        self.limits: Dict[str, str] = {}
        self.owners = os.geteuid() == 0
        self.current = b""
        self._root, self._devices = root, devices
        self._new: Optional[Tuple[int, int]] = None
        self._folders = Folders(root)

    def entry(self, entry: Entry) -> Optional[_File]:
        """Make one entry; links wait for `finish`. A regular file is returned to be written. Raises OSError."""
        self.current = entry.path
        folder, name = os.path.split(entry.path)
        if entry.type == DIRECTORY:
            self._folders.at(b"" if entry.path == b"." else entry.path)
            return None
        if entry.type in (SYMLINK, HARDLINK):
            return None
        parent = self._folders.at(folder)
        if entry.type == model.FILE:
            return _File(self, entry, os.open(name, _NEW, 0o600, dir_fd=parent), parent)
        if entry.type != model.FIFO and not self._devices:
            self.skipped[entry.path] = "device nodes are not made here"
            return None
        try:
            os.mknod(name, _NODES[entry.type] | 0o600, os.makedev(*entry.rdev) if entry.rdev else 0, dir_fd=parent)
        except PermissionError as error:
            self.skipped[entry.path] = f"this user may not make it ({error.strerror})"
            return None
        self.dress_name(entry, parent, name)
        return None

    def close(self) -> None:
        """After a failure: leave the folders that are open."""
        self._folders.close()

    def finish(self, entries: Iterable[Entry], without: Set[bytes]) -> None:
        """Second pass over the same entries: links, then what belongs to folders. `without` are paths not restored."""
        self._folders.close()
        open_folders: Dict[bytes, Entry] = {}

        def leave(path: bytes, fd: int) -> None:
            entry = open_folders.pop(path, None)
            if entry is not None:
                self.dress(entry, fd)

        folders = Folders(self._root, leave)
        try:
            for entry in entries:
                if entry.path in without:
                    continue
                self.current = entry.path
                if entry.path == b".":
                    self.skipped[entry.path] = "the scratch folder stays private: it keeps its own owner, mode and time"
                elif entry.type == DIRECTORY:
                    folders.at(entry.path)
                    open_folders[entry.path] = entry
                elif entry.type in (SYMLINK, HARDLINK):
                    folder, name = os.path.split(entry.path)
                    self._link(entry, folders.at(folder), name, without)
        finally:
            folders.close()

    def _link(self, entry: Entry, parent: int, name: bytes, without: Set[bytes]) -> None:
        if entry.type == SYMLINK:
            os.symlink(entry.link or b"", name, dir_fd=parent)
            self.dress_name(entry, parent, name)
            return
        leader = entry.leader or b""
        if leader in without or leader in self.skipped:
            self.skipped[entry.path] = f"the file that it is another name of, {model.shown(leader)}, was not restored"
            return
        folder, leaf = os.path.split(leader)
        opened = [self._root]
        try:
            for part in folder.split(b"/") if folder else ():
                opened.append(os.open(part, _FOLDER, dir_fd=opened[-1]))
            os.link(leaf, name, src_dir_fd=opened[-1], dst_dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            self.skipped[entry.path] = f"the file that it is another name of, {model.shown(leader)}, is not there"
        finally:
            for fd in opened[1:]:
                os.close(fd)

    def dress(self, entry: Entry, fd: int) -> None:
        """Owner, mode, attributes, time of something open."""
        if self.owners and (entry.uid, entry.gid) != self._owner_of_new(fd):
            self.attempt("owner", os.chown, fd, entry.uid, entry.gid)
        users = [key for key in entry.xattrs if key.startswith("user.")]
        for key in users:  # these take the right to write, which the mode may end
            self.attempt(key, os.setxattr, fd, key, entry.xattrs[key])
        os.chmod(fd, entry.mode)
        for key in entry.xattrs.keys() - users:
            self.attempt(key, os.setxattr, fd, key, entry.xattrs[key])
        os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))

    def _owner_of_new(self, fd: int) -> Tuple[int, int]:
        """Whom what we make here belongs to, as the first thing made shows: us, and our group or that of the folder."""
        if self._new is None:
            info = os.fstat(fd)
            self._new = info.st_uid, info.st_gid
        return self._new

    def dress_name(self, entry: Entry, parent: int, name: bytes) -> None:
        """The same for what cannot be opened: links and special files, just made by us in a folder of ours."""
        if self.owners:
            self.attempt("owner", lambda: os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False))
        if entry.type != SYMLINK:  # on Linux a link has no mode of its own
            os.chmod(name, entry.mode, dir_fd=parent)
        for key in entry.xattrs:
            target, value = beneath(parent, name), entry.xattrs[key]
            self.attempt(key, lambda k=key, t=target, v=value: os.setxattr(t, k, v, follow_symlinks=False))
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)

    def attempt(self, what: str, function, *arguments) -> None:
        """An attribute that may be beyond this user or file system: noted then, not fatal."""
        try:
            function(*arguments)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise
            self.limits.setdefault(what, error.strerror or str(error))


class _File:
    """A new file being filled with an entry's stored content."""

    def __init__(self, extractor: Extractor, entry: Entry, fd: int, parent: int) -> None:
        self._extractor, self._entry, self._fd, self._parent = extractor, entry, fd, parent
        self._regions = list(entry.sparse or [])
        self._left = 0
        self.sync = False  # to disk, before `done` returns

    def write(self, data) -> None:
        """The next stored bytes; those of a sparse file go to their regions. Raises OSError."""
        view = memoryview(data)
        while view:
            if self._entry.sparse is None:
                view = view[os.write(self._fd, view) :]
                continue
            if not self._left:
                offset, self._left = self._regions.pop(0)
                os.lseek(self._fd, offset, os.SEEK_SET)
            count = os.write(self._fd, view[: self._left])
            self._left -= count
            view = view[count:]

    def done(self, ok: bool) -> None:
        """Finish it, or take it away when its content is not what was archived. Raises OSError."""
        try:
            if ok:
                if self._entry.sparse is not None:
                    os.ftruncate(self._fd, self._entry.size)
                self._extractor.dress(self._entry, self._fd)
                if self.sync:
                    os.fsync(self._fd)
        finally:
            os.close(self._fd)
        if not ok:
            os.unlink(os.path.basename(self._entry.path), dir_fd=self._parent)
