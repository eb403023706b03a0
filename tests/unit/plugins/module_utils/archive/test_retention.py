# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rules keep. Ages are in days before 2026-11-23, a Monday; 0 is the archive at dest."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.archive import retention

TODAY = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def archives(*ages):
    return [
        {"created": times.iso(TODAY - timedelta(days=age)), "sha256": f"sha-{age}", "bytes": 10, "current": age == 0}
        for age in ages
    ]


def ages(chosen):
    return [float(one["sha256"][4:]) for one in chosen]


DAILY = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)


@pytest.mark.parametrize(
    "there, rules, more, kept",
    [
        (DAILY, {}, {}, DAILY),
        (DAILY, {"last": 0, "daily": 0}, {}, DAILY),
        (DAILY, {"last": 1}, {}, (0,)),
        (DAILY, {"last": 3}, {}, (0, 1, 2)),
        (DAILY, {"last": 99}, {}, DAILY),
        # The newest of each day that has one, however long ago the days are.
        ((0, 0.1, 0.2, 1, 1.1, 400, 400.1, 401), {"daily": 3}, {}, (0, 1, 400)),
        # Weeks begin on Monday: 0 is one, 1 to 7 are the week before.
        (DAILY, {"weekly": 2}, {}, (0, 1)),
        (DAILY, {"weekly": 3}, {}, (0, 1, 8)),
        ((0, 30, 40, 60, 90), {"monthly": 3}, {}, (0, 30, 60)),
        ((0, 300, 330, 360, 700), {"yearly": 2}, {}, (0, 330)),
        # Rules add up.
        (DAILY, {"last": 2, "daily": 3, "weekly": 3}, {}, (0, 1, 2, 8)),
        ((0, 0.1, 0.2, 1, 8), {"last": 2, "daily": 2}, {}, (0, 0.1, 1)),
        # The floor, what was verified, and the one at dest.
        (DAILY, {"last": 1}, {"at_least": 4}, (0, 1, 2, 3)),
        ((0, 1), {"last": 1}, {"at_least": 9}, (0, 1)),
        (DAILY, {"last": 1}, {"verified": ["sha-7", "sha-none"]}, (0, 7)),
        ((-3, -2, 0, 1), {"last": 1}, {}, (-3, 0)),
        # The size: the oldest first, after the rules.
        (DAILY, {}, {"max_size": 35}, (0, 1, 2)),
        (DAILY, {"last": 5}, {"max_size": 1000}, (0, 1, 2, 3, 4)),
        (DAILY, {"daily": 5}, {"max_size": 30}, (0, 1, 2)),
        (DAILY, {}, {"max_size": 0}, (0,)),
        (DAILY, {}, {"max_size": 0, "at_least": 2}, (0, 1)),
        (DAILY, {}, {"max_size": 30, "verified": ["sha-10"]}, (0, 1, 10)),
        ((-3, -2, 0, 1), {}, {"max_size": 20}, (-3, 0)),
        ((0,), {"last": 1}, {"max_size": 1}, (0,)),
        ((), {"last": 1}, {}, ()),
    ],
)
def test_plan(there, rules, more, kept):
    stays, goes = retention.plan(archives(*reversed(there)), rules, **more)
    assert ages(stays) == list(kept)
    assert sorted(ages(stays) + ages(goes)) == sorted(there)
    assert ages(goes) == sorted(ages(goes)) and all(one["why"] for one in stays + goes)


def test_why():
    stays, goes = retention.plan(archives(*DAILY), {"last": 2, "weekly": 3}, 1, 25, ["sha-9"])
    assert {age: one["why"] for age, one in zip(ages(stays), stays)} == {
        0: "the current one, last 1, weekly 2026-W48", 9: "the last verified one",
    }  # fmt: skip
    why = {age: one["why"] for age, one in zip(ages(goes), goes)}
    assert why[1] == "max_size: 30 bytes are more than 25" and why[8] == "max_size: 40 bytes are more than 25"
    assert why[2] == "no rule keeps it"


def test_of_the_same_bytes_the_newest_is_verified_enough():
    there = archives(0, 1, 2, 3)
    for one in there[1:]:
        one["sha256"] = "sha-1"
    for more in ({"rules": {"last": 1}}, {"rules": {}, "max_size": 20}):
        stays, _goes = retention.plan(there, verified=["sha-1"], **more)
        assert [one["created"] for one in stays] == [one["created"] for one in there[:2]]


def test_weeks_at_the_turn_of_a_year():
    assert retention.PERIODS["weekly"]("2027-01-03T00:00:00Z") == "2026-W53"
    assert retention.PERIODS["weekly"]("2027-01-04T00:00:00Z") == "2027-W01"
