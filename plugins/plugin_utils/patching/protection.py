# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host's backups are proven, and young enough to change the host on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .. import evidence
from ..documents.text import duration
from ..observation import WORKFLOWS
from ..report.coverage import WHOLE, Coverage
from .facts import when


def names_of(backup_sets: Any, wanted: Sequence[str]) -> list[str]:
    """The sets that count: those of the host (not the operation's own `workflows`), or of these the `wanted`.

    Raises UpkeepError `invalid_policy` for a name that is none of them.
    """
    every = [str(each.get("name")) for each in backup_sets or [] if isinstance(each, Mapping)]
    own = [name for name in every if name != WORKFLOWS]
    missing = [name for name in wanted if name not in own]
    if missing:
        there = f"its sets are {', '.join(own)}" if own else "it has none (backup_sets)"
        raise UpkeepError("invalid_policy", f"patch_backup_sets: the host has no set {', '.join(missing)}; {there}.")
    return [name for name in own if not wanted or name in wanted]


def look(home: Path, host: str, names: Sequence[str], max_age: int, now: datetime) -> list[dict[str, Any]]:
    """{"backup","ok","why","proven_at","age_s","archive_sha256"} of each set. `why` is None where it is ok.

    Ok: its last archive is complete and confirmed within `max_age` seconds, and a drill within as many has restored the
    whole of that very archive. Raises OSError.
    """
    coverage = Coverage(home)
    return [_set(home, host, name, coverage, max_age, now) for name in names]


def _set(home: Path, host: str, name: str, coverage: Coverage, max_age: int, now: datetime) -> dict[str, Any]:
    folder = evidence.place(home, host, name)
    success, proof = evidence.last_success(folder), evidence.last_restore(folder)
    proven = coverage.proven(host, name, proof) if proof else None
    since = proven.since if proven and proven.pct == WHOLE else None
    age = _age(since, now)
    return {
        "backup": name,
        "archive_sha256": (success or {}).get("sha256"),
        "proven_at": since,
        "age_s": age,
        "ok": (why := _why(success, proof, age, max_age, now)) is None,
        "why": why,
    }


def _why(
    success: Mapping[str, Any] | None, proof: Mapping[str, Any] | None, age: int | None, max_age: int, now: datetime
) -> str | None:
    if success is None:
        return "never backed up completely"
    backed_up = _age(success.get("confirmed_at") or success.get("created"), now)
    if backed_up is None:
        return "its evidence does not say when it was backed up"
    if backed_up > max_age:
        return f"the last backup is {_old(backed_up, max_age)}"
    if proof is None:
        return "no drill has restored it"
    if proof.get("status") != "ok":
        return f"its last drill was {proof.get('status')}"
    if not proof.get("archive_sha256") or proof.get("archive_sha256") != success.get("sha256"):
        return "its last proof is of an earlier archive"
    if age is None:
        return "it is proven in part only: no drill has restored the whole of its last archive"
    return f"its proof is {_old(age, max_age)}" if age > max_age else None


def _age(text: Any, now: datetime) -> int | None:
    moment = when(text)
    # A clock that is ahead makes nothing younger than new.
    return None if moment is None else max(0, int((now - moment).total_seconds()))


def _old(seconds: int, limit: int) -> str:
    return f"{duration(seconds * 1000)} old, and patch_backup_max_age is {duration(limit * 1000)}"
