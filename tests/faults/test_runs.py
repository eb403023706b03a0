# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs that are killed, starved or filled up: what was good stays good, and the next report tells the truth."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest


@pytest.fixture
def small_disk(clone):
    """The clone's backups/ on a file system of 2 MiB."""
    folder = clone.path / "backups"
    folder.mkdir(mode=0o700)
    options = ["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("needs root, and a kernel that mounts a tmpfs here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_keeps_the_last_good_archive(clone, small_disk):
    backup = {"playbook": "playbooks/backup.yml", "backup_only": ["workflows"]}
    assert clone.run(**backup).rc == 0
    before = {path.name: path.read_bytes() for path in small_disk.iterdir() if path.is_file()}
    # All but two pages of it: there is room for evidence to be looked at, and none for an archive.
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(b"x" * (free.f_bavail - 2) * free.f_frsize)
    ran = clone.run(**backup, backup_force=True)
    assert ran.rc != 0
    assert "no_space" in ran.stdout
    assert "Traceback" not in ran.stdout
    (small_disk / "filler").unlink()
    assert {path.name: path.read_bytes() for path in small_disk.iterdir() if path.is_file()} == before
    assert clone.run(**backup, backup_force=True).rc == 0


def test_a_controller_that_cannot_run_anything_still_reports(clone, small_set):
    """No place for temporary files, as on a full disk: every module, the controller's own too, cannot start."""
    inventory = clone.inventory({"one": {}, "two": {}}, backup_sets=small_set, gate_enforce=False)
    clone.environment["ANSIBLE_REMOTE_TMP"] = "/proc/nowhere"
    ran = clone.run(inventory=inventory)
    assert ran.rc != 0
    assert clone.report()["fleet"] | {"targeted": 2, "observed": 0} == clone.report()["fleet"]
    workflows = [o for o in clone.observations() if o["host"] == "localhost"]
    assert [o["status"] for o in workflows] == ["unknown", "unknown"]


def test_a_killed_run_is_marked_by_the_next_report(clone, tmp_path, small_set):
    """SIGKILL while a module runs: the report says interrupted, and what is missing is unknown."""
    slow = tmp_path / "slow-python"
    slow.write_text(f'#!/bin/sh\nsleep 60\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    inventory = clone.inventory(
        {"slow": {"ansible_python_interpreter": str(slow)}}, backup_sets=small_set, gate_enforce=False
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
