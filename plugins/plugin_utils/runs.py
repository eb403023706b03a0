# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The run folder: `runs/<run_id>/run.json`, opened when a run starts and closed when it has been judged."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times

from . import locks, processes

SCHEMA = "upkeep.run/1"
_OF_OPENING = ("playbook", "phases", "targeted", "limit", "tags", "assets", "opened_by")


@dataclass
class Opening:
    """What one process set out to observe: every phase of `phases` on every host of `targeted`.

    `opened_by`: `run_open`, or `record` where nothing opened the run before. `assets` maps hosts to names of their own
    that stay when they are renamed. `process` is this one's (`processes.this`) unless given.
    """

    phases: list[str]
    targeted: list[str]
    playbook: str | None = None
    check: bool = False
    limit: str | None = None
    tags: list[str] = field(default_factory=list)
    user: str | None = None
    tool: dict[str, Any] = field(default_factory=dict)
    assets: dict[str, str] = field(default_factory=dict)
    opened_by: str = "run_open"
    process: str | None = None


@dataclass
class Run:
    """`openings` holds each process's own hosts and phases; `targeted` and `phases` are their unions."""

    run_id: str
    project: str
    started: str
    pid: int
    pid_started: str
    controller: str
    playbook: str | None = None
    finished: str | None = None
    state: str = "running"
    user: str | None = None
    targeted: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    check: bool = False
    limit: str | None = None
    tags: list[str] = field(default_factory=list)
    tool: dict[str, Any] = field(default_factory=dict)
    openings: list[dict[str, Any]] = field(default_factory=list)
    exit: str | None = None
    failures: list[dict[str, Any]] = field(default_factory=list)
    schema: str = SCHEMA

    def document(self) -> dict[str, Any]:
        """The JSON document, `schema` first."""
        fields = asdict(self)
        return {"schema": fields.pop("schema"), **fields}

    def expected(self) -> list[tuple[str, str]]:
        """Every (host, phase) that the run set out to observe, hosts in their order."""
        return pairs(self.openings)

    def openings_of(self, process: str) -> list[dict[str, Any]]:
        """What one process of the run set out to observe."""
        return [opening for opening in self.openings if opening.get("process") == process]

    def of_process(self, process: str) -> Run:
        """The run as that process alone had it."""
        own = self.openings_of(process)
        return replace(self, openings=own, **_unions(own))

    def asset_of(self, host: str) -> str:
        """The host's asset as the newest opening that knows one has it, else the host's own name."""
        known = (opening.get("assets", {}).get(host) for opening in reversed(self.openings))
        return next((asset for asset in known if asset), host)

    def names_of(self, asset: str) -> list[str]:
        """The hosts that had this name of their own."""
        pairs = (pair for opening in self.openings for pair in (opening.get("assets") or {}).items())
        return sorted({host for host, known in pairs if known == asset})


def pairs(openings: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Every (host, phase) of these openings, hosts in their order."""
    found = ((host, phase) for opening in openings for host in opening["targeted"] for phase in opening["phases"])
    return list(dict.fromkeys(found))


def folder(home: Path, run_id: str) -> Path:
    """`runs/<run_id>`."""
    return home / "runs" / run_id


def report_file(home: Path, run_id: str) -> Path:
    """The run's own report; the one in `reports/` is of whichever run wrote it last."""
    return folder(home, run_id) / "report.json"


def load(home: Path, run_id: str) -> Run | None:
    """The run, or None where there is no readable run.json."""
    try:
        document = json.loads((folder(home, run_id) / "run.json").read_bytes())
        if document["schema"] != SCHEMA:
            return None
        return Run(**{key: value for key, value in document.items() if key in Run.__dataclass_fields__})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def save(home: Path, run: Run) -> None:
    """Write run.json atomically."""
    atomic.write_json(str(folder(home, run.run_id) / "run.json"), run.document())


def newest_first(home: Path) -> list[Run]:
    """Every run, the one that started last first."""
    try:
        names = [entry.name for entry in (home / "runs").iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return []
    found = [run for run in (load(home, name) for name in names) if run is not None]
    return sorted(found, key=lambda run: (run.started, run.run_id), reverse=True)


def open_run(home: Path, run_id: str, project: str, opening: Opening) -> Run:
    """Open the run, or add to it where it is open already: another process of it, or its next playbook."""
    main = processes.main_process()
    with locks.exclusive(folder(home, run_id) / ".lock"):
        run = load(home, run_id)
        if run is None:
            run = Run(run_id, project, times.iso(times.now()), main.pid, main.identity, processes.controller())
        run.pid, run.pid_started, run.controller = main.pid, main.identity, processes.controller()
        run.state, run.finished, run.exit, run.failures = "running", None, None, []
        run.project = project
        run.check, run.user, run.tool = opening.check, opening.user or run.user, opening.tool or run.tool
        record = {key: getattr(opening, key) for key in _OF_OPENING}
        record["process"] = opening.process or processes.this()
        if record not in run.openings:
            run.openings.append(record)
        run = replace(run, **_unions(run.openings))
        save(home, run)
        # What the process reported before, it has to report anew.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            written = report_file(home, run_id)
            if json.loads(written.read_bytes()).get("process") == record["process"]:
                written.unlink()
    return run


def close_run(home: Path, run_id: str, failures: Sequence[Mapping[str, Any]], ok: bool) -> Run | None:
    """Write down how the run ended, unless another process is at it.

    A run that was found interrupted stays so: its own process did not judge it.
    """
    with locks.exclusive(folder(home, run_id) / ".lock"):
        run = load(home, run_id)
        if run is None or (run.state == "running" and run.pid_started != processes.main_process().identity):
            return None
        if run.state == "running":
            run.state, run.finished = "finished", times.iso(times.now())
        run.exit = "ok" if ok else "failed"
        run.failures = [dict(failure) for failure in failures]
        save(home, run)
        return run


def of_this_process(home: Path, run_id: str) -> Run | None:
    """The run `run_id`; else a running one that this very process opened.

    The latter is for a clock that was set since: the start time in the id moves with it, the identity does not.
    """
    run = load(home, run_id)
    if run is not None:
        return run
    main = processes.main_process()
    for entry in sorted((home / "runs").glob(f"*-{main.pid}")):
        run = load(home, entry.name)
        if run is not None and run.state == "running" and run.pid_started == main.identity:
            return run
    return None


def _union(lists: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(item for each in lists for item in each))


def _unions(openings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a run says of all its openings together. It is limited only where each of them is."""
    limits = [opening.get("limit") for opening in openings]
    return {
        "targeted": _union(opening["targeted"] for opening in openings),
        "phases": _union(opening["phases"] for opening in openings),
        "tags": _union(opening.get("tags") or [] for opening in openings),
        "playbook": ", ".join(_union([opening["playbook"]] for opening in openings if opening["playbook"])) or None,
        "limit": ", ".join(dict.fromkeys(filter(None, limits))) if limits and all(limits) else None,
    }
