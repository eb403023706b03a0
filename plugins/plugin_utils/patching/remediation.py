# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a patch run fixed: findings that were open before, that its changes close, and that nobody sees any more.

Open before is what the last audit before had, and what the patch level showed right before the packages were changed.
A line is written only where the audit after it looked and no longer has the finding, and the patch level after it shows
the versions that the run installed. A rollback opens again what the run that it undoes had fixed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times

from .. import history, observations, runs
from . import recorded
from .document import finished_at, took_ms

SCHEMA = "upkeep.remediation/1"
FILE = history.KEPT
_SOURCES = ("patch", "advisory")
_OF_FINDING = ("fingerprint", "source", "check_id", "asset", "subject", "title", "severity", "first_seen", "due")
_OF_PACKAGES = ("pending_security", "blocked_security", "half_configured")


@dataclass(frozen=True)
class Seen:
    """What is known of a host around its patch run.

    `before` and `after`: data of audits, the newest first; `level`: the data of the patch level that this run saw last.
    """

    before: Sequence[Mapping[str, Any]]
    after: Mapping[str, Any]
    level: Mapping[str, Any]


def of_run(home: Path, run: runs.Run) -> dict[str, Any]:
    """The document of a run (upkeep.remediation/1): a line for each thing that it fixed, or opened again."""
    earlier = [other for other in runs.newest_first(home) if (other.started, other.run_id) < (run.started, run.run_id)]
    lines: list[dict[str, Any]] = []
    for host, observation in recorded.of_run(home, run.run_id).items():
        document = observation.data
        if not recorded.is_document(document):
            continue
        if document["outcome"] == "patched":
            lines += fixed(document, run.run_id, _seen(home, run, earlier, host))
        elif document["outcome"] == "rolled_back" and document.get("rollback_of"):
            lines += reopened(document, run.run_id, _fixed_by(home, earlier, document))
    return {"schema": SCHEMA, "run_id": run.run_id, "project": run.project, "lines": lines}


def fixed(document: Mapping[str, Any], run_id: str, seen: Seen) -> list[dict[str, Any]]:
    """A line for each finding that the run's changes closed, by severity of the table of findings, then by subject."""
    lines = []
    looked = {source for source in _SOURCES if _looked(seen.after, source, run_id)}
    left = {finding["fingerprint"] for finding in seen.after.get("findings") or []}
    open_before = {
        finding["fingerprint"]: finding
        for source in looked
        for finding in (*document.get("open_before", ()), *_open_before(seen.before, source))
        if finding["source"] == source and finding["fingerprint"] not in left
    }
    for finding in open_before.values():
        closed = _closed_by(finding, document, seen.level)
        if closed is not None:
            lines.append(_fixed(finding, document, run_id, closed))
    return sorted(lines, key=lambda line: (line["source"], line["check_id"], line["subject"]))


def reopened(document: Mapping[str, Any], run_id: str, lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A line for each of the `lines` of the run that was taken back whose packages went back with it."""
    names = {each["name"] for each in document["taken_back"]}
    return [
        {
            **line,
            "kind": "reopened",
            "packages": [each for each in document["taken_back"] if each["name"] in _names(line)],
            "from": line["to"],
            "to": line["from"],
            "fixed_at": None,
            "reopened_at": finished_at(document, "rollback") or document["finished"],
            "time_to_fix_ms": None,
            "sla": None,
            "run_id": run_id,
            "rollback_of": line["run_id"],
            "by": dict(document["ran_by"]),
        }
        for line in lines
        if line["kind"] == "fixed" and line["host"] == document["host"] and names & _names(line)
    ]


def write(home: Path, document: Mapping[str, Any]) -> Path | None:
    """Write a run's document into its folder; a run that fixed nothing has none."""
    path = runs.folder(home, document["run_id"]) / FILE
    if document["lines"] or path.exists():
        atomic.write_json(str(path), document)
        return path
    return None


def every(home: Path) -> list[dict[str, Any]]:
    """The lines of all runs, also of those of which nothing else is kept, the newest first."""
    found = [line for path in sorted((home / "runs").glob(f"*/{FILE}")) for line in _load(path)]
    return sorted(found, key=lambda line: (when(line), line["run_id"], line["host"], line["subject"]), reverse=True)


def when(line: Mapping[str, Any]) -> str:
    """When it was fixed, or opened again."""
    return str(line["fixed_at"] or line["reopened_at"])


def _names(line: Mapping[str, Any]) -> set[str]:
    return {each["name"] for each in line["packages"]}


def _looked(audit: Mapping[str, Any], source: str, run_id: str) -> bool:
    """An engine of the source looked at what this run saw, and saw all of it."""
    return any(
        (engine.get("source") or engine.get("name")) == source
        and engine.get("status") == "ok"
        and engine.get("run_id") == run_id
        and "remembered" not in engine
        for engine in audit.get("engines") or []
    )


def _open_before(audits: Iterable[Mapping[str, Any]], source: str) -> list[Mapping[str, Any]]:
    """Of the newest audit in which the source's engine looked."""
    for audit in audits:
        engines = audit.get("engines") or []
        if any((each.get("source") or each.get("name")) == source and each.get("status") == "ok" for each in engines):
            return [each for each in audit.get("findings") or [] if each.get("source") == source]
    return []


@dataclass(frozen=True)
class _Closed:
    """By which change, and in which state of the run."""

    state: str
    how: str
    packages: Sequence[Mapping[str, Any]] = ()


def _closed_by(finding: Mapping[str, Any], document: Mapping[str, Any], level: Mapping[str, Any]) -> _Closed | None:
    check, subject = finding["check_id"], finding["subject"]
    if finding["source"] == "advisory" or check in _OF_PACKAGES:
        packages = _packages(finding, document, level)
        return _Closed("apply", "changed", packages) if packages else None
    if check == "pending_updates" and document["changed"]:
        return _Closed("apply", f"{len(document['changed'])} packages changed")
    if check == "reboot_due" and document["rebooted"]:
        return _Closed("restart", "rebooted")
    if check == "stale_service" and (document["rebooted"] or subject in document["restarted"]):
        return _Closed("restart", "restarted" if subject in document["restarted"] else "rebooted")
    return None


def _packages(
    finding: Mapping[str, Any], document: Mapping[str, Any], level: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """The changes of the finding's packages; none of it where the level after does not show them as they were made."""
    installed = {(each.get("name"), each.get("arch")): each for each in level.get("installed") or []}
    evidence = [each for each in finding.get("evidence") or [] if isinstance(each, Mapping)]
    names = {each.get("name") for each in evidence} | {name for each in evidence for name in each.get("packages") or []}
    names |= {each for each in finding.get("evidence") or [] if isinstance(each, str)}
    found = []
    for change in document["changed"]:
        now = installed.get((change["name"], change.get("arch"))) or {}
        of_source = now.get("source_name") == finding["subject"]
        if change["name"] in names or change["name"] == finding["subject"] or of_source:
            if now.get("version") != change["to"]:
                return []
            found.append({key: change.get(key) for key in ("name", "arch", "from", "to")})
    # The package that the finding is called after says it best.
    return sorted(found, key=lambda each: (each["name"] != finding["subject"], str(each["name"]), str(each["arch"])))


def _fixed(finding: Mapping[str, Any], document: Mapping[str, Any], run_id: str, closed: _Closed) -> dict[str, Any]:
    fixed_at = finished_at(document, closed.state) or document["finished"]
    due, first_seen = finding.get("due"), finding.get("first_seen")
    first = closed.packages[0] if closed.packages else {}
    return {
        "kind": "fixed",
        **{key: finding.get(key) for key in _OF_FINDING},
        "host": document["host"],
        "how": closed.how,
        "packages": list(closed.packages),
        "from": first.get("from"),
        "to": first.get("to"),
        "fixed_at": fixed_at,
        "reopened_at": None,
        "time_to_fix_ms": _took(first_seen, fixed_at),
        "sla": None if not due else "met" if fixed_at <= due else "missed",
        "run_id": run_id,
        "rollback_of": None,
        "by": dict(document["ran_by"]),
    }


def _took(first_seen: Any, fixed_at: str) -> int | None:
    try:
        return took_ms(str(first_seen), fixed_at)
    except ValueError:
        return None


def _seen(home: Path, run: runs.Run, earlier: Sequence[runs.Run], host: str) -> Seen:
    after = observations.seen(home, run.run_id, host, "audit")
    level = observations.seen(home, run.run_id, host, "patch_level")
    before = []
    for other in earlier:
        found = observations.seen(home, other.run_id, host, "audit")
        if found is not None and isinstance(found.data, dict):
            before.append(found.data)
            if all(_open_or_looked(before, source) for source in _SOURCES):
                break
    return Seen(before, _data(after), _data(level))


def _open_or_looked(audits: Sequence[Mapping[str, Any]], source: str) -> bool:
    return any(
        (each.get("source") or each.get("name")) == source and each.get("status") in ("ok", "skipped")
        for audit in audits
        for each in audit.get("engines") or []
    )


def _data(observation: Any) -> Mapping[str, Any]:
    return observation.data if observation is not None and isinstance(observation.data, dict) else {}


def _fixed_by(home: Path, earlier: Sequence[runs.Run], document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The lines of the run that was undone, under each of the names that it had."""
    names = {document["rollback_of"], document["patch_id"]}
    for other in recorded.patching(list(earlier)):
        told = recorded.of_host(home, other.run_id, document["host"])
        if told is not None and told.get("patch_id") in names:
            names.add(other.run_id)
    return [line for name in sorted(names) for line in _load(runs.folder(home, str(name)) / FILE)]


def _load(path: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(path.read_bytes())
        lines = document["lines"] if document["schema"] == SCHEMA else []
        return [line for line in lines if times.parse(when(line)) and line["host"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
