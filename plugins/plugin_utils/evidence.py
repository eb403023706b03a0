# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup, its way off the host, or a drill leaves under `backups/`: the last success of each, and proofs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times

from . import names, next_scope, parts, proofs, targets
from .observation import CONTROLLER_HOST, OFF_HOST_TAGS, WORKFLOWS, Observation, Part
from .outcome import is_of_hash
from .runs import Run


def place(home: Path, host: str, name: str) -> Path:
    """A set's evidence: `backups/` for the controller's own `workflows`, else `backups/hosts/<host>/<set>/`."""
    if (host, name) == (CONTROLLER_HOST, WORKFLOWS):
        return home / "backups"
    return home / "backups" / "hosts" / names.encode(host) / names.encode(name)


def copy_place(home: Path, host: str, name: str, copy: str) -> Path:
    """The evidence of one copy of a set, the controller's own included."""
    return (
        home / "backups" / "hosts" / names.encode(host) / names.encode(name) / "copies" / f"{names.encode(copy)}.json"
    )


def publish(home: Path, observation: Observation, run: Run) -> list[Path]:
    """Write the evidence of an observation of a backup, the vault, a copy or a drill; returns the files.

    Other phases leave none. `last_success.json` advances on complete backups only, `vault.json` and
    `copies/<copy>.json` on success. Every drill that measured something leaves a proof of what it found, a failed one
    too; only one that never ran leaves none.
    """
    return [path for part in observation.outcomes() for path in publish_part(home, observation, part, run)]


def publish_part(
    home: Path, observation: Observation, part: Part, run: Run, sign: proofs.Signer | None = None
) -> list[Path]:
    """The evidence of one set. Raises OSError: then nothing, or only a part of it, is written.

    With `sign` a proof is signed. Raises UpkeepError `signing_*` where that failed: then all is written, unsigned.
    """
    if not isinstance(part.data, dict) or not _name(part):
        return []
    # A complete backup after which retention failed is incomplete work, and a success of its own all the same.
    if observation.phase == "backup" and part.status in ("ok", "incomplete") and part.data.get("complete"):
        return [_publish_backup(home, observation, part)]
    if observation.phase in OFF_HOST_TAGS and part.status == "ok" and part.data.get("archive_sha256"):
        return [_publish_off_host(home, observation, part)]
    if observation.phase == "restore_test" and "files_verified" in part.data:
        return _publish_restore(home, observation, part, run, sign)
    return []


def sets(home: Path) -> Iterator[tuple[str, str]]:
    """Every (host, set) that has evidence: `workflows` first, then by folder."""
    top = home / "backups"
    if (top / "last_success.json").exists() or (top / "last_restore.json").exists():
        yield CONTROLLER_HOST, WORKFLOWS
    for folder in sorted(path for path in top.glob("hosts/*/*") if path.is_dir()):
        document = last_success(folder) or last_restore(folder)
        if document:
            yield document["host"], document["backup"]


def last_success(folder: Path) -> dict[str, Any] | None:
    """The set's `last_success.json` in `folder`, or None."""
    return _load(folder / "last_success.json")


def last_restore(folder: Path) -> dict[str, Any] | None:
    """The set's `last_restore.json` in `folder`, or None."""
    return _load(folder / "last_restore.json")


def last_vaulted(folder: Path) -> dict[str, Any] | None:
    """The set's `vault.json` in `folder`, or None."""
    return _load(folder / "vault.json")


def last_copies(home: Path, host: str, name: str) -> list[dict[str, Any]]:
    """The evidence of each copy of a set, by the copies' names."""
    found = [_load(path) for path in copy_place(home, host, name, "").parent.glob("*.json")]
    return sorted((one for one in found if one and one.get("copy")), key=lambda one: str(one["copy"]))


def last_verified(home: Path, host: str, name: str) -> list[str]:
    """The sha256 of the archives that retention must not take, by the set's drills; none where none went well.

    That of the newest drill that restored something; and, where that was in part, of the newest that is proven whole.
    One of which a later drill went wrong does not stand alone. The hash of a file proves no restore. Raises OSError.
    """
    found: list[str] = []
    doubted: set[str] = set()
    done: dict[tuple[str, int], set[int | None]] = {}
    last = last_restore(place(home, host, name))
    for drill in chain([last] if last else [], parts.of_set(home, host, name)):
        sha256, (part, of) = str(drill.get("archive_sha256") or ""), parts.sample(drill)
        if drill.get("status") != "ok":
            doubted.add(sha256)
        if drill.get("status") != "ok" or not sha256 or is_of_hash(drill):
            continue
        is_whole = not parts.is_scoped(drill) and of is None
        if of is not None and not parts.is_scoped(drill):
            seen = done.setdefault((sha256, of), set())
            seen.add(part)
            is_whole = len(seen) == of
        if (is_whole or not found) and sha256 not in found:
            found.append(sha256)
        if is_whole and sha256 not in doubted:
            break
    return found


def _publish_backup(home: Path, observation: Observation, part: Part) -> Path:
    folder = place(home, observation.host, _name(part))
    document = _owned(observation, part)
    before = last_success(folder) or {}
    same = before.get("sha256") == document.get("sha256")
    # Of the clock by which the archive says when it was created, which an unchanged one was long ago.
    document["created_clock_skew_s"] = before.get("created_clock_skew_s") if same else observation.clock_skew_s
    path = folder / "last_success.json"
    atomic.write_json(str(path), document)
    return path


def _publish_off_host(home: Path, observation: Observation, part: Part) -> Path:
    host, name, copy = observation.host, _name(part), part.data.get("copy")
    path = copy_place(home, host, name, str(copy)) if copy else place(home, host, name) / "vault.json"
    atomic.write_json(str(path), {**_owned(observation, part), "run_id": observation.run_id})
    return path


def _publish_restore(
    home: Path, observation: Observation, part: Part, run: Run, sign: proofs.Signer | None
) -> list[Path]:
    document = _owned(observation, part)
    # What was judged stands, whatever the module said of itself (a restore that compared nothing is a failure).
    document["status"] = part.status if part.status in ("ok", "incomplete", "failed") else "failed"
    document["reason"] = part.reason
    document.setdefault("started", observation.started)
    document.setdefault("finished", observation.finished)
    document.setdefault("rto_target_ms", None)
    document.setdefault("rpo_target_ms", None)
    folder = place(home, observation.host, _name(part))
    if observation.clock_skew_s:
        document["started"], document["finished"] = observation.started, observation.finished
    document["clock_skew_s"] = observation.clock_skew_s
    document["created_clock_skew_s"] = _created_skew(folder, document)
    document["rpo_ms"] = None if document["created_clock_skew_s"] else _rpo_ms(document)
    document["rto_met"], document["rpo_met"] = targets.rto_met(document), targets.rpo_met(document)
    document["restored_on"] = {"host": observation.host, **(document.get("restored_on") or {})}
    code = (part.reason or "").partition(":")[0]
    document["next_scope"] = next_scope.next_scope(document, code)
    document["run_id"] = observation.run_id
    document["asset"] = observation.asset
    document["ran_by"] = {"user": run.user, "controller": run.controller, "playbook": run.playbook}
    document["tool"] = {**observation.tool, **(document.get("tool") or {})}
    proof = proofs.append(home, document, sign)
    atomic.write_json(str(folder / "last_restore.json"), proof.document)
    atomic.write_text(str(folder / "restore-proof.txt"), proof.text)
    if proof.unsigned_because:
        raise proof.unsigned_because
    return [proof.path, folder / "last_restore.json", folder / "restore-proof.txt"]


def _created_skew(folder: Path, document: dict[str, Any]) -> Any:
    """How far the clock was off by which the drilled archive says when it was created."""
    success = last_success(folder) or {}
    of_it = success.get("sha256") == document.get("archive_sha256")
    return success.get("created_clock_skew_s") if of_it else document["clock_skew_s"]


def _owned(observation: Observation, part: Part) -> dict[str, Any]:
    first = {
        "schema": part.data.get("schema"),
        "project": observation.project,
        "host": observation.host,
        "backup": _name(part),
    }
    return {**first, **{key: value for key, value in part.data.items() if key not in first}}


def _name(part: Part) -> str:
    return str((part.data or {}).get("backup") or part.name or "")


def _rpo_ms(document: dict[str, Any]) -> int | None:
    try:
        age = times.parse(document["started"]) - times.parse(document["archive_created"])
    except (KeyError, TypeError, ValueError):
        return None
    return int(age.total_seconds() * 1000)


def _load(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    usable = isinstance(document, dict) and isinstance(document.get("host"), str)
    return document if usable and isinstance(document.get("backup"), str) else None
