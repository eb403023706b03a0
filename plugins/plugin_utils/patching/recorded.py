# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Patch runs as the run folders have them: `runs/<run_id>/hosts/<host>/patch[.<n>].json` and `patch/` beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import observations, runs
from ..observation import Observation

PHASE = "patch"


def folder(home: Path, run_id: str, host: str) -> Path:
    """Where the plan and the logs of a host are."""
    return observations.host_folder(home, run_id, host) / "patch"


def of_host(home: Path, run_id: str, host: str) -> dict[str, Any] | None:
    """The last document (upkeep.patch/1) of a host in a run, or None."""
    found = [each.data for each in observations.recorded(home, run_id, host, PHASE)]
    return next((data for data in reversed(found) if is_document(data)), None)


def of_run(home: Path, run_id: str) -> dict[str, Observation]:
    """By host, what the run's last recording of its patch run says; what was never recorded has no document."""
    found = observations.recordings(home, run_id)
    return {host: those[-1] for (host, phase), those in sorted(found.items()) if phase == PHASE}


def patching(newest_first: list[runs.Run]) -> Iterator[runs.Run]:
    """Those of the runs that patched, or were to."""
    return (run for run in newest_first if PHASE in run.phases)


def plan(home: Path, run_id: str, host: str) -> dict[str, Any] | None:
    """The plan that was recorded, or None where there is no readable one."""
    try:
        found = json.loads((folder(home, run_id, host) / "plan.json").read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("actions"), list) else None


def is_document(data: Any) -> bool:
    """Whether it is a patch document, as far as its readers need."""
    return isinstance(data, Mapping) and isinstance(data.get("outcome"), str) and isinstance(data.get("states"), list)
