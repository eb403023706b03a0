# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""patch_health, patch_restart and patch_reboot as Ansible runs them, on this machine, which stays as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.patching import folder, snapshot

ROOT = Path(__file__).resolve().parents[4]
pytest.importorskip("ansible.module_utils.basic")
RUN = "20261123T200102Z-4711"
STATES = [{"state": "preflight", "status": "ok", "run_id": RUN}]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can patch a host")


@pytest.fixture
def state(tmp_path, monkeypatch):
    """The host's memory of a run that has been applied."""
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    run = folder.Folder(RUN)
    atomic.write_json(run.state, {**folder.new_state(RUN, "web1", {}), "stage": "applied"})
    atomic.write_json(run.before, {**snapshot.take(), "health": []})
    return run


def run(module, check=False, **options):
    import ansible

    path = os.pathsep.join([str(ROOT / "collections"), str(Path(ansible.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, str(ROOT / f"plugins/modules/{module}.py")],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": dict(options, _ansible_check_mode=check)}),
        env=dict(os.environ, PYTHONPATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


@needs_root
def test_health_against_before(state):
    health = {"commands": [{"argv": ["true"]}], "units": None}
    rc, result = run("patch_health", patch_id=RUN, before=True, health=health, states=STATES)
    assert rc == 0, result
    data = result["data"]
    assert result["changed"] is False
    assert [(check["kind"], check["ok"]) for check in data["checks"]] == [("command", True)]
    assert {"units", "listening", "boot", "problems", "not_seen", "started", "finished", "duration_ms"} <= set(data)
    assert data["boot"] == snapshot.boot()
    assert folder.state_of(RUN)["states"] == STATES


@needs_root
def test_a_socket_that_closed_since_is_found(state):
    before = folder.before_of(RUN)
    before["listening"].append({"proto": "tcp", "address": "0.0.0.0", "port": 7, "process": "echo", "unit": None})
    atomic.write_json(state.before, before)
    _rc, result = run("patch_health", patch_id=RUN, before=True)
    assert ("port_closed", "tcp port 7 (echo) was listened on before and is not now.") in [
        (problem["code"], problem["message"]) for problem in result["data"]["problems"]
    ]


@needs_root
def test_check_mode_notes_nothing(state):
    rc, result = run("patch_health", check=True, patch_id=RUN, states=STATES)
    assert rc == 0 and folder.state_of(RUN)["states"] == []
    rc, result = run("patch_restart", check=True, patch_id=RUN, states=STATES)
    assert rc == 0 and result["data"]["failed"] == []
    rc, result = run("patch_reboot", check=True, patch_id=RUN, step="ask")
    assert rc == 0 and result["data"]["boot_before"] == snapshot.boot()
    assert folder.state_of(RUN)["reboot"] is None and folder.state_of(RUN)["stage"] == "applied"


@needs_root
@pytest.mark.parametrize(
    "module, options, code",
    [
        ("patch_health", {"health": {"ports": ["x"]}}, "invalid_health"),
        ("patch_health", {"before": True}, "bad_parameter"),
        ("patch_health", {"before": True, "patch_id": "20200101T000000Z-1"}, "unknown_run"),
        ("patch_restart", {"patch_id": "../../etc", "states": []}, "bad_patch_id"),
        ("patch_reboot", {"patch_id": "20200101T000000Z-1", "step": "look"}, "unknown_run"),
    ],
)
def test_failures_carry_a_code(state, module, options, code):
    rc, result = run(module, **options)
    assert rc == 1 and (result["failed"], result["error_code"]) == (True, code)
    assert "Traceback" not in result["msg"] and "\n" not in result["msg"]


@needs_root
def test_a_reboot_is_noted_and_looked_for(state):
    rc, result = run("patch_reboot", patch_id=RUN, step="prepare", expected_kernel=os.uname().release, states=STATES)
    assert rc == 0, result
    assert folder.state_of(RUN)["reboot"]["boot"] == snapshot.boot()
    rc, result = run("patch_reboot", patch_id=RUN, step="look")
    assert rc == 0 and result["data"]["rebooted"] is False
