# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Retention in a restic repository: a plan by restic itself, looked at, and then exactly that plan carried out.

What goes are snapshots by their ids, never what a rule would find at that later moment. The data they alone held stays
in the repository until its owner calls `restic prune`.
"""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Mapping, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import snapshots
from .call import Session
from .snapshots import Snapshot

SCHEMA = "upkeep.pruned/1"
RULES = ("last", "daily", "weekly", "monthly", "yearly")
_NEWEST, _VERIFIED = "the current one", "the last verified one"
_AT_ONCE = 100  # ids in one call


def rules(given: Mapping[str, Any]) -> Dict[str, int]:
    """The rules that are given, of the parameters keep_*. Raises UpkeepError bad_parameter."""
    for option in (*(f"keep_{rule}" for rule in RULES), "keep_at_least"):
        if given[option] < 0:
            raise UpkeepError("bad_parameter", f"{option}: {given[option]} is less than nothing.", option=option)
    return {rule: given[f"keep_{rule}"] for rule in RULES if given[f"keep_{rule}"]}


def after(
    session: Session, host: str, name: str, asked: Mapping[str, int], at_least: int, verified: Collection[str]
) -> Dict[str, Any]:
    """{"pruned": upkeep.pruned/1} of a complete backup; empty where no rule is given. Never raises: it tells."""
    if not asked:
        return {}
    document: Dict[str, Any] = {
        "schema": SCHEMA, "backup": name, "archive": session.repository.shown, "status": "ok", "reason": None,
        "removed": [], "kept": [], "foreign": [], "swept": [], "freed": 0, "predicted": False,
        "plan": {"rules": dict(asked), "at_least": at_least, "restic_kept": 0, "restic_removed": 0},
    }  # fmt: skip
    try:
        _forget(document, session, host, name, asked, at_least, verified)
    except (UpkeepError, KeyError, TypeError, ValueError, AttributeError) as error:
        known = isinstance(error, UpkeepError)
        reason = f"{error.code}: {error.message}" if known else f"forget_refused: its plan cannot be read ({error!r})"
        document.update(status="failed", reason=reason)
    return {"pruned": document}


def _forget(
    document: Dict[str, Any], session: Session, host: str, name: str, asked: Mapping[str, int], at_least: int,
    verified: Collection[str],
) -> None:  # fmt: skip
    mine = ("--host", host, "--tag", f"{snapshots.OURS},{snapshots.complete_tag(name)}")
    keep = [word for rule, number in asked.items() for word in (f"--keep-{rule}", str(number))]
    answer = session.call("forget", "--dry-run", *mine, "--group-by", "host", *keep)
    kept, gone = plan(answer.value(), at_least, verified)
    document["plan"].update(restic_kept=len(kept), restic_removed=len(gone))
    _require_sane(kept, gone, host, snapshots.complete_tag(name), verified)
    partial = snapshots.listed(session, host, snapshots.incomplete_tag(name))
    kept_told, gone_told = [_told(one, session) for one in kept], [_told(one, session) for one in gone]
    document.update(kept=kept_told, plan={**document["plan"], "removes": [one["sha256"] for one in gone_told]})
    for start in range(0, len(gone), _AT_ONCE):
        some = gone[start : start + _AT_ONCE]
        session.call("forget", *(one["id"] for one in some))
        document["removed"] += gone_told[start : start + _AT_ONCE]
    if partial:  # a complete one is there now
        session.call("forget", *(one["id"] for one in partial))
        document["swept"] = [one["id"] for one in partial]


def plan(
    groups: List[Dict[str, Any]], at_least: int, verified: Collection[str]
) -> Tuple[List[Snapshot], List[Snapshot]]:
    """(kept, gone) of restic's own plan, each with `why`; newest first.

    What restic would remove stays where it is the newest, a verified one, or one of the `at_least` newest.
    """
    reasons: Dict[str, str] = {}
    every: List[Tuple[Snapshot, bool]] = []
    for group in groups:
        for reason in group.get("reasons") or []:
            reasons[reason["snapshot"]["id"]] = ", ".join(reason["matches"])
        every += [(one, True) for one in group.get("keep") or []] + [(one, False) for one in group.get("remove") or []]
    every.sort(key=lambda each: snapshots.nanoseconds(each[0]["time"]), reverse=True)
    kept: List[Snapshot] = []
    gone: List[Snapshot] = []
    for number, (one, by_rule) in enumerate(every):
        own = [_NEWEST] if number == 0 else []
        own += [_VERIFIED] if one["id"] in verified else []
        own += [reasons.get(one["id"], "a rule keeps it")] if by_rule else []
        if not own and number < at_least:
            own = [f"at least {at_least}"]
        (kept if own else gone).append(dict(one, why=", ".join(own) or "no rule keeps it"))
    return kept, gone


def _require_sane(kept: List[Snapshot], gone: List[Snapshot], host: str, tag: str, verified: Collection[str]) -> None:
    """A plan that is not about this set alone, or leaves nothing, is not carried out. UpkeepError forget_refused."""
    others = [one for one in kept + gone if one.get("hostname") != host or tag not in (one.get("tags") or [])]
    why = "it names snapshots of others" if others else "it keeps nothing" if gone and not kept else ""
    why = why or ("it removes a verified one" if {one["id"] for one in gone} & set(verified) else "")
    if why:
        raise UpkeepError(
            "forget_refused", f"repository: restic's plan is not carried out: {why}; nothing was removed."
        )


def _told(one: Snapshot, session: Session) -> Dict[str, Any]:
    """As upkeep.pruned/1 tells an archive."""
    known = snapshots.counts(one)
    return {
        "created": snapshots.created(one), "archive": f"{session.repository.shown}#{one['id'][:8]}",
        "sha256": one["id"], "bytes": known["bytes"], "files": known["files"],
        "current": _NEWEST in one["why"], "why": one["why"],
    }  # fmt: skip
