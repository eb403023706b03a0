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


def load() -> Optional[Dict[str, Any]]:
    """The claim, whosever it is. Raises UpkeepError patch_unreadable."""
    found = folder.load(path())
    if found is not None and not isinstance(found.get("by") or {}, dict):
        raise folder.unreadable(path(), "its by makes no sense")
    return found


def take(run_id: str, by: Mapping[str, Any], over: Optional[str] = None) -> Dict[str, Any]:
    """Claim this host for a run; the claim. `over`: a process that the caller knows to be dead.

    Raises UpkeepError claimed, with the claim that stands; patch_unreadable, state_unwritable.
    """
    with folder.locked():
        now = times.now()
        found = load()
        if found is not None and stands(found, by, over, now):
            raise _claimed(found, now)
        since = found.get("claimed_at") if found is not None and _is(found, by) else None
        mine = {"run_id": run_id, "by": dict(by), "claimed_at": since or times.iso(now), "renewed_at": times.iso(now)}
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
    found, now = load(), times.now()
    if found is not None and stands(found, by, over, now):
        raise _claimed(found, now)


def renew(patch_id: str, process: Optional[str] = None) -> None:
    """A sign of life of the run that works on `patch_id`.

    Raises UpkeepError claim_lost if `process` is given and the claim is not that process's (any more).
    """
    with folder.locked():
        found = load()
        its = (found or {}).get("by") or {}
        if process is not None and its.get("process") != process:
            now_held = f"{_who(found)} has it now" if found else "nobody has it now"
            raise UpkeepError(
                "claim_lost",
                f"this host is not claimed by this run any more ({now_held}): nothing more is done here. Run the patch "
                "run again; it goes on where this one was.",
                claim=found,
            )
        if found is not None and found.get("run_id") == folder.state_of(patch_id)["run_ids"][-1]:
            folder.save(path(), {**found, "renewed_at": times.iso(times.now())})


def own(patch_id: str, run_id: Optional[str]) -> Dict[str, Any]:
    """The run's state. Raises UpkeepError claim_lost where another one than `run_id`, if given, works on it now."""
    state = folder.state_of(patch_id)
    ended_by_another = state["stage"] == "ended" and state.get("reason") == "superseded"
    if run_id is not None and (state["run_ids"][-1] != run_id or ended_by_another):
        by = state["run_ids"][-1] if state["run_ids"][-1] != run_id else "another run, which ended it"
        raise UpkeepError(
            "claim_lost",
            f"this host was taken over by {by}, since {run_id} had given no sign of life: what became of it is noted "
            "by that one, and nothing more is done here.",
        )
    return state


def release(patch_id: str) -> bool:
    """Give the host free if the claim is of the run that worked last on `patch_id`; whether it was."""
    with folder.locked():
        found = load()
        if found is None or found.get("run_id") != folder.state_of(patch_id)["run_ids"][-1]:
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
