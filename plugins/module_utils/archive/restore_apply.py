# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carrying out a restore's plan: each entry is built in a staging folder beside its place, and renamed when whole.

The staging folder is private (0700), so nobody else reaches what is being built, even in a folder that they own; and it
has no default ACL, so what is built there inherits none. A cut leaves at most such a folder: the next restore that
writes into the same folder takes it over and removes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat as stat_module
from typing import Any, Dict, Iterable, Optional, Set, Tuple

from . import scratch
from .extract import Extractor, Folders, enter, enter_or_make
from .metadata import read_xattrs
from .model import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, shown
from .restore_plan import REPLACE, STAGING, Plan, Rules, Step, seen
from .scope import Selection
from .walk import describe_error

_FATAL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


class Restorer:
    """Does the steps of `plan` under the folder `root`. `done` are the paths that are in place and whole; `failed` says
    of a path why it is not; `limits` which attributes this user or file system could not take."""

    def __init__(self, root: int, plan: Plan, rules: Rules, xattrs: bool) -> None:
        self.done: Set[bytes] = set()
        self.failed: Dict[bytes, str] = {}
        self.limits: Dict[str, str] = {}
        self.written_bytes = 0
        self.changed = False
        self._root, self._plan, self._rules, self._xattrs = root, plan, rules, xattrs
        self._folders = Folders(root, self._leave, enter_or_make)
        self._stages: Dict[bytes, Extractor] = {}
        self._fds: Dict[bytes, int] = {}
        self._touched: Set[bytes] = set()
        self._to_dress: Dict[bytes, Entry] = {}
        self._leftovers = set(plan.leftovers)  # but for those that were taken over since

    def entry(self, entry: Entry) -> Optional[_Building]:
        """First pass, for `verify`: folders, files and special files. Raises OSError only for what ends it all."""
        step = self._plan.steps.get(entry.path)
        if step is None or entry.type in (SYMLINK, HARDLINK):
            return None
        try:
            if entry.type == DIRECTORY:
                self._folder(entry, step)
                return None
            name, _parent, stage = self._stage(entry)
            file = stage.entry(entry.but(path=name))
            if file is not None:
                file.sync = step.action == REPLACE  # a good one goes only for what is on the disk
                return _Building(self, entry, file)
            if name in stage.skipped:
                self.failed[entry.path] = stage.skipped.pop(name)
            else:
                self.put(entry)
        except OSError as error:
            self.fail(entry, error)
        return None

    def finish(self, selection: Selection, entries: Iterable[Entry]) -> None:
        """Second pass over all entries: links; then what belongs to the folders that were made or written into."""
        self._folders.close()
        self._sweep()
        try:
            for entry in selection.as_restored(entries):
                step = self._plan.steps.get(entry.path)
                try:
                    if entry.type == DIRECTORY:
                        self._remember(entry, step, selection)
                    elif step is not None and entry.type in (SYMLINK, HARDLINK):
                        self._link(entry)
                except OSError as error:
                    self.fail(entry, error)
        finally:
            self.close()

    def _sweep(self) -> None:
        """Take over each staging folder that a cut left where nothing is to be done any more: leaving removes it."""
        for folder in sorted(self._leftovers):
            with contextlib.suppress(OSError):
                fd = _private(self._folders.at(folder))
                self._stages[folder], self._fds[folder] = Extractor(fd), fd
                self._touched.add(folder)
        self._folders.close()
        if b"" in self._fds:
            self._leave(b"", self._root)

    def close(self) -> None:
        """Remove what is left in staging. Raises OSError."""
        self._folders.close()
        self._leave(b"", self._root)

    # -- one entry -------------------------------------------------------------------------------------------------

    def _folder(self, entry: Entry, step: Step) -> None:
        if entry.path == b".":
            return
        if step.action == REPLACE:
            folder, name = os.path.split(entry.path)
            parent = self._folders.at(folder)
            info = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not stat_module.S_ISDIR(info.st_mode):
                self._require_same(entry, info)
                os.unlink(name, dir_fd=parent)
                self.changed = True
        self._touched.add(os.path.dirname(entry.path))
        self._folders.at(entry.path)
        self.changed = True

    def _stage(self, entry: Entry) -> Tuple[bytes, int, Extractor]:
        """(base name, descriptor of its folder, an extractor into the staging folder there). Raises OSError."""
        folder, name = os.path.split(entry.path)
        parent = self._folders.at(folder)
        if folder not in self._stages:
            self._touched.add(folder)
            self._leftovers.discard(folder)
            fd = _private(parent)
            stage = Extractor(fd, self._rules.devices, lasting=True)
            stage.limits = self.limits
            self._stages[folder], self._fds[folder] = stage, fd
        return name, parent, self._stages[folder]

    def put(self, entry: Entry) -> None:
        """What stands whole in staging goes to its place. Raises OSError."""
        name, parent, _stage = self._stage(entry)
        try:
            there: Optional[os.stat_result] = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            there = None
        staged = self._fds[os.path.dirname(entry.path)]
        try:
            self._require_same(entry, there)
            os.rename(name, name, src_dir_fd=staged, dst_dir_fd=parent)
        except OSError:
            os.unlink(name, dir_fd=staged)
            raise
        self.changed = True
        self.done.add(entry.path)
        self.written_bytes += entry.size if entry.type == FILE else 0

    def _require_same(self, entry: Entry, there: Optional[os.stat_result]) -> None:
        if (None if there is None else seen(there)) != self._plan.steps[entry.path].seen:
            raise OSError(errno.EBUSY, "it was changed on this host while the restore ran, and was left alone")

    def _link(self, entry: Entry) -> None:
        if entry.leader is not None and self._is_lost(entry.leader):
            leader = shown(entry.leader)
            self.failed.setdefault(entry.path, f"the file that it is another name of, {leader}, was not restored")
            return
        if entry.path in self.failed:
            return
        name, _parent, stage = self._stage(entry)
        staged = self._fds[os.path.dirname(entry.path)]
        if entry.type == SYMLINK:
            os.symlink(entry.link or b"", name, dir_fd=staged)
            stage.dress_name(entry, staged, name)
        else:
            self._hard_link(entry, name, staged)
        self.put(entry)

    def _is_lost(self, leader: bytes) -> bool:
        return leader in self._plan.refused or (leader in self._plan.steps and leader not in self.done)

    def _hard_link(self, entry: Entry, name: bytes, staged: int) -> None:
        folder, leaf = os.path.split(entry.leader or b"")
        folders = Folders(self._root, way=enter)
        try:
            os.link(leaf, name, src_dir_fd=folders.at(folder), dst_dir_fd=staged, follow_symlinks=False)
        finally:
            folders.close()

    def fail(self, entry: Entry, error: OSError) -> None:
        """Note it, and go on with the others; unless the disk is full or failing."""
        self.failed[entry.path] = describe_error(error)
        if error.errno in _FATAL:
            raise error

    # -- folders ---------------------------------------------------------------------------------------------------

    def _remember(self, entry: Entry, step: Optional[Step], selection: Selection) -> None:
        """That it is to be dressed when everything in it is done: writing into it changed its time."""
        mine = step is not None and entry.path not in self.failed
        name = b"" if entry.path == b"." else entry.path
        kept = step is None and entry in selection and entry.path not in self._plan.refused
        again = kept and name in self._touched and entry.path not in self._plan.left
        if not (mine or again) or (entry.path == b"." and not self._rules.own):
            return
        self._to_dress[name] = entry
        if name:
            self._folders.at(name)

    def _leave(self, path: bytes, fd: int) -> None:
        stage, staged = self._stages.pop(path, None), self._fds.pop(path, -1)
        if stage is not None:
            try:
                scratch.empty(staged)
                os.rmdir(STAGING, dir_fd=fd)
            finally:
                os.close(staged)
        entry = self._to_dress.pop(path, None)
        if entry is None:
            return
        try:
            self._dress(entry, fd)
        except OSError as error:
            self.fail(entry, error)
            return
        if entry.path in self._plan.steps:
            self.changed = True
            self.done.add(entry.path)

    def _dress(self, entry: Entry, fd: int) -> None:
        extractor = Extractor(fd)
        extractor.limits = self.limits
        if self._xattrs:
            for name in read_xattrs(fd).keys() - entry.xattrs.keys():
                if not name.startswith("security."):
                    extractor.attempt(name, os.removexattr, fd, name)
        extractor.dress(entry, fd)


class _Building:
    """A file on its way: what `verify` hands on goes to staging, and to its place only when it is what was archived."""

    def __init__(self, restorer: Restorer, entry: Entry, file: Any) -> None:
        self._restorer, self._entry, self._file = restorer, entry, file

    def write(self, data: Any) -> None:
        self._file.write(data)

    def done(self, ok: bool) -> None:
        try:
            self._file.done(ok)
            if ok:
                self._restorer.put(self._entry)
        except OSError as error:
            self._restorer.fail(self._entry, error)


def _private(parent: int) -> int:
    """The descriptor of an empty staging folder of ours in this one. Raises OSError."""
    try:
        os.mkdir(STAGING, 0o700, dir_fd=parent)
        left_over = False
    except FileExistsError:
        left_over = True
    fd = enter(parent, STAGING)
    try:
        if os.fstat(fd).st_uid != os.geteuid():
            name = shown(STAGING)
            raise OSError(errno.EPERM, f"{name} in its folder belongs to somebody else: remove it")
        os.fchmod(fd, 0o700)
        if left_over:
            scratch.empty(fd)
        with contextlib.suppress(OSError):  # it has none, or the file system knows none
            os.removexattr(fd, scratch.DEFAULT_ACL)
    except BaseException:
        os.close(fd)
        raise
    return fd


def lost_at_the_end(plan: Plan, restorer: Restorer, why: str) -> Dict[bytes, str]:
    """Every planned path that is not in place, and why; `why` where nothing more is known."""
    return {path: restorer.failed.get(path, why) for path in plan.steps if path not in restorer.done}
