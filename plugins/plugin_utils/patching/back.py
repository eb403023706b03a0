# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back of a patch run: which run it is, what it changed, and whether that can still be undone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .. import runs
from ..documents.text import listing
from . import recorded

_NOTHING_CHANGED = {
    "refused": "it was refused",
    "planned": "it only planned",
    "nothing_to_do": "there was nothing to do",
}


def way_back(home: Path, run_id: str, host: str) -> dict[str, Any]:
    """What a rollback of `run_id` on `host` needs: `{"patch_id", "run_id", "patch", "plan", "changed"}`.

    `patch` is the last document of that plan: a run that was killed and continued by another counts as one. Raises
    UpkeepError `unknown_run`, `host_not_in_run`, `not_recorded`, `is_rollback`, `nothing_changed`,
    `already_rolled_back`, `changed_since`, `plan_lost`.
    """
    run = runs.load(home, run_id)
    if run is None:
        raise UpkeepError("unknown_run", _unknown(home, run_id, host), patch_run=run_id)
    told = documents(home, host)
    own = next((each for each in reversed(told) if each["run_id"] == run_id), None)
    patch_id = str(own["patch_id"] if own else run_id)
    same = [each for each in told if each["patch_id"] == patch_id and not each.get("rollback_of")]
    if own and own.get("rollback_of"):
        text = f"run {run_id} is itself the rollback of {own['rollback_of']} on {host}: patch the host again instead."
        raise UpkeepError("is_rollback", text, patch_run=run_id)
    if not same:
        _refuse_unrecorded(run, host)
    last = same[-1]
    _refuse_unchanged(run_id, host, last)
    later = told[told.index(last) + 1 :]
    _refuse_undone(run_id, host, patch_id, last, told)
    plan = next((found for each in reversed(same) if (found := recorded.plan(home, each["run_id"], host))), None)
    if plan is None:
        text = f"the plan of run {run_id} for {host} is not in {home / 'runs'} any more, so nothing says what to undo."
        raise UpkeepError("plan_lost", text, patch_run=run_id)
    changed = last.get("changed") or [
        {key: each.get(key) for key in ("name", "arch", "from", "to")} for each in plan["actions"]
    ]
    _refuse_changed_since(run_id, host, changed, later)
    return {"patch_id": patch_id, "run_id": last["run_id"], "patch": last, "plan": plan, "changed": changed}


def documents(home: Path, host: str) -> list[dict[str, Any]]:
    """Every patch document of a host, the oldest first."""
    newest_first = recorded.patching(runs.newest_first(home))
    found = [recorded.of_host(home, run.run_id, host) for run in newest_first]
    return [each for each in reversed(found) if each is not None]


def _unknown(home: Path, run_id: str, host: str) -> str:
    changed = [each["run_id"] for each in documents(home, host) if each.get("changed")]
    known = f"of {host} there are {listing(changed[::-1], 5)}" if changed else f"no run there changed {host}"
    return f"there is no run {run_id} in {home / 'runs'}; {known}."


def _refuse_unrecorded(run: runs.Run, host: str) -> None:
    if (host, recorded.PHASE) not in run.expected():
        text = f"run {run.run_id} was not to patch {host}: it was for {listing(run.targeted, 5) or 'no host'}."
        raise UpkeepError("host_not_in_run", text, patch_run=run.run_id)
    text = (
        f"run {run.run_id} ended before it recorded what it did on {host}: patch the host again, which goes on "
        "where that run was; it can be undone after that."
    )
    raise UpkeepError("not_recorded", text, patch_run=run.run_id)


def _refuse_unchanged(run_id: str, host: str, last: Mapping[str, Any]) -> None:
    why = _NOTHING_CHANGED.get(str(last["outcome"]))
    if why is None and not last.get("changed") and not _is_state(last, "apply"):
        why = "it did not come to that"
    if why:
        text = f"run {run_id} changed nothing on {host} ({why}): there is nothing to undo."
        raise UpkeepError("nothing_changed", text, patch_run=run_id)


def _is_state(document: Mapping[str, Any], state: str) -> bool:
    return any(entry.get("state") == state for entry in document["states"])


def _refuse_undone(
    run_id: str, host: str, patch_id: str, last: Mapping[str, Any], told: Iterable[Mapping[str, Any]]
) -> None:
    undone = [
        each for each in told if each.get("rollback_of") in (run_id, patch_id) and each["outcome"] == "rolled_back"
    ]
    by = last if last["outcome"] == "rolled_back" else next(iter(undone), None)
    if by is not None:
        text = f"run {run_id} was taken back on {host} already, at {by['finished']} by run {by['run_id']}."
        raise UpkeepError("already_rolled_back", text, patch_run=run_id, rolled_back_by=by["run_id"])


def _refuse_changed_since(
    run_id: str, host: str, changed: Sequence[Mapping[str, Any]], later: Sequence[Mapping[str, Any]]
) -> None:
    names = {(each["name"], each.get("arch")) for each in changed}
    undone = {each["rollback_of"] for each in later if each.get("rollback_of") and each["outcome"] == "rolled_back"}
    for each in later:
        if each.get("rollback_of") or each["outcome"] == "rolled_back" or {each["patch_id"], each["run_id"]} & undone:
            continue
        again = sorted(
            {str(one["name"]) for one in each.get("changed") or [] if (one["name"], one.get("arch")) in names}
        )
        if again:
            text = (
                f"run {each['run_id']} has changed {listing(again, 5)} on {host} since: take that run back first "
                f"(patch_run={each['run_id']})."
            )
            raise UpkeepError("changed_since", text, patch_run=run_id, changed_by=each["run_id"], packages=again)
