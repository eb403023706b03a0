# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LVM: a snapshot of a logical volume, mounted read-only. A thin volume needs no size; a thick one's copy does."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional

from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .mounts import Mount
from .mounts import read as read_mounts
from .tool import run

name = "lvm"
_FIELDS = "vg_name,lv_name,lv_attr,lv_size,data_percent,origin"
_THIN = "V"  # lvs(8), the first of lv_attr
_INVALID = "IS"  # the fifth: an invalid (overflowed) snapshot, active or suspended
_DEFAULT_SIZE = ("--extents", "10%ORIGIN")


def fits(mount: Mount) -> bool:
    if not mount.source.startswith("/dev/") or not mount.source.startswith(("/dev/mapper/", "/dev/dm-")):
        return False
    try:
        return bool(_volumes(mount.source))
    except UpkeepError:
        return False


def top(path: str, mount: Mount) -> str:
    return mount.point


def take(mount: Mount, top: str, name: str, place: str, size: Optional[str] = None) -> str:
    (volume,) = _volumes(mount.source)
    origin = f"{volume['vg_name']}/{volume['lv_name']}"
    if volume["lv_attr"].startswith(_THIN):
        run("lvcreate", "--yes", "--snapshot", "--setactivationskip", "n", "--name", name, origin)
    else:
        room = ("--size", _bytes(size)) if size else _DEFAULT_SIZE
        run("lvcreate", "--yes", "--snapshot", "--name", name, *room, origin)
    atomic.make_folder(place)
    # xfs refuses a second file system of the same id unless told not to look at it.
    options = "ro,nouuid" if mount.kind == "xfs" else "ro"
    run("mount", "-t", mount.kind, "-o", options, f"/dev/{volume['vg_name']}/{name}", place)
    return os.path.normpath(place + "/" + mount.root)


def remove(mount: Mount, top: str, name: str, place: str) -> None:
    if any(there.point == place for there in read_mounts()):
        run("umount", place)
    if os.path.isdir(place):
        os.rmdir(place)
    (volume,) = _volumes(mount.source)
    for snapshot in _volumes(volume["vg_name"]):
        if snapshot["lv_name"] == name:
            run("lvremove", "--yes", f"{volume['vg_name']}/{name}")
            if snapshot["lv_attr"][4:5] and snapshot["lv_attr"][4] in _INVALID:
                message = (
                    f"snapshot: {mount.source} changed by more than its snapshot had room for; give it more with "
                    "snapshot_size."
                )
                raise UpkeepError("snapshot_overflowed", message, path=mount.point)


def leftovers(mount: Mount, top: str, prefix: str) -> List[str]:
    (volume,) = _volumes(mount.source)
    return sorted(one["lv_name"] for one in _volumes(volume["vg_name"]) if one["lv_name"].startswith(prefix))


def _volumes(which: str) -> List[Dict[str, Any]]:
    """The logical volumes of a device or a volume group."""
    told = run("lvs", "--reportformat", "json", "--options", _FIELDS, which)
    try:
        return list(json.loads(told)["report"][0]["lv"])
    except (ValueError, KeyError, IndexError, TypeError):
        raise UpkeepError("snapshot_failed", f"snapshot: lvs does not say in JSON what {which} is.")


def _bytes(size: str) -> str:
    return f"{size}b" if str(size).isdigit() else str(size)
