# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a restore into a folder would do to each path: make, replace, leave alone, or refuse it. Writes nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import compare
from ._tarheader import stored_size
from .extract import Folders, enter, safe_mode
from .findings import LIMIT
from .manifest import Manifest
from .metadata import from_stat
from .model import BLOCK, CHARACTER, DIRECTORY, FILE, HARDLINK, SOCKET, STABLE, SYMLINK, Entry, shown
from .scope import Selection
from .walk import Node, describe_error

CREATE, REPLACE = "create", "replace"
OLDER, NEVER, ALWAYS = "older", "never", "always"
STAGING = b".upkeep-restoring"  # a restore's own folder, beside what it builds in there
Seen = Tuple[int, ...]

_ABSENT = (errno.ENOENT,)
_NO_FOLDER = (errno.ENOTDIR, errno.ELOOP)
_ACL_AND_USERS = ("user.", "system.posix_acl_")
_LABEL = "security.selinux"  # the host's policy gives one to every file, whether or not the archive knows of any


class Step(NamedTuple):
    """What to do with one path. `seen` is what lay there when that was decided, None for nothing (see `seen`)."""

    action: str
    seen: Optional[Seen] = None


class Plan:
    """Every path in scope is in `steps`, `refused`, or among the `unchanged` ones.

    `diff` holds (path, what is there, what would be), the first LIMIT of them. `apart` are things that this restore
    does not bring back, {"what", "why"}; `unstored` counts what the archive does not hold as it should. `leftovers` are
    folders in which a restore that was cut left its staging folder.
    """

    def __init__(self) -> None:
        self.steps: Dict[bytes, Step] = {}
        self.refused: Dict[bytes, str] = {}
        self.unchanged = 0
        self.unchanged_names: List[str] = []
        self.left: Set[bytes] = set()  # folders that differ and stay as they are
        self.diff: List[Tuple[str, str, str]] = []
        self.apart: List[Dict[str, Any]] = []
        self.unstored = 0
        self.leftovers: Set[bytes] = set()

    def paths(self, action: str) -> Iterator[bytes]:
        return (path for path, step in self.steps.items() if step.action == action)

    def note(self, what: str, why: str, **more: bool) -> None:
        if len(self.apart) < LIMIT:
            self.apart.append({"what": what, "why": why, **more})


class Rules(NamedTuple):
    """`overwrite` is older, never or always; `own` says whether the top folder's own owner, mode and time count."""

    overwrite: str = OLDER
    devices: bool = False
    own: bool = True


class Planner:
    """Holds one manifest against the folder `root`; `empty` where that is only just made, or still to be made below."""

    def __init__(self, root: int, known: Manifest, selection: Selection, rules: Rules, empty: bool = False) -> None:
        self.plan = Plan()
        self._empty = empty
        self._root, self._known, self._selection, self._rules = root, known, selection, rules
        self._xattrs = bool(known.header["xattrs"])
        self._is_root = os.geteuid() == 0
        # Names belong to the host that was backed up; the numbers are what is restored.
        self._skip: FrozenSet[str] = frozenset(("user", "group") + (() if self._is_root else ("uid", "gid")))
        self._fresh: Optional[bytes] = None  # the folder below which nothing is there yet
        self._blocked: Optional[Tuple[bytes, str]] = None
        self._inodes: Dict[bytes, Tuple[int, int]] = {}  # of files left alone that have several names
        self._made: Set[bytes] = set()
        self._rooms: Dict[int, _Room] = {}
        self._device = -1
        self._looked_in: Optional[bytes] = None  # the last folder that was searched for a leftover

    def run(self) -> Plan:
        """Raises UpkeepError `manifest_damaged`, and OSError where even looking fails as a whole."""
        if not self._is_root:
            self.plan.note("owner and group of every entry", "only root can restore it")
        folders = Folders(self._root, way=enter)
        try:
            for entry in self._selection.as_restored(self._known.entries()):
                if entry in self._selection or self._is_missing_above(entry, folders):
                    self._entry(entry, folders)
        finally:
            folders.close()
        return self.plan

    def require_room(self, spare: int) -> None:
        """UpkeepError `no_space` where a file system could not take what is to be written, and keep `spare` bytes."""
        for room in self._rooms.values():
            if room.new + room.largest + spare > room.free:
                message = (
                    f"dest: the file system of {shown(room.example)} has {room.free} bytes free, "
                    f"{room.new + room.largest + spare} are needed; nothing was written."
                )
                raise UpkeepError("no_space", message, free=room.free, required=room.new + room.largest + spare)

    # -- one entry -------------------------------------------------------------------------------------------------

    def _is_missing_above(self, entry: Entry, folders: Folders) -> bool:
        """Is it a folder above what is wanted, that the archive knows and this host has lost?"""
        if entry.type != DIRECTORY or entry.path == b"." or entry.offset is None:
            return False
        if not any(path.startswith(entry.path + b"/") for path in self._selection.scope.paths):
            return False
        if self._empty:
            return True
        try:
            folder, name = os.path.split(entry.path)
            os.stat(name, dir_fd=folders.at(folder), follow_symlinks=False)
        except OSError as error:
            return error.errno in _ABSENT
        return False

    def _entry(self, entry: Entry, folders: Folders) -> None:
        if entry.type == SOCKET:
            return
        if entry.state != STABLE or entry.offset is None:
            self.plan.unstored += 1
            what = "it is not in the archive" if entry.offset is None else "it is restored as it was then read"
            self.plan.note(shown(entry.path), f"it was {entry.state} during the backup: {what}")
        if entry.offset is None:
            return
        if entry.path == b"." and not self._rules.own:
            self.plan.note(".", "the folder that is restored into keeps its own owner, mode and time")
            return
        if self._fresh is not None and not entry.path.startswith(self._fresh + b"/"):
            self._fresh = None
        if self._blocked is not None:
            if entry.path.startswith(self._blocked[0] + b"/"):
                self._refuse(entry, self._blocked[1])
                return
            self._blocked = None
        try:
            self._decide(entry, folders)
        except OSError as error:
            self._refuse(entry, f"what is there cannot be looked at ({describe_error(error)})")

    def _decide(self, entry: Entry, folders: Folders) -> None:
        if entry.leader is not None and entry.leader in self.plan.refused:
            self._refuse(entry, f"the file that it is another name of, {shown(entry.leader)}, is refused")
            return
        folder, name = (b"", b".") if entry.path == b"." else os.path.split(entry.path)
        parent = self._parent(entry, folder, folders)
        if self._blocked is not None:
            return
        try:
            found = None if parent is None else os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            found = None
        if found is None:
            self._create(entry, parent)
            return
        if self._same(entry, Node(entry.path, name, found, parent, -1, None, False)):
            self._keep(entry, found)
            return
        if entry.type == DIRECTORY and stat.S_ISDIR(found.st_mode) and self._rules.overwrite == NEVER:
            self.plan.left.add(entry.path)
            self._keep(entry, found)
            return
        why = self._objection(entry, found)
        if why:
            self._refuse(entry, why)
            return
        self._do(entry, REPLACE, seen(found), parent, found)
        if entry.type == DIRECTORY and not stat.S_ISDIR(found.st_mode):
            self._fresh = entry.path

    def _parent(self, entry: Entry, folder: bytes, folders: Folders) -> Optional[int]:
        """The folder that it lies in; None where that is still to be made, and `_blocked` set where that cannot be."""
        if self._fresh is not None or self._empty:
            return None
        try:
            fd = folders.at(folder)
            self._look_for_leftover(folder, fd)
            return fd
        except OSError as error:
            if error.errno in _ABSENT:
                self._note_made(folder)
                return None
            if error.errno not in _NO_FOLDER:
                raise
        top = _first_in_the_way(self._root, folder)
        why = f"{shown(top)} is a symbolic link or no folder on this host, and nothing is written through it"
        self._blocked = (top, f"{why}: restore beside (dest), or move it away")
        self._refuse(entry, self._blocked[1])
        return None

    def _look_for_leftover(self, folder: bytes, fd: int) -> None:
        if folder == self._looked_in:
            return
        self._looked_in = folder
        with contextlib.suppress(OSError):
            info = os.stat(STAGING, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid():
                self.plan.leftovers.add(folder)

    def _note_made(self, folder: bytes) -> None:
        if folder not in self._made:
            self._made.add(folder)
            self.plan.note(
                shown(folder),
                "the archive does not hold this folder: it is made for this user alone (0700)",
                in_archive=False,
            )

    def _same(self, entry: Entry, node: Node) -> bool:
        """Is what lies there what was archived, content and all?"""
        if entry.type == HARDLINK:
            inode = (node.stat.st_dev, node.stat.st_ino)
            return self._inodes.get(entry.leader or b"") == inode
        if from_stat(entry.path, node.stat).type != entry.type:
            return False
        live = compare.look(node, self._xattrs)
        live.xattrs = {name: value for name, value in live.xattrs.items() if self._counts(name, entry)}
        wanted = {name: value for name, value in entry.xattrs.items() if self._counts(name, entry)}
        if wanted != live.xattrs:
            return False
        if not self._is_root:
            entry = entry.but(mode=safe_mode(entry, live.uid, live.gid))
        return not compare.metadata(node, entry, live, self._skip | {"xattrs"}) and (
            entry.type != FILE or compare.same_content(node, entry)
        )

    def _counts(self, name: str, entry: Entry) -> bool:
        if name == _LABEL and name not in entry.xattrs:
            return False
        return self._is_root or name.startswith(_ACL_AND_USERS)

    def _objection(self, entry: Entry, found: os.stat_result) -> str:
        """Why something that is there and differs must stay; empty where it may be replaced."""
        if entry.type == DIRECTORY and stat.S_ISDIR(found.st_mode):
            return ""
        if entry.type in (CHARACTER, BLOCK) and not self._rules.devices:
            return "it is a device node; devices: true makes those"
        if stat.S_ISDIR(found.st_mode):
            return f"a folder stands where the archive has a {entry.type}, and no folder is removed: move it away"
        if self._rules.overwrite == NEVER:
            return "it is there and differs; overwrite: always replaces it"
        if self._rules.overwrite == OLDER:
            if entry.type == DIRECTORY and stat.S_ISLNK(found.st_mode):
                return "a symbolic link stands where the archive has a folder; overwrite: always replaces the link"
            if found.st_mtime_ns > entry.mtime_ns:
                there, then = _when(found.st_mtime_ns), _when(entry.mtime_ns)
                return f"it is newer here ({there}) than in the archive ({then}); overwrite: always replaces it"
        return ""

    # -- what came of it -------------------------------------------------------------------------------------------

    def _create(self, entry: Entry, parent: Optional[int]) -> None:
        if entry.type in (CHARACTER, BLOCK) and not self._rules.devices:
            self._refuse(entry, "it is a device node; devices: true makes those")
            return
        self._do(entry, CREATE, None, parent, None)
        if entry.type == DIRECTORY and self._fresh is None:
            self._fresh = entry.path

    def _do(
        self, entry: Entry, action: str, there: Optional[Seen], parent: Optional[int], found: Optional[os.stat_result]
    ) -> None:
        self.plan.steps[entry.path] = Step(action, there)
        if len(self.plan.diff) < LIMIT:
            before = _told(from_stat(entry.path, found)) if found is not None else ""
            self.plan.diff.append((shown(entry.path), before, _told(entry)))
        if entry.type == FILE:
            self._take_room(entry, action, parent)

    def _keep(self, entry: Entry, found: os.stat_result) -> None:
        self.plan.unchanged += 1
        if len(self.plan.unchanged_names) < LIMIT:
            self.plan.unchanged_names.append(shown(entry.path))
        if found.st_nlink > 1 and entry.type not in (DIRECTORY, HARDLINK):
            self._inodes[entry.path] = (found.st_dev, found.st_ino)

    def _refuse(self, entry: Entry, why: str) -> None:
        self.plan.refused[entry.path] = why
        if entry.type == DIRECTORY and self._blocked is None:
            self._blocked = (entry.path, f"the folder {shown(entry.path)} that it belongs in is refused")

    def _take_room(self, entry: Entry, action: str, parent: Optional[int]) -> None:
        """By file system; what is still to be made goes to that of the last folder that was there."""
        if parent is not None:
            info = os.fstatvfs(parent)
            self._device = os.fstat(parent).st_dev
            self._rooms.setdefault(self._device, _Room(info.f_bavail * info.f_frsize, entry.path))
        elif not self._rooms:
            info = os.fstatvfs(self._root)
            self._device = os.fstat(self._root).st_dev
            self._rooms[self._device] = _Room(info.f_bavail * info.f_frsize, entry.path)
        room = self._rooms[self._device]
        if action == CREATE:
            room.new += stored_size(entry)
        else:
            room.largest = max(room.largest, stored_size(entry))


class _Room:
    """A file system: bytes free for us, and bytes to write (new files, and the largest that replaces another)."""

    def __init__(self, free: int, example: bytes) -> None:
        self.free, self.example = free, example
        self.new = self.largest = 0


def seen(info: os.stat_result) -> Seen:
    """What tells that the same thing still lies there. Not ctime: replacing one name of a file touches the others'."""
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_mode


def _first_in_the_way(root: int, folder: bytes) -> bytes:
    folders, known = Folders(root, way=enter), b""
    try:
        for name in folder.split(b"/"):
            known = known + b"/" + name if known else name
            folders.at(known)
    except OSError:
        pass
    finally:
        folders.close()
    return known


def _told(entry: Entry) -> str:
    """One line about an entry for a diff."""
    what: List[Any] = [entry.type, f"{entry.mode:04o}", f"{entry.uid}:{entry.gid}"]
    if entry.type == FILE:
        what.append(f"{entry.size} bytes")
    if entry.type == SYMLINK and entry.link is not None:
        what.append(f"-> {shown(entry.link)}")
    if entry.leader is not None:
        what.append(f"= {shown(entry.leader)}")
    return " ".join([*what, _when(entry.mtime_ns)])


def _when(mtime_ns: int) -> str:
    """To the nanosecond where there are any: two times that differ must not look the same."""
    seconds, rest = divmod(mtime_ns, 1_000_000_000)
    try:
        text = times.from_timestamp(seconds)
    except (ValueError, OverflowError, OSError):  # beyond the years that a date can have
        return f"{seconds} s"
    return f"{text[:-1]}.{rest:09d}Z" if rest else text


def only_what_is_planned(selection: Selection, steps: Iterable[bytes]) -> Selection:
    """The selection narrowed to these paths, for reading no more blocks than they need."""
    wanted = set(steps)
    stand_ins = {leader: name for leader, name in selection.stand_ins.items() if name in wanted}
    planned = _Planned(selection.scope)
    planned.stand_ins, planned.names, planned.wanted = stand_ins, selection.names & wanted, wanted
    return planned


class _Planned(Selection):
    wanted: Set[bytes]

    @property
    def everything(self) -> bool:
        return False

    def __contains__(self, entry: Entry) -> bool:
        return entry.path in self.wanted
