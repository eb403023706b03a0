# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The drivers by name, in the order in which `auto` asks them. LVM comes last: it fits what lies on a volume of it."""

from __future__ import annotations

from types import ModuleType
from typing import Dict, Optional

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import btrfs, lvm, zfs
from .mounts import Mount

DRIVERS: Dict[str, ModuleType] = {driver.name: driver for driver in (btrfs, zfs, lvm)}
AUTO = "auto"


def driver_for(mount: Mount, wanted: str) -> Optional[ModuleType]:
    """The driver for a mount, or None; with a `wanted` other than auto, that or none."""
    candidates = DRIVERS.values() if wanted == AUTO else [DRIVERS[wanted]]
    return next((driver for driver in candidates if driver.fits(mount)), None)


def no_driver(path: str, mount: Mount, wanted: str) -> UpkeepError:
    """Why a path that was to be read from a snapshot cannot be."""
    what = "no snapshots" if wanted == AUTO else f"no snapshots of {wanted}"
    return UpkeepError(
        "snapshot_unavailable",
        f"snapshot: {path} lies on {mount.kind} ({mount.source} at {mount.point}), which offers {what}; set snapshot "
        "to none for this set, or move it.",
        path=path,
    )
