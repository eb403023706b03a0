# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One patch run at a time on a host: a claim that outlives the modules of a run.

`claim.json`: {"run_id", "by": {"user","controller","process"}, "claimed_at", "renewed_at"}. `process` tells a run's
main process from every other one; only its own controller can know that it is dead. For all others a claim that was
not renewed for `LEASE_S` is void. Both times are by this host's clock.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any, Dict, Mapping, Optional

from .. import times
from ..errors import UpkeepError
from . import folder

LEASE_S = 15 * 60


def path() -> str:
    """Where the claim stands."""
    return os.path.join(folder.home(), "claim.json")


def take(run_id: str, by: Mapping[str, Any], over: Optional[str] = None) -> Dict[str, Any]:
    """Claim this host for a run; the claim. `over`: a process that the caller knows to be dead.

    Raises UpkeepError claimed, with the claim that stands; patch_unreadable, state_unwritable.
    """
    with folder.locked():
        now = times.now()
        held = folder.load(path())
        if held is not None and stands(held, by, over, now):
            raise _claimed(held, now)
        since = held["claimed_at"] if held is not None and _is(held, by) else times.iso(now)
        mine = {"run_id": run_id, "by": dict(by), "claimed_at": since, "renewed_at": times.iso(now)}
        folder.save(path(), mine)
        return mine


def stands(held: Mapping[str, Any], by: Mapping[str, Any], over: Optional[str], now: datetime) -> bool:
    """Whether a claim keeps `by` from working here."""
    its = held.get("by") or {}
    if _is(held, by) or (over is not None and its.get("process") == over):
        return False
    # On one controller the process decides, however long it has been silent. The clock may have been set: either way.
    return its.get("controller") == by.get("controller") or abs(now - _renewed(held)) < timedelta(seconds=LEASE_S)


def standing(by: Mapping[str, Any], over: Optional[str] = None) -> None:
    """`take` without taking, for check mode. Raises UpkeepError claimed."""
    held, now = folder.load(path()), times.now()
    if held is not None and stands(held, by, over, now):
        raise _claimed(held, now)


def renew(patch_id: str, process: Optional[str] = None) -> None:
    """A sign of life of the run that works on `patch_id`.

    Raises UpkeepError claim_lost if `process` is given and the claim is not that process's (any more).
    """
    with folder.locked():
        held = folder.load(path())
        its = (held or {}).get("by") or {}
        if process is not None and its.get("process") != process:
            now_held = f"{_who(held)} has it now" if held else "nobody has it now"
            raise UpkeepError(
                "claim_lost",
                f"this host is not claimed by this run any more ({now_held}): nothing more is done here. Run the patch "
                "run again; it goes on where this one was.",
                claim=held,
            )
        if held is not None and held.get("run_id") == folder.state_of(patch_id)["run_ids"][-1]:
            folder.save(path(), {**held, "renewed_at": times.iso(times.now())})


def release(patch_id: str) -> bool:
    """Give the host free if the claim is of the run that worked last on `patch_id`; whether it was."""
    with folder.locked():
        held = folder.load(path())
        if held is None or held.get("run_id") != folder.state_of(patch_id)["run_ids"][-1]:
            return False
        try:
            os.unlink(path())
        except OSError as error:
            raise folder.unwritable(path(), error)
        return True


def _is(held: Mapping[str, Any], by: Mapping[str, Any]) -> bool:
    return (held.get("by") or {}).get("process") == by.get("process")


def _renewed(held: Mapping[str, Any]) -> datetime:
    try:
        return times.parse(str(held.get("renewed_at")))
    except ValueError:
        return times.parse("1970-01-01T00:00:00Z")


def _who(held: Mapping[str, Any]) -> str:
    by = held.get("by") or {}
    where = f"{by.get('controller')} (process {by.get('process')})"
    return f"run {held.get('run_id')}, started by {by.get('user')} on {where},"


def _claimed(held: Mapping[str, Any], now: datetime) -> UpkeepError:
    free = times.iso(_renewed(held) + timedelta(seconds=LEASE_S))
    return UpkeepError(
        "claimed",
        f"another patch run works on this host: {_who(held)} since {held.get('claimed_at')}, its last sign of life was "
        f"at {held.get('renewed_at')}. Wait for its end. If that run is gone: on its own controller run the patch run "
        f"again, on another one after {free}; as the last resort remove {path()} on the host.",
        claim=dict(held),
        now=times.iso(now),
    )
