# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a patch run on its host: note what came of it, keep the way back of a few runs, give the host free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .. import times
from . import begin, claim, folder

OUTCOMES = ("patched", "nothing_to_do", "planned", "rolled_back", "refused", "failed", "needs_attention")


@dataclass(frozen=True)
class Request:
    """The module's parameters. `run_id`: who ends it. `keep_runs`: how many runs that changed packages keep their way
    back."""

    patch_id: str
    outcome: str
    states: Optional[Sequence[Mapping[str, Any]]] = None
    drained: Optional[bool] = None
    keep_runs: int = 3
    run_id: Optional[str] = None


def end(request: Request) -> Dict[str, Any]:
    """{"ended", "job", "released", "removed": [runs]}. A run whose job still runs is not ended, and keeps its claim.

    Raises UpkeepError needs_root, unknown_run, claim_lost and those of `folder`.
    """
    folder.needs_root()
    state = claim.own(request.patch_id, request.run_id)
    found = begin.job_of(state) if state["stage"] not in (*folder.UNCHANGED_STAGES, "ended") else None
    running = found is not None and found.job == "running"
    drained = {} if request.drained is None else {"drained": request.drained}
    if running:
        folder.note(request.patch_id, request.states, **drained)
        return {"ended": False, "job": "running", "released": False, "removed": []}
    # A run that ends has no more use for them, and on a full disk they make the room to note it.
    folder.remove(folder.Folder(request.patch_id).new)
    ended = times.iso(times.now())
    folder.note(request.patch_id, request.states, stage="ended", outcome=request.outcome, ended=ended, **drained)
    released = claim.release(request.patch_id)
    removed = prune(request.keep_runs, request.patch_id)
    return {"ended": True, "job": None if found is None else found.job, "released": released, "removed": removed}


def prune(keep: int, this: str) -> List[str]:
    """Remove the folders of older ended runs but for the newest `keep` that changed packages; their ids.

    Runs that changed nothing are counted apart: nights without updates must not cost the way back.
    """
    states = [folder.load(folder.Folder(run_id).state) or {} for run_id in folder.run_ids()]
    ended = [state for state in states if state.get("stage") == "ended" and state.get("patch_id") != this]
    changed = [state["patch_id"] for state in ended if _has_way_back(state)]
    others = [state["patch_id"] for state in ended if not _has_way_back(state)]
    room = max(0, keep - 1)  # the run that ends now is one of them
    removed = [*changed[: len(changed) - room], *others[: len(others) - room]]
    for run_id in removed:
        folder.remove(folder.Folder(run_id).path)
    return removed


def _has_way_back(state: Mapping[str, Any]) -> bool:
    return begin.job_of({**state, "stage": "applied"}) is not None
