# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which patch runs can be taken back, and why others cannot."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import recorded
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.back import way_back

from tests.patch_results import CHANGED, UNDONE, UNREACHABLE, applied, at, error, plan, results, until

VERIFIED = {"data": {"status": "ok", "problems": []}}
BACK = {"back_apply": at(55, **applied(direction="back", changed=UNDONE)), "back_verify": VERIFIED}
UNDO = {"back": {"data": {"plan": plan()}}, "begin": at(1, patch_id="r1", continues=None), **BACK}
LEFT = {"stage": "applying", "run_ids": ["r1"], "states": []}
ON_WITH_R1 = results(begin=at(1, patch_id="r1", continues=LEFT), plan=None, select=None)
OTHERS = [{"name": "vim", "arch": "amd64", "from": "1", "to": "2"}]


def refused(home, run_id, host="web1"):
    with pytest.raises(UpkeepError) as raised:
        way_back(home, run_id, host)
    return raised.value.code, raised.value.message


def test_a_patched_host(home, patched):
    made = patched("r1", results())
    found = way_back(home, "r1", "web1")
    assert (found["patch_id"], found["run_id"], found["patch"]) == ("r1", "r1", made)
    assert found["plan"] == plan() and [each["name"] for each in found["changed"]] == ["openssl", "libnew1"]


def test_one_that_was_killed_and_went_on_under_either_name(home, patched):
    patched("r1", until("apply", apply=UNREACHABLE))
    assert way_back(home, "r1", "web1")["changed"] == CHANGED, "where nobody saw, the plan tells"
    patched("r2", ON_WITH_R1, day=24)
    for name in ("r1", "r2"):
        found = way_back(home, name, "web1")
        assert (found["patch_id"], found["run_id"], found["plan"]) == ("r1", "r2", plan())


@pytest.mark.parametrize(
    ("given", "facts", "words"),
    [
        (until("begin", begin=error("claimed")), {}, "refused"),
        (until("plan"), {"mode": "report"}, "only planned"),
        (until("plan", plan=at(4, **plan(actions=[]))), {}, "nothing to do"),
    ],
)
def test_nothing_was_changed(home, patched, given, facts, words):
    patched("r1", given, **facts)
    code, message = refused(home, "r1")
    assert code == "nothing_changed" and words in message and "web1" in message


def test_runs_and_hosts_that_are_not_there(home, patched, open_run):
    patched("r1", results())
    code, message = refused(home, "r9")
    assert code == "unknown_run" and "of web1 there are r1" in message
    code, message = refused(home, "r1", "db1")
    assert code == "host_not_in_run" and "web1" in message
    open_run("r2", ["patch"], ["db1"])
    assert refused(home, "r2", "db1")[0] == "not_recorded"
    shutil.rmtree(recorded.folder(home, "r1", "web1"))
    assert refused(home, "r1")[0] == "plan_lost"


def test_what_was_taken_back_already(home, patched):
    patched("r1", results())
    patched("r2", UNDO, day=24, mode="rollback", rollback_of="r1")
    code, message = refused(home, "r1")
    assert code == "already_rolled_back" and "r2" in message and "2026-11-24T22:01:00Z" in message
    assert refused(home, "r2")[0] == "is_rollback"
    patched("r3", results(verify={"data": {"status": "failed"}}, **BACK), day=25)
    assert refused(home, "r3")[0] == "already_rolled_back"


def test_a_way_back_that_failed_can_be_tried_again(home, patched):
    patched("r1", results())
    patched("r2", {**UNDO, "back_apply": UNREACHABLE}, day=24, mode="rollback", rollback_of="r1")
    assert way_back(home, "r1", "web1")["run_id"] == "r1"


def test_a_later_run_that_changed_the_same_has_to_go_first(home, patched):
    patched("r1", results())
    patched("r2", results(apply=at(8, **applied(changed=OTHERS))), day=24)
    assert way_back(home, "r1", "web1")["patch_id"] == "r1"
    patched("r3", results(), day=25)
    code, message = refused(home, "r1")
    assert code == "changed_since" and "r3" in message and "openssl" in message
    undo = {**UNDO, "begin": at(1, patch_id="r3", continues=None)}
    patched("r4", undo, day=26, mode="rollback", rollback_of="r3")
    assert way_back(home, "r1", "web1")["patch_id"] == "r1"
