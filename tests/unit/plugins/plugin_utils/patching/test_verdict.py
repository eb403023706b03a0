# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a patch run comes to, whatever became of its steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import outcome
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import steps
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.advice import advice
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.verdict import OUTCOMES

from tests.patch_results import DIED, UNDONE, UNREACHABLE, applied, at, compose, error, plan, problem, results, until

BACK = {
    "back_apply": at(55, **applied(direction="back", changed=UNDONE, log="back\n")),
    "back_health": {"data": {}},
    "back_level": {"data": {}},
    "back_verify": {"data": {"status": "ok", "problems": []}},
}
# Besides: ok, or failed.
STATUS = {
    ("refused", "budget"): "incomplete",
    ("refused", "ring_stopped"): "incomplete",
    ("refused", "unreachable"): "unknown",
}
CLOSED = problem("port_closed", "port 443 was listening before and is not")
LOCKED = problem("lock_held", status="refused")
NOT_STARTED = at(50, status="failed", failed=[{"unit": "a", "why": "b"}])
HALF_BACK = {**BACK, "back_apply": at(8, **applied(unfinished=["x"]))}
UNFINISHED = at(8, **applied(job="failed", steps=[{"name": "upgrade", "rc": 100}], unfinished=["openssl is unpacked"]))
FAILED = at(8, **applied(job="failed", steps=[{"name": "upgrade", "rc": 100}]))
DIED_JOB = at(8, **applied(job="died"))
RUNNING = at(8, **applied(job="running"))
LEFT = {"stage": "applying", "run_ids": ["r0"], "states": [], "plan_sha256": "a" * 64}
CONTINUES = at(1, patch_id="r0", continues=LEFT, problems=[])


@pytest.mark.parametrize(
    ("given", "expected", "code"),
    [
        # all went well
        (results(), "patched", None),
        (until("plan", plan=at(4, **plan(actions=[]))), "nothing_to_do", None),
        (until("select", select=at(3, wanted=[])), "nothing_to_do", None),
        (results(begin=CONTINUES, plan=None, select=None), "patched", None),
        # nothing was changed
        ({"admit": at(0, admitted=False, code="budget", reason="4 min are left")}, "refused", "budget"),
        ({"admit": at(0, admitted=False, code="ring_stopped")}, "refused", "ring_stopped"),
        ({"admit": at(0, admitted=False, code="outside_window", reason="till 22:00")}, "refused", "outside_window"),
        ({"admit": error("invalid_policy")}, "refused", "invalid_policy"),
        (until("begin", begin=UNREACHABLE), "refused", "unreachable"),
        (until("begin", begin=error("claimed")), "refused", "claimed"),
        (until("begin", begin=DIED), "refused", "module_failed"),
        (until("level", level=error("refresh_failed")), "refused", "refresh_failed"),
        (until("preflight", preflight=LOCKED), "refused", "lock_held"),
        (until("plan", plan=at(4, **plan(refused={"code": "no_space", "message": "/var"}))), "refused", "no_space"),
        (until("plan", plan=error("irreversible")), "refused", "irreversible"),
        (until("protect", protect=error("fetch_failed")), "refused", "fetch_failed"),
        (until("protected", protected=at(5, protected=False, sets=[])), "refused", "unprotected"),
        (until("drain", drain=error("hook", "the balancer is away")), "refused", "hook"),
        (until("apply", apply=error("plan_moved")), "refused", "plan_moved"),
        (until("apply", apply=error("plan_changed")), "refused", "plan_changed"),
        (until("apply", apply=error("file_changed")), "refused", "file_changed"),
        (until("apply", apply=error("not_fetched")), "refused", "not_fetched"),
        (until("apply", apply=error("unfinished")), "needs_attention", "apply_unknown"),
        (until("protect"), "refused", "cut_off"),
        ({}, "refused", "cut_off"),
        # something may have been changed, and nobody knows what
        (until("apply", apply=UNREACHABLE), "needs_attention", "apply_unknown"),
        (until("apply", apply=DIED), "needs_attention", "apply_unknown"),
        (until("apply", apply=error("apply_timeout")), "needs_attention", "apply_unknown"),
        (until("apply", apply=RUNNING), "needs_attention", "apply_unknown"),
        (until("apply", apply=UNFINISHED), "needs_attention", "half_configured"),
        (until("apply"), "needs_attention", "unverified"),
        (until("verify", level_after=None, verify={"skipped": True}, health={}), "needs_attention", "unverified"),
        (results(verify=problem("unfinished", "openssl is unpacked")), "needs_attention", "unfinished"),
        (until("restart", restart=UNREACHABLE), "needs_attention", "unreachable"),
        (until("reboot", reboot=error("reboot_timeout")), "needs_attention", "reboot_timeout"),
        (until("level_after", level_after=UNREACHABLE), "needs_attention", "unreachable"),
        (until("begin", begin={**CONTINUES, **error("health_red")}), "needs_attention", "unfinished"),
        (until("preflight", begin=CONTINUES, preflight=LOCKED), "needs_attention", "unfinished"),
        (until("apply", begin=CONTINUES, apply=error("plan_moved")), "needs_attention", "unfinished"),
        (results(undrain=error("hook", "the balancer is away")), "needs_attention", "undrain_failed"),
        # changed, looked at, and not as it should be
        (until("apply", apply=FAILED), "failed", "apply_failed"),
        (until("apply", apply=FAILED | error("apply_failed")), "failed", "apply_failed"),
        (until("apply", apply=RUNNING | error("apply_timeout")), "needs_attention", "apply_unknown"),
        (until("apply", apply=DIED_JOB), "failed", "apply_died"),
        (until("restart", restart=NOT_STARTED), "failed", "restart_failed"),
        (until("reboot", reboot=error("initramfs_missing")), "failed", "initramfs_missing"),
        (results(verify=CLOSED), "failed", "port_closed"),
        # and taken back
        (results(verify=CLOSED, **BACK), "rolled_back", "port_closed"),
        (until("apply", apply=FAILED) | BACK, "rolled_back", "apply_failed"),
        (until("apply", apply=UNFINISHED) | BACK, "rolled_back", "apply_failed"),
        (results(verify=CLOSED, **{**BACK, "back_apply": UNREACHABLE}), "needs_attention", "rollback_failed"),
        (results(verify=CLOSED, **{**BACK, "back_verify": CLOSED}), "needs_attention", "rollback_failed"),
        (results(verify=CLOSED, **HALF_BACK), "needs_attention", "half_configured"),
    ],
)  # fmt: skip
def test_the_outcome_of_a_patch_run(validate, given, expected, code):
    made = compose(given)
    status = "ok" if code is None else STATUS.get((expected, code), "failed")
    assert (made["outcome"], outcome.patch_status(made), made["error_code"]) == (expected, status, code)
    assert (made["reason"] is None) == (expected in ("patched", "nothing_to_do"))
    assert (advice(made) is None) == (status == "ok")
    validate(made, "patch")
    (part,), _listed = outcome.parts_of("patch", {"data": made})
    assert (part.status, part.reason) == (status, made["reason"])


PRE = {"back": {"data": {"plan": plan()}}, "begin": at(1, patch_id="r0", continues=None)}


@pytest.mark.parametrize(
    ("given", "expected", "code"),
    [
        ({**PRE, **BACK}, "rolled_back", None),
        ({"back": error("nothing_changed")}, "refused", "nothing_changed"),
        ({**PRE, "begin": error("claimed")}, "refused", "claimed"),
        ({**PRE, "back_apply": error("claimed")}, "refused", "claimed"),
        ({**PRE, "back_apply": UNREACHABLE}, "needs_attention", "rollback_failed"),
        ({**PRE, "back_apply": BACK["back_apply"]}, "needs_attention", "unverified"),
        ({**PRE, **BACK, "back_verify": CLOSED}, "needs_attention", "rollback_failed"),
        (PRE, "refused", "cut_off"),
    ],
)
def test_a_rollback_that_was_asked_for(validate, given, expected, code):
    made = compose(given, run_id="r2", mode="rollback", rollback_of="r0")
    status = "ok" if code is None else "failed"
    assert (made["outcome"], outcome.patch_status(made), made["error_code"]) == (expected, status, code)
    assert (advice(made) is None) == (status == "ok")
    validate(made, "patch")


def test_a_plan_alone():
    assert compose(until("plan"), mode="report")["outcome"] == "planned"
    assert compose(until("plan"), predicted=True)["outcome"] == "planned"
    assert compose(PRE, mode="rollback", rollback_of="r0", predicted=True)["outcome"] == "planned"
    assert compose(until("select"), mode="report")["outcome"] == "refused"


def test_what_no_log_hides_is_not_recorded():
    told = steps.with_failure({}, {"failed": True, "msg": "token", "_ansible_no_log": True})
    assert told["admit"]["failed"] and "token" not in str(told) and "no_log" in told["admit"]["msg"]


@pytest.mark.parametrize("asked", [{"mode": "report"}, {"predicted": True}])
def test_a_look_at_a_host_in_the_middle_says_what_would_be_gone_on_with(asked):
    begin = {"data": {"patch_id": "r0", "continues": {"stage": "applying", "run_ids": ["r0"], "states": []}}}
    made = compose(until("begin", begin=begin), **asked)
    assert (made["outcome"], made["reason"]) == ("planned", None)
    assert made["notes"][0].startswith("run r0 left it in the middle (applying): the next patch run would finish")


@pytest.mark.parametrize(
    ("ran", "failed", "step", "expected"),
    [
        ({}, error("x"), None, {"admit"}),
        (until("protect"), error("x"), None, {"drain"}),
        (results(), {}, None, set()),
        (until("begin", begin=error("y")), error("x"), None, {"begin"}),
        (until("apply"), error("x"), "undrain", {"undrain"}),
        (results(undrain={"data": {}}), error("x"), "undrain", set()),
        (until("restart"), UNREACHABLE, None, {"reboot"}),
    ],
)
def test_a_task_that_failed_and_is_no_step(ran, failed, step, expected):
    read = steps.read(steps.with_failure({key: each for key, each in ran.items() if each}, failed, step))
    assert {each.name for each in read.values() if each.is_bad} == expected


def test_results_of_unknown_steps_are_refused():
    with pytest.raises(UpkeepError, match="appply") as raised:
        steps.read({"appply": {}})
    assert raised.value.code == "bad_results"


def test_the_schema_knows_every_outcome():
    schema = json.loads((Path(__file__).resolve().parents[5] / "docs/schemas/patch.json").read_text())
    assert schema["properties"]["outcome"]["enum"] == list(OUTCOMES)
