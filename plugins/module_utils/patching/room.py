# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host has room for a change of its packages: for what is fetched and kept, what is unpacked, new kernels."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional, Sequence

from ..packages import boot
from ..packages.host import is_container
from ..packages.transaction import Action

# Files of a package lie unpacked beside those that they replace until they take their place. How large the largest
# package is, managers do not say beforehand: packages are compressed to about a third, and few are larger than this.
_UNPACKED, _LARGEST = 3, 512 << 20
_SLACK = 32 << 20  # logs, databases, caches of the package manager
_KERNEL = re.compile(
    r"linux-image-(?:unsigned-)?\d|kernel(?:-core|-default|-uek-core)?$|linux(?:-lts|-virt|-zen|-hardened)?$"
)


def look(
    folder: str, actions: Sequence[Action], download_bytes: Optional[int], disk_bytes: Optional[int], root: str = "/"
) -> List[Dict[str, Any]]:
    """[{"path", "free", "needed"}] in bytes, one for each file system that the change writes to.

    `folder` is where package files go. What the manager does not say counts as nothing; the slack stays.
    """
    if not actions:
        return []
    download = download_bytes or 0
    needs = {
        root: max(disk_bytes or 0, 0) + min(_UNPACKED * download, _LARGEST),
        os.path.join(root, "var"): _SLACK,
        folder: (1 + _UNPACKED) * download,  # what comes, and what it replaces, packed less tightly at worst
        os.path.join(root, "boot"): _kernels(actions, root),
    }
    found: Dict[int, Dict[str, Any]] = {}
    for path, needed in needs.items():
        there = _nearest(path)
        status = os.statvfs(there)
        device = os.stat(there).st_dev
        entry = found.setdefault(device, {"path": path, "free": status.f_bavail * status.f_frsize, "needed": 0})
        entry["needed"] += needed
    return [entry for entry in found.values() if entry["needed"]]


def shortage(room: Sequence[Dict[str, Any]]) -> Optional[str]:
    """A sentence that names where there is too little; None where there is enough."""
    short = [
        f"{each['path']} has {_size(each['free'])} free and needs {_size(each['needed'])}"
        for each in room
        if each["free"] < each["needed"]
    ]
    return f"there is no room for this update: {'; '.join(short)}. Make room, then run it again." if short else None


def _kernels(actions: Sequence[Action], root: str) -> int:
    """What new kernels take in /boot, judged by the largest one there."""
    new = [each for each in actions if each.after is not None and _KERNEL.match(each.name)]
    return len(new) * (boot.room(root, is_container(root))["boot_needed_bytes"] or 0) if new else 0


def _nearest(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _size(count: int) -> str:
    return f"{count / (1 << 20):.0f} MiB"
