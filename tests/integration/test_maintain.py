# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The main job on this machine, in a fresh clone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

# contracts: what the main job leaves behind.
ALWAYS = [
    "backups/workflows_backup.tar.gz",
    "backups/workflows_backup.tar.gz.manifest.jsonl.gz",
    "backups/last_success.json",
    "backups/last_restore.json",
    "backups/restore-proof.txt",
    "backups/restore_test/maintain.yml",
    "audits/security.md",
    "reports/report.json",
]
AS_ROOT = [
    "backups/hosts/localhost/etc/last_success.json",
    "backups/hosts/localhost/etc/last_restore.json",
]


def test_the_main_job_leaves_evidence_and_a_second_run_makes_no_new_archive(clone):
    first = clone.run()
    assert first.rc == 0, first.stdout
    for name in ALWAYS + (AS_ROOT if os.geteuid() == 0 else []):
        if name.endswith("maintain.yml"):  # the set holds folders, not the root playbook
            name = "backups/restore_test/playbooks/maintain.yml"
        assert (clone.path / name).exists(), name
    seen = clone.validate_documents()
    assert {"backup", "restore", "run", "observation", "report"} <= set(seen)
    for folder in ("backups", "audits", "reports", "runs", "state"):
        assert (clone.path / folder).stat().st_mode & 0o777 == 0o700, folder
    assert (clone.path / "backups/workflows_backup.tar.gz").stat().st_mode & 0o777 == 0o600

    report = clone.report()
    assert report["fleet"]["targeted"] == report["fleet"]["observed"] == 1
    assert report["fleet"]["coverage_pct"] == 100
    gates = {gate["id"]: gate["status"] for gate in report["gates"]}
    assert gates["coverage"] == gates["restore_proven"] == "pass"
    # Nothing says what a vulnerability is yet, and nothing is probed: unknown is not a pass.
    assert gates["vulns_critical"] == gates["perf_p95_ms"] == "unknown"
    assert report["verdict"] != "pass"

    status = subprocess.run(
        [sys.executable, "-m", "upkeep", "status"], cwd=clone.path, capture_output=True, text=True, check=False
    )
    assert status.returncode == 0, status.stderr
    for words in ("localhost", "1 of 1 host observed", "oldest unproven    none", "next scheduled run"):
        assert words in status.stdout

    archive = (clone.path / "backups/workflows_backup.tar.gz").stat()
    proofs = len(list((clone.path / "backups/proofs").glob("*.json")))
    second = clone.run()
    assert second.rc == 0, second.stdout
    assert second.changed() == []
    after = (clone.path / "backups/workflows_backup.tar.gz").stat()
    assert (after.st_ino, after.st_mtime_ns) == (archive.st_ino, archive.st_mtime_ns)
    assert len(list((clone.path / "backups/proofs").glob("*.json"))) == 2 * proofs


@pytest.mark.once
@pytest.mark.skipif(not shutil.which("apt-get"), reason="no apt on this machine")
def test_pending_is_what_a_full_upgrade_would_install(clone):
    ran = clone.run("playbooks/patch_level.yml")
    assert ran.rc == 0, ran.stdout
    level = next(document["data"] for document in clone.observations() if document["phase"] == "patch_level")
    simulated = subprocess.run(
        ["apt-get", "-s", "dist-upgrade"], capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
    ).stdout
    expected = set(re.findall(r"^Inst (\S+)", simulated, re.M))
    found = {f"{package['name']}" for package in level["pending"] if not package["blocked_by"]}
    assert found == {name.split(":")[0] for name in expected}
    assert {package["name"] for package in level["removals"]} == set(re.findall(r"^Remv (\S+)", simulated, re.M))


@pytest.mark.once
def test_status_before_any_run_says_what_to_do(clone):
    status = subprocess.run(
        [sys.executable, "-m", "upkeep", "status"], cwd=clone.path, capture_output=True, text=True, check=False
    )
    assert status.returncode == 1
    assert "make maintain" in status.stderr
    assert "Traceback" not in status.stderr


def test_check_mode_leaves_nothing(clone):
    ran = clone.run(cmdline="--check --diff")
    assert ran.rc == 0, ran.stdout
    left = [name for name in ("backups", "audits", "reports", "runs") if (clone.path / name).exists()]
    assert left == []


@pytest.mark.once
@pytest.mark.parametrize("tag, phases", [("backup", {"backup"}), ("patch", {"patch_level"})])
def test_tags_narrow_the_run(clone, tag, phases):
    ran = clone.run(cmdline=f"--tags {tag}")
    assert ran.rc == 0, ran.stdout
    assert {document["phase"] for document in clone.observations()} == phases


def test_the_exit_code_follows_the_gates_where_they_are_enforced(clone):
    ran = clone.run(cmdline="--tags patch", gate_enforce=True)
    assert ran.rc != 0
    assert "gates_failed" in ran.stdout
    assert clone.json(str(next(clone.path.glob("runs/*/run.json")).relative_to(clone.path)))["exit"] == "failed"
    gate = {"id": "seen", "query": "fleet.observed", "op": "ge", "value": 1, "owner": "ops_lead"}
    assert clone.run(cmdline="--tags patch", gate_enforce=True, report_gates=[gate]).rc == 0


@pytest.mark.once
@pytest.mark.parametrize(
    "variables, names",
    [
        ({"backup_sets": [{"name": "x", "pathz": ["/etc"]}]}, "pathz"),
        ({"patch_refresh": "sometimes"}, "patch_refresh"),
        ({"report_gates": [{"id": "g", "query": "fleet.[", "op": "eq", "value": 1}]}, "g"),
        ({"target": "nosuchgroup"}, "no host is targeted"),
        ({"backup_only": ["ect"]}, "there is no backup set ect"),
        ({"backup_sets": [{"name": "../../x", "paths": ["/etc/apt"]}]}, "no name for a set"),
    ],
)
def test_a_typo_is_named_and_fails_the_run(clone, variables, names):
    ran = clone.run(cmdline="--tags backup,patch", **variables)
    assert ran.rc != 0
    assert names in ran.stdout
    assert "Traceback" not in ran.stdout


@pytest.mark.once
def test_what_a_survey_leaves_empty_counts_as_not_given(clone):
    empty = ("upkeep_serial", "target")
    null = (
        "backup_sets",
        "backup_only",
        "backup_folder",
        "backup_force",
        "patch_max_age",
        "patch_refresh",
        "patch_manager",
        "gate_enforce",
        "report_keep_runs",
    )
    ran = clone.run(cmdline="--tags backup,patch", report_gates=[], **dict.fromkeys(empty, ""), **dict.fromkeys(null))
    assert ran.rc == 0, ran.stdout
    assert (clone.path / "backups/last_success.json").exists()


@pytest.mark.once
def test_no_inventory_is_an_error_and_not_an_empty_green_run(clone, tmp_path):
    settings = tmp_path / "empty.cfg"
    settings.write_text("[defaults]\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), str(clone.path / "maintain.yml")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "ANSIBLE_CONFIG": str(settings)},
    )  # fmt: skip
    assert done.returncode != 0
    assert "the inventory has no host" in done.stderr + done.stdout


@pytest.mark.once
def test_as_an_ordinary_user(clone_at):
    """As nobody, with the system's interpreter: the tests' own may lie where nobody may not look."""
    python = "/usr/bin/python3"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv to become somebody else")
    found = subprocess.run([python, "--version"], capture_output=True, text=True, check=False).stdout
    if f" {version}." not in found:
        pytest.skip(f"{python} is not the Python {version} that these packages are for")
    with tempfile.TemporaryDirectory(prefix="upkeep-user-") as folder:
        clone = clone_at(Path(folder) / "clone")
        subprocess.run(["chown", "-R", "nobody", folder], check=True)
        environment = {
            **os.environ,
            "HOME": folder,
            "ANSIBLE_REMOTE_TMP": f"{folder}/tmp",  # nobody's own home is nowhere
            "USER": "nobody",
            "ANSIBLE_CONFIG": str(clone.path / "ansible.cfg"),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path.endswith("site-packages")),
        }
        done = subprocess.run(
            [
                "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                python, "-m", "ansible", "playbook", "maintain.yml",
            ],
            cwd=clone.path, capture_output=True, text=True, check=False, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "needs_root" in done.stdout
        assert (clone.path / "backups/last_restore.json").exists()
        assert clone.report()["fleet"]["observed"] == 1
        assert {gate["id"]: gate["status"] for gate in clone.report()["gates"]}["restore_proven"] == "pass"
