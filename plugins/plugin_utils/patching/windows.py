# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When hosts may be changed: windows by day, week of the month and time, in a time zone. Pure.

A window belongs to the day on which it opens, also where it closes on the next. It opens and closes by the clock on the
wall: one from 22:00 to 04:00 is an hour shorter or longer in the night in which that clock is set.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from . import fields
from .fields import Wrong

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEKS = (-1, 1, 2, 3, 4, 5)
KEYS = ("days", "weeks", "from", "to", "timezone")
# The fifth monday of a month may be this many weeks away.
_LOOKED_AHEAD = timedelta(days=190)
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Window:
    """`weeks` counts the days of that name in the month: 2 is the second tuesday, -1 the last. Empty: each."""

    opens: time
    closes: time
    days: frozenset[str] = frozenset()
    weeks: frozenset[int] = frozenset()
    zone: str = "UTC"

    def spans(self, first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
        """(opens, closes) in UTC of each time that it opens on a day from `first` to `last` by its own clock."""
        zone = ZoneInfo(self.zone)
        for number in range((last - first).days + 1):
            day = first + number * _DAY
            if not self._is_on(day):
                continue
            ends_on = day if self.closes > self.opens else day + _DAY
            opens, closes = _utc(day, self.opens, zone), _utc(ends_on, self.closes, zone)
            if opens < closes:  # what lies in the hour that is left out is no window
                yield opens, closes

    def _is_on(self, day: date) -> bool:
        if self.days and DAYS[day.weekday()] not in self.days:
            return False
        length = calendar.monthrange(day.year, day.month)[1]
        is_last = day.day + 7 > length
        return not self.weeks or (day.day - 1) // 7 + 1 in self.weeks or (is_last and -1 in self.weeks)

    def __str__(self) -> str:
        named = ", ".join(day for day in DAYS if day in self.days) or "daily"
        weeks = "".join(f" {_nth(week)}" for week in sorted(self.weeks, key=lambda week: week % 7))
        return f"{named}{weeks} {self.opens:%H:%M} to {self.closes:%H:%M} {self.zone}"


def parse(value: Any) -> Window:
    """A window of `patch_windows`. Raises Wrong."""
    entry = fields.entry(value, KEYS, required=("from", "to"))
    zone = fields.text(entry.get("timezone", "UTC"), "timezone")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Wrong(_unknown_zone(zone)) from None
    opens, closes = fields.clock(entry["from"], "from"), fields.clock(entry["to"], "to")
    if opens == closes and fields.text(entry["to"], "to") != "24:00":
        raise Wrong(f"it opens and closes at {opens:%H:%M}; for the whole day write from '00:00' to '24:00'")
    return Window(
        opens,
        closes,
        fields.choices(entry.get("days"), "days", DAYS),
        fields.numbers(entry.get("weeks"), "weeks", WEEKS),
        zone,
    )


def is_open(windows: Sequence[Window], now: datetime) -> bool:
    """Whether hosts may be changed at that time; without windows always."""
    return not windows or closes_at(windows, now) is not None


def closes_at(windows: Iterable[Window], now: datetime) -> datetime | None:
    """When the windows that are open now close, one that opens by then counted in; None where none is open."""
    end = None
    for opens, closes in _around(windows, now, _DAY * 8):
        if opens <= (end or now) < closes:
            end = closes
    return end


def next_open(windows: Sequence[Window], now: datetime) -> datetime | None:
    """When the next window opens after now; None where none does within half a year."""
    return next((opens for opens, _closes in _around(windows, now, _LOOKED_AHEAD) if opens > now), None)


def _around(windows: Iterable[Window], now: datetime, ahead: timedelta) -> list[tuple[datetime, datetime]]:
    """Each span of each window, from two days ago on (zones differ by more than a day), by when it opens."""
    found: list[tuple[datetime, datetime]] = []
    for window in windows:
        today = now.astimezone(ZoneInfo(window.zone)).date()
        found += window.spans(today - 2 * _DAY, today + ahead)
    return sorted(found)


def _utc(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The first moment at which the clock on the wall shows that time, or a later one where it passes that over."""
    wall = datetime.combine(day, clock)
    found = wall.replace(tzinfo=zone).astimezone(timezone.utc)
    if _wall(found, zone) != wall:
        while _wall(found - _MINUTE, zone) >= wall:
            found -= _MINUTE
    return found


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _unknown_zone(zone: str) -> str:
    if "Europe/Berlin" not in available_timezones():
        return (
            f"timezone: {zone} cannot be looked up, since this controller has no time zones: install the package "
            "tzdata (of the system, or into the Python environment with pip)"
        )
    return f"timezone: there is no time zone {zone}; write it as Europe/Berlin"


def _nth(week: int) -> str:
    return "(the last of the month)" if week < 0 else f"(week {week} of the month)"
