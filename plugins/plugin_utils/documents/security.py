# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`audits/security.md`: who was not seen, what is pending, what is due, and whether the backups restore. Pure.

The top fits a phone's screen; each line of it has its section below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import clock
from ..findings import SEVERITIES
from ..gates import SIGNS
from ..report import off_host, patching
from ..report.backups import chain_words, proven_words
from . import vulnerabilities
from .failures import told_once
from .markdown import bullets, cell, details, table
from .text import amount, duration, listing, not_known, plural, reboot_words, size

_CAP = 500
_INLINE = 15


def render(report: Mapping[str, Any]) -> str:
    """The document of a report (upkeep.report/1)."""
    sections = (
        _top(report),
        _not_seen(report),
        _failures(report),
        vulnerabilities.sections(report),
        _security(report),
        _pending(report),
        _patch_runs(report),
        _restarts(report),
        _package_managers(report),
        _clocks(report),
        _backups(report),
        _audits(report),
        _gates(report),
    )
    return "\n".join(line for section in sections for line in section) + "\n"


def _top(report: Mapping[str, Any]) -> list[str]:
    run, fleet, figures = report["run"], report["fleet"], report["summary"]
    unseen = [host["name"] for host in report["hosts"] if not host["observed"]]
    first = vulnerabilities.first_words(report)
    scope = f"limited to {cell(run['limit'])}; other hosts are not in here" if run["limit"] else "every targeted host"
    return [
        f"# Security: {cell(report['project'])}",
        "",
        f"{report['generated']}, run {run['run_id']}, {scope}",
        *(["", "**The run was interrupted: it was killed before its end.**"] if run["interrupted"] else []),
        "",
        *bullets(
            [
                ("Not seen", f"{len(unseen)} of {plural(fleet['targeted'], 'host')}" + _names(unseen)),
                ("Verdict", report["verdict"]),
                ("Failed", amount(len(run["failures"]))),
                ("Vulnerabilities", cell(vulnerabilities.words(report))),
                ("Overdue", cell(vulnerabilities.overdue_words(report))),
                *([("Most urgent", cell(first))] if first else []),
                ("Security updates", _security_words(report)),
                ("Other updates", _others_words(figures)),
                *_patched(report),
                ("Reboots", cell(reboot_words(report))),
                ("Services to restart", amount(figures["services_stale"]) + not_known(figures["services_unknown"])),
                ("Backups", f"{amount(figures['backups'])}, {amount(figures['proven_backups'])} proven to restore"),
            ]
        ),
    ]


def _names(names: Sequence[str]) -> str:
    return f": {cell(listing(names, 5))}" if names else ""


def _security_words(report: Mapping[str, Any]) -> str:
    figures = report["summary"]
    if figures["security"] is None:
        return "not known"
    hosts = sum(1 for host in report["hosts"] if host["patch"]["security"])
    words = f"{amount(figures['security'])} on {plural(hosts, 'host')}"
    counts = _severities(report)
    known = [f"{counts[severity]} {severity}" for severity in SEVERITIES[:-1] if counts[severity]]
    if known:
        words += f" ({', '.join(known)})"
    elif figures["security"]:
        words += " (severity not known: no advisory says)"
    return words + not_known(figures["patch_level_unknown"])


def _severities(report: Mapping[str, Any]) -> dict[str, int]:
    counts = dict.fromkeys(SEVERITIES, 0)
    for package in (
        package for host in report["hosts"] for package in host["patch"]["packages"] if package["security"]
    ):
        counts[_severity(package)] += 1
    return counts


def _severity(package: Mapping[str, Any]) -> str:
    """A severity counts only with its source."""
    return package["severity"] if package["severity"] in SEVERITIES and package["severity_source"] else "unknown"


def _others_words(figures: Mapping[str, Any]) -> str:
    if figures["pending"] is None:
        return "not known"
    words = amount(figures["pending"] - figures["security"])
    if figures["blocked"]:
        words += f"; {amount(figures['blocked'])} of all are blocked"
    if figures["stale_metadata_hosts"]:
        words += f"; package lists stale on {plural(figures['stale_metadata_hosts'], 'host')}, more may be pending"
    return words


def _failures(report: Mapping[str, Any]) -> list[str]:
    found = report["run"]["failures"]
    if not found:
        return []
    told = told_once(found)
    rows = [(message, file or "") for message, file in told[:_CAP]]
    return ["", "## Failed in this run", "", *table(("What", "Look into"), rows), *_capped(told)]


def _not_seen(report: Mapping[str, Any]) -> list[str]:
    unseen = [host for host in report["hosts"] if not host["observed"]]
    if not unseen:
        return []
    rows = [(host["name"], host["reason"] or "not looked at", _last_seen(host, report)) for host in unseen[:_CAP]]
    return ["", "## Hosts not seen", "", *table(("Host", "Why", "What is known of it"), rows), *_capped(unseen)]


def _last_seen(host: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    known = [
        f"{phase} {section['status']} {section['finished']}"
        for phase, section in host["phases"].items()
        if section["finished"] and section["status"] != "unknown"
    ]
    known += [
        f"{entry['backup']} {proven_words(entry)}"
        for entry in report["backups"]
        if entry["host"] == host["name"] and entry["proven"]
    ]
    return ", ".join(known) or "nothing"


def _security(report: Mapping[str, Any]) -> list[str]:
    hosts = [host for host in report["hosts"] if host["patch"]["security"]]
    lines = ["", "## Security updates by host"]
    if not hosts:
        known = report["summary"]["security"] is not None
        return [*lines, "", "None pending on the hosts whose patch level is known." if known else "Not known."]
    for host in sorted(hosts, key=_urgency):
        packages = [package for package in host["patch"]["packages"] if package["security"]]
        packages.sort(key=lambda package: (SEVERITIES.index(_severity(package)), str(package["name"])))
        shown = table(
            ("Package", "Installed", "Candidate", "Severity", "Blocked by"),
            (
                (
                    _package_name(package),
                    package["installed"],
                    package["candidate"],
                    _severity(package),
                    _blocked(package),
                )
                for package in packages[:_CAP]
            ),
        )
        title = f"{plural(len(packages), 'security update')}"
        body = shown if len(packages) <= _INLINE else details("Show them", shown)
        lines += ["", f"### {cell(host['name'])}: {title}{_age(host['patch'])}", "", *body, *_capped(packages)]
    return lines


def _urgency(host: Mapping[str, Any]) -> tuple[int, int, str]:
    packages = [package for package in host["patch"]["packages"] if package["security"]]
    worst = min((SEVERITIES.index(_severity(package)) for package in packages), default=len(SEVERITIES))
    return worst, -len(packages), host["name"]


def _age(section: Mapping[str, Any]) -> str:
    """Facts of an earlier run say so."""
    return (
        f" (seen {duration(section['age_s'] * 1000)} ago)"
        if section["carried"] and section["age_s"] is not None
        else ""
    )


def _package_name(package: Mapping[str, Any]) -> str:
    return f"{package['name']}{' (new)' if package['new_dependency'] else ''}"


def _blocked(package: Mapping[str, Any]) -> str:
    if not package["blocked_by"]:
        return ""
    return (
        f"{package['blocked_by']}: {package['blocked_detail']}" if package["blocked_detail"] else package["blocked_by"]
    )


def _pending(report: Mapping[str, Any]) -> list[str]:
    rows, lists = [], []
    for host in report["hosts"]:
        patch = host["patch"]
        figures = [amount(patch[key]) for key in ("security", "pending", "blocked", "installed")]
        rows.append((f"{host['name']}{_age(patch)}", *figures, _count(patch["removals"])))
        others = [package for package in patch["packages"] if not package["security"]]
        if others:
            words = (
                f"{_package_name(each)} {each['installed'] or '-'} → {each['candidate']}" for each in others[:_CAP]
            )
            listed = [f"- {cell(text)}" for text in words] + _capped(others)
            lists += ["", *details(f"{host['name']}: {plural(len(others), 'other update')}", listed)]
    head = ("Host", "Security", "Pending in all", "Blocked", "Installed", "A full upgrade removes")
    return ["", "## Updates by host", "", *table(head, rows), *lists] if rows else []


def _patched(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Nothing on a fleet that was never patched by a run."""
    told = [
        f"{amount(number)} {name.replace('_', ' ')}" for name, number in report["summary"]["patch_outcomes"].items()
    ]
    doubtful = [host["name"] for host in patching.doubtful(report)]
    wrong = f"; **look at {cell(listing(doubtful, 5))}**" if doubtful else ""
    return [("Last patch runs", f"{', '.join(told)}{wrong}")] if told else []


def _patch_runs(report: Mapping[str, Any]) -> list[str]:
    hosts = [host for host in report["hosts"] if host["patch_run"]]
    if not hosts:
        return []
    rows = []
    for host in sorted(hosts, key=lambda host: (host["patch_run"]["next"] is None, host["name"]))[:_CAP]:
        run = host["patch_run"]
        outcome = (run["outcome"] or "interrupted").replace("_", " ")
        told = (run["next"] or {}).get("command") or (run["next"] or {}).get("why")
        rows.append(
            (
                host["name"],
                outcome,
                run["finished"],
                amount(run["changed"]),
                run["last_patched"],
                run["run_id"],
                run["reason"],
                told,
            )
        )
    head = ("Host", "Outcome", "Ended", "Packages changed", "Last patched", "Run", "Why", "Next")
    return ["", "## Last patch run of each host", "", *table(head, rows), *_capped(hosts)]


def _count(found: Sequence[Any] | None) -> str:
    return amount(None if found is None else len(found))


def _restarts(report: Mapping[str, Any]) -> list[str]:
    rows = []
    for host in report["hosts"]:
        patch = host["patch"]
        if patch["reboot_required"]:
            rows.append((host["name"], "reboot", "; ".join(map(str, patch["reboot_reasons"])) or "reason not known"))
        if patch["services_stale"]:
            rows.append((host["name"], "restart", ", ".join(map(str, patch["services_stale"]))))
    return ["", "## Reboots and restarts due", "", *table(("Host", "What", "Why, or which"), rows)] if rows else []


def _package_managers(report: Mapping[str, Any]) -> list[str]:
    rows = [(host["name"], trouble) for host in report["hosts"] for trouble in _troubles(host["patch"])]
    return ["", "## Package managers in trouble", "", *table(("Host", "What"), rows)] if rows else []


def _clocks(report: Mapping[str, Any]) -> list[str]:
    rows = [(host["name"], clock.words(host["clock_skew_s"])) for host in report["hosts"] if host["clock_skew_s"]]
    return ["", "## Clocks that are off", "", *table(("Host", "Its clock is"), rows)] if rows else []


def _troubles(patch: Mapping[str, Any]) -> Iterable[str]:
    if patch["metadata_stale"]:
        yield f"package lists are stale (refreshed {patch['refreshed_at'] or 'never'}): more may be pending"
    yield from map(str, patch["metadata_problems"])
    if patch["security_repository"] is False:
        yield "no security repository is enabled: no security update can be seen, which is not the same as none"
    if patch["interrupted"]:
        yield "the package manager was interrupted and has to be finished by hand"
    if patch["locked_by"]:
        yield f"locked by process {patch['locked_by']} when it was looked at"
    if patch["boot_full"]:
        yield "/boot has no room for another kernel: remove one that is no longer needed"
    if patch["unmet_dependencies"]:
        yield f"unmet dependencies: {listing([str(each) for each in patch['unmet_dependencies']])}"
    if patch["half_configured"]:
        yield f"not configured: {listing([str(package) for package in patch['half_configured']])}"


def _backups(report: Mapping[str, Any]) -> list[str]:
    entries = sorted((entry for entry in report["backups"] if entry["in_scope"]), key=lambda entry: entry["proven"])
    if not entries:
        return ["", "## Backups", "", "None.", *_proof_chain(report["proof_chain"])]
    rows = [
        (
            entry["host"],
            entry["backup"],
            (entry["last_success"] or {}).get("confirmed_at")
            or (entry["last_success"] or {}).get("created")
            or "never",
            proven_words(entry),
            _older((entry["last_success"] or {}).get("history") or {}),
        )
        for entry in entries[:_CAP]
    ]
    return [
        "",
        "## Backups and their proof",
        "",
        *table(("Host", "Set", "Last success", "Proof", "Older archives"), rows),
        *_capped(entries),
        *_off_host(entries),
        *_proof_chain(report["proof_chain"]),
    ]


def _off_host(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where each set's archives are besides their host; nothing where none leaves it."""
    rows = [
        (entry["host"], entry["backup"], off_host.vault_words(entry), off_host.copies_words(entry))
        for entry in entries
        if entry["vault"] or entry["copies"]
    ]
    if not rows:
        return []
    return ["", *table(("Host", "Set", "In the vault", "Copies"), rows[:_CAP]), *_capped(rows)]


def _older(history: Mapping[str, Any]) -> str:
    return f"{amount(history['archives'])}, {size(history['bytes'])}" if history.get("archives") else "none"


def _proof_chain(chain: Mapping[str, Any]) -> list[str]:
    """The chain shows a lost or altered proof; it does not stop someone who can rewrite all of them."""
    told = [f"- {cell(problem)}" for problem in chain["problems"][:_CAP]]
    listed = ["", *told, *_capped(chain["problems"])] if told else []
    return ["", f"Proofs: {chain_words(chain)}.", *listed]


def _audits(report: Mapping[str, Any]) -> list[str]:
    rows = []
    for host in report["hosts"]:
        audit = host["audit"]
        engines = ", ".join(f"{engine.get('name')} {engine.get('status')}" for engine in audit["engines"]) or "none"
        rows.append(
            (
                f"{host['name']}{_age(audit)}",
                audit["status"] or "never",
                amount(audit["findings"]),
                engines,
                audit["reason"],
            )
        )
    head = ("Host", "Audit", "Findings", "Engines", "Why")
    return ["", "## Who was audited", "", *table(head, rows)] if rows else []


def _gates(report: Mapping[str, Any]) -> list[str]:
    rows = [
        (
            gate["id"],
            "-" if gate["observed"] is None else f"{gate['observed']}",
            f"{SIGNS[gate['op']]} {gate['value']:g}",
            gate["status"],
            gate["owner"],
            gate["reason"],
        )
        for gate in report["gates"]
    ]
    return ["", "## Gates", "", *table(("Gate", "Observed", "Wanted", "Status", "Owner", "Why"), rows)] if rows else []


def _capped(items: Sequence[Any]) -> list[str]:
    return ["", f"and {amount(len(items) - _CAP)} more, in reports/report.json"] if len(items) > _CAP else []
