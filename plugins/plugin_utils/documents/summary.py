# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a run on the screen: what was done, what is pending, what failed and where to look. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import clock
from ..gates import SIGNS
from ..observation import CONTACT
from ..outcome import is_of_hash
from ..report import off_host, patching
from ..report.backups import chain_words, proven_words
from . import vulnerabilities
from .failures import told_once
from .proof import entry_text
from .text import amount, listing, not_known, plural, printable, reboot_words, table

RESTORE_FAILED = "Restore FAILED"
_SHOWN = 20
_ENTRIES = 10
_SPOILED = (("missing_files", "missing"), ("corrupt_files", "corrupt"), ("metadata_mismatches", "other metadata"))


def summary(report: Mapping[str, Any], files: Sequence[str] = ()) -> list[str]:
    """The lines of the summary, without the gates; `files` are documents to look into, relative to `upkeep_home`."""
    run, fleet = report["run"], report["fleet"]
    head = f"Upkeep: {report['project']}, run {run['run_id']}"
    if run["interrupted"]:
        head += " (INTERRUPTED: it was killed before its end)"
    hosts = f"{amount(fleet['observed'])} of {plural(fleet['targeted'], 'host')} observed"
    if run["phases"] and not set(run["phases"]) & set(CONTACT):
        hosts += ", none contacted in this run: by what was recorded before"
    if run["limit"]:
        hosts += f", limited to {printable(run['limit'])}"
    return [
        "",
        head,
        *table(
            [
                ("hosts", hosts),
                *_clocks(report),
                *_backups(report),
                *_vault(report),
                *_proofs(report),
                *_patches(report),
                *_patch_runs(report),
                *_vulnerabilities(report),
                *(("see", file) for file in files),
            ]
        ),
        *failures(run["failures"]),
    ]


def _clocks(report: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    wrong = [host for host in report["hosts"] if host["clock_skew_s"]]
    for host in wrong[:_SHOWN]:
        yield "clocks", f"{printable(host['name'])}: {clock.words(host['clock_skew_s'])}"
    if len(wrong) > _SHOWN:
        yield "", f"and {amount(len(wrong) - _SHOWN)} more"


def _backups(report: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    entries = [entry for entry in report["backups"] if entry["in_scope"]]
    if not entries:
        yield "backups", "none yet"
        return
    proven = sum(1 for entry in entries if entry["proven"])
    yield "backups", f"{plural(len(entries), 'set')}, {amount(proven)} proven to restore"
    doubtful = [entry for entry in entries if not entry["proven"] or entry["problems"]]
    for entry in doubtful[:_SHOWN]:
        yield "", f"{printable(entry['host'])} {printable(entry['backup'])}: {printable(proven_words(entry))}"
    if len(doubtful) > _SHOWN:
        yield "", f"and {amount(len(doubtful) - _SHOWN)} more"


def _vault(report: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    told = off_host.words([entry for entry in report["backups"] if entry["in_scope"]])
    if told:
        yield "vault", told


def _proofs(report: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    chain = report["proof_chain"]
    if chain["proofs"] or chain["problems"]:
        yield "proofs", chain_words(chain)


def _patches(report: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    figures = report["summary"]
    if figures["pending"] is None:
        yield "updates", "not known"
        return
    updates = f"{amount(figures['pending'])} pending, {amount(figures['security'])} of them security"
    if figures["blocked"]:
        updates += f", {amount(figures['blocked'])} blocked"
    yield "updates", updates + not_known(figures["patch_level_unknown"])
    if figures["stale_metadata_hosts"]:
        yield "", f"package lists are stale on {plural(figures['stale_metadata_hosts'], 'host')}: more may be pending"
    yield "reboots", reboot_words(report)
    services = [f"{host['name']}: {unit}" for host in report["hosts"] for unit in host["patch"]["services_stale"] or []]
    if services:
        yield "restart", listing(services)


def _patch_runs(report: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What the run at hand patched, and every host whose last patch run did not go well."""
    own = [host for host in report["hosts"] if (host["patch_run"] or {}).get("run_id") == report["run"]["run_id"]]
    doubtful = patching.doubtful(report)
    patched = sum(1 for host in own if host["patch_run"]["outcome"] == "patched")
    if own:
        yield "patched", f"{amount(patched)} of {plural(len(own), 'host')} in this run"
    for number, host in enumerate(doubtful[:_SHOWN]):
        yield "patched" if not own and not number else "", patching.words(host)
    if len(doubtful) > _SHOWN:
        yield "", f"and {amount(len(doubtful) - _SHOWN)} more"


def _vulnerabilities(report: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if report["vulnerabilities"]["source"] is not None:
        yield "vulns", vulnerabilities.words(report)
        first = vulnerabilities.first_words(report)
        if first:
            yield "", f"most urgent: {first}"
    if report["sla"]["breached"] or report["sla"]["due_soon"]:
        yield "due", vulnerabilities.overdue_words(report)


def failures(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """What failed or was not seen, each with the file to look into."""
    if not found:
        return []
    told = told_once(found)
    lines = ["", "Failed:"]
    for message, file in told[:_SHOWN]:
        lines.append(f"  {printable(message)}")
        if file:
            lines.append(f"    look into {file}")
    if len(told) > _SHOWN:
        lines.append(f"  and {amount(len(told) - _SHOWN)} more")
    return lines


def gate_table(report: Mapping[str, Any]) -> list[str]:
    """Gate, observed, wanted, status, owner; then why those that did not pass did not."""
    if not report["gates"]:
        return []
    rows = [("GATE", "OBSERVED", "WANTED", "STATUS", "OWNER")]
    for gate in report["gates"]:
        observed = "-" if gate["observed"] is None else printable(gate["observed"])
        wanted = f"{SIGNS[gate['op']]} {gate['value']:g}"
        rows.append((printable(gate["id"]), observed, wanted, gate["status"], printable(gate["owner"] or "-")))
    reasons = [(printable(gate["id"]), printable(gate["reason"])) for gate in report["gates"] if gate["reason"]]
    return ["", *table(rows), *(["", *table(reasons)] if reasons else [])]


def restore_verdict(drills: Sequence[Mapping[str, Any]]) -> list[str]:
    """`Restore OK` alone on its line if every drill is ok and there is one; else `Restore FAILED` and why.

    `drills`: `{host, set, status, reason, data}`, the skipped ones too.
    """
    ran = [drill for drill in drills if drill["status"] != "skipped"]
    bad = [drill for drill in ran if drill["status"] != "ok"]
    if ran and not bad:
        hashed = [drill for drill in ran if is_of_hash(drill["data"] or {})]
        if len(hashed) == len(ran):
            return ["Hash OK (no restore was tried)"]
        where = listing([f"{drill['host']} {drill['set']}" for drill in hashed])
        return ["Restore OK", *([f"  but of the hash alone, with no restore tried: {where}"] if hashed else [])]
    lines = [RESTORE_FAILED]
    if not ran:
        lines.append("  nothing was restored, so nothing is proven")
    for drill in bad:
        where = " ".join(printable(text) for text in (drill["host"], drill["set"]) if text)
        lines.append(f"  {where}: {printable(drill['reason'])}")
        lines += _spoiled(drill["data"] or {})
    return lines


def _spoiled(data: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, word in _SPOILED:
        entries = data.get(key) or []
        lines += [f"    {word}: {entry_text(entry)}" for entry in entries[:_ENTRIES]]
        if len(entries) > _ENTRIES:
            lines.append(f"    {word}: and {amount(len(entries) - _ENTRIES)} more")
    return lines
