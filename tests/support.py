# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A clone of the project in a temporary folder, and playbooks run in it through ansible-runner."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def host_python() -> str:
    """The system's interpreter where it has apt's bindings: they are several times faster than apt's commands."""
    system = "/usr/bin/python3"
    found = shutil.which(system) and subprocess.run([system, "-c", "import apt_pkg"], capture_output=True, check=False)
    return system if found and found.returncode == 0 else sys.executable


HOST_PYTHON = host_python()


def export(target: Path) -> Path:
    """Copy what git tracks or would track, links included: what a fresh clone holds."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, copy = ROOT / name, target / name
        if not os.path.lexists(source):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy, follow_symlinks=False)
    return target


@dataclass
class Ran:
    """What a playbook run came to: exit code, screen, and the events behind it."""

    rc: int
    stdout: str
    events: list[dict] = field(default_factory=list)

    def tasks(self, outcome: str, host: str | None = None) -> list[dict]:
        """Events `runner_on_<outcome>` (ok, failed, unreachable, skipped) of a host."""
        return [
            event["event_data"]
            for event in self.events
            if event["event"] == f"runner_on_{outcome}" and host in (None, event["event_data"].get("host"))
        ]

    def changed(self) -> list[str]:
        return [
            event["task"] for event in self.tasks("ok") if event["res"].get("changed") and "results" not in event["res"]
        ]


@dataclass
class Clone:
    """A checkout with its own evidence."""

    path: Path

    def run(
        self, playbook: str = "maintain.yml", inventory: str | None = None, cmdline: str = "", **extravars: Any
    ) -> Ran:
        """Run a playbook from the clone's root, as `ansible-playbook` there would."""
        private = self.path.parent / f"runner-{len(list(self.path.parent.glob('runner-*')))}"
        private.mkdir()
        options = ["-i", inventory or str(self.path / "inventories/local")]
        if extravars:
            options += ["-e", json.dumps(extravars)]
        runner = ansible_runner.interface.init_runner(
            private_data_dir=str(private),
            project_dir=str(self.path),
            playbook=playbook,
            # Quoted by JSON: runner splits the line as a shell would.
            cmdline=" ".join(f"'{option}'" for option in options) + (" " + cmdline if cmdline else ""),
            envvars={
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "ANSIBLE_CONFIG": str(self.path / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
                **self.environment,
            },
            quiet=True,
            suppress_env_files=True,
        )
        runner.run()
        stdout = runner.stdout.read()
        return Ran(runner.rc, stdout, list(runner.events))

    environment: dict[str, str] = field(default_factory=dict)

    def json(self, name: str) -> Any:
        return json.loads((self.path / name).read_text())

    def report(self) -> Any:
        return self.json("reports/report.json")

    def host(self, name: str) -> Any:
        return next(host for host in self.report()["hosts"] if host["name"] == name)

    def observations(self) -> list[dict]:
        return [json.loads(path.read_text()) for path in sorted(self.path.glob("runs/*/hosts/*/*.json"))]

    def inventory(self, hosts: dict[str, dict], **group_vars: Any) -> str:
        """Write an inventory of these hosts; a host without variables is this machine under another name."""
        local = {"ansible_connection": "local", "ansible_python_interpreter": HOST_PYTHON}
        folder = self.path.parent / f"inventory-{len(list(self.path.parent.glob('inventory-*')))}"
        (folder / "group_vars").mkdir(parents=True)
        # All of them are this machine: each needs a scratch folder of its own.
        group_vars.setdefault("restore_test_folder", str(folder / "scratch/{{ inventory_hostname }}"))
        document = {"all": {"hosts": {name: {**local, **variables} for name, variables in hosts.items()}}}
        (folder / "hosts.json").write_text(json.dumps(document))
        (folder / "group_vars/all.json").write_text(json.dumps(group_vars))
        return str(folder)

    def validate_documents(self) -> list[str]:
        """Hold every JSON document under the home against the schema it names; returns the names seen."""
        seen = []
        for path in sorted(self.path.glob("**/*.json")):
            relative = path.relative_to(self.path)
            if relative.parts[0] not in ("backups", "audits", "reports", "runs") or "restore_test" in relative.parts:
                continue
            document = json.loads(path.read_text())
            name = document["schema"].removeprefix("upkeep.").rpartition("/")[0]
            schema = json.loads((ROOT / f"docs/schemas/{name}.json").read_text())
            jsonschema.Draft202012Validator(schema).validate(document)
            seen.append(name)
        return seen


@pytest.fixture
def clone_at():
    """Make a clone in a folder of the test's own choice."""
    return lambda folder: Clone(export(folder))


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(export(tmp_path / "clone"))


# A host that refuses at once: nothing listens there.
REFUSES = {
    "ansible_connection": "ssh",
    "ansible_host": "127.0.0.1",
    "ansible_port": 1,
    "ansible_ssh_common_args": "-o ConnectTimeout=2",
}
# A host on which every module dies before it can answer.
DIES = {"ansible_python_interpreter": "/bin/false"}


@pytest.fixture
def refuses() -> dict:
    return dict(REFUSES)


@pytest.fixture
def dies() -> dict:
    return dict(DIES)


@pytest.fixture
def small_set(tmp_path: Path) -> list[dict]:
    """`backup_sets` that take no time: the workflows, and `data`; each host writes its own archive of it."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "file").write_text("worth keeping\n")
    dest = tmp_path / "{{ inventory_hostname }}" / "data.tar.gz"
    return [{"name": "workflows"}, {"name": "data", "paths": [str(data)], "dest": str(dest)}]
