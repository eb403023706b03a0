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
    """What an earlier audit knew of a finding; ISO 8601."""

    first_seen: str
    due: str | None = None


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
        fresh = first + allowed if remembered is None or due is None else now + allowed
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
    """`started` for each, by its fingerprint's memory."""
    return [started(finding, memory.get(finding["fingerprint"]), now) for finding in findings]


def _time(text: Any) -> datetime | None:
    try:
        return times.parse(text)
    except (TypeError, ValueError):
        return None


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    known = [when for when in (one, other) if when is not None]
    return min(known, default=None)
