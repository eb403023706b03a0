# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Times as every document writes them: UTC, ISO 8601, whole seconds, ending in `Z`."""

from __future__ import annotations

from datetime import datetime, timezone

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(timezone.utc)


def iso(when: datetime) -> str:
    """`2026-11-23T08:34:03Z` for an aware datetime."""
    return when.astimezone(timezone.utc).strftime(_FORMAT)


def from_timestamp(seconds: float) -> str:
    """The ISO form of seconds since the epoch."""
    return iso(datetime.fromtimestamp(seconds, timezone.utc))


def parse(text: str) -> datetime:
    """The aware datetime of an `iso()` text. ValueError on anything else."""
    return datetime.strptime(text, _FORMAT).replace(tzinfo=timezone.utc)


def stamp(when: datetime) -> str:
    """`20261123T083403Z`: a time that is fit for a file name and sorts by itself."""
    return when.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
