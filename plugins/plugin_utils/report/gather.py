# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a report is built from: per host and phase the run's own observation, or the last one carried over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times

from .. import history, observations, runs
from ..observation import CONTROLLER_HOST, PHASES, Observation, Part, combined
from .patching import last_patch_run


@dataclass(frozen=True)
class Seen:
    """One host and phase. `carried`: it is an earlier run's, since this run did not set out to look."""

    status: str | None
    reason: str | None
    observation: Observation | None
    carried: bool


@dataclass
class Gathered:
    """`own` is all that the run itself saw, beyond its targets too; `by_host` what is told of each target.

    `workflows` is what earlier runs knew of the controller's own set, by phase. `patch_runs` is the last patch run of
    each target that has one.
    """

    run: runs.Run
    own: dict[tuple[str, str], Observation] = field(default_factory=dict)
    by_host: dict[str, dict[str, Seen]] = field(default_factory=dict)
    workflows: dict[str, Observation] = field(default_factory=dict)
    patch_runs: dict[str, dict[str, Any]] = field(default_factory=dict)


_NEVER = Seen(None, "never: no run has recorded this", None, False)


def gather(home: Path, run: runs.Run, process: str | None = None) -> Gathered:
    """Read the run folder for `run`. A phase that was expected and is missing is `unknown`, never carried over.

    With `process`, only what that process of the run set out to see and saw.
    """
    recordings = observations.recordings(home, run.run_id)
    if process:
        recordings, run = observations.of_process(run, recordings, process), run.of_process(process)
    gathered = Gathered(run)
    for pair in observations.missing(run, recordings):
        if pair in recordings:  # an earlier process's, which does not stand in
            recordings[pair].append(_missing(run, *pair))
    gathered.own = {pair: combined(found) for pair, found in recordings.items()}
    earlier = [other for other in runs.newest_first(home) if _is_before(other, run)]
    expected = set(run.expected())
    phases = [*PHASES, *(phase for phase in run.phases if phase not in PHASES)]
    for host in run.targeted:
        gathered.by_host[host] = {
            phase: _seen(home, earlier, gathered.own.get((host, phase)), (host, phase) in expected, host, phase)
            for phase in phases
        }
    for host in run.targeted:
        patched = last_patch_run(home, [run, *earlier], host)
        if patched is not None:
            gathered.patch_runs[host] = patched
    for phase in ("backup", "restore_test"):
        last = history.last_seen(home, earlier, CONTROLLER_HOST, phase, controllers_own=True)
        if last is not None:
            gathered.workflows[phase] = last
    return gathered


def _missing(run: runs.Run, host: str, phase: str) -> Observation:
    asset = run.asset_of(host)
    missing = Observation(run.run_id, run.project, host, asset, phase, "unknown", None, run.started, run.started)
    missing.hold([Part(None, "unknown", "missing: the last process of this run that was to record it did not")], False)
    return missing


def _is_before(other: runs.Run, run: runs.Run) -> bool:
    return (other.started, other.run_id) < (run.started, run.run_id)


def _seen(home: Path, earlier: list[runs.Run], own: Observation | None, expected: bool, host: str, phase: str) -> Seen:
    if own is not None:
        return Seen(own.status, own.reason, own, False)
    if expected:
        return Seen("unknown", "missing: nothing was recorded in this run", None, False)
    last = history.last_seen(home, earlier, host, phase)
    return Seen(last.status, last.reason, last, True) if last else _NEVER


def shown(seen: Seen, now: datetime) -> dict[str, Any]:
    """The head of every section of a host: where its facts come from and how old they are."""
    finished = seen.observation.finished if seen.observation else None
    return {
        "status": seen.status,
        "reason": seen.reason,
        "run_id": seen.observation.run_id if seen.observation else None,
        "finished": finished or None,
        "age_s": _age(finished, now),
        "carried": seen.carried,
    }


def _age(finished: str | None, now: datetime) -> int | None:
    try:
        return int((now - times.parse(finished)).total_seconds()) if finished else None
    except ValueError:
        return None


def durations(own: Iterable[Observation], phase: str) -> list[int]:
    """How long `phase` took on each host that this run saw, in milliseconds."""
    return [seen.duration_ms for seen in own if seen.phase == phase and seen.duration_ms is not None]
