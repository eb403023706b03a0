# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils import (
    history,
    interrupted,
    observations,
    processes,
    runs,
    tags,
)


@pytest.fixture(name="dead")
def dead_fixture():
    """A process that is gone."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = processes.find(child.pid)
    child.communicate(b"\n")
    return found


def test_opened_closed_and_valid(home, open_run, validate):
    run = open_run("r1", ["backup", "audit"], ["web1", "db1"])
    validate(run.document(), "run")
    assert run.expected() == [("web1", "backup"), ("web1", "audit"), ("db1", "backup"), ("db1", "audit")]
    closed = runs.close_run(home, "r1", [{"gate": "g", "status": "fail", "reason": "r", "message": "m"}], ok=False)
    validate(json.loads((home / "runs/r1/run.json").read_text()), "run")
    assert (closed.state, closed.exit) == ("finished", "failed") and closed.finished
    assert runs.load(home, "r1") == closed


def test_opening_again_adds_and_keeps_each_process_to_its_own_hosts(home, open_run):
    first = open_run("r1", ["backup"], ["web1"], "2026-01-01T00:00:00Z")
    runs.close_run(home, "r1", [], ok=True)
    again = open_run("r1", ["audit"], ["db1"])
    assert again.started == first.started and again.state == "running" and again.exit is None
    assert (again.phases, again.targeted) == (["backup", "audit"], ["web1", "db1"])
    assert again.expected() == [("web1", "backup"), ("db1", "audit")]
    assert len(open_run("r1", ["audit"], ["db1"]).openings) == 2


def test_close_leaves_another_process_s_run_alone(home, open_run, dead):
    run = open_run("r1", ["backup"], ["web1"])
    run.pid, run.pid_started = dead.pid, dead.identity
    runs.save(home, run)
    assert runs.close_run(home, "r1", [], ok=True) is None
    assert runs.load(home, "r1").state == "running"
    assert runs.close_run(home, "none", [], ok=True) is None


def test_found_by_process_when_the_clock_was_set(home, open_run):
    open_run(f"20200101T000000Z-{os.getpid()}", ["backup"], ["web1"])
    assert runs.of_this_process(home, f"20200102T000000Z-{os.getpid()}").run_id.startswith("20200101")
    assert runs.of_this_process(home, "20200102T000000Z-1").run_id.startswith("20200101")
    runs.close_run(home, f"20200101T000000Z-{os.getpid()}", [], ok=True)
    assert runs.of_this_process(home, f"20200102T000000Z-{os.getpid()}") is None


def test_what_is_no_run_is_passed_over(home):
    (home / "runs" / "empty").mkdir()
    (home / "runs" / "cut").mkdir()
    (home / "runs" / "cut" / "run.json").write_text('{"schema": "upkeep.run/1"')
    assert runs.newest_first(home) == []
    assert runs.newest_first(home / "nowhere") == []


def test_a_killed_run_is_marked_and_says_what_it_did_not_see(home, open_run, record, dead, validate):
    open_run("alive", ["backup"], ["web1"])
    run = open_run("killed", ["backup", "audit"], ["web1", "db1"])
    run.pid, run.pid_started = dead.pid, dead.identity
    runs.save(home, run)
    record(run, "web1", "backup", {"skipped": True})
    assert interrupted.mark(home) == ["killed"]
    assert interrupted.mark(home) == []
    assert runs.load(home, "alive").state == "running"
    marked = runs.load(home, "killed")
    assert (marked.state, marked.exit) == ("interrupted", "failed") and marked.finished
    seen = {(each.host, each.phase): each for each in observations.all_seen(home, "killed")}
    assert seen["web1", "backup"].status == "skipped"
    for pair in (("web1", "audit"), ("db1", "backup"), ("db1", "audit")):
        assert seen[pair].status == "unknown" and seen[pair].reason.startswith("interrupted: ")
        validate(seen[pair].document(), "observation")
    assert runs.close_run(home, "killed", [], ok=False).state == "interrupted"


def test_a_silent_run_of_another_controller_is_given_a_day(home, open_run):
    run = open_run("r1", ["backup"], ["web1"])
    run.controller, run.pid_started = "elsewhere", "x/1"
    runs.save(home, run)
    assert interrupted.mark(home) == []
    os.utime(home / "runs/r1/run.json", (0, 0))
    assert interrupted.mark(home) == ["r1"]


def test_prune_keeps_what_is_still_the_last_word(home, open_run, record):
    recorded = [("r1", "web1"), ("r2", "gone"), ("r3", "web1"), ("r4", "web1"), ("r5", "web1")]
    for day, (run_id, host) in enumerate(recorded, 1):
        run = open_run(run_id, ["backup"], [host], f"2026-01-0{day}T00:00:00Z")
        record(run, host, "backup", {"failed": True, "msg": "no"})
        runs.close_run(home, run_id, [], ok=True)
    assert history.prune(home, 2) == ["r3", "r1"]
    assert [run.run_id for run in runs.newest_first(home)] == ["r5", "r4", "r2"]


PHASES = ["backup", "restore_test", "patch_level", "audit"]


@pytest.mark.parametrize(
    ("run_tags", "skip_tags", "left"),
    [
        (["all"], [], PHASES),
        (["backup"], [], ["backup"]),
        (["patch", "audit"], [], ["patch_level", "audit"]),
        (["all"], ["patch"], ["backup", "restore_test", "audit"]),
        (["backup", "audit"], ["audit"], ["backup"]),
        (["report"], [], []),
        (["always"], [], []),
        (["untagged"], [], []),
        (["tagged"], [], PHASES),
        (["all"], ["tagged"], []),
        (["all"], ["untagged"], PHASES),
        (["all"], ["all"], []),
    ],
)
def test_tags_narrow_the_phases(run_tags, skip_tags, left):
    assert tags.selected_phases(PHASES, run_tags, skip_tags) == left


def test_a_killed_process_is_not_vouched_for_by_an_earlier_one(home, open_run, record, dead, samples):
    """The same run id twice: the second process was killed before it recorded anything."""
    first = open_run("nightly", ["backup"], ["web1"], process="elsewhere/1/x")
    record(first, "web1", "backup", {"data": samples.backup()}, process="elsewhere/1/x")
    run = open_run("nightly", ["backup"], ["web1"], process="elsewhere/2/x", assets={"web1": "A1"})
    run.pid, run.pid_started = dead.pid, dead.identity
    runs.save(home, run)
    assert interrupted.mark(home) == ["nightly"]
    seen = observations.seen(home, "nightly", "web1", "backup")
    assert seen.status == "unknown" and seen.reason.startswith("interrupted: ")
    assert observations.recorded(home, "nightly", "web1", "backup")[-1].asset == "A1"
    assert observations.missing(runs.load(home, "nightly"), observations.recordings(home, "nightly")) == []


def test_prune_keeps_the_last_word_on_each_set_and_nothing_for_what_was_skipped(home, open_run, record):
    def loop(**results):
        return {"results": [{"item": {"name": name}, **result} for name, result in results.items()]}

    failed, skipped = {"failed": True, "msg": "no"}, {"skipped": True}
    recorded = [
        ("r1", "web1", None, loop(etc=failed, db=failed)),
        ("r2", "web1", None, loop(etc=skipped)),
        ("r3", "localhost", "workflows", failed),
        ("r4", "web1", None, loop(etc=failed)),
        ("r5", "localhost", None, {"results": []}),
    ]
    for day, (run_id, host, name, result) in enumerate(recorded, 1):
        run = open_run(run_id, ["backup"], [host], f"2026-01-0{day}T00:00:00Z")
        record(run, host, "backup", result, name=name)
        runs.close_run(home, run_id, [], ok=True)
    assert history.prune(home, 1) == ["r2"]
