# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a host will take, and whether it would be done in time. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ..documents.text import duration, plural
from ..observation import Observation
from . import windows
from .facts import when
from .policy import Policy

# Outcomes after which a host was changed: the others are over soon, and tell nothing of how long that takes.
_CHANGED = ("patched", "rolled_back", "failed", "needs_attention")


class Estimate(NamedTuple):
    """Seconds, and where the figure comes from."""

    seconds: int
    told: str


class Refusal(NamedTuple):
    """A stable code, and a sentence."""

    code: str
    reason: str


def took(observation: Observation) -> int | None:
    """The seconds that a patch run of a host took which changed it; None for one that did not."""
    data: Any = observation.data if isinstance(observation.data, dict) else {}
    began, ended = when(observation.started), when(observation.finished)
    if data.get("outcome") not in _CHANGED or began is None or ended is None:
        return None
    return math.ceil(max((ended - began).total_seconds(), (observation.duration_ms or 0) / 1000))


def estimate(own: Iterable[int], fleet: Iterable[int], expected: int) -> Estimate:
    """p95 (nearest rank) of the host's earlier runs, else of the hosts that this run has changed, else `expected`."""
    for unit, of, seconds in (("earlier run", "it", sorted(own)), ("host", "this run", sorted(fleet))):
        if seconds:
            return Estimate(p95(seconds), f"p95 of {plural(len(seconds), unit)} of {of}")
    return Estimate(expected, "patch_expected_duration")


def p95(ordered: Sequence[int]) -> int:
    """By nearest rank; of one, that one."""
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


def in_time(policy: Policy, began: datetime, now: datetime, needs: Estimate) -> Refusal | None:
    """Why a host is not to be started at that time, with the figures and what to do; None where it may be."""
    done = now + timedelta(seconds=needs.seconds)
    takes = f"the host takes about {duration(needs.seconds * 1000)} ({needs.told})"
    if policy.windows and not policy.outside_window:
        closes = windows.closes_at(policy.windows, now)
        if closes is None:
            return Refusal(
                "outside_window", f"now ({_utc(now)}) is outside its windows ({_shown(policy)}): {_next(policy, now)}"
            )
        if done > closes:
            return Refusal(
                "outside_window",
                f"its window closes at {_utc(closes)}, and {takes}: {_next(policy, now)}",
            )
    if policy.budget:
        ends = began + timedelta(seconds=policy.budget)
        if done > ends:
            left = max(0, int((ends - now).total_seconds()))
            return Refusal(
                "budget",
                f"patch_budget is {duration(policy.budget * 1000)}, of which {duration(left * 1000)} is left, and "
                f"{takes}: run again for the rest, or raise it",
            )
    return None


def _next(policy: Policy, now: datetime) -> str:
    opens = windows.next_open(policy.windows, now)
    told = f"the next opens at {_utc(opens)}" if opens else "none opens within half a year"
    return f"{told}; in an emergency set patch_outside_window"


def _shown(policy: Policy) -> str:
    return "; ".join(map(str, policy.windows))


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
