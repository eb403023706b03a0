# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host may start now: the rings before it, its windows, the budget, by what runs have recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times

from .. import observations, runs
from ..observation import Observation
from . import budget, rings, windows
from .policy import Policy

_PHASE = "patch"
_LOOKED_AT = 100  # so many runs back
_ENOUGH = 20  # so many durations of a host


@dataclass(frozen=True)
class Asked:
    """Which host, in which ring order (`names` of groups), as part of which run; `run` None: nothing is recorded.

    `begun`: an earlier run that left the host in the middle, to be gone on with.
    """

    host: str
    names: Sequence[str]
    groups: Mapping[str, Sequence[str]]
    targeted: Sequence[str]
    run: runs.Run | None
    run_id: str
    only_plans: bool = False
    begun: str | None = None


@dataclass
class Admission:
    """`code` and `reason` (a sentence) say why it is not admitted; both None where it is."""

    admitted: bool
    code: str | None = None
    reason: str | None = None
    ring: str | None = None
    estimate_s: int | None = None
    estimated_by: str | None = None
    notes: list[str] = field(default_factory=list)


def admit(home: Path, policy: Policy, asked: Asked, now: datetime) -> Admission:
    """Whether the host may start at that time. With a note one may that is only planned for, or was begun earlier."""
    found = _judged(home, policy, asked, now)
    if asked.begun and not found.admitted:
        told = f"goes on with run {asked.begun}, which left it in the middle, though it would not be started now"
        return replace(found, admitted=True, code=None, reason=None, notes=[*found.notes, f"{told}: {found.reason}"])
    return found


def _judged(home: Path, policy: Policy, asked: Asked, now: datetime) -> Admission:
    order = rings.rings_of(asked.names, asked.groups, asked.targeted)
    own = rings.ring_of(order, asked.host)
    found = Admission(True, ring=order[own].name)
    seen = _seen(home, asked, [host for ring in order[: own + 1] for host in ring.hosts])
    if not asked.only_plans:
        why = rings.stopped(order, asked.host, policy.ring_failures, seen, f"runs/{asked.run_id}")
        if why:
            return _refused(found, budget.Refusal("ring_stopped", why))
    if not policy.windows and not policy.budget:
        return found
    needs = budget.estimate(_earlier(home, asked), _done(seen.values()), policy.expected_duration)
    found.estimate_s, found.estimated_by = needs
    refusal = budget.in_time(policy, times.parse(asked.run.started) if asked.run else now, now, needs)
    if refusal and asked.only_plans:
        found.notes.append(f"it would not be started now: {refusal.reason}")
    elif refusal:
        return _refused(found, refusal)
    if policy.outside_window and not windows.is_open(policy.windows, now):
        found.notes.append("changed outside its windows, since patch_outside_window is set")
    return found


def _refused(found: Admission, refusal: budget.Refusal) -> Admission:
    found.admitted, found.code, found.reason = False, refusal.code, refusal.reason
    return found


def _seen(home: Path, asked: Asked, hosts: Sequence[str]) -> dict[str, Observation]:
    """What this run recorded of the others; of the host itself, what it did before is what is being repeated."""
    if asked.run is None:
        return {}
    others = (host for host in hosts if host != asked.host)
    pairs = ((host, observations.seen(home, asked.run.run_id, host, _PHASE)) for host in others)
    return {host: seen for host, seen in pairs if seen is not None}


def _earlier(home: Path, asked: Asked) -> list[int]:
    """Seconds of the host's earlier patch runs, the newest first."""
    found: list[int] = []
    for run in islice(runs.newest_first(home), _LOOKED_AT):
        if len(found) >= _ENOUGH:
            break
        if asked.run is None or run.run_id != asked.run.run_id:
            found += _done(observations.recorded(home, run.run_id, asked.host, _PHASE))
    return found


def _done(seen: Any) -> list[int]:
    return [seconds for each in seen if (seconds := budget.took(each)) is not None]
