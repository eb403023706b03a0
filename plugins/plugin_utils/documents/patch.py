# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's patch run as people read it: its one line, and its plan. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..patching.advice import advice
from ..patching.details import done
from .text import amount, duration, listing, plural, printable, size, table

_REASON = 160
_EACH = 5  # so many updates left out for one reason are named one by one
_NOTES = 3
_SIGNS = {"upgrade": "upgrade", "install": "install", "remove": "REMOVE", "downgrade": "DOWNGRADE"}


def words(document: Mapping[str, Any]) -> str:
    """`20 packages upgraded, 20 of them security, 3 units restarted, in 41 s`; nothing for one that was refused."""
    outcome = document.get("outcome")
    took = f"in {duration(document.get('duration_ms'))}"
    if outcome == "nothing_to_do":
        return f"nothing to do{_left_out(document)}, {took}"
    if outcome == "planned":
        would = "would be taken back" if document.get("rollback_of") else "planned"
        return f"{plural(document.get('planned') or 0, 'package')} {would}{_left_out(document)}; nothing was changed"
    if outcome == "refused":
        return "nothing was changed"
    told = [*_changed(document.get("changed") or []), *_after(document)]
    return ", ".join([*told, took]) if told or outcome == "patched" else ""


def more_lines(document: Mapping[str, Any], indent: str = "      ") -> list[str]:
    """What the policy's owner should know, and what to do where it did not go as it should."""
    notes = list(document.get("notes") or [])
    told = [f"{indent}note      {printable(note)}" for note in notes[:_NOTES]]
    told += [f"{indent}note      and {amount(len(notes) - _NOTES)} more"] if len(notes) > _NOTES else []
    to_do = advice(document) or {}
    return told + [f"{indent}next      {printable(to_do[key])}" for key in ("why", "command") if to_do.get(key)]


def _changed(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """`18 packages upgraded, 2 installed, 20 of them security`"""
    if not changes:
        return []
    counted = {
        "upgraded": sum(1 for each in changes if each.get("from") and each.get("to")),
        "installed": sum(1 for each in changes if not each.get("from")),
        "removed": sum(1 for each in changes if not each.get("to")),
    }
    told = [f"{amount(number)} {verb}" for verb, number in counted.items() if number]
    first = next(number for number in counted.values() if number)
    told[0] = told[0].replace(" ", " package " if first == 1 else " packages ", 1)
    security = sum(1 for each in changes if each.get("security"))
    return [*told, *([f"{amount(security)} of them security"] if security else [])]


def _after(document: Mapping[str, Any]) -> list[str]:
    back, restarted = document.get("taken_back") or [], document.get("restarted") or []
    leftovers, kernel = document.get("config_leftovers") or [], (document.get("kernel") or {}).get("after")
    told = [f"{plural(len(back), 'package')} taken back"] if back else []
    told += [f"{plural(len(restarted), 'unit')} restarted"] if restarted else []
    told += [f"rebooted into {printable(kernel)}" if kernel else "rebooted"] if document.get("rebooted") else []
    told += [f"{plural(len(leftovers), 'configuration file')} to merge"] if leftovers else []
    return told


def _left_out(document: Mapping[str, Any]) -> str:
    left_out = document.get("left_out") or []
    return f", {amount(len(left_out))} left out" if left_out else ""


def plan_lines(plan: Mapping[str, Any], notes: Iterable[Any] = ()) -> list[str]:
    """What goes in and why, what stays out and why, what has no way back, and how much it is."""
    actions, left_out = plan.get("actions") or [], plan.get("left_out") or []
    lines = [f"  Plan for {printable(plan.get('host'))}: {done(actions) or 'nothing to do'}{_room(plan)}"]
    lines += table(
        [
            [
                _SIGNS.get(str(each.get("action")), str(each.get("action"))),
                printable(_name(each)),
                printable(f"{each.get('from') or '-'} -> {each.get('to') or '-'}"),
                printable(_short(each.get("why"))) + (" (NO WAY BACK)" if each.get("reversible") is False else ""),
            ]
            for each in actions
        ],
        "    ",
    )
    lines += ["  Left out:", *_left_out_lines(left_out)] if left_out else []
    lost = [str(each.get("name")) for each in actions if each.get("reversible") is False]
    lines += [f"  No way back for {listing(lost)}: the version before can no longer be had"] if lost else []
    lines += [f"  Note: {printable(note.get('message') if isinstance(note, Mapping) else note)}" for note in notes]
    return lines


def _left_out_lines(left_out: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line each; many for the same reason (`no security update`) are told together, after the others."""
    by_reason: dict[str, list[Mapping[str, Any]]] = {}
    for each in left_out:
        by_reason.setdefault(_short(each.get("why")), []).append(each)
    single = [each for those in by_reason.values() if len(those) <= _EACH for each in those]
    rows = [
        [printable(each.get(key) or "-") for key in ("name", "to")] + [printable(_short(each.get("why")))]
        for each in single
    ]
    many = {why: those for why, those in by_reason.items() if len(those) > _EACH}
    told = [
        f"    {amount(len(those))} for: {printable(why)} ({listing([each.get('name') for each in those])})"
        for why, those in many.items()
    ]
    return [*table(rows, "    "), *told]


def _name(action: Mapping[str, Any]) -> str:
    return f"{action.get('name')}:{action['arch']}" if action.get("arch") else str(action.get("name"))


def _room(plan: Mapping[str, Any]) -> str:
    told = [f"{size(plan['download_bytes'])} to fetch"] if plan.get("download_bytes") is not None else []
    grows = plan.get("disk_bytes")
    if grows is not None:
        told.append(f"{size(grows)} more on disk" if grows >= 0 else f"{size(-grows)} less on disk")
    return f" ({', '.join(told)})" if told else ""


def _short(text: Any) -> str:
    words_of = str(text or "")
    return words_of if len(words_of) <= _REASON else words_of[: _REASON - 1] + "…"
