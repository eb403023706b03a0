# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The disaster drill for an auditor to read. A pure rendering of its document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..documents.text import amount, duration, printable, size
from .rebuild import FAILED, INCOMPLETE, OK

_VERDICTS = {OK: "REBUILT", INCOMPLETE: "REBUILT IN PART", FAILED: "NOT REBUILT"}


def text(document: Mapping[str, Any]) -> str:
    """The whole of it, ending in a newline."""
    drill, ran_by = document["drill_machine"] or {}, document["ran_by"]
    place = "the vault" if document["from"] == "vault" else f"the copy {document['from']}"
    lines = [
        "DISASTER DRILL",
        "",
        _row("Verdict", _VERDICTS[document["status"]]),
        *([_row("Because", document["reason"])] if document["reason"] else []),
        _row("Lost host", document["host"]),
        _row("Rebuilt on", f"{document['drill_host']} ({_machine(drill)})"),
        _row("From", f"{place}{', as of ' + document['at'] if document['at'] else ''}; the lost host was not asked"),
        _row("With", ", ".join(document["secrets"]) or "no secret"),
        _row("Started", document["started"]),
        _row("Finished", document["finished"]),
        _row("It took", duration(document["duration_ms"])),
        _row("Oldest archive", f"{_age(document['rpo_ms'])} old: what came after is lost"),
        _row("Back", f"{amount(document['entries'])} entries, {size(document['bytes'])} written, "
             f"{amount(document['databases'])} databases with {amount(document['rows'])} rows"),
        _row("Run", document["run_id"]),
        _row("Ran by", f"{ran_by.get('user') or 'unknown'} on {ran_by.get('controller') or 'unknown'}"),
    ]  # fmt: skip
    for part in document["sets"]:
        lines += ["", *_set(part)]
    lines += ["", "NOT PROVEN", *(f"  - {printable(each)}" for each in document["not_proven"]), ""]
    return "\n".join(lines)


def _set(part: Mapping[str, Any]) -> list[str]:
    where = "its own place" if part["in_place"] else part["dest"]
    lines = [
        f"SET {printable(part['backup'])}",
        _row("Verdict", "rebuilt" if part["status"] == OK else _VERDICTS[part["status"]]),
        *([_row("Because", part["reason"])] if part["reason"] else []),
        _row("Archive", f"{part['archive'] or 'none'}, of {part['created'] or 'unknown'} ({_age(part['age_ms'])} old)"),
        _row("Sha256", part["archive_sha256"]),
        _row("Opened with", part["opened_with"] or ("not encrypted" if not part["sealed"] else "not opened")),
        _row("Restored to", where),
        _row("Entries", f"{amount(part['entries'])}, each compared with the manifest after the restore"
             if part["entries"] else "none compared"),
    ]  # fmt: skip
    for one in part["databases"]:
        verdict = "loaded" if one["ok"] else f"NOT LOADED: {one['why']}"
        lines.append(_row("Database", f"{one['database'] or one['name']} ({one['engine']}): {verdict}, {_rows(one)}"))
    for one in part["checks"]:
        verdict = "passed" if one["ok"] else f"FAILED, rc {one['rc']}"
        lines.append(_row("Check", f"{one['name']}: {verdict}"))
    steps = [f"{one['step']} {duration(one['duration_ms'])}" for one in part["steps"] if one["status"] != "not_done"]
    return [*lines, _row("Steps", ", ".join(steps) or "none")]


def _rows(one: Mapping[str, Any]) -> str:
    expected = f" of {amount(one['rows_expected'])}" if one.get("rows_expected") is not None else ""
    return f"{amount(one['rows'])}{expected} rows" if one.get("rows") is not None else "rows not counted"


def _machine(machine: Mapping[str, Any]) -> str:
    known = [("nodename", machine.get("nodename")), ("machine id", machine.get("machine_id"))]
    return ", ".join(f"{what} {value}" for what, value in known if value) or "machine not known"


def _age(ms: int | None) -> str:
    if ms is None:
        return "unknown"
    hours = ms / 3_600_000
    return (
        f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours" if hours >= 1 else f"{ms / 60000:.0f} minutes"
    )


def _row(name: str, value: Any) -> str:
    return f"  {name + ':':<17}{'not known' if value in (None, '') else printable(str(value))}"
