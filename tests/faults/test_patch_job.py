# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A patch run's job through real playbooks: killed modules and controllers, two at once, full disks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages.transaction import Step
from ansible_collections.proven.upkeep.plugins.module_utils.patching import folder, job, launch

from tests.sshd import SSHD, Sshd
from tests.support import BIN, ROOT
from tests.unit.plugins.module_utils.patching.conftest import ToyHost

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root patches a host")

BEGIN = """
- hosts: all
  gather_facts: false
  tasks:
    - proven.upkeep.patch_begin:
        manager: apt
      register: begun
    - ansible.builtin.copy:
        content: "{{ begun | to_json }}"
        dest: "{{ out }}/begun.json"
        mode: "0600"
"""
APPLY = """
    - proven.upkeep.patch_apply:
        patch_id: "{{ begun.data.patch_id }}"
        plan_sha256: "{{ sha256 }}"
        wait: 2
        reconnect_s: 20
      register: applied
      failed_when: false
    - ansible.builtin.copy:
        content: "{{ applied | to_json }}"
        dest: "{{ out }}/applied.json"
        mode: "0600"
"""
END = """
    - proven.upkeep.patch_end:
        patch_id: "{{ begun.data.patch_id }}"
        outcome: patched
        drained: false
"""


class Fleet:
    """One host, and as many controllers as are asked for."""

    def __init__(self, clone, tmp_path, monkeypatch):
        self.clone, self.out, self.toy = clone, tmp_path, ToyHost(tmp_path / "toy")
        self.toy.put("installed", openssl="1")
        self.toy.put("available", openssl="2")
        monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
        utils = clone.path / "plugins/module_utils/packages"
        (utils / "apt_change.py").write_bytes((ROOT / "tests/toy_manager.py").read_bytes())

    def controller(self, run_id, *parts, inventory=None, **more):
        """A playbook of these parts, running."""
        playbook = self.out / f"{run_id}.yml"
        playbook.write_text("".join(parts))
        extra = {"out": str(self.out), "upkeep_home": str(self.out / "home"), **more}
        inventory = inventory or self.clone.path / "inventories/local"
        return subprocess.Popen(
            [str(BIN / "ansible-playbook"), "-i", str(inventory), str(playbook), "-e", json.dumps(extra)],
            cwd=self.clone.path,
            env={**os.environ, "UPKEEP_TOY": str(self.toy.top), "UPKEEP_RUN_ID": run_id, "ANSIBLE_NOCOLOR": "1",
                 "ANSIBLE_CONFIG": str(self.clone.path / "ansible.cfg"), "ANSIBLE_LOCALHOST_WARNING": "false",
                 "ANSIBLE_PYTHON_INTERPRETER": sys.executable},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, run_id, *parts, **more):
        process = self.controller(run_id, *parts, **more)
        said = process.communicate(timeout=120)[0]
        return process.returncode, said

    def told(self, name):
        return json.loads((self.out / f"{name}.json").read_text())


@pytest.fixture
def fleet(clone, tmp_path, monkeypatch):
    return Fleet(clone, tmp_path, monkeypatch)


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes_of(fleet, word):
    """This test's processes with that in a word of their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and entry.name != str(os.getpid()):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                environment = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word in each for each in words) and f"UPKEEP_TOY={fleet.toy.top}".encode() in environment:
                found.append(int(entry.name))
    return found


def kill(processes):
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_killed_module_and_controller_then_again(fleet):
    """The module is killed: asked again. The controller is killed: the job goes on, and the next run finds its end."""
    sha256 = fleet.toy.plan("r1", ("upgrade", "openssl", "1", "2"))
    (fleet.toy.top / "hold").touch()
    controller = fleet.controller("r1", BEGIN, APPLY, sha256=sha256)
    try:
        until((fleet.toy.top / "half" / "openssl").exists)
        killed = until(lambda: processes_of(fleet, b"AnsiballZ_patch_apply"))
        kill(killed)
        until(lambda: set(processes_of(fleet, b"AnsiballZ_patch_apply")) - set(killed))
    finally:
        kill(processes_of(fleet, b"ansible-playbook"))
        controller.communicate()
    (fleet.toy.top / "hold").unlink()
    claimed = json.loads((fleet.out / "state/patch/claim.json").read_text())
    assert claimed["run_id"] == "r1"
    rc, said = fleet.run("r2", BEGIN, APPLY, END, sha256=sha256)
    assert rc == 0, said
    begun, applied = fleet.told("begun")["data"], fleet.told("applied")
    # The last module of the killed controller may have lived long enough to see the end.
    assert (begun["patch_id"], begun["continues"]["stage"] in ("applying", "applied")) == ("r1", True)
    assert begun["job"]["job"] in ("running", "ok")
    assert (applied["data"]["job"], applied["data"]["reattached"], applied["data"]["repaired"]) == ("ok", True, False)
    assert fleet.toy.history() == ["openssl 2"]
    assert not (fleet.out / "state/patch/claim.json").exists()
    state = json.loads((fleet.out / "state/patch/runs/r1/state.json").read_text())
    assert state["run_ids"] == ["r1", "r2"]
    schema = json.loads((ROOT / "docs/schemas/patch_state.json").read_text())
    for document in (state, begun["continues"]):
        jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.skipif(not SSHD, reason="missing: sshd")
def test_a_connection_that_is_cut_and_a_host_that_stays_away_a_while(fleet, tmp_path):
    sshd = Sshd(tmp_path / "sshd").start()
    sha256 = fleet.toy.plan("r1", ("upgrade", "openssl", "1", "2"))
    (fleet.toy.top / "hold").touch()
    there = {
        "ansible_connection": "ssh",
        "ansible_host": sshd.alias,
        "ansible_ssh_common_args": f"-F {sshd.config} -o ControlPersist=5s",
        "ansible_python_interpreter": sys.executable,
    }
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"web1": there}}}))
    # Over ssh the environment does not come along; what is written for the test is written on the controller.
    remote = {"UPKEEP_TOY": str(fleet.toy.top), "UPKEEP_STATE_DIR": os.environ["UPKEEP_STATE_DIR"]}
    begin = BEGIN.replace("gather_facts: false", f"gather_facts: false\n  environment: {json.dumps(remote)}")
    controller = fleet.controller("r1", begin, APPLY, END, sha256=sha256, inventory=inventory)
    try:
        until((fleet.toy.top / "half" / "openssl").exists)
        assert until(sshd.cut) > 0  # the session alone
        sshd.stop()  # and the whole host does not answer
        time.sleep(4)
        sshd.start()
        until(sshd.sessions)
        (fleet.toy.top / "hold").unlink()
        said = controller.communicate(timeout=120)[0]
    finally:
        kill(processes_of(fleet, b"ansible-playbook"))
        sshd.stop()
    assert controller.returncode == 0, said
    data = fleet.told("applied")["data"]
    assert (data["job"], data["reattached"], fleet.toy.history()) == ("ok", False, ["openssl 2"])
    assert not (fleet.out / "state/patch/claim.json").exists()


def test_two_controllers_at_once(fleet):
    """One claims the host; the other is told who has it."""
    slow = BEGIN + "    - ansible.builtin.wait_for: {path: '{{ out }}/go', timeout: 60}\n"
    first, second = (fleet.controller(run_id, slow) for run_id in ("r1", "r2"))
    try:
        until(lambda: first.poll() is not None or second.poll() is not None)
        winner, loser = (first, second) if second.poll() is not None else (second, first)
        (fleet.out / "go").touch()
        said = loser.communicate(timeout=60)[0]
        assert loser.returncode == 2, said
        assert "another patch run works on this host: run r" in said
        assert (winner.communicate(timeout=60)[0], winner.returncode)[1] == 0
    finally:
        for process in (first, second):
            if process.poll() is None:
                kill(processes_of(fleet, b"ansible-playbook"))


@pytest.fixture
def full(mounted, tmp_path, monkeypatch):
    """A state folder on a small file system of its own, and a function that fills it."""
    disk = mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=256k", "tmpfs")
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(disk))
    monkeypatch.setattr(launch.systemd, "present", lambda: False)

    def fill():
        with (disk / "filler").open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space"):
            while True:
                stream.write(b"x" * 4096)

    return disk, fill


def test_a_disk_that_fills_up_under_the_job(full, tmp_path):
    """The steps go on, what they say is dropped, their end is known."""
    disk, fill = full
    go = tmp_path / "go"
    script = f"while [ ! -e {go} ]; do sleep 0.05; done; seq 20000; echo fine > {tmp_path}/done"
    steps = [Step("one", ("/bin/sh", "-c", script)), Step("two", ("/bin/sh", "-c", "exit 0"))]
    about = {"patch_id": "p", "run_id": "r", "name": "apply"}
    job.start(str(disk / "apply"), steps, unit="u", about=about)
    until(lambda: job.look(str(disk / "apply")).steps)
    fill()
    go.touch()
    found = job.wait(str(disk / "apply"), 30)
    assert (found.job, [step["rc"] for step in found.steps]) == ("ok", [0, 0])
    assert (tmp_path / "done").read_text() == "fine\n"


def test_a_full_disk_at_the_start_is_a_sentence(full):
    disk, fill = full
    folder.save(folder.Folder("r1").state, folder.new_state("r1", "web1", {}))
    fill()
    with pytest.raises(folder.UpkeepError, match="make room") as caught:
        folder.note("r1", stage="planned")
    assert caught.value.code == "state_unwritable"
    with pytest.raises(folder.UpkeepError) as caught:
        job.start(str(disk / "apply"), [], unit="u", about={"patch_id": "p", "run_id": "r", "name": "apply"})
    assert caught.value.code == "state_unwritable"
    assert folder.state_of("r1")["stage"] == "begun"
    assert job.look(str(disk / "apply")).job is None
