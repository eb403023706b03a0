# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Actions in this process, and real playbooks, run by the ansible-playbook of this interpreter on fake results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible import context
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROOT = Path(__file__).resolve().parents[4]
INVENTORY = """
all:
  hosts:
    good: {}
    nopython: {ansible_python_interpreter: /nonexistent/python}
    away: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    ansible_ssh_common_args: "-o ConnectTimeout=2"
"""


class Outcome:
    """How a playbook ended: its return code, its screen, and what is under its home."""

    def __init__(self, done, home):
        self.rc, self.screen, self.home = done.returncode, done.stdout + done.stderr, home

    def json(self, pattern):
        (path,) = self.home.glob(pattern)
        return json.loads(path.read_text())

    def files(self):
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file())


@pytest.fixture
def play(tmp_path):
    """play(text, "--limit", "good", ...) runs a playbook in a folder of its own."""
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    (tmp_path / "ansible.cfg").write_text("[defaults]\ninventory = inventory.yml\ninject_facts_as_vars = false\n")
    home = tmp_path / "home"

    def run(text, *arguments, **environment):
        (tmp_path / "playbook.yml").write_text(text)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "UPKEEP_", "PROJ"))}
        clean.update(ANSIBLE_CONFIG=str(tmp_path / "ansible.cfg"), ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"))
        clean.update(ANSIBLE_NOCOLOR="1", ANSIBLE_LOCAL_TEMP=str(tmp_path / "tmp"), **environment)
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "playbook.yml", "-e", f"upkeep_home={home}"]
        done = subprocess.run(
            [*command, *arguments], cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=180, check=False
        )
        return Outcome(done, home)

    return run


_NO_CONNECTION = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))


@pytest.fixture(name="act")
def act_fixture(tmp_path, monkeypatch):
    """act(record, phase="backup", ...) runs an action on host web1; `variables` and `check` change the play."""
    for name in ("UPKEEP_RUN_ID", "UPKEEP_HOME", "PROJ"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(args=("x/maintain.yml",), subset="web*", tags=("all",)))
    hosts = ["web1", "db1"]

    def run(plugin, variables=(), check=False, **arguments):
        known = {"inventory_hostname": "web1", "ansible_play_hosts_all": hosts, "upkeep_home": str(tmp_path / "home")}
        known.update(variables)
        templar = Templar(loader=DataLoader(), variables=known)
        task = SimpleNamespace(action=plugin.__name__, args=arguments, check_mode=check, async_val=0, diff=False)
        action = plugin.ActionModule(task, _NO_CONNECTION, None, DataLoader(), templar, None)
        return action.run(None, known)

    run.home = tmp_path / "home"
    return run
