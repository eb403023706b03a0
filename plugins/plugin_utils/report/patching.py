# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report's view of patch runs: the last one of each host, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import observations, runs
from ..documents.text import printable
from ..observation import BAD, Observation
from ..patching import recorded
from ..patching.advice import advice
from ..patching.verdict import OUTCOMES

_KEPT = ("plan_sha256", "planned", "rebooted", "rollback_of", "patch_id", "before", "after", "config_leftovers", "ring")


def last_patch_run(home: Path, newest_first: Sequence[runs.Run], host: str) -> dict[str, Any] | None:
    """The last patch run of a host that was to change it, or None; a plan alone is none.

    `last_patched` is when one went well for the last time. A run that was killed before it recorded anything of the
    host has the outcome None.
    """
    found: dict[str, Any] | None = None
    for run in recorded.patching(list(newest_first)):
        for observation in reversed(observations.recorded(home, run.run_id, host, recorded.PHASE)):
            document = observation.data if recorded.is_document(observation.data) else {}
            if document.get("outcome") == "planned" or observation.status == "skipped":
                continue
            found = found or _entry(run, host, observation, document)
            if document.get("outcome") in ("patched", "nothing_to_do"):
                return {**found, "last_patched": observation.finished or run.started}
    return found


def _entry(run: runs.Run, host: str, observation: Observation, document: Mapping[str, Any]) -> dict[str, Any]:
    killed = {"outcome": "needs_attention", "error_code": "interrupted_run", "host": host, "run_id": run.run_id}
    return {
        "run_id": run.run_id,
        "outcome": document.get("outcome"),
        "status": observation.status,
        "reason": observation.reason,
        "finished": observation.finished or None,
        "changed": len(document.get("changed") or []) if document else None,
        **{key: document.get(key) for key in _KEPT},
        "states": [
            {key: entry.get(key) for key in ("state", "status", "duration_ms", "run_id")}
            for entry in document.get("states") or []
        ],
        "next": advice(document or killed) if observation.status in BAD else None,
        "last_patched": None,
    }


def counted(hosts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the summary: hosts by the outcome of their last patch run, and how many of those did not go well."""
    told = [host["patch_run"] for host in hosts if host["patch_run"]]
    outcomes = [each["outcome"] or "unknown" for each in told]
    return {
        "patch_outcomes": {name: outcomes.count(name) for name in (*OUTCOMES, "unknown") if name in outcomes},
        "patch_attention": sum(1 for each in told if each["status"] in BAD),
    }


def words(host: Mapping[str, Any]) -> str:
    """`web1: needs attention (run 20261123T200102Z-4711): apply_unknown: …` of a host's last patch run."""
    told = host["patch_run"]
    outcome = (told["outcome"] or "interrupted").replace("_", " ")
    reason = f": {printable(told['reason'])}" if told["reason"] else ""
    return f"{printable(host['name'])}: {outcome} (run {told['run_id']}){reason}"


def doubtful(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The hosts whose last patch run did not go as it should."""
    return [host for host in report["hosts"] if host.get("patch_run") and host["patch_run"]["status"] in BAD]
