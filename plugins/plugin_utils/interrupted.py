# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs that were killed: found by their dead process, and made to say what they did not see."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils import times

from . import locks, observations, processes, runs
from .observation import Observation, Part

_REASON = "interrupted: the run was killed before it recorded this"
# A run of another controller cannot be looked at; one that has written nothing for this long is taken to be dead.
_SILENCE = timedelta(hours=24)


def mark(home: Path) -> list[str]:
    """Mark every run whose process is gone, `unknown` for each host and phase it did not record; returns their ids."""
    dead = [run for run in runs.newest_first(home) if run.state == "running" and not lives(home, run)]
    return [run.run_id for run in dead if _mark(home, run.run_id)]


def lives(home: Path, run: runs.Run) -> bool:
    """Whether a running run's own process is still there, as far as can be told from here."""
    if run.controller == processes.controller():
        return processes.is_alive(run.pid, run.pid_started)
    return times.now().timestamp() - _last_written(home, run.run_id) < _SILENCE.total_seconds()


def _mark(home: Path, run_id: str) -> bool:
    with locks.exclusive(runs.folder(home, run_id) / ".lock"):
        run = runs.load(home, run_id)
        if run is None or run.state != "running" or lives(home, run):
            return False
        ended = times.from_timestamp(_last_written(home, run_id))
        run.state, run.finished, run.exit = "interrupted", ended, "failed"
        runs.save(home, run)
    for host, phase in observations.missing(run, observations.recordings(home, run_id)):
        missing = Observation(
            run_id, run.project, host, run.asset_of(host), phase, "unknown", None, started=ended, finished=ended,
            process=_last_process(run, host, phase), tool=run.tool,
        )  # fmt: skip
        missing.hold([Part(None, "unknown", _REASON)], False)
        observations.add(home, missing)
    return True


def _last_process(run: runs.Run, host: str, phase: str) -> str | None:
    return [opening.get("process") for opening in run.openings if (host, phase) in runs.pairs([opening])][-1]


def _last_written(home: Path, run_id: str) -> float:
    place = runs.folder(home, run_id)
    return max(path.stat().st_mtime for path in (place / "run.json", *place.glob("hosts/*/*.json")))
