# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way through, on playbooks shaped as those that the collection ships."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import jsonschema
import pytest

SCHEMAS = Path(__file__).resolve().parents[4] / "docs" / "schemas"

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tags: [always]
  tasks:
    - proven.upkeep.run_open:
        phases: [backup, restore_test, patch_level, audit]
        gates: "{{ gates | default([]) }}"
      run_once: true

- hosts: all
  gather_facts: false
  ignore_unreachable: true
  strategy: "{{ how | default('linear') }}"
  serial: "{{ batch | default('100%') }}"
  tags: [backup]
  vars:
    set:
      name: etc
      rto_target: 60
    backup:
      schema: upkeep.backup/1
      backup: etc
      archive: /a.tar.zst
      sha256: "{{ 'a' * 64 }}"
      files: 3
      bytes: 4100
      created: "2026-11-23T08:00:00Z"
      duration_ms: 12
      complete: true
  tasks:
    - block:
        - ansible.builtin.ping:
          register: answer
        - proven.upkeep.record:
            phase: backup
            result: >-
              {{ answer if answer is unreachable else {'results': [{'item': set, 'changed': true, 'data': backup}]} }}
      rescue:
        - proven.upkeep.record:
            phase: backup
            result: "{{ ansible_failed_result }}"
            if_missing: true

- hosts: all
  gather_facts: false
  ignore_unreachable: true
  strategy: "{{ how | default('linear') }}"
  tags: [restore_test]
  vars:
    restore:
      schema: upkeep.restore/1
      backup: etc
      archive: /a.tar.zst
      archive_sha256: "{{ 'a' * 64 }}"
      archive_created: "2026-11-23T08:00:00Z"
      status: "{{ drill | default('ok') }}"
      files_expected: 3
      files_verified: 3
      bytes_verified: 4100
      corrupt_files: "{{ ['etc/passwd'] if drill is defined else [] }}"
      started: "2026-11-23T09:00:00Z"
      finished: "2026-11-23T09:00:01Z"
      duration_ms: 1000
  tasks:
    - block:
        - ansible.builtin.ping:
          register: answer
        - proven.upkeep.record:
            phase: restore_test
            result: "{{ answer if answer is unreachable else {'data': restore} }}"
            sets: [{name: etc, rpo_target: 60}]
      rescue:
        - proven.upkeep.record:
            phase: restore_test
            result: "{{ ansible_failed_result }}"
            if_missing: true

- hosts: all
  gather_facts: false
  ignore_unreachable: true
  strategy: "{{ how | default('linear') }}"
  tags: [patch]
  vars:
    level:
      schema: upkeep.patch_level/1
      manager: apt
      pending: [{name: vim, arch: amd64, installed: "1", candidate: "2", security: true}]
      counts: {installed: 7, pending: 1, security: 1, blocked: 0}
  tasks:
    - block:
        - ansible.builtin.ping:
          register: answer
        - proven.upkeep.record:
            phase: patch_level
            result: "{{ answer if answer is unreachable else {'data': level, 'duration_ms': 250} }}"
      rescue:
        - proven.upkeep.record:
            phase: patch_level
            result: "{{ ansible_failed_result }}"
            if_missing: true

- hosts: all
  gather_facts: false
  tags: [audit]
  tasks:
    - proven.upkeep.audit_patch_level:
      register: audit
    - proven.upkeep.record:
        phase: audit
        result: "{{ audit }}"

- hosts: all
  gather_facts: false
  strategy: linear
  tags: [always]
  tasks:
    - ansible.builtin.meta: clear_host_errors
    - run_once: true
      block:
        - proven.upkeep.report:
            gates: "{{ gates | default([]) }}"
      always:
        - proven.upkeep.gate:
            mode: "{{ mode | default('report') }}"
            gates_enforce: "{{ enforce | default(true) }}"
"""
GATE = {"id": "coverage", "query": "fleet.coverage_pct", "op": "ge", "value": 80, "owner": "ops_lead"}
UNKNOWN = {"id": "probe", "query": "perf.service_p95_ms", "op": "le", "value": 500}


def extra(**variables):
    return ("-e", json.dumps(variables))


def is_valid(document, name):
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text())).validate(document)
    return True


def test_a_good_host(play):
    done = play(PLAYBOOK, "--limit", "good", *extra(gates=[GATE], upkeep_project="shop", upkeep_asset_id="A1"))
    assert done.rc == 0, done.screen
    run = done.json("runs/*/run.json")
    assert is_valid(run, "run") and (run["state"], run["exit"], run["limit"]) == ("finished", "ok", "good")
    for phase in ("backup", "restore_test", "patch_level", "audit"):
        seen = done.json(f"runs/*/hosts/good/{phase}.json")
        assert is_valid(seen, "observation") and (seen["status"], seen["asset"], seen["project"]) == (
            "ok",
            "A1",
            "shop",
        )
    report = done.json("reports/report.json")
    assert is_valid(report, "report") and report["verdict"] == "pass"
    assert is_valid(done.json("backups/hosts/good/etc/last_restore.json"), "proof")
    assert [each["check_id"] for each in report["findings"]] == ["pending_security"]
    assert "  good      backup        etc         ok          3 files, 4.1 kB, new archive in 12 ms" in done.screen
    assert "1 pending, 1 of them security" in done.screen and "Gates: pass" in done.screen
    assert (done.home / "audits/security.md").read_text().startswith("# Security: shop\n")
    assert "secret" not in "".join(done.files())


@pytest.mark.parametrize("arguments", [{}, {"how": "free"}, {"batch": 1}])
def test_whoever_is_away_or_dies_is_told_and_fails_the_run(play, arguments):
    done = play(PLAYBOOK, *extra(**arguments))
    assert done.rc == 2
    seen = {path.parent.name: json.loads(path.read_text()) for path in done.home.glob("runs/*/hosts/*/backup.json")}
    assert {host: each["status"] for host, each in seen.items()} == {
        "good": "ok", "away": "unknown", "nopython": "failed",
    }  # fmt: skip
    assert seen["away"]["reason"].startswith("unreachable: ") and "Connection refused" in seen["away"]["reason"]
    assert "/nonexistent/python" in seen["nopython"]["reason"]
    run = done.json("runs/*/run.json")
    assert sorted(run["targeted"]) == ["away", "good", "nopython"] and run["exit"] == "failed"
    assert done.json("reports/report.json")["fleet"] == {
        "targeted": 3, "observed": 1, "unreachable": 1, "coverage_pct": 33.3,
    }  # fmt: skip
    assert "host away was not observed in backup, restore_test, patch_level, audit: unreachable: " in done.screen
    assert "look into runs/" in done.screen


def test_every_host_away(play):
    done = play(PLAYBOOK, "--limit", "away")
    assert done.rc == 2 and done.json("reports/report.json")["fleet"]["coverage_pct"] == 0
    assert "0 of 1 host observed, limited to away" in done.screen


def test_a_bad_gate_is_refused_before_anything_is_done(play):
    done = play(PLAYBOOK, "--limit", "good", *extra(gates=[{**GATE, "query": "fleet.["}]))
    assert done.rc == 2 and "error_code" in done.screen and "gate coverage: its query" in done.screen
    assert not list(done.home.glob("runs/*/hosts"))


def test_check_mode_writes_nothing_and_shows_failures(play):
    done = play(PLAYBOOK, "--check")
    assert done.files() == [] and not done.home.exists()
    assert "Check mode: nothing was changed and nothing was recorded." in done.screen
    assert "fatal: [nopython]: FAILED!" in done.screen


def test_tags_narrow_what_is_expected(play):
    done = play(PLAYBOOK, "--limit", "good", "--tags", "backup")
    assert done.rc == 0 and done.json("runs/*/run.json")["phases"] == ["backup"]


def test_two_processes_of_one_run(play):
    play(PLAYBOOK, "--limit", "good", "--tags", "backup", UPKEEP_RUN_ID="nightly")
    done = play(PLAYBOOK, "--limit", "good", "--tags", "patch,audit", UPKEEP_RUN_ID="nightly")
    run = done.json("runs/nightly/run.json")
    assert done.rc == 0 and run["phases"] == ["backup", "patch_level", "audit"] and len(run["openings"]) == 2


def test_a_killed_run_is_told_by_the_next_report(play):
    done = play(PLAYBOOK, "--limit", "good", "--tags", "backup", UPKEEP_RUN_ID="killed")
    child = subprocess.Popen(["sleep", "60"])
    child.send_signal(signal.SIGKILL)
    child.wait()
    path = done.home / "runs/killed/run.json"
    document = {
        **json.loads(path.read_text()),
        "state": "running",
        "pid": child.pid,
        "pid_started": "x/1",
        "exit": None,
    }
    document["openings"][0]["phases"].append("audit")
    path.write_text(json.dumps(document))
    done = play(PLAYBOOK, "--limit", "good", "--tags", "report")
    assert done.rc == 2 and "INTERRUPTED" in done.screen and "run killed was killed" in done.screen.replace("\n", " ")
    assert "host good was not observed in audit: interrupted: " in done.screen
    assert done.json("runs/killed/run.json")["state"] == "interrupted"


LOOKUP = """
- hosts: all
  gather_facts: false
  vars:
    upkeep_home: "{{ lookup('proven.upkeep.home') }}"
  tasks:
    - ansible.builtin.debug:
        msg: "home={{ upkeep_home }}="
"""


def test_the_lookup_may_be_the_default_of_its_own_variable(play):
    given = play(LOOKUP, "--limit", "good")
    assert f"home={given.home}=" in given.screen


BEFORE_ITS_MODULE = """
- hosts: all
  gather_facts: false
  tags: [always]
  tasks:
    - proven.upkeep.run_open:
        phases: [backup]
      run_once: true

- hosts: all
  gather_facts: false
  tags: [backup]
  tasks:
    - block:
        - ansible.builtin.assert:
            that: fine | bool
        - proven.upkeep.record:
            phase: backup
            result: {data: {schema: upkeep.backup/1, backup: etc, complete: true, sha256: "{{ 'a' * 64 }}"}}
      rescue:
        - proven.upkeep.record:
            phase: backup
            result: "{{ ansible_failed_result }}"
            if_missing: true

- hosts: all
  gather_facts: false
  tags: [always]
  tasks:
    - ansible.builtin.meta: clear_host_errors
    - proven.upkeep.gate:
        mode: run
      run_once: true
"""


def test_a_second_process_of_a_run_that_fails_before_its_module(play):
    limit = ("--limit", "good")
    assert play(BEFORE_ITS_MODULE, *limit, *extra(fine=True), UPKEEP_RUN_ID="nightly").rc == 0
    done = play(BEFORE_ITS_MODULE, *limit, *extra(fine=False), UPKEEP_RUN_ID="nightly")
    assert done.rc == 2 and "host good: backup failed: module_failed: Assertion failed" in done.screen
    again = play(BEFORE_ITS_MODULE, *limit, *extra(fine=True), UPKEEP_RUN_ID="nightly")
    assert again.rc == 0, again.screen


def test_without_its_opening_and_its_end_a_failed_backup_still_fails(play):
    done = play(BEFORE_ITS_MODULE, "--limit", "good", "--skip-tags", "always", *extra(fine=False))
    assert done.rc == 2 and "run_not_opened" in done.screen


def test_a_typo_in_the_tags_does_not_end_well_by_an_earlier_run(play):
    assert play(BEFORE_ITS_MODULE, "--limit", "good", *extra(fine=True)).rc == 0
    done = play(BEFORE_ITS_MODULE, "--limit", "good", "--tags", "bakcup", *extra(fine=True))
    assert done.rc == 2 and "no_phase" in done.screen
