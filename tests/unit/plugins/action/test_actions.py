# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The actions in this process, one at a time; test_run.py has them in real plays."""

from __future__ import annotations

import json

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.proven.upkeep.plugins.action import (
    audit_advisories,
    audit_patch_level,
    gate,
    record,
    report,
    run_open,
)
from ansible_collections.proven.upkeep.plugins.filter.audited import audited
from ansible_collections.proven.upkeep.plugins.lookup import home as lookup_home
from ansible_collections.proven.upkeep.plugins.lookup import last_verified
from ansible_collections.proven.upkeep.plugins.module_utils import times

from tests.advisories import fill, level, package, said, update

GATE = {"id": "coverage", "query": "fleet.coverage_pct", "op": "ge", "value": 80, "owner": "ops_lead"}
BACKUP = {"schema": "upkeep.backup/1", "backup": "etc", "sha256": "a" * 64, "complete": True, "files": 1, "bytes": 1}
RESTORE = {
    "schema": "upkeep.restore/1", "backup": "etc", "archive_sha256": "a" * 64, "status": "ok", "files_verified": 1,
    "started": "2026-11-23T09:00:00Z", "finished": "2026-11-23T09:00:01Z",
}  # fmt: skip
LEVEL = {"schema": "upkeep.patch_level/1", "manager": "apt", "pending": [], "counts": {"pending": 0, "security": 0}}


def only(home, pattern):
    (path,) = home.glob(pattern)
    return json.loads(path.read_text())


def test_a_run_from_opening_to_exit(act, capsys):
    opened = act(run_open, phases=["backup", "restore_test", "patch_level", "audit"], hosts=["web1"], gates=[GATE])
    assert opened["targeted"] == ["web1"] and opened["changed"] is False
    act(record, phase="backup", result={"changed": True, "data": BACKUP, "duration_ms": 5})
    act(record, phase="restore_test", result={"data": RESTORE}, sets=[{"name": "etc", "rto_target": 1}])
    act(record, phase="patch_level", result={"data": LEVEL})
    audited = act(audit_patch_level)
    assert audited["data"]["engines"][0]["status"] == "ok"
    recorded = act(record, phase="audit", result=audited)
    assert recorded["recorded"] and recorded["status"] == "ok" and recorded["file"].endswith("hosts/web1/audit.json")
    written = act(report, gates=[GATE])
    assert written["verdict"] == "pass" and written["fleet"]["coverage_pct"] == 100
    judged = act(gate)
    assert "failed" not in judged and judged["verdict"] == "pass"
    assert "Gates: pass" in capsys.readouterr().out
    run = only(act.home, "runs/*/run.json")
    assert (run["exit"], run["playbook"], run["limit"], run["tags"]) == ("ok", "maintain.yml", "web*", [])
    assert only(act.home, "backups/proofs/*.json")["rto_target_ms"] == 1000


def test_a_failing_run_is_closed_with_its_failures(act, capsys):
    act(run_open, phases=["backup"])
    act(record, phase="backup", result={"failed": True, "msg": "2 MB", "error_code": "no_space"})
    act(report, gates=[GATE])
    judged = act(gate, gates_enforce=False)
    assert judged["failed"] and judged["error_code"] == "run_failed"
    assert judged["msg"].endswith("(and 1 more failure)")
    assert only(act.home, "runs/*/run.json")["exit"] == "failed"
    assert "web1      backup                    FAILED      no_space: 2 MB" in capsys.readouterr().out


def test_a_report_that_was_not_written_fails_the_run(act):
    act(run_open, phases=["backup"], hosts=["web1"])
    act(record, phase="backup", result={"data": BACKUP})
    assert "no report of this run was written" in act(gate)["msg"]
    act(report)
    assert "failed" not in act(gate)


@pytest.mark.parametrize(
    ("result", "line", "failed"),
    [
        ({"data": RESTORE}, "Restore OK", False),
        ({"failed": True, "msg": "x", "data": {**RESTORE, "corrupt_files": ["etc/p"]}}, "    corrupt: etc/p", True),
        ({"data": {**RESTORE, "files_verified": 0}}, "Restore FAILED", True),
    ],
)  # fmt: skip
def test_restore_verdict(act, capsys, result, line, failed):
    act(run_open, phases=["restore_test"], hosts=["web1"])
    act(record, phase="restore_test", result=result)
    assert bool(act(gate, mode="run").get("failed")) is failed
    assert line in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("plugin", "arguments", "code"),
    [
        (run_open, {"phases": ["../x"]}, "bad_phase"),
        (run_open, {"phases": ["backup"], "gates": [{**GATE, "query": "fleet.["}]}, "bad_gate"),
        (run_open, {"phases": ["backup"], "hosts": []}, "no_hosts"),
        (record, {"phase": "a/b", "result": {}}, "bad_phase"),
        (report, {}, "nothing_recorded"),
        (report, {"run_id": "none"}, "no_such_run"),
        (report, {"run_id": "../x"}, "bad_run_id"),
        (report, {"keep_runs": 0}, "bad_keep_runs"),
        (gate, {}, "nothing_recorded"),
        (gate, {"mode": "run"}, "nothing_recorded"),
    ],
)
def test_bad_input_is_one_line_with_its_code(act, plugin, arguments, code):
    result = act(plugin, **arguments)
    assert result["failed"] and result["error_code"] == code and "\n" not in result["msg"]


def test_a_home_that_cannot_be_written_or_is_refused(act, tmp_path):
    (tmp_path / "file").touch()
    result = act(run_open, {"upkeep_home": str(tmp_path / "file")}, phases=["backup"])
    assert result["error_code"] == "home_unwritable"
    installed = tmp_path / "ansible_collections" / "a" / "b"
    installed.mkdir(parents=True)
    (installed / "MANIFEST.json").touch()
    result = act(run_open, {"upkeep_home": str(installed)}, phases=["backup"])
    assert result["error_code"] == "home_in_collection" and [path.name for path in installed.iterdir()] == [
        "MANIFEST.json"
    ]


@pytest.mark.parametrize(
    ("result", "failed", "status"),
    [
        ({"data": BACKUP}, False, "ok"),
        ({"changed": True}, False, "skipped"),
        ({"failed": True, "msg": "x"}, True, "failed"),
        ({"unreachable": True}, True, "unknown"),
        ({"failed": True, "msg": "said already", "error_code": "check_failed"}, True, None),
    ],
)
def test_check_mode_writes_nothing_and_shows_failures(act, result, failed, status):
    done = act(record, check=True, phase="backup", result=result)
    assert bool(done.get("failed")) is failed and done.get("status") == status and not done["recorded"]
    act(run_open, check=True, phases=["backup"])
    assert act(report, check=True)["skipped"] and act(audit_patch_level, check=True)["skipped"]
    assert "failed" not in act(gate, check=True)
    assert not act.home.exists()


def test_if_missing_records_once(act):
    act(run_open, phases=["backup"])
    failed = {"failed": True, "msg": "x"}
    assert act(record, phase="backup", result=failed, if_missing=True)["recorded"]
    assert not act(record, phase="backup", result=failed, if_missing=True)["recorded"]
    assert act(record, phase="backup", result=failed, if_missing=True, name="workflows", host="localhost")["recorded"]


def test_variables_are_templated_and_only_the_host_s_own(act, monkeypatch):
    monkeypatch.setenv("PROJ", "from-env")
    variables = {"upkeep_asset_id": trust_as_template("{{ 'A' ~ 1 }}"), "upkeep_project": None}
    act(record, variables, phase="backup", result={"skipped": True})
    act(
        record,
        variables,
        phase="backup",
        host="localhost",
        name="workflows",
        result={"data": {**BACKUP, "backup": "workflows"}},
    )
    assert only(act.home, "runs/*/hosts/web1/backup.json")["asset"] == "A1"
    local = only(act.home, "runs/*/hosts/localhost/backup.json")
    assert (local["asset"], local["project"], local["name"]) == ("localhost", "from-env", "workflows")
    assert only(act.home, "backups/last_success.json")["project"] == "from-env"


def test_tags_and_awx_are_heeded(act):
    variables = {"ansible_run_tags": ["patch"], "awx_job_id": 7}
    opened = act(run_open, variables, phases=["backup", "patch_level"])
    assert opened["phases"] == ["patch_level"] and opened["run_id"] == "awx-7"
    assert only(act.home, "runs/awx-7/run.json")["targeted"] == ["db1", "web1"]
    nothing = act(run_open, {"ansible_run_tags": ["report"], "awx_job_id": 8}, phases=["backup"])
    assert nothing["phases"] == [] and not (act.home / "runs/awx-8").exists()


def test_the_audit_looks_at_this_run_first_and_at_a_young_one_else(act, monkeypatch):
    def engine(**arguments):
        return act(audit_patch_level, **arguments)["data"]["engines"][0]

    assert "no run has recorded" in engine()["reason"]
    monkeypatch.setenv("UPKEEP_RUN_ID", "first")
    act(run_open, phases=["patch_level"])
    assert engine()["reason"] == "this run did not record the patch level"
    act(record, phase="patch_level", result={"data": LEVEL})
    monkeypatch.setenv("UPKEEP_RUN_ID", "second")
    act(run_open, phases=["audit"])
    assert (engine()["status"], engine()["run_id"]) == ("ok", "first")
    assert "run the patch phase again" in engine(max_age=-1)["reason"]
    act(record, phase="patch_level", result={"unreachable": True})
    assert engine()["reason"].startswith("the patch level is unknown: unreachable")


def findings_of(act):
    result = audited([act(audit_patch_level), act(audit_advisories)])
    act(record, phase="audit", result=result)
    return {each["check_id"]: each for each in result["data"]["findings"]}, result["data"]["engines"]


def test_a_finding_keeps_its_first_sight_and_its_due_time(act, monkeypatch):
    """Over audits that looked, one that could not, and one after the severity was raised."""
    fix = said("openssl", "CVE-1", fixed="2-1", severity="low")
    pending = [update("openssl", "2-1")]
    data = {**LEVEL, **level([package("openssl", "1-1")], pending), "counts": {"pending": 1, "security": 1}}
    index = fill(act.home / "state/advisories.db", [fix])

    def day(number, **more):
        monkeypatch.setenv("UPKEEP_RUN_ID", f"day{number}")
        when = times.parse(f"2027-01-{number:02}T00:00:00Z")
        monkeypatch.setattr(times, "now", lambda: when)
        fill(index, [fix])
        act(run_open, phases=["patch_level", "audit"])
        act(record, phase="patch_level", result=more or {"data": {**data, "collected": times.iso(when)}})
        return findings_of(act)

    first, engines = day(1)
    assert [(each["name"], each["status"]) for each in engines] == [("patch", "ok"), ("advisories", "ok")]
    assert {key: each["first_seen"] for key, each in first.items()} == {
        "pending_security": "2027-01-01T00:00:00Z", "fixed:2-1": "2027-01-01T00:00:00Z",
    }  # fmt: skip
    # The pending update knows what it fixes, and by that its severity.
    assert [each["severity"] for each in first.values()] == ["low", "low"]
    assert first["fixed:2-1"]["due"] == "2027-04-01T00:00:00Z"
    for number in (2, 3):
        found, engines = day(number, unreachable=True)
        assert found == {} and [each["status"] for each in engines] == ["unknown", "unknown"]
        assert [len(each["remembered"]) for each in engines] == [1, 1]
    found, _engines = day(4)
    assert [(each["first_seen"], each["due"]) for each in found.values()] == [
        (each["first_seen"], each["due"]) for each in first.values()
    ]
    fix = said("openssl", "CVE-1", fixed="2-1", severity="critical")
    found, _engines = day(5)
    assert (found["fixed:2-1"]["first_seen"], found["fixed:2-1"]["due"]) == (
        "2027-01-01T00:00:00Z", "2027-01-06T00:00:00Z",
    )  # fmt: skip
    found, _engines = day(7)
    assert found["fixed:2-1"]["sla_state"] == "breached"


def test_what_stale_lists_hide_and_what_a_renamed_host_had_keep_their_clock(act, monkeypatch):
    pending = [update("openssl", "2-1")]
    fresh = {**LEVEL, **level([package("openssl", "1-1")], pending), "counts": {"pending": 1, "security": 1}}
    hidden = {**fresh, "pending": [], "metadata": {"stale": True}}
    due = []
    for number, (name, data) in enumerate((("old", fresh), ("old", hidden), ("new", fresh)), 1):
        monkeypatch.setenv("UPKEEP_RUN_ID", f"day{number}")
        when = times.parse(f"2027-01-{number:02}T00:00:00Z")
        monkeypatch.setattr(times, "now", lambda when=when: when)
        variables = {
            "ansible_play_hosts_all": [name],
            "hostvars": {name: {"upkeep_asset_id": "A1"}},
            "upkeep_asset_id": "A1",
            "inventory_hostname": name,
        }
        act(run_open, variables, phases=["patch_level", "audit"], hosts=[name])
        act(record, variables=variables, phase="patch_level", result={"data": data})
        audit = act(audit_patch_level, variables=variables)
        act(record, variables=variables, phase="audit", result=audit)
        due += [each["due"] for each in audit["data"]["findings"] if each["check_id"] == "pending_security"]
    assert len(due) == 2 and due[0] == due[1]


def test_without_an_index_the_audit_is_complete_and_says_that_nobody_looked(act):
    act(run_open, phases=["patch_level", "audit"])
    act(record, phase="patch_level", result={"data": LEVEL})
    engine = act(audit_advisories)["data"]["engines"][0]
    assert engine["status"] == "skipped" and "advisories.yml" in engine["reason"]
    done = act(record, phase="audit", result=audited([act(audit_patch_level), act(audit_advisories)]))
    assert done["status"] == "ok"
    assert act(audit_advisories, check=True)["skipped"]
    alone = act(record, phase="audit", result=act(audit_advisories), name="alone")
    assert alone["status"] == "skipped"


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([], {"skipped": True}),
        ([{}, {"skipped": True, "msg": "check mode"}], {"skipped": True, "msg": "check mode"}),
        ([{"skipped": True}, {"data": {"engines": [1], "findings": []}}], {"data": {"engines": [1], "findings": []}}),
        (
            [{"data": {"engines": [1], "findings": [1]}}, {"failed": True, "msg": "x"}],
            {"failed": True, "msg": "x", "data": {"engines": [1], "findings": [1]}},
        ),
        ([{"failed": True, "msg": "x"}, {}], {"failed": True, "msg": "x"}),
    ],
)
def test_results_of_engines_as_one(results, expected):
    assert audited(results).items() >= expected.items()


def test_old_runs_are_pruned(act, monkeypatch):
    for number in range(4):
        monkeypatch.setenv("UPKEEP_RUN_ID", f"r{number}")
        act(run_open, phases=["backup"], hosts=["web1"])
        act(record, phase="backup", result={"data": BACKUP})
        written = act(report, keep_runs=2)
        act(gate)
    assert written["pruned_runs"] == ["r1"] or written["pruned_runs"] == ["r0"] or len(written["pruned_runs"]) == 1
    assert len(list(act.home.glob("runs/*/run.json"))) <= 3


def lookup(variables, terms=()):
    return lookup_home.LookupModule(templar=Templar(loader=DataLoader(), variables=variables)).run(terms, variables)


def test_the_lookup(tmp_path, monkeypatch):
    assert lookup({"upkeep_home": trust_as_template("{{ base }}/x"), "base": str(tmp_path)}) == [f"{tmp_path}/x"]
    clone = lookup({"upkeep_home": "{{ lookup('proven.upkeep.home') }}"})
    monkeypatch.setenv("UPKEEP_HOME", str(tmp_path))
    assert lookup({}) == clone != [str(tmp_path)]
    with pytest.raises(lookup_home.AnsibleLookupError, match="takes no terms"):
        lookup({}, ["x"])
    (tmp_path / "ansible_collections/a/b").mkdir(parents=True)
    (tmp_path / "ansible_collections/a/b/MANIFEST.json").touch()
    with pytest.raises(lookup_home.AnsibleLookupError, match="home_in_collection"):
        lookup({"upkeep_home": str(tmp_path / "ansible_collections/a/b/c")})


@pytest.fixture(name="other_process")
def other_process_fixture(monkeypatch):
    """After other_process(n) the actions run in another process of the same run."""
    from ansible_collections.proven.upkeep.plugins.plugin_utils import processes

    monkeypatch.setenv("UPKEEP_RUN_ID", "nightly")

    def become(number):
        monkeypatch.setattr(processes, "this", lambda: f"elsewhere/{number}/x")

    return become


def test_failed_retention_fails_the_run_and_not_the_evidence(act, capsys):
    act(run_open, phases=["backup"], hosts=["web1"])
    data = {**BACKUP, "history": {"archives": 2, "bytes": 2, "newest": []}}
    pruned = {"results": [{"item": {"name": "etc"}, "failed": True, "error_code": "dest_locked", "msg": "in use"}]}
    recorded = act(record, phase="backup", result={"data": data}, pruned=pruned)
    assert (recorded["status"], recorded["reason"]) == ("incomplete", "retention_failed: dest_locked: in use")
    # What the play's rescue says of it adds nothing.
    assert not act(record, phase="backup", result={**pruned, "failed": True}, if_missing=True)["recorded"]
    assert only(act.home, "backups/hosts/web1/etc/last_success.json")["pruned"]["status"] == "failed"
    judged = act(gate, mode="run")
    assert judged["failed"] and "retention_failed" in judged["msg"]
    assert "INCOMPLETE" in capsys.readouterr().out


def test_the_lookup_of_the_last_verified_archive(act):
    def look(*terms):
        variables = {"upkeep_home": str(act.home)}
        return last_verified.LookupModule(templar=Templar(loader=DataLoader(), variables=variables)).run(
            terms, variables
        )

    assert look("web1", "etc") == []
    act(run_open, phases=["restore_test"], hosts=["web1"])
    act(record, phase="restore_test", result={"data": RESTORE})
    assert look("web1", "etc") == ["a" * 64] and look("web1", "srv") == []
    with pytest.raises(last_verified.AnsibleLookupError, match="a host and a set"):
        look("web1")


@pytest.mark.parametrize("phase", ["backup", "restore_test"])
def test_evidence_that_cannot_be_written_fails_the_run(act, capsys, phase):
    result = {"data": BACKUP if phase == "backup" else RESTORE}
    act(run_open, phases=[phase], hosts=["web1"])
    blocked = act.home / "backups" / ("hosts" if phase == "backup" else "proofs")
    blocked.write_text("no folder")
    recorded = act(record, phase=phase, result=result)
    assert recorded["status"] == "failed" and recorded["reason"].startswith("evidence_unwritten: ")
    again = act(record, phase=phase, result={"failed": True, "msg": "x"}, if_missing=True)
    assert not again["recorded"]
    judged = act(gate, mode="run")
    assert judged["failed"] and "evidence_unwritten" in judged["msg"]
    assert "Restore OK" not in capsys.readouterr().out


def test_an_observation_that_cannot_be_written_fails_the_task(act):
    act(run_open, phases=["backup"], hosts=["web1"])
    (run,) = act.home.glob("runs/*/run.json")
    hosts = run.with_name("hosts")
    hosts.write_text("no folder")
    assert act(record, phase="backup", result={"data": BACKUP})["error_code"] == "home_unwritable"
    hosts.unlink()
    assert act(gate, mode="run")["failed"]


def test_another_process_s_success_does_not_stand_in_for_a_failure(act, other_process):
    other_process(1)
    act(run_open, phases=["backup"], hosts=["web1"])
    act(record, phase="backup", result={"data": BACKUP})
    assert "failed" not in act(gate, mode="run")
    other_process(2)
    act(run_open, phases=["backup"], hosts=["web1"])
    assert "missing: " in act(gate, mode="run")["msg"]
    added = act(record, phase="backup", result={"failed": True, "msg": "boom"}, if_missing=True)
    assert added["recorded"]
    assert "boom" in act(gate, mode="run")["msg"]


def test_a_failure_before_the_module_of_the_next_playbook_is_added(act):
    """`ansible-playbook a.yml b.yml`: one process, two openings."""
    for _playbook in range(2):
        act(run_open, phases=["backup"], hosts=["web1"])
    act(record, phase="backup", result={"data": BACKUP})
    assert act(record, phase="backup", result={"failed": True, "msg": "boom"}, if_missing=True)["recorded"]
    assert "boom" in act(gate, mode="run")["msg"]


def test_processes_of_one_run_are_judged_for_their_own_hosts(act, other_process):
    for number, host in ((1, "web1"), (2, "db1")):
        other_process(number)
        act(run_open, phases=["backup"], hosts=[host])
    act(record, {"inventory_hostname": "db1"}, phase="backup", result={"data": BACKUP})
    assert "failed" not in act(gate, mode="run")
    other_process(1)
    assert "host web1 was not observed" in act(gate, mode="run")["msg"]
    other_process(3)
    assert act(gate, mode="run")["error_code"] == "nothing_recorded"
    openings = only(act.home, "runs/nightly/run.json")["openings"]
    assert [(each["process"], each["limit"]) for each in openings] == [
        ("elsewhere/1/x", "web*"),
        ("elsewhere/2/x", "web*"),
    ]


@pytest.mark.parametrize(
    ("result", "failed"),
    [({"failed": True, "msg": "boom"}, True), ({"unreachable": True}, True), ({"data": BACKUP}, False)],
)
def test_without_an_opened_run_a_failure_fails_its_task(act, result, failed):
    first = act(record, phase="backup", result=result)
    assert first["recorded"] and bool(first.get("failed")) is failed
    if failed:
        assert first["error_code"] == "run_not_opened"
        rescued = act(record, phase="backup", result=first, if_missing=True)
        assert rescued["failed"], "else the rescue would end the play well"
        assert rescued["msg"] == first["msg"]


@pytest.mark.parametrize(
    ("run_tags", "refused"),
    [(["bakcup"], True), (["always"], True), (["report"], False), (["all"], False), (["backup"], False)],
)
def test_tags_that_select_no_phase_are_refused(act, run_tags, refused):
    opened = act(run_open, {"ansible_run_tags": run_tags}, phases=["backup"])
    assert bool(opened.get("failed")) is refused
    if refused:
        assert opened["error_code"] == "no_phase"
        assert "there are backup, restore_test, patch, audit, vault, report." in opened["msg"]


def test_openings_know_the_assets_of_their_hosts(act):
    variables = {"hostvars": {"web1": {"upkeep_asset_id": "A1"}, "db1": {}}}
    act(run_open, variables, phases=["backup"])
    assert only(act.home, "runs/*/run.json")["openings"][0]["assets"] == {"web1": "A1"}


NONE_SELECTED = {"results": [], "skipped": True, "skipped_reason": "No items in the list"}
NEEDS_ROOT = {"results": [{"item": {"name": "etc"}, "skipped": True, "msg": "needs_root: not root"}]}


@pytest.mark.parametrize(
    ("phase", "results", "code"),
    [
        ("backup", [NONE_SELECTED], "nothing_backed_up"),
        ("backup", [NONE_SELECTED, NEEDS_ROOT], None),
        ("backup", [NEEDS_ROOT, {"data": BACKUP}], None),
        ("restore_test", [NONE_SELECTED], "nothing_restored"),
        ("restore_test", [NEEDS_ROOT], "nothing_restored"),
        ("restore_test", [NEEDS_ROOT, {"data": {**RESTORE, "backup": "www"}}], None),
    ],
)
def test_a_run_that_did_nothing_of_what_it_was_for_fails(act, capsys, phase, results, code):
    act(run_open, phases=[phase], hosts=["web1"])
    for result in results:
        act(record, phase=phase, result=result)
    judged = act(gate, mode="run")
    screen = capsys.readouterr().out
    assert bool(judged.get("failed")) is (code is not None)
    assert code is None or (code in judged["msg"] and code in screen)
    if phase == "restore_test":
        assert ("Restore FAILED" if code else "Restore OK") in screen.splitlines()
    assert only(act.home, "runs/*/run.json")["exit"] == ("failed" if code else "ok")


def test_a_whole_job_without_a_set_is_judged_by_its_report(act):
    act(run_open, phases=["backup", "restore_test"], hosts=["web1"])
    for phase in ("backup", "restore_test"):
        act(record, phase=phase, result=NONE_SELECTED)
    act(report)
    assert "failed" not in act(gate)


def test_a_drill_that_was_never_recorded_is_no_success(act, capsys):
    act(run_open, phases=["restore_test"], hosts=["web1", "db1"])
    act(record, phase="restore_test", result={"data": RESTORE})
    assert act(gate, mode="run")["failed"]
    screen = capsys.readouterr().out
    assert "Restore OK" not in screen and "Restore FAILED" in screen


def test_two_runs_at_once_judge_their_own_reports(act, monkeypatch, other_process):
    other_process(1)
    act(run_open, phases=["backup"], hosts=["web1"])
    act(record, phase="backup", result={"data": BACKUP})
    act(report)
    monkeypatch.setenv("UPKEEP_RUN_ID", "other")
    other_process(2)
    act(run_open, phases=["backup"], hosts=["db1"])
    act(report)
    assert only(act.home, "reports/report.json")["run"]["run_id"] == "other"
    assert only(act.home, "runs/nightly/report.json")["run"]["run_id"] == "nightly"
    assert act(gate)["failed"]
    monkeypatch.setenv("UPKEEP_RUN_ID", "nightly")
    other_process(1)
    assert "failed" not in act(gate)


@pytest.mark.parametrize("number", [1, 2])
def test_a_report_of_before_is_not_taken_for_this_one(act, other_process, number):
    """A second playbook of the same run whose report could not be written, in the same process or in another."""
    other_process(1)
    act(run_open, phases=["backup"], hosts=["web1"])
    act(record, phase="backup", result={"data": BACKUP})
    act(report)
    other_process(number)
    act(run_open, phases=["backup"], hosts=["web1"])
    act(record, phase="backup", result={"data": BACKUP})
    assert "no report of this run was written" in act(gate)["msg"]
