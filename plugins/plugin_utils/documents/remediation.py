# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`audits/remediation.md`: what was fixed, by whom, and how long that took. Pure.

A fix that was taken back later stays in the list, and counts no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..findings import SEVERITIES
from ..patching.remediation import when
from ..patching.story import percentile
from .markdown import cell, table
from .text import amount, duration, plural

_CAP = 1000
_HEAD = ("When", "Host", "What", "Severity", "Change", "Time to fix", "SLA", "Run", "By")


def render(project: str, lines: Sequence[Mapping[str, Any]]) -> str:
    """The document of all lines (upkeep.remediation/1), the newest first."""
    standing = still_fixed(lines)
    reopened = sum(1 for line in lines if line["kind"] == "reopened")
    told = [f"# Remediation: {cell(project)}", "", f"{plural(len(standing), 'finding')} fixed by patch runs"]
    told[-1] += f"; {amount(reopened)} opened again by a rollback." if reopened else "."
    if standing:
        head = ("Severity", "Fixed", "SLA met", "SLA missed", "Time to fix, half of them within", "95 % within")
        told += ["", *table(head, _by_severity(standing))]
    if lines:
        told += ["", "## Each of them, the newest first", "", *table(_HEAD, map(_row, lines[:_CAP]))]
        told += (
            ["", f"and {amount(len(lines) - _CAP)} more, in the runs' remediation.json"] if len(lines) > _CAP else []
        )
    return "\n".join(told) + "\n"


def still_fixed(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The fixes that no later rollback opened again; `lines` the newest first."""
    opened: set[tuple[str, str]] = set()
    found = []
    for line in lines:
        if line["kind"] == "reopened":
            opened.add((line["fingerprint"], line["rollback_of"]))
        elif (line["fingerprint"], line["run_id"]) not in opened:
            found.append(line)
    return found


def _by_severity(lines: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    rows = []
    for severity in (*SEVERITIES, None):
        own = [line for line in lines if severity is None or line["severity"] == severity]
        if not own:
            continue
        took = [line["time_to_fix_ms"] for line in own if line["time_to_fix_ms"] is not None]
        slas = [line["sla"] for line in own]
        figures = (len(own), slas.count("met"), slas.count("missed"))
        times = (duration(percentile(took, 50)), duration(percentile(took, 95)))
        rows.append((severity or "all", *map(amount, figures), *times))
    return rows


def _row(line: Mapping[str, Any]) -> tuple[Any, ...]:
    what = line["title"] if line["kind"] == "fixed" else f"OPENED AGAIN: {line['title']}"
    by = line["by"]
    return (
        when(line),
        line["host"],
        what,
        line["severity"],
        _change(line),
        duration(line["time_to_fix_ms"]) if line["kind"] == "fixed" else "",
        line["sla"] or "",
        line["run_id"],
        f"{by.get('user') or '?'} on {by.get('controller') or '?'}",
    )


def _change(line: Mapping[str, Any]) -> str:
    packages = line["packages"]
    if not packages:
        return str(line["how"])
    first = packages[0]
    more = f" and {amount(len(packages) - 1)} more" if len(packages) > 1 else ""
    return f"{first['name']} {first['from'] or '-'} → {first['to'] or '-'}{more}"
