# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Windows, over the nights in which clocks are set."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

import pytest
import zoneinfo
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import windows
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.fields import Wrong
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.windows import Window
from hypothesis import given, settings
from hypothesis import strategies as st
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def window(**entry):
    return windows.parse({key.rstrip("_"): value for key, value in entry.items()})


TUESDAY = window(days=["tue"], from_="22:00", to="04:00", timezone="Europe/Berlin")
SECOND = window(days=["tue"], weeks=[2], from_="22:00", to="24:00")
LAST = window(days=["fri", "sat"], weeks=-1, from_="01:00", to="02:00")
DAILY = window(from_="00:00", to="24:00")


@pytest.mark.parametrize(
    ("window", "now", "closes", "opens"),
    [
        (TUESDAY, "2026-11-24T20:59", None, "2026-11-24T21:00"),
        (TUESDAY, "2026-11-24T21:00", "2026-11-25T03:00", "2026-12-01T21:00"),
        (TUESDAY, "2026-11-25T02:59", "2026-11-25T03:00", "2026-12-01T21:00"),  # wednesday, and still tuesday's
        (TUESDAY, "2026-11-25T03:00", None, "2026-12-01T21:00"),
        (TUESDAY, "2026-07-07T20:00", "2026-07-08T02:00", "2026-07-14T20:00"),  # summer
        (SECOND, "2026-11-10T23:30", "2026-11-11T00:00", "2026-12-08T22:00"),
        (SECOND, "2026-11-24T23:30", None, "2026-12-08T22:00"),
        (LAST, "2026-11-27T01:30", "2026-11-27T02:00", "2026-11-28T01:00"),
        (LAST, "2026-11-20T01:30", None, "2026-11-27T01:00"),
        (window(from_=1320, to="04:00"), "2026-11-24T23:00", "2026-11-25T04:00", "2026-11-25T22:00"),  # YAML's 22:00
    ],
)
def test_when_it_opens_and_closes(window, now, closes, opens):
    assert windows.closes_at([window], utc(now)) == (closes and utc(closes))
    assert windows.is_open([window], utc(now)) == (closes is not None)
    assert windows.next_open([window], utc(now)) == utc(opens)


def test_windows_that_follow_each_other_are_one():
    now, morning = utc("2026-11-24T23:00"), window(from_="00:00", to="03:00", days=["wed"])
    assert windows.closes_at([morning, SECOND, window(from_="22:00", to="24:00")], now) == utc("2026-11-25T03:00")
    assert windows.closes_at([DAILY], now) > now + timedelta(days=7)


def test_without_windows_it_is_always_open():
    assert windows.is_open([], utc("2026-11-24T23:00"))


def test_a_window_that_never_comes():
    assert windows.next_open([window(days=["mon"], weeks=[5], from_="01:00", to="02:00")], utc("2026-11-24T00:00"))
    night = Window(time(2, 15), time(2, 45), frozenset({"sun"}), zone="Europe/Berlin")
    assert not list(night.spans(date(2026, 3, 29), date(2026, 3, 29))), "the hour that is passed over"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("22:00-04:00", "no entry with the keys days, weeks, from, to, timezone"),
        ({"from": "22:00"}, "to is missing"),
        ({"from": "22:00", "to": "25:00"}, "to: '25:00' is no time of day"),
        ({"from": "22:00", "to": "22:00"}, "it opens and closes at 22:00"),
        ({"from": "22:00", "to": "23:00", "days": ["tuesday"]}, "days: 'tuesday' is none of mon, tue"),
        ({"from": "22:00", "to": "23:00", "weeks": [6]}, "weeks: 6 is none of -1, 1, 2, 3, 4, 5"),
        ({"from": "22:00", "to": "23:00", "day": "tue"}, "there is no key day; there are days, weeks"),
        ({"from": "22:00", "to": "23:00", "timezone": "Europe/Bonn"}, "there is no time zone Europe/Bonn"),
        ({"from": "22:00", "to": "23:00", "timezone": "../etc/passwd"}, "there is no time zone"),
    ],
)
def test_what_is_wrong_is_named(entry, said):
    with pytest.raises(Wrong) as caught:
        windows.parse(entry)
    assert said in str(caught.value)


def test_a_controller_without_time_zones_says_which_package_has_them(monkeypatch, tmp_path):
    try:
        with monkeypatch.context() as context:
            context.setitem(__import__("sys").modules, "tzdata", None)
            zoneinfo.reset_tzpath([str(tmp_path)])
            ZoneInfo.clear_cache()
            with pytest.raises(Wrong, match="install the package tzdata"):
                window(from_="22:00", to="23:00", timezone="Europe/Berlin")
    finally:
        zoneinfo.reset_tzpath()


CLOCK = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59]))
# Both nights of the year in zones that set their clocks by an hour, by half of one, at midnight, or never.
NIGHTS = [
    ("Europe/Berlin", "2026-03-28"), ("Europe/Berlin", "2026-10-24"), ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-04"), ("Australia/Lord_Howe", "2026-10-03"), ("America/Havana", "2026-03-07"),
    ("UTC", "2026-11-30"), ("Asia/Kathmandu", "2026-02-28"),
]  # fmt: skip


def brute_force(window, first, days):
    """Minute by minute: it opens when the clock on the wall has reached that time of its day, and closes likewise."""
    zone = ZoneInfo(window.zone)
    start = datetime.combine(first - timedelta(days=4), time(0), timezone.utc)
    minutes = [start + MINUTE * number for number in range((days + 8) * 1440)]
    walls = [minute.astimezone(zone).replace(tzinfo=None) for minute in minutes]
    reached = {}
    latest = datetime.min
    for minute, wall in zip(minutes, walls):
        while latest < wall:  # each time of the wall's clock, and when it was first shown or passed over
            latest = wall if latest == datetime.min else latest + MINUTE
            reached[latest] = minute
    is_open = set()
    for number in range(-3, days + 2):
        day = first + timedelta(days=number)
        of_month = [day.replace(day=each) for each in range(1, 32) if _has(day, each)]
        alike = [each for each in of_month if each.weekday() == day.weekday()]
        if window.days and windows.DAYS[day.weekday()] not in window.days:
            continue
        place = alike.index(day)
        if window.weeks and not {place + 1, place - len(alike)} & window.weeks:
            continue
        following = day if window.closes > window.opens else day + timedelta(days=1)
        opens, closes = (
            reached[datetime.combine(each, clock)] for each, clock in ((day, window.opens), (following, window.closes))
        )
        is_open.update(minute for minute in minutes if opens <= minute < closes)
    return minutes[5760 : 5760 + days * 1440], is_open


def _has(day, number):
    try:
        return bool(day.replace(day=number))
    except ValueError:
        return False


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(NIGHTS),
    CLOCK,
    CLOCK,
    st.frozensets(st.sampled_from(windows.DAYS)),
    st.frozensets(st.sampled_from(windows.WEEKS), max_size=2),
    st.lists(st.integers(0, 2 * 1440 - 1), max_size=5),
)
def test_agrees_with_looking_at_each_minute(night, opens, closes, days, weeks, some):
    one = Window(opens, closes, days, weeks, night[0])
    minutes, expected = brute_force(one, date.fromisoformat(night[1]), 2)
    edges = [here for here in minutes if (here in expected) != (here - MINUTE in expected)]
    looked_at = {minutes[number] for number in some} | {edge + by for edge in edges for by in (-MINUTE, 0 * MINUTE)}
    for here in sorted(looked_at):
        assert (windows.closes_at([one], here) is not None) == (here in expected), here
        opening = next((edge for edge in edges if edge > here and edge in expected), None)
        assert opening is None or windows.next_open([one], here) == opening
