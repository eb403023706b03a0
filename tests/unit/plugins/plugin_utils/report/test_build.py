# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import gates, rules, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import line, security, summary
from ansible_collections.proven.upkeep.plugins.plugin_utils.report.backups import proven_words
from ansible_collections.proven.upkeep.plugins.plugin_utils.report.build import build, p95

NOW = times.parse("2026-11-23T10:00:00Z")
TOOL = {"collection": "0.1.0", "python": "3.11.2", "ansible": "2.19.14"}
PHASES = ["backup", "restore_test", "patch_level", "audit"]
AWAY = {"unreachable": True, "msg": "Connection refused"}
GATES = gates.parse(
    [
        {"id": "coverage", "query": "fleet.coverage_pct", "op": "ge", "value": 80, "owner": "ops_lead"},
        {"id": "perf_p95_ms", "query": "perf.service_p95_ms", "op": "le", "value": 500},
        {"id": "vulns_critical", "query": "vulnerabilities.critical", "op": "eq", "value": 0},
        {"id": "restore_proven", "query": "summary.unproven_backups", "op": "eq", "value": 0},
        {"id": "audit_complete", "query": "summary.unaudited_hosts", "op": "eq", "value": 0},
        {"id": "patch_sla", "query": "sla.breached", "op": "eq", "value": 0},
    ]
)


@pytest.fixture(name="report")
def report_fixture(home, validate):
    def made(run_id="r1", now=NOW, policy=None):
        chosen = GATES if policy is None else gates.parse(policy)
        report = build(home, runs.load(home, run_id), chosen, now, TOOL)
        validate(report, "report")
        return report

    return made


@pytest.fixture(name="whole")
def whole_fixture(open_run, record, samples):
    """Records all phases of a host; `more` replaces a phase's result."""

    def recorded(run, host, **more):
        results = {
            "backup": {"changed": True, "data": samples.backup()},
            "restore_test": {"data": samples.restore()},
            "patch_level": {"data": samples.patch_level(), "duration_ms": 300},
            "audit": {"data": samples.audit()},
            **more,
        }
        for phase in run.phases:
            if results[phase]:
                record(run, host, phase, results[phase])

    return recorded


def statuses(report):
    return {gate["id"]: gate["status"] for gate in report["gates"]}


def test_a_good_run(open_run, whole, report):
    run = open_run("r1", PHASES, ["web1", "db1"])
    for host in run.targeted:
        whole(run, host)
    made = report()
    assert made["fleet"] == {"targeted": 2, "observed": 2, "unreachable": 0, "coverage_pct": 100.0}
    assert made["run"]["failures"] == [] and made["verdict"] == "unknown"
    assert statuses(made) == {
        "coverage": "pass", "perf_p95_ms": "unknown", "vulns_critical": "unknown", "restore_proven": "pass",
        "audit_complete": "pass", "patch_sla": "pass",
    }  # fmt: skip
    assert made["perf"]["collect_p95_ms"] == 300
    assert [(each["host"], each["proven"], each["problems"]) for each in made["backups"]] == [
        ("db1", True, []),
        ("web1", True, []),
    ]
    assert made["summary"]["pending"] == 4 and made["summary"]["security"] == 2
    assert made["hosts"][0]["patch"]["packages"][0]["name"] == "openssl"


def test_the_report_and_its_documents_are_functions_of_what_was_recorded(open_run, whole, report):
    run = open_run("r1", PHASES, ["web1", "db1", "away"])
    whole(run, "web1")
    first, second = report(), report()
    assert json.dumps(first) == json.dumps(second)
    assert security.render(first) == security.render(second)
    assert summary.summary(first) == summary.summary(second)


def test_who_was_not_seen(open_run, whole, record, report):
    run = open_run("r1", PHASES, ["web1", "away", "silent", "died"])
    whole(run, "web1")
    for phase in PHASES[:3]:
        record(run, "away", phase, AWAY)
        record(run, "died", phase, {"failed": True, "msg": "boom"})
    made = report()
    assert made["fleet"] == {"targeted": 4, "observed": 1, "unreachable": 1, "coverage_pct": 25.0}
    hosts = {host["name"]: host for host in made["hosts"]}
    assert hosts["away"]["status"] == "unknown" and hosts["away"]["reason"] == "unreachable: Connection refused"
    assert hosts["silent"]["phases"]["backup"]["reason"].startswith("missing: ")
    assert hosts["died"]["status"] == "failed"
    assert hosts["away"]["patch"]["pending"] is None, "not known is not zero"
    assert made["summary"]["patch_level_unknown"] == 3
    assert statuses(made)["audit_complete"] == "unknown"
    lines = summary.summary(made)
    assert (
        "  host silent was not observed in backup, restore_test, patch_level, audit: missing: nothing was recorded"
        in lines
    )
    assert "    look into runs/r1/hosts/away/backup.json" in lines
    document = security.render(made)
    assert "- **Not seen**: 3 of 4 hosts: away, silent, died" in document.splitlines()[:8]
    assert document.index("## Hosts not seen") < document.index("## Security updates by host")


def test_a_phase_that_this_run_did_not_do_is_carried_with_its_age(open_run, whole, record, report, samples):
    whole(open_run("old", PHASES, ["web1"], "2026-11-20T00:00:00Z"), "web1")
    run = open_run("r1", ["backup"], ["web1", "new"])
    record(run, "web1", "backup", {"data": samples.backup()})
    record(run, "new", "backup", {"skipped": True, "msg": "nothing to do"})
    web1, new = report()["hosts"]
    assert (web1["patch"]["run_id"], web1["patch"]["carried"], web1["patch"]["age_s"]) == ("old", True, 3598)
    assert web1["phases"]["backup"]["carried"] is False and web1["observed"] is True
    assert new["phases"]["audit"]["status"] is None and new["observed"] is False
    assert "(seen 59 min 58 s ago)" in security.render(report())


def test_an_expected_phase_is_never_carried(open_run, whole, report):
    whole(open_run("old", PHASES, ["web1"], "2026-11-20T00:00:00Z"), "web1")
    open_run("r1", PHASES, ["web1"])
    assert {section["status"] for section in report()["hosts"][0]["phases"].values()} == {"unknown"}
    # and an earlier report does not see a later run
    assert report("old")["fleet"]["observed"] == 1


@pytest.mark.parametrize(
    ("backup", "restore", "proven", "problem"),
    [
        ({}, {}, True, None),
        ({"sha256": "b" * 64}, {}, False, "the last proof is of an earlier archive"),
        ({}, None, False, "never restored: no drill has proven it"),
        ({"complete": False}, {}, False, "backup incomplete in this run"),
        ({}, {"status": "failed"}, False, "restore failed in this run (restore_test_failed)"),
        ({}, {"files_verified": 0}, False, "restore failed in this run (nothing_verified)"),
        ({}, {"status": "incomplete"}, False, "restore incomplete in this run"),
    ],
)
def test_a_backup_is_proven_by_a_drill_of_that_very_archive(
    open_run, whole, report, samples, backup, restore, proven, problem
):
    run = open_run("r1", ["backup", "restore_test"], ["web1"])
    drill = {"data": samples.restore(**restore)} if restore is not None else None
    whole(run, "web1", backup={"data": samples.backup(**backup)}, restore_test=drill)
    made = report()
    (entry,) = made["backups"]
    assert entry["proven"] is proven
    assert problem is None or any(told.startswith(problem) for told in entry["problems"])
    assert statuses(made)["restore_proven"] == ("pass" if proven else "fail")


@pytest.mark.parametrize(
    "history, words", [(None, "none"), ({"archives": 12, "bytes": 4100, "newest": []}, "12, 4.1 kB")]
)
def test_how_many_archives_are_kept(open_run, record, report, samples, validate, history, words):
    run = open_run("r1", ["backup"], ["web1"])
    record(run, "web1", "backup", {"data": samples.backup(**({"history": history} if history else {}))})
    made = report()
    validate(made, "report")
    (entry,) = [each for each in made["backups"] if each["host"] == "web1"]
    assert entry["last_success"]["history"]["archives"] == (history or {}).get("archives", 0)
    assert f"| {words} |" in security.render(made)


def test_no_backup_at_all_is_not_proven_but_unknown(open_run, report):
    open_run("r1", PHASES, ["web1"])
    made = report()
    assert made["summary"]["unproven_backups"] is None and statuses(made)["restore_proven"] == "unknown"
    assert "  backups  none yet" in summary.summary(made)


def test_backups_of_others_are_shown_but_not_judged(open_run, whole, record, report, samples):
    whole(open_run("old", ["backup"], ["gone"], "2026-11-20T00:00:00Z"), "gone")
    run = open_run("r1", ["backup", "restore_test"], ["web1"])
    record(run, "localhost", "backup", {"data": samples.backup(backup="workflows")})
    made = report()
    assert [(each["host"], each["in_scope"]) for each in made["backups"]] == [("localhost", True), ("gone", False)]
    assert made["summary"]["unproven_backups"] == 1


@pytest.mark.parametrize(
    ("audit", "stale", "expected"),
    [
        ({"status": "ok"}, False, 0),
        ({"status": "ok"}, True, None),
        ({"status": "unknown", "reason": "none"}, False, None),
        (None, False, None),
        ("failed", False, 1),
    ],
)
def test_unaudited(open_run, whole, report, samples, audit, stale, expected):
    run = open_run("r1", ["patch_level", "audit"], ["web1"])
    level = samples.patch_level(metadata={"stale": stale, "refreshed_at": None, "repositories": []})
    result = {"failed": True, "msg": "boom"} if audit == "failed" else audit and {"data": samples.audit(**audit)}
    whole(run, "web1", patch_level={"data": level}, audit=result)
    made = report()
    assert made["summary"]["unaudited_hosts"] == expected
    if stale:
        reason = next(gate["reason"] for gate in made["gates"] if gate["id"] == "audit_complete")
        assert reason == "package lists are stale on 1 of 1 hosts"
        assert "package lists are stale" in security.render(made)


def test_the_mandatory_rules(open_run, observe, samples):
    run = open_run("r1", PHASES, ["web1", "db1"])
    loop = {
        "results": [
            {"item": {"name": "etc"}, "data": samples.backup()},
            {"item": {"name": "db"}, "failed": True, "msg": "2 MB are free", "error_code": "no_space"},
            {"item": {"name": "www"}, "skipped": True, "msg": "not root"},
        ]
    }
    incomplete = {"data": {"status": "incomplete", "files_verified": 1}}
    audit = {"data": {"engines": [{"name": "a", "status": "ok"}, {"name": "b", "status": "unknown"}]}}
    seen = {
        (host, phase): observe(run, host, phase, result)
        for host, phase, result in (
            ("web1", "backup", loop),
            ("web1", "restore_test", incomplete),
            ("web1", "patch_level", {"failed": True, "msg": "x", "error_code": "locked"}),
            ("web1", "audit", audit),
            ("db1", "backup", {"skipped": True, "msg": "no sets"}),
            ("db1", "restore_test", AWAY),
            ("db1", "patch_level", {"data": samples.patch_level()}),
            ("localhost", "backup", {"failed": True, "msg": "beyond the targets"}),
        )
    }
    assert [failure["message"] for failure in rules.broken(run, seen)] == [
        "host web1: backup db failed: no_space: 2 MB are free",
        "host web1: restore_test is incomplete: incomplete: its result says so",
        "host web1: patch_level failed: locked: x",
        "host db1 was not observed in restore_test: unreachable: Connection refused",
        "host db1 was not observed in audit: missing: nothing was recorded",
        "host localhost: backup failed: module_failed: beyond the targets",
    ]


def test_the_security_document(open_run, whole, report, samples):
    many = [samples.package(f"lib{n:03}", security=True) for n in range(40)]
    urgent = samples.package("bash|x", security=True, severity="critical", severity_source="KEV", blocked_by="held")
    run = open_run("r1", PHASES, ["many", "urgent"])
    whole(run, "many", patch_level={"data": samples.patch_level(
        pending=[*many, samples.package("vim")],
        reboot={"required": True, "reasons": ["kernel 6.1.1 is installed"]},
        services_stale=[{"unit": "ssh.service", "pids": [1], "files": []}],
    )})  # fmt: skip
    whole(run, "urgent", patch_level={"data": samples.patch_level(pending=[urgent])})
    document = security.render(report())
    top = document.partition("\n## ")[0]
    assert len(top.splitlines()) <= 14 and all(len(each) <= 100 for each in top.splitlines())
    assert "- **Security updates**: 41 on 2 hosts (1 critical)" in top and "- **Reboots**: due on many" in top
    assert document.index("### urgent") < document.index("### many"), "the most urgent first"
    assert "### many: 40 security updates\n\n<details>" in document
    assert "| bash\\|x | 1.0-1 | 1.0-2 | critical | held |" in document
    assert "| many | reboot | kernel 6.1.1 is installed |" in document and "ssh.service" in document
    assert "<details><summary>many: 1 other update</summary>" in document


def test_gates_on_the_screen_are_aligned_and_say_why(open_run, whole, report):
    whole(open_run("r1", PHASES, ["web1"]), "web1")
    table = summary.gate_table(report())
    assert table[1].split() == ["GATE", "OBSERVED", "WANTED", "STATUS", "OWNER"]
    assert table[2].split() == ["coverage", "100.0", ">=", "80", "pass", "ops_lead"]
    assert any("no service probe is configured" in each for each in table)
    assert summary.gate_table({"gates": []}) == []


@pytest.mark.parametrize(
    ("drills", "first", "words"),
    [
        ([("ok", {})], "Restore OK", []),
        ([("ok", {}), ("skipped", None)], "Restore OK", []),
        ([("skipped", None)], "Restore FAILED", ["  nothing was restored, so nothing is proven"]),
        ([], "Restore FAILED", ["  nothing was restored, so nothing is proven"]),
        ([("unknown", None)], "Restore FAILED", ["  web1 etc: why"]),
        ([("incomplete", {}), ("ok", {})], "Restore FAILED", ["  web1 etc: why"]),
        (
            [("failed", {"corrupt_files": ["etc/a", {"path": "etc/b", "why": "sha256"}], "missing_files": ["m"] * 12})],
            "Restore FAILED",
            ["    corrupt: etc/a", "    corrupt: etc/b (sha256)", "    missing: and 2 more"],
        ),
    ],
)
def test_restore_verdict(drills, first, words):
    lines = summary.restore_verdict(
        [{"host": "web1", "set": "etc", "status": status, "reason": "why", "data": data} for status, data in drills]
    )
    assert lines[0] == first and (first != "Restore OK" or lines == ["Restore OK"])
    assert set(words) <= set(lines)


@pytest.mark.parametrize(
    ("phase", "result", "words"),
    [
        ("backup", "new", "ok          1,924 files, 4.1 MB, new archive in 0.4 s"),
        ("backup", "same", "ok          1,924 files, 4.1 MB, unchanged since 2026-11-23T08:00:00Z"),
        ("backup", {"failed": True, "msg": "2 MB", "error_code": "no_space"}, "FAILED      no_space: 2 MB"),
        ("backup", {"skipped": True, "msg": "not root"}, "skipped     not root"),
        ("restore_test", "restore", "ok          1,924 entries verified, 9.0 MB in 2.0 s"),
        ("patch_level", "level", "ok          2 pending (1 security)"),
        ("audit", "audit", "ok          0 findings by patch"),
        ("other", {"data": {"x": 1}}, "other                     ok"),
    ],
)
def test_one_line_a_set(open_run, observe, samples, phase, result, words):
    known = {
        "new": {"changed": True, "data": samples.backup()},
        "same": {"data": samples.backup()},
        "restore": {"data": samples.restore()},
        "level": {"data": samples.patch_level()},
        "audit": {"data": samples.audit()},
    }
    result = known[result] if isinstance(result, str) else result
    (told,) = line.lines(observe(open_run("r1", [phase], ["web1"]), "web1", phase, result))
    assert told.endswith(words) and told.startswith("  web1      ")


def test_line_of_a_host_in_trouble(open_run, observe, samples):
    level = samples.patch_level(
        reboot={"required": True}, services_stale=[{"unit": "a"}], metadata={"stale": True},
        counts={"pending": 2, "security": 1, "blocked": 1},
    )  # fmt: skip
    (told,) = line.lines(observe(open_run("r1", ["patch_level"], ["web1"]), "web1", "patch_level", {"data": level}))
    assert told.endswith("2 pending (1 security), 1 blocked, reboot due, 1 service to restart, package lists stale")


@pytest.mark.parametrize(
    ("values", "expected"), [([], None), ([5], 5), (list(range(1, 21)), 19), (list(range(1, 101)), 95)]
)
def test_p95(values, expected):
    assert p95(values) == expected


def test_coverage_of_the_tests_is_read_where_it_is(home, open_run, report):
    open_run("r1", PHASES, ["web1"])
    assert report()["quality"]["test_coverage_pct"] is None
    (home / "reports/coverage.json").write_text('{"totals": {"percent_covered": 91.234}}')
    assert report()["quality"]["test_coverage_pct"] == 91.2


def test_a_set_that_failed_and_never_succeeded_stays_unproven(open_run, record, report):
    failed = {"failed": True, "msg": "2 MB", "error_code": "no_space"}
    old = open_run("old", ["backup"], ["web1"], "2026-11-20T00:00:00Z")
    record(old, "web1", "backup", {"results": [{"item": {"name": "db"}, **failed}]})
    record(old, "localhost", "backup", failed, name="workflows")
    record(open_run("r1", ["patch_level"], ["web1"]), "web1", "patch_level", AWAY)
    made = report()
    assert [(each["backup"], each["proven"], each["in_scope"]) for each in made["backups"]] == [
        ("workflows", False, True),
        ("db", False, True),
    ]
    assert made["backups"][1]["problems"][0] == "the last backup was failed: no_space: 2 MB"
    assert made["summary"]["unproven_backups"] == 2


def test_what_is_carried_is_the_last_that_was_done_to_each_set(open_run, record, report, samples):
    old = open_run("old", ["backup"], ["localhost"], "2026-11-20T00:00:00Z")
    record(old, "localhost", "backup", {"results": [{"item": {"name": "etc"}, "data": samples.backup()}]})
    later = open_run("later", ["backup"], ["localhost"], "2026-11-21T00:00:00Z")
    record(later, "localhost", "backup", {"data": samples.backup(backup="workflows")}, name="workflows")
    record(later, "localhost", "backup", {"results": []})
    record(open_run("r1", ["patch_level"], ["localhost"]), "localhost", "patch_level", AWAY)
    (host,) = report()["hosts"]
    assert (host["backup"]["status"], host["backup"]["run_id"], host["backup"]["carried"]) == ("ok", "old", True)
    assert [each["name"] for each in host["backup"]["sets"]] == ["etc"]


def drill(part, of=4, pct=25.0, **more):
    return {"scope": {"mode": "stream", "paths": [], "sample": {"part": part, "of": of}, "coverage_pct": pct}, **more}


WHOLE = {"scope": {"mode": "stream", "paths": [], "sample": None, "coverage_pct": 100.0}}
PATHS = {"scope": {"mode": "stream", "paths": ["etc/passwd"], "sample": None, "coverage_pct": 0.08}}


@pytest.mark.parametrize(
    ("drills", "pct"),
    [
        ([WHOLE], 100),
        ([PATHS], 0.08),
        ([drill(1)], 25),
        ([drill(1), drill(2), drill(3)], 75),
        ([drill(1), drill(2), drill(3), drill(4)], 100),
        ([drill(3), drill(1), drill(4), drill(2), drill(2)], 100),
        ([drill(1), drill(2), drill(3, status="failed"), drill(4)], 25),
        ([drill(1), drill(2), drill(3, archive_sha256="b" * 64), drill(4)], 25),
        ([drill(1), drill(2), drill(1, of=3), drill(3), drill(4)], 50),
        ([WHOLE, drill(1)], 100),
        ([WHOLE, PATHS], 0.08),
        ([drill(1, of=1, pct=100.0)], 100),
        ([{"scope": {}}], 0),
    ],
)
def test_proven_is_the_whole_archive(open_run, record, report, samples, drills, pct):
    run = open_run("r1", ["backup", "restore_test"], ["web1"])
    record(run, "web1", "backup", {"data": samples.backup()})
    for each in drills:
        record(run, "other", "restore_test", {"data": samples.restore()})  # another set's proof in between
        record(run, "web1", "restore_test", {"data": samples.restore(**each)})
    made = report()
    entry = next(each for each in made["backups"] if each["host"] == "web1")
    assert (entry["proven_pct"], entry["proven"]) == (pct, pct == 100)
    words = proven_words(entry)
    if pct != 100:
        assert words.startswith(f"proven in part ({pct} %)") and made["summary"]["unproven_backups"] == 1
        assert f"{pct} %" in security.render(made) and words in "\n".join(summary.summary(made))
    else:
        assert words.startswith("proven 2026-") and made["summary"]["unproven_backups"] == 0


def test_a_broken_chain_of_proofs_fails_its_gate(home, open_run, whole, report):
    whole(open_run("r1", PHASES, ["web1"]), "web1")
    good = report()
    assert good["proof_chain"]["proofs"] == 1 and good["proof_chain"]["problems"] == []
    assert "Proofs: 1 in an unbroken chain." in security.render(good)
    assert "  proofs   1 in an unbroken chain" in summary.summary(good)
    (proof,) = (home / "backups/proofs").glob("*.json")
    proof.write_text(proof.read_text().replace("1924", "1925"))
    # A gate and no failure of the run: what was lost long ago would fail every run for good.
    gate = {"id": "proof_chain", "query": "length(proof_chain.problems)", "op": "eq", "value": 0}
    made = report(policy=[gate])
    assert not made["run"]["failures"]
    assert [each["status"] for each in made["gates"]] == ["fail"] and made["verdict"] == "fail"
    assert f"- {proof.name}: altered" in security.render(made)
    assert any("problems in their chain" in each for each in summary.summary(made))


def test_the_file_to_look_into_is_the_recording_s_own(open_run, record, report, samples):
    run = open_run("r1", ["backup"], ["web1"])
    record(run, "web1", "backup", {"data": samples.backup()})
    record(run, "web1", "backup", {"results": [{"item": {"name": "db"}, "failed": True, "msg": "no"}]})
    assert [each["file"] for each in report()["run"]["failures"]] == ["runs/r1/hosts/web1/backup.2.json"]


def test_an_unreadable_observation_is_named_and_the_others_are_reported(home, open_run, whole, report):
    run = open_run("r1", PHASES, ["web1", "db1"])
    whole(run, "web1")
    whole(run, "db1")
    path = home / "runs/r1/hosts/db1/backup.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "parts": None}))
    made = report()
    (failure,) = made["run"]["failures"]
    assert failure["file"] == "runs/r1/hosts/db1/backup.json" and "unreadable: runs/r1/" in failure["message"]
    assert made["hosts"][0]["status"] == "ok"


def test_an_interrupted_run_has_failed(home, open_run, whole, report):
    run = open_run("r1", ["backup"], ["web1"])
    whole(run, "web1")
    run.state = "interrupted"
    runs.save(home, run)
    (failure,) = report()["run"]["failures"]
    assert failure["reason"].startswith("interrupted: ") and failure["file"] == "runs/r1/run.json"


def test_an_earlier_process_does_not_stand_in_for_the_last_one(open_run, record, report, samples):
    first = open_run("r1", ["backup"], ["web1"], process="elsewhere/1/x")
    record(first, "web1", "backup", {"data": samples.backup()}, process="elsewhere/1/x")
    open_run("r1", ["backup"], ["web1"], process="elsewhere/2/x")
    made = report()
    assert made["hosts"][0]["phases"]["backup"]["status"] == "unknown"
    assert "missing: " in made["run"]["failures"][0]["reason"]
    assert [each["backup"] for each in made["backups"]] == ["etc"]


def test_a_limit_is_no_code_in_the_document(open_run, report):
    open_run("r1", PHASES, ["web1"], limit="web*:&a_`b`")
    top = security.render(report()).splitlines()[2]
    assert "limited to web\\*:&amp;a\\_\\`b\\`; other hosts" in top


def test_a_run_is_limited_only_where_each_of_its_openings_is(home, open_run):
    for number, limit in enumerate(["web", "db", "web"]):
        open_run("r1", ["backup"], ["web1"], limit=limit, process=str(number))
    assert runs.load(home, "r1").limit == "web, db"
    open_run("r1", ["backup"], ["web1"], process="3")
    assert runs.load(home, "r1").limit is None
