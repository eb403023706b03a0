# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A patch run recorded, told and found again, by the actions."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.proven.upkeep.plugins.action import (
    audit_patch_level,
    gate,
    patch_back,
    patch_record,
    patch_story,
    record,
    report,
    run_open,
)
from ansible_collections.proven.upkeep.plugins.module_utils import times

from tests.patch_results import UNREACHABLE, at, error, level, plan, results, until

SCHEMAS = Path(__file__).resolve().parents[4] / "docs" / "schemas"
PACKAGES = [
    {"name": "openssl", "arch": "amd64", "version": "1.0-2", "source_name": "openssl"},
    {"name": "libnew1", "arch": "amd64", "version": "2.0-1", "source_name": "new"},
]
PENDING = {
    "name": "openssl", "arch": "amd64", "installed": "1.0-1", "candidate": "1.0-2", "security": True,
    "severity": "high", "severity_source": "Debian", "source_name": "openssl",
}  # fmt: skip
BEFORE = {**level(1, 1), "pending": [PENDING], "metadata": {"repositories": []}}
AFTER = {**level(0, 0), "installed": PACKAGES, "metadata": {"repositories": []}}


def only(home, pattern):
    (path,) = home.glob(pattern)
    return json.loads(path.read_text())


def validate(document, name):
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.fixture(name="opened")
def opened_fixture(act):
    """Opens a run and returns its id."""
    return lambda: act(run_open, phases=["patch", "patch_level", "audit"], hosts=["web1"])["run_id"]


def test_a_whole_run(act, opened, capsys):
    run_id = opened()
    told = act(patch_record, results=results(level=at(2, **BEFORE), level_after=at(52, **AFTER)), ring="canary")
    assert (told["recorded"], told["outcome"], told["status"], told["changed"]) == (True, "patched", "ok", False)
    act(record, phase="patch_level", result={"data": AFTER})
    act(record, phase="audit", result=act(audit_patch_level))
    story = act(patch_story)
    assert story["outcomes"] == {"patched": 1} and story["fixed"] == 1
    act(report)
    act(gate, mode="report", gates_enforce=False)

    folder = act.home / "runs" / run_id
    observation = json.loads((folder / "hosts/web1/patch.json").read_text())
    validate(observation, "observation")
    validate(observation["data"], "patch")
    files = observation["data"]["files"]
    assert {name: (act.home / path).is_file() for name, path in files.items()} == {"plan": True, "apply": True}
    assert (folder / "hosts/web1/patch/apply.log").read_text() == "Setting up openssl (1.0-2) ...\n"
    assert (folder / "hosts/web1/patch/apply.log").stat().st_mode & 0o777 == 0o600
    assert json.loads((folder / "hosts/web1/patch/plan.json").read_text()) == plan()
    remediation = json.loads((folder / "remediation.json").read_text())
    validate(remediation, "remediation")
    (line,) = remediation["lines"]
    assert (line["subject"], line["severity"], line["to"], line["sla"]) == ("openssl", "high", "1.0-2", "met")
    assert "openssl 1.0-1 → 1.0-2" in (act.home / "audits/remediation.md").read_text()
    assert "## web1: patched" in (folder / "patch.md").read_text()
    written = only(act.home, "reports/report.json")
    validate(written, "report")
    assert written["hosts"][0]["patch_run"]["outcome"] == "patched" and written["run"]["failures"] == []

    screen = capsys.readouterr().out
    assert "1 package upgraded, 1 installed, 1 of them security, 1 unit restarted" in screen
    assert "Patch run" in screen and "1 finding fixed, 1 within their SLA" in screen

    found = act(patch_back, patch_run=run_id)["data"]
    assert found["patch_id"] == run_id and found["plan"] == plan() and len(found["changed"]) == 2
    refused = act(patch_back, patch_run="r9")
    assert (refused["failed"], refused["error_code"]) == (True, "unknown_run") and run_id in refused["msg"]


def test_the_plan_is_shown_and_nothing_written(act, capsys):
    given = until("plan", plan=at(4, **plan()))
    told = act(patch_record, check=True, results=given)
    assert (told["outcome"], told["recorded"]) == ("planned", False) and not act.home.exists()
    screen = capsys.readouterr().out
    assert "openssl:amd64  1.0-1 -> 1.0-2  security update" in screen and "vim  9.1  no security update" in screen
    assert "2 packages planned, 1 left out; nothing was changed" in screen
    refused = act(patch_record, check=True, results=until("begin", begin=error("claimed")))
    assert (refused["failed"], refused["error_code"], refused["outcome"]) == (True, "check_failed", "refused")
    assert "patch" not in refused, "what fails is shown with all that it has"
    capsys.readouterr()
    again = act(patch_record, check=True, results={}, failed=refused, if_missing=True)
    assert (again["error_code"], again["msg"], capsys.readouterr().out) == ("check_failed", refused["msg"], "")
    assert act(patch_story, check=True)["skipped"] and not act.home.exists()


def test_a_report_only_run_records_its_plan(act, opened, capsys):
    opened()
    told = act(patch_record, results=until("plan", plan=at(4, **plan())), mode="report")
    assert told["outcome"] == "planned" and told["status"] == "ok"
    assert "Plan for web1: 1 upgrade, 1 install" in capsys.readouterr().out
    assert only(act.home, "runs/*/hosts/web1/patch/plan.json") == plan()


def test_a_host_that_was_lost_while_packages_were_installed(act, opened, capsys):
    run_id = opened()
    told = act(patch_record, results=until("apply", apply=UNREACHABLE))
    assert (told["outcome"], told["status"]) == ("needs_attention", "failed")
    assert told["reason"].startswith("apply_unknown: it may still install on the host: unreachable: ")
    assert "it finds the job on the host" in capsys.readouterr().out
    act(patch_story)
    assert "make patch HOST=web1" in (act.home / "runs" / run_id / "patch.md").read_text()
    act(report)
    (failure,) = [one for one in only(act.home, "reports/report.json")["run"]["failures"] if one["phase"] == "patch"]
    assert failure["reason"] == told["reason"]


def test_a_rescue_with_nothing_but_a_failure(act, opened):
    opened()
    told = act(patch_record, results={}, failed={"msg": "the variable is undefined"}, if_missing=True)
    assert (told["outcome"], told["reason"]) == ("refused", "module_failed: the variable is undefined")
    again = act(patch_record, results={}, failed={"msg": "another"}, if_missing=True)
    assert again["recorded"] is False and again["reason"] == told["reason"]


def test_red_after_the_soak_time(act, opened):
    opened()
    assert act(patch_record, results={"soak": at(59, problems=[])})["skipped"], "it was not patched"
    act(patch_record, results=results())
    well = act(patch_record, results={"soak": at(59, problems=[])})
    assert (well["outcome"], well["status"]) == ("patched", "ok")
    red = act(patch_record, results={"soak": at(59, problems=[{"code": "health_red", "message": "port 443"}])})
    assert (red["outcome"], red["status"]) == ("needs_attention", "failed")
    assert red["patch"]["files"] == well["patch"]["files"] and red["patch"]["changed"]


def test_evidence_that_cannot_be_written_is_a_failure(act, opened):
    run_id = opened()
    blocked = act.home / "runs" / run_id / "hosts/web1/patch"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("no folder")
    told = act(patch_record, results=results())
    assert told["status"] == "failed" and told["reason"].startswith("evidence_unwritten: ")
    assert only(act.home, "runs/*/hosts/web1/patch.json")["status"] == "failed"


@pytest.mark.parametrize(
    ("plugin", "arguments", "code"),
    [
        (patch_record, {"results": {"appply": {"data": {}}}}, "bad_results"),
        (patch_back, {"patch_run": "../../etc"}, "bad_run_id"),
        (patch_story, {"run_id": "r9"}, "no_such_run"),
        (patch_story, {}, "no_such_run"),
    ],
)
def test_bad_input_is_one_line_with_its_code(act, plugin, arguments, code):
    told = act(plugin, **arguments)
    assert (told["failed"], told["error_code"]) == (True, code) and "\n" not in told["msg"]


def test_the_proof_that_was_relied_upon(act, opened):
    opened()
    now = times.iso(times.now())
    drill = {
        "schema": "upkeep.restore/1", "backup": "etc", "archive": "/a.tar.zst", "archive_sha256": "c" * 64,
        "status": "ok", "files_verified": 3, "entries_verified": 3, "started": now, "finished": now,
        "scope": {"mode": "extract", "coverage_pct": 100},
    }  # fmt: skip
    act(record, phase="restore_test", result={"data": drill})
    sets = [{"backup": "etc", "proven_at": now, "age_s": 60, "ok": True, "why": None}]
    told = act(patch_record, results=results(protected=at(5, protected=True, sets=sets)))
    (backup,) = told["patch"]["backups"]
    assert (backup["archive_sha256"], backup["archive"]) == ("c" * 64, "/a.tar.zst") and backup["proof_run_id"]


PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - proven.upkeep.run_open:
        phases: [patch]
      run_once: true

- hosts: all
  gather_facts: false
  ignore_unreachable: true
  tasks:
    - block:
        - ansible.builtin.ping:
          register: answer
        - ansible.builtin.fail:
            msg: it cannot be reached
          when: answer is unreachable
        - proven.upkeep.patch_record:
            results: "{{ done }}"
            drained: true
      rescue:
        - proven.upkeep.patch_record:
            results: "{{ done | combine({'apply': answer, 'restart': none}) }}"
            failed: "{{ ansible_failed_result }}"

- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.meta: clear_host_errors
    - proven.upkeep.patch_story:
      run_once: true
    - proven.upkeep.gate:
        mode: run
      run_once: true
"""


def test_in_real_plays_each_host_gets_its_true_outcome(play):
    done = {key: each for key, each in until("apply").items() if each}
    done["verify"] = at(54, status="ok", problems=[])
    ended = play(PLAY, "-e", json.dumps({"done": done}))
    assert ended.rc == 2, ended.screen
    outcomes = {path.parent.name: json.loads(path.read_text()) for path in ended.home.glob("runs/*/hosts/*/patch.json")}
    assert {host: seen["data"]["outcome"] for host, seen in outcomes.items()} == {
        "good": "patched", "nopython": "needs_attention", "away": "needs_attention",
    }  # fmt: skip
    assert "1 patched, 2 needs attention" in ended.screen and "make patch HOST=away" in ended.screen
    assert "host away: patch failed: apply_unknown" in ended.screen
    for seen in outcomes.values():
        validate(seen["data"], "patch")
