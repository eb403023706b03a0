# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Before anything is changed: the packages of the plan are fetched, and those that they replace are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..errors import UpkeepError
from ..packages import changes
from ..packages.transaction import Action, Kept
from . import claim, folder, plan, room


@dataclass(frozen=True)
class Request:
    """The module's parameters."""

    patch_id: str
    plan_sha256: str
    irreversible: str = "allow"
    states: Optional[Sequence[Mapping[str, Any]]] = None
    check_mode: bool = False


def protect(request: Request) -> Dict[str, Any]:
    """The module's data. Raises UpkeepError needs_root, unknown_run, no_space, plan_moved, fetch_failed, irreversible,
    already_changed, those of `folder` and of the package manager; then no package was changed."""
    folder.needs_root()
    drawn_up = folder.plan_of(request.patch_id)
    plan.same(drawn_up, request.plan_sha256, request.patch_id)
    where = folder.Folder(request.patch_id)
    actions = [Action.of(each) for each in drawn_up["actions"]]
    space = room.look(where.new, actions, drawn_up.get("download_bytes"), drawn_up.get("disk_bytes"))
    short = room.shortage(space)
    if short:
        raise UpkeepError("no_space", short, room=space)
    coming = [each for each in actions if each.after is not None]
    if request.check_mode:
        lost = [each for each in actions if each.reversible is False]
        kept = [Kept(each.name, each.arch, each.before or "", None, 0, "cannot be had any more") for each in lost]
        return _result(0, 0, kept, space)
    plan.still_unchanged(request.patch_id)
    claim.renew(request.patch_id)
    manager = changes.transactions(drawn_up["manager"])
    fetched = manager.fetch(actions, folder.make(where.new))
    claim.renew(request.patch_id)  # a long download may have taken most of its time
    kept = manager.keep(actions, folder.make(where.kept))
    lost_now = [each for each in kept if each.file is None]
    if lost_now and request.irreversible != "allow":
        raise UpkeepError(
            "irreversible",
            f"there would be no way back from {', '.join(f'{each.name} {each.version}' for each in lost_now)} "
            f"({lost_now[0].why}), and patch_irreversible is {request.irreversible}: nothing was changed; plan again.",
            irreversible=[_loss(each) for each in lost_now],
        )
    folder.note(request.patch_id, request.states, stage="protected")
    return _result(len(coming), fetched, kept, space)


def _result(fetched: int, fetched_bytes: int, kept: Sequence[Kept], space: List[Dict[str, Any]]) -> Dict[str, Any]:
    return {
        "fetched": fetched,
        "fetched_bytes": fetched_bytes,
        "kept": [vars(each) for each in kept],
        "irreversible": [_loss(each) for each in kept if each.file is None],
        "room": space,
    }


def _loss(kept: Kept) -> Dict[str, Any]:
    return {"name": kept.name, "arch": kept.arch, "version": kept.version, "why": kept.why}
