# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""patch_reboot in real playbooks. This machine is never asked to reboot: it seems to have done so, or not."""

from __future__ import annotations

import json
import os

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase
from ansible_collections.proven.upkeep.plugins.action.patch_reboot import ActionModule
from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages.host import is_container
from ansible_collections.proven.upkeep.plugins.module_utils.patching import folder, snapshot

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can patch a host")
KERNEL = os.uname().release
# In a container the kernel is the machine's, and not judged.
OTHER_KERNEL = None if is_container() else "reboot_kernel"
# What is asked for, the boot in which the host was before as far as its memory goes, and what comes of it.
CASES = {
    "unknown": ({"ask": False, "patch_id": "20200101T000000Z-1"}, "this", "unknown_run"),
    "check": ({"check": True}, "this", None),
    "prepared": ({"prepare": True}, "this", None),
    "still_up": ({"ask": False, "timeout": 0}, "this", "reboot_timeout"),
    "wrong_kernel": ({"ask": False, "timeout": 30, "expected_kernel": "9.9.9-1-amd64"}, "other", OTHER_KERNEL),
    "back": ({"ask": False, "timeout": 30, "expected_kernel": KERNEL}, "other", None),
    "away": ({"ask": False, "timeout": 1}, "this", "reboot_timeout"),
}


def the_play(host, names):
    """Run the cases on a host, one after the other, and keep their results."""
    tasks = []
    for name in names:
        options = {"patch_id": name, **CASES[name][0]}
        check = options.pop("check", False)
        task = {"proven.upkeep.patch_reboot": options, "check_mode": check, "register": name, "failed_when": False}
        tasks.append(task)
    content = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} | to_json }}"
    keep = {"content": content, "dest": f"{{{{ upkeep_home }}}}/{host}.json"}
    return {
        "hosts": host,
        "gather_facts": False,
        "tasks": [*tasks, {"ansible.builtin.copy": keep, "delegate_to": "good"}],
    }


def test_reboots_that_seem_to_happen_or_not(play, tmp_path, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    for name, (_options, memory, _code) in CASES.items():
        state = {**folder.new_state(name, "good", {}), "stage": "applied"}
        atomic.write_json(folder.Folder(name).state, state)
        boot = {**snapshot.boot(), **({"boot_id": "other"} if memory == "other" else {})}
        atomic.write_json(folder.Folder(name).before, {"boot": boot})
    atomic.make_folder(str(tmp_path / "home"))
    plays = [the_play("good", [name for name in CASES if name != "away"]), the_play("away", ["away"])]
    done = play(json.dumps(plays), UPKEEP_STATE_DIR=str(tmp_path / "state"))
    assert done.rc == 0, done.screen
    results = {**done.json("good.json"), **done.json("away.json")}
    noted = {name: folder.state_of(name)["reboot"] for name in CASES}
    assert {name: result.get("error_code") for name, result in results.items()} == {
        name: code for name, (_options, _memory, code) in CASES.items()
    }
    assert {
        name: (result["data"]["rebooted"], result["changed"]) for name, result in results.items() if name != "unknown"
    } == {
        "check": (False, True),
        "prepared": (False, False),
        "still_up": (False, False),
        "wrong_kernel": (True, OTHER_KERNEL is None),
        "back": (True, True),
        "away": (False, False),
    }
    data = results["back"]["data"]
    assert (data["kernel"], data["boot"], data["boot_before"]["boot_id"]) == (KERNEL, snapshot.boot(), "other")
    assert noted["check"] is None and noted["still_up"] is None
    assert noted["prepared"]["boot"] == snapshot.boot() and noted["prepared"]["back_at"] is None
    assert noted["back"]["back_at"] and noted["back"]["boot_after"] == snapshot.boot()
    assert "good was asked to reboot, answers" in results["still_up"]["msg"]
    assert OTHER_KERNEL is None or "not with 9.9.9-1-amd64" in results["wrong_kernel"]["msg"]
    assert "away did not come back from its reboot within 1 seconds" in results["away"]["msg"]
    assert not results["away"].get("unreachable")


class Connection:
    """A connection of ssh's kind that counts its resets."""

    transport = "ssh"

    def __init__(self, **options):
        self.options, self.resets, self._shell = options, 0, type("Shell", (), {"tmpdir": "/tmp/of-the-boot-before"})()

    def reset(self):
        self.resets += 1

    def get_option(self, name):
        return self.options.get(name)

    def set_option(self, name, value):
        self.options[name] = value


@pytest.fixture
def action(monkeypatch):
    """action(answer) is the action on a host that answers so, or raises it."""

    def make(answer, **options):
        made = object.__new__(ActionModule)
        made._connection, made.vars = Connection(**options), {}

        def execute(**_arguments):
            assert made._connection._shell.tmpdir is None
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(made, "_execute_module", execute, raising=False)
        return made

    return make


@pytest.mark.parametrize(
    "answer, seen",
    [
        ({"data": {"rebooted": False}}, {"rebooted": False}),
        (AnsibleConnectionFailure("Connection refused"), "Connection refused"),
        (OSError("Broken pipe"), "Broken pipe"),
        (
            {"failed": True, "module_stderr": "bash: python3: cannot execute", "msg": "MODULE FAILURE"},
            "bash: python3: cannot",
        ),
        ({"failed": True, "msg": "MODULE FAILURE"}, "MODULE FAILURE"),
        ({}, "it does not answer"),
    ],
)
def test_each_look_takes_a_fresh_connection_and_bears_with_none(action, answer, seen):
    looking = action(answer)
    found = looking._look("run")
    assert found == seen or str(found).startswith(str(seen))
    assert looking._connection.resets == 1


def test_what_the_host_itself_refuses_is_raised(action):
    with pytest.raises(UpkeepError) as raised:
        action({"failed": True, "error_code": "unknown_run", "msg": "no such run"})._look("run")
    assert raised.value.code == "unknown_run"


@pytest.mark.parametrize(
    "given, after",
    [
        (None, "-o ServerAliveInterval=5 -o ServerAliveCountMax=3"),
        ("-o X=1", "-o X=1 -o ServerAliveInterval=5 -o ServerAliveCountMax=3"),
        ("-o ServerAliveInterval=60", "-o ServerAliveInterval=60"),
    ],
)
def test_ssh_notices_a_host_that_dies(action, given, after):
    asking = action({}, ssh_common_args=given)
    asking._keep_alive()
    assert asking._connection.options["ssh_common_args"] == after


def test_a_connection_that_knows_no_reset_is_left_as_it_is(action):
    looking = action({"data": {}})
    looking._connection.__class__ = type("Other", (Connection,), {"reset": ConnectionBase.reset, "transport": "other"})
    assert looking._look("run") == {}
    looking._keep_alive()
    assert "ssh_common_args" not in looking._connection.options
