# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tree walk: depth first, names sorted bytewise, one folder's names in memory at a time, by folder descriptors.

Descriptors rather than paths: a folder renamed meanwhile does not lead astray, no symlink is followed, and a path may
be longer than the kernel takes at once. The order is that of `model.order`.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import resource
import stat
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .model import EMBEDDED_NAME, EVIDENCE_MARKER, SCRATCH_MARKER, order, raw, shown

CHUNK = 4096  # names looked at together; bounds memory in a folder with a million names
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_DESCRIPTORS = (errno.ENFILE, errno.EMFILE)  # ours to fix, not the folder's
_MARKERS = frozenset((EVIDENCE_MARKER, SCRATCH_MARKER))


class Root(NamedTuple):
    """A path to archive: its name in the archive, and the folder and name to reach it by."""

    path: bytes
    folder: bytes
    name: bytes


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


@dataclass
class Walker:
    """One walk over `roots`. Its counters are complete when `nodes` has ended.

    `avoid_folders` are (st_dev, st_ino) of folders never entered; `avoid_names` maps such a pair to names to skip.
    """

    roots: List[Root]
    exclude: Callable[[bytes, bytes], bool]
    one_file_system: bool = False
    avoid_folders: FrozenSet[Tuple[int, int]] = frozenset()
    avoid_names: Dict[Tuple[int, int], Callable[[bytes], bool]] = field(default_factory=dict)
    markers: FrozenSet[bytes] = _MARKERS  # a folder that holds one of these is left out
    excluded: int = 0
    marked: List[bytes] = field(default_factory=list)  # the folders left out for a marker
    reserved: bool = False  # a live file has the name of the archive's own manifest, and was left out
    vanished: List[bytes] = field(default_factory=list)
    unreadable: List[bytes] = field(default_factory=list)  # names in a folder that may be listed but not entered
    why_unreadable: str = ""
    mounts: List[bytes] = field(default_factory=list)
    avoided_inside: bool = False

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
            if (info.st_dev, info.st_ino) in self.avoid_folders:
                return "it is the folder with this tool's own state"
            if has_marker(fd, self.markers.intersection(map(os.fsencode, os.listdir(fd)))):
                return "it holds a marker file of this tool (evidence, or a restore's scratch folder)"
        except OSError:
            return ""
        finally:
            os.close(fd)
        return ""

    def nodes(self, on_chunk: Optional[OnChunk] = None, folders_only: bool = False) -> Iterator[Node]:
        """Every node in archive order; with `folders_only` just the folders (`on_chunk` still sees all names)."""
        allow_descriptors()
        self.excluded, self.vanished, self.unreadable, self.mounts, self.marked = 0, [], [], [], []
        for root in self.roots:
            try:
                holder = os.open(root.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                self._not_there(root.path, error)
                continue
            try:
                yield from self._below(root, holder, on_chunk, folders_only)
            finally:
                os.close(holder)

    def _below(self, root: Root, holder: int, on_chunk: Optional[OnChunk], folders_only: bool) -> Iterator[Node]:
        try:
            device = os.stat(root.name, dir_fd=holder, follow_symlinks=False).st_dev
        except OSError as error:
            self._not_there(root.path, error)
            return
        prefix = root.path[: len(root.path) - len(root.name)] if root.path != b"." else b""
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
        for start in range(0, max(1, len(names)), CHUNK):
            part = names[start : start + CHUNK]
            stats = self._stats(fd, prefix, part)
            trusted = ()
            if on_chunk is not None:
                key = prefix + part[0] if part else prefix
                trusted = on_chunk(key, part, stats, own if start == 0 else None) or ()
            for name, seen in zip(part, stats):
                path = only_path or prefix + name
                if seen is None:
                    continue
                if stat.S_ISDIR(seen.st_mode):
                    found = self._folder(fd, name, path, seen, device)
                    if found is not None:
                        yield found
                elif not folders_only:
                    yield Node(path, name, seen, fd, -1, None, name in trusted), ()

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
            fd = os.open(name, _FOLDER, dir_fd=parent)
        except (FileNotFoundError, NotADirectoryError):  # gone, or a link or a file took its place: never followed
            self.vanished.append(path)
            return None
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS:
                raise
            return Node(path, name, seen, parent, -1, error, False), ()
        try:
            seen = os.fstat(fd)
            place = (seen.st_dev, seen.st_ino)
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
