# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encrypted backups in the report, their proofs, and `make status`."""

from __future__ import annotations

import json

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import evidence, gates, runs, sealing
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import line, summary
from ansible_collections.proven.upkeep.plugins.plugin_utils.report.build import build
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index

from upkeep import status

NOW = times.parse("2026-11-23T10:00:00Z")
GATE = {"id": "escrow_opened", "query": "summary.never_opened", "op": "eq", "value": 0, "owner": "security_lead"}
TOOL = {"collection": "0.1.0", "python": "3.11.2", "ansible": "2.19.14"}
KEYS = ["age1aaa", "ssh-ed25519 AAAA"]


@pytest.fixture
def vaulted(home):
    """vaulted(*recipients): the vault has a new archive of web1's etc, encrypted to these; to none: as it was."""
    place = index.place(home, "web1", "etc")
    place.mkdir(parents=True)
    made = []

    def add(*recipients):
        created = f"2026-11-23T08:0{len(made)}:00Z"
        sealed = {"program": "age", "recipients": list(recipients), "at": created} if recipients else None
        one = index.Vaulted("web1", "etc", created, created, f"{len(made)}.tar", 3, "b" * 64, "a" * 64, sealed=sealed)
        (place / one.archive).write_bytes(b"abc")
        index.add(place, one)
        made.append(one)

    return add


@pytest.fixture
def drilled(open_run, record, samples, home, validate):
    """drilled("r1", opened_with=...) -> (the backup's entry, the report)."""

    def drill(run_id, opened_with=None, of=tuple(KEYS), result=None):
        run = open_run(run_id, ["backup", "restore_test"], ["web1"])
        data = samples.restore()
        if opened_with:
            data["sealed"] = sealing.opened("age", of, opened_with)
            validate({**data, "project": "p", "host": "web1"}, "restore")
        record(run, "web1", "backup", {"changed": True, "data": samples.backup()})
        record(run, "web1", "restore_test", result or {"data": data})
        report = build(home, runs.load(home, run_id), gates.parse([GATE]), NOW, TOOL)
        validate(report, "report")
        (entry,) = report["backups"]
        return entry, report

    return drill


def test_an_encrypted_backup_that_nobody_ever_opened(vaulted, drilled):
    vaulted(*KEYS)
    entry, report = drilled("r1")
    assert entry["proven"] and entry["sealed"]["opened_at"] is None and entry["sealed"]["recipients"] == KEYS
    assert any("never opened with the escrowed key" in each and "make " in each for each in entry["problems"])
    assert report["summary"]["never_opened"] == 1 and report["gates"][0]["status"] == "fail"
    assert any("never opened" in text for text in summary.summary(report))
    assert ("encrypted", "never opened with the escrowed key: etc on web1") in status.facts({**EMPTY, **report}, NOW)


def test_one_that_a_drill_opened_and_what_its_proof_says(vaulted, drilled, home):
    vaulted(*KEYS)
    entry, report = drilled("r1", opened_with=KEYS[0])
    assert entry["sealed"]["opened_at"] == "2026-11-23T09:00:02Z" and entry["sealed"]["opened_with"] == KEYS[0]
    assert not entry["problems"] and report["gates"][0]["status"] == "pass"
    text = (evidence.place(home, "web1", "etc") / "restore-proof.txt").read_text()
    assert f"the escrowed key of {KEYS[0]}" in text and f"not shown to open it: {KEYS[1]}" in text
    assert ("encrypted", "1 backup, each opened with the escrowed key") in status.facts({**EMPTY, **report}, NOW)
    # A later drill on the host itself opens nothing, and takes nothing back.
    entry, _report = drilled("r2")
    assert entry["sealed"]["opened_at"] == "2026-11-23T09:00:02Z" and not entry["problems"]


@pytest.mark.parametrize("claim", [None, {}, {"opened": True}, {"opened": False, "opened_with": KEYS[0]}, "opened"])
def test_a_drill_that_does_not_say_which_key_opened_it_counts_for_nothing(
    vaulted, samples, record, open_run, home, claim
):
    vaulted(*KEYS)
    run = open_run("r1", ["backup", "restore_test"], ["web1"])
    record(run, "web1", "backup", {"changed": True, "data": samples.backup()})
    record(run, "web1", "restore_test", {"data": samples.restore(sealed=claim)})
    report = build(home, runs.load(home, "r1"), gates.parse([GATE]), NOW, TOOL)
    assert report["backups"][0]["sealed"]["opened_at"] is None and report["summary"]["never_opened"] == 1


def test_with_new_keys_it_has_to_be_shown_again(vaulted, drilled):
    vaulted(*KEYS)
    drilled("r1", opened_with=KEYS[0])
    vaulted("age1new", KEYS[1])
    entry, report = drilled("r2")
    assert entry["sealed"]["opened_at"] is None and report["summary"]["never_opened"] == 1


@pytest.mark.parametrize(
    ("in_copies", "told"),
    [([True], "1 archive in the vault or the copies is"), ([False, True, False], "3 archives in")],
)
def test_what_is_older_than_encryption_is_told(vaulted, drilled, home, in_copies, told):
    vaulted()
    vaulted(*KEYS)
    place = evidence.copy_place(home, "web1", "etc", "disk")
    place.parent.mkdir(parents=True)
    entries = [{"created": "2026-11-23T08:00:00Z", "sealed": sealed} for sealed in in_copies]
    place.write_text(json.dumps({"host": "web1", "backup": "etc", "copy": "disk", "entries": entries}))
    entry, _report = drilled("r1", opened_with=KEYS[0])
    (problem,) = (each for each in entry["problems"] if "not encrypted" in each)
    assert problem.startswith(told) and entry["sealed"]["opened_at"]


def test_without_encryption_there_is_nothing_to_open(vaulted, drilled):
    vaulted(*KEYS)
    vaulted()
    entry, report = drilled("r1")
    assert entry["sealed"] is None and report["summary"]["never_opened"] == 0
    assert report["gates"][0]["status"] == "pass"


def test_a_vault_that_cannot_be_read_is_unknown(drilled, monkeypatch):
    def unreadable(*_arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(index, "entries", unreadable)
    entry, report = drilled("r1")
    assert "cannot be read" in entry["problems"][-1]
    assert report["gates"][0]["status"] == "unknown" and "vault" in report["gates"][0]["reason"]


def test_a_wrong_key_is_a_failed_drill_that_says_so(vaulted, drilled, home):
    vaulted(*KEYS)
    drilled("r1", opened_with=KEYS[0])
    failed = {"failed": True, "error_code": "sealed_unopened", "msg": "x.age could not be opened: wrong key.",
              "why": "wrong_key", "item": {"name": "etc"}}  # fmt: skip
    entry, report = drilled("r2", result=failed)
    assert "restore failed in this run (sealed_unopened)" in entry["problems"]
    assert "wrong key" in report["run"]["failures"][0]["message"] and report["verdict"] == "fail"


def test_the_line_on_the_screen(samples, record, open_run):
    run = open_run("r1", ["restore_test"], ["web1"])
    data = samples.restore(sealed=sealing.opened("age", KEYS, KEYS[0]))
    (told, *_more) = line.lines(record(run, "web1", "restore_test", {"data": data}))
    assert told.endswith("opened with the escrowed key")


EMPTY = {"sla": {"breached": 0}, "findings": [], "vulnerabilities": {"critical": 0, "known": None, "groups": []}}
