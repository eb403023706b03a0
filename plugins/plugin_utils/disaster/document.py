# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The disaster drill as a document (upkeep.disaster_drill/1): what was lost, and what of it is back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..documents.text import plural, size
from .rebuild import FAILED, INCOMPLETE, OK

SCHEMA = "upkeep.disaster_drill/1"
# True of every drill, whatever came of it.
_NOT_PROVEN = (
    "that users, packages, boot loader and addresses of the drill host are those of the lost host: only data and "
    "databases were rebuilt",
    "that what was written after the archives were made can be had again",
)


def part_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """A set's document of a registered result; where the task died before there was one, that it failed and why."""
    item = result.get("item")
    name = str((item or {}).get("name") if isinstance(item, Mapping) else item or "?")
    data = result.get("data")
    if isinstance(data, Mapping) and data.get("backup"):
        return dict(data)
    why = str(result.get("msg") or "the task gave no result")
    code = str(result.get("error_code") or ("unreachable" if result.get("unreachable") else "module_failed"))
    return {
        "backup": name, "status": FAILED, "reason": f"{code}: {why}", "created": None, "age_ms": None, "archive": None,
        "archive_sha256": None, "bytes": None, "files": None, "sealed": None, "dest": None, "in_place": False,
        "opened_with": None, "entries": None, "bytes_restored": None, "databases": [], "rows": None, "checks": [],
        "not_restored": [], "steps": [], "duration_ms": 0,
    }  # fmt: skip


def composed(facts: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The document. `facts` are its own fields that no set says: hosts, place, times, names of secrets."""
    broken = [part for part in parts if part["status"] != OK]
    reason = "; ".join(f"{part['backup']}: {part['reason']}" for part in broken)
    if not parts:
        reason = f"nothing_restored: there is no set of {facts['host']} to rebuild"
    full = _without_room(facts, parts) if facts.get("predicted") else []
    reason = "; ".join([*([reason] if reason else []), *full])
    failed = not parts or bool(full) or any(part["status"] == FAILED for part in parts)
    status = FAILED if failed else INCOMPLETE if broken else OK
    ages = [part["age_ms"] for part in parts if part["age_ms"] is not None]
    return {
        "schema": SCHEMA,
        **facts,
        "status": status,
        "reason": reason or None,
        "rpo_ms": max(ages, default=None),
        "entries": sum(part["entries"] or 0 for part in parts),
        "bytes": sum(part["bytes_restored"] or 0 for part in parts),
        "databases": sum(1 for part in parts for one in part["databases"] if one["ok"]),
        "rows": sum(part["rows"] or 0 for part in parts),
        "sets": list(parts),
        "not_proven": [*_not_proven(facts, parts), *_NOT_PROVEN],
    }


def planned(document: Mapping[str, Any]) -> str:
    """What a dry run says: how much would be restored, the room that there is, and how to do it."""
    sets, host = document["sets"], document["drill_host"]
    needed = [part.get("bytes_needed") for part in sets]
    total = size(sum(one or 0 for one in needed)) + (" at least" if None in needed else "")
    free = min((part["bytes_free"] for part in sets if part.get("bytes_free") is not None), default=None)
    room = f", {size(free)} free" if free is not None else ""
    told = f"dry run: {plural(len(sets), 'set')} to rebuild, {total} restored{room}"
    return f"{told}; to do it, name the drill host again: disaster_confirm={host} (make: YES=1)"


def _without_room(facts: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The drill host's file systems that cannot take what is to be restored, and the largest archive meanwhile."""
    restored: dict[str, int] = {}
    archive: dict[str, int] = {}
    free: dict[str, int] = {}
    for room in (one for part in parts for one in part.get("rooms") or []):
        name, needed = room["file_system"], room["bytes"] or 0
        if name is None or room["free"] is None:
            continue
        free[name] = min(room["free"], free.get(name, room["free"]))
        if room["for"] == "restore":
            restored[name] = restored.get(name, 0) + needed
        else:
            archive[name] = max(archive.get(name, 0), needed)  # one at a time
    needs = {name: restored.get(name, 0) + archive.get(name, 0) for name in free}
    return [
        f"no_space: {name} of {facts['drill_host']} has {size(free[name])} free and {size(needs[name])} are needed: "
        "make room there, or choose another disaster_dest (for archives on their way: ansible_remote_tmp)"
        for name in free
        if needs[name] > free[name]
    ]


def _not_proven(facts: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> list[str]:
    told = []
    for part in parts:
        name = part["backup"]
        if not part["checks"]:
            told.append(f"that the service of the set {name} works: it has no checks")
        if not part["in_place"] and part["dest"]:
            told.append(f"that {name} works in its own place: it was restored into {part['dest']}")
        told += [f"{name}: {one.get('what')} ({one.get('why')})" for one in part["not_restored"][:20]]
    if not facts.get("load"):
        told.append("that the databases load: they were left out")
    return told
