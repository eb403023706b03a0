# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a host is now, and against before: it waits for what gets well, and not for what is well."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.patching import examine, snapshot

WELL = {
    "units": {"failed": [], "active": ["a.service"], "on_demand": [], "restarts": {}, "seen": True},
    "listening": [],
    "boot": {},
    "ephemeral": [32768, 60999],
    "not_seen": [],
}


def look(**units):
    found = copy.deepcopy(WELL)
    found["units"].update(units)
    return found


@pytest.fixture
def looks(monkeypatch):
    """looks(...): what each look finds, the last one for good; the list tells how many were not needed."""

    def of(*found):
        left = list(found)
        monkeypatch.setattr(examine.snapshot, "take", lambda: left.pop(0) if len(left) > 1 else left[0])
        monkeypatch.setattr(examine, "_PAUSE", 0.01)
        monkeypatch.setattr(examine, "_CRASHES", 0.0)
        return left

    return of


def codes(data):
    return [problem["code"] for problem in data["problems"]]


def test_a_unit_that_starts_in_time_is_no_problem(looks):
    left = looks(look(active=[]), look(active=[]), look(), look(active=[]))
    assert codes(examine.examine({}, 60, WELL)) == []
    assert len(left) == 1


def test_a_unit_that_is_gone_for_a_good_reason_is_none_either(looks, monkeypatch):
    looks(look(active=[]))
    monkeypatch.setattr(examine.snapshot, "excused", set)
    assert codes(examine.examine({}, 0, WELL)) == []
    monkeypatch.setattr(examine.snapshot, "excused", lambda units: set())
    assert codes(examine.examine({}, 0, WELL)) == ["unit_gone"]


def test_one_that_does_not_is(looks):
    looks(look(active=[], failed=["a.service"]))
    assert codes(examine.examine({}, 0.05, WELL)) == ["unit_failed"]


def test_a_unit_that_crashes_on_and_on_is_a_problem_and_one_that_recovered_is_none(looks):
    looks(look(restarts={"a.service": 1}), look(restarts={"a.service": 2}))
    assert codes(examine.examine({}, 0, WELL)) == ["unit_crashing"]
    looks(look(restarts={"a.service": 3}))
    assert codes(examine.examine({}, 0, WELL)) == []


def test_without_an_earlier_look_health_alone_counts(looks):
    looks(look(failed=["a.service"]))
    data = examine.examine({"commands": [{"argv": ["false"]}]})
    assert codes(data) == ["health_red"]
    assert data["units"]["failed"] == ["a.service"]


def test_this_machine_is_as_it_is(monkeypatch):
    before = snapshot.take()
    assert set(examine.examine(None, 0, before)) == {
        "checks", "units", "listening", "boot", "ephemeral", "not_seen", "problems",
    }  # fmt: skip
