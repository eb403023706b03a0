# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the audits of a host remember: which patch level they look at, and since when its findings are open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times

from . import history, observations, runs, sla
from .observation import Observation
from .sla import Remembered


def patch_level(
    home: Path, run: runs.Run | None, newest_first: Sequence[runs.Run], host: str, max_age: int, now: datetime
) -> Observation | str:
    """The observation to audit, or why there is none. What this run tried and did not see is not made good."""
    if run is not None:
        seen = observations.seen(home, run.run_id, host, "patch_level")
        if seen is not None:
            return seen
        if (host, "patch_level") in run.expected():
            return "this run did not record the patch level"
    last = history.last_seen(home, newest_first, host, "patch_level")
    if last is None:
        return "no run has recorded the patch level: run the patch phase first"
    try:
        age = (now - times.parse(last.finished)).total_seconds()
    except ValueError:
        return "the last patch level has no time"
    if age > max_age:
        return f"the last patch level is of {last.finished}: run the patch phase again"
    return last


def memory(
    home: Path, newest_first: Iterable[runs.Run], host: str, engine: str, asset: str | None = None
) -> dict[str, Remembered]:
    """By fingerprint, what the last audit in which `engine` looked knew; what it could not see it still remembers.

    History follows the asset: one that had another host's name before is found under that.
    """
    for run in newest_first:
        others = [name for name in run.names_of(asset) if name != host] if asset else []
        for name in (host, *others):
            for seen in reversed(observations.recorded(home, run.run_id, name, "audit")):
                known = _of_audit(seen.data, engine)
                if known is not None:
                    return known
    return {}


def forgotten(known: Mapping[str, Remembered], found: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What an engine that could not look has to hand on: the memory of what it did not see."""
    seen = {finding["fingerprint"] for finding in found}
    return {key: each._asdict() for key, each in sorted(known.items()) if key not in seen}


def _of_audit(data: Any, name: str) -> dict[str, Remembered] | None:
    if not isinstance(data, dict):
        return None
    engine = next((each for each in data.get("engines") or [] if each.get("name") == name), None)
    if engine is None or engine.get("status") == "skipped":
        return None
    source = engine.get("source") or name
    known = {
        key: Remembered(each["first_seen"], each.get("due"), each.get("package"), tuple(each.get("fixes") or ()))
        for key, each in (engine.get("remembered") or {}).items()
    }
    for finding in data.get("findings") or []:
        if finding.get("source") == source and finding.get("first_seen"):
            known[finding["fingerprint"]] = Remembered(
                finding["first_seen"], finding.get("due"), finding.get("subject"), sla.fixes(finding)
            )
    return known
