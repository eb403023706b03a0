# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is mounted where, from /proc/self/mountinfo (proc(5))."""

from __future__ import annotations

import os
import re
from typing import List, NamedTuple, Optional

MOUNTINFO = "/proc/self/mountinfo"
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """`root` is the folder of the file system that is seen at `point`; `source` the device, or zfs's dataset."""

    point: str
    root: str
    kind: str
    source: str


def parse(text: str) -> List[Mount]:
    """The mounts of a mountinfo file, in its order; of two at one point, the later hides the earlier."""
    found = []
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        fields, more = before.split(" "), after.split(" ")
        if dash and len(fields) > 5 and len(more) > 1:
            found.append(Mount(_plain(fields[4]), _plain(fields[3]), more[0], _plain(more[1])))
    return found


def read() -> List[Mount]:
    """The mounts that this process sees. OSError."""
    with open(MOUNTINFO, encoding="utf-8", errors="surrogateescape") as stream:  # noqa: PTH123
        return parse(stream.read())


def holding(path: str, mounts: List[Mount]) -> Optional[Mount]:
    """The mount that an absolute path without links lies in."""
    found = None
    for mount in mounts:
        if is_within(path, mount.point) and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def below(path: str, mounts: List[Mount]) -> List[Mount]:
    """Those mounted somewhere below the path, by their points; of two at one point, the one that is seen."""
    seen = {mount.point: mount for mount in mounts if mount.point != path and is_within(mount.point, path)}
    return [seen[point] for point in sorted(seen)]


def is_within(path: str, folder: str) -> bool:
    """Is it the folder, or below it?"""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _plain(text: str) -> str:
    raw = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)
    return os.path.normpath(raw) if raw.startswith("/") else raw
