# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The clone's own lab: started once, each host given back in its first state by the test that broke it."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

# Before the lab is read: a lab of the tests' own, the operator's stays as it is.
os.environ["UPKEEP_LAB"] = "test"

from lab import hosts, needs
from lab.__main__ import main
from lab.fleet import HOSTS, ROOT, Host
from tests.support import Clone, Ran, clone, clone_at, small_set

__all__ = ["clone", "clone_at", "small_set"]

INVENTORY = str(ROOT / "inventories/lab")


@dataclasses.dataclass
class Lab:
    """The hosts by name; what is broken during a test is brought back at its end."""

    hosts: dict[str, Host]
    broken: set[str] = dataclasses.field(default_factory=set)

    def shell(self, name: str, script: str) -> str:
        """Run a script on a host as root, past sshd and whatever is wrong with it."""
        return hosts.shell(self.hosts[name], "sh", "-ec", script)

    def break_(self, name: str, script: str) -> None:
        self.broken.add(name)
        self.shell(name, script)

    def stop(self, name: str) -> None:
        self.broken.add(name)
        hosts.stop(self.hosts[name])

    def start(self, name: str) -> None:
        hosts.start(self.hosts[name])

    def kill(self, name: str) -> None:
        """Pull the plug: nobody says goodbye."""
        self.broken.add(name)
        hosts.podman("kill", self.hosts[name].container)

    def old_python(self, name: str) -> dict[str, str]:
        """Bring a Python 3.6 or 3.7 of the controller's to a host; the host's variables to use it."""
        old = next((path for minor in "67" for path in Path.home().glob(f".pyenv/versions/3.{minor}.*")), None)
        if old is None:
            pytest.skip("no Python 3.6 or 3.7 here that could be brought to a host")
        self.broken.add(name)
        self.shell(name, f"mkdir -p {old.parent}")
        hosts.podman("cp", str(old), f"{self.hosts[name].container}:{old}")
        # Its user must reach it, too.
        self.shell(name, "chmod 755 /root")
        return {"ansible_python_interpreter": str(next(old.glob("bin/python3.[67]")))}

    def mend(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: hosts.reset(self.hosts[name], None), self.broken))
        self.broken.clear()


@pytest.fixture(scope="session")
def running_lab() -> Lab:
    if reason := needs.why_not():
        pytest.skip(reason)
    assert main(["up", "--fresh"]) == 0
    return Lab({host.name: host for host in HOSTS})


@pytest.fixture
def lab(running_lab: Lab) -> Iterator[Lab]:
    yield running_lab
    running_lab.mend()


@pytest.fixture
def maintain(clone: Clone, tmp_path: Path) -> Callable[..., Ran]:
    """The main job (or another playbook) on the lab, from a clone with evidence of its own; `host_vars` come on top of
    the inventory's."""

    def run(host_vars: dict[str, dict] | None = None, playbook: str = "maintain.yml", **extravars: Any) -> Ran:
        more = tmp_path / "more.json"
        more.write_text(json.dumps({"all": {"hosts": host_vars or {host.name: {} for host in HOSTS if host.managed}}}))
        return clone.run(playbook, inventory=INVENTORY, cmdline=f"-i {more}", **extravars)

    return run


@pytest.fixture
def patch(clone: Clone, tmp_path: Path) -> Callable[..., Ran]:
    """A patch run of the lab, from a clone with evidence of its own; `children` are groups besides the inventory's."""

    def run(
        children: dict[str, dict] | None = None,
        playbook: str = "playbooks/patch.yml",
        cmdline: str = "",
        **extravars: Any,
    ) -> Ran:
        more = tmp_path / "groups.json"
        more.write_text(json.dumps({"all": {"children": children or {}}}))
        return clone.run(playbook, inventory=INVENTORY, cmdline=f"-i {more} {cmdline}", **extravars)

    return run
