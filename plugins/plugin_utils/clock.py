# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host's clock agrees with the controller's. Pure.

A module that has just answered read its clock after the run began and before now: what lies outside of that is skew.
It is a lower bound: a host that is behind by less than the run has taken so far looks right.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times

# Times in documents are whole seconds, and a fleet's clocks are kept to well under one.
TOLERANCE_S = 60

# Where each phase's document says when, by the host's clock, it was made.
_READ_AT = {"backup": "confirmed_at", "restore_test": "finished", "patch_level": "collected"}


def skew_s(phase: str, data: Iterable[Any], began: datetime, now: datetime) -> int | None:
    """Seconds by which the host is ahead (positive) or behind (negative) of the controller, 0 within the tolerance.

    None where the data has no time of the host. `began`: when, by the controller's clock, the run did.
    """
    read = [when for document in data if (when := _time(document, _READ_AT.get(phase))) is not None]
    if not read:
        return None
    ahead = (max(read) - now).total_seconds()
    behind = (began - min(read)).total_seconds()
    if ahead > TOLERANCE_S:
        return int(ahead)
    return -int(behind) if behind > TOLERANCE_S else 0


def words(skew: int) -> str:
    """`at least 2 h 5 min ahead of the controller's`, for a skew that is not 0."""
    return f"at least {_span(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the controller's"


def _span(seconds: int) -> str:
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days"


def _time(document: Any, key: str | None) -> datetime | None:
    try:
        return times.parse(document[key])
    except (KeyError, TypeError, ValueError):
        return None
