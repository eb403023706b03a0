# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The clock on every finding: since when it is open, when it is due, and whether that is past. Pure, the time is given.

`due = first_seen + term`. A raised severity brings due forward to `now + its term` where that is earlier; nothing
pushes it back: neither a lower severity, nor an audit that could not look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ansible_collections.proven.upkeep.plugins.module_utils import times

TERMS = {
    "critical": timedelta(hours=24),
    "high": timedelta(hours=72),
    "medium": timedelta(days=30),
    "low": timedelta(days=90),
}
# A security finding that nobody rated gets this one's term: without a due time it could never be late.
UNRATED = "medium"
# Due soon: within this part of the term, at most a week.
SOON_PART = 0.25
SOON_MOST = timedelta(days=7)
_SECURITY_CHECKS = {"pending_security"}


class Remembered(NamedTuple):
    """What an earlier audit knew of a finding; ISO 8601. `package` and `fixes`: the CVEs, where it brings a fix.

    The name of a fix changes (the version first, then the advisory that is published about it), its clock does not.
    """

    first_seen: str
    due: str | None = None
    package: str | None = None
    fixes: tuple[str, ...] = ()


def term(finding: Mapping[str, Any]) -> timedelta | None:
    """How long a finding may stay open; None where nothing says (an operational one that nobody rated)."""
    if finding.get("informational"):
        return None
    known = TERMS.get(str(finding.get("severity")))
    if known is None and (finding.get("source") == "advisory" or finding.get("check_id") in _SECURITY_CHECKS):
        return TERMS[UNRATED]
    return known


def started(finding: Mapping[str, Any], remembered: Remembered | None, now: datetime) -> dict[str, Any]:
    """The finding with `first_seen`, `due` and `sla_state`."""
    first = _earlier(_time(remembered.first_seen) if remembered else None, now) or now
    allowed = term(finding)
    due = _time(remembered.due) if remembered else None
    if allowed is not None:
        # By the severity of today; what was due earlier stays due then.
        fresh = first + allowed if remembered is None else now + allowed
        due = _earlier(due, fresh)
    filled = {**finding, "first_seen": times.iso(first), "due": times.iso(due) if due else None}
    return {**filled, "sla_state": state(filled, now)}


def state(finding: Mapping[str, Any], now: datetime) -> str | None:
    """`ok`, `due_soon` or `breached`; None where it has no due time."""
    due = _time(finding.get("due"))
    if due is None:
        return None
    if now >= due:
        return "breached"
    soon = min((term(finding) or TERMS[UNRATED]) * SOON_PART, SOON_MOST)
    return "due_soon" if due - now <= soon else "ok"


def all_started(
    findings: Iterable[Mapping[str, Any]], memory: Mapping[str, Remembered], now: datetime
) -> list[dict[str, Any]]:
    """`started` for each, by its fingerprint's memory, or that of the same fix under another name."""
    renamed = [each for each in memory.values() if each.package and each.fixes]
    return [
        started(finding, memory.get(finding["fingerprint"]) or _under_another_name(finding, renamed), now)
        for finding in findings
    ]


def fixes(finding: Mapping[str, Any]) -> tuple[str, ...]:
    """The vulnerabilities that what a finding asks for would fix."""
    if finding.get("kind") != "fixable":
        return ()
    return tuple(cve["id"] for evidence in finding.get("evidence") or [] for cve in evidence.get("cves") or [])


def _under_another_name(finding: Mapping[str, Any], remembered: Iterable[Remembered]) -> Remembered | None:
    these = set(fixes(finding))
    same = [each for each in remembered if each.package == finding["subject"] and these.intersection(each.fixes)]
    return min(same, key=lambda each: (each.due or "9", each.first_seen), default=None) if these else None


def _time(text: Any) -> datetime | None:
    try:
        return times.parse(text)
    except (TypeError, ValueError):
        return None


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    known = [when for when in (one, other) if when is not None]
    return min(known, default=None)
