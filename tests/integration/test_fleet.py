# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fleets in which something is wrong: the report tells the truth, and so does the exit code."""

from __future__ import annotations

import os

import pytest

SETS = [{"name": "workflows"}]


@pytest.mark.parametrize("strategy, serial", [("linear", 1), ("free", "100%")])
def test_a_dead_and_a_dying_host_among_good_ones(clone, small_set, refuses, dies, strategy, serial):
    inventory = clone.inventory(
        {"good1": {}, "dying": dies, "dead": refuses, "good2": {}},
        backup_sets=small_set, patch_scan_services=False, gate_enforce=False,
    )  # fmt: skip
    clone.environment["ANSIBLE_STRATEGY"] = strategy
    ran = clone.run(inventory=inventory, upkeep_serial=serial)
    assert ran.rc != 0
    assert "Traceback" not in ran.stdout
    report = clone.report()
    assert report["fleet"]["targeted"] == 4
    assert report["fleet"]["observed"] == 2
    assert report["fleet"]["unreachable"] == 1
    status = {host["name"]: host["status"] for host in report["hosts"]}
    assert status["good1"] == status["good2"] == "ok"
    assert status["dead"] != "ok" and status["dying"] != "ok"
    phases = {(o["host"], o["phase"]): o for o in clone.observations() if o["host"] != "localhost"}
    for phase in ("backup", "restore_test", "patch_level"):
        assert phases["dead", phase]["status"] == "unknown"
        assert phases["dead", phase]["reason"].startswith("unreachable")
        assert phases["dying", phase]["status"] == "failed"
        assert phases["good1", phase]["status"] == "ok"
    # Both are named on the screen and in the document.
    security = (clone.path / "audits/security.md").read_text()
    for host in ("dead", "dying"):
        assert host in ran.stdout.split("RECAP")[0]
        assert host in security
    clone.validate_documents()


def test_every_host_failing_still_reports(clone, refuses, dies):
    ran = clone.run(inventory=clone.inventory({"dead": refuses, "dying": dies}, backup_sets=SETS))
    assert ran.rc != 0
    report = clone.report()
    assert report["fleet"] | {"targeted": 2, "observed": 0, "coverage_pct": 0} == report["fleet"]
    assert report["verdict"] != "pass"


def test_a_failed_workflows_backup_takes_no_host_with_it(clone, small_set):
    sets = small_set
    sets[0] = {"name": "workflows", "paths": ["nosuch"]}
    inventory = clone.inventory({"one": {}, "two": {}}, backup_sets=sets, gate_enforce=False)
    ran = clone.run(inventory=inventory, cmdline="--tags backup")
    assert ran.rc != 0
    backups = {o["host"]: o["status"] for o in clone.observations()}
    assert backups == {"localhost": "failed", "one": "ok", "two": "ok"}


@pytest.mark.once
def test_the_workflows_are_taken_though_the_first_host_does_not_name_them(clone, small_set):
    inventory = clone.inventory({"one": {"backup_sets": small_set[1:]}, "two": {}}, backup_sets=small_set)
    ran = clone.run("playbooks/backup.yml", inventory=inventory)
    assert ran.rc == 0, ran.stdout
    assert {o["host"] for o in clone.observations()} == {"localhost", "one", "two"}
    assert (clone.path / "backups/last_success.json").exists()


@pytest.mark.once
def test_limit_narrows_what_is_targeted(clone, small_set, refuses):
    inventory = clone.inventory({"good": {}, "dead": refuses}, backup_sets=small_set, gate_enforce=False)
    ran = clone.run(inventory=inventory, cmdline="--limit good")
    assert ran.rc == 0, ran.stdout
    assert [host["name"] for host in clone.report()["hosts"]] == ["good"]


def test_a_bad_variable_on_one_host_is_recorded_as_that_hosts_failure(clone, small_set):
    inventory = clone.inventory(
        {"good": {}, "typo": {"patch_refresh": "sometimes"}}, backup_sets=small_set, gate_enforce=False
    )
    ran = clone.run(inventory=inventory, cmdline="--tags patch")
    assert ran.rc != 0
    level = {o["host"]: o for o in clone.observations() if o["phase"] == "patch_level"}
    assert level["typo"]["status"] == "failed" and "patch_refresh" in level["typo"]["reason"]
    assert level["good"]["status"] == "ok"


@pytest.mark.once
def test_an_incomplete_backup_is_never_green(clone, tmp_path, small_set):
    # Root reads nearly everything; this one nobody may read.
    unreadable = "/proc/sys/net/ipv4/route/flush"
    if not os.path.exists(unreadable):
        pytest.skip(f"no {unreadable} here, and root reads everything else")
    sets = small_set[1:]
    sets[0]["on_unreadable"] = "mark"
    inventory = clone.inventory({"good": {}}, backup_sets=sets)
    assert clone.run("playbooks/backup.yml", inventory=inventory).rc == 0
    success = clone.json("backups/hosts/good/data/last_success.json")

    sets[0]["paths"].append(unreadable)
    inventory = clone.inventory({"good": {}}, backup_sets=sets)
    ran = clone.run("playbooks/backup.yml", inventory=inventory)
    assert ran.rc != 0
    assert "incomplete" in ran.stdout
    last = max(clone.path.glob("runs/*/hosts/good/backup.json"), key=lambda path: path.stat().st_mtime_ns)
    observation = clone.json(str(last.relative_to(clone.path)))
    assert observation["status"] == "incomplete"
    assert observation["data"][0]["unreadable"]
    # The last complete one is neither replaced nor forgotten.
    assert clone.json("backups/hosts/good/data/last_success.json") == success
    assert (tmp_path / "good/data.tar.gz").exists() and (tmp_path / "good/data.incomplete.tar.gz").exists()
