# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One set's way from the vault or a copy onto the drill host, step by step. Pure but for the clock.

Each step is timed, and the first that fails is the last. What a step does is given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from ..documents.text import plural

OK, INCOMPLETE, FAILED, NOT_DONE = "ok", "incomplete", "failed", "not_done"
# In this order; what is not reached is not done.
STEPS = ("take", "hand_over", "restore", "compare", "databases", "checks")


@dataclass
class Rebuild:
    """What is told of one set. `entry` is what the vault or the copy says of the archive."""

    backup: str
    dest: str | None
    entry: Mapping[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    def step(self, name: str, do: Callable[[], Any]) -> Any:
        """Do it, and note how it went. Raises UpkeepError as `do` does."""
        begun = time.monotonic()
        told: dict[str, Any] = {"status": OK, "reason": None}
        try:
            return do()
        except UpkeepError as error:
            told = {"status": FAILED, "reason": f"{error.code}: {error.message}"}
            raise
        finally:
            self.steps[name] = {**told, "duration_ms": int((time.monotonic() - begun) * 1000)}

    def document(self) -> dict[str, Any]:
        """The set's part of upkeep.disaster_drill/1."""
        entry = self.entry or {}
        steps = [
            {"step": name, **self.steps.get(name, {"status": NOT_DONE, "reason": None, "duration_ms": 0})}
            for name in STEPS
        ]
        broken = [f"{one['step']}: {one['reason']}" for one in steps if one["status"] == FAILED]
        lacking = not_back(self.facts)
        return {
            "backup": self.backup,
            "status": FAILED if broken else INCOMPLETE if lacking else OK,
            "reason": "; ".join([*broken, *lacking]) or None,
            "created": entry.get("created"),
            "age_ms": age_ms(entry.get("created")),
            "archive": entry.get("archive"),
            "archive_sha256": entry.get("archive_sha256"),
            "bytes": entry.get("bytes"),
            "files": entry.get("files"),
            "sealed": entry.get("sealed"),
            "dest": self.dest,
            "in_place": self.dest is None,
            "opened_with": None,
            "entries": None,
            "bytes_restored": None,
            "databases": [],
            "rows": None,
            "checks": [],
            "not_restored": [],
            **self.facts,
            "steps": steps,
            "duration_ms": sum(one["duration_ms"] for one in steps),
        }


def not_back(part: Mapping[str, Any]) -> list[str]:
    """`1 dump NOT loaded (…)`: what of a set is not there again although no step failed over it; empty: all is."""
    # The folder that all goes into, and those above that no archive holds, are the drill host's own: no loss.
    lost = [
        one for one in part.get("not_restored") or [] if one.get("what") != "." and one.get("in_archive") is not False
    ]
    dumps = [one for one in lost if one.get("dump")]
    told = [f"{plural(len(dumps), 'dump')} NOT loaded ({_first(dumps)})"] if dumps else []
    rest = [one for one in lost if not one.get("dump")]
    return told + ([f"{plural(len(rest), 'thing')} NOT restored ({_first(rest)})"] if rest else [])


def _first(lost: Sequence[Mapping[str, Any]]) -> str:
    return f"{'the first: ' if len(lost) > 1 else ''}{lost[0].get('what')}: {lost[0].get('why')}"


def folders(home: Path) -> Path:
    """Where drills keep what they took, opened, for as long as they run; each folder has its lock beside it."""
    return home / "state" / "disaster"


def age_ms(created: Any) -> int | None:
    """How much of the time before the disaster would be lost, were it now: the RPO that was met."""
    try:
        return max(0, int((times.now() - times.parse(created)).total_seconds() * 1000))
    except (TypeError, ValueError):
        return None


def restored(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of a restore, by what `backup_restore` answered. Raises UpkeepError where it did not all go well."""
    data = answer.get("data") or {}
    if answer.get("failed"):
        raise _failure(answer)
    return {
        "dest": data.get("dest"),
        "in_place": bool(data.get("in_place")),
        "bytes_restored": data.get("bytes"),
        "not_restored": list(data.get("not_restored") or []),
    }


def restored_by_restic(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The same of what `restore_restic` answered, with the snapshot as `entry`. restic has compared the contents."""
    data = answer.get("data") or {}
    if answer.get("failed"):
        raise _failure(answer)
    if not data.get("entries"):
        raise UpkeepError("nothing_restored", "the snapshot holds no entry, so nothing was rebuilt.")
    if data.get("status") != OK:
        raise UpkeepError("incomplete", "the snapshot itself is incomplete: what restic could not read then is lost.")
    entry = {
        "created": data.get("created"),
        "archive": f"{data.get('repository')}#{str(data.get('snapshot_id'))[:8]}",
        "archive_sha256": data.get("snapshot_id"),
    }
    return {
        "dest": data.get("dest"),
        "in_place": data.get("dest") == "/",
        "bytes_restored": data.get("bytes"),
        "entries": data["entries"],
        "entry": entry,
        "holds_dumps": bool(data.get("holds_dumps")),
    }


def compared(answer: Mapping[str, Any], databases: bool = False) -> dict[str, Any]:
    """Facts of a comparison: a second restore that would have nothing to do. Raises UpkeepError `restore_differs`.

    No entry at all is an error, but not of a set whose `databases` come next.
    """
    if answer.get("failed"):
        raise _failure(answer)
    data = answer.get("data") or {}
    counts = data.get("counts") or {}
    off = [*(data.get("created") or []), *(data.get("replaced") or [])]
    off += [str(one.get("path")) for one in data.get("refused") or []]
    if off:
        raise UpkeepError(
            "restore_differs",
            f"{len(off)} entries are not as the manifest has them after the restore; the first: {', '.join(off[:3])}.",
        )
    if not counts.get("unchanged") and not databases:
        raise UpkeepError("nothing_restored", "the archive holds no entry, so nothing was rebuilt.")
    return {"entries": counts.get("unchanged") or 0}


@dataclass(frozen=True)
class ToLoad:
    """What of a set's dumps goes into servers: `parameters` of `backup_load`; `left` as in `not_restored`."""

    parameters: dict[str, Any]
    left: list[dict[str, str]]
    any: bool


# How the lost server was reached. A new one does not know its users, nor their passwords.
_OF_THE_LOST_SERVER = {"host", "port", "socket", "user", "secret", "run_as"}


def to_load(dumps: Sequence[Mapping[str, Any]], as_administrator: bool = True) -> ToLoad:
    """A dump of the engine `command` only its program knows how to load. What is not given is not loaded.

    Each is asked for by name, so that `backup_load` refuses an archive without it. `as_administrator`
    is through this machine's sockets, as whoever administers the servers there.
    """
    by_hand = [one for one in dumps if one.get("engine") == "command"]
    left_out = _OF_THE_LOST_SERVER if as_administrator else set()
    rest = [
        {key: value for key, value in one.items() if key not in left_out}
        for one in dumps
        if one.get("engine") != "command"
    ]
    left = [
        {"what": f"the dump {one['name']}", "why": "only its program knows how to load it", "dump": one["name"]}
        for one in by_hand
    ]
    return ToLoad({"dumps": rest, "only": [one["name"] for one in rest]}, left, bool(rest))


# What is said of dumps in an archive of a set that names none: a dump runs what it contains.
NOT_NAMED = {
    "what": "the databases in the archive",
    "why": "the set names no dumps; give them in disaster_sets to have them loaded",
}


def loaded(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of the databases, by what `backup_load` answered. Raises UpkeepError where one did not load."""
    data = answer.get("data") or {}
    databases = [
        {key: one.get(key) for key in ("name", "engine", "database", "ok", "tables", "rows", "rows_expected", "why")}
        for one in data.get("dumps") or []
    ]
    rows = [one["rows"] for one in databases if one["rows"] is not None]
    facts = {"databases": databases, "rows": sum(rows) if rows else None}
    if answer.get("failed"):
        error = _failure(answer)
        raise UpkeepError(error.code, error.message, facts=facts)
    bad = [one for one in databases if not one["ok"]]
    if bad:
        first = f"{bad[0]['name']}: {bad[0]['why']}"
        raise UpkeepError("dump_not_loaded", f"{len(bad)} dumps were not loaded; the first: {first}.", facts=facts)
    return facts


def checked(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of the checks, by what `restore_checks` answered. Raises UpkeepError `check_failed`."""
    facts = {"checks": list(answer.get("checks") or [])}
    if answer.get("failed"):
        error = _failure(answer)
        raise UpkeepError(error.code, error.message, facts=facts)
    return facts


def _failure(answer: Mapping[str, Any]) -> UpkeepError:
    return UpkeepError(
        str(answer.get("error_code") or "module_failed"), str(answer.get("msg") or "no answer from the drill host")
    )
