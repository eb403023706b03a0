# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's side of a job: connections that drop, and claims of the dead."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.proven.upkeep.plugins.action import patch_apply, patch_begin, patch_note
from ansible_collections.proven.upkeep.plugins.plugin_utils import processes
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import claims

DROPPED = AnsibleConnectionFailure("Connection reset by peer")
SENSELESS = {"failed": True, "msg": "MODULE FAILURE", "module_stdout": "", "rc": 137}
REFUSED = {"failed": True, "error_code": "plan_moved", "msg": "moved"}


def answer(job, **more):
    data = {
        "job": job,
        "progress": "Setting up x",
        "started": "t",
        "reattached": False,
        "steps": [],
        "failed_step": None,
        "why": None,
    }
    return {"changed": False, "data": {**data, **more}}


class Applies(patch_apply.ActionModule):
    """With answers of a host that is not there; time passes as it is slept."""

    def __init__(self, answers, monkeypatch):
        self.answers, self.asked, self.resets, self.vars, self.now = list(answers), [], 0, {}, 0.0
        self._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="x"), reset=self._reset)
        self._task = SimpleNamespace(check_mode=False)
        self.said = []
        monkeypatch.setattr(patch_apply, "say", self.said.extend)
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self._sleep)
        monkeypatch.setattr(patch_apply, "time", clock)

    def inventory_name(self):
        return "web1"

    def _sleep(self, seconds):
        self.now += seconds

    def _reset(self):
        self.resets += 1
        if self.resets == 1:
            raise DROPPED

    def _execute_module(self, name, module_args, task_vars):
        self.asked.append(module_args)
        self.now += module_args["wait"]
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(said, Exception):
            raise said
        return said

    def go(self, **arguments):
        return self.act({"direction": "apply", "wait": 15, "timeout": 3600, "reconnect_s": 300, **arguments})


def test_slices_until_it_ends(monkeypatch):
    action = Applies([answer("running"), answer("running"), answer("running"), answer("ok", started="u")], monkeypatch)
    result = action.go()
    assert (result["data"]["job"], result["data"]["started"], result["data"]["duration_ms"]) == ("ok", "t", 60000)
    assert "failed" not in result
    assert action.asked[0]["process"] == processes.this()
    assert action.said == ["  web1      patch         apply       running     30 s: Setting up x"]


def test_a_job_that_cannot_be_asked_any_more_was_seen_at_work(monkeypatch):
    lost = {"failed": True, "error_code": "claim_lost", "msg": "Ann has it now"}
    result = Applies([answer("running"), lost], monkeypatch).go()
    assert (result["error_code"], result["data"]["job"]) == ("claim_lost", "running")
    assert "data" not in Applies([lost], monkeypatch).go(), "nothing was started"


def test_what_is_noted_is_noted_in_the_name_of_this_process():
    action = object.__new__(patch_note.ActionModule)
    action.vars, asked = {}, []
    action._execute_module = lambda name, module_args, task_vars: asked.append(module_args) or {"data": {}}
    assert action.act({"patch_id": "r1", "drained": False, "stage": None}) == {"data": {}}
    assert asked == [{"patch_id": "r1", "drained": False, "process": processes.this()}]


def test_a_dropped_connection_loses_nothing(monkeypatch):
    action = Applies([answer("running"), DROPPED, DROPPED, SENSELESS, answer("ok")], monkeypatch)
    assert action.go()["data"]["job"] == "ok"
    assert action.resets == 3
    assert action._connection._shell.tmpdir is None


def test_a_host_that_stays_away_is_unreachable_in_the_end(monkeypatch):
    action = Applies([answer("running"), DROPPED], monkeypatch)
    with pytest.raises(AnsibleConnectionFailure):
        action.go(reconnect_s=100)
    assert 100 <= action.now < 150


def test_senseless_answers_are_bounded(monkeypatch):
    action = Applies([SENSELESS], monkeypatch)
    assert action.go() == SENSELESS
    assert len(action.asked) == 3


def test_a_refusal_is_no_lost_connection(monkeypatch):
    action = Applies([REFUSED], monkeypatch)
    assert (action.go(), len(action.asked)) == (REFUSED, 1)


def test_it_gives_up_and_the_job_goes_on(monkeypatch):
    action = Applies([answer("running")], monkeypatch)
    result = action.go(timeout=40)
    assert (result["failed"], result["error_code"], result["data"]["job"]) == (True, "apply_timeout", "running")
    assert [each["wait"] for each in action.asked] == [15, 15, 11, 1]


@pytest.mark.parametrize(
    ("last", "code", "told"),
    [
        (
            answer("failed", failed_step="install", steps=[{"name": "install", "rc": 100}], why="x: postinst"),
            "apply_failed",
            "install ended with exit code 100: x: postinst",
        ),
        (answer("died"), "apply_died", "killed in the middle, twice"),
    ],
)
def test_how_it_fails(monkeypatch, last, code, told):
    result = Applies([last], monkeypatch).go()
    assert (result["failed"], result["error_code"]) == (True, code)
    assert told in result["msg"]


def claim_of(process):
    return {"run_id": "r1", "by": {"controller": process.partition("/")[0], "process": process}}


@pytest.fixture
def ended():
    """The identity of a process of this machine and boot that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = processes.find(child.pid)
    child.communicate(b"\n")
    return f"{processes.controller()}/{found.pid}/{found.identity}"


def test_which_claims_are_dead(ended):
    assert claims.dead(claim_of(ended)) == ended
    assert claims.dead(claim_of(processes.this())) is None
    controller, pid, boot, ticks = ended.split("/")
    assert claims.dead(claim_of(f"other-{controller}/{pid}/{boot}/{ticks}")) is None
    assert claims.dead(claim_of(f"{controller}/{pid}/another-boot/{ticks}")) is None  # a namesake, or before a restart
    assert claims.dead({}) is None
    assert claims.dead(claim_of("x")) is None


class Begins(patch_begin.ActionModule):
    def __init__(self, claim):
        self.claim, self.asked, self.vars = claim, [], {}

    def inventory_name(self):
        return "web1"

    def run_id(self):
        return "r9"

    def _execute_module(self, name, module_args, task_vars):
        self.asked.append(module_args)
        if "over" in module_args or not self.claim:
            return {"data": {"patch_id": "r9"}}
        return {"failed": True, "error_code": "claimed", "claim": self.claim}


def test_a_dead_run_is_taken_over(ended):
    action = Begins(claim_of(ended))
    assert action.act({"health": {}})["data"]["patch_id"] == "r9"
    assert action.asked[1]["over"] == ended
    assert action.asked[1]["by"]["process"] == processes.this()


def test_a_living_run_is_not():
    action = Begins(claim_of(processes.this()))
    assert action.act({"health": {}})["error_code"] == "claimed"
    assert len(action.asked) == 1


def test_it_says_who_it_is():
    action = Begins(None)
    action.act({"health": {}, "run_id": None})
    asked = action.asked[0]
    assert (asked["run_id"], asked["host"], asked["by"]["process"]) == ("r9", "web1", processes.this())
