# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection built, installed into an empty place, and run by its full names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


pytestmark = pytest.mark.once


@pytest.fixture
def installed(clone, tmp_path):
    """The folder of an installed collection."""

    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    environment = {**os.environ, "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")}

    def run(*argv):
        subprocess.run(argv, check=True, capture_output=True, text=True, env=environment, cwd=tmp_path)

    galaxy = str(BIN / "ansible-galaxy")
    run(galaxy, "collection", "build", str(clone.path), "--output-path", str(tmp_path))
    (artifact,) = tmp_path.glob("proven-upkeep-*.tar.gz")
    run(galaxy, "collection", "install", str(artifact), "-p", str(tmp_path / "site"), "--offline")
    return tmp_path / "site"


def play(installed: Path, cwd: Path, *options: str, **environment: str) -> subprocess.CompletedProcess:
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(installed)
    environment["ANSIBLE_CONFIG"] = str(installed.parent / "ansible.cfg")
    options = ("-e", f"ansible_python_interpreter={sys.executable}", *options)
    return subprocess.run(
        [str(BIN / "ansible-playbook"), "proven.upkeep.maintain", "-i", "localhost,", "-c", "local", *options],
        cwd=cwd, capture_output=True, text=True, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_it_runs_where_upkeep_home_says(installed, tmp_path):
    home = tmp_path / "home"
    (home / "inventories").mkdir(parents=True)
    (home / "inventories/hosts").write_text("localhost ansible_connection=local\n")
    done = play(installed, tmp_path, "-e", "gate_enforce=false", UPKEEP_HOME=str(home))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (home / "reports/report.json").exists()
    assert (home / "backups/restore_test/inventories/hosts").exists()
    assert not (installed / "ansible_collections/proven/upkeep/reports").exists()


def test_a_home_without_workflows_is_no_failure(installed, tmp_path):
    home = tmp_path / "empty"
    home.mkdir()
    gates = '{"gate_enforce": false, "patch_scan_services": false}'
    done = play(installed, tmp_path, "-e", gates, "--tags", "backup,restore_test", UPKEEP_HOME=str(home))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no_workflows" in done.stdout


def test_it_refuses_to_write_into_an_installed_collection(installed):
    inside = installed / "ansible_collections/proven/upkeep/playbooks"
    done = play(installed, inside)
    assert done.returncode != 0
    assert "home_in_collection" in done.stdout + done.stderr
    assert not (inside / "backups").exists()
