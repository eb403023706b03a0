# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report's view of the backups: every set that was ever backed up or tried, and whether its restore is proven."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times

from .. import evidence
from ..documents.text import amount, duration
from ..observation import CONTROLLER_HOST, WORKFLOWS, Observation, Part
from .gather import Gathered

_SUCCESS = (
    "archive",
    "sha256",
    "bytes",
    "files",
    "input_bytes",
    "compression",
    "created",
    "confirmed_at",
    "duration_ms",
)
_PROOF = (
    "status", "archive", "archive_sha256", "started", "finished", "duration_ms", "files_expected", "files_verified",
    "rto_target_ms", "rpo_target_ms", "rpo_ms", "run_id", "scope",
)  # fmt: skip


def backup_entries(home: Path, gathered: Gathered, now: datetime) -> list[dict[str, Any]]:
    """`backups[]`: `workflows` first, then by host and set. `in_scope` are it and the sets of targets."""
    backups, drills = _outcomes(gathered.own, "backup"), _outcomes(gathered.own, "restore_test")
    every = dict.fromkeys([*evidence.sets(home), *backups, *drills])
    entries = [
        _entry(home, host, name, backups.get((host, name)), drills.get((host, name)), gathered.run.targeted, now)
        for host, name in every
    ]
    return sorted(entries, key=lambda entry: (not entry["is_workflows"], entry["host"], entry["backup"]))


def _outcomes(own: Mapping[tuple[str, str], Observation], phase: str) -> dict[tuple[str, str], Part]:
    return {
        (host, part.name): part
        for (host, its_phase), observation in own.items()
        if its_phase == phase
        for part in observation.outcomes()
        if part.name and part.status != "skipped"
    }


def _entry(
    home: Path, host: str, name: str, backup: Part | None, drill: Part | None, targeted: list[str], now: datetime
) -> dict[str, Any]:
    folder = evidence.place(home, host, name)
    success, proof = evidence.last_success(folder), evidence.last_restore(folder)
    problems = _problems(success, proof, backup, drill)
    is_workflows = (host, name) == (CONTROLLER_HOST, WORKFLOWS)
    return {
        "host": host,
        "backup": name,
        "is_workflows": is_workflows,
        "in_scope": is_workflows or host in targeted,
        "proven": _is_proof_of(proof, success),
        "problems": problems,
        "this_run": {"backup": backup.status if backup else None, "restore_test": drill.status if drill else None},
        "last_success": {key: success.get(key) for key in _SUCCESS} if success else None,
        "age_s": _age(success, now),
        "last_restore": {key: proof.get(key) for key in _PROOF} if proof else None,
        "evidence": str(folder.relative_to(home)),
    }


def _is_proof_of(proof: Mapping[str, Any] | None, success: Mapping[str, Any] | None) -> bool:
    """A drill proves the archive that it read, whole or in part, and no later one."""
    return bool(
        proof
        and success
        and proof.get("status") == "ok"
        and proof.get("archive_sha256")
        and proof.get("archive_sha256") == success.get("sha256")
    )


def _problems(
    success: Mapping[str, Any] | None, proof: Mapping[str, Any] | None, backup: Part | None, drill: Part | None
) -> list[str]:
    told = []
    if backup and backup.status != "ok":
        told.append(f"backup {backup.status} in this run: {backup.reason}")
    if success is None:
        told.append("never backed up completely")
    if drill and drill.status != "ok":
        told.append(f"restore {drill.status} in this run: {drill.reason}")
    elif proof is None:
        told.append("never restored: no drill has proven it")
    elif proof.get("status") != "ok":
        told.append(f"the last drill was {proof.get('status')}")
    if success and proof and proof.get("status") == "ok" and not _is_proof_of(proof, success):
        told.append("the last proof is of an earlier archive")
    return told + _missed_targets(proof)


def _missed_targets(proof: Mapping[str, Any] | None) -> list[str]:
    told = []
    for what, measured, target in (("RPO", "rpo_ms", "rpo_target_ms"), ("RTO", "duration_ms", "rto_target_ms")):
        took, allowed = (proof or {}).get(measured), (proof or {}).get(target)
        if isinstance(took, (int, float)) and isinstance(allowed, (int, float)) and took > allowed:
            told.append(f"{what} missed: {duration(took)}, target {duration(allowed)}")
    return told


def _age(success: Mapping[str, Any] | None, now: datetime) -> int | None:
    try:
        confirmed = (success or {}).get("confirmed_at") or (success or {})["created"]
        return int((now - times.parse(confirmed)).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def proven_words(entry: Mapping[str, Any]) -> str:
    """`proven 2026-11-23T08:34:03Z (1,924 entries)` or what is in the way."""
    if entry["proven"]:
        proof = entry["last_restore"]
        return f"proven {proof['finished']} ({amount(proof['files_verified'])} entries)"
    return "; ".join(entry["problems"]) or "not proven"
