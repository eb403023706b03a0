# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several runs at once, and clocks that are set back: each run ends or refuses with the reason, and tells the truth."""

from __future__ import annotations

import datetime
import json
import os
import time
import traceback

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times
from ansible_collections.proven.upkeep.plugins.module_utils.archive import cache, restore_in_place
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import evidence, proof_chain, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils import home as homes

from .test_archive_kills import everything_below, listing


def at_once(count, work):
    """Run `work(number)` in so many processes together; how often each of its answers was given."""
    start, go = os.pipe()
    children, answers = [], []
    for number in range(count):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            answer = "crashed"
            try:
                os.close(go)
                os.read(start, 1)  # ends for all at the same moment
                answer = work(number)
            except UpkeepError as error:
                answer = error.code
            except BaseException:
                traceback.print_exc()
            os.write(write, answer.encode())
            os._exit(0)
        os.close(write)
        children.append((child, read))
    os.close(go)
    os.close(start)
    for child, read in children:
        os.waitpid(child, 0)
        answers.append(os.read(read, 100).decode())
        os.close(read)
    return answers


def test_backups(memory, small_tree, back_up, drilled):
    archive = back_up()["data"]["archive"]
    layout = everything_below(memory / "out"), everything_below(memory / "state")

    def work(number):
        for turn in range(5):
            (small_tree / f"of-{number}").write_text(str(turn))
            try:
                data = back_up(force=bool(turn % 2), on_changed="mark")["data"]
            except UpkeepError as error:
                if error.code != "dest_locked" or "another run" not in error.message:
                    raise
                continue
            if data["complete"] and drilled(archive)["status"] != "ok":
                return "damaged"
        return "ok"

    assert set(at_once(4, work)) == {"ok"}
    assert drilled(archive)["status"] == "ok"
    back_up(force=True)
    assert (everything_below(memory / "out"), everything_below(memory / "state")) == layout


def test_restores_into_one_place(memory, small_tree, back_up):
    archive, before = back_up()["data"]["archive"], listing(small_tree)
    request = restore_in_place.Request(archive, dest=str(memory / "here"))
    answers = at_once(4, lambda _number: restore_in_place.run(request).document["status"])
    assert set(answers) <= {"ok", "dest_locked"} and "ok" in answers
    after = listing(memory / "here")
    assert {name: facts[4] for name, facts in after.items()} == {name: facts[4] for name, facts in before.items()}


def test_documents(memory):
    path = memory / "evidence" / "last_success.json"

    def work(number):
        for turn in range(20):
            atomic.write_json(str(path), {"number": number, "turn": turn, "more": "x" * 3000})
            if set(json.loads(path.read_text())) != {"number", "turn", "more"}:
                return "torn"
        return "ok"

    assert at_once(4, work) == ["ok"] * 4
    assert os.listdir(path.parent) == [path.name]


@pytest.fixture
def clock(monkeypatch):
    """clock(hours): from now on, this process's clock is that much ahead."""
    now, ns = times.now, time.time_ns

    def set_to(hours):
        monkeypatch.setattr(times, "now", lambda: now() + datetime.timedelta(hours=hours))
        monkeypatch.setattr(cache.time, "time_ns", lambda: ns() + hours * 3_600_000_000_000)

    return set_to


@pytest.mark.parametrize("first, second", [(24, 0), (0, -24), (0, 24)])
def test_a_backup_after_the_clock_was_set(small_tree, back_up, drilled, clock, first, second):
    """What is vouched for goes by the kernel's own times of change, whatever the clock says."""
    time.sleep(0.02)
    clock(first)
    good = back_up()["data"]
    clock(second)
    again = back_up()
    assert not again["changed"] and again["data"]["created"] == good["created"]
    assert (again["data"]["confirmed_at"] < good["created"]) == (second < first)
    info = (small_tree / "note").stat()
    (small_tree / "note").write_text("FIRST")
    os.utime(small_tree / "note", ns=(info.st_atime_ns, info.st_mtime_ns))
    changed = back_up()
    assert changed["changed"] and (changed["data"]["created"] < good["created"]) == (second < first)
    assert drilled(good["archive"])["archive_sha256"] == changed["data"]["sha256"]


def test_a_drill_after_the_clock_was_set_back(memory, observe, samples):
    home = memory / "home"
    homes.ensure_home(home)
    run = runs.open_run(home, "r1", "shop", runs.Opening(["restore_test"], ["web1"], "maintain.yml"))
    finished = ["2026-11-23T09:00:02Z", "2026-11-22T09:00:02Z", "2026-11-23T09:00:02Z"]
    for when in finished:
        observation = observe(run, "web1", "restore_test", {"data": samples.restore(finished=when)}, finished=when)
        evidence.publish(home, observation, run)
    last = json.loads((home / "backups/hosts/web1/etc/last_restore.json").read_text())
    chain = proof_chain.verify(home)
    assert (chain.proofs, chain.problems) == (3, [])
    assert last["previous_proof"].startswith("20261122T090002Z")
