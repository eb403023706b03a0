# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""btrfs: a read-only snapshot of a subvolume, in the folder `.upkeep-snapshots` at that subvolume's top.

Every subvolume's top has the inode 256 (BTRFS_FIRST_FREE_OBJECTID of btrfs_tree.h), and a snapshot keeps all inodes.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import List, Optional

from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .mounts import Mount, is_within
from .tool import run

name = "btrfs"
FOLDER = ".upkeep-snapshots"
_TOP_INODE = 256
# With this file in it, other backups leave the folder out; the one whose snapshots they are does so by its inode.
_MARKER = ".upkeep-restore"
_PATH = re.compile(r"^ID \d+ .*? path (?P<path>.*)$", re.M)


def fits(mount: Mount) -> bool:
    return mount.kind == "btrfs"


def top(path: str, mount: Mount) -> str:
    """The top of the subvolume that holds the path. UpkeepError `snapshot_unavailable`."""
    at = path if os.path.isdir(path) and not os.path.islink(path) else os.path.dirname(path)
    while os.stat(at).st_ino != _TOP_INODE:
        if at == mount.point or at == "/":
            message = (
                f"snapshot: {mount.point} is a part of a btrfs subvolume that is mounted by itself, so its top is not "
                "in reach; name the path by where the subvolume is mounted, or set snapshot to none."
            )
            raise UpkeepError("snapshot_unavailable", message, path=path)
        at = os.path.dirname(at)
    return at


def take(mount: Mount, top: str, name: str, place: str, size: Optional[str] = None) -> str:
    folder = os.path.join(top, FOLDER)
    try:
        atomic.make_folder(folder)
        marker = os.path.join(folder, _MARKER)
        if not os.path.exists(marker):
            atomic.write_text(marker, "Upkeep keeps snapshots in this folder while a backup reads them.\n")
    except OSError as error:
        message = (
            f"snapshot: {folder} cannot be made ({error.strerror}); btrfs keeps a snapshot in its own file system."
        )
        raise UpkeepError("snapshot_failed", message, path=folder)
    run("btrfs", "subvolume", "snapshot", "-r", top, os.path.join(folder, name))
    return os.path.join(folder, name)


def remove(mount: Mount, top: str, name: str, place: str) -> None:
    path = os.path.join(top, FOLDER, name)
    if os.path.isdir(path):
        run("btrfs", "subvolume", "delete", path)


def leftovers(mount: Mount, top: str, prefix: str) -> List[str]:
    with contextlib.suppress(OSError):
        return sorted(name for name in os.listdir(os.path.join(top, FOLDER)) if name.startswith(prefix))
    return []


def nested(path: str, mount: Mount) -> List[str]:
    """The subvolumes below a path of this mount, as paths; neither they nor what is in them is in a snapshot of it."""
    found: List[str] = []
    tops = [top(path, mount)]
    while tops:
        at = tops.pop()
        for inside in subvolumes(run("btrfs", "subvolume", "list", "-o", at)):
            full = os.path.normpath(os.path.join(mount.point, os.path.relpath("/" + inside, mount.root)))
            # One beside the path has none below it: the path would be in it.
            if is_within(full, path) and full != path and os.path.basename(os.path.dirname(full)) != FOLDER:
                tops.append(full)
                found.append(full)
    return sorted(found)


def subvolumes(listed: str) -> List[str]:
    """The paths, from the file system's own top, in what `btrfs subvolume list` prints."""
    return [found["path"] for found in _PATH.finditer(listed)]
