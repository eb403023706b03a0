# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host may start: the rings before it, its windows, the budget."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import observations
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Part
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import budget, policy, rings
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.admission import Asked, admit

NOW = datetime(2026, 11, 24, 22, 0, tzinfo=timezone.utc)  # a tuesday
NAMES = ("canary", "early", "main")
GROUPS = {"canary": ["c1", "c2"], "early": ["e1", "c1"], "main": [f"m{number}" for number in range(10)], "db": ["x"]}
EVERY = [*GROUPS["canary"], "e1", *GROUPS["main"], "x"]
TUESDAY = [{"days": ["tue"], "from": "22:00", "to": "23:00"}]


def test_each_host_is_of_the_first_ring_that_has_it():
    order = rings.rings_of(NAMES, GROUPS, EVERY)
    assert [(ring.name, ring.hosts) for ring in order] == [
        ("canary", ("c1", "c2")), ("early", ("e1",)), ("main", tuple(GROUPS["main"])), (None, ("x",)),
    ]  # fmt: skip
    assert [rings.ring_of(order, host) for host in ("c1", "e1", "m3", "x")] == [0, 1, 2, 3]
    assert [ring.hosts for ring in rings.rings_of(NAMES, GROUPS, ["m1"])] == [(), (), ("m1",), ()]
    assert rings.rings_of(("none",), GROUPS, ["m1"])[-1].hosts == ("m1",)


@pytest.fixture(name="world")
def world_fixture(home, open_run, observe):
    """world.done(host, status, ...) records a patch run; world.asks(host, ...) asks whether it may start."""

    class World:
        run = open_run("r1", ["patch_level", "patch"], EVERY, started="2026-11-24T21:00:00Z")

        def done(self, host, status="ok", reason=None, outcome="patched", seconds=100, run=None):
            seen = observe(run or self.run, host, "patch", {"data": {}}, finished=times.iso(NOW))
            seen.started = times.iso(NOW - timedelta(seconds=seconds))
            seen.hold([Part(None, status, reason, data={"schema": "upkeep.patch/1", "outcome": outcome})], False)
            observations.add(home, seen)

        def asks(self, host, now=NOW, recorded=True, only_plans=False, begun=None, **variables):
            made = policy.parse({f"patch_{name}": value for name, value in variables.items()}, now.date())
            asked = Asked(host, NAMES, GROUPS, EVERY, self.run if recorded else None, "r1", only_plans, begun)
            return admit(home, made, asked, now)

    return World()


FAILED = ("failed", "verify_failed: port 443 is not listening", "rolled_back")


def test_a_failing_canary_stops_the_rings_after_it(world):
    world.done("c1")
    world.done("c2", *FAILED)
    world.done("e1")
    found = world.asks("e1")
    assert (found.admitted, found.code, found.ring) == (False, "ring_stopped", "early")
    assert found.reason == (
        "canary did not do well: c2 failed (verify_failed: port 443 is not listening). 1 of 2 hosts failed, and "
        "patch_ring_failures is 0. Look at runs/r1/hosts/c2/, mend it, then run again"
    )
    assert world.asks("c1").code == "ring_stopped", "nor is its own ring gone on with"
    assert world.asks("c2").admitted, "what is repeated is not stopped by what it came to before"
    assert world.asks("x").code == "ring_stopped", "hosts of no ring come last"
    assert world.asks("e1", ring_failures=1).admitted and world.asks("e1", ring_failures="50%").admitted
    assert not world.asks("e1", ring_failures="49%").admitted


def test_what_was_begun_is_gone_on_with_at_any_time(world):
    world.done("c2", *FAILED)
    for asked in ({"windows": [{"days": ["wed"], "from": "22:00", "to": "23:00"}]}, {"budget": 1}, {}):
        assert not world.asks("c1", **asked).admitted
        found = world.asks("c1", begun="r0", **asked)
        assert (found.admitted, found.code, found.reason) == (True, None, None)
        assert found.notes[0].startswith("goes on with run r0, which left it in the middle")


def test_an_earlier_ring_that_left_no_record_has_failed(world):
    world.done("c1")
    assert "c2 failed (nothing was recorded of it)" in world.asks("m1").reason
    assert world.asks("c2").admitted and world.asks("c1").admitted
    world.done("c2")
    world.done("e1", "unknown", "unreachable: no route", None)
    assert "early did not do well: e1 failed (unreachable: no route)" in world.asks("m1").reason


@pytest.mark.parametrize("code", ["outside_window", "budget", "ring_stopped"])
def test_what_was_not_started_has_not_failed(world, code):
    for host in ("c1", "c2", "e1"):
        world.done(host, "failed", f"{code}: x", "refused")
    assert world.asks("m1").admitted
    world.done("m2", "failed", "stale_metadata: x", "refused")
    assert not world.asks("m1").admitted


def test_a_part_of_a_ring_may_fail(world):
    for host in ("c1", "c2", "e1"):
        world.done(host)
    world.done("m1", *FAILED)
    assert world.asks("m2", ring_failures="10%").admitted
    world.done("m3", *FAILED)
    assert world.asks("m2", ring_failures="10%").reason.startswith("main did not do well: m1 failed")


def test_a_later_recording_answers_an_earlier_one(world):
    world.done("c1")
    world.done("c2", *FAILED)
    world.done("c2")
    assert world.asks("e1").admitted


def test_only_a_plan_is_stopped_by_nothing_and_noted(world):
    world.done("c1", *FAILED)
    found = world.asks("m1", NOW + timedelta(days=1), only_plans=True, windows=TUESDAY)
    assert found.admitted and found.notes[0].startswith(
        "it would not be started now: now (2026-11-25 22:00 UTC) is out"
    )
    assert world.asks("m1", recorded=False, only_plans=True).admitted


@pytest.mark.parametrize(
    ("minute", "expected", "reason"),
    [
        (0, 3600, None),
        (
            1,
            3600,
            "its window closes at 2026-11-24 23:00 UTC, and the host takes about 1 h (patch_expected_duration): ",
        ),
        (59, 60, None),
        (
            60,
            1,
            "now (2026-11-24 23:00 UTC) is outside its windows (tue 22:00 to 23:00 UTC): the next opens at 2026-12-01",
        ),
    ],
)
def test_windows(world, minute, expected, reason):
    found = world.asks("c1", NOW + timedelta(minutes=minute), windows=TUESDAY, expected_duration=expected)
    assert (found.code, found.admitted) == (("outside_window", False) if reason else (None, True))
    assert found.reason is None if reason is None else reason in found.reason
    emergency = world.asks("c1", NOW + timedelta(minutes=minute), windows=TUESDAY, outside_window=True)
    assert emergency.admitted and bool(emergency.notes) == (minute == 60)


def test_the_budget_is_the_runs(world):
    assert world.asks("c1", budget=3600 + 900).admitted
    found = world.asks("c1", budget=3600 + 899)
    assert found.code == "budget" and found.reason == (
        "patch_budget is 1 h 14 min, of which 14 min 59 s is left, and the host takes about 15 min "
        "(patch_expected_duration): run again for the rest, or raise it"
    )
    assert world.asks("c1", budget=1, outside_window=True).code == "budget"


def test_how_long_it_takes_is_learned(world, open_run):
    assert world.asks("c1", budget=9000).estimated_by == "patch_expected_duration"
    world.done("c2", seconds=200)
    world.done("e1", seconds=9, outcome="nothing_to_do")
    found = world.asks("c1", budget=9000)
    assert (found.estimate_s, found.estimated_by) == (200, "p95 of 1 host of this run")
    for number, seconds in enumerate((50, 300, 70)):
        earlier = open_run(f"r0{number}", ["patch"], ["c1"], started=f"2026-11-0{number + 1}T00:00:00Z")
        world.done("c1", seconds=seconds, run=earlier)
    found = world.asks("c1", budget=9000)
    assert (found.estimate_s, found.estimated_by) == (300, "p95 of 3 earlier runs of it")
    assert world.asks("c1").estimate_s is None, "nothing asks for it"


def test_p95_is_by_nearest_rank():
    assert [budget.p95(list(range(1, n + 1))) for n in (1, 19, 20, 100)] == [1, 19, 19, 95]
