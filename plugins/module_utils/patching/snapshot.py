# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host is like: its units, its listening sockets, and which boot this is. Two of them make a comparison."""

from __future__ import annotations

import os
import re
from typing import Any, Collection, Dict, List, Mapping, Optional, Set

from ..errors import UpkeepError
from ..packages._files import line_or_none, text_or_none
from . import sockets, systemd

_GLOBS = ("*.service", "*.socket", "*.timer", "*.path", "*.mount")
_PROPERTIES = (
    "Id", "ActiveState", "Transient", "FragmentPath", "UnitFileState", "BusName", "NRestarts",
    "TriggeredBy", "WantedBy", "RequiredBy", "UpheldBy",
)  # fmt: skip
_RUNS = ("active", "reloading", "refreshing")
# They belong to somebody's session, to a device as it is found, or to one image of a file system.
_PASSING = re.compile(r"^(user@|user-runtime-dir@|run-user-|systemd-fsck|lvm2-pvscan@|snap-.*\.mount$)")


def take() -> Dict[str, Any]:
    """{"units": {…}, "listening": [{"proto","address","port","process","unit"}], "boot": {…}, "ephemeral", "not_seen"}.

    `units` are names, sorted: `failed`, `active` (those that are to stay so), `on_demand` (active, free to end); and
    `restarts`: how often systemd had to start one again. Without systemd `seen` is false, and all of them empty.
    """
    not_seen: List[str] = []
    return {
        "units": _units(not_seen),
        "listening": [each.document() for each in sockets.listening()],
        "boot": boot(),
        "ephemeral": sockets.ephemeral(),
        "not_seen": not_seen,
    }


def excused(units: Collection[str]) -> Set[str]:
    """Those of the units that are not active by this name, and well all the same: they go by another one now, or do
    something once that a condition says is not to be done (first boots, ConditionNeedsUpdate). Empty if not seen."""
    names = sorted(units)
    if not names or not systemd.present():
        return set()
    try:
        shown = systemd.show(names, ("ActiveState", "Type", "ConditionResult"))
    except UpkeepError:
        return set()
    return {name for name, unit in zip(names, shown) if len(shown) == len(names) and _excused(unit)}


def boot(proc: str = "/proc") -> Dict[str, Any]:
    """{"boot_id","init_started","kernel"}: a boot's identity. `init_started`: clock ticks since the machine's start.

    In a container `boot_id` is the machine's own; what a new start changes there is when process 1 began.
    """
    # The name in parentheses may hold anything, so fields count from the last ")".
    fields = (text_or_none(os.path.join(proc, "1/stat")) or "").rpartition(")")[2].split()
    return {
        "boot_id": line_or_none(os.path.join(proc, "sys/kernel/random/boot_id")),
        "init_started": int(fields[19]) if len(fields) > 19 else None,
        "kernel": os.uname().release,
    }


def same_boot(one: Mapping[str, Any], other: Mapping[str, Any]) -> Optional[bool]:
    """Whether two `boot()` are of the same start of the system; None where neither can tell."""
    told = [key for key in ("boot_id", "init_started") if one.get(key) is not None and other.get(key) is not None]
    return all(one[key] == other[key] for key in told) if told else None


def judge_units(shown: List[Dict[str, str]]) -> Dict[str, Any]:
    """The `units` of what `systemctl show` says of all units."""
    lasting = [unit for unit in shown if unit.get("Id") and _lasts(unit)]
    active = [unit for unit in lasting if unit.get("ActiveState") in _RUNS]
    crashed = {unit["Id"]: int(unit["NRestarts"]) for unit in lasting if unit.get("NRestarts", "").isdecimal()}
    return {
        "failed": sorted(unit["Id"] for unit in lasting if unit.get("ActiveState") == "failed"),
        "active": sorted(unit["Id"] for unit in active if not _on_demand(unit)),
        "on_demand": sorted(unit["Id"] for unit in active if _on_demand(unit)),
        "restarts": {name: number for name, number in sorted(crashed.items()) if number},
        "seen": True,
    }


def _units(not_seen: List[str]) -> Dict[str, Any]:
    why = systemd.ABSENT
    if systemd.present():
        try:
            return judge_units(systemd.show(_GLOBS, _PROPERTIES))
        except UpkeepError as error:
            why = error.message
    not_seen.append(f"units: {why.rstrip('.')}.")
    return {"failed": [], "active": [], "on_demand": [], "restarts": {}, "seen": False}


def _excused(unit: Mapping[str, str]) -> bool:
    if unit.get("ActiveState") in _RUNS:
        return True
    return (unit.get("ActiveState"), unit.get("Type"), unit.get("ConditionResult")) == ("inactive", "oneshot", "no")


def _lasts(unit: Mapping[str, str]) -> bool:
    name = unit["Id"]
    if unit.get("Transient") == "yes" or _PASSING.match(name) or systemd.is_per_connection(name):
        return False
    # A mount without a file of its own is one that somebody made by hand, or a container engine.
    return not name.endswith(".mount") or bool(unit.get("FragmentPath"))


def _on_demand(unit: Mapping[str, str]) -> bool:
    """Started when somebody asks for it (D-Bus, a socket, a timer, an automount) and free to end when nobody does."""
    if any(unit.get(name) for name in ("WantedBy", "RequiredBy", "UpheldBy")):
        return False
    return bool(unit.get("BusName") or unit.get("TriggeredBy") or unit.get("UnitFileState") == "static")
