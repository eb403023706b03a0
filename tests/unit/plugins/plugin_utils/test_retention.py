# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A set's rules, the sets that are due, and what is recorded of it."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import retention
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Part

DEFAULT = {"last": 3, "daily": 7, "weekly": 4}


def document(name="etc", days=(23, 22, 21), **more):
    made = [
        {"created": f"2026-11-{day}T08:00:00Z", "archive": f"/a/{day}", "sha256": str(day), "bytes": 10, "files": 1}
        for day in days
    ]
    history = {"archives": len(made) - 1, "bytes": 10, "newest": made[1:]}
    return {"backup": name, "complete": True, **made[0], "history": history, **more}


@pytest.mark.parametrize(
    "backup_set, keep, wanted",
    [
        ({}, DEFAULT, {"keep_last": 3, "keep_daily": 7, "keep_monthly": 0, "keep_at_least": 1, "history": True}),
        ({"keep": {"last": 1}}, DEFAULT, {"keep_last": 1, "keep_daily": 0, "history": False}),
        ({"keep": {}}, DEFAULT, {"keep_last": 0, "history": True}),
        ({"keep": None}, {"last": "2", "daily": None, "weekly": ""}, {"keep_last": 2, "history": True}),
        ({}, {"last": 1, "daily": 1}, {"history": False}),
        ({}, {"last": 1, "at_least": 5}, {"keep_at_least": 5, "history": True}),
        ({}, None, {"keep_last": 0, "history": True}),
        ({"max_size": "2K"}, DEFAULT, {"max_size": 2048}),
        ({"max_size": 5}, DEFAULT, {"max_size": 5}),
        ({}, DEFAULT, {"max_size": None}),
    ],
)
def test_policy(backup_set, keep, wanted):
    found = retention.policy({"name": "etc", **backup_set}, keep)
    assert {key: found[key] for key in wanted} == wanted


def test_the_size_for_all():
    assert retention.policy({"name": "etc"}, {}, "1M")["max_size"] == 1 << 20
    assert retention.policy({"name": "etc", "max_size": "2M"}, {}, "1M")["max_size"] == 2 << 20
    assert retention.policy({"name": "etc"}, {}, "")["max_size"] is None


@pytest.mark.parametrize(
    "backup_set, words",
    [
        ({"keep": {"hourly": 3}}, "there is no rule hourly; there are last, daily, weekly, monthly, yearly, at_least"),
        ({"keep": {"last": "many"}}, "last must be a number from 0, not 'many'"),
        ({"keep": {"last": -1}}, "last must be a number"),
        ({"keep": 3}, "is no list of rules"),
        ({"max_size": "much"}, "'much' is no size"),
    ],
)
def test_rules_that_are_none(backup_set, words):
    with pytest.raises(UpkeepError) as raised:
        retention.policy({"name": "etc", **backup_set}, DEFAULT)
    assert raised.value.code == "bad_keep" and words in raised.value.message and "set etc" in raised.value.message


@pytest.mark.parametrize(
    "data, keep, due",
    [
        (document(), {"last": 2}, True),
        (document(), {"last": 3}, False),
        (document(), DEFAULT, False),
        (document(days=(23,)), {"last": 1}, False),
        (document(complete=False), {"last": 1}, False),
        (document(complete=None), {"last": 1}, False),
        ({**document(), "history": None}, {"last": 1}, False),
        (document(history={"archives": 300, "bytes": 1, "newest": []}), {"last": 500}, True),
        (None, {"last": 1}, False),
        (document(complete=None, predicted=True), {"last": 3}, True),  # a new archive moves the others on
        (document(days=(23,), complete=None, predicted=True), {"last": 0, "daily": 3}, True),
        (document(days=(23,), complete=None, predicted=True), {"last": 1}, False),
        (document(predicted=True), {"last": 3}, False),  # unchanged
    ],
)
def test_who_is_due(data, keep, due):
    found = retention.to_prune({"results": [{"data": data, "item": {"name": "etc"}}]}, [{"name": "etc"}], keep)
    assert [each["name"] for each in found] == (["etc"] if due else [])
    assert found == [] or (found[0]["archive"], found[0]["keep_last"]) == ("/a/23", keep["last"])
    assert [each["before_backup"] for each in found] == [bool(data and data.get("predicted"))] * due
    assert len(retention.to_prune({"data": data}, [], keep)) == due


def test_a_set_s_own_rules_and_no_result_at_all():
    results = {"results": [{"data": document("a")}, {"data": document("b")}, {"failed": True}]}
    due = retention.to_prune(results, [{"name": "a", "keep": {"last": 9}}, {"name": "b"}], {"last": 1})
    assert [each["name"] for each in due] == ["b"]
    assert retention.to_prune({}, [], {}) == retention.to_prune(None, [], {}) == []


def part(name="etc", status="ok"):
    return Part(name, status, data=document(name))


PRUNED = {
    "schema": "upkeep.pruned/1",
    "status": "ok",
    "reason": None,
    "removed": [{"created": "x"}],
    "kept": [1],
    "freed": 7,
}


def test_what_was_pruned_is_in_the_data():
    parts = [part(), part("srv")]
    after = {"archives": 1, "bytes": 10, "newest": []}
    item = {"item": {"name": "etc"}, "data": {**PRUNED, "history": after}}
    retention.hold(parts, {"results": [item]})
    assert parts[0].data["pruned"] == {
        "status": "ok", "reason": None, "removed": [{"created": "x"}], "removed_count": 1, "freed": 7,
    }  # fmt: skip
    assert parts[0].data["history"] == after and parts[0].status == "ok"
    assert "pruned" not in parts[1].data and parts[1].data == document("srv")


@pytest.mark.parametrize("result", [None, {}, {"skipped": True, "results": []}, {"skipped": True}, "no"])
def test_nothing_was_due(result):
    parts = [part()]
    retention.hold(parts, result)
    assert parts[0].data == document() and parts[0].status == "ok"


@pytest.mark.parametrize(
    "result, told",
    [
        (
            {"results": [{"item": {"name": "etc"}, "failed": True, "msg": "no", "error_code": "dest_locked"}]},
            "dest_locked: no",
        ),
        ({"results": [{"item": {"name": "etc"}, "unreachable": True, "msg": "gone"}]}, "unreachable: gone"),
        ({"results": [{"item": {"name": "etc"}}]}, "the task gave no result"),
        ({"failed": True, "msg": "'x' is undefined"}, "module_failed: 'x' is undefined"),
    ],
)
def test_a_failure_makes_the_set_incomplete(result, told):
    parts = [part(), Part("srv", "failed", "no_space: x")]
    retention.hold(parts, result)
    assert parts[0].status == "incomplete" and parts[0].reason == f"retention_failed: {told}"
    assert parts[0].data["pruned"] == {"status": "failed", "reason": parts[0].reason}
    assert parts[0].data["complete"] and (parts[1].status, parts[1].reason) == ("failed", "no_space: x")


def test_a_prediction_changes_nothing():
    parts = [part()]
    after = {"archives": 0, "bytes": 0, "newest": []}
    item = {"item": {"name": "etc"}, "data": {**PRUNED, "predicted": True, "history": after}}
    retention.hold(parts, {"results": [item]})
    assert parts[0].data["history"]["archives"] == 2 and parts[0].data["pruned"]["predicted"]
