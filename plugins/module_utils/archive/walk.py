# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tree walk: depth first, names sorted bytewise, one folder's names in memory at a time, by folder descriptors.

Descriptors rather than paths: a folder renamed meanwhile does not lead astray, no symlink is followed, and a path may
be longer than the kernel takes at once. The order is that of `model.order`.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import stat
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .model import EMBEDDED_NAME, EVIDENCE_MARKER, SCRATCH_MARKER, order, raw, shown

CHUNK = 4096  # names looked at together; bounds memory in a folder with a million names
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_DESCRIPTORS = (errno.ENFILE, errno.EMFILE)  # ours to fix, not the folder's
_MARKERS = frozenset((EVIDENCE_MARKER, SCRATCH_MARKER))
_COUNTERS = (
    "excluded", "marked", "reserved", "vanished", "unreadable", "why_unreadable", "mounts", "avoided_inside",
)  # fmt: skip


class Root(NamedTuple):
    """A path to archive: its name in the archive, and the folder and name to reach it by."""

    path: bytes
    folder: bytes
    name: bytes


class Origin(NamedTuple):
    """What the cache asks of a path that is read from a snapshot: as a stat of where the snapshot is of."""

    st_dev: int
    st_ino: int
    st_mode: int
    st_size: int
    st_ctime_ns: int


class Node(NamedTuple):
    """A path as the walk meets it. `fd` is the folder's own descriptor (-1 for all else), valid until the next step.

    `error` says why a folder could not be opened; `trusted` that the cache knows this very state of it.
    """

    path: bytes
    name: bytes
    stat: os.stat_result
    dir_fd: int
    fd: int
    error: Optional[OSError]
    trusted: bool


# Called for up to CHUNK names of a folder at once, before those nodes come: key (the first name's path), names, their
# stats (None: vanished), the folder's own stat with its first chunk. Returns the names that the cache vouches for.
OnChunk = Callable[[bytes, List[bytes], List[Optional[os.stat_result]], Optional[os.stat_result]], Any]


class _Reached(Exception):
    """The walk came to the folder where it was to end."""


class Walker:
    """One walk over `roots`. Its counters are complete when `nodes` has ended.

    `avoid_folders` are (st_dev, st_ino) of folders never entered; `avoid_names` maps such a pair to names to skip.
    Where the roots are read from snapshots, `devices` maps the st_dev of each to that of its origin, under which the
    cache and the pairs above know it; `grafts` maps a folder's path in the archive to the folder to enter in its place.
    """

    def __init__(
        self,
        roots: List[Root],
        exclude: Callable[[bytes, bytes], bool],
        one_file_system: bool = False,
        avoid_folders: FrozenSet[Tuple[int, int]] = frozenset(),
        avoid_names: Optional[Dict[Tuple[int, int], Callable[[bytes], bool]]] = None,
        markers: FrozenSet[bytes] = _MARKERS,  # a folder that holds one of these is left out
        devices: Optional[Dict[int, int]] = None,
        grafts: Optional[Dict[bytes, bytes]] = None,
    ) -> None:
        self.roots, self.exclude, self.one_file_system = roots, exclude, one_file_system
        self.avoid_folders, self.avoid_names, self.markers = avoid_folders, avoid_names or {}, markers
        self.devices, self.grafts = devices or {}, grafts or {}
        self.excluded = 0
        self.marked: List[bytes] = []  # the folders left out for a marker
        self.reserved = False  # a live file has the name of the archive's own manifest, and was left out
        self.vanished: List[bytes] = []
        self.unreadable: List[bytes] = []  # names in a folder that may be listed but not entered
        self.why_unreadable = ""
        self.mounts: List[bytes] = []
        self.avoided_inside = False
        self._since = self._until = b""

    def counters(self) -> tuple:
        """What this walk noted, as plain values."""
        return tuple(getattr(self, name) for name in _COUNTERS)

    def take(self, parts: List[tuple]) -> None:
        """Note what walks over spans of the same roots noted: their `counters`, in order."""
        for name, noted in zip(_COUNTERS, zip(*parts)):
            whole = noted[0]
            for more in noted[1:]:
                whole = whole or more if isinstance(whole, (bool, str)) else whole + more
            setattr(self, name, whole)

    def refuse_roots(self) -> None:
        """UpkeepError `bad_parameter` naming a path that was asked for and would be left out as a whole."""
        for root in self.roots:
            why = self._why_left_out(root)
            if why:
                full = os.fsdecode(os.path.normpath(os.path.join(root.folder, root.name)))
                raise UpkeepError("bad_parameter", f"paths: {full} is never backed up: {why}.", option="paths")

    def _why_left_out(self, root: Root) -> str:
        if root.path == EMBEDDED_NAME or root.path.startswith(EMBEDDED_NAME + b"/"):
            return "an archive has its own manifest under that name"
        try:
            fd = os.open(os.path.join(root.folder, root.name), _FOLDER)
        except OSError:  # no folder, or none of ours: the walk will say so
            return ""
        try:
            info = os.fstat(fd)
            if self._place(info) in self.avoid_folders:
                return "it is the folder with this tool's own state"
            if has_marker(fd, self.markers.intersection(map(os.fsencode, os.listdir(fd)))):
                return "it holds a marker file of this tool (evidence, or a restore's scratch folder)"
        except OSError:
            return ""
        finally:
            os.close(fd)
        return ""

    def nodes(
        self, on_chunk: Optional[OnChunk] = None, folders_only: bool = False, since: bytes = b"", until: bytes = b""
    ) -> Iterator[Node]:
        """Every node in archive order; with `folders_only` just the folders (`on_chunk` still sees all names).

        With `since`, a folder below a root, it begins there: what comes before is neither looked at nor noted. With
        `until`, a folder too, it ends before that.
        """
        allow_descriptors()
        self._forget()
        self._since, self._until = since, until
        try:
            yield from self._nodes(on_chunk, folders_only)
        except _Reached:
            return

    def _nodes(self, on_chunk: Optional[OnChunk], folders_only: bool) -> Iterator[Node]:
        for root in self.roots:
            if self._since and not _below(self._since, root.path) and order(root.path) < order(self._since):
                continue
            try:
                holder = os.open(root.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                self._not_there(root.path, error)
                continue
            try:
                yield from self._below(root, holder, on_chunk, folders_only)
            finally:
                os.close(holder)

    def _forget(self) -> None:
        self.excluded, self.vanished, self.unreadable, self.mounts, self.marked = 0, [], [], [], []

    def _below(self, root: Root, holder: int, on_chunk: Optional[OnChunk], folders_only: bool) -> Iterator[Node]:
        try:
            device = os.stat(root.name, dir_fd=holder, follow_symlinks=False).st_dev
        except OSError as error:
            self._not_there(root.path, error)
            return
        prefix = root.path[: root.path.rfind(b"/") + 1]
        frames = [(-1, self._children(holder, prefix, [root.name], None, device, on_chunk, folders_only, root.path))]
        try:
            while frames:
                found = next(frames[-1][1], None)
                if found is None:
                    fd = frames.pop()[0]
                    if fd >= 0:
                        os.close(fd)
                    continue
                node, names = found
                if node.fd >= 0:
                    below = b"" if node.path == b"." else node.path + b"/"
                    children = self._children(node.fd, below, names, node.stat, device, on_chunk, folders_only)
                    frames.append((node.fd, children))
                yield node
        finally:
            for fd, _children in frames:
                if fd >= 0:
                    os.close(fd)

    def _children(self, fd, prefix, names, own, device, on_chunk, folders_only, only_path=None):
        """(node, names below it) for each of `names` in the folder `fd`."""
        begin = self._way_on(prefix)
        for start in range(0, max(1, len(names)), CHUNK):
            part = names[start : start + CHUNK]
            if begin and only_path is None:
                if not part or part[-1] < begin:
                    continue
                part = [name for name in part if name >= begin]
            stats = self._stats(fd, prefix, part)
            trusted = ()
            # A root may be read under another name: that of a snapshot.
            names_told = [os.path.basename(only_path)] if only_path else part
            if on_chunk is not None and not begin:
                key = prefix + names_told[0] if part else prefix
                trusted = self._told(on_chunk, key, names_told, stats, own if start == 0 else None)
            for name, name_told, seen in zip(part, names_told, stats):
                path = only_path or prefix + name
                if seen is None:
                    continue
                if stat.S_ISDIR(seen.st_mode):
                    if path == self._until:
                        raise _Reached
                    found = self._folder(fd, name, path, seen, device)
                    if found is not None:
                        yield found
                elif not folders_only:
                    yield Node(path, name, seen, fd, -1, None, name_told in trusted), ()
            begin = b""

    def _told(self, on_chunk: OnChunk, key: bytes, names: List[bytes], stats: list, own: Any) -> Any:
        """What `on_chunk` vouches for; it sees a snapshot as if it were its origin."""
        if self.devices:
            stats, own = [self._as_origin(seen) for seen in stats], self._as_origin(own)
        return on_chunk(key, names, stats, own) or ()

    def _as_origin(self, seen: Optional[os.stat_result]) -> Any:
        if seen is None:
            return None
        return Origin(self._place(seen)[0], seen.st_ino, seen.st_mode, seen.st_size, seen.st_ctime_ns)

    def _place(self, info: os.stat_result) -> Tuple[int, int]:
        return self.devices.get(info.st_dev, info.st_dev), info.st_ino

    def _way_on(self, prefix: bytes) -> bytes:
        """The name to begin at in a folder on the way to `since`; empty elsewhere."""
        if not self._since or not self._since.startswith(prefix):
            return b""
        name, slash, _rest = self._since[len(prefix) :].partition(b"/")
        if not slash:
            self._since = b""
            self._forget()  # what was left out on the way was left out before
        return name

    def _stats(self, fd: int, prefix: bytes, names: List[bytes]) -> List[Optional[os.stat_result]]:
        """What `lstat` says of each name; None for those that are noted as vanished or unreadable instead."""
        look = os.stat
        try:
            return [look(name, dir_fd=fd, follow_symlinks=False) for name in names]
        except OSError:
            return [self._stat_or_none(fd, prefix, name) for name in names]

    def _stat_or_none(self, fd: int, prefix: bytes, name: bytes) -> Optional[os.stat_result]:
        try:
            return os.stat(name, dir_fd=fd, follow_symlinks=False)
        except OSError as error:
            self._not_there(prefix + name, error)
        return None

    def _not_there(self, path: bytes, error: OSError) -> None:
        if isinstance(error, FileNotFoundError):
            self.vanished.append(path)
        else:
            self.unreadable.append(path)
            self.why_unreadable = describe_error(error)

    def _folder(self, parent: int, name: bytes, path: bytes, seen: os.stat_result, device: int):
        """(node, its names), or None for a folder that is no part of an archive or has gone."""
        try:
            graft = self.grafts.get(path) if self.grafts else None
            fd = os.open(name, _FOLDER, dir_fd=parent) if graft is None else os.open(graft, _FOLDER)
        except (FileNotFoundError, NotADirectoryError):  # gone, or a link or a file took its place: never followed
            self.vanished.append(path)
            return None
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS:
                raise
            return Node(path, name, seen, parent, -1, error, False), ()
        try:
            seen = os.fstat(fd)
            place = self._place(seen) if self.devices else (seen.st_dev, seen.st_ino)
            if place in self.avoid_folders:
                self.excluded += 1
                os.close(fd)
                return None
            if self.one_file_system and seen.st_dev != device:
                self.mounts.append(path)
                return Node(path, name, seen, parent, fd, None, False), ()
            names = list(map(os.fsencode, os.listdir(fd)))
            if has_marker(fd, self.markers.intersection(names)):
                self.marked.append(path)
                self.excluded += 1
                os.close(fd)
                return None
            return Node(path, name, seen, parent, fd, None, False), self._wanted(path, place, names)
        except OSError as error:  # a failing disk or a dead mount: the folder's fault, not that of whoever reads it
            os.close(fd)
            if error.errno in _NO_DESCRIPTORS:
                raise
            return Node(path, name, seen, parent, -1, error, False), ()
        except BaseException:
            os.close(fd)
            raise

    def _wanted(self, path: bytes, place: Tuple[int, int], names: List[bytes]) -> List[bytes]:
        if place in self.avoid_names:
            ours = self.avoid_names[place]
            self.avoided_inside = True
            names = [name for name in names if not ours(name)]
        folder, reserved = os.path.split(EMBEDDED_NAME)
        if path == folder and reserved in names:
            self.reserved = True
            self.excluded += 1
            names.remove(reserved)
        if self.exclude is not keep_all:
            prefix = b"" if path == b"." else path + b"/"
            before = len(names)
            names = [name for name in names if not self.exclude(prefix + name, name)]
            self.excluded += before - len(names)
        names.sort()
        return names


def has_marker(folder: int, found: Iterable[bytes]) -> bool:
    """Is one of these names a regular file of root's or ours? Anybody can put one into a folder of their own, and must
    not decide by that what is backed up."""
    for name in found:
        try:
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISREG(info.st_mode) and info.st_uid in (0, os.geteuid()):
            return True
    return False


def allow_descriptors() -> None:
    """A folder's descriptor is held for each level of depth: allow as many as the hard limit does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def keep_all(_path: bytes, _name: bytes) -> bool:
    """The exclusion that excludes nothing."""
    return False


def exclusion(patterns: Iterable[str]) -> Callable[[bytes, bytes], bool]:
    """A test (archive path, base name) -> excluded?

    Patterns are shell globs over the archive name, where `*` also crosses `/`; one without `/` also matches a base name
    anywhere. Slashes at either end of a pattern do not count. A folder that matches is left out with all below it.
    """
    cleaned = [pattern.strip("/") for pattern in patterns]
    cleaned = [pattern for pattern in cleaned if pattern]
    if not cleaned:
        return keep_all
    import fnmatch  # pylint: disable=import-outside-toplevel  # most backups exclude nothing

    whole = re.compile("|".join(fnmatch.translate(p) for p in cleaned)).match
    bases = [fnmatch.translate(p) for p in cleaned if "/" not in p]
    base = re.compile("|".join(bases)).match if bases else None

    def excluded(path: bytes, name: bytes) -> bool:
        if base is not None and base(os.fsdecode(name)):
            return True
        return whole(os.fsdecode(path)) is not None

    return excluded


def find_roots(paths: Iterable[str], root: Optional[str], missing_ok: bool = False) -> List[Root]:
    """The given paths as roots in archive order; one that lies below another is covered by it.

    Relative paths need `root`, and no path may lead out of it. Raises UpkeepError `path_missing`, `bad_parameter`.
    """
    found = {}
    base = os.path.normpath(root) if root else "/"
    if root and not os.path.isabs(root):
        raise UpkeepError("bad_parameter", f"root: {root} must be an absolute path.", option="root")
    if root and not os.path.isdir(root):
        raise UpkeepError("path_missing", f"root: the folder {root} does not exist.", option="root", path=root)
    for given in paths:
        if not given or "\0" in given:
            raise UpkeepError("bad_parameter", "paths: an empty path.", option="paths")
        if not root and not os.path.isabs(given):
            message = f"paths: {given} is relative: give an absolute path, or set root to what it is relative to."
            raise UpkeepError("bad_parameter", message, option="paths")
        full = "/" + os.path.normpath(os.path.join(base, given)).lstrip("/")
        try:
            os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            if missing_ok:
                continue
            message = f"paths: {full} does not exist; nothing was backed up."
            raise UpkeepError("path_missing", message, option="paths", path=full)
        except OSError as error:
            message = f"paths: {full} cannot be looked at ({describe_error(error)}); nothing was backed up."
            raise UpkeepError("unreadable", message, option="paths", path=full)
        name = os.path.relpath(full, base)
        if name == ".." or name.startswith("../"):
            raise UpkeepError("bad_parameter", f"paths: {given} lies outside root {base}.", option="paths")
        folder, leaf = os.path.split(full)
        # the root folder itself has no name in its parent that an archive could use
        at = (full, ".") if name == "." else (folder, leaf)
        found[raw(name)] = Root(raw(name), os.fsencode(at[0]), os.fsencode(at[1]))
    ordered = [found[path] for path in sorted(found, key=order)]
    return [r for r in ordered if not any(_below(r.path, other.path) for other in ordered)]


def _below(path: bytes, other: bytes) -> bool:
    return path != other and (other == b"." or path.startswith(other + b"/"))


def describe_error(error: OSError) -> str:
    return error.strerror or str(error)


def listed(paths: Iterable[bytes], limit: int = 3) -> str:
    """The first few names for a message."""
    names = [shown(path) for path in paths]
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
