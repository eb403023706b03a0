# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for a host that goes away and comes back, by a clock of the test's own."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import rebooting

BEFORE = {"boot_id": "a", "init_started": 30, "kernel": "6.1.0-35-amd64"}
AFTER = {"boot_id": "b", "init_started": 30, "kernel": "6.1.0-40-amd64"}
STILL_UP = {"rebooted": False, "settled": True, "state": "running", "boot_before": BEFORE, "boot": BEFORE}
GOING_DOWN = {**STILL_UP, "settled": False, "state": "stopping"}
AWAY = "Failed to connect to the host via ssh: Connection refused"
STARTING = {"rebooted": True, "settled": False, "state": "starting", "boot_before": BEFORE, "boot": AFTER}
BACK = {**STARTING, "settled": True, "state": "running"}
DEGRADED = {**BACK, "state": "degraded"}


class World:
    """A host that answers one after the other, the last for good; each look takes `cost` seconds."""

    def __init__(self, *answers, cost=1.0):
        self.answers, self.cost = list(answers), cost
        self.now, self.lines, self.looks = 100.0, [], 0

    def look(self):
        self.looks += 1
        self.now += self.cost
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def sleep(self, seconds):
        assert seconds >= 0
        self.now += seconds

    def wait(self, timeout=600):
        return rebooting.wait(self.look, "web1", timeout, self.lines.append, lambda: self.now, self.sleep)


@pytest.mark.parametrize(
    "answers",
    [
        [STILL_UP, GOING_DOWN, AWAY, AWAY, STARTING, STARTING, BACK],
        [BACK],
        [AWAY, BACK],
        [AWAY, STARTING, AWAY, DEGRADED],
    ],
)
def test_it_comes_back(answers):
    world = World(*answers)
    told = world.wait()
    assert world.looks == len(answers)
    data = rebooting.judge(told, "web1", 600, "6.1.0-40-amd64")
    assert (data["rebooted"], data["settled"], data["kernel"]) == (True, True, "6.1.0-40-amd64")
    assert (data["boot_before"], data["boot"], data["state"]) == (BEFORE, AFTER, answers[-1]["state"])
    assert data["duration_ms"] == (world.now - 100) * 1000


def test_a_system_that_is_not_done_with_starting_has_rebooted_all_the_same():
    data = rebooting.judge(World(AWAY, STARTING).wait(60), "web1", 60, None)
    assert (data["rebooted"], data["settled"], data["state"]) == (True, False, "starting")


@pytest.mark.parametrize(
    "answers, said",
    [
        ([STILL_UP, AWAY], "web1 did not come back from its reboot within 60 seconds (Failed to connect"),
        ([AWAY], "look at its console"),
        ([STILL_UP], "web1 was asked to reboot, answers, and had not done so within 60 seconds: systemctl list-jobs"),
    ],
)
def test_it_does_not_come_back(answers, said):
    world = World(*answers)
    with pytest.raises(UpkeepError) as raised:
        rebooting.judge(world.wait(60), "web1", 60, "6.1.0-40-amd64")
    assert raised.value.code == "reboot_timeout" and said in raised.value.message
    data = raised.value.details["data"]
    assert (data["rebooted"], data["boot"], data["kernel"]) == (False, None, None)
    assert 60 <= world.now - 100 <= 60 + 5 + world.cost


def test_one_that_came_back_and_went_silent_again_is_not_back():
    with pytest.raises(UpkeepError) as raised:
        rebooting.judge(World(STARTING, AWAY).wait(60), "web1", 60, None)
    assert raised.value.code == "reboot_timeout"
    assert (raised.value.details["data"]["rebooted"], raised.value.details["data"]["settled"]) == (True, False)


def test_another_kernel_than_expected():
    with pytest.raises(UpkeepError) as raised:
        rebooting.judge(World(BACK).wait(), "web1", 600, "6.1.0-41-amd64")
    assert raised.value.code == "reboot_kernel" and raised.value.details["data"]["rebooted"] is True
    assert "6.1.0-40-amd64 and not with 6.1.0-41-amd64" in raised.value.message
    assert rebooting.judge(World(BACK).wait(), "web1", 600, None)["kernel"] == "6.1.0-40-amd64"
    container = World({**BACK, "container": True})
    assert rebooting.judge(container.wait(), "web1", 600, "6.1.0-41-amd64")["kernel"] == "6.1.0-40-amd64"


def test_a_line_a_minute():
    world = World(STILL_UP, *[AWAY] * 30, STARTING)
    world.wait(300)
    away, starting = "waiting for it to come back from its reboot", "it is back, and its system is still starting"
    assert [line.split(", after")[0] for line in world.lines] == [f"web1: {it}" for it in (away, away, away, starting)]
    assert world.lines[0] == f"web1: {away}, after 61 of 300 s"


@pytest.mark.parametrize("cost", [0.1, 130.0])
def test_slow_looks_do_not_stretch_it(cost):
    world = World(AWAY, cost=cost)
    world.wait(120)
    assert world.now - 100 <= 120 + cost
