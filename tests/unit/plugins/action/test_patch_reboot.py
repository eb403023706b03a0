# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""patch_reboot in real playbooks. This machine is never asked to reboot: it seems to have done so, or not."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.patching import folder, snapshot

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can patch a host")
KERNEL = os.uname().release
# What is asked for, the boot in which the host was before as far as its memory goes, and what comes of it.
CASES = {
    "unknown": ({"ask": False, "patch_id": "20200101T000000Z-1"}, "this", "unknown_run"),
    "check": ({"check": True}, "this", None),
    "prepared": ({"prepare": True}, "this", None),
    "still_up": ({"ask": False, "timeout": 0}, "this", "reboot_timeout"),
    "wrong_kernel": ({"ask": False, "timeout": 30, "expected_kernel": "9.9.9-1-amd64"}, "other", "reboot_kernel"),
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
        "wrong_kernel": (True, False),
        "back": (True, True),
        "away": (False, False),
    }
    data = results["back"]["data"]
    assert (data["kernel"], data["boot"], data["boot_before"]["boot_id"]) == (KERNEL, snapshot.boot(), "other")
    assert noted["check"] is None and noted["still_up"] is None
    assert noted["prepared"]["boot"] == snapshot.boot() and noted["prepared"]["back_at"] is None
    assert noted["back"]["back_at"] and noted["back"]["boot_after"] == snapshot.boot()
    assert "good was asked to reboot, answers" in results["still_up"]["msg"]
    assert "not with 9.9.9-1-amd64" in results["wrong_kernel"]["msg"]
    assert "away did not come back from its reboot within 1 seconds" in results["away"]["msg"]
    assert not results["away"].get("unreachable")
