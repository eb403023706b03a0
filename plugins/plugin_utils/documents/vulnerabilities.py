# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The vulnerabilities of `audits/security.md`: the most urgent first, with the command that fixes each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times

from ..advisories.severity import ORDER
from ..report.vulnerabilities import by_host
from .markdown import cell, details, table
from .text import amount, duration, listing, plural, printable

_CAP = 500  # rows of a table
# A large fleet's document stays one that a browser opens: the most urgent of the most urgent hosts.
_HOSTS, _OWN = 200, 30
_FIRST = 15  # shown without unfolding
_CVES = 4


def words(report: Mapping[str, Any]) -> str:
    """`3 critical (2 fixable), 12 high; 1 known to be exploited`, and of how many hosts that is not known."""
    section = report["vulnerabilities"]
    if section["source"] is None:
        return _unknown_words(report, "vulnerabilities.critical")
    known = section["known"]
    told = [
        f"{amount(known[name])} {'of unknown severity' if name == 'unknown' else name}"
        + (f" ({amount(known['fixable'][name])} fixable)" if name in ("critical", "high") else "")
        for name in ORDER
        if known[name]
    ]
    text = ", ".join(told) or "none"
    if known["kev"]:
        text += f"; {amount(known['kev'])} known to be exploited"
    if section["hosts_unknown"]:
        text += f"; not known of {plural(section['hosts_unknown'], 'host')}, so there may be more"
    return text


def overdue_words(report: Mapping[str, Any]) -> str:
    """How many findings are late, and how many soon will be."""
    late, soon = report["sla"]["breached"], report["sla"]["due_soon"]
    if late is None and soon is None:
        return _unknown_words(report, "sla.breached")
    text = f"{'?' if late is None else amount(late)} overdue"
    return text + (f", {amount(soon)} due soon" if soon else "")


def _unknown_words(report: Mapping[str, Any], figure: str) -> str:
    because = printable(report["unknown_because"].get(figure) or "nothing tells")
    return because if because.startswith("not known") else f"not known: {because}"


def first_words(report: Mapping[str, Any]) -> str | None:
    """The most urgent one, in a line; None where there is none."""
    group = next(iter(report["vulnerabilities"]["groups"]), None)
    if group is None:
        return None
    due = f", due {group['due']}" if group["due"] else ""
    return f"{printable(group['title'])} ({group['severity']}{due}) on {plural(group['hosts'], 'host')}"


def sections(report: Mapping[str, Any]) -> list[str]:
    """Fleet-wide, by host, who could not be looked at, what is deferred, and how old the feeds are."""
    now = times.parse(report["generated"])
    section = report["vulnerabilities"]
    return [
        *_fleet(section["groups"], now),
        *_hosts(section, now),
        *_unknown(section["unknown_hosts"] if section["source"] else []),
        *_deferred(section),
        *_feeds(section["index"], now),
    ]


def _fleet(groups: Sequence[Mapping[str, Any]], now: datetime) -> list[str]:
    if not groups:
        return []
    head = ("What", "Severity", "CVEs", "Open for", "Due", "Hosts", "What to do")
    rows = [_row(group, group["where"], now) for group in groups[:_CAP]]
    lines = ["", "## Vulnerabilities, the most urgent first", "", *table(head, rows[:_FIRST])]
    if rows[_FIRST:]:
        lines += ["", *details(f"and {amount(len(rows) - _FIRST)} more", table(head, rows[_FIRST:]))]
    return lines + _capped(groups)


def _row(group: Mapping[str, Any], ways: Sequence[Mapping[str, Any]], now: datetime) -> tuple[str, ...]:
    hosts = [host for way in ways for host in way["hosts"]]
    return (
        _what(group), _severity(group), _cves(group["cves"]), _age(group["first_seen"], now),
        _due(group["due"], group["sla_state"]), f"{len(hosts)}: {listing(hosts, 3)}", _to_do(group, ways),
    )  # fmt: skip


def _hosts(section: Mapping[str, Any], now: datetime) -> list[str]:
    found = by_host(section["groups"])
    lines = ["", "## Vulnerabilities by host"] if found else []
    # A host's first group is its most urgent one: the hosts come in the order of these.
    for host in list(found)[:_HOSTS]:
        own = found[host]
        head = ("What", "Severity", "CVEs", "Open for", "Due", "What to do")
        rows = [
            (_what(group), _severity(group), _cves(group["cves"]), _age(way["first_seen"], now),
             _due(way["due"], way["sla_state"]), _to_do(group, [way]))
            for group, way in own[:_OWN]
        ]  # fmt: skip
        late = sum(1 for _group, way in own if way["sla_state"] == "breached")
        title = f"{host}: {plural(len(own), 'finding')}" + (f", {amount(late)} overdue" if late else "")
        lines += ["", *details(title, [*table(head, rows), *_capped(own, _OWN)])]
    return lines + _capped(list(found), _HOSTS)


def _unknown(hosts: Sequence[Mapping[str, Any]]) -> list[str]:
    if not hosts:
        return []
    rows = [(each["host"], each["reason"]) for each in hosts[:_CAP]]
    head = ["", "## Hosts whose vulnerabilities are not known", ""]
    return [*head, *table(("Host", "Why"), rows), *_capped(hosts)]


def _deferred(section: Mapping[str, Any]) -> list[str]:
    known = section["known"]
    if not known["deferred"]:
        return []
    rows = [(reason, amount(count)) for reason, count in known["deferred_by"].items()]
    exploited = known["deferred_kev"]
    told = ["", f"**Of these, known to be exploited: {cell(listing(exploited))}.**"] if exploited else []
    return ["", "## Deferred by the vendor", "", *table(("The vendor says", "Vulnerabilities"), rows), *told]


def _feeds(index: Mapping[str, Any] | None, now: datetime) -> list[str]:
    if index is None:
        return []
    rows = [
        (
            each["title"] or each["name"],
            _age(each["checked_at"] or each["fetched_at"], now),
            "stale" if each["stale"] else "",
            each["error"] or each.get("lacking") or "",
        )
        for each in index["sources"]
    ]
    return ["", "## Advisory sources", "", *table(("Source", "Last heard of", "", "Trouble"), rows)]


def _what(group: Mapping[str, Any]) -> str:
    return f"{group['subject']}: {group['check_id']}"


def _severity(group: Mapping[str, Any]) -> str:
    """`critical (CVSS 9.8)`: a severity is worth what its source is."""
    return f"{group['severity']} ({group['severity_source']})" if group["severity_source"] else group["severity"]


def _cves(cves: Sequence[Mapping[str, Any]]) -> str:
    told = [
        each["id"]
        + (" (exploited)" if each["kev"] else f" (EPSS {100 * each['epss']:.1f} %)" if each["epss"] is not None else "")
        for each in cves[:_CVES]
    ]
    return ", ".join(told) + (f" and {amount(len(cves) - _CVES)} more" if len(cves) > _CVES else "")


def _age(since: str | None, now: datetime) -> str:
    if since is None:
        return "?"
    seconds = (now - times.parse(since)).total_seconds()
    return duration(seconds * 1000) if seconds > 0 else "new"


def _due(due: str | None, state: str | None) -> str:
    return f"{due or 'no due time'}{' OVERDUE' if state == 'breached' else ''}"


def _to_do(group: Mapping[str, Any], ways: Iterable[Mapping[str, Any]]) -> str:
    """The commands that fix it, and what is in their way."""
    if group["kind"] == "unfixed":
        return "no fix yet"
    told: dict[str, int] = {}
    for way in ways:
        blocked = f"{way['blocked_by']}: {way['blocked_detail']}" if way["blocked_by"] else way["blocked_detail"]
        text = "; ".join(part for part in (way["command"], blocked) if part) or "?"
        told[text] = told.get(text, 0) + len(way["hosts"])
    if len(told) == 1:
        return next(iter(told))
    most = sorted(told.items(), key=lambda pair: (-pair[1], pair[0]))
    return ". ".join(f"On {amount(hosts)}: {text}" for text, hosts in most[:2]) + (
        f". On {amount(sum(hosts for _text, hosts in most[2:]))}: see the hosts" if most[2:] else ""
    )


def _capped(items: Sequence[Any], cap: int = _CAP) -> list[str]:
    return ["", f"and {amount(len(items) - cap)} more, in reports/report.json"] if len(items) > cap else []
