# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan of a patch run: exactly what would be done to a host's packages, why, and what is left out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import times
from ..errors import UpkeepError
from ..packages import changes, registry
from ..packages._largest import Attempt, largest
from ..packages.transaction import Action, Simulation, Transactions, Wanted
from . import folder, room

SCHEMA = "upkeep.plan/1"
IRREVERSIBLE = ("allow", "leave_out", "refuse")


@dataclass(frozen=True)
class Request:
    """The module's parameters. `wanted` and `left_out` as `patch_select` gives them: {name, arch, to, why}.

    What is left out with `firm` set stays as it is even where something wanted needs it.
    """

    patch_id: str
    host: str
    wanted: Sequence[Mapping[str, Any]]
    left_out: Sequence[Mapping[str, Any]]
    policy_sha256: Optional[str]
    removals: bool = False
    irreversible: str = "allow"
    manager: str = "auto"
    states: Optional[Sequence[Mapping[str, Any]]] = None
    check_mode: bool = False


def make(request: Request) -> Dict[str, Any]:
    """The module's data. Raises UpkeepError needs_root, invalid_wanted, irreversible, already_changed, those of
    `folder` and of the package manager; then nothing was written."""
    folder.needs_root()
    where = folder.Folder(request.patch_id)
    wanted = [_wanted(each) for each in request.wanted]
    name = registry.detect(request.manager)
    if not request.check_mode:
        still_unchanged(request.patch_id)
    document = draw_up(request, changes.transactions(name), name, wanted, where.new)
    if not request.check_mode:
        folder.save(where.plan, document)
        folder.note(request.patch_id, request.states, stage="planned", plan_sha256=document["plan_sha256"])
    return document


def draw_up(request: Request, manager: Transactions, name: str, wanted: Sequence[Wanted], new: str) -> Dict[str, Any]:
    """The document; nothing is written. `new`: the folder that packages would be fetched to."""
    found, others = _settled(request, manager, wanted)
    found.actions = manager.reversible(found.actions)
    lost = [each for each in found.actions if each.reversible is False]
    if lost and request.irreversible == "refuse":
        raise UpkeepError(
            "irreversible",
            f"there would be no way back from {_listed(lost)}: the versions before cannot be had any more. Let "
            "patch_irreversible be leave_out or allow, or patch this host by hand.",
            irreversible=[_loss(each) for each in lost],
        )
    space = room.look(new, found.actions, found.download_bytes, found.disk_bytes)
    short = room.shortage(space)
    return {
        "schema": SCHEMA,
        "patch_id": request.patch_id,
        "host": request.host,
        "manager": name,
        "policy_sha256": request.policy_sha256,
        "made": times.iso(times.now()),
        "actions": [each.document() for each in found.actions],
        "left_out": [dict(each) for each in request.left_out] + [_left(each, why) for each, why in others],
        "plan_sha256": sha256(request.host, name, request.policy_sha256, found.actions),
        "download_bytes": found.download_bytes,
        "disk_bytes": found.disk_bytes,
        "room": space,
        "refused": {"code": "no_space", "message": short} if short else None,
    }


def sha256(host: str, manager: str, policy_sha256: Optional[str], actions: Sequence[Action]) -> str:
    """Of the canonical JSON (sorted keys, no blanks) of what makes a plan this one and no other."""
    rows = sorted((list(each.identity) for each in actions), key=lambda row: [cell or "" for cell in row])
    content = {"host": host, "manager": manager, "policy_sha256": policy_sha256, "actions": rows}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def diff(document: Mapping[str, Any]) -> Dict[str, str]:
    """What the plan changes, as `--diff` shows it: a line `name version` for each package, before and after."""
    before, after = (
        "".join(f"{each['name']} ({each['arch']}) {each[side]}\n" for each in document["actions"] if each[side])
        for side in ("from", "to")
    )
    return {"before_header": "installed", "after_header": "planned", "before": before, "after": after}


def same(plan: Mapping[str, Any], plan_sha256: str, patch_id: str) -> None:
    """Raises UpkeepError plan_moved where the plan is another than the one that was agreed to, plan_changed where
    it is that one no more.

    What it holds counts, not what it says of itself: the file may have been edited.
    """
    if plan.get("plan_sha256") != plan_sha256:
        raise UpkeepError(
            "plan_moved",
            f"the plan of {patch_id} on this host is {plan.get('plan_sha256')}, not {plan_sha256}: nothing was "
            "changed; plan again.",
        )
    try:
        actions = [Action.of(each) for each in plan["actions"]]
        found = sha256(plan["host"], plan["manager"], plan.get("policy_sha256"), actions)
    except (AttributeError, KeyError, TypeError, ValueError):
        found = ""
    if found != plan_sha256:
        path = folder.Folder(patch_id).plan
        raise UpkeepError(
            "plan_changed",
            f"{path} is not as it was made: somebody changed it, and nothing is done by it. Look who did, then run the "
            "patch run again.",
            path=path,
        )


def still_unchanged(patch_id: str) -> None:
    """Raises UpkeepError already_changed where the run is past its plan, claim_lost where another run has ended it."""
    state = folder.state_of(patch_id)
    stage = state["stage"]
    if stage == "ended":
        raise UpkeepError(
            "claim_lost",
            f"the run {patch_id} has ended on this host ({state.get('reason') or state['outcome']}): nothing more is "
            "done in it. Run the patch run again.",
        )
    if stage not in folder.UNCHANGED_STAGES:
        raise UpkeepError(
            "already_changed",
            f"the run {patch_id} has begun to change this host ({stage}): its plan stands, and is to be finished.",
            stage=stage,
        )


def _settled(
    request: Request, manager: Transactions, wanted: Sequence[Wanted]
) -> Tuple[Simulation, List[Tuple[Wanted, str]]]:
    """The most of it that the policy lets be done, and the rest with its reasons."""
    firm = {each["name"]: each.get("why", "") for each in request.left_out if each.get("firm")}

    def objection(action: Action) -> str:
        if action.name in firm:
            return f"{action.name} would be changed with it, which is left out: {firm[action.name]}"
        if request.irreversible == "leave_out" and action.reversible is False:
            return f"there would be no way back from {action.name} {action.before}: it cannot be had any more"
        return ""

    def ask(part: List[Wanted]) -> Attempt:
        found = manager.simulate(part, request.removals)
        if request.irreversible == "leave_out":
            found.actions = manager.reversible(found.actions)
        objections = {(each.name, each.arch): objection(each) for each in found.actions if objection(each)}
        if not objections:
            return Attempt(found)
        blamed = {each: objections[each.name, each.arch] for each in part if (each.name, each.arch) in objections}
        return Attempt(None, next(iter(objections.values())), blamed)

    found, others = largest(wanted, ask)
    return found, [*others, *found.impossible]


def _wanted(entry: Mapping[str, Any]) -> Wanted:
    texts = [entry.get(key) for key in ("name", "arch", "to")]
    if not all(isinstance(each, str) and each for each in texts):
        raise UpkeepError(
            "invalid_wanted", f"wanted: {dict(entry)!r} needs name, arch and to, as patch_select gives them."
        )
    return Wanted(*map(str, [*texts, entry.get("why") or ""]))


def _left(wanted: Wanted, why: str) -> Dict[str, Any]:
    return {"name": wanted.name, "arch": wanted.arch, "to": wanted.version, "why": why}


def _loss(action: Action) -> Dict[str, Any]:
    return {"name": action.name, "arch": action.arch, "version": action.before}


def _listed(actions: Sequence[Action]) -> str:
    named = [f"{each.name} {each.before}" for each in actions]
    return ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
