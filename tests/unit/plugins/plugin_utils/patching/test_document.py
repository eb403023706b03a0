# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's patch run as a document, and as its line and its plan on the screen."""

from __future__ import annotations

import json

import pytest
from ansible_collections.proven.upkeep.plugins.filter.patch_states import patch_states
from ansible_collections.proven.upkeep.plugins.plugin_utils import outcome
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.line import lines
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.patch import plan_lines, words
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Observation
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import steps
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.document import soaked
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.verdict import OUTCOMES
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.patch_results import ACTIONS, DIED, UNDONE, applied, at, compose, error, level, plan, problem, results, until

CLOSED = problem("port_closed", "port 443 was listening before and is not")
KEYS = [
    "status", "problems", "job", "steps", "progress", "failed_step", "admitted", "refused", "protected", "sets",
    "actions", "left_out", "pending", "counts", "continues", "states", "run_ids", "stage", "changed", "kept",
    "irreversible", "config_leftovers", "unfinished", "restarted", "failed", "excluded", "deferred", "left", "rebooted",
    "kernel", "before", "notes", "started", "finished", "duration_ms", "checks", "plan", "log", "name", "arch", "state",
    "code", "message", "plan_sha256", "patch_id", "ring", "manager", "boot", "wanted", "fetched_bytes",
    "run_id", "detail",
]  # fmt: skip
VERIFIED = {"data": {"status": "ok", "problems": []}}


def test_all_that_is_known_of_a_run_that_went_well(validate):
    made = compose(
        results(reboot=at(51, rebooted=True, kernel="6.2", expected_kernel="6.2")), ring="canary", drained=True
    )
    validate(made, "patch")
    assert [(each["state"], each["status"], each["duration_ms"]) for each in made["states"]] == [
        ("preflight", "ok", 4000), ("plan", "ok", 2000), ("protect", "ok", 3000), ("apply", "ok", 41_000),
        ("restart", "ok", 2000), ("verify", "ok", 2500),
    ]  # fmt: skip
    assert [each["detail"] for each in made["states"]] == [
        "2 pending, 1 of them security",
        "1 upgrade, 1 install, 1 left out",
        "etc proven to restore, 4.1 MB fetched, 1 of 1 version kept",
        "2 packages changed",
        "1 unit restarted, rebooted into 6.2 in 1.0 s",
        "1 check green, 1 pending, 0 of them security",
    ]
    assert made["before"] == {"installed": 742, "pending": 2, "security": 1, "blocked": 0}
    assert made["after"] == {"installed": 742, "pending": 1, "security": 0, "blocked": 0}
    assert [(each["name"], each["security"], each["why"]) for each in made["changed"]] == [
        ("openssl", True, "security update"),
        ("libnew1", None, "needed by openssl"),
    ]
    assert (made["plan_sha256"], made["policy_sha256"]) == ("a" * 64, "b" * 64)
    assert (made["started"], made["finished"], made["duration_ms"]) == (
        "2026-11-23T22:00:00Z",
        "2026-11-23T22:01:00Z",
        60_000,
    )
    assert made["rebooted"] and made["kernel"] == {"before": "6.1", "after": "6.2"}
    assert (
        made["drained"]
        and made["ring"] == "canary"
        and made["notes"] == ["an exception ended"]
        and not made["problems"]
    )
    assert made["ran_by"] == {"user": "ann", "controller": "ctl", "playbook": "patch.yml"}


def test_a_continued_run_tells_the_states_of_both():
    entry = {"state": "apply", "started": None, "finished": None, "duration_ms": 5, "status": "failed", "detail": "x"}
    left = {
        "stage": "applying",
        "run_ids": ["r0", "r1"],
        "states": [{**entry, "run_id": "r0"}],
        "plan_sha256": "c" * 64,
    }
    made = compose(results(begin=at(1, patch_id="r0", continues=left), plan=None, select=None))
    assert (made["patch_id"], made["continued_from"], made["plan_sha256"]) == ("r0", ["r0"], "c" * 64)
    assert [(each["run_id"], each["state"]) for each in made["states"]][:3] == [
        ("r0", "apply"), ("r1", "preflight"), ("r1", "protect"),
    ]  # fmt: skip
    assert "goes on with run r0" in made["states"][1]["detail"]


def test_a_host_that_did_not_come_back_was_not_verified():
    made = compose(until("level_after") | {"reboot": error("reboot_timeout", "it did not come back")})
    assert [each["state"] for each in made["states"]][-1] == "restart"


def test_a_way_back_that_is_gone_on_with_says_why_it_was_begun():
    red = {"state": "verify", "status": "failed", "detail": "port_closed: port 443", "run_id": "r0"}
    left = {"stage": "rolling_back", "run_ids": ["r0"], "states": []}
    back = {"back_apply": at(5, **applied(changed=UNDONE)), "back_verify": VERIFIED}
    for states, reason in (([red], "port_closed: port 443"), ([], "rolled_back: an earlier run had begun")):
        made = compose({"begin": at(1, patch_id="r0", continues={**left, "states": states}), **back})
        assert made["outcome"] == "rolled_back" and made["reason"].startswith(reason)


def test_clocks_that_disagree_make_no_time_of_their_own():
    ahead = {"data": {"started": "2027-01-01T00:00:00Z", "finished": "2027-01-01T00:00:03Z", "duration_ms": 3000}}
    made = compose({"admit": at(0, 0, admitted=True), "begin": ahead, "preflight": at(3, 0, status="ok")})
    (entry,) = made["states"]
    assert entry["duration_ms"] == 4000, "the controller's own four seconds, not the weeks in between"
    assert (made["started"], made["duration_ms"]) == ("2026-11-23T22:00:00Z", 60_000)


def test_the_states_so_far_are_those_of_the_document():
    so_far = until("apply")
    assert patch_states(so_far, "r1") == compose(so_far)["states"]


def told(document):
    observation = Observation("r", "p", document["host"], "web1", "patch", "ok", None, "x", "x")
    observation.hold(*outcome.parts_of("patch", {"data": document}))
    return lines(observation)


@pytest.mark.parametrize(
    ("given", "facts", "status", "expected", "command"),
    [
        (results(), {}, "ok", "1 package upgraded, 1 installed, 1 of them security, 1 unit restarted, in 1 min", None),
        (until("plan", plan=at(4, **plan(actions=[]))), {}, "ok", "nothing to do, 1 left out, in 1 min", None),
        (until("plan"), {"mode": "report"}, "ok", "2 packages planned, 1 left out; nothing was changed", None),
        (
            until("begin", begin=error("claimed", "run r0 of ann works on it since 21:00")),
            {},
            "FAILED",
            "claimed: run r0 of ann works on it since 21:00; nothing was changed",
            "make patch HOST=web1",
        ),
        (
            {"admit": at(0, admitted=False, code="ring_stopped", reason="canary db1 failed")},
            {},
            "INCOMPLETE",
            "ring_stopped: canary db1 failed; nothing was changed",
            "make patch HOST=web1",
        ),
        (
            until("apply", apply=DIED),
            {},
            "FAILED",
            "apply_unknown: it may still install on the host: module_failed: Killed "
            "(killed: rc 137; out of memory?)",
            "make patch HOST=web1",
        ),
        (
            results(verify=CLOSED, back_apply=at(55, **applied(changed=UNDONE)), back_verify=VERIFIED),
            {},
            "FAILED",
            "port_closed: port 443 was listening before and is not; 1 package upgraded, 1 installed, "
            "1 of them security, 2 packages taken back, 1 unit restarted, in 1 min",
            "make patch HOST=web1",
        ),
        (
            results(verify=CLOSED),
            {},
            "FAILED",
            "port_closed: port 443 was listening before and is not; 1 package upgraded, 1 installed, "
            "1 of them security, 1 unit restarted, in 1 min",
            "make rollback HOST=web1 RUN=r1",
        ),
    ],
)  # fmt: skip
def test_the_line_of_a_host(given, facts, status, expected, command):
    first, *more = told(compose(given, **facts))
    assert first.split()[:2] == ["web1", "patch"] and status in first.split()
    assert first.endswith(f"  {expected}")
    assert [line.strip() for line in more if "make " in line] == ([f"next      {command}"] if command else [])


def test_a_host_name_cannot_break_out_of_the_command():
    made = compose(results(verify=CLOSED), host="we b;1")
    assert told(made)[-1].endswith("make rollback HOST='we b;1' RUN=r1")


def test_what_the_policys_owner_should_know_stands_below_the_line():
    made = {**compose(results()), "notes": ["the exception of Ann ended", "two", "three", "four"]}
    assert [line.split(maxsplit=1) for line in told(made)[1:]] == [
        ["note", "the exception of Ann ended"],
        ["note", "two"],
        ["note", "three"],
        ["note", "and 1 more"],
    ]


def test_what_a_rollback_that_was_asked_for_says():
    given = {"back": {"data": {"plan": plan()}}, "begin": at(1, continues=None)}
    given |= {"back_apply": at(5, **applied(changed=UNDONE)), "back_verify": VERIFIED, "back_level": {"data": level()}}
    made = compose(given, mode="rollback", rollback_of="r0", run_id="r2")
    assert words(made) == "2 packages taken back, in 59 s"
    assert made["after"]["pending"] == 2
    assert made["states"][-1]["state"] == "rollback"
    assert made["states"][-1]["detail"] == "2 packages back at the version before"


def test_the_plan_on_the_screen():
    shown = plan_lines(plan(actions=[{**ACTIONS[0], "reversible": False}, ACTIONS[1]]), ["the exception of Ann ended"])
    assert shown == [
        "  Plan for web1: 1 upgrade, 1 install (4.1 MB to fetch, 12.0 kB more on disk)",
        "    upgrade  openssl:amd64  1.0-1 -> 1.0-2  security update (NO WAY BACK)",
        "    install  libnew1:amd64  - -> 2.0-1      needed by openssl",
        "  Left out:",
        "    vim  9.1  no security update",
        "  No way back for openssl: the version before can no longer be had",
        "  Note: the exception of Ann ended",
    ]
    assert plan_lines({"host": "web1", "actions": []}) == ["  Plan for web1: nothing to do"]


def test_what_is_left_out_for_one_reason_is_told_together():
    many = [{"name": f"p{number}", "to": "2", "why": "no security update"} for number in range(12)]
    held = {"name": "vim", "to": "9.1", "why": "held on the host"}
    shown = plan_lines(plan(actions=[], left_out=[*many, held], download_bytes=None, disk_bytes=None))
    assert shown == [
        "  Plan for web1: nothing to do",
        "  Left out:",
        "    vim  9.1  held on the host",
        "    12 for: no security update (p0, p1, p2, p3, p4, p5, p6, p7, p8, p9 and 2 more)",
    ]


def test_health_that_turns_red_after_the_soak_time(validate):
    made = compose(results())
    red = steps.step_of("soak", at(59, problems=[{"code": "health_red", "message": "port 443"}]))
    after = soaked(made, red, "r1")
    validate(after, "patch")
    assert (
        after["outcome"] == "needs_attention"
        and after["reason"] == "soak_failed: after the soak time: health_red: port 443"
    )
    assert (after["finished"], after["duration_ms"]) == (made["finished"], made["duration_ms"])
    assert [each["state"] for each in after["states"]] == [each["state"] for each in made["states"]]
    assert after["states"][-1]["status"] == "failed" and after["states"][-1]["duration_ms"] == 3500
    green = soaked(made, steps.step_of("soak", at(59, problems=[])), "r1")
    assert (green["outcome"], green["reason"], green["states"][-1]["status"]) == ("patched", None, "ok")


WORDS = ["", "x", "ok", "failed", "running", "2026-11-23T22:00:00Z"]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)
DATA = st.dictionaries(st.sampled_from(KEYS), JUNK, max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(steps.STATE_OF)), DATA))
def test_whatever_the_steps_return_a_document_comes_of_it(results_of):
    made = compose({name: {"data": data} for name, data in results_of.items()})
    assert json.dumps(made) and made["outcome"] in OUTCOMES


SENSELESS = {"data": {"continues": {"stage": "applied", "run_ids": [["r0"]], "states": [{"run_id": []}]}}}


def test_what_makes_no_sense_still_tells_how_each_step_ended():
    made = compose(results(restart={"data": {"restarted": 3}}, verify=CLOSED, begin=SENSELESS))
    assert made["outcome"] == "failed" and "made no sense" in made["notes"][0]
    assert [each["state"] for each in made["states"]] == ["preflight", "plan", "protect", "apply", "restart", "verify"]
    refused = compose(until("preflight", begin=SENSELESS, preflight=problem("lock_held", status="refused")))
    assert refused["outcome"] == "needs_attention", "an earlier run had begun to change it"
