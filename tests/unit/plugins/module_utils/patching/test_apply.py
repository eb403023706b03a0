# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans applied and taken back: real jobs, over packages that are files."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages.transaction import Action, Simulation, Wanted
from ansible_collections.proven.upkeep.plugins.module_utils.patching import apply, folder, launch

from .conftest import RUN

UPGRADE = ("upgrade", "openssl", "1", "2")
NEW = ("install", "libnew", None, "5")
CHANGED = [{"name": "openssl", "arch": "all", "from": "1", "to": "2"}]


@pytest.fixture(autouse=True)
def no_systemd(monkeypatch):
    monkeypatch.setattr(launch.systemd, "present", lambda: False)


def run(sha256, direction="apply", wait=20, **more):
    return apply.run(apply.Request(RUN, sha256, direction, wait, **more))


def code(*arguments, **more):
    with pytest.raises(UpkeepError) as caught:
        run(*arguments, **more)
    return caught.value.code


def kill(step=False):
    """The runner, and what it runs as well: a machine that is switched off."""
    journal = Path(folder.Folder(RUN).job("apply")) / "journal.jsonl"
    events = [json.loads(line) for line in journal.read_text().splitlines() if line]
    pids = {kind: [event["pid"] for event in events if event["event"] == kind][-1] for kind in ("begin", "start")}
    os.kill(pids["begin"], signal.SIGKILL)
    if step:
        os.killpg(pids["start"], signal.SIGKILL)
    # A signal is on its way for a moment, in which the job still runs.
    until(lambda: all(gone(pid) for pid in (pids["begin"], *([pids["start"]] if step else []))))


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(true):
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def until_half(toy):
    until(lambda: list((toy.top / "half").iterdir()))


def test_applied_and_taken_back(toy, begun):
    toy.put("available", libnew="5")
    toy.put("left", old="x")
    begun()
    toy.put("left", new="x")
    sha256 = toy.plan(RUN, NEW, UPGRADE)
    there = run(sha256, states=[{"state": "apply"}])
    assert (there["job"], there["unit"], there["reattached"], there["repaired"]) == ("ok", None, False, False)
    assert there["changed"] == [{"name": "libnew", "arch": "all", "from": None, "to": "5"}, *CHANGED]
    assert there["config_leftovers"] == [str(toy.top / "left" / "new")]
    assert there["progress"] == "Setting up openssl (2) ..."
    assert "Setting up libnew (5)" in there["log"]
    assert (folder.state_of(RUN)["stage"], folder.state_of(RUN)["states"]) == ("applied", [{"state": "apply"}])
    back = run(sha256, "back")
    assert back["job"] == "ok"
    assert [(each["name"], each["to"]) for each in back["changed"]] == [("libnew", None), ("openssl", "1")]
    assert toy.installed() == {"openssl": "1", "zlib": "1"}
    assert folder.state_of(RUN)["stage"] == "rolling_back"


def test_asking_again_tells_the_same_and_starts_nothing(toy, begun):
    begun()
    sha256 = toy.plan(RUN, UPGRADE)
    assert run(sha256)["changed"] == CHANGED
    again = run(sha256)
    assert (again["job"], again["changed"]) == ("ok", CHANGED)
    assert toy.history() == ["openssl 2"]


def test_a_slice_ends_and_the_next_finds_the_job(toy, begun):
    begun()
    toy.slow(1)
    sha256 = toy.plan(RUN, UPGRADE)
    first = run(sha256, wait=0)
    assert (first["job"], first["changed"], first["log"]) == ("running", [], "")
    assert folder.state_of(RUN)["stage"] == "applying"
    assert (run(sha256)["job"], toy.history()) == ("ok", ["openssl 2"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"available": {"openssl": "3"}}, "openssl 2 cannot be had any more"),
        ({"installed": {"openssl": "1.5"}}, "not as planned any more: upgrade openssl all from 1 to 2"),
    ],
)
def test_a_world_that_moved_on_is_refused(toy, begun, change, told):
    begun()
    sha256 = toy.plan(RUN, UPGRADE)
    for kind, versions in change.items():
        toy.put(kind, **versions)
    with pytest.raises(UpkeepError, match=told) as caught:
        run(sha256)
    assert caught.value.code == "plan_moved"
    assert (toy.history(), folder.state_of(RUN)["stage"]) == ([], "begun")


def test_what_is_done_already_is_no_difference(toy, begun):
    toy.put("available", libnew="5")
    begun()
    sha256 = toy.plan(RUN, NEW, UPGRADE)
    toy.put("installed", openssl="2")
    assert run(sha256)["changed"] == [{"name": "libnew", "arch": "all", "from": None, "to": "5"}]


def test_differences_go_both_ways():
    planned = [Action("upgrade", "a", "all", "1", "2"), Action("remove", "b", "all", "1", None)]
    now = [Action("upgrade", "a", "all", "1", "2"), Action("install", "c", "all", None, "1")]
    assert apply.moved(planned, Simulation(now, [(Wanted("d", "all", "9"), "it is held")])) == [
        "d 9 cannot be had any more: it is held",
        "not as planned any more: remove b all from 1 to none",
        "it would be now: install c all from none to 1",
    ]
    assert apply.moved(planned, Simulation(list(reversed(planned)))) == []


def test_another_plan_is_not_applied(toy, begun):
    begun()
    toy.plan(RUN, UPGRADE)
    assert code("0" * 64) == "plan_moved"


def test_a_failure_is_told_and_not_tried_again(toy, begun):
    begun()
    toy.put("fails", openssl="")
    sha256 = toy.plan(RUN, UPGRADE)
    for _attempt in range(2):
        data = run(sha256)
        assert (data["job"], data["failed_step"], data["steps"][0]["rc"]) == ("failed", "openssl", 100)
        assert data["unfinished"] == ["openssl is half-configured"]
        assert (data["progress"], data["why"]) == ("openssl: postinst failed", "openssl: postinst failed")
    assert len(data["steps"]) == 1
    assert run(sha256, "back")["job"] == "ok"
    assert toy.installed()["openssl"] == "1"
    assert run(sha256, "back")["unfinished"] == []


def test_a_way_back_that_failed_is_tried_again_by_the_next_run(toy, begun):
    begun()
    sha256 = toy.plan(RUN, UPGRADE)
    run(sha256)
    (toy.top / "back-fails").touch()
    assert [run(sha256, "back")["job"], run(sha256, "back")["job"]] == ["failed", "failed"]
    (toy.top / "back-fails").unlink()
    assert begun("r2")["patch_id"] == RUN
    again = run(sha256, "back")
    assert (again["job"], toy.installed()["openssl"]) == ("ok", "1")
    assert again["changed"] == [{"name": "openssl", "arch": "all", "from": "2", "to": "1"}]


def test_a_killed_runner_is_repaired_and_finished(toy, begun):
    toy.put("available", libnew="5")
    begun()
    toy.slow(1)
    sha256 = toy.plan(RUN, UPGRADE, NEW)
    assert run(sha256, wait=0)["job"] == "running"
    until_half(toy)
    kill()
    toy.slow(0)
    data = run(sha256)
    assert (data["job"], data["repaired"], data["reattached"]) == ("ok", True, False)
    assert [step["name"] for step in data["steps"]] == ["openssl", "repair", "openssl", "libnew"]
    assert toy.installed() == {"openssl": "2", "zlib": "1", "libnew": "5"}
    assert toy.history() == ["openssl 2", "repaired", "openssl 2", "libnew 5"]
    assert [each["name"] for each in data["changed"]] == ["libnew", "openssl"]  # against the first try's beginning


def test_one_run_does_not_try_for_ever(toy, begun):
    begun()
    toy.slow(60)
    sha256 = toy.plan(RUN, UPGRADE)
    for _attempt in range(2):
        assert run(sha256, wait=0)["job"] == "running"
        until_half(toy)
        kill(step=True)
        (toy.top / "half" / "openssl").unlink()
    assert run(sha256)["job"] == "died"
    toy.slow(0)
    assert begun("r2")["job"]["job"] == "died"
    assert run(sha256)["job"] == "ok"  # a later run may


def test_a_lost_claim_stops_it(toy, begun):
    begun()
    sha256 = toy.plan(RUN, UPGRADE)
    assert code(sha256, process="ctl2/1/boot/9") == "claim_lost"
    assert toy.history() == []
    assert run(sha256, process="ctl1/7/boot/1")["job"] == "ok"


def test_check_mode_predicts(toy, begun):
    begun()
    sha256 = toy.plan(RUN, UPGRADE)
    data = run(sha256, check_mode=True)
    assert (data["job"], data["changed"], toy.history()) == (None, CHANGED, [])
    assert run(sha256, "back", check_mode=True)["changed"] == []


def test_a_host_without_the_run_says_so(toy):
    assert code("0" * 64) == "unknown_run"


def test_who_was_cut_off_does_not_take_the_pen_from_who_goes_on(toy, begun, monkeypatch):
    """A module whose connection dropped waits on, and sees the end when another run is further."""
    begun()
    sha256 = toy.plan(RUN, UPGRADE)
    waited = apply.job.wait

    def slow_wait(path, seconds):
        found = waited(path, seconds)
        folder.note(RUN, [{"state": "restart"}], stage="restarted", run_ids=[RUN, "r2"])
        return found

    monkeypatch.setattr(apply.job, "wait", slow_wait)
    toy.slow(1)
    assert run(sha256, states=[{"state": "apply"}])["job"] == "ok"
    state = folder.state_of(RUN)
    assert (state["stage"], state["states"]) == ("restarted", [{"state": "restart"}])


def test_nothing_is_taken_back_while_it_is_applied(toy, begun):
    begun()
    toy.slow(1)
    sha256 = toy.plan(RUN, UPGRADE)
    assert run(sha256, wait=0)["job"] == "running"
    assert code(sha256, "back") == "apply_running"
    assert run(sha256)["job"] == "ok"
    assert run(sha256, "back")["job"] == "ok"


@pytest.mark.parametrize("what", ["other", "none", "nonsense", "host"])
def test_a_plan_that_was_edited_is_not_done(toy, begun, what):
    begun()
    sha256 = toy.plan(RUN, UPGRADE)
    path = folder.Folder(RUN).plan
    drawn_up = folder.load(path)
    more = {
        "other": {"actions": [*drawn_up["actions"], {**drawn_up["actions"][0], "name": "zlib"}]},
        "none": {"actions": []},
        "nonsense": {"actions": [7]},
        "host": {"host": ["web2"]},
    }[what]
    folder.save(path, {**drawn_up, **more})
    for direction in apply.DIRECTIONS:
        assert code(sha256, direction) == "plan_changed"
    assert (toy.history(), folder.state_of(RUN)["stage"]) == ([], "begun")


def test_what_stands_in_the_way_of_a_job_that_began_is_not_harmless(toy, begun):
    begun()
    sha256 = toy.plan(RUN, UPGRADE)
    (toy.top / "hold").touch()
    assert run(sha256, wait=0)["job"] == "running"
    path = folder.Folder(RUN).plan
    drawn_up = folder.load(path)
    folder.save(path, {**drawn_up, "actions": []})
    assert code(sha256, wait=0) == "unfinished"
    folder.save(path, drawn_up)
    (toy.top / "hold").unlink()
    assert run(sha256)["job"] == "ok"


def test_a_full_disk_before_and_in_the_middle(toy, begun, monkeypatch):
    """Before a job it is an error that changes nothing; with one, it is looked after all the same."""
    begun()
    sha256 = toy.plan(RUN, UPGRADE)
    full = []
    saved = folder.save

    def save(path, document):
        if full:
            raise folder.unwritable(path, OSError(28, "No space left on device"))
        saved(path, document)

    monkeypatch.setattr(folder, "save", save)
    full.append(True)
    assert code(sha256) == "state_unwritable"
    full.clear()
    (toy.top / "hold").touch()
    assert run(sha256, wait=0)["job"] == "running"
    full.append(True)
    assert run(sha256, wait=0)["job"] == "running"
    (toy.top / "hold").unlink()
    assert run(sha256)["job"] == "ok"
    full.clear()
    assert begun("r2", process="ctl1/7/boot/1")["continues"]["stage"] == "applying"
    assert run(sha256)["job"] == "ok"
    assert (toy.history(), folder.state_of(RUN)["stage"]) == (["openssl 2"], "applied")
