# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services that still run code which an update has replaced: processes that map files that are no longer there.

The idea, and what to leave out, are needrestart's (its blacklist of mappings); this reads /proc alone.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional, Set, Tuple

from ._files import read_bytes, text_or_none
from ._locks import command_name
from .model import StaleService

# 7f12a000-7f12b000 r-xp 00001000 fe:01 131103 /usr/lib/x86_64-linux-gnu/libz.so.1.2.13 (deleted)
_MAPPING = re.compile(rb"^\S+ ..x. \S+ ([0-9a-f]+):([0-9a-f]+) (\d+) +(/.*)$", re.MULTILINE)
_DELETED = b" (deleted)"
# Mapped files that come and go by design: shared memory, JIT output, temporary files.
IGNORED = re.compile(
    rb"^/(memfd:|SYSV|dev/|run/|var/run/|tmp/|var/tmp/|proc/|\[aio\]|drm(\s|$)|i915|anon_hugepage)"
    rb"|/orcexec\.\w+$|/#\d+$|/jna\d+\.tmp$|/\.nfs[0-9a-f]+$"
)
_UNIT = re.compile(r"\.(service|scope)$")


@dataclass
class Scan:
    """What a scan found. `seen` and `unseen` count other processes; units of user sessions stand apart."""

    services: List[StaleService] = field(default_factory=list)
    sessions: List[StaleService] = field(default_factory=list)
    seen: int = 0
    unseen: int = 0


def scan(proc: str = "/proc", ignored: re.Pattern[bytes] = IGNORED) -> Scan:
    """Look at every process of this host; those of containers on it are their own hosts' business."""
    result = Scan()
    inodes: Dict[bytes, Optional[Tuple[int, int]]] = {}
    namespace = _link(os.path.join(proc, "self/ns/pid"))
    grouped: Dict[Tuple[Optional[str], bool, str], Tuple[List[int], Set[str], Set[str]]] = {}
    for pid in sorted(int(name) for name in os.listdir(proc) if name.isdecimal()):
        folder = os.path.join(proc, str(pid))
        try:
            maps = read_bytes(os.path.join(folder, "maps"))
        except PermissionError:
            result.unseen += 1
            continue
        except OSError:
            continue  # it has ended
        if not maps or pid == os.getpid():
            continue  # a thread of the kernel, which anybody may "see"; or this very process
        other = _link(os.path.join(folder, "ns/pid"))
        if other and namespace and other != namespace:
            continue
        result.seen += 1
        files = set(_stale(maps, ignored, inodes))
        if not files:
            continue
        unit, session = unit_of(text_or_none(os.path.join(folder, "cgroup")) or "")
        command = command_name(pid)
        # Without a unit to restart, the program's name is what tells them apart.
        pids, paths, commands = grouped.setdefault((unit, session, "" if unit else command), ([], set(), set()))
        pids.append(pid)
        paths |= files
        commands.add(command)
    for (unit, session, _command), (pids, paths, commands) in sorted(grouped.items(), key=lambda item: str(item[0])):
        entry = StaleService(unit, pids, sorted(paths), sorted(commands))
        (result.sessions if session else result.services).append(entry)
    return result


def stale_files(maps: bytes, ignored: re.Pattern[bytes] = IGNORED) -> List[str]:
    """The executable mappings of a /proc/<pid>/maps text whose file was deleted or replaced, as sorted paths."""
    return sorted(set(_stale(maps, ignored, {})))


def unit_of(cgroup: str) -> Tuple[Optional[str], bool]:
    """The systemd unit of a /proc/<pid>/cgroup text (None: of no unit), and whether it belongs to a user's session."""
    for line in cgroup.splitlines():
        _number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if controllers not in ("", "name=systemd"):
            continue
        parts = path.split("/")
        session = "user.slice" in parts
        # The outermost unit is what the system's manager can restart: user@1000.service, not a service inside it.
        for part in parts:
            if _UNIT.search(part):
                return part, session
    return None, False


def _stale(maps: bytes, ignored: re.Pattern[bytes], inodes: Dict[bytes, Optional[Tuple[int, int]]]) -> Iterator[str]:
    for major, minor, inode, path in _MAPPING.findall(maps):
        deleted = path.endswith(_DELETED)
        if deleted:
            path = path[: -len(_DELETED)]
        if ignored.search(path):
            continue
        if deleted or _replaced(path, os.makedev(int(major, 16), int(minor, 16)), int(inode), inodes):
            yield path.decode("utf-8", "replace")


def _replaced(path: bytes, device: int, inode: int, inodes: Dict[bytes, Optional[Tuple[int, int]]]) -> bool:
    """Whether another file has this name now. Where the device differs the two cannot be compared: overlay and btrfs
    show other devices in maps than in stat, and a service may have mounts of its own."""
    if path not in inodes:
        try:
            status = os.stat(path)
            inodes[path] = (status.st_dev, status.st_ino)
        except OSError:
            inodes[path] = None
    now = inodes[path]
    return now is not None and now[0] == device and now[1] != inode


def _link(path: str) -> Optional[str]:
    try:
        return os.readlink(path)
    except OSError:
        return None
