# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules that no policy turns off: what was targeted was seen, and no backup or restore went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import names
from .observation import Observation

# A phase that changes nothing may be incomplete and still be worth what it says; a backup or a restore may not.
_NO_INCOMPLETE = {"backup", "restore_test"}


def broken(
    run_id: str, expected: Sequence[tuple[str, str]], seen: Mapping[tuple[str, str], Observation]
) -> list[dict[str, Any]]:
    """The failures of a run: `{host, phase, set, status, reason, message, file}`, by host as expected.

    `expected` are the (host, phase) pairs that the run set out to observe; what was seen beyond them counts too.
    """
    found: list[dict[str, Any]] = []
    for host, phase in dict.fromkeys([*expected, *seen]):
        file = f"runs/{run_id}/hosts/{names.encode(host)}/{phase}.json"
        observation = seen.get((host, phase))
        found += [
            {"host": host, "phase": phase, **failure, "file": file if observation else None}
            for failure in _failures(host, phase, observation)
        ]
    return found


def _failures(host: str, phase: str, observation: Observation | None) -> Iterable[dict[str, Any]]:
    if observation is None:
        yield _failure(None, "unknown", "missing: nothing was recorded", f"host {host} was not observed in {phase}")
        return
    for part in observation.outcomes():
        what = f"{phase} {part.name}" if part.name else phase
        if part.status == "unknown":
            yield _failure(part.name, part.status, part.reason, f"host {host} was not observed in {what}")
        elif part.status == "failed":
            yield _failure(part.name, part.status, part.reason, f"host {host}: {what} failed")
        elif part.status == "incomplete" and phase in _NO_INCOMPLETE:
            yield _failure(part.name, part.status, part.reason, f"host {host}: {what} is incomplete")


def _failure(name: str | None, status: str, reason: str | None, message: str) -> dict[str, Any]:
    return {"set": name, "status": status, "reason": reason, "message": f"{message}: {reason}" if reason else message}
