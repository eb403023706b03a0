# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Apply a plan, or take it back: start its job unless it runs or ran, wait a while, tell what came of it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from .. import times
from ..errors import UpkeepError
from ..packages import changes
from ..packages.transaction import Action, Simulation, Transactions, Wanted
from . import begin, claim, folder, job, plan

DIRECTIONS = ("apply", "back")
_TRIES = 2  # how often one run starts a job that dies
# What stands in the way of a first try, where it leaves everything as it was.
_BEFORE_A_JOB = ("plan_moved", "plan_changed", "file_changed", "not_fetched", "irreversible", "state_unwritable")


@dataclass(frozen=True)
class Request:
    """The module's parameters. `process`: the run's, where the claim has to be its. `wait` in seconds."""

    patch_id: str
    plan_sha256: str
    direction: str = "apply"
    wait: float = 15
    process: Optional[str] = None
    states: Optional[Sequence[Mapping[str, Any]]] = None
    check_mode: bool = False


def run(request: Request) -> Dict[str, Any]:
    """The module's data. Raises UpkeepError needs_root, unknown_run, plan_moved, plan_changed, claim_lost,
    job_not_started and those of `folder` and of the package manager; then nothing was started. What else goes wrong
    once there is a job is `unfinished`: packages may be half changed."""
    try:
        return _run(request)
    except UpkeepError as error:
        if (
            error.code not in _BEFORE_A_JOB
            or job.look(folder.Folder(request.patch_id).job(request.direction)).job is None
        ):
            raise
        raise UpkeepError("unfinished", f"its packages may be half changed: {error.message}", cause=error.code)


def _run(request: Request) -> Dict[str, Any]:
    folder.needs_root()
    document = folder.plan_of(request.patch_id)
    state = folder.state_of(request.patch_id)
    plan.same(document, request.plan_sha256, request.patch_id)
    where = folder.Folder(request.patch_id)
    path = where.job(request.direction)
    manager = changes.transactions(document["manager"])
    actions = [Action.of(each) for each in document["actions"]]
    if request.check_mode:
        return _result(request, path, manager, actions, job.look(path), reattached=False)
    _renew(request, path)
    with folder.locked():
        found = job.look(path)
        reattached = found.job is not None and not _is_of(found, state)
        if _is_to_start(found, state, request.direction):
            found = _start(request, state, where, manager, actions, anew=found.job is not None)
    if found.job == "running":
        found = job.wait(path, request.wait)
    if found.job == "died" and _is_to_start(found, state, request.direction):
        return _run(request)  # once more, to repair it: the next try is the last
    _note(request, state, applied=request.direction == "apply" and found.job == "ok")
    return _result(request, path, manager, actions, found, reattached)


def moved(actions: Sequence[Action], simulation: Simulation) -> List[str]:
    """How a simulation made now differs from what is left of the plan, a sentence each; [] where it is the same."""
    planned = {action.identity: action for action in actions}
    now = {action.identity: action for action in simulation.actions}
    told = [f"{wanted.name} {wanted.version} cannot be had any more: {why}" for wanted, why in simulation.impossible]
    told += [f"not as planned any more: {_told(planned[key])}" for key in sorted(set(planned) - set(now), key=str)]
    told += [f"it would be now: {_told(now[key])}" for key in sorted(set(now) - set(planned), key=str)]
    return told


def left(actions: Sequence[Action], installed: Mapping[Any, str]) -> List[Action]:
    """What is not done yet."""
    return [action for action in actions if installed.get((action.name, action.arch)) != action.after]


def _note(request: Request, state: Mapping[str, Any], applied: bool) -> None:
    """By the time that a slice has been waited for, another run may have gone on with the work: its word counts."""
    with folder.locked():
        now = folder.state_of(request.patch_id)
        if now["run_ids"][-1] == state["run_ids"][-1]:
            stage = {"stage": "applied"} if applied and now["stage"] == "applying" else {}
            with _on_a_full_disk():
                folder.note(request.patch_id, request.states, **stage)


def _renew(request: Request, path: str) -> None:
    """Once there is a job it is looked after whether or not the host can write that down."""
    with _on_a_full_disk() if job.look(path).job else contextlib.nullcontext():
        claim.renew(request.patch_id, request.process)


@contextlib.contextmanager
def _on_a_full_disk() -> Iterator[None]:
    """What cannot be noted is passed over: the job's own journal has its room, and tells the next run."""
    try:
        yield
    except UpkeepError as error:
        if error.code != "state_unwritable":
            raise


def _told(action: Action) -> str:
    return f"{action.action} {action.name} {action.arch} from {action.before or 'none'} to {action.after or 'none'}"


def _is_of(found: job.Look, state: Mapping[str, Any]) -> bool:
    """Whether the run that works here now started the job."""
    return bool(found.tries) and found.tries[-1]["run_id"] == state["run_ids"][-1]


def _is_to_start(found: job.Look, state: Mapping[str, Any], direction: str) -> bool:
    """Whether there is no job, or one that a new try can bring further."""
    if found.job == "died":
        return sum(each["run_id"] == state["run_ids"][-1] for each in found.tries) < _TRIES
    if found.job == "failed":  # a plan that failed is not tried again; the way back is, by a later run
        return direction == "back" and not _is_of(found, state)
    return found.job is None


def _start(
    request: Request,
    state: Mapping[str, Any],
    where: folder.Folder,
    manager: Transactions,
    actions: Sequence[Action],
    anew: bool,
) -> job.Look:
    forward = request.direction == "apply"
    path = where.job(request.direction)
    if forward and not anew:
        _exactly(actions, manager)
    if not forward and job.look(where.job("apply")).job == "running":
        raise UpkeepError(
            "apply_running",
            f"{request.patch_id} is still being applied: let that end (run the patch run again), then take it back.",
        )
    if not anew:
        # What is installed now is what the job's changes are told against, whoever asks and however often it is tried.
        folder.save(os.path.join(folder.make(path), "before.json"), {"packages": begin.versions(manager)})
    steps = manager.repair() if anew else []
    steps += manager.forward(actions, where.new) if forward else manager.back(actions, where.kept)
    folder.note(request.patch_id, stage="applying" if forward else "rolling_back")
    return job.start(
        path,
        steps,
        unit=job.unit_name(request.plan_sha256, request.direction),
        about={"patch_id": request.patch_id, "run_id": state["run_ids"][-1], "name": request.direction},
        repair=anew,
    )


def _exactly(actions: Sequence[Action], manager: Transactions) -> None:
    """Raises UpkeepError plan_moved unless a simulation made now does what is left of the plan and nothing else."""
    rest = left(actions, manager.installed())
    if not rest:
        return
    wanted = [Wanted(each.name, each.arch, each.after, each.why) for each in rest if each.after is not None]
    removals = any(each.action == "remove" for each in rest)
    differences = moved(rest, manager.simulate(wanted, removals))
    if differences:
        more = f" (and {len(differences) - 3} more)" if len(differences) > 3 else ""
        raise UpkeepError(
            "plan_moved",
            "what was planned is not what would be done now, so nothing was changed: "
            f"{'; '.join(differences[:3])}{more}. Plan again.",
            differences=differences,
        )


def _result(
    request: Request,
    path: str,
    manager: Transactions,
    actions: Sequence[Action],
    found: job.Look,
    reattached: bool,
) -> Dict[str, Any]:
    ended = found.job in ("ok", "failed", "died")
    return {
        "direction": request.direction,
        **found.document(),
        "failed_step": found.failed_step,
        "why": job.cause(path, found.failed_step),
        "log": job.log_of(path) if ended else "",
        "changed": _changed(path, manager) if ended else _predicted(request, manager, actions),
        "config_leftovers": _new_leftovers(request.patch_id, manager) if ended else [],
        "unfinished": manager.unfinished() if ended else [],
        "reattached": reattached,
        "repaired": any(each["repair"] for each in found.tries),
        "at": times.iso(times.now()),
    }


def _predicted(request: Request, manager: Transactions, actions: Sequence[Action]) -> List[Dict[str, Any]]:
    """In check mode what would be changed."""
    if not request.check_mode:
        return []
    installed = manager.installed()
    there = {(each.name, each.arch): (each.after, each.before)[request.direction == "back"] for each in actions}
    pairs = [(name, arch, installed.get((name, arch)), to) for (name, arch), to in sorted(there.items())]
    return [_change(*pair) for pair in pairs if pair[2] != pair[3]]


def _changed(path: str, manager: Transactions) -> List[Dict[str, Any]]:
    recorded = folder.load(os.path.join(path, "before.json"))
    if recorded is None:
        return []
    before = {(name, arch): version for name, arch, version in recorded["packages"]}
    after = manager.installed()
    keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    return [_change(name, arch, before.get((name, arch)), after.get((name, arch))) for name, arch in keys]


def _change(name: str, arch: str, before: Optional[str], after: Optional[str]) -> Dict[str, Any]:
    return {"name": name, "arch": arch, "from": before, "to": after}


def _new_leftovers(patch_id: str, manager: Transactions) -> List[str]:
    """Those that were not there, or not so, before the run."""
    known = (folder.load(folder.Folder(patch_id).before) or {}).get("leftovers") or {}
    return sorted(path for path, written in begin.leftovers(manager).items() if known.get(path) != written)
