# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report's view of the backups: every set that was ever backed up or tried, and whether its restore is proven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times

from .. import evidence, targets
from ..documents.text import amount, duration, plural
from ..observation import CONTROLLER_HOST, WORKFLOWS, Observation, Part, combined
from ..outcome import entries, is_of_hash
from . import off_host
from .coverage import WHOLE, Coverage, Proven
from .gather import Gathered
from .sealed import problems as sealed_problems
from .sealed import sealed_state

_PHASES = ("backup", "restore_test")
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
    "status", "archive", "archive_sha256", "started", "finished", "duration_ms", "entries_expected",
    "entries_verified", "files_expected", "files_verified",
    "rto_target_ms", "rpo_target_ms", "rpo_ms", "rto_met", "rpo_met", "run_id", "scope", "level_reached", "restored_on",
    "next_scope", "sealed",
)  # fmt: skip


@dataclass(frozen=True)
class _Tried:
    """What became of a set, by phase: in this run, and when it was last tried where this run did not look.

    `off_host` is the way to the vault ("vault") and to each copy ("copy <name>") in this run.
    """

    own: Mapping[str, Part]
    carried: Mapping[str, Part]
    off_host: Mapping[str, Part] = field(default_factory=dict)


def backup_entries(home: Path, gathered: Gathered, now: datetime) -> list[dict[str, Any]]:
    """`backups[]`: `workflows` first, then by host and set. `in_scope` are it and the sets of targets.

    A set that was tried and never succeeded has no evidence, and is here all the same.
    """
    own, carried = _outcomes(gathered.own), _outcomes(_carried(gathered))
    off = off_host.outcomes(gathered.own)
    every = dict.fromkeys([*evidence.sets(home), *own, *carried, *off])
    coverage = Coverage(home)
    entries = [
        _entry(
            home,
            key,
            _Tried(own.get(key, {}), carried.get(key, {}), off.get(key, {})),
            gathered.run.targeted,
            coverage,
            now,
        )
        for key in every
    ]
    return sorted(entries, key=lambda entry: (not entry["is_workflows"], entry["host"], entry["backup"]))


def _carried(gathered: Gathered) -> dict[tuple[str, str], Observation]:
    found = {(CONTROLLER_HOST, phase): seen for phase, seen in gathered.workflows.items()}
    for host, phases in gathered.by_host.items():
        for phase in _PHASES:
            seen = phases[phase].observation
            if seen is not None and phases[phase].carried:
                key = (host, phase)
                found[key] = combined([found[key], seen]) if key in found else seen
    return found


def _outcomes(seen: Mapping[tuple[str, str], Observation]) -> dict[tuple[str, str], dict[str, Part]]:
    """(host, set) -> phase -> what became of it; nothing of what was skipped."""
    found: dict[tuple[str, str], dict[str, Part]] = {}
    for (host, phase), observation in seen.items():
        for part in observation.outcomes() if phase in _PHASES else ():
            if part.name and part.status != "skipped":
                found.setdefault((host, part.name), {})[phase] = part
    return found


def _entry(
    home: Path, key: tuple[str, str], tried: _Tried, targeted: list[str], coverage: Coverage, now: datetime
) -> dict[str, Any]:
    host, name = key
    folder = evidence.place(home, host, name)
    success, proof = evidence.last_success(folder), evidence.last_restore(folder)
    known = coverage.proven(host, name, proof) if proof and _is_proof_of(proof, success) else None
    covered = known.pct if known else None
    is_workflows = key == (CONTROLLER_HOST, WORKFLOWS)
    sealed = sealed_state(home, host, name, proof)
    vault, copies = off_host.vault(home, folder, tried.off_host), off_host.copies(home, key, tried.off_host)
    return {
        "host": host,
        "backup": name,
        "is_workflows": is_workflows,
        "in_scope": is_workflows or host in targeted,
        "proven": covered == WHOLE,
        "proven_pct": covered,
        "proven_since": known.since if known else None,
        "sampled": coverage.of_the_set(host, name, proof) if proof else None,
        "problems": [
            *_problems(success, proof, tried),
            *_partly(known, proof or {}),
            *_missed_targets(proof),
            *sealed_problems(sealed),
            *off_host.problems(success, vault, copies),
        ],
        "this_run": {phase: tried.own[phase].status if phase in tried.own else None for phase in _PHASES},
        "last_success": _told(success) if success else None,
        "age_s": _age(success, now),
        "last_restore": {key: proof.get(key) for key in _PROOF} if proof else None,
        "sealed": sealed,
        "vault": vault,
        "copies": copies,
        "evidence": str(folder.relative_to(home)),
    }


def _told(success: Mapping[str, Any]) -> dict[str, Any]:
    """With how many archives came before it and are kept; which, its evidence says."""
    history = success.get("history") or {}
    kept = {"archives": history.get("archives", 0), "bytes": history.get("bytes", 0)}
    return {**{key: success.get(key) for key in _SUCCESS}, "history": kept}


def _is_proof_of(proof: Mapping[str, Any] | None, success: Mapping[str, Any] | None) -> bool:
    """A drill proves the archive that it read, or the part of it that it read, and no later one."""
    return bool(
        proof
        and success
        and proof.get("status") == "ok"
        and proof.get("archive_sha256")
        and proof.get("archive_sha256") == success.get("sha256")
    )


def _problems(success: Mapping[str, Any] | None, proof: Mapping[str, Any] | None, tried: _Tried) -> list[str]:
    told = list(_failed("backup", "backup", tried))
    if success is None:
        told.append("never backed up completely")
    drill = list(_failed("restore_test", "restore", tried))
    if drill:
        told += drill
    elif proof is None:
        told.append("never restored: no drill has proven it")
    elif proof.get("status") != "ok":
        told.append(f"the last drill was {proof.get('status')}")
    if success and proof and proof.get("status") == "ok" and not _is_proof_of(proof, success):
        told.append("the last proof is of an earlier archive")
    return told


def _failed(phase: str, word: str, tried: _Tried) -> Iterable[str]:
    own, carried = tried.own.get(phase), tried.carried.get(phase)
    if own is not None and own.status != "ok":
        # Why at length stands among the run's failures.
        code = (own.reason or "").partition(":")[0]
        yield f"{word} {own.status} in this run" + (f" ({code})" if code not in ("", own.status) else "")
    elif own is None and carried is not None and carried.status != "ok":
        yield f"the last {word} was {carried.status}: {carried.reason}"


def _partly(known: Proven | None, proof: Mapping[str, Any]) -> Iterable[str]:
    if known is None or known.pct == WHOLE:
        return
    if is_of_hash(proof) and not known.pct:
        since = f" since the drill of {known.failed}, which went wrong" if known.failed else ""
        yield f"only the hash of its file was compared{since}: that it restores is not proven"
    else:
        yield f"proven in part ({known.pct:g} %)" + (f" since {known.since}" if known.pct else "")


def _missed_targets(proof: Mapping[str, Any] | None) -> list[str]:
    proof = proof or {}
    return [
        f"{what} missed: {duration(proof.get(measured))}, target {duration(proof.get(target))}"
        for what, measured, target, met in (
            ("RPO", "rpo_ms", "rpo_target_ms", targets.rpo_met),
            ("RTO", "duration_ms", "rto_target_ms", targets.rto_met),
        )
        if met(proof) is False
    ]


def _age(success: Mapping[str, Any] | None, now: datetime) -> int | None:
    try:
        confirmed = (success or {}).get("confirmed_at") or (success or {})["created"]
        return int((now - times.parse(confirmed)).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def chain_words(chain: Mapping[str, Any]) -> str:
    """`1,204 in an unbroken chain`, or how much is wrong with it."""
    if chain["problems"]:
        return f"{amount(chain['proofs'])}, {plural(len(chain['problems']), 'problem')} in their chain"
    signed = f", {amount(chain['signed'])} of them signed" if chain.get("signed") else ""
    return f"{amount(chain['proofs'])} in an unbroken chain{signed}"


def proven_words(entry: Mapping[str, Any]) -> str:
    """`proven 2026-11-23T08:34:03Z (1,924 entries)`, or what is in the way: `proven in part (0.08 %)`."""
    if entry["proven"]:
        proof = entry["last_restore"]
        last = " in the last of its parts" if (proof.get("scope") or {}).get("sample") else ""
        level = " read, not extracted" if (proof.get("scope") or {}).get("level") == "blocks" else ""
        told = f"proven {proof['finished']} ({amount(entries(proof)[0])} entries{level}{last})"
        if is_of_hash(proof):
            told = f"proven {entry['proven_since']}, its hash compared {proof['finished']}"
        elif last:
            told = f"{told[:-1]}, all of them since {entry['proven_since']})"
        return "; ".join([told, *entry["problems"]])
    sampled = entry["sampled"] or {"parts": 0}
    of_set = [f"over its archives {sampled['pct']:g} % of the set since {sampled['since']}"] if sampled["parts"] else []
    return "; ".join([*entry["problems"], *of_set]) or "not proven"
