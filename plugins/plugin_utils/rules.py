# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules that no policy turns off: what was targeted was seen, and no backup or restore went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .observation import Observation, Part
from .runs import Run

# A phase that changes nothing may be incomplete and still be worth what it says; these may not.
_NO_INCOMPLETE = {"backup", "vault", "copy", "restore_test", "restore", "disaster_drill", "patch"}


def broken(run: Run, seen: Mapping[tuple[str, str], Observation]) -> list[dict[str, Any]]:
    """The failures of a run: `{host, phase, set, status, reason, message, file}`, by host as expected.

    What was seen beyond the pairs that the run set out to observe counts too.
    """
    found = [_interrupted(run)] if run.state == "interrupted" else []
    for host, phase in dict.fromkeys([*run.expected(), *seen]):
        observation = seen.get((host, phase))
        found += [{"host": host, "phase": phase, **failure} for failure in _failures(host, phase, observation)]
    return found


def failure_of_run(reason: str, message: str, file: str | None = None) -> dict[str, Any]:
    """A failure that is of no host in particular; `reason` begins with its code."""
    return {"host": None, "phase": None, **_failure(Part(None, "failed", reason, file=file), message)}


def _interrupted(run: Run) -> dict[str, Any]:
    reason = "interrupted: it was killed before its end, so nobody judged it"
    return failure_of_run(reason, f"run {run.run_id} did not end", f"runs/{run.run_id}/run.json")


def _failures(host: str, phase: str, observation: Observation | None) -> Iterable[dict[str, Any]]:
    if observation is None:
        nothing = Part(None, "unknown", "missing: nothing was recorded")
        yield _failure(nothing, f"host {host} was not observed in {phase}")
        return
    for part in observation.outcomes():
        what = f"{phase} {part.name}" if part.name else phase
        if part.status == "unknown":
            yield _failure(part, f"host {host} was not observed in {what}")
        elif part.status == "failed":
            yield _failure(part, f"host {host}: {what} failed")
        elif part.status == "incomplete" and phase in _NO_INCOMPLETE:
            yield _failure(part, f"host {host}: {what} is incomplete")


def _failure(part: Part, message: str) -> dict[str, Any]:
    return {
        "set": part.name,
        "status": part.status,
        "reason": part.reason,
        "message": f"{message}: {part.reason}" if part.reason else message,
        "file": part.file,
    }
