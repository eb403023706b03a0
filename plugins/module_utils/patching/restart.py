# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restarting the units that still run what an update has replaced."""

from __future__ import annotations

import fnmatch
import time
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from ..errors import UpkeepError
from ..packages import restarts
from ..packages._files import text_or_none
from ..packages.model import StaleService
from . import deferred, systemd

TIMEOUT = 90  # seconds for one unit: systemd's own default
MANAGER = "init.scope"  # where process 1 runs: systemd itself
_SETTLE = 1.0  # seconds in which a program that does not like its new code usually ends
_PROPERTIES = (
    "Id", "ActiveState", "Type", "Transient", "RefuseManualStart", "RefuseManualStop", "KillMode", "InvocationID",
    "After",
)  # fmt: skip
Unit = Mapping[str, str]


def restart(exclude: Sequence[str] = (), check_mode: bool = False) -> Dict[str, Any]:
    """{"restarted": [{"unit","duration_ms"}], "failed" and "excluded" ([{"unit","why"}]), "deferred" ([{"unit","why",
    "reboot"}]), "left" ([{"unit","commands"}]), "sessions", "reboot_wanted", "status": "ok|failed", "not_seen"}.

    `exclude` are globs. Check mode restarts nothing: `restarted` has what would be, without a duration. `left` is what
    runs replaced code afterwards, whatever the reason, and `reboot_wanted` whether only a reboot renews some of it.
    """
    found = restarts.scan()
    stale = sorted({service.unit for service in found.services if service.unit})
    result: Dict[str, Any] = {key: [] for key in ("restarted", "failed", "excluded", "deferred", "not_seen")}
    if stale and not systemd.present():
        result["not_seen"].append(f"Nothing was restarted: {systemd.ABSENT}.")
    elif stale:
        _sort_out(stale, exclude, result, check_mode)
    if found.unseen:
        result["not_seen"].append(f"{found.unseen} processes could not be looked at.")
    after = found if check_mode or not stale else restarts.scan()
    result["left"] = [_left(service) for service in after.services if not check_mode or not _is_in(service, result)]
    result["sessions"] = sorted({service.unit for service in after.sessions if service.unit})
    result["reboot_wanted"] = any(entry["reboot"] for entry in result["deferred"])
    result["status"] = "failed" if result["failed"] else "ok"
    return result


def order(units: Sequence[Unit]) -> List[Unit]:
    """By name, but each behind those of them that it is to start after (`After=`)."""
    by_name = {unit["Id"]: unit for unit in sorted(units, key=lambda unit: unit["Id"])}
    ordered: List[Unit] = []
    seen: Set[str] = set()

    def put(name: str) -> None:
        if name in seen or name not in by_name:
            return
        seen.add(name)  # before what it waits for: a circle has to end somewhere
        for other in sorted(by_name[name].get("After", "").split()):
            put(other)
        ordered.append(by_name[name])

    for name in by_name:
        put(name)
    return ordered


def excluded_by(unit: str, globs: Iterable[str]) -> Optional[str]:
    """The first of the globs that matches the unit, with its suffix or without."""
    names = (unit, unit.rpartition(".")[0])
    return next((glob for glob in globs if any(fnmatch.fnmatchcase(name, glob) for name in names)), None)


def _sort_out(stale: Sequence[str], exclude: Sequence[str], result: Dict[str, Any], check_mode: bool) -> None:
    own, _session = restarts.unit_of(text_or_none("/proc/self/cgroup") or "")
    fit: List[Unit] = []
    for unit in systemd.show([name for name in stale if name != MANAGER], _PROPERTIES) if stale != [MANAGER] else []:
        name = unit["Id"]
        glob, why = excluded_by(name, exclude), deferred.reason(unit, own)
        if glob:
            result["excluded"].append({"unit": name, "why": f"policy excludes {glob}"})
        elif why:
            result["deferred"].append({"unit": name, "why": why[0], "reboot": why[1]})
        elif unit.get("ActiveState") in ("active", "reloading", "refreshing"):
            fit.append(unit)
    wanted = order(fit)
    if MANAGER in stale:  # first: it starts all the others
        wanted = [{"Id": MANAGER}, *wanted]
    if check_mode:
        result["restarted"] = [{"unit": unit["Id"], "duration_ms": None} for unit in wanted]
        return
    for each in wanted:
        begun = time.monotonic()
        trouble = _restart(each)
        if trouble:
            result["failed"].append({"unit": each["Id"], "why": trouble})
        else:
            result["restarted"].append({"unit": each["Id"], "duration_ms": round((time.monotonic() - begun) * 1000)})
    _find_fallen(result)


def _restart(unit: Unit) -> Optional[str]:
    """Why a unit could not be restarted, None if it was."""
    name = unit["Id"]
    try:
        if name == MANAGER:
            done = systemd.call("daemon-reexec", timeout=TIMEOUT)
        elif _state(name)[1] != unit.get("InvocationID"):
            return None  # one before took it along
        else:
            done = systemd.call("try-restart", "--", name, timeout=TIMEOUT)
    except UpkeepError as error:
        return error.message
    if done.rc != 0:
        said = next((line.strip() for line in done.stderr.splitlines() if line.strip()), f"exit code {done.rc}")
        return f"{said.rstrip('.')}; journalctl -u {name} says why"
    return None


def _find_fallen(result: Dict[str, Any]) -> None:
    """A program that ends soon after it was started counts as not restarted."""
    if not any(entry["unit"] != MANAGER for entry in result["restarted"]):
        return
    time.sleep(_SETTLE)
    standing = []
    for entry in result["restarted"]:
        state = "active" if entry["unit"] == MANAGER else _state(entry["unit"])[0]
        if state in ("active", "reloading", "refreshing"):
            standing.append(entry)
        else:
            why = f"was restarted and is {state} now; journalctl -u {entry['unit']} says why"
            result["failed"].append({"unit": entry["unit"], "why": why})
    result["restarted"] = standing


def _state(unit: str) -> Tuple[str, str]:
    """(ActiveState, InvocationID): the id is another one after each start."""
    shown = systemd.show([unit], ("ActiveState", "InvocationID"))
    return (shown[0].get("ActiveState", "unknown"), shown[0].get("InvocationID", "")) if shown else ("unknown", "")


def _left(service: StaleService) -> Dict[str, Any]:
    return {"unit": service.unit, "commands": service.commands}


def _is_in(service: StaleService, result: Mapping[str, Any]) -> bool:
    return any(entry["unit"] == service.unit for entry in result["restarted"])
