# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The beginning of a patch run on its host: claim it, find what an earlier run left unfinished, see what it is like."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import times
from ..errors import UpkeepError
from ..packages import changes, registry
from ..packages.transaction import Transactions
from . import claim, folder, health, job, snapshot

_PAUSE = 1.0


@dataclass(frozen=True)
class Request:
    """The module's parameters. `undo`: a run to take back, which then is the one to go on with."""

    run_id: str
    host: str
    by: Mapping[str, Any]
    over: Optional[str] = None
    undo: Optional[str] = None
    health: Mapping[str, Any] = field(default_factory=dict)
    lock_patience: int = 0
    manager: str = "auto"
    check_mode: bool = False


def begin(request: Request) -> Dict[str, Any]:
    """The module's data. Raises UpkeepError needs_root, claimed, invalid_health, unknown_run and those of `folder`."""
    folder.needs_root()
    health.parse(request.health)
    name = registry.detect(request.manager)
    manager = changes.transactions(name)
    if request.check_mode:
        claim.standing(request.by, request.over)
    else:
        claim.take(request.run_id, request.by, request.over)
    try:
        return _begun(request, name, manager)
    except UpkeepError:
        if not request.check_mode:
            _give_back(request)
        raise


def _begun(request: Request, name: str, manager: Transactions) -> Dict[str, Any]:
    continued, superseded = _unfinished(request)
    drained = [state["patch_id"] for state in _states() if state["drained"]]
    patch_id = request.run_id if continued is None else continued["patch_id"]
    running = None if continued is None else job_of(continued)
    problems: List[Dict[str, str]] = []
    if running is None or running.job != "running":
        held = _wait_for_lock(manager, request.lock_patience)
        problems += [_problem("lock_held", _LOCKED.format(held, request.lock_patience))] if held else []
    before = folder.load(folder.Folder(patch_id).before) if continued else None
    if before is None:
        before = look(request.health, manager, name)
        if continued is None:
            problems += [*health.problems(before["checks"]), *map(_half_configured, before["unfinished"])]
    if not request.check_mode:
        _remember(request, patch_id, continued, superseded, before, drained)
    return {
        "patch_id": patch_id,
        "run_id": request.run_id,
        "continues": continued,
        "drained": bool(drained),
        "plan": None if continued is None else folder.load(folder.Folder(patch_id).plan),
        "job": None if running is None else running.document(),
        "ended": [state["patch_id"] for state in superseded],
        "before": before,
        "manager": name,
        "problems": problems,
    }


def look(spec: Mapping[str, Any], manager: Transactions, name: str) -> Dict[str, Any]:
    """What the host is like, as before.json has it: health, units, listening ports, boot, packages."""
    return {
        "taken": times.iso(times.now()),
        "manager": name,
        **health.look(spec),
        **snapshot.take(),
        "packages": versions(manager),
        "unfinished": manager.unfinished(),
        "leftovers": leftovers(manager),
    }


def versions(manager: Transactions) -> List[List[str]]:
    """[name, arch, version] of all that is installed, sorted."""
    return [[name, arch, version] for (name, arch), version in sorted(manager.installed().items())]


def leftovers(manager: Transactions) -> Dict[str, int]:
    """When each file was written that configuration file handling left, in ns: one of before may be written anew."""
    found = {}
    for path in manager.leftovers():
        with contextlib.suppress(OSError):
            found[path] = os.lstat(path).st_mtime_ns
    return found


def job_of(state: Mapping[str, Any]) -> Optional[job.Look]:
    """The job that a run's stage is about; None before any was started."""
    where = folder.Folder(state["patch_id"])
    found = job.look(where.job("back" if state["stage"] == "rolling_back" else "apply"))
    return None if found.job is None else found


_LOCKED = "another package manager works on this host ({}), still after {} seconds: let it finish, then run again."


def _problem(code: str, message: str) -> Dict[str, str]:
    return {"code": code, "message": message}


def _half_configured(sentence: str) -> Dict[str, str]:
    return _problem("half_configured", sentence)


def _unfinished(request: Request) -> Tuple[Optional[Dict[str, Any]], List[Dict[str, Any]]]:
    """(the run to go on with, the runs that changed nothing and are ended)."""
    open_runs = [state for state in _states() if state["stage"] != "ended"]
    begun = [state for state in open_runs if state["stage"] not in folder.UNCHANGED_STAGES]
    superseded = [state for state in open_runs if state["stage"] in folder.UNCHANGED_STAGES]
    if request.undo is None:
        return (begun[-1] if begun else None), superseded
    folder.plan_of(request.undo)
    for state in begun:
        if state["patch_id"] != request.undo:
            raise UpkeepError(
                "unfinished_run",
                f"the run {state['patch_id']} is not finished on this host (it was {state['stage']}): run the patch "
                f"run again to finish it, or take that one back first; then take back {request.undo}.",
                patch_id=state["patch_id"],
            )
    return folder.state_of(request.undo), [state for state in superseded if state["patch_id"] != request.undo]


def _states() -> List[Dict[str, Any]]:
    """A run that was killed before it could write its state has none: nothing of it is worth going on with."""
    states = map(folder.state_or_none, folder.run_ids())
    return [state for state in states if state is not None]


def _wait_for_lock(manager: Transactions, patience: int) -> Optional[str]:
    deadline = time.monotonic() + patience
    while True:
        held = manager.locked_by()
        left = deadline - time.monotonic()
        if held is None or left <= 0:
            return held
        time.sleep(min(_PAUSE, left))


def _remember(
    request: Request,
    patch_id: str,
    continued: Optional[Mapping[str, Any]],
    superseded: List[Dict[str, Any]],
    before: Mapping[str, Any],
    drained: Sequence[str],
) -> None:
    where = folder.Folder(patch_id)
    folder.save(where.before, before)
    # Who was out of service when an earlier run was killed still is. Noted before that one's own note is closed: a run
    # that is killed in between leaves it twice rather than nowhere.
    is_drained = bool(drained)
    if continued is None:
        for name in ("apply", "back"):  # of an ended run of the same id
            folder.remove(where.job(name))
        folder.save(where.state, {**folder.new_state(patch_id, request.host, request.by), "drained": is_drained})
    else:
        if continued["stage"] == "ended":  # to be undone: what an earlier way back came to is history
            folder.remove(where.job("back"))
            folder.note(patch_id, stage="rolling_back", outcome=None, ended=None)
        others = [run_id for run_id in continued["run_ids"] if run_id != request.run_id]
        folder.note(patch_id, run_ids=[*others, request.run_id], drained=is_drained)
    for state in superseded:
        if state["patch_id"] != patch_id:
            ended = times.iso(times.now())
            folder.note(state["patch_id"], stage="ended", outcome="refused", reason="superseded", ended=ended)
            folder.remove(folder.Folder(state["patch_id"]).new)
    _hand_over(drained, patch_id)


def _hand_over(drained: Sequence[str], patch_id: str) -> None:
    """Who was out of service when a run was killed, or could not be undrained, still is: it is this run's to mend."""
    for other in drained:
        if other != patch_id:
            folder.note(other, drained=False)


def _give_back(request: Request) -> None:
    """A run that cannot begin holds nobody up."""
    with contextlib.suppress(UpkeepError, OSError), folder.locked():
        held = folder.load(claim.path())
        if held is not None and (held.get("by") or {}).get("process") == request.by.get("process"):
            os.unlink(claim.path())
