# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report's view of the vulnerabilities: each once for the whole fleet, with the hosts that have it.

A figure counts vulnerabilities (CVEs), not hosts; one that is fixable here and unfixed there counts in both, and once
in the whole. It is null unless every targeted host is known; `known` has what the others have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from .. import sla
from ..advisories import engine as advisories
from ..advisories import health, severity
from ..advisories.findings import SOURCE
from .gather import Gathered

_KINDS = ("fixable", "unfixed")
_STATES = ("breached", "due_soon", "ok", None)
_SHOWN = 3
# What of the evidence is the same on many hosts, and with the times makes one entry of `where`.
_WAY = ("command", "pending", "blocked_by", "blocked_detail")
_GROUP = ("check_id", "subject", "release", "kind")


def vulnerability_section(gathered: Gathered, now: datetime) -> tuple[dict[str, Any], dict[str, str]]:
    """(`vulnerabilities` of the report, why a figure of it is unknown)."""
    engines = {host: _engine(data) for host, data in _audits(gathered)}
    unknown = [{"host": host, "reason": reason} for host in engines if (reason := _why_unknown(engines[host], now))]
    groups = _groups(audited_findings(gathered), now)
    known = {**_figures(groups), **_deferred(engine for engine in engines.values() if engine)}
    is_known = bool(engines) and not unknown
    section = {
        **(known if is_known else _nothing(known)),
        "known": known,
        "source": advisories.NAME if any(_looked(engine) for engine in engines.values()) else None,
        "hosts_unknown": len(unknown),
        "unknown_hosts": unknown,
        "index": _index(engines.values(), now),
        "groups": groups,
    }
    return section, {} if is_known else {"vulnerabilities.critical": _because(unknown, len(engines))}


def sla_section(
    gathered: Gathered, hosts: Sequence[Mapping[str, Any]], now: datetime
) -> tuple[dict[str, Any], dict[str, str]]:
    """(`sla` of the report, why it is unknown). What is late is late, whatever else is not known."""
    counts = dict.fromkeys(_STATES, 0)
    undated = 0
    for _host, finding in audited_findings(gathered):
        counts[sla.state(finding, now)] += 1
        undated += finding.get("due") is None and sla.term(finding) is not None
    doubtful = [host["name"] for host in hosts if host["audit"]["status"] != "ok" or host["patch"]["metadata_stale"]]
    is_known = bool(hosts) and not doubtful and not undated
    told = {state: counts[state] if is_known or counts[state] else None for state in ("breached", "due_soon")}
    if is_known:
        return told, {}
    why = (
        f"not known of {len(doubtful)} of {len(hosts)} hosts, which were not audited completely or have stale package "
        f"lists: {', '.join(doubtful[:_SHOWN])}"
        if doubtful or not hosts
        else f"since when {undated} findings are open was not recorded"
    )
    return told, {f"sla.{state}": why for state, count in told.items() if count is None}


def audited_findings(gathered: Gathered) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(host, finding) of every audit."""
    for host, data in _audits(gathered):
        for finding in data.get("findings") or []:
            yield host, finding


def by_host(groups: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]]:
    """host -> its groups, each with the entry of `where` that the host is in; in the order of the groups."""
    found: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
    for group in groups:
        for way in group["where"]:
            for host in way["hosts"]:
                found.setdefault(host, []).append((group, way))
    return found


def add_to_hosts(hosts: Iterable[dict[str, Any]], section: Mapping[str, Any]) -> None:
    """Each host's own figures, as `vulnerabilities`: null where they are not known, and why."""
    unknown = {each["host"]: each["reason"] for each in section["unknown_hosts"]}
    found = by_host(section["groups"])
    for host in hosts:
        own = found.get(host["name"], [])
        figures: dict[str, Any] = _figures([group for group, _way in own])
        figures["overdue"] = sum(1 for _group, way in own if way["sla_state"] == "breached")
        reason = unknown.get(host["name"])
        told = _nothing(figures) if reason else figures
        host["vulnerabilities"] = {"status": "unknown" if reason else "ok", "reason": reason, **told}


def _audits(gathered: Gathered) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for host, phases in gathered.by_host.items():
        seen = phases["audit"].observation
        yield host, seen.data if seen is not None and isinstance(seen.data, dict) else {}


def _engine(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((each for each in data.get("engines") or [] if each.get("name") == advisories.NAME), None)


def _looked(engine: Mapping[str, Any] | None) -> bool:
    return engine is not None and engine.get("status") != "skipped"


def _why_unknown(engine: Mapping[str, Any] | None, now: datetime) -> str | None:
    if engine is None:
        return "it was not audited by the advisory index"
    if engine.get("status") != "ok":
        return str(engine.get("reason") or "no answer")
    # What was current when the host was audited may not be so any more.
    index = engine.get("index") or {}
    return "; ".join(health.problems(health.restored(index.get("sources") or []), engine.get("release"), now)) or None


def _because(unknown: Sequence[Mapping[str, str]], hosts: int) -> str:
    reasons = {each["reason"] for each in unknown}
    if len(reasons) == 1 and len(unknown) == hosts:
        return reasons.pop()
    told = "; ".join(f"{each['host']}: {each['reason']}" for each in unknown[:_SHOWN])
    return f"not known of {len(unknown)} of {hosts} hosts" + (f": {told}" if told else "")


def _groups(found: Iterable[tuple[str, Mapping[str, Any]]], now: datetime) -> list[dict[str, Any]]:
    """The findings of all hosts by what fixes them, the most urgent first."""
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for host, finding in found:
        if finding.get("source") != SOURCE:
            continue
        key = tuple(str(finding.get(name)) for name in _GROUP)
        if key not in groups:
            groups[key] = _new_group(finding)
        _add(groups[key], host, finding, now)
    return sorted((_closed(group) for group in groups.values()), key=urgency)


def _new_group(finding: Mapping[str, Any]) -> dict[str, Any]:
    evidence = finding["evidence"][0]
    return {
        **{name: finding.get(name) for name in (*_GROUP, "title", "owner")},
        **{name: evidence.get(name) for name in ("fixed", "advisory", "advisory_published")},
        "cves": {},
        "where": {},
    }


def _add(group: dict[str, Any], host: str, finding: Mapping[str, Any], now: datetime) -> None:
    evidence = finding["evidence"][0]
    for cve in evidence.get("cves") or []:
        # Hosts that were audited at different times may rate it differently: the worst that anybody knows of it.
        known = group["cves"].setdefault(cve["id"], cve)
        if _weight(cve) < _weight(known):
            group["cves"][cve["id"]] = cve
    way = {
        "first_seen": finding.get("first_seen"), "due": finding.get("due"), "sla_state": sla.state(finding, now),
        **{name: evidence.get(name) for name in _WAY},
    }  # fmt: skip
    group["where"].setdefault(json.dumps(way, sort_keys=True), {**way, "hosts": []})["hosts"].append(host)


def _weight(cve: Mapping[str, Any]) -> tuple[Any, ...]:
    return severity.rank(cve["severity"]), not cve["kev"], -(cve["epss"] or 0)


def _closed(group: dict[str, Any]) -> dict[str, Any]:
    where = sorted(group["where"].values(), key=lambda way: (way["due"] or "9", str(way["command"])))
    cves = sorted(
        group["cves"].values(), key=lambda cve: (severity.rank(cve["severity"]), -(cve["epss"] or 0), cve["id"])
    )
    worst, said_by = severity.worst((cve["severity"], cve["severity_source"]) for cve in cves)
    return {
        **group,
        "severity": worst,
        "severity_source": said_by,
        "kev": any(cve["kev"] for cve in cves),
        "first_seen": min((way["first_seen"] for way in where if way["first_seen"]), default=None),
        "due": min((way["due"] for way in where if way["due"]), default=None),
        "sla_state": min((way["sla_state"] for way in where), key=_STATES.index),
        "hosts": sum(len(way["hosts"]) for way in where),
        "cves": cves,
        "where": where,
    }


def urgency(group: Mapping[str, Any]) -> tuple[Any, ...]:
    """Overdue first, then what is exploited, then the worst, then what is due first, then the likeliest (EPSS)."""
    return (
        group["sla_state"] != "breached", not group["kev"], severity.rank(group["severity"]), group["due"] or "9",
        -max((cve["epss"] or 0 for cve in group["cves"]), default=0),
        group["kind"], group["subject"], group["check_id"], group["release"] or "",
    )  # fmt: skip


def _figures(groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    by_kind = {kind: _by_severity(group for group in groups if group["kind"] == kind) for kind in _KINDS}
    exploited = {cve["id"] for group in groups for cve in group["cves"] if cve["kev"]}
    return {**_by_severity(groups), **by_kind, "kev": len(exploited)}


def _by_severity(groups: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    worst: dict[str, int] = {}
    for group in groups:
        for cve in group["cves"]:
            rank = severity.rank(cve["severity"])
            worst[cve["id"]] = min(rank, worst.get(cve["id"], rank))
    ranks = list(worst.values())
    return {name: ranks.count(rank) for rank, name in enumerate(severity.ORDER)}


def _deferred(engines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    by_reason: dict[str, set[str]] = {}
    exploited: set[str] = set()
    for engine in engines:
        for each in engine.get("deferred") or []:
            by_reason.setdefault(each["reason"], set()).update(each["cves"])
            exploited.update(each["kev"])
    return {
        "deferred": len(set().union(*by_reason.values())),
        "deferred_by": {reason: len(ids) for reason, ids in sorted(by_reason.items())},
        "deferred_kev": sorted(exploited),
    }


def _nothing(known: Mapping[str, Any]) -> dict[str, Any]:
    """The same figures, none of them known."""
    return {
        name: dict.fromkeys(value) if name in _KINDS else None if name != "deferred_kev" else value
        for name, value in known.items()
    }


def _index(engines: Iterable[Mapping[str, Any] | None], now: datetime) -> dict[str, Any] | None:
    """The index by which the hosts were audited: the last one, where they differ."""
    seen = [engine["index"] for engine in engines if engine and engine.get("index")]
    if not seen:
        return None
    last = max(seen, key=lambda index: (index.get("generated") or "", str(index.get("generation"))))
    return {**last, "sources": health.state(health.restored(last["sources"]), now)}
