# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A restore proof for an auditor to read, ending in its own sha256.

What it tells follows what auditors ask for (NIST SP 800-53 CP-9(1), CP-9(2); ISO/IEC 27001 A.8.13; SOC 2 A1.2, A1.3):
the identity of the test, the backup and the hosts, the scope, what was compared and what was not, RPO and RTO against
their targets, the verdict and its exceptions, and who ran it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from .. import clock, targets
from ..outcome import entries, is_of_hash
from .text import amount, called, databases, duration, printable, size

_CHAIN_NOTE = """\
This proof names the one before it, so a lost or altered proof shows when the chain is checked. The chain does not stop
someone who can rewrite every proof: keep the last line of it where they cannot."""
_SIGNED = "by an SSH key, in the .sig files beside this text and its record (ssh-keygen -Y verify -n upkeep-proof)"
_OWN = "sha256 of the text above: "
_RECORD = "sha256 of the record:     "
_SHOWN = 50
_HASH_VERDICT = "PASSED at level hash: the archive file is what was written. That it restores is NOT proven by this"
_DRIFT_VERDICT = "FAILED: it restored as it should, but the live files are no longer what was backed up (drift)"
_VERDICTS = {
    "ok": "PASSED: every entry in scope was restored and is what the manifest says",
    "incomplete": "INCOMPLETE: what was compared is right, but not all was compared",
    "failed": "FAILED: the backup did not restore as it should",
}


def text(document: dict[str, Any], record: str, record_sha256: str) -> str:
    """`document` (upkeep.restore/1) as text; `record` is the name of its JSON file, `record_sha256` that file's."""
    body = "\n".join(
        [
            *_head(document),
            *_scope(document),
            *_sealed(document),
            *_measured(document),
            *_verdict(document),
            *_chain(document, record),
        ]
    )
    body = f"{body}\n{_RECORD}{record_sha256}\n"
    return f"{body}{_OWN}{_sha256(body)}\n"


def is_intact(content: str, record_sha256: str | None) -> bool:
    """Whether `content` still ends in its own sha256 and names its record's."""
    return is_own(content) and content.rpartition(_OWN)[0].endswith(f"{_RECORD}{record_sha256}\n")


def is_own(content: str) -> bool:
    """Whether `content` still ends in its own sha256, whatever became of its record."""
    body, found, own = content.rpartition(_OWN)
    return bool(found) and own == f"{_sha256(body)}\n"


def _sha256(body: str) -> str:
    return hashlib.sha256(body.encode("utf-8", "surrogateescape")).hexdigest()


def _head(document: dict[str, Any]) -> list[str]:
    ran_by = document.get("ran_by") or {}
    tool = document.get("tool") or {}
    of_hash = " OF THE HASH ALONE" if is_of_hash(document) else ""
    return [
        f"RESTORE PROOF  {document.get('status', 'failed').upper()}{of_hash}",
        "",
        _row("Project", document.get("project")),
        _row("Backup of", f"{document.get('host')}, set {document.get('backup')}"),
        _row("Asset", document.get("asset")),
        _row("Restored on", _machine(document.get("restored_on") or {}, document.get("host"))),
        *([_row("Archive from", _machine(document["restored_from"], None))] if document.get("restored_from") else []),
        *_taken(document.get("restored_from") or {}),
        _row("Archive", document.get("archive")),
        _row("Archive sha256", document.get("archive_sha256")),
        _row("Archive created", document.get("archive_created")),
        _row("Drill started", document.get("started")),
        _row("Drill finished", document.get("finished")),
        *_clock(document),
        _row("Run", document.get("run_id")),
        _row("Ran by", f"{ran_by.get('user') or 'unknown'} on {ran_by.get('controller') or 'unknown'}"),
        _row("Tool", ", ".join(f"{name} {version}" for name, version in tool.items())),
    ]


def _taken(machine: dict[str, Any]) -> list[str]:
    """From where it was brought, if not from the machine itself."""
    place = machine.get("taken_from")
    return [_row("Taken from", "the vault" if place == "vault" else f"the copy {place}")] if place else []


def _clock(document: dict[str, Any]) -> list[str]:
    rows = []
    if document.get("clock_skew_s"):
        told = f"the host's is {clock.words(document['clock_skew_s'])}; the drill's times are the controller's"
        rows.append(_row("Clock", told))
    if document.get("created_clock_skew_s"):
        told = f"the host's was {clock.words(document['created_clock_skew_s'])} when the archive was created"
        rows.append(_row("Clock", told))
    return rows


def _scope(document: dict[str, Any]) -> list[str]:
    scope = document.get("scope") or {}
    sample = scope.get("sample")
    paths = scope.get("paths")
    return [
        "",
        "WHAT WAS COMPARED",
        _row("Mode", scope.get("mode")),
        *_levels(document),
        _row("Paths", ", ".join(map(str, paths)) if paths else "all"),
        _row("Sample", _sample(sample) if isinstance(sample, dict) else "none, all entries"),
        _row(
            "Coverage",
            None if scope.get("coverage_pct") is None else f"{scope['coverage_pct']} % of the archive's entries",
        ),
        _row(
            "Entries",
            "{} verified of {} expected".format(*map(amount, entries(document))),
        ),
        _row("Bytes", size(document.get("bytes_verified"))),
        *_checks(document.get("checks") or []),
        *_dumps(document.get("dumps") or []),
        "",
        "WHAT WAS NOT",
        *_left_out(document),
    ]


def _levels(document: dict[str, Any]) -> list[str]:
    asked = (document.get("scope") or {}).get("level")
    if asked is None:
        return []
    return [_row("Level asked", asked), _row("Level reached", document.get("level_reached") or "none")]


def _sample(sample: dict[str, Any]) -> str:
    how = {"evidence": ", the one that was proven least recently", "hand": ", as it was told"}
    of = f"part {sample.get('part')} of {sample.get('of')}"
    return f"{of} by the hash of each path{how.get(str(sample.get('chosen_by')), '')}"


def _sealed(document: dict[str, Any]) -> list[str]:
    """Which key opened it; a key that this drill did not hold may be lost for all that it shows."""
    sealed = document.get("sealed")
    if not isinstance(sealed, dict):
        return []
    opened_with = sealed.get("opened_with")
    others = [key for key in sealed.get("recipients") or [] if key != opened_with]
    return [
        "",
        "ENCRYPTION",
        _row("Encrypted with", sealed.get("program")),
        _row("Opened with", f"the escrowed key of {opened_with}"),
        *(f"  not shown to open it: {printable(key)}" for key in others[:_SHOWN]),
    ]


def _left_out(document: dict[str, Any]) -> list[str]:
    lines = _listed(document.get("not_proven") or [], "not proven")
    lines += _listed(document.get("not_checked") or [], "not checked")
    return lines or ["  the drill names nothing that it left out"]


def _machine(machine: dict[str, Any], host: Any) -> str | None:
    """`drill1 (nodename drill1, machine id 0123…)`, as far as it is known."""
    named = machine.get("host") or host
    known = [("nodename", machine.get("nodename")), ("machine id", machine.get("machine_id"))]
    told = ", ".join(f"{what} {value}" for what, value in known if value)
    return f"{named} ({told})" if named and told else told or (str(named) if named else None)


def _checks(checks: list[Any]) -> list[str]:
    rows = []
    for check in checks:
        if isinstance(check, dict):
            verdict = "passed" if check.get("ok") else f"FAILED, rc {check.get('rc')}"
            rows.append(_row("Check", f"{check.get('name')}: {verdict}"))
    return rows


_LOADED = {"loaded": "loaded", "failed": "NOT LOADED", "not_checked": "not tested", "not_wanted": "not tested"}


def _dumps(dumps: list[Any]) -> list[str]:
    """Each database that was loaded into a scratch server, with what it held there."""
    rows = []
    for dump in dumps:
        if isinstance(dump, dict):
            told = _LOADED.get(str(dump.get("status")), "not tested")
            counted = databases([dump])
            if counted:
                told += f", {counted}, {amount(dump.get('rows_expected'))} rows dumped"
            if dump.get("why"):
                told += f": {dump['why']}"
            rows.append(_row("Dump", f"{called(dump)}: {told}"))
    return rows


def _measured(document: dict[str, Any]) -> list[str]:
    rpo = _against(document.get("rpo_ms"), document.get("rpo_target_ms"))
    if document.get("created_clock_skew_s"):
        rpo = "not known, the clock was off by which the archive says when it was created"
    rto = _against(document.get("duration_ms"), document.get("rto_target_ms"))
    if document.get("rto_target_ms") is not None and targets.rto_met(document) is None:
        rto = f"{rto.rpartition(':')[0]}: not known, less than a whole extraction took that long"
    if document.get("status") != "ok":
        # Whatever time it took, it did not bring everything back.
        rto = "not measured, the drill did not succeed"
    return [
        "",
        "MEASURED",
        _row("RPO", f"{rpo}  (age of the archive at the drill)"),
        _row("RTO", f"{rto}  (time that the restore took)"),
    ]


def _against(measured: Any, target: Any) -> str:
    if not isinstance(measured, (int, float)):
        return "not measured"
    if not isinstance(target, (int, float)):
        return f"{duration(measured)}, no target set"
    return f"{duration(measured)}, target {duration(target)}: {'met' if measured <= target else 'MISSED'}"


def _verdict(document: dict[str, Any]) -> list[str]:
    failures = [each for each in document.get("failures") or [] if isinstance(each, dict)]
    codes = {each.get("error_code") for each in failures}
    verified, expected = entries(document)
    # What restored well and differs from the live files is no damage of the backup: it must not read like it.
    whose = "live files, " if "drift_found" in codes and verified == expected else ""
    exceptions = [
        line
        for key, word in (
            ("missing_files", "missing"),
            ("corrupt_files", "corrupt"),
            ("metadata_mismatches", "other metadata"),
            ("extra_files", "extra"),
        )
        for line in _listed(document.get(key) or [], whose + word)
    ]
    told = [document["reason"]] if document.get("reason") else []
    told += [line for line in (f"{each.get('error_code')}: {each.get('msg')}" for each in failures) if line not in told]
    exceptions = [*(f"  {printable(line)}" for line in told), *exceptions]
    verdict = _HASH_VERDICT if is_of_hash(document) and document.get("status") == "ok" else None
    if whose and codes == {"drift_found"}:
        verdict = _DRIFT_VERDICT
    return [
        "",
        "VERDICT",
        f"  {verdict or _VERDICTS.get(str(document.get('status')), _VERDICTS['failed'])}",
        "",
        "EXCEPTIONS",
        *(exceptions or ["  none"]),
        *_next(document.get("next_scope") or {}),
        "",
        "CLEAN-UP",
        f"  {_clean_up(document)}",
    ]


def _next(scope: dict[str, Any]) -> list[str]:
    if not scope:
        return []
    return ["", "TO TRY NEXT", *(f"  {printable(scope[key])}" for key in ("why", "command") if scope.get(key))]


def _clean_up(document: dict[str, Any]) -> str:
    if (document.get("scope") or {}).get("mode") != "extract":
        return "nothing was written, so nothing had to be removed"
    if document.get("dest"):
        return f"kept in {printable(document['dest'])}"
    return "what was restored was removed"


def _listed(entries: list[Any], word: str) -> list[str]:
    lines = [f"  {word}: {entry_text(entry)}" for entry in entries[:_SHOWN]]
    if len(entries) > _SHOWN:
        lines.append(f"  {word}: and {amount(len(entries) - _SHOWN)} more, in the record")
    return lines


def entry_text(entry: Any) -> str:
    """An entry of a list of paths, or of `{what|path, why|…}`, as one line."""
    if not isinstance(entry, dict):
        return printable(entry)
    name = next((entry[key] for key in ("path", "what", "name") if entry.get(key) is not None), None)
    rest = [
        f"{value}" if key == "why" else f"{key} {value}"
        for key, value in entry.items()
        if key not in ("path", "what", "name")
    ]
    told = "; ".join(rest)
    return printable(f"{name} ({told})" if told and name is not None else name if name is not None else told)


def _chain(document: dict[str, Any], record: str) -> list[str]:
    return [
        "",
        "CHAIN",
        *(f"  {line}" for line in _CHAIN_NOTE.splitlines()),
        _row("Record", record),
        _row("Previous proof", document.get("previous_proof") or "none, this is the first"),
        _row("Previous sha256", document.get("previous_proof_sha256") or "none"),
        _row("Signature", _SIGNED if document.get("signed") else "none"),
        "",
    ]


def _row(name: str, value: Any) -> str:
    return f"  {name + ':':<17}{'not known' if value in (None, '') else printable(value)}"
