# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ZFS: a snapshot of a dataset, read under `.zfs/snapshot/` of where that is mounted."""

from __future__ import annotations

import os
from typing import List, Optional

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .mounts import Mount
from .tool import run

name = "zfs"


def fits(mount: Mount) -> bool:
    return mount.kind == "zfs"


def top(path: str, mount: Mount) -> str:
    """UpkeepError `snapshot_unavailable` where only a part of the dataset is mounted."""
    if mount.root != "/":
        message = (
            f"snapshot: {mount.point} is a part of {mount.source} that is mounted by itself, without its snapshots."
        )
        raise UpkeepError("snapshot_unavailable", message, path=path)
    return mount.point


def take(mount: Mount, top: str, name: str, place: str, size: Optional[str] = None) -> str:
    run("zfs", "snapshot", f"{mount.source}@{name}")
    return os.path.join(mount.point, ".zfs", "snapshot", name)


def remove(mount: Mount, top: str, name: str, place: str) -> None:
    if name in leftovers(mount, top, name):
        run("zfs", "destroy", f"{mount.source}@{name}")


def leftovers(mount: Mount, top: str, prefix: str) -> List[str]:
    told = run("zfs", "list", "-H", "-t", "snapshot", "-o", "name", "-d", "1", mount.source)
    names = [line.partition("@")[2] for line in told.splitlines()]
    return sorted(name for name in names if name.startswith(prefix))
