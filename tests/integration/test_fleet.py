# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fleets in which something is wrong: the report tells the truth, and so does the exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

SETS = [{"name": "workflows"}]


def small_set(tmp_path, name="data"):
    """A set that this machine can back up in no time; each host of an inventory writes its own archive."""
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    (data / "file").write_text("worth keeping\n")
    return [
        *SETS,
        {"name": name, "paths": [str(data)], "dest": str(tmp_path / "{{ inventory_hostname }}" / "data.tar.gz")},
    ]


@pytest.mark.parametrize("strategy, serial", [("linear", "100%"), ("linear", 1), ("free", "100%")])
def test_a_dead_and_a_dying_host_among_good_ones(clone, tmp_path, refuses, dies, strategy, serial):
    inventory = clone.inventory(
        {"good1": {}, "dying": dies, "dead": refuses, "good2": {}},
        backup_sets=small_set(tmp_path), patch_scan_services=False, gate_enforce=False,
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


def test_a_controller_that_cannot_run_anything_still_reports(clone, tmp_path):
    """No place for temporary files, as on a full disk: every module, the controller's own too, cannot start."""
    inventory = clone.inventory({"one": {}, "two": {}}, backup_sets=small_set(tmp_path), gate_enforce=False)
    clone.environment["ANSIBLE_REMOTE_TMP"] = "/proc/nowhere"
    ran = clone.run(inventory=inventory)
    assert ran.rc != 0
    assert clone.report()["fleet"] | {"targeted": 2, "observed": 0} == clone.report()["fleet"]
    workflows = [o for o in clone.observations() if o["host"] == "localhost"]
    assert [o["status"] for o in workflows] == ["unknown", "unknown"]


def test_a_failed_workflows_backup_takes_no_host_with_it(clone, tmp_path):
    sets = small_set(tmp_path)
    sets[0] = {"name": "workflows", "paths": ["nosuch"]}
    inventory = clone.inventory({"one": {}, "two": {}}, backup_sets=sets, gate_enforce=False)
    ran = clone.run(inventory=inventory, cmdline="--tags backup")
    assert ran.rc != 0
    backups = {o["host"]: o["status"] for o in clone.observations()}
    assert backups == {"localhost": "failed", "one": "ok", "two": "ok"}


def test_limit_narrows_what_is_targeted(clone, tmp_path, refuses):
    inventory = clone.inventory({"good": {}, "dead": refuses}, backup_sets=small_set(tmp_path), gate_enforce=False)
    ran = clone.run(inventory=inventory, cmdline="--limit good")
    assert ran.rc == 0, ran.stdout
    assert [host["name"] for host in clone.report()["hosts"]] == ["good"]


def test_a_bad_variable_on_one_host_is_recorded_as_that_hosts_failure(clone, tmp_path):
    inventory = clone.inventory(
        {"good": {}, "typo": {"patch_refresh": "sometimes"}}, backup_sets=small_set(tmp_path), gate_enforce=False
    )
    ran = clone.run(inventory=inventory, cmdline="--tags patch")
    assert ran.rc != 0
    level = {o["host"]: o for o in clone.observations() if o["phase"] == "patch_level"}
    assert level["typo"]["status"] == "failed" and "patch_refresh" in level["typo"]["reason"]
    assert level["good"]["status"] == "ok"


def test_an_incomplete_backup_is_never_green(clone, tmp_path):
    # Root reads nearly everything; this one nobody may read.
    unreadable = "/proc/sys/net/ipv4/route/flush"
    if not os.path.exists(unreadable):
        pytest.skip(f"no {unreadable} here, and root reads everything else")
    sets = small_set(tmp_path)[1:]
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


def test_a_killed_run_is_marked_by_the_next_report(clone, tmp_path):
    """SIGKILL while a module runs: the report says interrupted, and what is missing is unknown."""
    slow = tmp_path / "slow-python"
    slow.write_text(f'#!/bin/sh\nsleep 60\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    inventory = clone.inventory(
        {"slow": {"ansible_python_interpreter": str(slow)}}, backup_sets=small_set(tmp_path), gate_enforce=False
    )
    process = subprocess.Popen(
        [str(os.path.join(os.path.dirname(sys.executable), "ansible-playbook")), "maintain.yml", "-i", inventory],
        cwd=clone.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        env={**os.environ, "ANSIBLE_CONFIG": str(clone.path / "ansible.cfg")},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        # The workflows backup is recorded; the host's own is what it hangs in.
        while not list(clone.path.glob("runs/*/hosts/localhost/*.json")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    ran = clone.run("playbooks/report.yml", inventory=inventory)
    assert ran.rc != 0
    assert "interrupted" in ran.stdout
    run = clone.json(str(next(clone.path.glob("runs/*/run.json")).relative_to(clone.path)))
    assert run["state"] == "interrupted"
    missing = {o["phase"]: o["status"] for o in clone.observations() if o["host"] == "slow"}
    assert missing == dict.fromkeys(("backup", "restore_test", "patch_level", "audit"), "unknown")
    assert clone.report()["verdict"] != "pass"
