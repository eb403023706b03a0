# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The roots of a backup, read from snapshots: taken together, swept before, removed whatever happens.

What is mounted below a path, and a subvolume below it, are empty folders in its snapshot. Each gets a snapshot of its
own where its file system has them; else it is read live, and the backup says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from types import ModuleType
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils import state, times
from ansible_collections.proven.upkeep.plugins.module_utils.archive.walk import Root
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import btrfs, mounts
from .mounts import Mount
from .registry import AUTO, DRIVERS, driver_for, no_driver

FOLDER = "snapshots"  # below the state folder


class Wanted(NamedTuple):
    """`snapshot` is a driver's name or auto; `key` what distinguishes this backup from all others of the host."""

    snapshot: str
    backup: str
    key: str
    size: Optional[str] = None
    one_file_system: bool = False


class Taken(NamedTuple):
    """What the walk needs: `roots` to read; `grafts`, the folder to enter in place of one, by its name in the archive;
    `devices`, the live st_dev for each of a snapshot; `avoid` folders by live (st_dev, st_ino). And what is told."""

    roots: List[Root]
    grafts: Dict[bytes, bytes]
    devices: Dict[int, int]
    avoid: FrozenSet[Tuple[int, int]]
    document: Dict[str, Any]
    warnings: List[str]


class _Source(NamedTuple):
    """A live folder that one snapshot shows."""

    driver: ModuleType
    mount: Mount
    top: str


class _Part(NamedTuple):
    """A root, or what is mounted or a subvolume below one: its live path, its name in the archive."""

    path: str
    name: bytes
    root: Optional[Root]


@contextlib.contextmanager
def taken(
    roots: List[Root], wanted: Wanted, excluded: Callable[[bytes, bytes], bool] = lambda _path, _name: False
) -> Iterator[Taken]:
    """The roots as they are at this moment, until the block ends.

    Raises UpkeepError: snapshot_unavailable, snapshot_failed, dest_locked; snapshot_overflowed in the place of what the
    block raised for it. What cannot be removed at the end is a warning, appended to those of `Taken`.
    """
    there = mounts.read()
    parts, sources, live = _plan(roots, wanted, there, excluded)
    prefix = _prefix(wanted)
    warnings: List[str] = []
    done: Dict[_Source, str] = {}
    of: List[Tuple[_Source, str]] = []
    with _alone(prefix), _removed(of, warnings):
        for source in sources:
            warnings += _sweep(source, prefix)
        started = times.iso(times.now())
        for number, source in enumerate(sources):
            name = f"{prefix}{os.getpid()}-{number}"
            of.append((source, name))
            done[source] = source.driver.take(source.mount, source.top, name, _place(name), wanted.size)
        if live:
            warnings.append(
                f"Read live, so perhaps not of the moment of the snapshot: {', '.join(live[:20])}"
                + (f" and {len(live) - 20} more." if len(live) > 20 else ".")
            )
        document = {
            "driver": "+".join(dict.fromkeys(source.driver.name for source in sources)),
            "taken_at": started,
            "of": [{"path": source.top, "driver": source.driver.name} for source in sources],
            "live": live,
        }
        yield Taken(
            [_moved(part, parts[part], done) for part in parts if part.root is not None],
            {part.name: os.fsencode(_inside(part, parts[part], done)) for part in parts if part.root is None},
            {os.stat(os.path.join(path, ".")).st_dev: os.stat(source.top).st_dev for source, path in done.items()},
            frozenset(place for source in sources for place in _own_folder(source)),
            document,
            warnings,
        )


def foresee(
    roots: List[Root], wanted: Wanted, excluded: Callable[[bytes, bytes], bool] = lambda _path, _name: False
) -> None:
    """Raise what `taken` would raise for a place that offers no snapshots; nothing is touched."""
    _plan(roots, wanted, mounts.read(), excluded)


def swept(roots: List[Root], wanted: Wanted) -> List[str]:
    """Remove what killed runs left of a backup that asks for no snapshots any more; what was done, as warnings.

    Its lock file says that it once did. That goes, too, as soon as nothing is left.
    """
    prefix = _prefix(wanted)
    lock = _lock_file(prefix)
    if not os.path.lexists(lock):
        return []
    warnings: List[str] = []
    try:
        with _alone(prefix):
            for source in _every_source(roots, mounts.read()):
                warnings += _sweep(source, prefix)
            os.unlink(lock)
    except (UpkeepError, OSError) as error:
        if getattr(error, "code", "") != "dest_locked":  # else what is there is of the run that is at work
            warnings.append(f"A snapshot that a killed run had left is still there, the next run tries again: {error}")
    return warnings


# -- what to take -----------------------------------------------------------------------------------------------------


def _plan(
    roots: List[Root], wanted: Wanted, there: List[Mount], excluded: Callable[[bytes, bytes], bool]
) -> Tuple[Dict[_Part, Optional[_Source]], List[_Source], List[str]]:
    """({part: its source, or None for live}, the sources, the paths read live)."""
    parts: Dict[_Part, Optional[_Source]] = {}
    live: List[str] = []
    for root in roots:
        path = _real(root)
        mount = mounts.holding(path, there)
        driver = driver_for(mount, wanted.snapshot) if mount else None
        if mount is None or driver is None:
            raise no_driver(path, mount or Mount("/", "/", "nothing known", "nothing"), wanted.snapshot)
        parts[_Part(path, root.path, root)] = _Source(driver, mount, driver.top(path, mount))
        for below, its_mount in _below(path, there, mount):
            name = _name_in_archive(root, path, below)
            if not os.path.isdir(below) or _is_left_out(name, root, excluded):
                continue
            if wanted.one_file_system:
                live.append(f"{below} (not entered: one_file_system)")
                continue
            source = _source_below(below, its_mount)
            parts[_Part(below, name, None)] = source
            live += [] if source else [below]
    sources = [source for source in dict.fromkeys(parts.values()) if source is not None]
    return parts, sources, live


def _source_below(path: str, mount: Mount) -> Optional[_Source]:
    """What to take of something below a root; None where it has no snapshots, which fails no backup."""
    driver = driver_for(mount, AUTO)
    try:
        return _Source(driver, mount, driver.top(path, mount)) if driver else None
    except UpkeepError:
        return None


def _every_source(roots: List[Root], there: List[Mount]) -> List[_Source]:
    """Whatever could have been taken of the roots, with any driver."""
    found: List[_Source] = []
    for root in roots:
        path = _real(root)
        mount = mounts.holding(path, there)
        for at, its_mount in [(path, mount), *_below(path, there, mount)] if mount else []:
            for driver in DRIVERS.values():
                with contextlib.suppress(UpkeepError):
                    if driver.fits(its_mount):
                        found.append(_Source(driver, its_mount, driver.top(at, its_mount)))
    return list(dict.fromkeys(found))


def _below(path: str, there: List[Mount], mount: Mount) -> List[Tuple[str, Mount]]:
    """What of other file systems, and of other subvolumes, lies below a path: [(path, the mount it is in)]."""
    found = {one.point: one for one in mounts.below(path, there)}
    for holder in [mount, *found.values()]:
        if btrfs.fits(holder):
            start = path if holder is mount else holder.point
            subvolumes: List[str] = []
            try:
                subvolumes = btrfs.nested(start, holder) if os.path.isdir(start) else []
            except UpkeepError:
                if holder is mount:
                    raise
            for subvolume in subvolumes:
                found.setdefault(subvolume, holder)
    return sorted(found.items())


def _real(root: Root) -> str:
    """The live path of a root, without links above its last name."""
    folder = os.path.realpath(os.fsdecode(root.folder))
    return os.path.normpath(os.path.join(folder, os.fsdecode(root.name)))


def _name_in_archive(root: Root, path: str, below: str) -> bytes:
    rest = os.fsencode(os.path.relpath(below, path))
    return rest if root.path == b"." else root.path + b"/" + rest


def _is_left_out(name: bytes, root: Root, excluded: Callable[[bytes, bytes], bool]) -> bool:
    """Is it, or a folder above it, excluded?"""
    parts = name.split(b"/")
    least = 0 if root.path == b"." else root.path.count(b"/") + 1
    return any(excluded(b"/".join(parts[:count]), parts[count - 1]) for count in range(least + 1, len(parts) + 1))


# -- where it is to be read -------------------------------------------------------------------------------------------


def _inside(part: _Part, source: Optional[_Source], done: Dict[_Source, str]) -> str:
    """Where a part is to be read."""
    if source is None:
        return part.path
    return os.path.normpath(os.path.join(done[source], os.path.relpath(part.path, source.top)))


def _moved(part: _Part, source: Optional[_Source], done: Dict[_Source, str]) -> Root:
    path = _inside(part, source, done)
    root = part.root
    if root is None or root.name == b".":
        return Root(part.name, os.fsencode(path), b".")
    return Root(root.path, os.fsencode(os.path.dirname(path)), os.fsencode(os.path.basename(path)))


def _own_folder(source: _Source) -> List[Tuple[int, int]]:
    """The folder of our own snapshots, which is no part of a backup."""
    with contextlib.suppress(OSError):
        info = os.stat(os.path.join(source.top, btrfs.FOLDER))
        return [(info.st_dev, info.st_ino)]
    return []


# -- beginning and end ------------------------------------------------------------------------------------------------


def _prefix(wanted: Wanted) -> str:
    """`upkeep-<backup>-<key>-`, of letters that every tool takes; the process's id follows."""
    slug = re.sub(r"[^A-Za-z0-9_]", "_", wanted.backup)[:32]
    return f"upkeep-{slug}-{hashlib.sha256(os.fsencode(wanted.backup + chr(0) + wanted.key)).hexdigest()[:8]}-"


def _place(name: str) -> str:
    return os.path.join(state.state_dir(), FOLDER, name)


def _lock_file(prefix: str) -> str:
    return _place(prefix + "lock")


@contextlib.contextmanager
def _alone(prefix: str) -> Iterator[None]:
    """No other run of this backup is at work: so snapshots of its name are leftovers. UpkeepError `dest_locked`."""
    state.ensure(FOLDER)
    path = _lock_file(prefix)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.lexists(path) or not os.path.samestat(os.fstat(fd), os.lstat(path)):
                raise BlockingIOError  # `swept` has just taken this file away, so it locks nobody out
        except BlockingIOError:
            message = "snapshot: another run of this backup is at work right now; wait for it to end."
            raise UpkeepError("dest_locked", message, path=path)
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def _removed(of: List[Tuple[_Source, str]], warnings: List[str]) -> Iterator[None]:
    """Whatever is noted in `of` by the end of the block is removed then."""
    try:
        yield
    except BaseException as error:
        overflowed = _remove_all(of)[1]
        if overflowed is not None and isinstance(error, (UpkeepError, OSError)):
            raise overflowed from error
        raise
    # Whatever could be read of one that ran out of room is what was there: it fails each read from then on.
    warnings += _remove_all(of)[0]


def _sweep(source: _Source, prefix: str) -> List[str]:
    """Remove what killed runs left of a source; what was done, as warnings."""
    found = source.driver.leftovers(source.mount, source.top, prefix)
    full = False
    for name in found:
        try:
            source.driver.remove(source.mount, source.top, name, _place(name))
        except UpkeepError as error:
            if error.code != "snapshot_overflowed":
                raise
            full = True  # and gone now; nobody reads it any more
    what = " It ran out of room meanwhile; see whether snapshot_size is enough." if full else ""
    return [f"Removed the snapshot of {source.top} that a killed run had left.{what}"] if found else []


def _remove_all(of: List[Tuple[_Source, str]]) -> Tuple[List[str], Optional[UpkeepError]]:
    """(why some could not be removed, as warnings; `snapshot_overflowed` where one ran out of room)."""
    warnings: List[str] = []
    overflowed = None
    for source, name in reversed(of):
        try:
            source.driver.remove(source.mount, source.top, name, _place(name))
        except (UpkeepError, OSError) as error:
            if getattr(error, "code", "") == "snapshot_overflowed":
                overflowed = error
            else:
                warnings.append(
                    f"The snapshot {name} of {source.top} is still there, the next run tries again: {error}"
                )
    return warnings, overflowed
